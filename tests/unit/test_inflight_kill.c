/* SPDX-License-Identifier: MIT */
/*
 * A back-end killed at every point between taking requests and completing them.
 *
 * A child process works on a ring in shared memory, and is stopped after each instruction. Whenever
 * that memory has changed, it is what a kill at this moment would leave: this process then starts a
 * new ring on it, as a new back-end would, serves it to the end, and puts the memory back as it
 * was. So every state is recovered from, also those in the middle of a recovery.
 */
#include "kit/child.h"
#include "inflight_rig.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	REQUESTS = 4,
	SIZE = 8,
	CHAINS = 64, /* in the life of one ring, at most */
	MAX_STEPS = 20 * 1000 * 1000,
};

/* The work of the child, in which it may be killed; `handed` is kept current for the parent. */
struct work {
	const char *name;
	void (*run)(struct rig *rig, volatile uint32_t *handed);
	bool in_order;
};

struct kill {
	struct rig *rig;
	volatile uint32_t *handed; /* shared: requests that the child's device has got hold of */
	unsigned char *memory, *log;
	size_t memory_bytes, log_bytes; /* of the ring, and of the log */
	unsigned char *seen_memory, *seen_log;
	struct driver_ring driver; /* the driver as it was when the child began */
	struct driver_slot *slots;
	struct rig_chain chains[CHAINS]; /* by the order in which they were offered */
	uint32_t n_offered;
	uint32_t by_id[SIZE]; /* the last chain offered under an id */
	bool is_used[CHAINS];
	uint32_t states, again, steps;
};

static void take(struct rig *rig, struct vu_req **reqs, uint32_t n, volatile uint32_t *handed)
{
	if (ring_take(rig->ring, reqs, n) != (int)n)
		_exit(1);
	*handed += n;
}

static void push(struct rig *rig, struct vu_req *req)
{
	if (ring_complete(rig->ring, (struct req *)req, 0))
		_exit(2);
}

static void one_by_one(struct rig *rig, volatile uint32_t *handed)
{
	struct vu_req *req;

	for (int i = 0; i < REQUESTS; i++) {
		take(rig, &req, 1, handed);
		push(rig, req);
		ring_publish(rig->ring);
	}
}

static void out_of_order(struct rig *rig, volatile uint32_t *handed)
{
	static const int order[] = {2, 0, 3, 1};
	struct vu_req *reqs[REQUESTS];

	take(rig, reqs, REQUESTS, handed);
	for (int i = 0; i < REQUESTS; i++) {
		push(rig, reqs[order[i]]);
		ring_publish(rig->ring);
	}
}

static void in_one_batch(struct rig *rig, volatile uint32_t *handed)
{
	struct vu_req *reqs[REQUESTS];

	take(rig, reqs, REQUESTS, handed);
	for (int i = REQUESTS; i-- > 0;)
		push(rig, reqs[i]);
	ring_publish(rig->ring);
}

static void in_batches_with_others_between(struct rig *rig, volatile uint32_t *handed)
{
	struct vu_req *reqs[REQUESTS];

	take(rig, reqs, 3, handed);
	push(rig, reqs[2]);
	push(rig, reqs[0]);
	ring_publish(rig->ring);
	take(rig, reqs + 3, 1, handed);
	push(rig, reqs[3]);
	push(rig, reqs[1]);
	ring_publish(rig->ring);
}

static void with_some_put_back(struct rig *rig, volatile uint32_t *handed)
{
	struct vu_req *reqs[REQUESTS];

	take(rig, reqs, REQUESTS, handed);
	*handed = 2;
	if (ring_put_back(rig->ring, (struct req *)reqs[3]) ||
	    ring_put_back(rig->ring, (struct req *)reqs[2]))
		_exit(3);
	push(rig, reqs[1]);
	ring_publish(rig->ring);
	take(rig, reqs + 2, 2, handed);
	push(rig, reqs[3]);
	push(rig, reqs[0]);
	ring_publish(rig->ring);
}

/* It dies before a batch is published, and its successor while it recovers. */
static void while_recovering(struct rig *rig, volatile uint32_t *handed)
{
	struct vu_req *reqs[REQUESTS];
	const char *why;

	take(rig, reqs, REQUESTS, handed);
	push(rig, reqs[3]);
	push(rig, reqs[1]);
	push(rig, reqs[0]);
	if (rig_new_ring(rig, &why) || ring_take(rig->ring, reqs, REQUESTS) != REQUESTS)
		_exit(4);
	push(rig, reqs[0]);
	ring_publish(rig->ring);
	push(rig, reqs[2]);
	push(rig, reqs[1]);
	ring_publish(rig->ring);
}

/* As above, where only the last publishing is known to the ring and not to the log. */
static void while_recovering_what_was_published(struct rig *rig, volatile uint32_t *handed)
{
	struct vu_req *reqs[REQUESTS];
	const char *why;

	take(rig, reqs, REQUESTS, handed);
	push(rig, reqs[2]);
	push(rig, reqs[1]);
	if (rig->ring->packed)
		packed_publish(rig->ring);
	else
		split_publish(rig->ring);
	if (rig_new_ring(rig, &why) || ring_take(rig->ring, reqs, REQUESTS) != 2)
		_exit(4);
	push(rig, reqs[1]);
	ring_publish(rig->ring);
	push(rig, reqs[0]);
	ring_publish(rig->ring);
}

/* The first completed is the last in order. */
static void in_order(struct rig *rig, volatile uint32_t *handed)
{
	struct vu_req *reqs[REQUESTS];

	take(rig, reqs, REQUESTS, handed);
	push(rig, reqs[1]);
	ring_publish(rig->ring);
	push(rig, reqs[0]);
	ring_publish(rig->ring);
	push(rig, reqs[3]);
	push(rig, reqs[2]);
	ring_publish(rig->ring);
}

static void offer(struct kill *k, uint32_t n_descriptors)
{
	uint32_t i = k->n_offered++;

	assert_true(i < CHAINS);
	rig_make_chain(k->rig, &k->chains[i], n_descriptors, 0);
	k->by_id[rig_add(k->rig, &k->chains[i], RIG_DIRECT)] = i;
	k->is_used[i] = false;
	driver_publish(k->rig->drv);
}

/* What the driver finds used: each once, and one that it is waiting for. */
static void collect(struct kill *k)
{
	struct driver_used used;
	int n;

	while ((n = driver_collect(k->rig->drv, &used, 1)) == 1) {
		uint32_t i = k->by_id[used.id];

		if (k->is_used[i])
			fail_msg("request %u was completed twice", i);
		k->is_used[i] = true;
	}
	assert_int_equal(n, 0);
}

/* The next request is the oldest that is not used yet; what the device had is marked. */
static struct req *expect_next(struct kill *k, uint32_t *from, bool *is_new)
{
	struct req *req = rig_take(k->rig);
	uint32_t i = k->by_id[req->id];
	bool again = req->pub.flags & VU_REQ_RESUBMITTED;

	for (; *from < i; ++*from)
		if (!k->is_used[*from])
			fail_msg("request %u is skipped, %u came", *from, i);
	if (*from != i || k->is_used[i])
		fail_msg("request %u is run again", i);
	++*from;
	if (!again && i < *k->handed)
		fail_msg("request %u had been handed out", i);
	if (again && *is_new)
		fail_msg("request %u comes late", i);
	*is_new |= !again;
	k->again += again;
	req->pub.flags = 0;
	rig_check(k->rig, req, &k->chains[i]);
	return req;
}

/* Serve all, in a strange order and in batches. */
static void serve(struct kill *k)
{
	uint32_t left = 0, from = 0;
	bool is_new = false;
	struct req *reqs[SIZE];

	for (uint32_t i = 0; i < k->n_offered; i++)
		left += !k->is_used[i];
	for (uint32_t i = 0; i < left; i++)
		reqs[i] = expect_next(k, &from, &is_new);
	assert_int_equal(rig_take_nothing(k->rig), 0);
	for (uint32_t i = 0; i < left; i++) {
		assert_int_equal(ring_complete(k->rig->ring, reqs[(i ^ 1) < left ? i ^ 1 : i], 0),
				 0);
		if (i % 3 != 1)
			ring_publish(k->rig->ring);
		if (i % 3 == 0)
			collect(k);
	}
	ring_publish(k->rig->ring);
	collect(k);
	for (uint32_t i = 0; i < k->n_offered; i++)
		if (!k->is_used[i])
			fail_msg("request %u is left open", i);
	assert_int_equal(ring_outstanding(k->rig->ring), 0);
	assert_int_equal(log_count(k->rig), 0);
}

/* Both sides go on as if nothing had been. */
static void go_on(struct kill *k)
{
	for (uint32_t i = 0; i < 3 * SIZE; i++) {
		struct req *req;
		uint32_t before = k->n_offered;

		offer(k, 1 + i % 3);
		req = log_take(k->rig, false);
		assert_int_equal(k->by_id[req->id], before);
		rig_finish(k->rig, req, 0);
		collect(k);
		assert_true(k->is_used[before]);
	}
}

/* The driver as it was, on the memory as it is. */
static void reset_driver(struct kill *k)
{
	struct driver_slot *slots = k->rig->drv->slots;

	*k->rig->drv = k->driver;
	k->rig->drv->slots = slots;
	memcpy(slots, k->slots, SIZE * sizeof(*slots));
	k->n_offered = REQUESTS;
	for (uint32_t i = 0; i < REQUESTS; i++)
		k->is_used[i] = false;
}

/* A new back-end; with a driver that was busy meanwhile, or not. */
static void recover(struct kill *k, bool busy)
{
	struct ring *childs = k->rig->ring;
	uint32_t by_id[SIZE];
	const char *why = NULL;

	memcpy(by_id, k->by_id, sizeof(by_id));
	reset_driver(k);
	collect(k);
	while (busy && k->rig->drv->n_free)
		offer(k, 1);
	if (rig_new_ring(k->rig, &why))
		fail_msg("refused: %s", why);
	serve(k);
	go_on(k);
	ring_free(k->rig->ring);
	k->rig->ring = childs;
	memcpy(k->by_id, by_id, sizeof(by_id));
	memcpy(k->memory, k->seen_memory, k->memory_bytes);
	memcpy(k->log, k->seen_log, k->log_bytes);
}

static void look(struct kill *k)
{
	if (!memcmp(k->memory, k->seen_memory, k->memory_bytes) &&
	    !memcmp(k->log, k->seen_log, k->log_bytes))
		return;
	memcpy(k->seen_memory, k->memory, k->memory_bytes);
	memcpy(k->seen_log, k->log, k->log_bytes);
	k->states++;
	recover(k, false);
	recover(k, true);
}

/* Stepped until it ends; its status, or -1 if that cannot be done here. */
static int step_child(struct kill *k, const struct work *work)
{
	int status;
	pid_t pid = child_fork();

	assert_true(pid >= 0);
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(99);
		raise(SIGSTOP);
		work->run(k->rig, k->handed);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (WIFSTOPPED(status)) {
		int pass = WSTOPSIG(status) == SIGTRAP || WSTOPSIG(status) == SIGSTOP
				   ? 0
				   : WSTOPSIG(status);

		look(k);
		assert_true(++k->steps < MAX_STEPS);
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, (void *)(intptr_t)pass), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void run(struct rig *rig, const struct work *work, uint32_t before_wrap)
{
	static const uint32_t lengths[REQUESTS] = {2, 1, 3, 1};
	struct kill k = {.rig = rig};
	const char *why;
	int status;

	rig_prepare(rig,
		    &(struct rig_options){.size = SIZE,
					  .max_segs = 8,
					  .base = rig->layout->base_before_wrap(SIZE, before_wrap),
					  .in_order = work->in_order});
	k.log = log_new(rig, 0);
	k.log_bytes = log_bytes(rig);
	k.memory = rig->guest->regions[RIG_RING].host;
	k.memory_bytes = rig->guest->regions[RIG_RING].used;
	k.seen_memory = calloc(1, k.memory_bytes);
	k.seen_log = calloc(1, k.log_bytes);
	k.slots = calloc(SIZE, sizeof(*k.slots));
	k.handed = mmap(NULL, sizeof(*k.handed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	assert_true(k.handed != MAP_FAILED);
	assert_int_equal(rig_new_ring(rig, &why), 0);
	/* A past: a packed ring keeps descriptors of the lap before. */
	go_on(&k);
	k.n_offered = 0;
	for (int i = 0; i < REQUESTS; i++)
		offer(&k, lengths[i]);
	k.driver = *rig->drv;
	memcpy(k.slots, rig->drv->slots, SIZE * sizeof(*k.slots));
	status = step_child(&k, work);
	if (status == 99) {
		print_message("[  SKIP  ] no process can be traced here\n");
		skip();
	}
	assert_int_equal(status, 0);
	/* Each request is at least marked, pushed, published and unmarked. */
	assert_true(k.states > 4 * REQUESTS && k.again > 2 * REQUESTS);
	munmap((void *)(uintptr_t)k.handed, sizeof(*k.handed));
	free(k.seen_memory);
	free(k.seen_log);
	free(k.slots);
	log_free(rig);
	print_message("%s: killed at %u points (%u instructions), %u requests run again\n",
		      work->name, k.states, k.steps, k.again);
}

/* before_wrap: entries until a packed ring's wrap counters turn, while it is taken or used. */
#define KILLED(fn, before_wrap, is_in_order)                                                       \
	static void killed_##fn(struct rig *rig)                                                   \
	{                                                                                          \
		const struct work work = {#fn, fn, is_in_order};                                   \
                                                                                                   \
		run(rig, &work, before_wrap);                                                      \
	}

KILLED(one_by_one, 6, false)
KILLED(out_of_order, 6, false)
KILLED(in_one_batch, 6, false)
KILLED(in_batches_with_others_between, 6, false)
KILLED(with_some_put_back, 6, false)
KILLED(while_recovering, 3, false)
KILLED(while_recovering_what_was_published, 6, false)
KILLED(in_order, 4, true)

static const struct rig_test tests[] = {
	RIG_TEST(killed_one_by_one),
	RIG_TEST(killed_out_of_order),
	RIG_TEST(killed_in_one_batch),
	RIG_TEST(killed_in_batches_with_others_between),
	RIG_TEST(killed_with_some_put_back),
	RIG_TEST(killed_while_recovering),
	RIG_TEST(killed_while_recovering_what_was_published),
	RIG_TEST(killed_in_order),
};

int main(void)
{
	const char *preload = getenv("LD_PRELOAD");
	cpu_set_t here;

#ifdef __SANITIZE_THREAD__
	puts("it has no threads, and takes long under ThreadSanitizer");
	return 77;
#endif
	if (preload && strstr(preload, "vgpreload")) {
		/* It would be valgrind itself that is stepped: for many minutes. */
		puts("not under valgrind");
		return 77;
	}

	/* Two processes that take turns: several times as fast as on two processors. */
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	(void)sched_setaffinity(0, sizeof(here), &here);
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
