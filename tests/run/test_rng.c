/* SPDX-License-Identifier: MIT */
/* The entropy devices, driven by the test peer through real rings in another process's memory. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "frontend/peer.h"
#include "kit/folder.h"
#include "kit/test.h"
#include "spawn.h"

enum { MAX_ARGS = 8, DRY_MS = 100 };

struct fixture {
	char dir[32];
	char path[64];
	char source[64];
	uint64_t features; /* to ack; 0: all */
	struct spawned program;
	struct peer *peer;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	folder_make(f->dir, "vu-rng");
	snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
	snprintf(f->source, sizeof(f->source), "%s/source", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int ret;

	peer_free(f->peer);
	unlink(f->source);
	unlink(f->path);
	ret = folder_remove(f->dir);
	free(f);
	return ret;
}

static void check(struct fixture *f, int ret)
{
	if (ret < 0)
		fail_msg("%s: %s", strerror(-ret), f->peer->frontend.error);
}

static void connect_peer(struct fixture *f)
{
	struct peer_config config = {.n_queues = 1, .features = f->features};

	assert_int_equal(peer_new(&config, &f->peer), 0);
	check(f, peer_connect(f->peer, f->path));
	check(f, peer_start(f->peer));
}

/* Start a program with these arguments behind its name, and a driver on its queue. */
static void start(struct fixture *f, const char *program, const char *const *args)
{
	const char *argv[MAX_ARGS] = {program, "--socket-path", f->path};

	for (int i = 0; args && args[i]; i++)
		argv[i + 3] = args[i];
	spawn_start(&f->program, argv, NULL);
	spawn_wait_listening(f->path);
	connect_peer(f);
}

static void stop(struct fixture *f)
{
	peer_disconnect(f->peer);
	spawn_stop(&f->program);
	if (f->program.status)
		print_error("%s", f->program.err);
	assert_int_equal(f->program.status, 0);
	spawn_free(&f->program);
}

/* Offer one buffer of len bytes; its place. */
static unsigned char *offer(struct fixture *f, uint32_t len)
{
	struct driver_seg seg = {
		.gpa = guest_alloc(f->peer->guest, len, 16), .len = len, .write = true};
	unsigned char *buf = guest_ptr(f->peer->guest, seg.gpa, len);

	assert_non_null(buf);
	check(f, driver_add(f->peer->queues[0], &seg, 1, buf));
	return buf;
}

/* Offer one buffer and wait until the device has filled it; how far. */
static uint32_t ask(struct fixture *f, uint32_t len, unsigned char **buf)
{
	struct driver_used used = {0};

	*buf = offer(f, len);
	check(f, peer_wait_used(f->peer, 0, &used));
	assert_ptr_equal(used.cookie, *buf);
	assert_true(used.len > 0 && used.len <= len);
	return used.len;
}

/* As when a guest is paused and goes on: the memory stays. */
static void stop_and_start_ring(struct fixture *f)
{
	check(f, peer_stop(f->peer));
	check(f, peer_start_queue(f->peer, 0));
	check(f, frontend_set_vring_enable(&f->peer->frontend, 0, true));
}

static void assert_random(const unsigned char *buf, uint32_t len)
{
	unsigned int zeros = 0;

	for (uint32_t i = 0; i < len; i++)
		zeros += buf[i] == 0;
	assert_true(zeros < len / 4);
}

static void expect_entropy(struct fixture *f, const char *program)
{
	unsigned char *a, *b;

	start(f, program, NULL);
	assert_int_equal(ask(f, 64, &a), 64);
	assert_int_equal(ask(f, 64, &b), 64);
	assert_random(a, 64);
	assert_random(b, 64);
	assert_memory_not_equal(a, b, 64);
	stop_and_start_ring(f);
	assert_int_equal(ask(f, 64, &b), 64);
	assert_random(b, 64);
	stop(f);
}

static void minimal_rng_gives_random_bytes(void **state)
{
	expect_entropy(*state, getenv("MINIMAL_RNG"));
}

static void vu_rng_gives_random_bytes(void **state)
{
	expect_entropy(*state, getenv("VU_RNG"));
}

static void vu_rng_gives_random_bytes_to_a_legacy_driver(void **state)
{
	struct fixture *f = *state;

	f->features = UINT32_MAX;
	expect_entropy(f, getenv("VU_RNG"));
}

static void write_source(const struct fixture *f, const char *text)
{
	int fd = open(f->source, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void a_file_is_read_again_from_its_beginning(void **state)
{
	struct fixture *f = *state;
	const char *args[] = {"--source", f->source, NULL};
	unsigned char *buf;

	write_source(f, "0123456789");
	start(f, getenv("VU_RNG"), args);
	assert_int_equal(ask(f, 8, &buf), 8);
	assert_memory_equal(buf, "01234567", 8);
	assert_int_equal(ask(f, 8, &buf), 2);
	assert_memory_equal(buf, "89", 2);
	assert_int_equal(ask(f, 8, &buf), 8);
	assert_memory_equal(buf, "01234567", 8);
	stop(f);
}

static void max_bytes_without_a_period_limits_a_request(void **state)
{
	struct fixture *f = *state;
	const char *args[] = {"--max-bytes=24", NULL};
	unsigned char *buf;

	start(f, getenv("VU_RNG"), args);
	for (int i = 0; i < 4; i++)
		assert_int_equal(ask(f, 64, &buf), 24);
	stop(f);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void max_bytes_and_period_limit_the_rate(void **state)
{
	struct fixture *f = *state;
	enum { MOST = 100, PERIOD_MS = 150 };
	const char *args[] = {"--max-bytes=100", "--period=150", NULL};
	uint64_t begin = now_ms();
	uint32_t got = 0;
	unsigned char *buf;

	start(f, getenv("VU_RNG"), args);
	while (got < 350) {
		got += ask(f, 64, &buf);
		/* A busy machine may be late for some periods. */
		assert_true(got <= MOST * (1 + (now_ms() - begin) / PERIOD_MS));
	}
	stop(f);
}

static bool has_used(struct fixture *f)
{
	struct timespec pause = {.tv_nsec = DRY_MS * 1000000L};

	nanosleep(&pause, NULL);
	return driver_has_used(f->peer->queues[0]);
}

static void requests_wait_in_the_ring_while_the_source_is_dry(void **state)
{
	struct fixture *f = *state;
	const char *args[] = {"--source", f->source, NULL};
	struct driver_used used;
	unsigned char *buf;
	int fd;

	assert_return_code(mkfifo(f->source, 0600), errno);
	start(f, getenv("VU_RNG"), args);
	buf = offer(f, 16);
	check(f, driver_kick(f->peer->queues[0]));
	assert_false(has_used(f));
	/* Nothing was taken: the virtual machine need not wait for it to stop. */
	stop_and_start_ring(f);
	assert_false(has_used(f));

	fd = open(f->source, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "entropy!", 8), 8);
	check(f, peer_wait_used(f->peer, 0, &used));
	assert_int_equal(used.len, 8);
	assert_memory_equal(buf, "entropy!", 8);
	close(fd);
	stop(f);
}

/* SIGBUS in the program: in the middle of its own copy, and of the library's reading of the ring.
 */
static void truncated_memory_ends_the_session_and_not_the_program(void **state)
{
	struct fixture *f = *state;
	struct peer *first;
	unsigned char *buf;

	start(f, getenv("MINIMAL_RNG"), NULL);
	ask(f, 64, &buf);
	assert_int_equal(guest_truncate(f->peer->guest, 0, 0), 0);
	check(f, driver_kick_always(f->peer->queues[0]));
	assert_int_equal(frontend_wait_closed(&f->peer->frontend), 0);
	first = f->peer;

	connect_peer(f);
	assert_int_equal(ask(f, 64, &buf), 64);
	stop(f);
	peer_free(first);
}

static void add_option(const char *variable, const char *option)
{
	const char *usual = getenv(variable);
	char options[512];

	snprintf(options, sizeof(options), "%s:%s", usual ? usual : "", option);
	setenv(variable, options, 1);
}

static void a_sent_sigbus_kills_as_ever(void **state)
{
	struct fixture *f = *state;

	/* They have handlers of their own, which would be the next to get it. */
	add_option("ASAN_OPTIONS", "handle_sigbus=0");
	add_option("TSAN_OPTIONS", "handle_sigbus=0");
	start(f, getenv("MINIMAL_RNG"), NULL);
	kill(f->program.pid, SIGBUS);
	spawn_wait(&f->program);
	assert_int_equal(f->program.status, 1000 + SIGBUS);
	spawn_free(&f->program);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void max_memory_limits_what_a_front_end_has_us_map(void **state)
{
	const struct peer_config config = {.n_queues = 1};
	struct fixture *f = *state;
	const char *argv[] = {getenv("VU_RNG"), "--socket-path", f->path, "--max-memory=1M", NULL};

	spawn_start(&f->program, argv, NULL);
	spawn_wait_listening(f->path);
	assert_int_equal(peer_new(&config, &f->peer), 0);
	check(f, peer_connect(f->peer, f->path));
	assert_true(peer_start(f->peer) < 0);
	peer_disconnect(f->peer);
	spawn_stop(&f->program);
	assert_int_equal(f->program.status, 0);
	assert_non_null(strstr(f->program.err, "may map 1048576"));
	spawn_free(&f->program);
	peer_free(f->peer);
	/* Enough for it, and the other two options of this kind. */
	start(f, getenv("VU_RNG"),
	      (const char *[]){"--max-memory=64M", "--message-timeout=600", "--allow-any-memory",
			       NULL});
	stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(minimal_rng_gives_random_bytes),
		TEST(vu_rng_gives_random_bytes),
		TEST(vu_rng_gives_random_bytes_to_a_legacy_driver),
		TEST(a_file_is_read_again_from_its_beginning),
		TEST(max_bytes_without_a_period_limits_a_request),
		TEST(max_bytes_and_period_limit_the_rate),
		TEST(requests_wait_in_the_ring_while_the_source_is_dry),
		TEST(truncated_memory_ends_the_session_and_not_the_program),
		TEST(a_sent_sigbus_kills_as_ever),
		TEST(max_memory_limits_what_a_front_end_has_us_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
