/* SPDX-License-Identifier: MIT */
/* Printing counters.  Keeps nothing; any thread. */
#include "run/counters.h"

#include <inttypes.h>

void counters_print(FILE *out, struct vu_device *dev)
{
	struct vu_queue *queue;

	for (uint32_t i = 0; (queue = vu_device_queue(dev, i)); i++) {
		struct vu_queue_counters c = {.size = sizeof(c)};

		if (vu_queue_counters(queue, &c))
			continue;
		fprintf(out,
			"counters device=%s queue=%" PRIu32 " requests=%" PRIu64
			" readable_bytes=%" PRIu64 " written_bytes=%" PRIu64 " kicks=%" PRIu64
			" signals=%" PRIu64 " signals_suppressed=%" PRIu64 " polls=%" PRIu64
			" batches=%" PRIu64 " outstanding=%" PRIu64 " for_ms=%" PRIu64 "\n",
			vu_device_name(dev), i, c.requests, c.readable_bytes, c.written_bytes,
			c.kicks, c.signals, c.signals_suppressed, c.polls, c.batches, c.outstanding,
			c.outstanding_ns / 1000000);
	}
}
