/* SPDX-License-Identifier: MIT */
/* The DAX window: front-ends that refuse, stop, reset and go. */
#include "window.h"

#include <stdlib.h>
#include <unistd.h>

static void what_the_front_end_refuses_is_not_mapped_and_can_be_tried_again(void **state)
{
	struct client *c = *state;
	uint64_t node;

	start_with_window(c);
	node = file_of(c, "file", RANGE, 0, "");
	assert_int_equal(map_answered(c, node, 0, RANGE, 0, 1), -EOPNOTSUPP);
	map_well(c, node, 0, RANGE, 0);
	client_stop(c);
}

/* The same front-end starts the rings that it stopped. */
static void start_again(struct client *c)
{
	struct peer *peer = c->rig.peer;

	for (uint32_t i = 0; i < peer->guest->n_regions; i++)
		rig_check(&c->rig, frontend_rem_mem_reg(&peer->frontend, &peer->guest->regions[i]));
	rig_check(&c->rig, peer_set_driver(peer));
	rig_check(&c->rig, peer_start_rings(peer));
}

static void a_queue_that_stops_waits_for_no_front_end(void **state)
{
	struct client *c = *state;
	struct frontend_msg msg;
	uint64_t node;

	start_with_window(c);
	node = file_of(c, "file", RANGE, 0, "");
	offer_map(c, 1, node, 0, RANGE, 0);
	hear(c, WIRE_BACKEND_SHMEM_MAP, 0, RANGE, &msg);
	rig_check(&c->rig, peer_stop(c->rig.peer));
	assert_int_equal(client_wait(c, 1, NULL, 0), -EINTR);
	/* A late answer is nobody's. */
	answer(c, &msg, 0);
	start_again(c);
	assert_int_equal(client_getattr(c, ROOT, NULL), 0);
	client_stop(c);
}

/* As a virtual machine that pauses: what its guest knows holds. */
static void a_stop_without_a_reset_changes_nothing(void **state)
{
	const struct fuse_removemapping_one one = {.len = RANGE};
	struct client *c = *state;
	uint64_t node;

	start_with_window(c);
	node = file_of(c, "file", RANGE, 0, "");
	map_well(c, node, 0, RANGE, 0);
	rig_check(&c->rig, peer_stop(c->rig.peer));
	start_again(c);
	assert_int_equal(map_unheard(c, node, 0, RANGE, 0), 0);
	offer_unmap(c, &one, 1);
	hear_and_answer(c, WIRE_BACKEND_SHMEM_UNMAP, 0, RANGE, 0);
	assert_int_equal(client_wait(c, 1, NULL, 0), 0);
	map_well(c, node, 0, RANGE, 0);
	client_stop(c);
}

static void a_mount_finds_nothing_that_one_before_it_had_mapped(void **state)
{
	struct client *c = *state;
	struct fuse_init_in again = {.major = 7, .minor = 45, .flags = (uint32_t)DAX_FLAGS};
	uint64_t node;

	start_with_window(c);
	node = file_of(c, "file", 2 * RANGE, 0, "");
	map_well(c, node, 0, RANGE, 0);
	client_offer(c, 1, FUSE_INIT, 0, &again, sizeof(again), NULL, 0, sizeof(c->init));
	hear_and_answer(c, WIRE_BACKEND_SHMEM_UNMAP, 0, RANGE, 0);
	assert_true(client_wait(c, 1, NULL, sizeof(c->init)) > 0);
	node = client_walk(c, "file");
	map_well(c, node, RANGE, RANGE, 0);
	/* Another front-end has an empty window. */
	client_connect(c, 2);
	assert_int_equal(client_init(c, DAX_FLAGS), sizeof(c->init));
	node = client_walk(c, "file");
	map_well(c, node, 0, RANGE, 0);
	client_stop(c);
}

static void after_a_reset_the_window_is_empty(void **state)
{
	struct client *c = *state;
	uint64_t node;

	start_with_window(c);
	node = file_of(c, "file", RANGE, 0, "");
	map_well(c, node, 0, RANGE, 0);
	rig_check(&c->rig, peer_stop(c->rig.peer));
	rig_check(&c->rig, frontend_reset_device(&c->rig.peer->frontend));
	start_again(c);
	assert_int_equal(client_init(c, DAX_FLAGS), sizeof(c->init));
	node = client_walk(c, "file");
	map_well(c, node, 0, RANGE, 0);
	client_stop(c);
}

/* The front-end hands what is mapped back as guest memory, a request lies in it, and the host cuts
 * the file. */
static void a_request_in_a_mapped_file_that_was_cut_harms_nobody(void **state)
{
	struct client *c = *state;
	struct guest_region region = {.gpa = UINT64_C(1) << 40, .size = RANGE, .uva = 1ull << 40};
	struct frontend_msg msg;
	struct driver_seg segs[2];
	struct driver_used used;
	uint64_t node;

	start_with_window(c);
	node = file_of(c, "file", RANGE, 0, "");
	offer_map(c, 1, node, 0, RANGE, 0);
	hear(c, WIRE_BACKEND_SHMEM_MAP, 0, RANGE, &msg);
	region.fd = msg.fds[0];
	rig_check(&c->rig, frontend_add_mem_reg(&c->rig.peer->frontend, &region));
	answer(c, &msg, 0);
	assert_int_equal(client_wait(c, 1, NULL, 0), 0);
	assert_ok(truncate(client_path(c, "file"), 0));
	segs[0] = (struct driver_seg){.gpa = region.gpa, .len = 40};
	segs[1] = (struct driver_seg){.gpa = region.gpa + PAGE, .len = 400, .write = true};
	rig_offer(&c->rig, 1, segs, 2, c);
	/* The request is answered, or the session ends; whoever comes next is served. */
	(void)!peer_wait_used(c->rig.peer, 1, &used);
	client_connect(c, 1);
	assert_int_equal(client_init(c, DAX_FLAGS), sizeof(c->init));
	assert_int_equal(client_getattr(c, ROOT, NULL), 0);
	client_stop(c);
}

static void what_is_mapped_cannot_move(void **state)
{
	struct client *c = *state;
	void *bytes = NULL;
	size_t len;

	start_with_window(c);
	map_well(c, file_of(c, "file", RANGE, 0, ""), 0, RANGE, 0);
	rig_check(&c->rig, peer_stop(c->rig.peer));
	assert_true(frontend_save_state(&c->rig.peer->frontend, &bytes, &len) < 0);
	free(bytes);
	client_stop(c);
	assert_int_equal(rig_logged(&c->rig, "which cannot move"), 1);
}

static void windows_that_cannot_be_are_refused(void **state)
{
	static const char *const rows[][3] = {
		{"--dax-window=1M"},
		{"--dax-window=3M"},
		{"--dax-window=1024M"},
		{"--dax-window=x"},
		{"--dax-window=8M", "--readonly"},
		{"--dax-window=8M", "--state-file=/dev/null"},
	};
	struct client *c = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *argv[] = {
			getenv("VU_FS"), "--socket-path", c->rig.socket, "--shared-dir",
			c->share,	 rows[i][0],	  rows[i][1],	 NULL};
		struct spawned program;

		spawn_run(&program, argv);
		assert_int_equal(program.status, rows[i][1] ? 1 : 2);
		assert_non_null(strstr(program.err, "dax-window"));
		spawn_free(&program);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(what_the_front_end_refuses_is_not_mapped_and_can_be_tried_again),
		CLIENT_TEST(a_queue_that_stops_waits_for_no_front_end),
		CLIENT_TEST(a_stop_without_a_reset_changes_nothing),
		CLIENT_TEST(a_mount_finds_nothing_that_one_before_it_had_mapped),
		CLIENT_TEST(after_a_reset_the_window_is_empty),
		CLIENT_TEST(a_request_in_a_mapped_file_that_was_cut_harms_nobody),
		CLIENT_TEST(what_is_mapped_cannot_move),
		CLIENT_TEST(windows_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
