/* SPDX-License-Identifier: MIT */
/* vu-bench: results as text, as JSON, and as a picture. */
#include "vu-bench.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include <libvu/version.h>

static const char *const rw_names[] = {"randread", "randwrite", "mix"};

static const struct {
	const char *name, *json;
	double share;
} percentiles[] = {
	{"p50", "p50", 0.5},	   {"p90", "p90", 0.9},		 {"p99", "p99", 0.99},
	{"p99.9", "p99_9", 0.999}, {"p99.99", "p99_99", 0.9999},
};
enum { N_PERCENTILES = sizeof(percentiles) / sizeof(percentiles[0]) };

static uint64_t report_requests(const struct bench *b)
{
	return b->reads + b->writes;
}

static double report_seconds(const struct bench *b)
{
	return (double)(b->ended - b->began) / 1e9;
}

static double report_iops(const struct bench *b)
{
	return (double)report_requests(b) / report_seconds(b);
}

static double report_per_request(const struct bench *b, uint64_t n)
{
	return report_requests(b) ? (double)n / (double)report_requests(b) : 0;
}

static uint64_t report_mean(const struct histogram *h)
{
	return h->n ? h->sum / h->n : 0;
}

void report_text(const struct bench *b)
{
	const struct bench_settings *set = b->set;
	const struct histogram *h = &b->latency;
	double iops = report_iops(b);

	printf("%s, %u bytes, queue depth %u on %u queue%s, %s, %s ring%s, %.2f s\n",
	       rw_names[set->rw], set->bs, set->qd, set->n_queues, set->n_queues == 1 ? "" : "s",
	       set->blocking ? "blocking" : "polling", set->packed ? "packed" : "split",
	       set->indirect ? ", indirect" : "", report_seconds(b));
	printf("requests  %" PRIu64 ": %" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64 " errors\n",
	       report_requests(b), b->reads, b->writes, b->errors);
	if (set->verify)
		printf("verified  %" PRIu64 " reads right, %" PRIu64 " wrong\n", b->verified,
		       b->mismatches);
	printf("IOPS      %.0f, in the best %d ms %.0f\n", iops, BENCH_WINDOW_MS, b->best_iops);
	printf("MB/s      %.1f\n", iops * set->bs / 1e6);
	printf("latency   min %.1f us, mean %.1f", (double)(h->n ? h->min : 0) / 1e3,
	       (double)report_mean(h) / 1e3);
	for (int i = 0; i < N_PERCENTILES; i++)
		printf(", %s %.1f", percentiles[i].name,
		       (double)histogram_percentile(h, percentiles[i].share) / 1e3);
	printf(", max %.1f us\n", (double)h->max / 1e3);
	printf("a request %.3f kicks, %.3f waits\n", report_per_request(b, b->kicks),
	       report_per_request(b, b->waits));
}

void report_json(const struct bench *b)
{
	const struct bench_settings *set = b->set;
	const struct histogram *h = &b->latency;
	double iops = report_iops(b);

	printf("{\"program\": \"vu-bench\", \"version\": \"%s\",\n", VU_VERSION);
	printf(" \"rw\": \"%s\", \"bs\": %u, \"qd\": %u, \"queues\": %u, \"blocking\": %s,"
	       " \"packed\": %s, \"indirect\": %s, \"verify\": %s,\n",
	       rw_names[set->rw], set->bs, set->qd, set->n_queues, set->blocking ? "true" : "false",
	       set->packed ? "true" : "false", set->indirect ? "true" : "false",
	       set->verify ? "true" : "false");
	printf(" \"seconds\": %.3f, \"requests\": %" PRIu64 ", \"reads\": %" PRIu64
	       ", \"writes\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"verified\": %" PRIu64
	       ", \"mismatches\": %" PRIu64 ", \"finished\": %" PRIu64 ",\n",
	       report_seconds(b), report_requests(b), b->reads, b->writes, b->errors, b->verified,
	       b->mismatches, b->finished);
	printf(" \"iops\": %.1f, \"iops_best_%dms\": %.1f, \"mb_s\": %.2f, \"kicks_per_request\": "
	       "%.4f,"
	       " \"waits_per_request\": %.4f,\n",
	       iops, BENCH_WINDOW_MS, b->best_iops, iops * set->bs / 1e6,
	       report_per_request(b, b->kicks), report_per_request(b, b->waits));
	printf(" \"latency_ns\": {\"min\": %" PRIu64 ", \"mean\": %" PRIu64, h->n ? h->min : 0,
	       report_mean(h));
	for (int i = 0; i < N_PERCENTILES; i++)
		printf(", \"%s\": %" PRIu64, percentiles[i].json,
		       histogram_percentile(h, percentiles[i].share));
	printf(", \"max\": %" PRIu64 "}}\n", h->max);
}

/* The picture: bars over a logarithmic scale of time. */
enum { BARS = 120, WIDTH = 860, HEIGHT = 400, LEFT = 60, TOP = 60, ROOM_W = 780, ROOM_H = 290 };

struct plot {
	FILE *out;
	const struct histogram *h;
	double from, to; /* log10 of ns */
	double bars[BARS], highest;
};

static double plot_x(const struct plot *p, double ns)
{
	return LEFT + ROOM_W * (log10(ns) - p->from) / (p->to - p->from);
}

static void plot_gather(struct plot *p)
{
	const struct histogram *h = p->h;

	p->from = log10((double)(h->min ? h->min : 1)) - 0.02;
	p->to = log10((double)(h->max ? h->max : 1)) + 0.02;
	for (unsigned int i = 1; i < HISTOGRAM_SIZE; i++) {
		/* A bucket may be wider than a bar: its requests are spread. */
		double first = log10((double)histogram_value(i));
		double last = log10((double)histogram_value(i + 1));
		double scale = BARS / (p->to - p->from);

		if (!h->counts[i])
			continue;
		for (int j = 0; j < BARS; j++) {
			double a = fmax((first - p->from) * scale, j);
			double z = fmin((last - p->from) * scale, j + 1);

			if (z > a)
				p->bars[j] +=
					(double)h->counts[i] * (z - a) / ((last - first) * scale);
		}
	}
	for (int j = 0; j < BARS; j++)
		p->highest = fmax(p->highest, p->bars[j]);
}

static void plot_bars(const struct plot *p)
{
	for (int j = 0; j < BARS && p->highest > 0; j++) {
		double height = ROOM_H * p->bars[j] / p->highest;

		if (height > 0)
			fprintf(p->out,
				"<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f'"
				" fill='#3b6ea5'/>\n",
				LEFT + j * (double)ROOM_W / BARS, TOP + ROOM_H - height,
				(double)ROOM_W / BARS - 0.5, height);
	}
}

static void plot_label(const struct plot *p, double ns, double y, const char *what)
{
	const char *units[] = {"ns", "us", "ms", "s"};
	int unit = 0;

	fprintf(p->out, "<text x='%.1f' y='%.1f' text-anchor='middle'>", plot_x(p, ns), y);
	while (ns >= 1000 && unit < 3) {
		ns /= 1000;
		unit++;
	}
	fprintf(p->out, "%s%.3g %s</text>\n", what, ns, units[unit]);
}

static void plot_scale(const struct plot *p)
{
	static const int steps[] = {1, 2, 5};
	bool dense = p->to - p->from > 3;

	fprintf(p->out, "<path d='M%d %dh%d' stroke='#444'/>\n", LEFT, TOP + ROOM_H, ROOM_W);
	for (double decade = floor(p->from); decade <= p->to; decade++)
		for (int i = 0; i < (dense ? 1 : 3); i++) {
			double ns = pow(10, decade) * steps[i];

			if (log10(ns) < p->from || log10(ns) > p->to)
				continue;
			fprintf(p->out, "<path d='M%.1f %dv6' stroke='#444'/>\n", plot_x(p, ns),
				TOP + ROOM_H);
			plot_label(p, ns, TOP + ROOM_H + 22, "");
		}
}

static void plot_percentiles(const struct plot *p)
{
	static const struct {
		const char *name;
		double share;
	} marks[] = {{"p50 ", 0.5}, {"p99 ", 0.99}, {"p99.9 ", 0.999}};

	for (int i = 0; i < 3; i++) {
		double ns = (double)histogram_percentile(p->h, marks[i].share);

		if (ns < 1)
			continue;
		fprintf(p->out,
			"<path d='M%.1f %dV%d' stroke='#b33' stroke-dasharray='4 3'/>"
			"<g fill='#b33'>",
			plot_x(p, ns), TOP - 4 - 12 * (i % 2), TOP + ROOM_H);
		plot_label(p, ns, TOP - 8 - 12 * (i % 2), marks[i].name);
		fprintf(p->out, "</g>\n");
	}
}

int report_plot(const struct bench *b, const char *path)
{
	struct plot p = {.h = &b->latency, .out = fopen(path, "w")};
	const struct bench_settings *set = b->set;
	int failed;

	if (!p.out)
		return -errno;
	plot_gather(&p);
	fprintf(p.out,
		"<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d'"
		" viewBox='0 0 %d %d' font-family='sans-serif' font-size='12'>\n"
		"<rect width='100%%' height='100%%' fill='white'/>\n"
		"<text x='%d' y='22' font-size='14'>Latency of %" PRIu64
		" requests: %s, %u bytes, queue depth %u, %s, %.0f IOPS</text>\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, b->latency.n, rw_names[set->rw], set->bs,
		set->qd * set->n_queues, set->blocking ? "blocking" : "polling", report_iops(b));
	plot_bars(&p);
	plot_scale(&p);
	plot_percentiles(&p);
	fprintf(p.out, "</svg>\n");
	failed = ferror(p.out);
	return fclose(p.out) || failed ? -EIO : 0;
}
