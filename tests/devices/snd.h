/* SPDX-License-Identifier: MIT */
/* A sound driver for tests of vu-snd: requests, messages of sound, events. */
#ifndef DEVICES_SND_H
#define DEVICES_SND_H

#include "rig.h"

#include <linux/virtio_snd.h>

enum { SND_CONTROL, SND_EVENTS, SND_TX, SND_RX, SND_QUEUES };
enum {
	OK = VIRTIO_SND_S_OK,
	BAD_MSG = VIRTIO_SND_S_BAD_MSG,
	NOT_SUPP = VIRTIO_SND_S_NOT_SUPP,
	IO_ERR = VIRTIO_SND_S_IO_ERR,
};
enum {
	INFO = VIRTIO_SND_R_PCM_INFO,
	SET_PARAMS = VIRTIO_SND_R_PCM_SET_PARAMS,
	PREPARE = VIRTIO_SND_R_PCM_PREPARE,
	RELEASE = VIRTIO_SND_R_PCM_RELEASE,
	START = VIRTIO_SND_R_PCM_START,
	STOP = VIRTIO_SND_R_PCM_STOP,
};
/* Streams of the usual card. */
enum { PLAYBACK, CAPTURE };
enum { XRUNS = 1 << VIRTIO_SND_PCM_F_EVT_XRUNS };
enum { S16 = VIRTIO_SND_PCM_FMT_S16, HZ_48000 = VIRTIO_SND_PCM_RATE_48000 };
enum { FRAME = 4 }; /* bytes, of S16 stereo */

struct params {
	uint32_t buffer, period, features;
	uint8_t channels, format, rate;
};

/* 4 periods of 480 frames, which are 10 ms, of S16 stereo at 48 kHz. */
extern const struct params usual;

/* A message of sound and what became of it. */
struct message {
	struct rig_buffer head, sound, status;
	uint32_t used; /* bytes that the device says it wrote */
};

/* Sockets are out of the sandbox's reach, when it ends. */
int snd_teardown(void **state);
#define SND_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, snd_teardown)

/* Start vu-snd with these options (NULL: none) and --control, and a driver. */
void snd_start(struct rig *rig, const char *const *options);

/* An option that says where to play or what to record, with a path. */
struct snd_option {
	char text[RIG_PATH + 32];
};

const char *snd_option(struct snd_option *o, const char *before, const char *path);
/* vu-snd that plays into a new file, whose path is returned. */
const char *snd_start_into_file(struct rig *rig);

/* The front-end stops the rings, and starts them: after a pause, or (empty) after a reboot. */
void snd_pause(struct rig *rig);
void snd_resume(struct rig *rig, bool reboot);

/* Any request, of len bytes; its status.  What follows that goes to in. */
uint32_t snd_ask(struct rig *rig, const void *request, uint32_t len, void *in, uint32_t in_len);
uint32_t snd_query(struct rig *rig, uint32_t code, uint32_t start, uint32_t count, uint32_t size,
		   void *in, uint32_t in_len);
uint32_t snd_command(struct rig *rig, uint32_t code, uint32_t stream);
uint32_t snd_set_params(struct rig *rig, uint32_t stream, const struct params *params);
/* SET_PARAMS and PREPARE; both must be OK. */
void snd_prepare(struct rig *rig, uint32_t stream, const struct params *params);
/* A command that must be OK. */
void snd_do(struct rig *rig, uint32_t code, uint32_t stream);

/* Offer a message: to play these bytes, or (NULL) to record so many. */
void snd_offer(struct rig *rig, struct message *m, uint32_t stream, const void *sound,
	       uint32_t len);
/* The same, but nobody is told of it. */
void snd_add(struct rig *rig, struct message *m, uint32_t stream, const void *sound, uint32_t len);
/* The next message that is done on a queue. */
struct message *snd_wait(struct rig *rig, uint32_t queue);
uint32_t snd_status(const struct message *m);
uint32_t snd_latency(const struct message *m);
/* m is the next that is done on the queue, with this status. */
void snd_expect(struct rig *rig, uint32_t queue, struct message *m, uint32_t status);

/* Some periods, up to 8, from a stream that is prepared; it is released. */
void snd_play_all(struct rig *rig, const unsigned char *bytes, uint32_t n, uint32_t period);

/* A buffer for an event, and the next event. */
void snd_give_event(struct rig *rig, struct rig_buffer *buffer);
void snd_expect_event(struct rig *rig, uint32_t code, uint32_t data);

/* Bytes that are not the same anywhere. */
void snd_pattern(unsigned char *bytes, uint32_t len, uint32_t seed);
/* The file holds these bytes, and no others. */
void snd_expect_file(const char *path, const unsigned char *bytes, uint32_t len);
/* ns of CLOCK_MONOTONIC */
uint64_t snd_clock(void);

#endif
