/* SPDX-License-Identifier: MIT */
/* A session's frame: its beginning, the row of steps, the second thread, its end. */
#include "attack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define UVA UINT64_C(0x7f0000000000)

struct driver_ring *attack_queue(struct attack *a)
{
	struct peer *peer = a->peer;

	return peer->n_queues ? peer->queues[chance_below(&a->chance, peer->n_queues)] : NULL;
}

void attack_note(struct attack *a, int err)
{
	if (err == -ECONNRESET || err == -EPIPE || err == -ECONNABORTED)
		a->over = true;
}

void attack_drain(struct attack *a)
{
	struct frontend_msg msg;
	int err;

	do {
		msg.n_fds = 0;
		err = frontend_io_recv(&a->peer->frontend, a->peer->frontend.fd, &msg, 0);
		frontend_msg_close_fds(&msg);
	} while (!err);
	attack_note(a, err);
}

static void *scribble(void *opaque)
{
	struct attack *a = opaque;
	struct chance *c = &a->scribbler_chance;
	struct guest_region *regions = a->peer->guest->regions;
	uint32_t n = a->peer->guest->n_regions;

	while (!atomic_load(&a->scribbler_ends)) {
		const struct guest_region *r = &regions[chance_below(c, n)];
		/* Rings lie in front. */
		uint64_t room = chance_percent(c, 80) && r->used ? r->used : r->size;
		unsigned char *base = r->host;

		if (a->log && chance_percent(c, 40)) {
			base = a->log;
			room = a->log_size < 256 || chance_percent(c, 50) ? a->log_size : 256;
		}
		base += chance_u64(c) % (room / 8) * 8;
		if (chance_percent(c, 50))
			__atomic_store_n((uint16_t *)(void *)base + chance_below(c, 4),
					 (uint16_t)chance_value(c), __ATOMIC_RELAXED);
		else
			__atomic_store_n((uint64_t *)(void *)base, chance_value(c),
					 __ATOMIC_RELAXED);
		atomic_fetch_add_explicit(&a->scribbles, 1, memory_order_relaxed);
	}
	return NULL;
}

void attack_scribble(struct attack *a, bool on)
{
	if (on == a->has_scribbler || (on && a->cut))
		return;
	a->has_scribbler = on;
	atomic_store(&a->scribbler_ends, !on);
	if (!on)
		pthread_join(a->scribbler, NULL);
	else if (pthread_create(&a->scribbler, NULL, scribble, a))
		a->has_scribbler = false;
}

static void step_scribble(struct attack *a)
{
	attack_scribble(a, !a->has_scribbler);
}

static void step_pause(struct attack *a)
{
	const struct timespec ts = {.tv_nsec = chance_below(&a->chance, 2000000)};

	nanosleep(&ts, NULL);
	attack_drain(a);
}

/* Half of its memory goes away under it. */
static void step_truncate(struct attack *a)
{
	struct guest *guest = a->peer->guest;
	uint32_t region = chance_below(&a->chance, guest->n_regions);

	attack_scribble(a, false);
	a->cut = true;
	for (uint32_t q = 0; q < a->peer->n_queues; q++)
		driver_kick_always(a->peer->queues[q]);
	guest_truncate(guest, region, chance_u64(&a->chance) % guest->regions[region].size);
}

/* Begin a message, and perhaps say no more of it. */
static void step_half(struct attack *a)
{
	unsigned char bytes[64];
	uint32_t n = 1 + chance_below(&a->chance, 40);
	const struct wire_header hdr = {1 + chance_below(&a->chance, WIRE_REQUEST_END),
					WIRE_VERSION, chance_below(&a->chance, 600)};

	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, &hdr, sizeof(hdr));
	attack_note(a, frontend_send_bytes(&a->peer->frontend, bytes, n, NULL, 0));
	a->over |= chance_percent(&a->chance, 70);
}

static void step_end(struct attack *a)
{
	if (chance_percent(&a->chance, 50))
		attack_note(a, peer_stop(a->peer));
	a->over = true;
}

enum step_of { ANY, BAD_GUEST, BAD_FRONTEND };

static const struct {
	const char *name;
	attack_step *step;
	uint32_t weight;
	enum step_of of;
	bool touches; /* guest memory */
} steps[] = {
	{"chains", step_chains, 24, ANY, true},
	{"collect", step_collect, 12, ANY, true},
	{"pause", step_pause, 14, ANY, false},
	{"kick", step_kick, 4, ANY, false},
	{"restart", step_restart, 8, ANY, true},
	{"memory", step_memory, 6, ANY, false},
	{"inflight", step_inflight, 4, ANY, true},
	{"config", step_config, 3, ANY, false},
	{"status", step_status, 2, ANY, false},
	{"channel", step_channel, 2, ANY, false},
	{"log", step_log, 4, ANY, true},
	{"state", step_state, 2, ANY, true},
	{"end", step_end, 1, ANY, true},
	{"descriptors", step_descriptors, 10, BAD_GUEST, true},
	{"indices", step_indices, 6, BAD_GUEST, true},
	{"scribble", step_scribble, 6, BAD_GUEST, true},
	{"fill the call descriptor", step_fill_call, 2, BAD_FRONTEND, true},
	{"vring", step_vring, 8, BAD_FRONTEND, false},
	{"features", step_features, 3, BAD_FRONTEND, false},
	{"message", step_message, 4, BAD_FRONTEND, false},
	{"translations", step_iotlb, 5, BAD_FRONTEND, true},
	{"fds", step_fds, 4, BAD_FRONTEND, false},
	{"truncate", step_truncate, 1, BAD_FRONTEND, true},
	{"half a message", step_half, 1, BAD_FRONTEND, false},
};

enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

static uint32_t step_weight(const struct attack *a, uint32_t i)
{
	if ((steps[i].touches && a->cut) || (steps[i].of == BAD_GUEST && !a->bad_guest) ||
	    (steps[i].of == BAD_FRONTEND && !a->bad_frontend))
		return 0;
	return steps[i].weight;
}

static void attack_step_once(struct attack *a)
{
	uint32_t total = 0, at;

	for (uint32_t i = 0; i < STEPS; i++)
		total += step_weight(a, i);
	at = chance_below(&a->chance, total);
	for (uint32_t i = 0; i < STEPS; i++) {
		if (at >= step_weight(a, i)) {
			at -= step_weight(a, i);
			continue;
		}
		if (a->is_told)
			fprintf(stderr, "%s\n", steps[i].name);
		a->counts->steps++;
		steps[i].step(a);
		return;
	}
}

/* Regions that follow each other, or not; a file offset; one to three of them. */
static uint32_t attack_memory(struct attack *a, struct guest_region *regions)
{
	static const uint64_t offsets[] = {0, 0, 0x1000, 0x1800, 0x200000};
	uint32_t n = 1 + chance_below(&a->chance, 3);
	uint64_t gpa = 0;

	for (uint32_t i = 0; i < n; i++) {
		regions[i] = (struct guest_region){
			.gpa = gpa,
			.size = i ? 1 << 20 : 4 << 20,
			.uva = UVA + gpa,
			.mmap_offset = offsets[chance_below(&a->chance, 5)],
		};
		gpa += regions[i].size + (chance_percent(&a->chance, 50) ? 0 : 0x100000);
	}
	return n;
}

static int attack_begin(struct attack *a, uint32_t queues)
{
	struct guest_region regions[3];
	struct peer_config config = {
		.n_queues = queues,
		.packed = chance_percent(&a->chance, 50),
		.max_indirect = 16,
		.notifier = chance_percent(&a->chance, 80) ? DRIVER_EVENTFD : DRIVER_SOCKET,
		.regions = regions,
		.no_acks = chance_percent(&a->chance, 20),
		.timeout_ms = ATTACK_TIMEOUT_MS,
	};

	config.n_regions = attack_memory(a, regions);
	config.queue_size = 1u << (1 + chance_below(&a->chance, 8));
	if (chance_percent(&a->chance, 15))
		config.features = chance_u64(&a->chance) | UINT64_C(1) << 32 | UINT64_C(1) << 30;
	if (chance_percent(&a->chance, 15))
		config.protocol_features = chance_u64(&a->chance);
	if (peer_new(&config, &a->peer))
		return -ENOMEM;
	a->buffers = guest_alloc(a->peer->guest, ATTACK_BYTES, 64);
	return 0;
}

static void attack_end(struct attack *a)
{
	attack_scribble(a, false);
	if (a->log)
		munmap(a->log, a->log_size);
	if (a->inflight_fd >= 0)
		close(a->inflight_fd);
	a->counts->scribbles += a->scribbles;
	a->counts->sessions++;
	peer_free(a->peer);
}

int attack_run(const struct target *target, uint64_t seed, bool is_told,
	       const struct attack_shape *shape, struct attack_counts *counts)
{
	struct attack a = {.chance = {seed},
			   .scribbler_chance = {~seed},
			   .inflight_fd = -1,
			   .shape = shape,
			   .counts = counts,
			   .is_told = is_told,
			   .is_shut_in = target->is_shut_in};
	uint32_t who = chance_below(&a.chance, 4), n = 5 + chance_below(&a.chance, 100);
	int err = attack_begin(&a, target->queues);

	if (err)
		return err;
	a.bad_guest = who & 1;
	a.bad_frontend = who & 2;
	a.over = peer_connect(a.peer, target->socket) != 0;
	if (!a.over && (!a.bad_frontend || chance_percent(&a.chance, 90))) {
		err = peer_start(a.peer);
		attack_note(&a, err);
	}
	for (uint32_t i = 0; i < n && !a.over; i++)
		attack_step_once(&a);
	attack_end(&a);
	return 0;
}
