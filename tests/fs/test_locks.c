/* SPDX-License-Identifier: MIT */
/* Locks: between owners, with the host, and waited for without keeping a queue. */
#include "client.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static const char *const args[] = {"--posix-lock", "--flock", NULL};

static struct fuse_lk_in lock_in(uint64_t fh, uint64_t owner, uint32_t type, uint64_t start,
				 uint64_t end)
{
	return (struct fuse_lk_in){.fh = fh, .owner = owner, .lk = {start, end, type, 1}};
}

static int lock(struct client *c, uint64_t node, uint64_t fh, uint64_t owner, uint32_t type,
		uint64_t start, uint64_t end)
{
	struct fuse_lk_in in = lock_in(fh, owner, type, start, end);

	return client_ask(c, FUSE_SETLK, node, &in, sizeof(in), NULL, 0, NULL, 0);
}

static uint64_t open_locked(struct client *c, uint64_t *node)
{
	uint64_t fh;

	client_make_file(c, "file", "hello");
	client_start(c, args);
	*node = client_walk(c, "file");
	assert_int_equal(client_open_file(c, *node, O_RDWR, &fh), 0);
	return fh;
}

static void owners_exclude_each_other_until_they_close(void **state)
{
	struct client *c = *state;
	uint64_t node, fh = open_locked(c, &node);
	struct fuse_flush_in flush = {.fh = fh, .lock_owner = 1};
	struct fuse_lk_in in = lock_in(fh, 2, F_WRLCK, 0, INT64_MAX);
	struct fuse_lk_out out;

	assert_int_equal(lock(c, node, fh, 1, F_WRLCK, 10, 19), 0);
	assert_int_equal(lock(c, node, fh, 2, F_WRLCK, 15, 15), -EAGAIN);
	assert_int_equal(lock(c, node, fh, 2, F_RDLCK, 20, INT64_MAX), 0);
	assert_int_equal(lock(c, node, fh, 1, F_RDLCK, 0, INT64_MAX), 0);
	assert_int_equal(lock(c, node, fh, 1, F_WRLCK, 10, 19), 0);
	assert_int_equal(
		client_ask(c, FUSE_GETLK, node, &in, sizeof(in), NULL, 0, &out, sizeof(out)),
		sizeof(out));
	assert_true(out.lk.type == F_RDLCK || out.lk.type == F_WRLCK);
	assert_int_equal(client_ask(c, FUSE_FLUSH, node, &flush, sizeof(flush), NULL, 0, NULL, 0),
			 0);
	assert_int_equal(lock(c, node, fh, 2, F_WRLCK, 15, 15), 0);
	assert_int_equal(lock(c, node, fh, 2, F_UNLCK, 0, INT64_MAX), 0);
	assert_int_equal(lock(c, node, fh, 3, F_UNLCK, 0, INT64_MAX), 0);
	assert_int_equal(lock(c, node, fh, 3, 77, 0, 1), -EINVAL);
	assert_int_equal(lock(c, node, fh, 3, F_WRLCK, 5, 4), -EINVAL);
	assert_int_equal(lock(c, node, fh, 3, F_WRLCK, UINT64_MAX, UINT64_MAX), -EINVAL);
	client_stop(c);
}

static void the_host_sees_the_locks(void **state)
{
	struct client *c = *state;
	uint64_t node, fh = open_locked(c, &node);
	struct fuse_lk_in in = lock_in(fh, 1, F_WRLCK, 0, INT64_MAX);
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(client_path(c, "file"), O_RDWR | O_CLOEXEC);

	assert_int_equal(lock(c, node, fh, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &range), -1);
	in.lk_flags = FUSE_LK_FLOCK;
	assert_int_equal(client_ask(c, FUSE_SETLK, node, &in, sizeof(in), NULL, 0, NULL, 0), 0);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), -1);
	assert_int_equal(client_release(c, node, fh), 0);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	close(fd);
	client_stop(c);
}

/* Offers it and does not wait. */
static void lock_and_wait(struct client *c, uint64_t node, const struct fuse_lk_in *in)
{
	struct fuse_in_header hdr = {.len = sizeof(hdr) + sizeof(*in),
				     .opcode = FUSE_SETLKW,
				     .unique = 77,
				     .nodeid = node};
	struct driver_seg segs[2] = {{.gpa = c->io[2].out_gpa, .len = hdr.len},
				     {.gpa = c->io[2].in_gpa, .len = 16, .write = true}};

	memcpy(c->io[2].out, &hdr, sizeof(hdr));
	memcpy(c->io[2].out + sizeof(hdr), in, sizeof(*in));
	rig_offer(&c->rig, 1, segs, 2, &c->io[2]);
}

static int waited(struct client *c)
{
	struct fuse_out_header out;

	assert_ptr_equal(rig_wait(&c->rig, 1, NULL), &c->io[2]);
	memcpy(&out, c->io[2].in, sizeof(out));
	assert_int_equal(out.unique, 77);
	return out.error;
}

static void who_waits_for_a_lock_keeps_nobody_else_waiting(void **state)
{
	struct client *c = *state;
	uint64_t node, fh = open_locked(c, &node);
	struct fuse_lk_in in = lock_in(fh, 2, F_WRLCK, 0, INT64_MAX);

	assert_int_equal(lock(c, node, fh, 1, F_WRLCK, 0, 9), 0);
	lock_and_wait(c, node, &in);
	for (int i = 0; i < 100; i++)
		assert_int_equal(client_getattr(c, node, NULL), 0);
	assert_int_equal(lock(c, node, fh, 1, F_UNLCK, 0, 9), 0);
	assert_int_equal(waited(c), 0);
	assert_int_equal(lock(c, node, fh, 1, F_WRLCK, 0, 9), -EAGAIN);
	client_stop(c);
}

static void a_queue_that_stops_ends_what_waits_on_it(void **state)
{
	struct client *c = *state;
	uint64_t node, fh = open_locked(c, &node);
	struct fuse_lk_in in = lock_in(fh, 2, F_WRLCK, 0, INT64_MAX);

	assert_int_equal(lock(c, node, fh, 1, F_WRLCK, 0, 9), 0);
	lock_and_wait(c, node, &in);
	assert_int_equal(client_getattr(c, node, NULL), 0);
	rig_check(&c->rig, peer_stop(c->rig.peer));
	assert_int_equal(waited(c), -EINTR);
	client_stop(c);
}

static void without_the_options_locks_are_the_guests_own(void **state)
{
	struct client *c = *state;
	uint64_t node, fh;

	client_make_file(c, "file", "");
	client_start(c, NULL);
	node = client_walk(c, "file");
	assert_int_equal(client_open_file(c, node, O_RDWR, &fh), 0);
	assert_false(c->init.flags & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS));
	assert_int_equal(lock(c, node, fh, 1, F_WRLCK, 0, 9), -ENOSYS);
	client_stop(c);
}

static uint32_t open_flags(struct client *c, uint64_t node, uint32_t flags)
{
	const struct fuse_open_in in = {.flags = flags};
	struct fuse_open_out out;

	assert_int_equal(
		client_ask(c, FUSE_OPEN, node, &in, sizeof(in), NULL, 0, &out, sizeof(out)),
		sizeof(out));
	return out.open_flags;
}

/* Who closes what was read waits for nothing, but for the end of POSIX locks. */
static void only_what_was_written_or_locked_is_flushed(void **state)
{
	static const char *const options[] = {NULL, "--cache=never", "--flock", "--posix-lock"};
	struct client *c = *state;
	uint64_t file;

	client_make_file(c, "file", "hello");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const char *const option[] = {options[i], NULL};
		uint32_t expected = i < 3 ? FOPEN_NOFLUSH : 0;

		client_start(c, option);
		file = client_walk(c, "file");
		for (int again = 0; again < 4; again++)
			assert_int_equal(open_flags(c, file, O_RDONLY) & FOPEN_NOFLUSH, expected);
		assert_int_equal(open_flags(c, file, O_RDWR) & FOPEN_NOFLUSH, 0);
		assert_int_equal(open_flags(c, file, O_WRONLY) & FOPEN_NOFLUSH, 0);
		client_stop(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(owners_exclude_each_other_until_they_close),
		CLIENT_TEST(the_host_sees_the_locks),
		CLIENT_TEST(who_waits_for_a_lock_keeps_nobody_else_waiting),
		CLIENT_TEST(a_queue_that_stops_ends_what_waits_on_it),
		CLIENT_TEST(without_the_options_locks_are_the_guests_own),
		CLIENT_TEST(only_what_was_written_or_locked_is_flushed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
