/* SPDX-License-Identifier: MIT */
/* SIGBUS in guest memory, for programs that have a loop and perhaps handlers of their own. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libvu/vu.h>

#include "frontend/peer.h"
#include "kit/child.h"
#include "kit/test.h"

static void echo_ready(struct vu_queue *queue, void *opaque)
{
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		static const char bytes[64];

		/* What it may write to is gone, or not. */
		vu_req_complete(req, vu_req_write(req, 0, bytes, sizeof(bytes)));
	}
}

static void quiet(void *opaque, enum vu_log_level level, const char *line)
{
}

struct stand {
	struct vu_device *dev;
	struct peer *peer;
};

static void pump(void *opaque)
{
	struct stand *s = opaque;

	for (int i = 0; i < 1000 && vu_device_process(s->dev) > 0; i++)
		;
}

static void stand_open(struct stand *s)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = echo_ready};
	const struct vu_device_info info = {
		.size = sizeof(info), .device_id = 4, .n_queues = 1, .log_fn = quiet};
	const struct peer_config config = {.n_queues = 1, .pump = pump, .pump_opaque = s};
	int fd;

	assert_int_equal(vu_device_new(&info, &ops, NULL, &s->dev), 0);
	assert_int_equal(peer_new(&config, &s->peer), 0);
	assert_int_equal(peer_open(s->peer, &fd), 0);
	assert_int_equal(vu_device_attach(s->dev, fd), 0);
	assert_int_equal(peer_start(s->peer), 0);
}

static void stand_close(struct stand *s)
{
	vu_device_free(s->dev);
	peer_free(s->peer);
}

/* The rings are in there: the library itself gets the signal. */
static void stand_truncate(struct stand *s)
{
	assert_int_equal(guest_truncate(s->peer->guest, 0, 0), 0);
	assert_int_equal(driver_kick_always(s->peer->queues[0]), 0);
	pump(s);
	assert_int_equal(vu_device_is_attached(s->dev), 0);
}

static struct sigaction present(void)
{
	struct sigaction now;

	assert_return_code(sigaction(SIGBUS, NULL, &now), errno);
	return now;
}

static void assert_present(const struct sigaction *before)
{
	const struct sigaction now = present();

	assert_ptr_equal(now.sa_sigaction, before->sa_sigaction);
	assert_int_equal(now.sa_flags, before->sa_flags);
	for (int number = 1; number < SIGRTMAX; number++)
		assert_int_equal(sigismember(&now.sa_mask, number),
				 sigismember(&before->sa_mask, number));
}

static void a_guarded_device_survives_truncated_memory(void **state)
{
	struct stand s[2];

	stand_open(&s[0]);
	stand_open(&s[1]);
	assert_int_equal(vu_device_guard(s[0].dev), 0);
	assert_int_equal(vu_device_guard(s[1].dev), 0);
	assert_int_equal(vu_device_guard(s[1].dev), 0);
	stand_truncate(&s[1]);
	assert_int_equal(vu_device_is_attached(s[0].dev), 1);
	stand_close(&s[1]);
	stand_truncate(&s[0]);
	stand_close(&s[0]);
}

static void the_last_one_takes_the_handler_back(void **state)
{
	const struct sigaction before = present(); /* cmocka has one */
	struct stand s[2];

	stand_open(&s[0]);
	stand_open(&s[1]);
	assert_int_equal(vu_device_guard(s[0].dev), 0);
	assert_int_equal(vu_device_guard(s[1].dev), 0);
	vu_device_unguard(s[0].dev);
	vu_device_unguard(s[0].dev);
	assert_true(present().sa_sigaction != before.sa_sigaction);
	stand_truncate(&s[1]);
	stand_close(&s[1]);
	assert_present(&before);
	/* And once more. */
	assert_int_equal(vu_device_guard(s[0].dev), 0);
	stand_truncate(&s[0]);
	vu_device_unguard(s[0].dev);
	assert_present(&before);
	stand_close(&s[0]);
}

static sigjmp_buf back;
static volatile sig_atomic_t seen; /* raise(3) is told to call nobody of ours */

static void own_handler(int number, siginfo_t *info, void *context)
{
	seen++;
	if (info->si_code > 0)
		siglongjmp(back, 1);
}

/* Sent, and of a fault in memory of the program's own. */
static void what_is_not_ours_goes_to_the_handler_of_before(void **state)
{
	struct sigaction own = {.sa_flags = SA_SIGINFO | SA_NODEFER}, old;
	char *memory;
	struct stand s;
	int fd;

	own.sa_sigaction = own_handler;
	sigaddset(&own.sa_mask, SIGUSR2);
	assert_return_code(sigaction(SIGBUS, &own, &old), errno);
	own = present();
	stand_open(&s);
	assert_int_equal(vu_device_guard(s.dev), 0);
	seen = 0;
	raise(SIGBUS);
	assert_int_equal(seen, 1);
	fd = memfd_create("of the program's own", MFD_CLOEXEC);
	assert_return_code(ftruncate(fd, 4096), errno);
	memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	assert_return_code(ftruncate(fd, 0), errno);
	if (!sigsetjmp(back, 1))
		assert_int_equal(*(volatile char *)memory, -1);
	assert_int_equal(seen, 2);
	munmap(memory, 4096);
	close(fd);
	stand_truncate(&s);
	assert_int_equal(seen, 2);
	stand_close(&s);
	assert_present(&own);
	assert_return_code(sigaction(SIGBUS, &old, NULL), errno);
}

static void plain_handler(int number)
{
	seen = number;
}

/* In a child: a guarded device, a handler of before, and a SIGBUS that is none of the device's. */
static int status_of_child(void (*before)(int), bool is_fault)
{
	int status, fd = memfd_create("of the program's own", MFD_CLOEXEC);
	pid_t pid = child_fork();

	if (!pid) {
		struct stand s;

		signal(SIGBUS, before);
		stand_open(&s);
		seen = 0;
		if (vu_device_guard(s.dev))
			_exit(99);
		if (is_fault)
			(void)*(volatile char *)mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		else
			kill(getpid(), SIGBUS);
		stand_truncate(&s);
		_exit((int)seen);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Ignored or not handled at all, a fault ends the program, as it does without us. */
static void what_is_not_ours_does_what_it_did_before(void **state)
{
	const int dead = 1000 + SIGBUS;

	assert_int_equal(status_of_child(plain_handler, false), SIGBUS);
	assert_int_equal(status_of_child(SIG_IGN, false), 0);
	assert_int_equal(status_of_child(SIG_IGN, true), dead);
	assert_int_equal(status_of_child(SIG_DFL, false), dead);
	assert_int_equal(status_of_child(SIG_DFL, true), dead);
}

/* A handler that came after ours may lead to it, so ours must not put an older one into its place.
 */
static void a_handler_that_came_later_stays(void **state)
{
	const struct sigaction before = present(); /* cmocka has one */
	struct sigaction own = {.sa_flags = SA_SIGINFO}, ours;
	struct stand s;

	own.sa_sigaction = own_handler;
	stand_open(&s);
	assert_int_equal(vu_device_guard(s.dev), 0);
	assert_return_code(sigaction(SIGBUS, &own, &ours), errno);
	vu_device_unguard(s.dev);
	assert_ptr_equal(present().sa_sigaction, own_handler);
	/* It has gone now; ours, which is in its chain, is not installed twice. */
	assert_return_code(sigaction(SIGBUS, &ours, NULL), errno);
	assert_int_equal(vu_device_guard(s.dev), 0);
	stand_truncate(&s);
	stand_close(&s);
	assert_present(&before);
}

enum { MANY = 200 };

static void as_many_devices_are_guarded_as_there_are(void **state)
{
	const struct sigaction before = present(); /* cmocka has one */
	const struct vu_device_info info = {
		.size = sizeof(info), .device_id = 4, .n_queues = 1, .log_fn = quiet};
	struct vu_device *devs[MANY];
	struct stand s;

	for (int i = 0; i < MANY; i++) {
		assert_int_equal(vu_device_new(&info, NULL, NULL, &devs[i]), 0);
		assert_int_equal(vu_device_guard(devs[i]), 0);
	}
	stand_open(&s);
	assert_int_equal(vu_device_guard(s.dev), 0);
	for (int i = 0; i < MANY; i += 2)
		vu_device_free(devs[i]);
	stand_truncate(&s);
	for (int i = 1; i < MANY; i += 2)
		vu_device_free(devs[i]);
	stand_close(&s);
	assert_present(&before);
}

static struct sigaction during; /* a program's session */

static int note_handler(struct vu_device *dev, void *opaque)
{
	during = present();
	return 0;
}

static void a_program_leaves_no_handler_behind(void **state)
{
	const struct vu_ops ops = {.size = sizeof(ops), .session_begin = note_handler};
	const struct vu_device_info device = {
		.size = sizeof(device), .device_id = 4, .n_queues = 1, .log_fn = quiet};
	const struct vu_program_info info = {.size = sizeof(info),
					     .name = "program",
					     .type = "rng",
					     .device = &device,
					     .ops = &ops};
	const struct sigaction before = present();
	char name[] = "program", option[20], *argv[] = {name, option, NULL};
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	snprintf(option, sizeof(option), "--fd=%d", pair[1]);
	close(pair[0]);
	assert_int_equal(vu_program_main(&info, 2, argv), 0);
	assert_true(during.sa_sigaction != before.sa_sigaction);
	assert_present(&before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guarded_device_survives_truncated_memory),
		cmocka_unit_test(the_last_one_takes_the_handler_back),
		cmocka_unit_test(what_is_not_ours_goes_to_the_handler_of_before),
		cmocka_unit_test(what_is_not_ours_does_what_it_did_before),
		cmocka_unit_test(a_handler_that_came_later_stays),
		cmocka_unit_test(a_program_leaves_no_handler_behind),
		cmocka_unit_test(as_many_devices_are_guarded_as_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
