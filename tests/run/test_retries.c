/* SPDX-License-Identifier: MIT */
/* How often a runner looks for a front-end that is not there: by a clock that the test turns. */
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "kit/test.h"
#include "fixture.h"
#include "sockets.h"

enum { STEP_MS = 10, FIRST_MS = 100, LAST_MS = 3000, MINUTE_MS = 60000 };

static struct {
	uint64_t now_ms;
	uint32_t attempts;
} world;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	/* Not at 0, which may mean something. */
	*now = (struct timespec){1000 + (time_t)(world.now_ms / 1000),
				 (long)(world.now_ms % 1000) * 1000000};
	return 0;
}

int __real_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len)
{
	world.attempts++;
	return __real_connect(fd, address, len);
}

/* Until the next attempt; that long it takes. */
static uint64_t wait_attempt(struct fixture *f)
{
	uint64_t begin = world.now_ms;
	uint32_t before = world.attempts;

	while (world.attempts == before) {
		assert_in_range(world.now_ms - begin, 0, MINUTE_MS);
		world.now_ms += STEP_MS;
		assert_true(vu_runner_process(f->runner) >= 0);
	}
	return world.now_ms - begin;
}

/* Each pause is twice as long as the one before, up to the last of them. */
static void expect_pauses(struct fixture *f)
{
	uint64_t pause = FIRST_MS;

	for (int i = 0; i < 10; i++) {
		assert_in_range(wait_attempt(f), pause, pause + STEP_MS);
		pause = 2 * pause < LAST_MS ? 2 * pause : LAST_MS;
	}
}

static void a_front_end_that_is_not_there_is_looked_for_every_three_seconds_at_least(void **state)
{
	struct fixture *f = *state;
	int listener, fd;

	assert_int_equal(vu_runner_connect(f->runner, f->dev, f->path), 0);
	assert_in_range(wait_attempt(f), 0, STEP_MS);
	expect_pauses(f);
	/* One was there, and goes: it may be back soon. */
	listener = socket_at(f->path, SOCK_STREAM, 1);
	wait_attempt(f);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0 && vu_device_is_attached(f->dev));
	close(listener);
	unlink(f->path);
	close(fd);
	expect_pauses(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_front_end_that_is_not_there_is_looked_for_every_three_seconds_at_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
