/* SPDX-License-Identifier: MIT */
/* Printing counters.  Keeps nothing; any thread. */
#include "run/counters.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

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

/* A metric is a counter of each queue. */
static const struct counters_metric {
	const char *name, *type, *help;
	size_t offset;
} counters_metrics_table[] = {
#define COUNTER(field, name, type, help)                                                           \
	{                                                                                          \
		"vu_" name, type, help, offsetof(struct vu_queue_counters, field)                  \
	}
	COUNTER(requests, "requests_total", "counter", "Requests completed."),
	COUNTER(readable_bytes, "readable_bytes_total", "counter", "Bytes that the driver sent."),
	COUNTER(written_bytes, "written_bytes_total", "counter", "Bytes that the device wrote."),
	COUNTER(kicks, "kicks_total", "counter", "Notifications received."),
	COUNTER(signals, "signals_total", "counter", "Interrupts sent."),
	COUNTER(signals_suppressed, "signals_suppressed_total", "counter",
		"Times that the driver wanted no interrupt."),
	COUNTER(polls, "polls_total", "counter", "Looks at the ring."),
	COUNTER(batches, "batches_total", "counter", "Looks at the ring that found requests."),
	COUNTER(outstanding, "outstanding_requests", "gauge", "Requests taken and not completed."),
#undef COUNTER
};

/* A name is the program's: what would end the label is left out. */
static void counters_label(char *label, size_t size, const char *name)
{
	size_t n = 0;

	for (; *name && n + 1 < size; name++)
		if (*name != '"' && *name != '\\' && (unsigned char)*name >= ' ')
			label[n++] = *name;
	label[n] = '\0';
}

void counters_metrics(struct vu_device *dev, void (*line)(const char *text, void *opaque),
		      void *opaque)
{
	const size_t n = sizeof(counters_metrics_table) / sizeof(counters_metrics_table[0]);
	char text[256], label[64];
	struct vu_queue *queue;

	counters_label(label, sizeof(label), vu_device_name(dev));
	for (const struct counters_metric *m = counters_metrics_table;
	     m < counters_metrics_table + n; m++) {
		snprintf(text, sizeof(text), "# HELP %s %s", m->name, m->help);
		line(text, opaque);
		snprintf(text, sizeof(text), "# TYPE %s %s", m->name, m->type);
		line(text, opaque);
		for (uint32_t i = 0; (queue = vu_device_queue(dev, i)); i++) {
			struct vu_queue_counters c = {.size = sizeof(c)};
			uint64_t value;

			if (vu_queue_counters(queue, &c))
				continue;
			memcpy(&value, (const char *)&c + m->offset, sizeof(value));
			snprintf(text, sizeof(text),
				 "%s{device=\"%s\",queue=\"%" PRIu32 "\"} %" PRIu64, m->name, label,
				 i, value);
			line(text, opaque);
		}
	}
}
