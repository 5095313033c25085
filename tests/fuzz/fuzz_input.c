/* SPDX-License-Identifier: MIT */
/*
 * vu-input's device under a guest that does anything: an input is a list of steps.  Some push
 * events, some offer chains of any shape to both queues, select in the configuration space, or stop
 * and start.
 *
 * What must hold: a buffer that can hold an event gets one whole event and another none; and when
 * the guest has taken everything, however much was dropped, what it believes to be pressed is so.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/peer.h"
#include "fuzz.h"
#include "input.h"

enum { EVENTQ, STATUSQ, QUEUES };
enum { STEPS = 200, SEGS = 6, RING = 16, CHAINS = RING * 2, BURST = INPUT_FIFO, PASSES = 64 };

/* A chain on a queue; cookie of the driver. */
struct chain {
	unsigned char *data; /* of its writable part, in one piece of guest memory */
	uint32_t writable;
};

struct stand {
	struct input_device *device;
	struct peer *peer;
	struct chain chains[QUEUES][CHAINS]; /* they are used in order */
	uint32_t n_chains[QUEUES];
	bool broken;		  /* a queue is */
	struct input_state guest; /* what the guest believes */
};

#define require(ok) require_at(ok, __LINE__)

static void require_at(bool ok, int line)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_input.c:%d: does not hold\n", line);
	abort();
}

static void ignore_log(void *opaque, enum vu_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	require(strlen(line));
}

static void on_listen(bool listening, void *opaque)
{
	(void)listening;
	(void)opaque;
}

static void on_status(struct input_ev ev, void *opaque)
{
	struct stand *s = opaque;

	require(ev.type == EV_FF || input_has(&s->device->about, ev.type, ev.code));
}

static void on_overflow(void *opaque)
{
	struct stand *s = opaque;

	require(s->device->fifo.dropped > 0);
}

static void pump(void *opaque)
{
	struct stand *s = opaque;

	for (int i = 0; i < PASSES; i++)
		if (!vu_device_process(s->device->dev) &&
		    !poll(&(struct pollfd){vu_device_fd(s->device->dev), POLLIN, 0}, 1, 0))
			return;
	abort();
}

/* One of everything. */
static void describe(struct input_about *about)
{
	static const uint16_t has[][2] = {
		{EV_KEY, KEY_A},  {EV_KEY, BTN_TOUCH}, {EV_KEY, KEY_MAX},  {EV_REL, REL_X},
		{EV_SW, SW_LID},  {EV_MSC, MSC_SCAN},  {EV_LED, LED_NUML}, {EV_LED, LED_MISC},
		{EV_FF, FF_GAIN}, {EV_REP, REP_DELAY}};

	input_set_string(about->name,
			 "a name of more than sixty-three characters, which is all that "
			 "Linux's driver has room for");
	for (size_t i = 0; i < sizeof(has) / sizeof(has[0]); i++)
		require(!input_add(about, has[i][0], has[i][1]));
	for (uint32_t axis = 0; axis < ABS_CNT; axis++)
		require(!input_add(about, EV_ABS, axis));
}

/* The device has seen everything so far. */
static void take_used(struct stand *s)
{
	struct driver_used used;

	pump(s);
	for (uint32_t q = 0; q < QUEUES; q++) {
		while (driver_collect(s->peer->queues[q], &used, 1) == 1) {
			const struct chain *c = used.cookie;
			struct virtio_input_event raw;
			struct input_ev ev;

			if (q == STATUSQ || c->writable < sizeof(raw)) {
				require(used.len == 0);
				continue;
			}
			require(used.len == sizeof(raw));
			memcpy(&raw, c->data, sizeof(raw));
			ev = (struct input_ev){raw.type, raw.code, (int32_t)raw.value};
			input_state_apply(&s->guest, &ev);
		}
	}
}

static void add_chain(struct stand *s, uint32_t q, const struct driver_seg *segs, uint32_t n,
		      unsigned char *data, uint32_t writable)
{
	struct chain *c = &s->chains[q][s->n_chains[q] % CHAINS];

	*c = (struct chain){data, writable};
	if (driver_add(s->peer->queues[q], segs, n, c) < 0)
		return;
	s->n_chains[q]++;
	driver_kick_always(s->peer->queues[q]);
	require(driver_kick(s->peer->queues[q]) >= 0);
}

static void offer(struct stand *s, struct fuzz_input *in)
{
	uint8_t shape = fuzz_u8(in), q = shape & 1, n = 1 + (shape >> 1) % SEGS;
	uint32_t readable = fuzz_u8(in) % (n + 1u), total[2] = {0};
	uint64_t gpa[2] = {guest_alloc(s->peer->guest, 1024, 8),
			   guest_alloc(s->peer->guest, 1024, 8)};
	struct driver_seg segs[SEGS];
	unsigned char *out;

	if (gpa[1] == GUEST_NONE)
		return;
	out = guest_ptr(s->peer->guest, gpa[0], 1024);
	for (uint32_t i = 0; i < n; i++) {
		bool write = i >= readable;

		segs[i] = (struct driver_seg){gpa[write] + total[write], 1 + fuzz_u8(in) % 160u,
					      write};
		total[write] += segs[i].len;
	}
	fuzz_rest(in, out, 8);
	/* One that is nowhere breaks the queue. */
	s->broken |= shape >= 0xf0;
	if (shape >= 0xf0)
		segs[n - 1].gpa = UINT64_C(1) << 40;
	add_chain(s, q, segs, n, guest_ptr(s->peer->guest, gpa[1], 1024), total[1]);
	take_used(s);
}

static void give(struct stand *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t gpa = guest_alloc(s->peer->guest, 8, 8);
		const struct driver_seg seg = {gpa, 8, true};

		require(gpa != GUEST_NONE);
		add_chain(s, EVENTQ, &seg, 1, guest_ptr(s->peer->guest, gpa, 8), 8);
	}
	take_used(s);
}

static void restart(struct stand *s)
{
	take_used(s);
	require(peer_stop(s->peer) >= 0);
	s->broken = false;
	for (uint32_t i = 0; i < QUEUES; i++) {
		driver_reset(s->peer->queues[i]);
		require(peer_start_queue(s->peer, i) >= 0);
		require(frontend_set_vring_enable(&s->peer->frontend, i, true) >= 0);
	}
}

static void select_config(struct stand *s, struct fuzz_input *in)
{
	struct virtio_input_config got, want;
	unsigned char bytes[sizeof(got)] = {0};
	uint32_t at = fuzz_u8(in) % 3;

	bytes[0] = fuzz_u8(in);
	bytes[1] = fuzz_u8(in);
	fuzz_rest(in, bytes + 2, 4);
	/* Behind the two selectors nothing can be written, and that is said. */
	require((frontend_set_config(&s->peer->frontend, at, bytes, sizeof(bytes) - at, 0) >= 0) ==
		(at < 2));
	require(frontend_get_config(&s->peer->frontend, 0, &got, sizeof(got)) >= 0);
	input_config(&s->device->about, got.select, got.subsel, &want);
	require(at || (got.select == bytes[0] && got.subsel == bytes[1]));
	require(!memcmp(&got, &want, sizeof(got)));
	require(got.size <= sizeof(got.u));
	for (uint32_t i = got.size; i < sizeof(got.u); i++)
		require(!got.u.bitmap[i]);
}

/* What no device has is not pushed: the commands and the kernel see to that. */
static void push(struct stand *s, struct fuzz_input *in)
{
	uint8_t type = fuzz_u8(in) % EV_CNT;
	uint16_t code = fuzz_u16(in);

	if (type == EV_ABS || type == EV_SYN)
		code %= type ? ABS_CNT : SYN_DROPPED + 1;
	if (input_has(&s->device->about, type, code))
		input_device_push(s->device, type, code, (int8_t)fuzz_u8(in));
}

static void burst(struct stand *s)
{
	for (uint32_t i = 0; i < BURST; i++)
		input_device_push(s->device, i % 4 == 3 ? EV_SYN : EV_REL, 0, 1);
}

static void step(struct stand *s, struct fuzz_input *in)
{
	switch (fuzz_u8(in) % 8) {
	case 0:
	case 1:
	case 2:
		push(s, in);
		break;
	case 3:
		offer(s, in);
		break;
	case 4:
		give(s, fuzz_u8(in) % RING);
		break;
	case 5:
		select_config(s, in);
		break;
	case 6:
		burst(s);
		break;
	default:
		restart(s);
	}
}

/* However it ends, a driver that works comes to know what is so. */
static void finish(struct stand *s)
{
	if (s->broken)
		restart(s);
	input_device_push(s->device, EV_SYN, SYN_REPORT, 0);
	/* Useless buffers may take the ring's room at first; then each round brings some. */
	for (uint32_t i = 0; s->device->fifo.n; i++) {
		require(i < INPUT_FIFO);
		give(s, RING);
	}
	take_used(s);
	require(!memcmp(&s->guest, &s->device->fifo.now, sizeof(s->guest)));
	require(!memcmp(&s->guest, &s->device->fifo.told, sizeof(s->guest)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct stand s = {.device = calloc(1, sizeof(*s.device))};
	struct peer_config config = {.n_queues = QUEUES,
				     .queue_size = RING,
				     .packed = fuzz_u8(&in) & 1,
				     .pump = pump,
				     .pump_opaque = &s};
	struct vu_device_info info = input_device_info;
	int fd = -1;

	describe(&s.device->about);
	s.device->user = (struct input_user){on_listen, on_status, on_overflow, &s};
	info.log_level = VU_LOG_WARNING;
	info.log_fn = ignore_log;
	require(!vu_device_new(&info, &input_device_ops, s.device, &s.device->dev));
	input_device_init(s.device);
	require(!peer_new(&config, &s.peer) && peer_open(s.peer, &fd) >= 0);
	require(!vu_device_attach(s.device->dev, fd));
	require(peer_start(s.peer) >= 0);
	input_state_init(&s.guest, &s.device->about);
	for (int i = 0; i < STEPS && in.at < in.end; i++)
		step(&s, &in);
	finish(&s);
	peer_free(s.peer);
	vu_device_free(s.device->dev);
	free(s.device);
	return 0;
}
