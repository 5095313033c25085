/* SPDX-License-Identifier: MIT */
/*
 * Probes for tracers (USDT, <sys/sdt.h>): a nop each, and a note that says where and of what.
 *
 * Arguments are registers or memory that are there anyway, so a probe that nobody uses costs its
 * nop.  They are described in docs/metrics.md; arguments are only added at the end.
 */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#ifdef VU_USDT
#include <sys/sdt.h>

#define PROBE(name, a, b, c, d) DTRACE_PROBE4(libvu, name, a, b, c, d)
#else
#define PROBE(name, a, b, c, d)                                                                    \
	do {                                                                                       \
	} while (0)
#endif

/* Of a request or a signal: device, queue, and two more. */
#define RING_PROBE(name, ring, what, n)                                                            \
	PROBE(name, (ring)->config.device_name, (ring)->config.index, what, n)

#endif
