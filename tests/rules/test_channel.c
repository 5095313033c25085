/* SPDX-License-Identifier: MIT */
/* Rules: back-end requests are never waited for; process() never blocks. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rules/rig.h"
#include "vhost_user/channel.h"
#include "wire/conn.h"

static const struct rig_config with_config = {.device = {.config_size = 8}};

static void change_config(struct rig *rig, uint64_t value)
{
	assert_ok(vu_config_set(rig->dev, 0, &value, sizeof(value)));
	rig_pump(rig);
}

static uint64_t ask_config(struct rig *rig)
{
	uint64_t value;

	assert_ok(frontend_get_config(&rig->peer->frontend, 0, &value, sizeof(value)));
	return value;
}

static void a_front_end_that_never_reads_the_channel_is_served_all_the_same(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, &with_config);
	for (uint64_t i = 1; i <= 10000; i++) {
		change_config(&rig, i);
		if (i % 1000 && i != 1)
			continue;
		/* What QEMU does when it hears of the change: block on the main socket. */
		assert_true(ask_config(&rig) == i);
		rig_roundtrip(&rig, 0, 3);
		rig_assert_idle(&rig);
	}
	/* Changes are announced once, not queued without end: the channel survives. */
	assert_int_equal(rig_logged(&rig, "back-end channel"), 0);
	assert_ok(peer_stop(rig.peer));
	rig_close(&rig);
}

static void a_channel_that_is_read_late_still_tells_of_the_last_change(void **state)
{
	enum { CHANGES = 1500 }; /* more than a socket takes */
	struct frontend_msg msg;
	struct rig rig;
	int told = 0;

	(void)state;
	rig_open(&rig, &with_config);
	for (uint64_t i = 1; i <= CHANGES; i++)
		change_config(&rig, i);
	rig_assert_idle(&rig);
	/* What the socket took, and one for everything that came after that. */
	while (frontend_recv_backend(&rig.peer->frontend, &msg, 0) == 0) {
		assert_int_equal(msg.hdr.request, WIRE_BACKEND_CONFIG_CHANGE_MSG);
		told++;
		rig_pump(&rig);
	}
	assert_in_range(told, 1, CHANGES - 1);
	assert_int_equal(rig_logged(&rig, "back-end channel"), 0);
	change_config(&rig, 0);
	assert_ok(
		frontend_expect_backend(&rig.peer->frontend, WIRE_BACKEND_CONFIG_CHANGE_MSG, &msg));
	rig_close(&rig);
}

static void a_channel_that_is_closed_ends_only_the_channel(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, &with_config);
	rig_lose_channel(&rig);
	rig_assert_idle(&rig);
	change_config(&rig, 7);
	assert_true(ask_config(&rig) == 7);
	rig_roundtrip(&rig, 1, 2);
	/* No warning: so it goes at an ordinary end, too. */
	assert_int_equal(rig_logged(&rig, "back-end channel was closed"), 1);
	assert_int_equal(rig.log.lines[VU_LOG_WARNING], 0);
	/* A new one works. */
	assert_ok(frontend_open_channel(&rig.peer->frontend));
	change_config(&rig, 8);
	assert_ok(frontend_expect_backend(&rig.peer->frontend, WIRE_BACKEND_CONFIG_CHANGE_MSG,
					  &(struct frontend_msg){0}));
	rig_close(&rig);
}

/* A request of ours, and how it went. */
struct question {
	struct channel_request request; /* first: done() finds the rest from it */
	struct rig *rig;
	uint64_t answer;
	int answered, lost;
};

static void question_done(struct session *s, struct channel_request *r, struct wire_msg *reply)
{
	struct question *q = (struct question *)r;

	(void)s;
	q->answered += reply != NULL;
	q->lost += reply == NULL;
	if (reply)
		memcpy(&q->answer, reply->payload, sizeof(q->answer));
}

static void *ask(void *opaque)
{
	struct question *q = opaque;

	channel_post(q->rig->dev, &q->request);
	return NULL;
}

static struct question question(struct rig *rig)
{
	return (struct question){
		.request = {.id = WIRE_BACKEND_CONFIG_CHANGE_MSG, .done = question_done},
		.rig = rig};
}

static void replies_find_the_requests_of_any_thread_in_order(void **state)
{
	enum { QUESTIONS = 3 };
	struct frontend_msg msg[QUESTIONS];
	struct question q[QUESTIONS];
	pthread_t thread;
	struct rig rig;

	(void)state;
	rig_open(&rig, &with_config);
	for (int i = 0; i < QUESTIONS; i++) {
		q[i] = question(&rig);
		assert_ok(pthread_create(&thread, NULL, ask, &q[i]));
		assert_ok(pthread_join(thread, NULL));
	}
	rig_pump(&rig);
	for (int i = 0; i < QUESTIONS; i++) {
		assert_ok(frontend_recv_backend(&rig.peer->frontend, &msg[i], 1000));
		assert_true(msg[i].hdr.flags & WIRE_NEED_REPLY);
		assert_int_equal(q[i].answered, 0);
	}
	/* The main socket is served while they wait. */
	assert_true(ask_config(&rig) == 0);
	for (int i = 0; i < 2; i++) {
		assert_ok(frontend_answer_backend(&rig.peer->frontend, &msg[i], 7 + (uint64_t)i));
		rig_pump(&rig);
		assert_int_equal(q[i].answered, 1);
		assert_true(q[i].answer == 7 + (uint64_t)i);
		assert_int_equal(q[i + 1].answered, 0);
	}
	/* Nobody will answer this one. */
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_int_equal(q[2].lost, 1);
	q[0] = question(&rig);
	ask(&q[0]);
	rig_pump(&rig);
	assert_int_equal(q[0].lost, 1);
	rig_close(&rig);
}

static void what_is_posted_waits_until_the_front_end_reads(void **state)
{
	enum { QUESTIONS = 5000 }; /* more than a socket and what waits behind it */
	struct question *q = calloc(QUESTIONS, sizeof(*q));
	struct frontend_msg msg;
	struct rig rig;

	(void)state;
	assert_non_null(q);
	rig_open(&rig, &with_config);
	for (int i = 0; i < QUESTIONS; i++) {
		q[i] = question(&rig);
		ask(&q[i]);
	}
	rig_pump(&rig);
	for (int i = 0; i < QUESTIONS; i++) {
		assert_int_equal(q[i].answered + q[i].lost, 0);
		assert_ok(frontend_recv_backend(&rig.peer->frontend, &msg, 1000));
		assert_ok(frontend_answer_backend(&rig.peer->frontend, &msg, (uint64_t)i));
		rig_pump(&rig);
		assert_int_equal(q[i].answered, 1);
		assert_true(q[i].answer == (uint64_t)i);
	}
	rig_close(&rig);
	free(q);
}

static void a_reply_of_another_size_ends_the_channel(void **state)
{
	const struct wire_header empty = {.request = WIRE_BACKEND_CONFIG_CHANGE_MSG,
					  .flags = WIRE_VERSION | WIRE_REPLY};
	struct frontend_msg msg;
	struct question q;
	struct rig rig;

	(void)state;
	rig_open(&rig, &with_config);
	q = question(&rig);
	ask(&q);
	rig_pump(&rig);
	assert_ok(frontend_recv_backend(&rig.peer->frontend, &msg, 1000));
	assert_int_equal(write(rig.peer->frontend.channel_fd, &empty, sizeof(empty)),
			 sizeof(empty));
	rig_pump(&rig);
	assert_int_equal(q.lost, 1);
	assert_int_equal(rig_logged(&rig, "a reply of another size"), 1);
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

static void a_reply_to_nothing_ends_the_channel(void **state)
{
	const struct frontend_msg none = {.hdr = {.request = WIRE_BACKEND_VRING_CALL}};
	struct rig rig;

	(void)state;
	rig_open(&rig, &with_config);
	assert_ok(frontend_answer_backend(&rig.peer->frontend, &none, 0));
	rig_pump(&rig);
	assert_int_equal(rig_logged(&rig, "brought what is no reply to the oldest request"), 1);
	assert_true(ask_config(&rig) == 0);
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

/* The answer has it ask once more. */
static void question_goes_on(struct session *s, struct channel_request *r, struct wire_msg *reply)
{
	struct question *q = (struct question *)r;

	q->answered += reply != NULL;
	q->lost += reply == NULL;
	if (reply && channel_send(s, r))
		q->lost++;
}

static void a_channel_may_be_found_closed_by_who_hears_the_answer(void **state)
{
	struct frontend_msg msg;
	struct question q;
	struct rig rig;

	(void)state;
	rig_open(&rig, &with_config);
	q = question(&rig);
	q.request.done = question_goes_on;
	ask(&q);
	rig_pump(&rig);
	assert_ok(frontend_recv_backend(&rig.peer->frontend, &msg, 1000));
	assert_ok(frontend_answer_backend(&rig.peer->frontend, &msg, 0));
	rig_lose_channel(&rig);
	rig_pump(&rig);
	assert_int_equal(q.answered, 1);
	assert_int_equal(q.lost, 1);
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

static void a_message_in_single_bytes_never_blocks_process(void **state)
{
	const struct {
		struct wire_header hdr;
		struct wire_vring_state payload;
	} num = {{WIRE_SET_VRING_NUM, WIRE_VERSION | WIRE_NEED_REPLY, 8}, {1, 64}};
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	for (size_t i = 0; i < sizeof(num); i++) {
		rig_assert_no_reply(&rig);
		assert_ok(frontend_send_bytes(&rig.peer->frontend, (const char *)&num + i, 1, NULL,
					      0));
		rig_assert_idle(&rig);
		/* Service goes on meanwhile. */
		rig_roundtrip(&rig, 0, 1);
	}
	assert_int_equal(rig_recv_ack(&rig, WIRE_SET_VRING_NUM), 0);
	rig_close(&rig);
}

static void replies_that_do_not_fit_wait_and_nothing_is_read_meanwhile(void **state)
{
	enum { QUESTIONS = 150 };
	struct frontend_msg msg;
	struct rig rig;
	int fd, small = 1, unread = 0, arrived = 0;

	(void)state;
	rig_make(&rig, NULL);
	assert_ok(peer_open(rig.peer, &fd));
	assert_ok(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
	assert_ok(vu_device_attach(rig.dev, fd));
	assert_ok(peer_start(rig.peer));
	for (int i = 0; i < QUESTIONS; i++)
		assert_ok(frontend_send(&rig.peer->frontend,
					i % 2 ? WIRE_GET_STATUS : WIRE_GET_FEATURES, 0, NULL, 0,
					NULL, 0));
	rig_assert_idle(&rig);
	assert_ok(ioctl(fd, FIONREAD, &unread));
	assert_ok(ioctl(rig.peer->frontend.fd, FIONREAD, &arrived));
	/* Questions of 12 bytes, answers of 20: one of them waits, no more were read. */
	assert_true(arrived > 0);
	assert_int_equal(QUESTIONS - unread / 12, arrived / 20 + 1);
	rig_roundtrip(&rig, 0, 5);
	for (int i = 0; i < QUESTIONS; i++) {
		assert_ok(frontend_recv(&rig.peer->frontend, &msg));
		assert_int_equal(msg.hdr.request, i % 2 ? WIRE_GET_STATUS : WIRE_GET_FEATURES);
	}
	rig_assert_no_reply(&rig);
	assert_ok(peer_stop(rig.peer));
	rig_close(&rig);
}

static void a_front_end_that_dies_with_replies_unread_is_noticed(void **state)
{
	struct rig rig;
	int fd, small = 1;

	(void)state;
	rig_make(&rig, NULL);
	assert_ok(peer_open(rig.peer, &fd));
	assert_ok(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
	assert_ok(vu_device_attach(rig.dev, fd));
	for (int i = 0; i < 100; i++)
		assert_ok(
			frontend_send(&rig.peer->frontend, WIRE_GET_FEATURES, 0, NULL, 0, NULL, 0));
	rig_assert_idle(&rig);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_int_equal(rig.ended, 1);
	assert_int_equal(rig.reported, 1);
	rig_start(&rig);
	rig_roundtrip(&rig, 0, 1);
	/* The socket's error depends on what was unread: a line is allowed, and no more. */
	assert_in_range(rig_errors(&rig), 0, 1);
	rig.errors_expected = rig_errors(&rig);
	rig_close(&rig);
}

static void a_channel_that_closes_before_call_and_error_are_told_is_no_matter(void **state)
{
	static const struct rig_config inband = {.device = {.flags = VU_DEVICE_INBAND},
						 .peer = {.notifier = DRIVER_NO_KICKS}};
	static const struct driver_seg nowhere = {UINT64_C(1) << 60, 1, false};
	struct rig rig;

	(void)state;
	rig_make(&rig, &inband);
	rig_connect(&rig);
	assert_ok(peer_start_uml(rig.peer));
	rig.mode = RIG_HOLD;
	rig_submit(&rig, 0, 1);
	assert_ok(frontend_vring_kick(rig_front(&rig), 0));
	rig_pump(&rig);
	rig.mode = RIG_SERVE;
	/* A call that is not told before the ring breaks. */
	rig_complete_held(&rig, 0);
	vu_queue_signal(rig.queues[0].queue);
	assert_true(driver_add(rig.peer->queues[0], &nowhere, 1, NULL) >= 0);
	driver_publish(rig.peer->queues[0]);
	rig.on_callback = rig_lose_channel_when_ready;
	assert_ok(frontend_vring_kick(rig_front(&rig), 0));
	assert_int_equal(rig_collect(&rig, 0), 1);
	rig_expect_errors(&rig, "queue 0: broken", 1);
	assert_int_equal(rig_logged(&rig, "the back-end channel was closed"), 1);
	/* The other queue goes on, and there is no third. */
	rig_submit(&rig, 1, 1);
	assert_ok(frontend_vring_kick(rig_front(&rig), 1));
	rig_wait_used(&rig, 1, 1);
	assert_true(frontend_vring_kick(rig_front(&rig), 2) < 0);
	rig_expect_errors(&rig, "queue 2: the device has only 2", 1);
	assert_int_equal(rig.ended, 1);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_front_end_that_never_reads_the_channel_is_served_all_the_same),
		cmocka_unit_test(a_channel_that_is_read_late_still_tells_of_the_last_change),
		cmocka_unit_test(a_channel_that_is_closed_ends_only_the_channel),
		cmocka_unit_test(replies_find_the_requests_of_any_thread_in_order),
		cmocka_unit_test(what_is_posted_waits_until_the_front_end_reads),
		cmocka_unit_test(a_reply_of_another_size_ends_the_channel),
		cmocka_unit_test(a_reply_to_nothing_ends_the_channel),
		cmocka_unit_test(a_channel_may_be_found_closed_by_who_hears_the_answer),
		cmocka_unit_test(a_channel_that_closes_before_call_and_error_are_told_is_no_matter),
		cmocka_unit_test(a_message_in_single_bytes_never_blocks_process),
		cmocka_unit_test(replies_that_do_not_fit_wait_and_nothing_is_read_meanwhile),
		cmocka_unit_test(a_front_end_that_dies_with_replies_unread_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
