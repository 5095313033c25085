/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of files that were released just now are taken again, where open(2) would give the
 * same, and nowhere else; and not for long.
 *
 * Whether a file is opened inotify(7) says.  What is kept may be closed at any moment, so nothing
 * here fails because that was sooner than it thought.
 */
#include "client.h"
#include "kit/counts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { MANY = 100, MOST = 64 };

struct reuse {
	struct client *c;
	uint64_t file;
	int watch;
};

static bool was_opened(const struct reuse *r)
{
	_Alignas(struct inotify_event) char events[4096];
	bool any = false;

	while (read(r->watch, events, sizeof(events)) > 0)
		any = true;
	return any;
}

/* One OPEN and RELEASE; true: it opened the host's file. */
static bool opens_anew(const struct reuse *r, uint32_t flags)
{
	uint64_t fh;

	was_opened(r);
	assert_int_equal(client_open_file(r->c, r->file, flags, &fh), 0);
	assert_int_equal(client_release(r->c, r->file, fh), 0);
	return was_opened(r);
}

static void reuse_until_taken(const struct reuse *r)
{
	while (opens_anew(r, O_RDONLY))
		continue;
}

static void need_known_file_system(const struct client *c)
{
	struct statfs st;

	assert_int_equal(statfs(c->share, &st), 0);
	switch ((uint32_t)st.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
		return;
	}
	print_message("skipped: on this file system nothing is kept\n");
	skip();
}

static void begin(struct reuse *r, void **state, const char *const *args)
{
	struct client *c = *state;

	need_known_file_system(c);
	r->c = c;
	client_make_file(c, "file", "hello");
	r->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_return_code(r->watch, errno);
	assert_return_code(inotify_add_watch(r->watch, client_path(c, "file"), IN_OPEN), errno);
	client_start(c, args);
	r->file = client_walk(c, "file");
}

static void end(struct reuse *r)
{
	client_stop(r->c);
	close(r->watch);
}

static void wait_for_fds(const struct client *c, int n)
{
	while (count_fds_of(c->rig.program.pid) != n)
		poll(NULL, 0, 10);
}

static void what_was_just_released_is_opened_again_without_the_host(void **state)
{
	struct reuse r;
	char data[8];
	uint64_t fh;

	begin(&r, state, NULL);
	assert_true(opens_anew(&r, O_RDONLY));
	assert_true(opens_anew(&r, O_RDONLY)); /* the first was of a file that nobody opens twice */
	reuse_until_taken(&r);
	/* It is a file like any other. */
	do {
		was_opened(&r);
		assert_int_equal(client_open_file(r.c, r.file, O_RDONLY, &fh), 0);
		assert_int_equal(client_read(r.c, r.file, fh, 0, data, 8), 5);
		assert_memory_equal(data, "hello", 5);
		assert_int_equal(client_write(r.c, r.file, fh, 0, "x", 1), -EBADF);
		assert_int_equal(client_release(r.c, r.file, fh), 0);
		assert_int_equal(client_release(r.c, r.file, fh), -EBADF);
		assert_int_equal(client_read(r.c, r.file, fh, 0, data, 8), -EBADF);
	} while (was_opened(&r));
	end(&r);
}

/* --- what changes a file, or who may open it --- */

static void change_mode(struct client *c)
{
	struct stat st;

	assert_return_code(stat(client_path(c, "file"), &st), errno);
	assert_return_code(chmod(client_path(c, "file"), (st.st_mode ^ 0044) & 07777), errno);
}

static void change_owner(struct client *c)
{
	assert_return_code(chown(client_path(c, "file"), geteuid(), getegid()), errno);
}

static void write_to(struct client *c)
{
	int fd = open(client_path(c, "file"), O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "H", 1, 0), 1);
	close(fd);
}

static void move(struct client *c)
{
	char to[RIG_PATH + 64];

	snprintf(to, sizeof(to), "%s", client_path(c, "moved"));
	assert_return_code(rename(client_path(c, "file"), to), errno);
	assert_return_code(rename(to, client_path(c, "file")), errno);
}

static void give_a_name(struct client *c)
{
	char to[RIG_PATH + 64];

	snprintf(to, sizeof(to), "%s", client_path(c, "other"));
	assert_return_code(link(client_path(c, "file"), to), errno);
	assert_return_code(unlink(to), errno);
}

static void by_the_guest(struct client *c)
{
	const struct fuse_setattr_in in = {.valid = FATTR_MODE, .mode = 0600};

	assert_int_equal(client_setattr(c, client_walk(c, "file"), &in, NULL), 0);
}

static void a_file_that_changed_is_opened_anew(void **state)
{
	static void (*const changes[])(struct client *) = {change_mode, change_owner, write_to,
							   move,	give_a_name,  by_the_guest};
	struct reuse r;

	begin(&r, state, NULL);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		reuse_until_taken(&r);
		poll(NULL, 0, 10); /* a clock of file systems' ticks */
		changes[i](r.c);
		if (!opens_anew(&r, O_RDONLY))
			fail_msg("after change %zu it was not opened", i);
	}
	end(&r);
}

static void who_may_not_open_it_any_more_does_not(void **state)
{
	/* As root of a namespace of its own it may open what its user has. */
	static const char *const args[] = {"--sandbox=none", NULL};
	struct reuse r;
	uint64_t fh;

	if (!geteuid()) {
		print_message("skipped: root may open anything\n");
		skip();
	}
	begin(&r, state, args);
	reuse_until_taken(&r);
	assert_return_code(chmod(client_path(r.c, "file"), 0), errno);
	assert_int_equal(client_open_file(r.c, r.file, O_RDONLY, &fh), -EACCES);
	end(&r);
}

static void a_new_file_of_the_same_name_is_another_one(void **state)
{
	struct reuse r;
	char data[8];
	uint64_t file, fh;

	begin(&r, state, NULL);
	reuse_until_taken(&r);
	assert_int_equal(client_name(r.c, FUSE_UNLINK, ROOT, "file"), 0);
	client_make_file(r.c, "file", "another");
	file = client_walk(r.c, "file");
	assert_int_not_equal(file, r.file);
	assert_int_equal(client_open_file(r.c, file, O_RDONLY, &fh), 0);
	assert_int_equal(client_read(r.c, file, fh, 0, data, 8), 7);
	assert_memory_equal(data, "another", 7);
	/* The guest still knows the old one. */
	assert_int_equal(client_open_file(r.c, r.file, O_RDONLY, &fh), 0);
	assert_int_equal(client_read(r.c, r.file, fh, 0, data, 8), 5);
	client_forget(r.c, r.file, 10000);
	while (client_getattr(r.c, r.file, NULL) != -ESTALE)
		continue;
	assert_int_equal(client_open_file(r.c, r.file, O_RDONLY, &fh), -ESTALE);
	end(&r);
}

/* --- what is never kept --- */

static void other_ways_to_open_are_the_hosts(void **state)
{
	static const uint32_t flags[] = {O_RDWR,
					 O_WRONLY,
					 O_RDONLY | O_TRUNC,
					 O_RDONLY | O_APPEND,
					 O_RDONLY | O_NONBLOCK,
					 O_RDONLY | O_SYNC,
					 O_RDONLY | O_DSYNC};
	struct reuse r;

	begin(&r, state, NULL);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			opens_anew(&r, O_RDONLY);
			if (!opens_anew(&r, flags[i]))
				fail_msg("flags 0x%x: it was not opened", flags[i]);
		}
	end(&r);
}

static void with(void **state, const char *option)
{
	const char *const args[] = {option, NULL};
	struct reuse r;

	begin(&r, state, args);
	for (int i = 0; i < 5; i++)
		assert_true(opens_anew(&r, O_RDONLY));
	end(&r);
}

static void nothing_is_kept_with_cache_never(void **state)
{
	with(state, "--cache=never");
}

static void nothing_is_kept_where_there_are_posix_locks(void **state)
{
	with(state, "--posix-lock");
}

static void nothing_is_kept_where_there_are_bsd_locks(void **state)
{
	with(state, "--flock");
}

static void nothing_is_kept_under_landlock(void **state)
{
	if (rig_sandbox()) {
		print_message("skipped: without a sandbox here\n");
		skip();
	}
	with(state, "--sandbox=landlock");
}

/* --- how many, and how long --- */

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

static void find_many(struct client *c, uint64_t nodes[MANY])
{
	char name[16];

	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		client_make_file(c, name, "");
		nodes[i] = client_walk(c, name);
	}
}

static void few_are_kept_and_not_for_long(void **state)
{
	uint64_t nodes[MANY];
	struct reuse r;
	int before;

	begin(&r, state, NULL);
	find_many(r.c, nodes);
	before = count_fds_of(r.c->rig.program.pid);
	do {
		open_all(r.c, nodes, MANY);
		assert_in_range(count_fds_of(r.c->rig.program.pid), before, before + MOST);
	} while (count_fds_of(r.c->rig.program.pid) == before);
	wait_for_fds(r.c, before);
	end(&r);
}

/* Inodes without a name keep their descriptors, so that there is nothing else to close. */
static void they_make_room_when_descriptors_are_needed(void **state)
{
	static const char *const args[] = {"--inode-file-handles=never", NULL};
	struct rlimit before, few;
	uint64_t nodes[MANY], fhs[MANY];
	struct reuse r;
	pid_t pid;

	begin(&r, state, args);
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
	end(&r);
}

static void forgetting_an_inode_closes_its_own(void **state)
{
	struct fuse_forget_in in = {.nlookup = 10000};
	uint64_t fhs[8];
	struct reuse r;
	int before;

	begin(&r, state, NULL);
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
	end(&r);
}

static void a_new_mount_closes_all(void **state)
{
	struct reuse r;
	int before;

	begin(&r, state, NULL);
	before = count_fds_of(r.c->rig.program.pid);
	reuse_until_taken(&r);
	assert_int_equal(client_init(r.c, CLIENT_ALL_FLAGS), sizeof(r.c->init));
	assert_int_equal(count_fds_of(r.c->rig.program.pid), before - 1);
	end(&r);
}

static void released_under_another_inodes_name_it_is_closed(void **state)
{
	uint64_t fh;
	struct reuse r;
	int before;

	begin(&r, state, NULL);
	client_make_file(r.c, "other", "");
	client_walk(r.c, "other");
	opens_anew(&r, O_RDONLY);
	wait_for_fds(r.c, count_fds_of(r.c->rig.program.pid));
	before = count_fds_of(r.c->rig.program.pid);
	assert_int_equal(client_open_file(r.c, r.file, O_RDONLY, &fh), 0);
	assert_int_equal(client_release(r.c, client_walk(r.c, "other"), fh), 0);
	assert_true(count_fds_of(r.c->rig.program.pid) <= before);
	end(&r);
}

static void they_are_no_open_files_of_the_guests(void **state)
{
	void *open_state, *kept_state;
	size_t open_len, kept_len;
	uint64_t fh;
	struct reuse r;

	begin(&r, state, NULL);
	reuse_until_taken(&r);
	client_save(r.c, &kept_state, &kept_len);
	client_connect(r.c, 1);
	assert_int_equal(client_open_file(r.c, r.file, O_RDONLY, &fh), 0);
	client_save(r.c, &open_state, &open_len);
	assert_true(kept_len < open_len);
	free(kept_state);
	free(open_state);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(what_was_just_released_is_opened_again_without_the_host),
		CLIENT_TEST(a_file_that_changed_is_opened_anew),
		CLIENT_TEST(who_may_not_open_it_any_more_does_not),
		CLIENT_TEST(a_new_file_of_the_same_name_is_another_one),
		CLIENT_TEST(other_ways_to_open_are_the_hosts),
		CLIENT_TEST(nothing_is_kept_with_cache_never),
		CLIENT_TEST(nothing_is_kept_where_there_are_posix_locks),
		CLIENT_TEST(nothing_is_kept_where_there_are_bsd_locks),
		CLIENT_TEST(nothing_is_kept_under_landlock),
		CLIENT_TEST(few_are_kept_and_not_for_long),
		CLIENT_TEST(they_make_room_when_descriptors_are_needed),
		CLIENT_TEST(forgetting_an_inode_closes_its_own),
		CLIENT_TEST(a_new_mount_closes_all),
		CLIENT_TEST(released_under_another_inodes_name_it_is_closed),
		CLIENT_TEST(they_are_no_open_files_of_the_guests),
	};

	return cmocka_run_group_tests_name("fs_reuse", tests, NULL, NULL);
}
