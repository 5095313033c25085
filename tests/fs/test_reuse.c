/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of files that were released just now are taken again, where open(2) would give the
 * same, and nowhere else.
 */
#include "reuse.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void what_was_just_released_is_opened_again_without_the_host(void **state)
{
	struct reuse r;
	char data[8];
	uint64_t fh;

	reuse_begin(&r, state, NULL);
	assert_true(reuse_opens_anew(&r, O_RDONLY));
	assert_true(reuse_opens_anew(
		&r, O_RDONLY)); /* the first was of a file that nobody opens twice */
	reuse_until_taken(&r);
	/* It is a file like any other. */
	do {
		reuse_was_opened(&r);
		assert_int_equal(client_open_file(r.c, r.file, O_RDONLY, &fh), 0);
		assert_int_equal(client_read(r.c, r.file, fh, 0, data, 8), 5);
		assert_memory_equal(data, "hello", 5);
		assert_int_equal(client_write(r.c, r.file, fh, 0, "x", 1), -EBADF);
		assert_int_equal(client_release(r.c, r.file, fh), 0);
		assert_int_equal(client_release(r.c, r.file, fh), -EBADF);
		assert_int_equal(client_read(r.c, r.file, fh, 0, data, 8), -EBADF);
	} while (reuse_was_opened(&r));
	reuse_end(&r);
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

	reuse_begin(&r, state, NULL);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		reuse_until_taken(&r);
		poll(NULL, 0, 10); /* a clock of file systems' ticks */
		changes[i](r.c);
		if (!reuse_opens_anew(&r, O_RDONLY))
			fail_msg("after change %zu it was not opened", i);
	}
	reuse_end(&r);
}

static struct timespec tick(void)
{
	struct timespec now;

	assert_return_code(clock_gettime(CLOCK_REALTIME_COARSE, &now), errno);
	return now;
}

/* As those of ACLs and labels are, which leave owner and mode. */
static void two_changes_in_one_tick_are_two(void **state)
{
	struct timespec first, last;
	int in_one = 0;
	struct reuse r;

	reuse_begin(&r, state, NULL);
	for (int i = 0; i < 3000 && in_one < 5; i++) {
		bool anew;

		last = tick();
		do
			first = tick();
		while (first.tv_nsec == last.tv_nsec);
		give_a_name(r.c);
		reuse_opens_anew(&r, O_RDONLY);
		reuse_opens_anew(&r, O_RDONLY);
		give_a_name(r.c);
		last = tick();
		anew = reuse_opens_anew(&r, O_RDONLY);
		if (first.tv_sec != last.tv_sec || first.tv_nsec != last.tv_nsec)
			continue;
		in_one++;
		assert_true(anew);
	}
	reuse_end(&r);
	if (!in_one) {
		print_message("skipped: too busy for it to be in one tick\n");
		skip();
	}
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
	reuse_begin(&r, state, args);
	reuse_until_taken(&r);
	assert_return_code(chmod(client_path(r.c, "file"), 0), errno);
	assert_int_equal(client_open_file(r.c, r.file, O_RDONLY, &fh), -EACCES);
	reuse_end(&r);
}

static void a_new_file_of_the_same_name_is_another_one(void **state)
{
	struct reuse r;
	char data[8];
	uint64_t file, fh;

	reuse_begin(&r, state, NULL);
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
	reuse_end(&r);
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

	reuse_begin(&r, state, NULL);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			reuse_opens_anew(&r, O_RDONLY);
			if (!reuse_opens_anew(&r, flags[i]))
				fail_msg("flags 0x%x: it was not opened", flags[i]);
		}
	reuse_end(&r);
}

static void with(void **state, const char *option)
{
	const char *const args[] = {option, NULL};
	struct reuse r;

	reuse_begin(&r, state, args);
	for (int i = 0; i < 5; i++)
		assert_true(reuse_opens_anew(&r, O_RDONLY));
	reuse_end(&r);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(what_was_just_released_is_opened_again_without_the_host),
		CLIENT_TEST(a_file_that_changed_is_opened_anew),
		CLIENT_TEST(two_changes_in_one_tick_are_two),
		CLIENT_TEST(who_may_not_open_it_any_more_does_not),
		CLIENT_TEST(a_new_file_of_the_same_name_is_another_one),
		CLIENT_TEST(other_ways_to_open_are_the_hosts),
		CLIENT_TEST(nothing_is_kept_with_cache_never),
		CLIENT_TEST(nothing_is_kept_where_there_are_posix_locks),
		CLIENT_TEST(nothing_is_kept_where_there_are_bsd_locks),
		CLIENT_TEST(nothing_is_kept_under_landlock),
	};

	return cmocka_run_group_tests_name("fs_reuse", tests, NULL, NULL);
}
