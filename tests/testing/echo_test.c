/* SPDX-License-Identifier: MIT */
/*
 * A device of somebody else's and its test, which has the peer of libvu-testing: both on one
 * thread. It knows nothing of this tree but what is installed.
 *
 * The device answers with what it reads, in upper case.  It keeps a request that begins with "k"
 * until one comes that begins with "r".  Its state is how many it answered.
 */
#include <libvu/unstable.h>
#include <libvu-testing/testing.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEPT = 16, ROOM = 64, PAGE = 4096 };

/* --- the device --- */

struct echo {
	struct vu_device *dev;
	struct vu_req *kept[KEPT];
	uint32_t n_kept;
	uint64_t answered;
};

static void echo_answer(struct echo *echo, struct vu_req *req)
{
	char text[ROOM];
	size_t n = vu_req_read(req, 0, text, sizeof(text));

	for (size_t i = 0; i < n; i++)
		text[i] = (char)toupper((unsigned char)text[i]);
	echo->answered++;
	vu_req_complete(req, vu_req_write(req, 0, text, n));
}

static void echo_release(struct echo *echo)
{
	while (echo->n_kept)
		echo_answer(echo, echo->kept[--echo->n_kept]);
}

static void echo_ready(struct vu_queue *queue, void *opaque)
{
	struct echo *echo = opaque;
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		char first = 0;

		vu_req_read(req, 0, &first, 1);
		if (first == 'k' && echo->n_kept < KEPT) {
			echo->kept[echo->n_kept++] = req;
			continue;
		}
		if (first == 'r')
			echo_release(echo);
		echo_answer(echo, req);
	}
}

/* With a log the requests are left for whoever comes next; without one they are finished. */
static void echo_stop(struct vu_queue *queue, void *opaque)
{
	struct echo *echo = opaque;
	(void)queue;

	while (echo->n_kept && vu_req_leave(echo->kept[echo->n_kept - 1]) == 0)
		echo->n_kept--;
	echo_release(echo);
}

static int echo_save(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		     void *opaque)
{
	(void)dev;
	(void)answer;
	return vu_state_put_u64(state, 1, 0, ((struct echo *)opaque)->answered);
}

static int echo_load(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		     void *opaque)
{
	(void)dev;
	(void)answer;
	return vu_state_get_u64(state, 1, &((struct echo *)opaque)->answered);
}

static void echo_pump(void *opaque)
{
	while (vu_device_process(((struct echo *)opaque)->dev) > 0)
		;
}

static int echo_new(struct echo *echo)
{
	static const unsigned char writable[8] = {0xff};
	const struct vu_ops ops = {
		.size = sizeof(ops), .queue_ready = echo_ready, .queue_stop = echo_stop};
	const struct vu_state_ops state = {
		.size = sizeof(state), .version = 1, .save = echo_save, .load = echo_load};
	const struct vu_device_info info = {.size = sizeof(info),
					    .name = "echo",
					    .device_id = 42,
					    .n_queues = 2,
					    .config = "capacity",
					    .config_writable = writable,
					    .config_size = sizeof(writable),
					    .log_level = VU_LOG_ERROR};
	int ret;

	*echo = (struct echo){.answered = 0};
	ret = vu_device_new(&info, &ops, echo, &echo->dev);
	return ret ? ret : vu_device_set_state_ops(echo->dev, &state);
}

/* --- its test --- */

static struct {
	struct echo echo;
	struct vut_peer *peer;
	const char *name;
} test;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s (%s)\n", test.name, what, vut_error(test.peer));
	exit(1);
}

#define CHECK(condition) check(condition, #condition)

static void come(void)
{
	int fd = -1;

	CHECK(vut_pair(test.peer, &fd) == 0);
	CHECK(vu_device_attach(test.echo.dev, fd) == 0);
}

static void begin(const char *name, struct vut_options options)
{
	test.name = name;
	options.pump = echo_pump;
	options.pump_opaque = &test.echo;
	if (echo_new(&test.echo) || vut_peer_new(&options, &test.peer)) {
		fprintf(stderr, "%s: no device, or no peer\n", name);
		exit(1);
	}
	come();
}

/* The device sees that the front-end has gone. */
static void go(void)
{
	vut_disconnect(test.peer);
	echo_pump(&test.echo);
}

static void end(void)
{
	go();
	vu_device_free(test.echo.dev);
	vut_peer_free(test.peer);
}

static void ask(uint32_t queue, const char *text, const char *answer)
{
	char got[ROOM] = "";
	int n = vut_request(test.peer, queue, text, (uint32_t)strlen(text), got, sizeof(got));

	CHECK(n == (int)strlen(answer) && !memcmp(got, answer, (size_t)n));
}

/* A request of a text, and room for the answer a page further on. */
static int offer(uint32_t queue, const char *text, uint64_t at)
{
	const struct vut_buffer buffers[] = {{at, (uint32_t)strlen(text), false},
					     {at + PAGE, ROOM, true}};

	memcpy(vut_at(test.peer, at, ROOM), text, strlen(text));
	return vut_add(test.peer, queue, buffers, 2, (void *)(uintptr_t)at);
}

static void requests_come_and_go(struct vut_options options)
{
	struct vut_buffer pieces[4];
	struct vut_used used;
	uint64_t at;

	begin("requests", options);
	CHECK(vut_start(test.peer) == 0);
	CHECK(vut_n_queues(test.peer) == 2 && vut_backend_queues(test.peer) == 2);
	CHECK((vut_features(test.peer) >> 34 & 1) == options.packed);
	for (int i = 0; i < 1000; i++)
		ask(i % 2, "hello", "HELLO");
	at = vut_alloc(test.peer, ROOM, 8);
	CHECK(at != VUT_NOWHERE && vut_at(test.peer, at, ROOM));
	memcpy(vut_at(test.peer, at, 3), "abc", 3);
	for (uint32_t i = 0; i < 3; i++)
		pieces[i] = (struct vut_buffer){at + i, 1, false};
	pieces[3] = (struct vut_buffer){at + 8, 8, true};
	CHECK(vut_add_indirect(test.peer, 0, pieces, 4, &at) >= 0);
	CHECK(vut_wait(test.peer, 0, &used) == 0 && used.cookie == &at && used.len == 3);
	CHECK(!memcmp(vut_at(test.peer, at + 8, 3), "ABC", 3));
	CHECK(vut_add(test.peer, 2, pieces, 4, NULL) == -EINVAL);
	CHECK(vut_stop(test.peer) == 0 && vut_start(test.peer) == 0);
	ask(0, "again", "AGAIN");
	end();
}

static void calls_are_as_sparse_as_was_asked_for(struct vut_options options)
{
	uint64_t at;
	struct vut_used used[8];

	begin("events", options);
	CHECK(vut_start(test.peer) == 0);
	CHECK(vut_features(test.peer) >> 29 & 1);
	at = vut_alloc(test.peer, 2 * PAGE, PAGE);
	/* The first is told of without regard to events, as after any start. */
	CHECK(offer(0, "x", at) >= 0 && vut_wait(test.peer, 0, used) == 0);
	echo_pump(&test.echo);
	vut_take_calls(test.peer, 0);
	CHECK(vut_call_after(test.peer, 0, 3, 2) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(offer(0, "x", at) >= 0 && vut_kick(test.peer, 0) >= 0);
		echo_pump(&test.echo);
		CHECK(vut_take_calls(test.peer, 0) == 0);
	}
	CHECK(offer(0, "x", at) >= 0 && vut_kick(test.peer, 0) >= 0);
	CHECK(vut_wait_call(test.peer, 0) == 0);
	CHECK(vut_collect(test.peer, 0, used, 8) == 4);
	CHECK(vut_want_calls(test.peer, 0, false) == 0);
	CHECK(offer(0, "x", at) >= 0 && vut_kick(test.peer, 0) >= 0);
	echo_pump(&test.echo);
	CHECK(vut_collect(test.peer, 0, used, 8) == 1 && vut_take_calls(test.peer, 0) == 0);
	end();
}

static void requests_in_flight_outlive_the_connection(struct vut_options options)
{
	struct vut_used used;
	uint64_t at;

	options.inflight = true;
	begin("in flight", options);
	CHECK(vut_start(test.peer) == 0);
	ask(1, "a", "A");
	at = vut_alloc(test.peer, 6 * PAGE, PAGE);
	for (uint64_t i = 0; i < 3; i++)
		CHECK(offer(0, "keep", at + 2 * i * PAGE) >= 0);
	CHECK(vut_kick(test.peer, 0) >= 0);
	echo_pump(&test.echo);
	CHECK(vut_inflight(test.peer, 0) == 3 && vut_inflight(test.peer, 1) == 0);
	go();
	CHECK(vut_inflight(test.peer, 0) == 3);
	come();
	CHECK(vut_start(test.peer) == 0);
	echo_pump(&test.echo);
	CHECK(vut_collect(test.peer, 0, &used, 1) == 0);
	ask(1, "release", "RELEASE");
	for (int i = 0; i < 3; i++)
		CHECK(vut_wait(test.peer, 0, &used) == 0 && used.len == 4);
	CHECK(vut_inflight(test.peer, 0) == 0);
	/* Another driver, which knows of nothing. */
	go();
	vut_forget(test.peer);
	come();
	CHECK(vut_start(test.peer) == 0);
	ask(0, "new", "NEW");
	end();
}

static void what_is_written_is_marked_and_copied(struct vut_options options)
{
	uint64_t at;

	begin("migration", options);
	CHECK(vut_start(test.peer) == 0);
	at = vut_alloc(test.peer, 4 * PAGE, PAGE);
	CHECK(vut_log_begin(test.peer) == 0);
	CHECK(!vut_log_has(test.peer, at + PAGE));
	CHECK(offer(0, "mark", at) >= 0);
	CHECK(vut_wait(test.peer, 0, &(struct vut_used){0}) == 0);
	CHECK(vut_log_has(test.peer, at + PAGE) && !vut_log_has(test.peer, at + 2 * PAGE));
	CHECK(!vut_log_is_same(test.peer, at + PAGE, ROOM));
	CHECK(vut_log_copy(test.peer) > 0 && vut_log_count(test.peer) == 0);
	CHECK(vut_log_is_same(test.peer, at + PAGE, ROOM));
	CHECK(vut_log_end(test.peer) == 0);
	ask(0, "no marks", "NO MARKS");
	CHECK(vut_log_count(test.peer) == 0);
	end();
}

static void state_moves_to_another_device(struct vut_options options)
{
	void *bytes;
	size_t len;

	begin("state", options);
	CHECK(vut_start(test.peer) == 0);
	ask(0, "one", "ONE");
	CHECK(vut_stop(test.peer) == 0);
	CHECK(vut_save_state(test.peer, &bytes, &len) == 0);
	end();
	begin("state", options);
	CHECK(vut_negotiate(test.peer) == 0);
	CHECK(vut_load_state(test.peer, bytes, len) == 0 && test.echo.answered == 1);
	CHECK(vut_load_state(test.peer, bytes, len - 1) == -EREMOTEIO);
	CHECK(vut_start(test.peer) == 0);
	ask(1, "two", "TWO");
	CHECK(test.echo.answered == 2);
	free(bytes);
	end();
}

static void configuration_and_messages_are_acked_or_refused(struct vut_options options)
{
	const uint32_t wrong[] = {99, 1}; /* SET_VRING_ENABLE of a queue that there is not */
	const char *word = "message";
	char text[9] = "";
	uint64_t n = 0;

	begin("messages", options);
	CHECK(vut_start(test.peer) == 0);
	CHECK(vut_get_config(test.peer, 0, text, 8) == 0 && !strcmp(text, "capacity"));
	CHECK(vut_set_config(test.peer, 0, "C", 1) == 0);
	CHECK(vut_get_config(test.peer, 0, text, 8) == 0 && !strcmp(text, "Capacity"));
	CHECK(vu_config_set(test.echo.dev, 4, "more", 4) == 0);
	CHECK(vut_channel_fd(test.peer) >= 0 && vut_wait_config_change(test.peer) == 0);
	CHECK(vut_hear(test.peer, &(struct vut_message){.size = 0}, 0) == -EAGAIN);
	CHECK(vut_ask(test.peer, 17, NULL, 0, &n, sizeof(n)) == 0 && n == 2); /* GET_QUEUE_NUM */
	CHECK(vut_protocol_features(test.peer) >> 3 & 1);
	CHECK(vut_tell(test.peer, 18, wrong, sizeof(wrong), NULL, 0) < 0);
	CHECK(strlen(vut_error(test.peer)) > strlen(word));
	end();
}

static void memory_comes_and_goes(struct vut_options options)
{
	const uint64_t there = UINT64_C(1) << 32;
	struct vut_used used;

	begin("memory", options);
	CHECK(vut_start(test.peer) == 0);
	CHECK(!vut_at(test.peer, there, 1));
	CHECK(vut_add_memory(test.peer, there, 4 * PAGE) == 0);
	CHECK(offer(0, "there", there) >= 0);
	CHECK(vut_wait(test.peer, 0, &used) == 0 && used.len == 5);
	CHECK(!memcmp(vut_at(test.peer, there + PAGE, 5), "THERE", 5));
	CHECK(vut_remove_memory(test.peer, there) == 0);
	CHECK(vut_remove_memory(test.peer, there) == -EINVAL);
	ask(0, "here", "HERE");
	end();
}

static void nonsense_breaks_only_its_queue(struct vut_options options)
{
	begin("nonsense", options);
	CHECK(vut_start(test.peer) == 0);
	CHECK(vut_offer_nonsense(test.peer, 0) == 0 && vut_kick_anyway(test.peer, 0) == 0);
	echo_pump(&test.echo);
	CHECK(vut_take_errors(test.peer, 0) > 0);
	ask(1, "hello", "HELLO");
	end();
}

int main(void)
{
	for (int packed = 0; packed < 2; packed++) {
		const struct vut_options options = {
			.all_queues = true, .packed = packed, .max_indirect = 8};

		requests_come_and_go(options);
		calls_are_as_sparse_as_was_asked_for(options);
		requests_in_flight_outlive_the_connection(options);
		what_is_written_is_marked_and_copied(options);
		state_moves_to_another_device(options);
		configuration_and_messages_are_acked_or_refused(options);
		memory_comes_and_goes(options);
		nonsense_breaks_only_its_queue(options);
	}
	printf("eight tests on two kinds of rings\n");
	return 0;
}
