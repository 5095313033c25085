/* SPDX-License-Identifier: MIT */
/*
 * Rule: an in-flight log belongs to the ring that it was used with.  The front-end keeps the region
 * while firmware, a driver, and another driver come and go, with rings of either layout.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rules/rig.h"

enum { SPLIT_BYTES = 16 + PEER_QUEUE_SIZE * 16 + 48, REGION_PAGES = 3, LAYOUTS = 2 };

/* The rings of both layouts in one guest's memory. */
struct machine {
	struct rig rig;
	struct driver_ring *rings[LAYOUTS][2];
	struct wire_inflight log;
	int fd;
	bool packed;
};

static struct frontend *front(struct machine *m)
{
	return &m->rig.peer->frontend;
}

static void set_layout(struct machine *m, bool packed)
{
	const uint64_t bit = RIG_BIT(VU_F_RING_PACKED);
	const uint64_t features = front(m)->features & ~bit;

	m->packed = packed;
	for (int i = 0; i < 2; i++)
		m->rig.peer->queues[i] = m->rings[packed][i];
	assert_ok(frontend_set_features(front(m), features | (packed ? bit : 0)));
}

/* Up to the features of a driver; split rings first. */
static void machine_make(struct machine *m)
{
	const struct rig_config config = {.peer = {.packed = true}};

	rig_make(&m->rig, &config);
	m->fd = -1;
	rig_connect(&m->rig);
	assert_ok(peer_negotiate(m->rig.peer));
	assert_ok(peer_set_driver(m->rig.peer));
	assert_ok(frontend_set_memory(front(m), m->rig.peer->guest));
	for (uint32_t i = 0; i < 2; i++) {
		const struct driver_config split = {.guest = m->rig.peer->guest,
						    .index = i,
						    .size = PEER_QUEUE_SIZE,
						    .event_idx = true};

		m->rings[true][i] = m->rig.peer->queues[i];
		assert_ok(driver_new(&split, &m->rings[false][i]));
		assert_ok(frontend_set_vring_call(front(m), i, m->rings[false][i]->call.device));
	}
	set_layout(m, false);
}

static void machine_close(struct machine *m)
{
	for (int i = 0; i < 2; i++) {
		m->rig.peer->queues[i] = m->rings[true][i];
		driver_free(m->rings[false][i]);
	}
	close(m->fd);
	rig_close(&m->rig);
}

static void use_log(struct machine *m)
{
	assert_ok(frontend_set_inflight_fd(front(m), &m->log, m->fd));
}

/* A region of the front-end's own making, with so many bytes. */
static void make_log(struct machine *m, uint64_t bytes)
{
	m->log = (struct wire_inflight){
		.mmap_size = bytes, .n_queues = 2, .queue_size = PEER_QUEUE_SIZE};
	m->fd = memfd_create("log", MFD_CLOEXEC);
	assert_ok(ftruncate(m->fd, REGION_PAGES * sysconf(_SC_PAGESIZE)));
	use_log(m);
}

static void ask_for_log(struct machine *m)
{
	m->log = (struct wire_inflight){.n_queues = 2, .queue_size = PEER_QUEUE_SIZE};
	assert_ok(frontend_get_inflight_fd(front(m), &m->log, &m->fd));
	use_log(m);
}

/* A driver comes, and does something with both queues. */
static void driver_comes(struct machine *m)
{
	for (uint32_t i = 0; i < 2; i++) {
		driver_reset(m->rings[m->packed][i]);
		rig_start_queue(&m->rig, i);
	}
	/* An odd number of chains: more than a lap. */
	for (int i = 0; i < 3; i++)
		rig_roundtrip(&m->rig, 0, 101);
	rig_roundtrip(&m->rig, 1, 7);
}

static void driver_goes(struct machine *m)
{
	assert_ok(peer_stop(m->rig.peer));
}

static void a_log_found_long_enough_for_split_rings_is_not_used_by_packed_ones(void **state)
{
	struct machine m;

	(void)state;
	machine_make(&m);
	make_log(&m, 2 * SPLIT_BYTES);
	set_layout(&m, true);
	driver_comes(&m);
	assert_int_equal(rig_logged(&m.rig, "too short for packed rings"), 1);
	driver_goes(&m);
	/* Nor is it refused when it comes again: the front-end has no other. */
	use_log(&m);
	driver_comes(&m);
	assert_int_equal(rig_logged(&m.rig, "too short for packed rings"), 2);
	driver_goes(&m);
	set_layout(&m, false);
	use_log(&m);
	driver_comes(&m);
	assert_int_equal(rig_logged(&m.rig, "too short for packed rings"), 2);
	machine_close(&m);
}

/* QEMU's virtio-mmio lets the driver choose, and asks for a log before. */
static void a_ring_longer_than_its_log_runs_without(void **state)
{
	struct machine m;

	(void)state;
	machine_make(&m);
	m.log = (struct wire_inflight){.n_queues = 2, .queue_size = PEER_QUEUE_SIZE / 2};
	assert_ok(frontend_get_inflight_fd(front(&m), &m.log, &m.fd));
	use_log(&m);
	driver_comes(&m);
	assert_int_equal(rig_logged(&m.rig, "is too short for rings of this size"), 1);
	driver_goes(&m);
	machine_close(&m);
}

/* As QEMU does it: the region that was made for the first driver is everybody's. */
static void a_driver_of_another_layout_gets_a_fresh_log(void **state)
{
	struct machine m;

	(void)state;
	machine_make(&m);
	ask_for_log(&m);
	for (int i = 0; i < 6; i++) {
		driver_comes(&m);
		driver_goes(&m);
		/* Also twice the same. */
		set_layout(&m, i % 3 == 0);
		if (i % 2)
			use_log(&m);
	}
	assert_int_equal(m.rig.begun, 1);
	assert_int_equal(rig_logged(&m.rig, "run again"), 0);
	assert_int_equal(rig_logged(&m.rig, "too short"), 0);
	machine_close(&m);
}

/* Which is the guest's doing: the next driver is not to suffer from it. */
static void a_broken_queue_leaves_nothing_in_its_log(void **state)
{
	static const struct driver_seg nowhere = {UINT64_C(1) << 60, 1, false};
	struct machine m;

	(void)state;
	machine_make(&m);
	ask_for_log(&m);
	for (int i = 0; i < 4; i++) {
		driver_comes(&m);
		rig_hold(&m.rig, 0, 2);
		assert_true(driver_add(m.rings[m.packed][0], &nowhere, 1, NULL) >= 0);
		driver_publish(m.rings[m.packed][0]);
		assert_ok(driver_kick_always(m.rings[m.packed][0]));
		rig_assert_idle(&m.rig);
		rig_complete_all_held(&m.rig, 0);
		m.rig.mode = RIG_SERVE;
		driver_goes(&m);
		set_layout(&m, i != 1);
	}
	rig_expect_errors(&m.rig, "queue 0: broken", 4);
	driver_comes(&m);
	assert_int_equal(rig_logged(&m.rig, "run again"), 0);
	machine_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_log_found_long_enough_for_split_rings_is_not_used_by_packed_ones),
		cmocka_unit_test(a_ring_longer_than_its_log_runs_without),
		cmocka_unit_test(a_driver_of_another_layout_gets_a_fresh_log),
		cmocka_unit_test(a_broken_queue_leaves_nothing_in_its_log),
	};

	return cmocka_run_group_tests_name("inflight_layout", tests, NULL, NULL);
}
