/* SPDX-License-Identifier: MIT */
/*
 * A device with threads under load: memory comes and goes, queues stop, start and are disabled,
 * sessions drop; and every byte is right.  Made for the thread and address sanitizers.
 *
 * This thread is the front-end and the driver.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frontend/iommu.h"
#include "frontend/peer_log.h"
#include "kit/counts.h"
#include "kit/test.h"
#include "kit/variant.h"
#include "rules/crew.h"

enum {
	BYTES = 64,  /* to read, and as many to write */
	SLOTS = 100, /* chains of two descriptors in a ring of 256 */
	TIMES = 30,  /* of each action */
};

/* In this order: what is between the beginning of a migration and its end happens during it. */
enum action { MIGRATE, STOP_AND_START, RESTART, DISABLE, TABLE, CALL_OFF, MEMORY, DROP, ACTIONS };

struct slot {
	bool used;
	uint64_t gpa;
	unsigned char *bytes;
};

struct load {
	struct crew crew;
	struct peer *peer;
	struct peer_log log;
	struct iommu *iommu; /* or NULL: there is none */
	bool migrates;
	struct slot slots[CREW_QUEUES][SLOTS];
	uint32_t in_flight[CREW_QUEUES];
	uint64_t n_done;
	uint32_t n_actions[ACTIONS];
	uint32_t random;
};

static uint32_t draw(struct load *l, uint32_t below)
{
	/* xorshift: the same load each time. */
	l->random ^= l->random << 13;
	l->random ^= l->random >> 17;
	l->random ^= l->random << 5;
	return l->random % below;
}

#define check(l, call)                                                                             \
	do {                                                                                       \
		if (call)                                                                          \
			fail_msg("%s: %s", #call, (l)->peer->frontend.error);                      \
	} while (0)

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Up to n chains of a queue's free slots. */
static void submit(struct load *l, uint32_t q, uint32_t n)
{
	struct driver_ring *ring = l->peer->queues[q];

	for (int i = 0; i < SLOTS && n; i++) {
		struct slot *s = &l->slots[q][i];

		if (s->used)
			continue;
		memset(s->bytes, (int)draw(l, 256), BYTES);
		memset(s->bytes + BYTES, s->bytes[0], BYTES);
		assert_true(driver_add(ring,
				       (struct driver_seg[]){{s->gpa, BYTES, false},
							     {s->gpa + BYTES, BYTES, true}},
				       2, s) >= 0);
		s->used = true;
		l->in_flight[q]++;
		n--;
	}
	assert_true(driver_kick(ring) >= 0);
}

/* Answer what the device asks for: a front-end does when it has nothing else to do. */
static void translate(struct load *l)
{
	if (l->iommu && iommu_serve(l->iommu) < 0)
		fail_msg("%s", l->peer->frontend.error);
}

/* As a guest that unmaps something, or everything. */
static void invalidate(struct load *l)
{
	uint64_t page = (uint64_t)draw(l, 64) * IOMMU_PAGE + l->iommu->offset;

	if (draw(l, 4))
		check(l, iommu_invalidate(l->iommu, page, IOMMU_PAGE));
	else
		check(l, iommu_invalidate(l->iommu, 0, UINT64_MAX));
}

static void collect(struct load *l, uint32_t q)
{
	struct driver_used used;
	int n;

	translate(l);
	while ((n = driver_collect(l->peer->queues[q], &used, 1)) == 1) {
		struct slot *s = used.cookie;

		assert_int_equal(used.len, BYTES);
		for (int i = 0; i < BYTES; i++)
			assert_int_equal(s->bytes[i] + s->bytes[BYTES + i], 0xff);
		assert_true(s->used);
		s->used = false;
		l->in_flight[q]--;
		l->n_done++;
	}
	assert_int_equal(n, 0);
}

static void collect_all(struct load *l)
{
	uint64_t deadline = now_ms() + FRONTEND_TIMEOUT_MS;

	for (uint32_t q = 0; q < CREW_QUEUES; q++) {
		for (collect(l, q); l->in_flight[q]; collect(l, q)) {
			if (now_ms() > deadline)
				fail_msg("queue %u: %u chains are never used", q, l->in_flight[q]);
			poll(NULL, 0, 1);
		}
	}
}

static void stop_and_start(struct load *l, uint32_t q)
{
	struct frontend *f = &l->peer->frontend;
	uint32_t base;

	check(l, frontend_get_vring_base(f, q, &base));
	collect(l, q);
	/* All that was taken is used: so it says. */
	driver_recover_base(l->peer->queues[q]);
	assert_int_equal(l->peer->queues[q]->base, base);
	submit(l, q, draw(l, 8));
	check(l, peer_start_queue(l->peer, q));
	check(l, frontend_set_vring_enable(f, q, true));
}

static void disable(struct load *l, uint32_t q)
{
	struct frontend *f = &l->peer->frontend;

	check(l, frontend_set_vring_enable(f, q, false));
	submit(l, q, draw(l, 8));
	check(l, frontend_set_vring_enable(f, q, true));
}

/* A region comes, is used by every queue, and goes while other requests are under way. */
static void change_memory(struct load *l)
{
	static const struct guest_region more = {
		.gpa = UINT64_C(1) << 32, .size = 1 << 20, .uva = UINT64_C(0x7d0000000000)};
	struct slot old[CREW_QUEUES];
	int region = guest_add(l->peer->guest, &more);
	uint64_t deadline = now_ms() + FRONTEND_TIMEOUT_MS;

	assert_int_equal(region, 1);
	check(l, frontend_add_mem_reg(&l->peer->frontend, &l->peer->guest->regions[region]));
	for (uint32_t q = 0; q < CREW_QUEUES; q++) {
		struct slot *s = &l->slots[q][0];

		while (s->used) {
			poll(NULL, 0, 1);
			collect(l, q);
			assert_true(now_ms() < deadline);
		}
		old[q] = *s;
		s->gpa = guest_alloc_in(l->peer->guest, 1, 2 * BYTES, 64);
		s->bytes = guest_ptr(l->peer->guest, s->gpa, 2 * BYTES);
		submit(l, q, 1);
	}
	for (uint32_t q = 0; q < CREW_QUEUES; q++) {
		while (l->slots[q][0].used) {
			poll(NULL, 0, 1);
			collect(l, q);
			assert_true(now_ms() < deadline);
		}
		l->slots[q][0] = old[q];
		submit(l, q, 10);
	}
	check(l, frontend_rem_mem_reg(&l->peer->frontend, &l->peer->guest->regions[region]));
	guest_remove(l->peer->guest, (uint32_t)region);
}

static void open_session(struct load *l)
{
	int fd;

	assert_int_equal(peer_open(l->peer, &fd), 0);
	crew_connect(&l->crew, fd);
	check(l, peer_start(l->peer));
}

static void begin_migration(struct load *l)
{
	check(l, peer_log_begin(l->peer, &l->log));
	peer_log_copy_all(&l->log);
	l->migrates = true;
}

/* What the device wrote since it began was copied as the log said, while it wrote more. */
static void end_migration(struct load *l)
{
	collect_all(l);
	peer_log_copy_marked(&l->log);
	for (uint32_t q = 0; l->migrates && q < CREW_QUEUES; q++)
		for (int i = 0; i < SLOTS; i++)
			if (!peer_log_is_same(&l->log, l->slots[q][i].gpa + BYTES, BYTES))
				fail_msg("queue %u: what was written to slot %d was not copied", q,
					 i);
	check(l, peer_log_end(l->peer));
	l->migrates = false;
}

/* The front-end dies in the middle of a migration, and another one starts with empty rings. */
static void drop_session(struct load *l)
{
	begin_migration(l);
	frontend_close(&l->peer->frontend);
	l->migrates = false;
	for (uint32_t q = 0; q < CREW_QUEUES; q++) {
		/* Not before the device has let go of the rings: they are the same memory. */
		while (atomic_load(&l->crew.sessions) == l->n_actions[DROP])
			poll(NULL, 0, 1);
		driver_reset(l->peer->queues[q]);
		for (int i = 0; i < SLOTS; i++)
			l->slots[q][i].used = false;
		l->in_flight[q] = 0;
		submit(l, q, draw(l, 20));
	}
	open_session(l);
}

static void act(struct load *l, enum action action)
{
	uint32_t q = draw(l, CREW_QUEUES);

	switch (action) {
	case STOP_AND_START:
		stop_and_start(l, q);
		break;
	case RESTART:
		check(l, frontend_set_vring_kick(&l->peer->frontend, q,
						 l->peer->queues[q]->kick.device));
		break;
	case DISABLE:
		disable(l, q);
		break;
	case MEMORY:
		/* Its IOMMU maps no more than there was. */
		if (!l->iommu)
			change_memory(l);
		break;
	case TABLE:
		check(l, frontend_set_mem_table(&l->peer->frontend, l->peer->guest));
		break;
	case MIGRATE:
		begin_migration(l);
		break;
	case CALL_OFF:
		end_migration(l);
		break;
	default:
		drop_session(l);
		break;
	}
	l->n_actions[action]++;
}

static void load_begin(struct load *l, uint32_t flags, bool is_behind)
{
	struct peer_config config = {.n_queues = CREW_QUEUES, .packed = on_packed_rings()};

	memset(l, 0, sizeof(*l));
	l->random = 2463534242;
	assert_int_equal(crew_start(&l->crew, flags), 0);
	if (is_behind) {
		config.features = ~(UINT64_C(1) << VU_F_LOG_ALL);
		assert_int_equal(vu_device_offer_iommu(l->crew.dev), 0);
	}
	assert_int_equal(peer_new(&config, &l->peer), 0);
	if (is_behind)
		assert_int_equal(iommu_new(l->peer, UINT64_C(1) << 40, &l->iommu), 0);
	assert_int_equal(peer_log_new(&l->log, l->peer->guest), 0);
	for (int q = 0; q < CREW_QUEUES; q++) {
		for (int i = 0; i < SLOTS; i++) {
			struct slot *s = &l->slots[q][i];

			s->gpa = guest_alloc(l->peer->guest, 2 * BYTES, 64);
			s->bytes = guest_ptr(l->peer->guest, s->gpa, 2 * BYTES);
		}
	}
	open_session(l);
}

static void load_end(struct load *l)
{
	collect_all(l);
	check(l, peer_stop(l->peer));
	peer_log_free(&l->log);
	iommu_free(l->iommu);
	peer_free(l->peer);
	crew_end(&l->crew);
	if (l->crew.log.lines[VU_LOG_ERROR])
		fail_msg("errors:\n%s", l->crew.log.text);
}

static void run_load(bool is_behind)
{
	struct load *l = calloc(1, sizeof(*l));
	int fds = count_fds();

	load_begin(l, 0, is_behind);
	for (uint32_t round = 0; round < 16 * ACTIONS * TIMES; round++) {
		for (uint32_t q = 0; q < CREW_QUEUES; q++) {
			collect(l, q);
			submit(l, q, draw(l, 40));
		}
		if (l->iommu)
			invalidate(l);
		if (l->migrates)
			peer_log_copy_marked(&l->log);
		if (round % 16 == 15)
			act(l, round / 16 % ACTIONS);
	}
	load_end(l);
	for (int i = 0; i < ACTIONS; i++)
		assert_int_equal(l->n_actions[i], TIMES);
	assert_true(l->n_done > 1000);
	assert_true(atomic_load(&l->crew.late) > 100);
	assert_true(atomic_load(&l->crew.stops) > 0);
	assert_int_equal(atomic_load(&l->crew.sessions), l->n_actions[DROP] + 1);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(count_guest_mappings(), 0);
	free(l);
}

static void every_byte_is_right_while_everything_changes(void **state)
{
	(void)state;
	run_load(false);
}

static void every_byte_is_right_while_translations_come_and_go(void **state)
{
	(void)state;
	run_load(true);
}

static void sleeping_threads_wake_for_each_kick(void **state)
{
	struct load *l = calloc(1, sizeof(*l));

	(void)state;
	/* Also: no call of the library's own is on the wrong thread. */
	load_begin(l, VU_DEVICE_DEBUG, false);
	/* One at a time, so that every thread sleeps in between; a lost wake-up is a hang. */
	for (int round = 0; round < 200; round++) {
		submit(l, (uint32_t)round % CREW_QUEUES, 1);
		collect_all(l);
		if (round % 20 == 19)
			act(l, (enum action)(round / 20 % ACTIONS));
	}
	assert_true(l->n_done >= 200);
	load_end(l);
	assert_int_equal(count_guest_mappings(), 0);
	free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_is_right_while_everything_changes),
		cmocka_unit_test(every_byte_is_right_while_translations_come_and_go),
		cmocka_unit_test(sleeping_threads_wake_for_each_kick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
