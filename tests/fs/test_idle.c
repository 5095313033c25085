/* SPDX-License-Identifier: MIT */
/* With nothing to do vu-fs uses no CPU time at all: nothing wakes it. */
#include "client.h"
#include "kit/counts.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MS = 1200, TRIES = 30 };

/* Of all its threads, in ns. */
static uint64_t cpu_time(const struct client *c)
{
	struct timespec t;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(c->rig.program.pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &t), 0);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* What was to be done may end late on a busy machine; what wakes it again and again never ends. */
static void expect_idle(const struct client *c)
{
	uint64_t before = cpu_time(c), now;

	for (int i = 0; i < TRIES; i++) {
		poll(NULL, 0, PAUSE_MS);
		now = cpu_time(c);
		if (now == before)
			return;
		before = now;
	}
	fail_msg("it goes on using CPU time");
}

static void work(struct client *c)
{
	struct fuse_entry_out entry;
	uint64_t file, fh, other;

	file = client_walk(c, "file");
	for (int i = 0; i < 3; i++) { /* so that it is kept when it is released */
		assert_int_equal(client_open_file(c, file, O_RDONLY, &fh), 0);
		assert_int_equal(client_release(c, file, fh), 0);
	}
	assert_int_equal(client_create(c, ROOT, "new", O_RDWR, 0600, &entry, &fh), 0);
	assert_int_equal(client_write(c, entry.nodeid, fh, 0, "hello", 5), 5);
	assert_int_equal(client_open_file(c, file, O_RDONLY, &other), 0);
}

static void begin(struct client *c, const char *const *args)
{
#ifdef __SANITIZE_THREAD__
	print_message("skipped: TSan has a thread of its own in the program\n");
	skip();
#endif
	client_make_file(c, "file", "hello");
	client_start(c, args);
	work(c);
}

static void a_mounted_share_that_nobody_uses_costs_nothing(void **state)
{
	static const char *const args[] = {"--num-request-queues=4", NULL};

	begin(*state, args);
	expect_idle(*state);
	client_stop(*state);
}

static void nor_do_threads_that_wait_for_disks_or_a_state_file(void **state)
{
	struct client *c = *state;
	const char *const args[] = {"--thread-pool-size=4", "--posix-lock", "--state-file",
				    rig_file(&c->rig, "kept", NULL), NULL};

	begin(c, args);
	expect_idle(c);
	client_stop(c);
}

static void nor_does_waiting_for_a_front_end(void **state)
{
	struct client *c = *state;

	begin(c, NULL);
	peer_disconnect(c->rig.peer);
	expect_idle(c);
	client_connect(c, 1);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	client_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(a_mounted_share_that_nobody_uses_costs_nothing),
		CLIENT_TEST(nor_do_threads_that_wait_for_disks_or_a_state_file),
		CLIENT_TEST(nor_does_waiting_for_a_front_end),
	};

	return cmocka_run_group_tests_name("fs_idle", tests, NULL, NULL);
}
