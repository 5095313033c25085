/* SPDX-License-Identifier: MIT */
/* What the queues of a device have done, as text: for SIGUSR1 and for the command "metrics". */
#ifndef RUN_COUNTERS_H
#define RUN_COUNTERS_H

#include <stdio.h>

#include <libvu/vu.h>

/* One line for each queue: "counters device=NAME queue=N requests=N ...", keys only added at the
 * end. */
void counters_print(FILE *out, struct vu_device *dev);

/*
 * The same in Prometheus' text format, "vu_requests_total{device=\"NAME\",queue=\"0\"} N", with
 * HELP and TYPE of each metric; line is called for each line.
 */
void counters_metrics(struct vu_device *dev, void (*line)(const char *text, void *opaque),
		      void *opaque);

#endif
