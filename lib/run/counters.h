/* SPDX-License-Identifier: MIT */
/* What the queues of a device have done, as text: for SIGUSR1 and for the command "metrics". */
#ifndef RUN_COUNTERS_H
#define RUN_COUNTERS_H

#include <libvu/vu.h>

#include "run/log_format.h"

/*
 * One line for each queue on standard error: "counters device=NAME queue=N requests=N ...", keys
 * only added at the end; or an object, as counters_json() says.
 */
void counters_print(struct vu_device *dev, enum log_format format);

/*
 * The same in Prometheus' text format, "vu_requests_total{device=\"NAME\",queue=\"0\"} N", with
 * HELP and TYPE of each metric; line is called for each line.
 */
void counters_metrics(struct vu_device *dev, void (*line)(const char *text, void *opaque),
		      void *opaque);

/*
 * The same as JSON, an object a line for each queue: {"device":"NAME","queue":N,"requests":N,...}.
 * Keys are only added at the end.
 */
void counters_json(struct vu_device *dev, void (*line)(const char *text, void *opaque),
		   void *opaque);

#endif
