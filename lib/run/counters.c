/* SPDX-License-Identifier: MIT */
/* Printing counters.  Keeps nothing; any thread. */
#include "run/counters.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A metric is a counter of each queue. */
static const struct counters_metric {
	const char *key; /* of JSON */
	const char *name, *type, *help;
	size_t offset;
} counters_metrics_table[] = {
#define COUNTER(field, name, type, help)                                                           \
	{                                                                                          \
#field, "vu_" name, type, help, offsetof(struct vu_queue_counters, field)          \
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

static const struct counters_metric *const counters_metrics_end =
	counters_metrics_table + sizeof(counters_metrics_table) / sizeof(counters_metrics_table[0]);

/* A name is the program's: what would end the label is left out. */
static void counters_label(char *label, size_t size, const char *name)
{
	size_t n = 0;

	for (; *name && n + 1 < size; name++)
		if (*name != '"' && *name != '\\' && (unsigned char)*name >= ' ')
			label[n++] = *name;
	label[n] = '\0';
}

static uint64_t counters_value(const struct vu_queue_counters *c, const struct counters_metric *m)
{
	uint64_t value;

	memcpy(&value, (const char *)c + m->offset, sizeof(value));
	return value;
}

void counters_metrics(struct vu_device *dev, void (*line)(const char *text, void *opaque),
		      void *opaque)
{
	char text[256], label[64];
	struct vu_queue *queue;

	counters_label(label, sizeof(label), vu_device_name(dev));
	for (const struct counters_metric *m = counters_metrics_table; m < counters_metrics_end;
	     m++) {
		snprintf(text, sizeof(text), "# HELP %s %s", m->name, m->help);
		line(text, opaque);
		snprintf(text, sizeof(text), "# TYPE %s %s", m->name, m->type);
		line(text, opaque);
		for (uint32_t i = 0; (queue = vu_device_queue(dev, i)); i++) {
			struct vu_queue_counters c = {.size = sizeof(c)};

			if (vu_queue_counters(queue, &c))
				continue;
			snprintf(text, sizeof(text),
				 "%s{device=\"%s\",queue=\"%" PRIu32 "\"} %" PRIu64, m->name, label,
				 i, counters_value(&c, m));
			line(text, opaque);
		}
	}
}

/* --- as JSON --- */

void counters_json(struct vu_device *dev, void (*line)(const char *text, void *opaque),
		   void *opaque)
{
	char text[1024], label[64];
	struct vu_queue *queue;

	counters_label(label, sizeof(label), vu_device_name(dev));
	for (uint32_t i = 0; (queue = vu_device_queue(dev, i)); i++) {
		struct vu_queue_counters c = {.size = sizeof(c)};
		int n;

		if (vu_queue_counters(queue, &c))
			continue;
		n = snprintf(text, sizeof(text), "{\"device\":\"%s\",\"queue\":%" PRIu32, label, i);
		/* Ten numbers with their keys have room by far. */
		for (const struct counters_metric *m = counters_metrics_table;
		     m < counters_metrics_end; m++)
			n += snprintf(text + n, sizeof(text) - (size_t)n, ",\"%s\":%" PRIu64,
				      m->key, counters_value(&c, m));
		snprintf(text + n, sizeof(text) - (size_t)n, ",\"outstanding_ms\":%" PRIu64 "}",
			 c.outstanding_ns / 1000000);
		line(text, opaque);
	}
}

/* --- as text --- */

static void counters_text(struct vu_device *dev, enum log_format format)
{
	struct vu_queue *queue;
	char text[512];

	for (uint32_t i = 0; (queue = vu_device_queue(dev, i)); i++) {
		struct vu_queue_counters c = {.size = sizeof(c)};

		if (vu_queue_counters(queue, &c))
			continue;
		snprintf(text, sizeof(text),
			 "counters device=%s queue=%" PRIu32 " requests=%" PRIu64
			 " readable_bytes=%" PRIu64 " written_bytes=%" PRIu64 " kicks=%" PRIu64
			 " signals=%" PRIu64 " signals_suppressed=%" PRIu64 " polls=%" PRIu64
			 " batches=%" PRIu64 " outstanding=%" PRIu64 " for_ms=%" PRIu64,
			 vu_device_name(dev), i, c.requests, c.readable_bytes, c.written_bytes,
			 c.kicks, c.signals, c.signals_suppressed, c.polls, c.batches,
			 c.outstanding, c.outstanding_ns / 1000000);
		if (format == LOG_TEXT)
			fprintf(stderr, "%s\n", text);
		else
			log_format_any(format, VU_LOG_INFO, text);
	}
}

static void counters_write(const char *text, void *opaque)
{
	(void)opaque;
	fprintf(stderr, "%s\n", text);
}

void counters_print(struct vu_device *dev, enum log_format format)
{
	if (format == LOG_JSON)
		counters_json(dev, counters_write, NULL);
	else
		counters_text(dev, format);
}
