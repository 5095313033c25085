/* SPDX-License-Identifier: MIT */
/*
 * Rule: a back-end may be killed at any moment.  A process of its own serves the device and gets
 * SIGKILL, again and again; the front-end reconnects to the next one, and the driver goes on.
 *
 * Every request is finished once; what was in flight at a kill is run again and says so.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/child.h"
#include "kit/patience.h"
#include "rules/rig.h"

enum { KILLS = 40, DEPTH = 100, HOLD = 16, BYTES = 64 };

/* What the driver and every back-end know of a request: by the number it carries. */
struct account {
	uint32_t runs[DEPTH];	/* handed out since it was offered */
	uint32_t agains[DEPTH]; /* ... and flagged */
	uint32_t resubmitted;	/* in all */
};

struct stand {
	struct peer *peer;
	struct account *account; /* shared */
	struct wire_inflight info;
	int log;
	pid_t pid;
	uint64_t buffers;
	uint32_t n_open, n_done;
	bool is_open[DEPTH];
	uint32_t random;
};

/* The back-end: keeps some requests for a while, so that it finishes out of order. */
struct victim {
	struct account *account;
	struct vu_req *held[HOLD];
	uint32_t n_held, turn;
};

static void victim_finish(struct victim *v, uint32_t n)
{
	uint64_t written[HOLD];

	for (uint32_t i = 0; i < n; i++) {
		unsigned char bytes[BYTES];

		vu_req_read(v->held[i], 0, bytes, sizeof(bytes));
		written[i] = vu_req_write(v->held[i], 0, bytes, sizeof(bytes));
	}
	if (vu_queue_complete_batch(vu_req_queue(v->held[0]), v->held, written, n) != (int)n)
		_exit(1);
	memmove(v->held, v->held + n, (v->n_held - n) * sizeof(v->held[0]));
	v->n_held -= n;
}

static void victim_ready(struct vu_queue *queue, void *opaque)
{
	struct victim *v = opaque;
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		uint32_t number;

		vu_req_read(req, 0, &number, sizeof(number));
		if (number >= DEPTH)
			_exit(2);
		/* In this order: it may be killed between the two. */
		if (req->flags & VU_REQ_RESUBMITTED) {
			v->account->agains[number]++;
			v->account->resubmitted++;
		}
		__atomic_fetch_add(&v->account->runs[number], 1, __ATOMIC_RELEASE);
		/* Newest first. */
		memmove(v->held + 1, v->held, v->n_held * sizeof(v->held[0]));
		v->held[0] = req;
		if (++v->n_held == HOLD || ++v->turn % 7 == 0)
			victim_finish(v, v->n_held == HOLD ? HOLD / 2 : 1 + v->turn % v->n_held);
	}
}

static void victim_run(struct account *account, int fd)
{
	struct victim v = {.account = account};
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = victim_ready};
	const struct vu_device_info info = {
		.size = sizeof(info), .n_queues = 1, .log_level = VU_LOG_ERROR};
	struct vu_device *dev;

	if (vu_device_new(&info, &ops, &v, &dev) || vu_device_attach(dev, fd))
		_exit(3);
	for (;;) {
		int n = poll(&(struct pollfd){vu_device_fd(dev), POLLIN, 0}, 1, v.n_held ? 1 : -1);

		if (!n)
			victim_finish(&v, v.n_held);
		if (vu_device_process(dev) < 0)
			_exit(4);
	}
}

/* A new process, to which the front-end connects. */
static void stand_spawn(struct stand *s)
{
	struct frontend *f = &s->peer->frontend;
	int fd;

	assert_ok(peer_open(s->peer, &fd));
	s->pid = child_fork();
	assert_true(s->pid >= 0);
	if (!s->pid) {
		close(f->fd);
		victim_run(s->account, fd);
	}
	close(fd);
	assert_ok(peer_negotiate(s->peer));
	assert_ok(peer_set_driver(s->peer));
	if (s->log < 0) {
		s->info = (struct wire_inflight){.n_queues = 1, .queue_size = PEER_QUEUE_SIZE};
		assert_ok(frontend_get_inflight_fd(f, &s->info, &s->log));
	}
	assert_ok(frontend_set_inflight_fd(f, &s->info, s->log));
	if (peer_start_rings(s->peer))
		fail_msg("%s", f->error);
}

static void stand_kill(struct stand *s)
{
	int status;

	assert_ok(kill(s->pid, SIGKILL));
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	/* It did not end by itself. */
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void stand_offer(struct stand *s, uint32_t number)
{
	uint64_t at = s->buffers + (uint64_t)number * 2 * BYTES;
	unsigned char *bytes = guest_ptr(s->peer->guest, at, 2 * BYTES);
	const struct driver_seg segs[] = {{at, BYTES, false}, {at + BYTES, BYTES, true}};

	assert_non_null(bytes);
	memset(bytes, (int)s->n_done, BYTES);
	memset(bytes + BYTES, 0, BYTES);
	memcpy(bytes, &number, sizeof(number));
	s->account->runs[number] = s->account->agains[number] = 0;
	s->is_open[number] = true;
	s->n_open++;
	assert_true(driver_add(s->peer->queues[0], segs, 2, bytes) >= 0);
}

/* All that came back: each had been offered, has been run, and its data is there. */
static void stand_collect(struct stand *s)
{
	struct driver_used used;
	int n;

	while ((n = driver_collect(s->peer->queues[0], &used, 1)) == 1) {
		const unsigned char *bytes = used.cookie;
		uint32_t number;

		memcpy(&number, bytes, sizeof(number));
		assert_true(number < DEPTH && s->is_open[number]);
		assert_int_equal(used.len, BYTES);
		assert_memory_equal(bytes, bytes + BYTES, BYTES);
		assert_true(s->account->runs[number] > 0);
		/* More than once only if it was said so. */
		assert_true(s->account->runs[number] <= 1 + s->account->agains[number]);
		s->is_open[number] = false;
		s->n_open--;
		s->n_done++;
	}
	assert_int_equal(n, 0);
}

static void stand_refill(struct stand *s)
{
	for (uint32_t i = 0; i < DEPTH; i++)
		if (!s->is_open[i])
			stand_offer(s, i);
	assert_true(driver_kick(s->peer->queues[0]) >= 0);
}

static uint32_t stand_random(struct stand *s, uint32_t n)
{
	s->random = s->random * 1103515245 + 12345;
	return (s->random >> 8) % n;
}

/* Until it finished some more, and then for a moment that nobody can foresee. */
static void stand_work(struct stand *s, uint32_t n)
{
	uint64_t deadline = frontend_deadline(FRONTEND_TIMEOUT_MS);
	uint32_t end = s->n_done + n;

	while (s->n_done < end) {
		uint32_t spin = stand_random(s, 20000);

		for (volatile uint32_t i = 0; i < spin; i++)
			;
		stand_collect(s);
		stand_refill(s);
		assert_true(frontend_deadline(0) < deadline);
	}
}

static void stand_start(struct stand *s)
{
	const struct peer_config config = {.n_queues = 1, .packed = on_packed_rings()};

	alarm(HANG_SECONDS);
	*s = (struct stand){.log = -1, .random = 20240607};
	s->account = mmap(NULL, sizeof(*s->account), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(s->account != MAP_FAILED);
	assert_ok(peer_new(&config, &s->peer));
	s->buffers = guest_alloc(s->peer->guest, DEPTH * 2 * BYTES, 64);
	stand_spawn(s);
}

static void stand_end(struct stand *s)
{
	uint64_t deadline = frontend_deadline(FRONTEND_TIMEOUT_MS);

	while (s->n_open && frontend_deadline(0) < deadline) {
		stand_collect(s);
		usleep(500);
	}
	if (s->n_open)
		fail_msg("%u requests were left open", s->n_open);
	stand_kill(s);
	close(s->log);
	peer_free(s->peer);
	munmap(s->account, sizeof(*s->account));
	alarm(0);
}

static void killed_back_ends_lose_no_request_and_finish_none_twice(void **state)
{
	uint32_t resubmitted;
	struct stand s;

	(void)state;
	stand_start(&s);
	for (uint32_t kills = 0; kills < KILLS; kills++) {
		stand_refill(&s);
		stand_work(&s, 1 + stand_random(&s, 200));
		stand_kill(&s);
		stand_spawn(&s);
	}
	resubmitted = s.account->resubmitted;
	stand_end(&s);
	print_message("%u kills, %u requests finished, %u times one was run again\n", KILLS,
		      s.n_done, resubmitted);
	assert_true(resubmitted > KILLS);
}

/* Dead before it did anything, many times: the log stays as it was. */
static void a_back_end_that_dies_at_once_changes_nothing(void **state)
{
	struct stand s;

	(void)state;
	stand_start(&s);
	stand_refill(&s);
	stand_work(&s, 50);
	for (int i = 0; i < 10; i++) {
		stand_kill(&s);
		stand_spawn(&s);
	}
	stand_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_back_ends_lose_no_request_and_finish_none_twice),
		cmocka_unit_test(a_back_end_that_dies_at_once_changes_nothing),
	};

	return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
