/* SPDX-License-Identifier: MIT */
/*
 * A program's whole life in a process of its own, again and again, with another call of the
 * library's failing each time: it ends by itself, and with a line if it did not serve.
 */
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "fault.h"
#include "frontend/peer.h"
#include "kit/child.h"
#include "kit/folder.h"
#include "kit/test.h"

enum { QUEUES = 2, GRACE_MS = 200, ENOUGH = 2000 };
/* Of answers that a failure may keep from coming; on a busy machine they may only be late. */
enum { SOON_MS = 1000, LATE_MS = 60000 };

/* Shared with the child, which says here how far it came. */
struct report {
	uint32_t calls;
	char failed[32];
};

struct trial {
	char folder[FOLDER_PATH], socket[64], control[64];
	struct report *report;
	pid_t pid;
	int log_fd;
	bool served;
	bool answered; /* a control line */
	bool asked;    /* to end, by SIGTERM */
	int status;    /* of waitpid(); -1: it runs */
};

static void trial_ready(struct vu_queue *queue, void *opaque)
{
	struct vu_req *req;

	(void)opaque;
	while (vu_queue_next(queue, &req) == 1)
		vu_req_complete(req, vu_req_write(req, 0, "x", 1));
}

struct trial_state {
	struct vu_device *dev;
	struct vu_group *group;
	struct vu_script *control;
};

static int trial_hello(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	(void)n;
	(void)words;
	(void)opaque;
	vu_script_answer(script, "hello to you");
	return 0;
}

static int trial_create(struct vu_program *program, uint32_t index, void *opaque)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = trial_ready};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.name = "trial",
		.device_id = 4,
		.n_queues = QUEUES,
	};
	struct trial_state *state = opaque;
	int err = vu_program_add_device(program, &info, &ops, state, &state->dev);

	(void)index;
	if (!err)
		err = vu_group_new(&state->group);
	if (!err)
		err = vu_queue_set_group(vu_device_queue(state->dev, 1), state->group);
	if (!err)
		err = vu_program_add_worker(program, state->group);
	return err ? err : vu_program_add_control(program, NULL, state, &state->control);
}

static void trial_destroy(void *opaque)
{
	struct trial_state *state = opaque;

	vu_group_free(state->group);
}

__attribute__((noreturn)) static void trial_child(const struct trial *t, uint32_t nth, bool all)
{
	static const struct vu_command commands[] = {
		{"hello", NULL, "is answered", 0, 0, trial_hello},
		{NULL, NULL, NULL, 0, 0, NULL},
	};
	const struct vu_program_info info = {
		.size = sizeof(info),
		.name = "trial",
		.type = "rng",
		VU_PROGRAM_COMMANDS(commands),
		VU_PROGRAM_STATE(struct trial_state, trial_create, trial_destroy),
	};
	char option[96], control[96], name[] = "trial", *argv[] = {name, option, control, NULL};
	int status;

	dup2(t->log_fd, STDERR_FILENO);
	snprintf(option, sizeof(option), "--socket-path=%s", t->socket);
	snprintf(control, sizeof(control), "--control=%s", t->control);
	fault_order(nth, all);
	fault_on();
	status = vu_program_main(&info, 3, argv);
	fault_off();
	t->report->calls = fault_calls();
	if (fault_failed())
		snprintf(t->report->failed, sizeof(t->report->failed), "%s", fault_failed());
	exit(status);
}

static bool trial_lives(struct trial *t)
{
	if (t->status == -1 && waitpid(t->pid, &t->status, WNOHANG) != t->pid)
		t->status = -1;
	return t->status == -1;
}

static bool trial_session(struct peer *peer)
{
	if (peer_start(peer))
		return false;
	for (uint32_t q = 0; q < QUEUES; q++) {
		const struct driver_seg seg = {guest_alloc(peer->guest, 64, 8), 64, true};
		struct driver_used used;

		if (driver_add(peer->queues[q], &seg, 1, NULL) < 0 ||
		    peer_wait_used(peer, q, &used))
			return false;
	}
	return !peer_stop(peer);
}

static off_t trial_said(const struct trial *t)
{
	struct stat st;

	return fstat(t->log_fd, &st) ? 0 : st.st_size;
}

/* A control line; until it is answered, or something is said and it is not. */
static bool trial_control(struct trial *t)
{
	static const char line[] = "hello\n", answer[] = "hello to you\n";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char text[64] = "";
	bool heard = false;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", t->control);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
	    send(fd, line, strlen(line), MSG_NOSIGNAL) > 0)
		for (int waited = 0; waited < FRONTEND_TIMEOUT_MS && !heard; waited += GRACE_MS) {
			if (poll(&pfd, 1, GRACE_MS) == 1)
				heard = read(fd, text, sizeof(text) - 1) > 0;
			if (!heard && (pfd.revents || trial_said(t) || !trial_lives(t)))
				break;
		}
	close(fd);
	return heard && strstr(text, answer);
}

static void trial_use(struct trial *t, unsigned int patience_ms)
{
	const struct peer_config config = {.n_queues = QUEUES, .timeout_ms = patience_ms};
	struct peer *peer;
	int err;

	assert_int_equal(peer_new(&config, &peer), 0);
	while ((err = peer_connect(peer, t->socket)) && trial_lives(t))
		poll(NULL, 0, 1);
	t->answered = !err && trial_control(t);
	t->served = !err && trial_session(peer);
	peer_free(peer);
}

static void trial_end(struct trial *t)
{
	t->asked = trial_lives(t) && !kill(t->pid, SIGTERM);
	for (int waited = 0; trial_lives(t); waited += 2) {
		if (waited > FRONTEND_TIMEOUT_MS) {
			kill(t->pid, SIGKILL);
			waitpid(t->pid, NULL, 0);
			fail_msg("it does not end");
		}
		poll(NULL, 0, 2);
	}
}

static void trial_run(struct trial *t, uint32_t nth, bool all, unsigned int patience_ms)
{
	memset(t->report, 0, sizeof(*t->report));
	t->served = t->answered = false;
	t->status = -1;
	t->log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(t->log_fd >= 0);
	t->pid = child_fork();
	if (!t->pid)
		trial_child(t, nth, all);
	trial_use(t, patience_ms);
	trial_end(t);
}

static bool trial_is_silent(const struct trial *t)
{
	return (!t->served || !t->answered || t->status) && !trial_said(t);
}

/* One that ends by itself, and has said why, may be past its handlers when SIGTERM comes. */
static bool trial_ended_well(const struct trial *t)
{
	if (t->asked && !t->served && trial_said(t) && WIFSIGNALED(t->status))
		return WTERMSIG(t->status) == SIGTERM;
	return WIFEXITED(t->status) && WEXITSTATUS(t->status) <= 1;
}

static void trial_check(const struct trial *t, uint32_t nth)
{
	static char text[4096];
	ssize_t n = pread(t->log_fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	if (!trial_ended_well(t))
		fail_msg("call %u, %s(), failed: wait status %#x\n%s", nth, t->report->failed,
			 (unsigned int)t->status, text);
	if (trial_is_silent(t))
		fail_msg("call %u, %s(), failed, and nothing was said", nth, t->report->failed);
	if (access(t->socket, F_OK) == 0 || access(t->control, F_OK) == 0)
		fail_msg("call %u, %s(), failed: the socket is left", nth, t->report->failed);
}

static void run_with_each(bool all)
{
	struct trial t = {0};
	uint32_t calls, served = 0;

	t.report = mmap(NULL, sizeof(*t.report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	assert_ptr_not_equal(t.report, MAP_FAILED);
	folder_make(t.folder, "vu-faults");
	snprintf(t.socket, sizeof(t.socket), "%s/s", t.folder);
	snprintf(t.control, sizeof(t.control), "%s/c", t.folder);
	trial_run(&t, 0, false, FRONTEND_TIMEOUT_MS);
	assert_true(t.served && t.answered);
	assert_int_equal(t.status, 0);
	close(t.log_fd);
	calls = t.report->calls;
	for (uint32_t nth = 1; nth <= calls && nth < ENOUGH; nth++) {
		trial_run(&t, nth, all, SOON_MS);
		if (trial_is_silent(&t)) {
			close(t.log_fd);
			trial_run(&t, nth, all, LATE_MS);
		}
		trial_check(&t, nth);
		close(t.log_fd);
		served += t.served;
	}
	printf("%u calls, each failed once%s; %u programs served all the same\n", calls,
	       all ? " with all that followed" : "", served);
	assert_int_equal(folder_remove(t.folder), 0);
	munmap(t.report, sizeof(*t.report));
}

static void a_program_in_which_a_call_fails_ends_or_serves_and_says_so(void **state)
{
	(void)state;
	run_with_each(false);
}

static void a_program_in_which_all_calls_fail_ends_and_says_so(void **state)
{
	(void)state;
	run_with_each(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_in_which_a_call_fails_ends_or_serves_and_says_so),
		cmocka_unit_test(a_program_in_which_all_calls_fail_ends_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
