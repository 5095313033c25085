/* SPDX-License-Identifier: MIT */
/* See snd.h. */
#include "snd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MANY = 8 };

const char *const rig_program = "VU_SND";

const struct params usual = {
	.buffer = 4 * 480 * FRAME,
	.period = 480 * FRAME,
	.channels = 2,
	.format = S16,
	.rate = HZ_48000,
};

int snd_teardown(void **state)
{
	struct rig *rig = *state;

	unlink(rig->socket);
	unlink(rig->control);
	return rig_teardown(state);
}

void snd_start(struct rig *rig, const char *const *options)
{
	const char *args[RIG_MAX_ARGS + 1] = {"--control", rig->control};
	uint32_t n = 2;

	for (uint32_t i = 0; options && options[i]; i++)
		args[n++] = options[i];
	rig->config.n_queues = SND_QUEUES;
	rig->has_sandbox = true;
	rig_start(rig, args);
}

const char *snd_option(struct snd_option *o, const char *before, const char *path)
{
	snprintf(o->text, sizeof(o->text), "%s%s", before, path);
	return o->text;
}

const char *snd_start_into_file(struct rig *rig)
{
	const char *path = rig_file(rig, "out", NULL);
	struct snd_option where;
	const char *const args[] = {snd_option(&where, "--playback=file=", path), NULL};

	snd_start(rig, args);
	return path;
}

void snd_pause(struct rig *rig)
{
	rig_check(rig, peer_stop(rig->peer));
}

void snd_resume(struct rig *rig, bool reboot)
{
	for (uint32_t i = 0; i < SND_QUEUES; i++) {
		if (reboot)
			driver_reset(rig->peer->queues[i]);
		rig_check(rig, peer_start_queue(rig->peer, i));
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, i, true));
	}
	for (uint32_t i = 0; i < SND_QUEUES; i++)
		driver_kick_always(rig->peer->queues[i]);
}

/* --- requests --- */

uint32_t snd_ask(struct rig *rig, const void *request, uint32_t len, void *in, uint32_t in_len)
{
	unsigned char *answer = calloc(1, sizeof(uint32_t) + in_len);
	uint32_t used = rig_ask(rig, SND_CONTROL, request, len, answer, sizeof(uint32_t) + in_len);
	uint32_t status;

	assert_true(used >= sizeof(status));
	memcpy(&status, answer, sizeof(status));
	if (in_len)
		memcpy(in, answer + sizeof(status), in_len);
	free(answer);
	status = le32toh(status);
	if (status != OK)
		assert_int_equal(used, sizeof(status));
	return status;
}

uint32_t snd_query(struct rig *rig, uint32_t code, uint32_t start, uint32_t count, uint32_t size,
		   void *in, uint32_t in_len)
{
	const uint32_t query[] = {htole32(code), htole32(start), htole32(count), htole32(size)};

	return snd_ask(rig, query, sizeof(query), in, in_len);
}

uint32_t snd_command(struct rig *rig, uint32_t code, uint32_t stream)
{
	const uint32_t request[] = {htole32(code), htole32(stream)};

	return snd_ask(rig, request, sizeof(request), NULL, 0);
}

uint32_t snd_set_params(struct rig *rig, uint32_t stream, const struct params *p)
{
	const struct virtio_snd_pcm_set_params request = {
		.hdr = {{htole32(SET_PARAMS)}, htole32(stream)},
		.buffer_bytes = htole32(p->buffer),
		.period_bytes = htole32(p->period),
		.features = htole32(p->features),
		.channels = p->channels,
		.format = p->format,
		.rate = p->rate,
	};

	return snd_ask(rig, &request, sizeof(request), NULL, 0);
}

void snd_do(struct rig *rig, uint32_t code, uint32_t stream)
{
	assert_int_equal(snd_command(rig, code, stream), OK);
}

void snd_prepare(struct rig *rig, uint32_t stream, const struct params *params)
{
	assert_int_equal(snd_set_params(rig, stream, params), OK);
	snd_do(rig, PREPARE, stream);
}

/* --- messages --- */

void snd_add(struct rig *rig, struct message *m, uint32_t stream, const void *sound, uint32_t len)
{
	uint32_t id = htole32(stream), half = len / 3;
	struct driver_seg segs[4];

	rig_buffer(rig, &m->head, sizeof(id));
	rig_buffer(rig, &m->sound, len);
	rig_buffer(rig, &m->status, sizeof(struct virtio_snd_pcm_status));
	memcpy(m->head.data, &id, sizeof(id));
	if (sound)
		memcpy(m->sound.data, sound, len);
	/* In two pieces, cut anywhere. */
	segs[0] = rig_read_seg(&m->head, sizeof(id));
	segs[1] = (struct driver_seg){m->sound.gpa, half, !sound};
	segs[2] = (struct driver_seg){m->sound.gpa + half, len - half, !sound};
	segs[3] = rig_write_seg(&m->status, m->status.len);
	rig_check(rig, driver_add(rig->peer->queues[sound ? SND_TX : SND_RX], segs, 4, m));
}

void snd_offer(struct rig *rig, struct message *m, uint32_t stream, const void *sound, uint32_t len)
{
	snd_add(rig, m, stream, sound, len);
	rig_check(rig, driver_kick(rig->peer->queues[sound ? SND_TX : SND_RX]));
}

struct message *snd_wait(struct rig *rig, uint32_t queue)
{
	uint32_t used;
	struct message *m = rig_wait(rig, queue, &used);

	m->used = used;
	return m;
}

static uint32_t status_word(const struct message *m, uint32_t index)
{
	uint32_t words[2];

	memcpy(words, m->status.data, sizeof(words));
	return le32toh(words[index]);
}

uint32_t snd_status(const struct message *m)
{
	return status_word(m, 0);
}

uint32_t snd_latency(const struct message *m)
{
	return status_word(m, 1);
}

void snd_expect(struct rig *rig, uint32_t queue, struct message *m, uint32_t status)
{
	assert_ptr_equal(snd_wait(rig, queue), m);
	assert_int_equal(snd_status(m), status);
	assert_int_equal(m->used, (queue == SND_RX ? m->sound.len : 0) + m->status.len);
}

void snd_play_all(struct rig *rig, const unsigned char *bytes, uint32_t n, uint32_t period)
{
	struct message m[MANY];

	assert_true(n <= MANY);
	for (uint32_t i = 0; i < n; i++)
		snd_offer(rig, &m[i], PLAYBACK, bytes + i * period, period);
	snd_do(rig, START, PLAYBACK);
	for (uint32_t i = 0; i < n; i++)
		snd_expect(rig, SND_TX, &m[i], OK);
	snd_do(rig, STOP, PLAYBACK);
	snd_do(rig, RELEASE, PLAYBACK);
}

/* --- events --- */

void snd_give_event(struct rig *rig, struct rig_buffer *buffer)
{
	struct driver_seg seg;

	rig_buffer(rig, buffer, sizeof(struct virtio_snd_event));
	seg = rig_write_seg(buffer, buffer->len);
	rig_offer(rig, SND_EVENTS, &seg, 1, buffer);
}

void snd_expect_event(struct rig *rig, uint32_t code, uint32_t data)
{
	uint32_t words[2], used;
	const struct rig_buffer *buffer = rig_wait(rig, SND_EVENTS, &used);

	assert_int_equal(used, sizeof(words));
	memcpy(words, buffer->data, sizeof(words));
	assert_int_equal(le32toh(words[0]), code);
	assert_int_equal(le32toh(words[1]), data);
}

/* --- other --- */

void snd_pattern(unsigned char *bytes, uint32_t len, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (uint32_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (unsigned char)(x >> 24);
	}
}

void snd_expect_file(const char *path, const unsigned char *bytes, uint32_t len)
{
	unsigned char *got = malloc(len + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, got, len + 1), len);
	close(fd);
	assert_memory_equal(got, bytes, len);
	free(got);
}

uint64_t snd_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
