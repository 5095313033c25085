/* SPDX-License-Identifier: MIT */
/* Descriptors of files that were released just now (test_reuse.c): how many are kept, and how long.
 */
#include "kit/counts.h"
#include "reuse.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MANY = 100, MOST = 64 };

static void wait_for_fds(const struct client *c, int n)
{
	while (count_fds_of(c->rig.program.pid) != n)
		poll(NULL, 0, 10);
}

static void open_all(struct client *c, const uint64_t nodes[MANY], uint32_t n)
{
	uint64_t fhs[MANY];

	/* At once, twice: so each of the second is kept. */
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(client_open_file(c, nodes[i], O_RDONLY, &fhs[i]), 0);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(client_release(c, nodes[i], fhs[i]), 0);
	}
}

/* What changed in the tick in which it is opened is not kept. */
static void wait_for_next_tick(const struct client *c, const char *name)
{
	struct timespec now;
	struct stat st;

	assert_return_code(stat(client_path(c, name), &st), errno);
	do {
		poll(NULL, 0, 1);
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (now.tv_sec == st.st_ctim.tv_sec &&
		 (!st.st_ctim.tv_nsec || now.tv_nsec <= st.st_ctim.tv_nsec));
}

static void find_many(struct client *c, uint64_t nodes[MANY])
{
	char name[16];

	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		client_make_file(c, name, "");
		nodes[i] = client_walk(c, name);
	}
	wait_for_next_tick(c, name);
}

static void few_are_kept_and_not_for_long(void **state)
{
	uint64_t nodes[MANY];
	struct reuse r;
	int before;

	reuse_begin(&r, state, NULL);
	find_many(r.c, nodes);
	before = count_fds_of(r.c->rig.program.pid);
	do {
		open_all(r.c, nodes, MANY);
		assert_in_range(count_fds_of(r.c->rig.program.pid), before, before + MOST);
	} while (count_fds_of(r.c->rig.program.pid) == before);
	wait_for_fds(r.c, before);
	reuse_end(&r);
}

/* Inodes without a name keep their descriptors, so that there is nothing else to close. */
static void they_make_room_when_descriptors_are_needed(void **state)
{
	static const char *const args[] = {"--inode-file-handles=never", NULL};
	struct rlimit before, few;
	uint64_t nodes[MANY], fhs[MANY];
	struct reuse r;
	pid_t pid;

	reuse_begin(&r, state, args);
	find_many(r.c, nodes);
	pid = r.c->rig.program.pid;
	open_all(r.c, nodes, MOST);
	for (int i = 0; i < MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		assert_return_code(unlink(client_path(r.c, name)), errno);
	}
	assert_return_code(prlimit(pid, RLIMIT_NOFILE, NULL, &before), errno);
	/* The highest number of a descriptor, but for "." and "..". */
	few = (struct rlimit){(rlim_t)count_fds_of(pid) - 2, before.rlim_max};
	assert_return_code(prlimit(pid, RLIMIT_NOFILE, &few, NULL), errno);
	for (int i = MOST; i < MANY; i++)
		assert_int_equal(client_open_file(r.c, nodes[i], O_RDONLY, &fhs[i]), 0);
	for (int i = MOST; i < MANY; i++)
		assert_int_equal(client_release(r.c, nodes[i], fhs[i]), 0);
	assert_return_code(prlimit(pid, RLIMIT_NOFILE, &before, NULL), errno);
	reuse_end(&r);
}

static rlim_t lowest_free_fd_of(pid_t pid)
{
	struct stat st;
	char path[64];
	rlim_t n = 0;

	do
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, (int)n++);
	while (!lstat(path, &st));
	return n - 1;
}

/* close(2) of a file that was written. */
static void they_make_room_for_a_flush(void **state)
{
	struct fuse_flush_in flush = {0};
	struct rlimit before, few;
	uint64_t nodes[MANY];
	struct reuse r;
	pid_t pid;

	reuse_begin(&r, state, NULL);
	find_many(r.c, nodes);
	pid = r.c->rig.program.pid;
	assert_return_code(prlimit(pid, RLIMIT_NOFILE, NULL, &before), errno);
	assert_int_equal(client_open_file(r.c, nodes[MOST], O_RDWR, &flush.fh), 0);
	open_all(r.c, nodes, MOST);
	few = (struct rlimit){lowest_free_fd_of(pid), before.rlim_max};
	assert_return_code(prlimit(pid, RLIMIT_NOFILE, &few, NULL), errno);
	assert_int_equal(
		client_ask(r.c, FUSE_FLUSH, nodes[MOST], &flush, sizeof(flush), NULL, 0, NULL, 0),
		0);
	assert_return_code(prlimit(pid, RLIMIT_NOFILE, &before, NULL), errno);
	reuse_end(&r);
}

static void forgetting_an_inode_closes_its_own(void **state)
{
	struct fuse_forget_in in = {.nlookup = 10000};
	uint64_t fhs[8];
	struct reuse r;
	int before;

	reuse_begin(&r, state, NULL);
	before = count_fds_of(r.c->rig.program.pid);
	reuse_until_taken(&r);
	for (int i = 0; i < 8; i++)
		assert_int_equal(client_open_file(r.c, r.file, O_RDONLY, &fhs[i]), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(client_release(r.c, r.file, fhs[i]), 0);
	/* On the same queue as what comes after it. */
	client_offer(r.c, 1, FUSE_FORGET, r.file, &in, sizeof(in), NULL, 0, 0);
	client_wait(r.c, 1, NULL, 0);
	assert_int_equal(client_getattr(r.c, r.file, NULL), -ESTALE);
	assert_int_equal(count_fds_of(r.c->rig.program.pid), before - 1); /* O_PATH's, too */
	reuse_end(&r);
}

static void a_new_mount_closes_all(void **state)
{
	struct reuse r;
	int before;

	reuse_begin(&r, state, NULL);
	before = count_fds_of(r.c->rig.program.pid);
	reuse_until_taken(&r);
	assert_int_equal(client_init(r.c, CLIENT_ALL_FLAGS), sizeof(r.c->init));
	assert_int_equal(count_fds_of(r.c->rig.program.pid), before - 1);
	reuse_end(&r);
}

static void released_under_another_inodes_name_it_is_closed(void **state)
{
	uint64_t fh;
	struct reuse r;
	int before;

	reuse_begin(&r, state, NULL);
	client_make_file(r.c, "other", "");
	client_walk(r.c, "other");
	reuse_opens_anew(&r, O_RDONLY);
	wait_for_fds(r.c, count_fds_of(r.c->rig.program.pid));
	before = count_fds_of(r.c->rig.program.pid);
	assert_int_equal(client_open_file(r.c, r.file, O_RDONLY, &fh), 0);
	assert_int_equal(client_release(r.c, client_walk(r.c, "other"), fh), 0);
	assert_true(count_fds_of(r.c->rig.program.pid) <= before);
	reuse_end(&r);
}

static void they_are_no_open_files_of_the_guests(void **state)
{
	void *open_state, *kept_state;
	size_t open_len, kept_len;
	uint64_t fh;
	struct reuse r;

	reuse_begin(&r, state, NULL);
	reuse_until_taken(&r);
	client_save(r.c, &kept_state, &kept_len);
	client_connect(r.c, 1);
	assert_int_equal(client_open_file(r.c, r.file, O_RDONLY, &fh), 0);
	client_save(r.c, &open_state, &open_len);
	assert_true(kept_len < open_len);
	free(kept_state);
	free(open_state);
	reuse_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(few_are_kept_and_not_for_long),
		CLIENT_TEST(they_make_room_when_descriptors_are_needed),
		CLIENT_TEST(they_make_room_for_a_flush),
		CLIENT_TEST(forgetting_an_inode_closes_its_own),
		CLIENT_TEST(a_new_mount_closes_all),
		CLIENT_TEST(released_under_another_inodes_name_it_is_closed),
		CLIENT_TEST(they_are_no_open_files_of_the_guests),
	};

	return cmocka_run_group_tests_name("fs_reuse_room", tests, NULL, NULL);
}
