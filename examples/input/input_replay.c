/* SPDX-License-Identifier: MIT */
/*
 * Recordings: made of the events of a device, and played with the timing that they had.  The format
 * is evemu's.
 */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/own_file.h"

static uint64_t input_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct input_record {
	FILE *file;
	uint64_t began; /* ns; 0: with the first event */
};

static void record_bytes(FILE *file, const char *head, const uint8_t *bytes, uint32_t n)
{
	/* As the kernel's bitmaps: whole words, eight bytes on a line. */
	for (uint32_t i = 0; i < n; i++)
		fprintf(file, "%s %02x%s", i % 8 ? "" : head, bytes[i], i % 8 == 7 ? "\n" : "");
}

static void record_header(FILE *file, const struct input_about *about)
{
	char head[16];

	/* The name is the rest of its line, so it has no newline. */
	fprintf(file, "# EVEMU 1.3\nN: ");
	for (const char *c = about->name; *c; c++)
		fputc(*c == '\n' || *c == '\r' ? ' ' : *c, file);
	fprintf(file, "\nI: %04x %04x %04x %04x\n", about->id.bustype, about->id.vendor,
		about->id.product, about->id.version);
	record_bytes(file, "P:", about->props, 8);
	for (uint32_t type = EV_KEY; type < EV_CNT; type++) {
		snprintf(head, sizeof(head), "B: %02x", type);
		if (input_has_type(about, type))
			record_bytes(file, head, about->bits[type], type == EV_KEY ? 96 : 16);
	}
	for (uint32_t axis = 0; axis < ABS_CNT; axis++) {
		const struct input_absinfo *abs = &about->abs[axis];

		if (input_has(about, EV_ABS, axis))
			fprintf(file, "A: %02x %d %d %d %d %d\n", axis, abs->minimum, abs->maximum,
				abs->fuzz, abs->flat, abs->resolution);
	}
}

int input_record_open(const char *path, const struct input_about *about,
		      struct input_record **record)
{
	struct input_record *r = calloc(1, sizeof(*r));
	int fd;

	if (!r)
		return -ENOMEM;
	/* All that is typed will be in there. */
	fd = own_file_open(path, O_WRONLY | O_TRUNC);
	r->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!r->file) {
		int err = fd < 0 ? fd : -errno;

		if (fd >= 0)
			close(fd);
		free(r);
		return err;
	}
	record_header(r->file, about);
	fflush(r->file);
	*record = r;
	return 0;
}

void input_record_add(struct input_record *r, struct input_ev ev)
{
	char type[16], code[16];
	uint64_t us, now;

	if (!r)
		return;
	now = input_clock();
	if (!r->began)
		r->began = now;
	us = (now - r->began) / 1000;
	fprintf(r->file, "E: %" PRIu64 ".%06" PRIu64 " %04x %04x %d\t# %s / %s\n", us / 1000000,
		us % 1000000, ev.type, ev.code, ev.value,
		input_name(INPUT_TYPE_NAME, ev.type, type), input_name(ev.type, ev.code, code));
	if (ev.type == EV_SYN)
		fflush(r->file);
}

void input_record_close(struct input_record *r)
{
	if (!r)
		return;
	if (fclose(r->file))
		fprintf(stderr, "vu-input: the recording is not complete: %s\n", strerror(errno));
	free(r);
}

/* --- playing --- */

static void replay_on_time(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct input_replay *r = opaque;
	const struct input_step *step = r->text.steps;
	uint64_t now = input_clock() - r->began;

	for (; r->at < r->text.n_steps && step[r->at].ns <= now; r->at++)
		r->event(step[r->at].ev, r->opaque);
	if (r->at < r->text.n_steps) {
		vu_source_set_timer(r->timer, step[r->at].ns - now, 0);
		return;
	}
	input_replay_stop(r);
	r->done(r->opaque);
}

int input_replay_init(struct input_replay *r, struct vu_device *dev)
{
	return vu_group_add_timer(vu_device_group(dev), replay_on_time, r, &r->timer);
}

int input_replay_start(struct input_replay *r, const struct input_about *about, const char *path)
{
	int err;

	input_replay_stop(r);
	r->text = (struct input_text){.player = about};
	err = input_text_read(&r->text, path);
	if (err || !r->text.n_steps) {
		input_replay_stop(r);
		return err ? err : -ENODATA;
	}
	r->at = 0;
	/* What came before the first event is not waited for. */
	r->began = input_clock() - r->text.steps[0].ns;
	r->playing = true;
	return vu_source_set_timer(r->timer, 1, 0);
}

void input_replay_stop(struct input_replay *r)
{
	if (r->playing)
		vu_source_set_timer(r->timer, 0, 0);
	r->playing = false;
	free(r->text.steps);
	r->text.steps = NULL;
	r->text.n_steps = 0;
}
