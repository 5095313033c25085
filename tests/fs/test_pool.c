/* SPDX-License-Identifier: MIT */
/* --thread-pool-size: what waits for a disk keeps no other request waiting. */
#include "client.h"
#include "slow_fs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { QUEUE = 1, SPARE = 2, THIRD = 3 /* the places of more requests for QUEUE */ };

static const char *const pool_args[] = {"--thread-pool-size=2", NULL};

struct slow {
	struct client client; /* first: client_teardown() frees it */
	struct slow_fs *fs;
	uint64_t dir, node, fh, dir_fh;
};

static int slow_setup(void **state)
{
	struct slow *slow = calloc(1, sizeof(*slow));

	client_open(&slow->client, folder_quick());
	*state = slow;
	return 0;
}

static int slow_teardown(void **state)
{
	struct slow *slow = *state;
	struct spawned *program = &slow->client.rig.program;

	if (slow->fs) {
		/* What the program waits for cannot be killed. */
		slow_fs_go_on(slow->fs);
		if (program->pid > 0) /* the test failed */
			spawn_stop(program);
		program->pid = 0;
		slow_fs_unmount(slow->fs);
	}
	return client_teardown(state);
}

/* vu-fs with a pool, and in its share a file system that takes its time. */
static void slow_start_with(struct slow *slow, const char *const *args)
{
	struct client *c = &slow->client;

	client_make_dir(c, "slow");
	slow->fs = slow_fs_mount(client_path(c, "slow"));
	if (!slow->fs) {
		print_message("skipped: no file system of one's own can be mounted here\n");
		skip();
	}
	client_start(c, args);
	slow->dir = client_walk(c, "slow");
	slow->node = client_walk(c, "slow/file");
	assert_int_equal(client_open_file(c, slow->node, O_RDWR, &slow->fh), 0);
	assert_int_equal(client_opendir(c, slow->dir, &slow->dir_fh), 0);
}

static void slow_start(struct slow *slow)
{
	slow_start_with(slow, pool_args);
}

/* Another request of the same queue. */
static void ask_meanwhile(struct client *c)
{
	struct client_io first = c->io[QUEUE];
	struct fuse_attr attr;

	c->io[QUEUE] = c->io[SPARE];
	assert_int_equal(client_getattr(c, ROOT, &attr), 0);
	c->io[QUEUE] = first;
}

struct held {
	uint32_t opcode, kept; /* what the guest asks for, what the slow file system keeps */
	uint32_t args_len, data_len, in_len;
	int result;
	union {
		struct fuse_fsync_in fsync;
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_fallocate_in fallocate;
		struct fuse_copy_file_range_in copy;
	} args;
};

static void hold(struct slow *slow, const struct held *h)
{
	static const unsigned char data[4096];
	uint64_t node = h->opcode == FUSE_FSYNCDIR ? slow->dir : slow->node;
	struct client *c = &slow->client;

	slow_fs_hold(slow->fs, h->kept);
	client_offer(c, QUEUE, h->opcode, node, &h->args, h->args_len, h->data_len ? data : NULL,
		     h->data_len, h->in_len);
	slow_fs_wait_held(slow->fs);
}

static void what_waits_for_the_disk_keeps_nothing_else_waiting(void **state)
{
	struct slow *slow = *state;
	struct client *c = &slow->client;

	slow_start(slow);
	const struct held rows[] = {
		{FUSE_FSYNC, FUSE_FSYNC, sizeof(struct fuse_fsync_in), 0, 0, 0,
		 .args.fsync = {.fh = slow->fh}},
		{FUSE_FSYNCDIR, FUSE_FSYNCDIR, sizeof(struct fuse_fsync_in), 0, 0, 0,
		 .args.fsync = {.fh = slow->dir_fh}},
		{FUSE_READ, FUSE_READ, sizeof(struct fuse_read_in), 0, 4096, 4096,
		 .args.read = {.fh = slow->fh, .size = 4096}},
		{FUSE_WRITE, FUSE_WRITE, sizeof(struct fuse_write_in), 4096, 8, 8,
		 .args.write = {.fh = slow->fh, .size = 4096}},
		{FUSE_FALLOCATE, FUSE_FALLOCATE, sizeof(struct fuse_fallocate_in), 0, 0, 0,
		 .args.fallocate = {.fh = slow->fh, .length = SLOW_SIZE}},
		{FUSE_COPY_FILE_RANGE, FUSE_COPY_FILE_RANGE, sizeof(struct fuse_copy_file_range_in),
		 0, 8, 8,
		 .args.copy = {.fh_in = slow->fh,
			       .fh_out = slow->fh,
			       .off_out = 4096,
			       .len = 4096,
			       .nodeid_out = slow->node}},
		{CLIENT_COPY_FILE_RANGE_64, FUSE_COPY_FILE_RANGE,
		 sizeof(struct fuse_copy_file_range_in), 0, 8, 8,
		 .args.copy = {.fh_in = slow->fh,
			       .fh_out = slow->fh,
			       .off_out = 4096,
			       .len = 4096,
			       .nodeid_out = slow->node}},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		hold(slow, &rows[i]);
		ask_meanwhile(c);
		slow_fs_go_on(slow->fs);
		assert_int_equal(client_wait(c, QUEUE, NULL, CLIENT_DATA), rows[i].result);
	}
	client_stop(c);
}

/* There may be more of these than pins can be counted. */
static void what_waits_for_a_thread_keeps_no_inode(void **state)
{
	static const char *const args[] = {"--thread-pool-size=1", NULL};
	struct held h = {FUSE_FSYNC, FUSE_FSYNC, sizeof(struct fuse_fsync_in), 0, 0, 0, {{0}}};
	struct slow *slow = *state;
	struct client *c = &slow->client;
	struct client_io first;
	const uint64_t padding = 0;
	uint64_t dir;

	client_make_dir(c, "dir");
	slow_start_with(slow, args);
	dir = client_walk(c, "dir");
	h.args.fsync.fh = slow->fh;
	hold(slow, &h);
	first = c->io[QUEUE];
	c->io[QUEUE] = c->io[THIRD];
	client_offer(c, QUEUE, FUSE_SYNCFS, dir, &padding, sizeof(padding), NULL, 0, 0);
	c->io[THIRD] = c->io[QUEUE];
	c->io[QUEUE] = first;
	/* Taken after it. */
	ask_meanwhile(c);
	client_forget(c, dir, 1);
	slow_fs_go_on(slow->fs);
	assert_int_equal(client_wait(c, QUEUE, NULL, 0), 0);
	c->io[QUEUE] = c->io[THIRD];
	assert_int_equal(client_wait(c, QUEUE, NULL, 0), -ESTALE);
	client_stop(c);
}

static void what_a_front_end_leaves_behind_is_finished_and_the_next_is_served(void **state)
{
	struct held h = {FUSE_FSYNC, FUSE_FSYNC, sizeof(struct fuse_fsync_in), 0, 0, 0, {{0}}};
	struct slow *slow = *state;
	struct client *c = &slow->client;

	slow_start(slow);
	h.args.fsync.fh = slow->fh;
	hold(slow, &h);
	peer_disconnect(c->rig.peer);
	slow_fs_go_on(slow->fs);
	client_connect(c, 1);
	ask_meanwhile(c);
	/* The same at the program's end. */
	hold(slow, &h);
	peer_disconnect(c->rig.peer);
	slow_fs_go_on(slow->fs);
	client_stop(c);
}

static void what_lies_in_memory_is_read_as_without_a_pool(void **state)
{
	struct client *c = *state;
	struct fuse_entry_out entry;
	char data[64] = "";
	uint64_t fh;

	client_start(c, pool_args);
	assert_int_equal(client_create(c, ROOT, "new", O_RDWR, 0640, &entry, &fh), 0);
	assert_int_equal(client_read(c, entry.nodeid, fh, 0, data, sizeof(data)), 0);
	assert_int_equal(client_write(c, entry.nodeid, fh, 0, "hello", 5), 5);
	assert_int_equal(client_read(c, entry.nodeid, fh, 1, data, sizeof(data)), 4);
	assert_memory_equal(data, "ello", 4);
	assert_int_equal(client_read(c, entry.nodeid, fh, 99, data, sizeof(data)), 0);
	assert_int_equal(client_write(c, entry.nodeid, fh + 1, 0, "hello", 5), -EBADF);
	client_stop(c);
}

#define SLOW_TEST(name) cmocka_unit_test_setup_teardown(name, slow_setup, slow_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SLOW_TEST(what_waits_for_the_disk_keeps_nothing_else_waiting),
		SLOW_TEST(what_waits_for_a_thread_keeps_no_inode),
		SLOW_TEST(what_a_front_end_leaves_behind_is_finished_and_the_next_is_served),
		CLIENT_TEST(what_lies_in_memory_is_read_as_without_a_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
