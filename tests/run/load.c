/* SPDX-License-Identifier: MIT */
/* The driver of load.h. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "kit/test.h"
#include "load.h"
#include "spawn.h"

void load_check(struct load *l, int ret)
{
	if (ret < 0)
		fail_msg("%s: %s", strerror(-ret), l->peer->frontend.error);
}

void load_start(struct load *l, const char *path)
{
	const struct peer_config config = {.n_queues = ECHO_QUEUES};

	memset(l, 0, sizeof(*l));
	assert_int_equal(peer_new(&config, &l->peer), 0);
	for (int q = 0; q < ECHO_QUEUES; q++) {
		for (int i = 0; i < LOAD_DEPTH; i++) {
			l->out[q][i] = guest_alloc(l->peer->guest, ECHO_BYTES, 16);
			l->in[q][i] = guest_alloc(l->peer->guest, ECHO_BYTES, 16);
		}
	}
	load_check(l, peer_connect(l->peer, path));
	load_check(l, peer_start(l->peer));
}

void load_end(struct load *l)
{
	peer_disconnect(l->peer);
	peer_free(l->peer);
	l->peer = NULL;
}

int load_submit(struct load *l, uint32_t queue, unsigned int n)
{
	struct driver_ring *ring = l->peer->queues[queue];
	int ret;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int slot = l->flying[queue]++;
		const struct driver_seg segs[2] = {
			{.gpa = l->out[queue][slot], .len = ECHO_BYTES},
			{.gpa = l->in[queue][slot], .len = ECHO_BYTES, .write = true},
		};
		unsigned char *out = guest_ptr(l->peer->guest, segs[0].gpa, ECHO_BYTES);

		memset(out, (int)(++l->serial & 0xff), ECHO_BYTES);
		load_check(l, driver_add(ring, segs, 2, out));
	}
	ret = driver_kick(ring);
	load_check(l, ret);
	return ret;
}

static void load_compare(struct load *l, uint32_t queue, const struct driver_used *used)
{
	unsigned int slot = 0;
	const unsigned char *out = used->cookie, *in;

	while (slot < LOAD_DEPTH &&
	       guest_ptr(l->peer->guest, l->out[queue][slot], ECHO_BYTES) != used->cookie)
		slot++;
	assert_true(slot < LOAD_DEPTH);
	in = guest_ptr(l->peer->guest, l->in[queue][slot], ECHO_BYTES);
	assert_int_equal(used->len, ECHO_BYTES);
	for (int i = 0; i < ECHO_BYTES; i++)
		assert_int_equal(in[i], out[i] ^ 0xff);
}

void load_collect(struct load *l, uint32_t queue)
{
	const struct timespec pause = {.tv_nsec = 20000};
	uint64_t deadline = frontend_deadline(HANG_MS);
	struct driver_used used;

	while (l->flying[queue]) {
		int ret = driver_collect(l->peer->queues[queue], &used, 1);

		load_check(l, ret);
		if (ret) {
			load_compare(l, queue, &used);
			l->flying[queue]--;
		} else if (frontend_deadline(0) >= deadline) {
			fail_msg("queue %u: %u requests do not come back", queue, l->flying[queue]);
		} else {
			nanosleep(&pause, NULL);
		}
	}
}

void load_round(struct load *l, unsigned int depth)
{
	for (uint32_t q = 0; q < ECHO_QUEUES; q++)
		load_submit(l, q, depth);
	for (uint32_t q = 0; q < ECHO_QUEUES; q++)
		load_collect(l, q);
}

void load_stop_queues(struct load *l)
{
	load_check(l, peer_stop(l->peer));
}

void load_start_queues(struct load *l)
{
	for (uint32_t q = 0; q < ECHO_QUEUES; q++) {
		load_check(l, peer_start_queue(l->peer, q));
		load_check(l, frontend_set_vring_enable(&l->peer->frontend, q, true));
	}
}
