/* SPDX-License-Identifier: MIT */
/*
 * Callbacks of a device's class: what sets them, what they offer, and their answers, which may come
 * from any thread, late, or when nobody is left to hear them.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "rules/rig.h"

enum { MTU = 1500 };

static const uint8_t guests_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

/* A device of the test, with what its callbacks saw and are to say. */
struct classy {
	struct rig rig; /* first: the callbacks' opaque */
	struct vu_answer *answer;
	int says;
	uint16_t mtu;
	uint8_t mac[6];
	int socket;
	uint32_t asked;
};

static int on_ask(struct classy *c, struct vu_answer *answer)
{
	c->asked++;
	c->answer = answer;
	return c->says;
}

static int set_mtu(struct vu_device *dev, uint16_t mtu, struct vu_answer *answer, void *opaque)
{
	struct classy *c = opaque;

	(void)dev;
	c->mtu = mtu;
	return on_ask(c, answer);
}

static int send_rarp(struct vu_device *dev, const uint8_t *mac, struct vu_answer *answer,
		     void *opaque)
{
	struct classy *c = opaque;

	(void)dev;
	memcpy(c->mac, mac, sizeof(c->mac));
	return on_ask(c, answer);
}

static int set_socket(struct vu_device *dev, int fd, struct vu_answer *answer, void *opaque)
{
	struct classy *c = opaque;

	(void)dev;
	c->socket = fd;
	return on_ask(c, answer);
}

static const struct vu_net_ops net_ops = {
	.size = sizeof(net_ops), .set_mtu = set_mtu, .send_rarp = send_rarp};
static const struct vu_gpu_ops gpu_ops = {.size = sizeof(gpu_ops), .set_socket = set_socket};

static void make(struct classy *c)
{
	*c = (struct classy){.socket = -1};
	rig_make(&c->rig, NULL);
	assert_ok(vu_device_set_net_ops(c->rig.dev, &net_ops));
	assert_ok(vu_device_set_gpu_ops(c->rig.dev, &gpu_ops));
}

static void open_classy(struct classy *c)
{
	make(c);
	rig_connect(&c->rig);
	assert_ok(peer_start(c->rig.peer));
}

static void send_u64(struct classy *c, uint32_t request, uint64_t value)
{
	rig_send(&c->rig, request, &value, sizeof(value), NULL, 0);
	rig_pump(&c->rig);
}

static uint64_t tell_u64(struct classy *c, uint32_t request, uint64_t value)
{
	send_u64(c, request, value);
	return rig_recv_ack(&c->rig, request);
}

static void expect_served(struct classy *c)
{
	rig_roundtrip(&c->rig, 0, 1);
	rig_assert_idle(&c->rig);
}

/* --- setting --- */

static uint64_t offered(struct rig *rig)
{
	uint64_t bits;

	rig_connect(rig);
	assert_ok(frontend_get_protocol_features(&rig->peer->frontend, &bits));
	peer_disconnect(rig->peer);
	rig_pump(rig);
	return bits;
}

static void what_is_set_is_what_is_offered(void **state)
{
	const uint64_t bits = RIG_BIT(WIRE_PF_MTU) | RIG_BIT(WIRE_PF_RARP);
	struct vu_net_ops only_mtu = {.size = sizeof(only_mtu), .set_mtu = set_mtu};
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_true(!(offered(&rig) & bits));
	assert_ok(vu_device_set_net_ops(rig.dev, &net_ops));
	assert_true((offered(&rig) & bits) == bits);
	assert_ok(vu_device_set_net_ops(rig.dev, &only_mtu));
	assert_true((offered(&rig) & bits) == RIG_BIT(WIRE_PF_MTU));
	assert_ok(vu_device_set_net_ops(rig.dev, NULL));
	assert_true(!(offered(&rig) & bits));
	rig_close(&rig);
}

static void nothing_is_set_while_a_front_end_is_there(void **state)
{
	struct classy c;

	(void)state;
	open_classy(&c);
	assert_int_equal(vu_device_set_net_ops(c.rig.dev, NULL), -EBUSY);
	rig_expect_errors(&c.rig, "struct vu_net_ops cannot be set while a front-end is attached",
			  1);
	assert_int_equal(tell_u64(&c, WIRE_NET_SET_MTU, MTU), 0);
	assert_int_equal(c.mtu, MTU);
	rig_close(&c.rig);
}

static void what_cannot_be_is_refused_and_changes_nothing(void **state)
{
	struct vu_gpu_ops wrong = {.size = sizeof(wrong)};
	struct {
		struct vu_net_ops ops;
		void *newer;
	} newer = {.ops = net_ops, .newer = &newer};
	struct classy c;

	(void)state;
	make(&c);
	assert_int_equal(vu_device_set_gpu_ops(c.rig.dev, &wrong), -EINVAL);
	wrong.size = 8;
	assert_int_equal(vu_device_set_gpu_ops(c.rig.dev, &wrong), -EINVAL);
	newer.ops.size = sizeof(newer);
	assert_int_equal(vu_device_set_net_ops(c.rig.dev, &newer.ops), -E2BIG);
	newer.newer = NULL;
	assert_ok(vu_device_set_net_ops(c.rig.dev, &newer.ops));
	rig_expect_errors(&c.rig, "struct vu_gpu_ops needs set_socket", 1);
	rig_expect_errors(&c.rig, "set .size = sizeof(struct vu_gpu_ops)", 1);
	rig_expect_errors(&c.rig, "struct vu_net_ops has something set", 1);
	assert_true(offered(&c.rig) & RIG_BIT(WIRE_PF_MTU));
	rig_close(&c.rig);
}

/* --- net, gpu --- */

static void a_network_device_hears_of_its_mtu_and_of_its_address(void **state)
{
	struct classy c;
	uint64_t mac = 0;

	(void)state;
	open_classy(&c);
	assert_int_equal(tell_u64(&c, WIRE_NET_SET_MTU, MTU), 0);
	assert_int_equal(c.mtu, MTU);
	memcpy(&mac, guests_mac, sizeof(guests_mac));
	assert_int_equal(tell_u64(&c, WIRE_SEND_RARP, mac), 0);
	assert_memory_equal(c.mac, guests_mac, sizeof(guests_mac));
	/* It has 16 bits. */
	assert_int_equal(tell_u64(&c, WIRE_NET_SET_MTU, 65536 + MTU), 1);
	assert_int_equal(c.asked, 2);
	expect_served(&c);
	rig_close(&c.rig);
}

static void what_a_device_refuses_is_told_to_who_asks_and_ends_nothing(void **state)
{
	const uint64_t mtu = MTU;
	struct classy c;

	(void)state;
	open_classy(&c);
	/* -EPROTO, too: it is not for the device to end a session. */
	for (int i = 0; i < 3; i++) {
		c.says = (int[]){-EINVAL, -EPROTO, -100000}[i];
		assert_int_equal(tell_u64(&c, WIRE_NET_SET_MTU, MTU), 1);
	}
	assert_ok(frontend_send(&c.rig.peer->frontend, WIRE_NET_SET_MTU, 0, &mtu, sizeof(mtu), NULL,
				0));
	rig_pump(&c.rig);
	rig_assert_no_reply(&c.rig);
	assert_int_equal(c.asked, 4);
	assert_int_equal(rig_logged(&c.rig, "the device refused NET_SET_MTU: "), 4);
	/* What is no error is none. */
	c.says = 77;
	assert_int_equal(tell_u64(&c, WIRE_NET_SET_MTU, MTU), 0);
	expect_served(&c);
	rig_close(&c.rig);
}

static void a_graphics_device_owns_its_socket(void **state)
{
	struct classy c;
	int pair[2];
	char byte = 0;

	(void)state;
	open_classy(&c);
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	rig_send(&c.rig, WIRE_GPU_SET_SOCKET, NULL, 0, &pair[0], 1);
	close(pair[0]);
	assert_int_equal(rig_recv_ack(&c.rig, WIRE_GPU_SET_SOCKET), 0);
	/* Also when the session is over. */
	peer_disconnect(c.rig.peer);
	rig_pump(&c.rig);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	assert_int_equal(recv(c.socket, &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(byte, 'x');
	close(pair[1]);
	close(c.socket);
	rig_close(&c.rig);
}

static void a_graphics_devices_socket_has_to_be_one(void **state)
{
	struct classy c;
	int pair[2];

	(void)state;
	open_classy(&c);
	assert_ok(pipe(pair));
	rig_send(&c.rig, WIRE_GPU_SET_SOCKET, NULL, 0, &pair[0], 1);
	close(pair[0]);
	close(pair[1]);
	assert_ok(frontend_wait_closed(&c.rig.peer->frontend));
	assert_int_equal(c.asked, 0);
	rig_expect_errors(&c.rig, "GPU_SET_SOCKET: the descriptor is no AF_UNIX stream socket", 1);
	rig_close(&c.rig);
}

/* --- answers that come later --- */

static void *give(void *opaque)
{
	struct classy *c = opaque;

	return (void *)(intptr_t)vu_answer_give(c->answer, -EINVAL);
}

static void give_elsewhere(struct classy *c, int result)
{
	pthread_t thread;
	void *ret;

	assert_ok(pthread_create(&thread, NULL, give, c));
	assert_ok(pthread_join(thread, &ret));
	assert_int_equal((intptr_t)ret, result);
}

static void an_answer_may_come_later_from_any_thread(void **state)
{
	struct classy c;

	(void)state;
	open_classy(&c);
	c.says = VU_LATER;
	send_u64(&c, WIRE_NET_SET_MTU, MTU);
	rig_assert_no_reply(&c.rig);
	/* No other message meanwhile, but requests. */
	rig_send(&c.rig, WIRE_GET_FEATURES, NULL, 0, NULL, 0);
	rig_roundtrip(&c.rig, 0, 3);
	rig_assert_no_reply(&c.rig);
	give_elsewhere(&c, 0);
	assert_int_equal(rig_recv_ack(&c.rig, WIRE_NET_SET_MTU), 1);
	assert_true(rig_recv_ack(&c.rig, WIRE_GET_FEATURES) != 0);
	send_u64(&c, WIRE_NET_SET_MTU, MTU);
	assert_int_equal(vu_answer_give(c.answer, 0), 0);
	assert_int_equal(rig_recv_ack(&c.rig, WIRE_NET_SET_MTU), 0);
	expect_served(&c);
	rig_close(&c.rig);
}

static int set_mtu_at_once(struct vu_device *dev, uint16_t mtu, struct vu_answer *answer,
			   void *opaque)
{
	(void)dev;
	(void)mtu;
	assert_int_equal(vu_answer_give(answer, 0), 0);
	return ((struct classy *)opaque)->says;
}

static void open_hasty(struct classy *c)
{
	static const struct vu_net_ops ops = {.size = sizeof(ops), .set_mtu = set_mtu_at_once};

	make(c);
	assert_ok(vu_device_set_net_ops(c->rig.dev, &ops));
	rig_connect(&c->rig);
	assert_ok(peer_start(c->rig.peer));
}

static void an_answer_may_be_given_before_the_callback_returns(void **state)
{
	struct classy c;

	(void)state;
	open_hasty(&c);
	c.says = VU_LATER;
	assert_int_equal(tell_u64(&c, WIRE_NET_SET_MTU, MTU), 0);
	expect_served(&c);
	rig_close(&c.rig);
}

static void two_answers_are_one_and_a_line(void **state)
{
	struct classy c;

	(void)state;
	open_hasty(&c);
	c.says = -EINVAL;
	assert_int_equal(tell_u64(&c, WIRE_NET_SET_MTU, MTU), 1);
	rig_expect_errors(&c.rig, "the device gave an answer, and returned another one", 1);
	expect_served(&c);
	rig_close(&c.rig);
}

static void an_answer_that_nobody_waits_for_any_more_is_no_harm(void **state)
{
	struct classy c;

	(void)state;
	open_classy(&c);
	c.says = VU_LATER;
	send_u64(&c, WIRE_NET_SET_MTU, MTU);
	peer_disconnect(c.rig.peer);
	rig_pump(&c.rig);
	assert_int_equal(c.rig.ended, 1);
	rig_connect(&c.rig);
	assert_ok(peer_start(c.rig.peer));
	give_elsewhere(&c, -ESTALE);
	rig_pump(&c.rig);
	rig_assert_no_reply(&c.rig);
	expect_served(&c);
	rig_close(&c.rig);
}

static void an_answer_outlives_its_device(void **state)
{
	struct classy c;

	(void)state;
	open_classy(&c);
	c.says = VU_LATER;
	send_u64(&c, WIRE_NET_SET_MTU, MTU);
	rig_close(&c.rig);
	give_elsewhere(&c, -ESTALE);
}

static void a_session_can_be_drained_while_it_waits_for_an_answer(void **state)
{
	struct classy c;

	(void)state;
	open_classy(&c);
	c.says = VU_LATER;
	send_u64(&c, WIRE_NET_SET_MTU, MTU);
	vu_device_drain(c.rig.dev);
	rig_pump(&c.rig);
	assert_int_equal(c.rig.ended, 1);
	assert_int_equal(vu_answer_give(c.answer, 0), -ESTALE);
	rig_pump(&c.rig);
	rig_close(&c.rig);
}

static void a_front_end_that_comes_and_goes_is_not_owed_answers_without_end(void **state)
{
	enum { MOST = 256 };
	static struct vu_answer *answers[MOST];
	struct classy c;

	(void)state;
	open_classy(&c);
	c.says = VU_LATER;
	for (int i = 0; i < MOST; i++) {
		send_u64(&c, WIRE_NET_SET_MTU, MTU);
		assert_int_equal(c.asked, i + 1);
		answers[i] = c.answer;
		peer_disconnect(c.rig.peer);
		rig_pump(&c.rig);
		rig_connect(&c.rig);
		assert_ok(peer_negotiate(c.rig.peer));
	}
	assert_int_equal(tell_u64(&c, WIRE_NET_SET_MTU, MTU), 1);
	assert_int_equal(c.asked, MOST);
	rig_expect_errors(&c.rig, "256 answers to earlier sessions are not given yet", 1);
	for (int i = 0; i < MOST; i++)
		assert_int_equal(vu_answer_give(answers[i], 0), -ESTALE);
	rig_pump(&c.rig);
	c.says = 0;
	assert_int_equal(tell_u64(&c, WIRE_NET_SET_MTU, MTU), 0);
	rig_close(&c.rig);
}

static void an_answer_that_does_not_come_is_named(void **state)
{
	struct classy c;

	(void)state;
	open_classy(&c);
	c.says = VU_LATER;
	send_u64(&c, WIRE_NET_SET_MTU, MTU);
	while (!rig_logged(&c.rig, "waiting for the device's answer to NET_SET_MTU")) {
		usleep(10000);
		rig_pump(&c.rig);
	}
	assert_int_equal(vu_answer_give(c.answer, 0), 0);
	assert_int_equal(rig_recv_ack(&c.rig, WIRE_NET_SET_MTU), 0);
	expect_served(&c);
	rig_close(&c.rig);
}

static void *give_now(void *opaque)
{
	return (void *)(intptr_t)vu_answer_give(opaque, 0);
}

static void answers_race_the_end_of_sessions_and_of_the_device(void **state)
{
	struct classy c;
	pthread_t thread;
	void *ret;

	(void)state;
	for (int i = 0; i < 200; i++) {
		open_classy(&c);
		c.says = VU_LATER;
		for (int j = 0; j < 3; j++) {
			send_u64(&c, WIRE_NET_SET_MTU, MTU);
			assert_ok(pthread_create(&thread, NULL, give_now, c.answer));
			peer_disconnect(c.rig.peer);
			if (j == 2)
				break;
			rig_pump(&c.rig);
			assert_ok(pthread_join(thread, &ret));
			assert_true((intptr_t)ret == 0 || (intptr_t)ret == -ESTALE);
			rig_connect(&c.rig);
			assert_ok(peer_start(c.rig.peer));
		}
		/* The last one is given while the device is freed. */
		vu_device_detach(c.rig.dev);
		rig_pump(&c.rig);
		vu_device_free(c.rig.dev);
		c.rig.dev = NULL;
		assert_ok(pthread_join(thread, &ret));
		rig_close(&c.rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_set_is_what_is_offered),
		cmocka_unit_test(nothing_is_set_while_a_front_end_is_there),
		cmocka_unit_test(what_cannot_be_is_refused_and_changes_nothing),
		cmocka_unit_test(a_network_device_hears_of_its_mtu_and_of_its_address),
		cmocka_unit_test(what_a_device_refuses_is_told_to_who_asks_and_ends_nothing),
		cmocka_unit_test(a_graphics_device_owns_its_socket),
		cmocka_unit_test(a_graphics_devices_socket_has_to_be_one),
		cmocka_unit_test(an_answer_may_come_later_from_any_thread),
		cmocka_unit_test(an_answer_may_be_given_before_the_callback_returns),
		cmocka_unit_test(two_answers_are_one_and_a_line),
		cmocka_unit_test(an_answer_that_nobody_waits_for_any_more_is_no_harm),
		cmocka_unit_test(an_answer_outlives_its_device),
		cmocka_unit_test(a_session_can_be_drained_while_it_waits_for_an_answer),
		cmocka_unit_test(a_front_end_that_comes_and_goes_is_not_owed_answers_without_end),
		cmocka_unit_test(answers_race_the_end_of_sessions_and_of_the_device),
		cmocka_unit_test(an_answer_that_does_not_come_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
