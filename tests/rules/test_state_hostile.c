/* SPDX-License-Identifier: MIT */
/* A device's state and a peer that stalls, changes its mind, or sends what it likes; the format's
 * limits. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/state.h"
#include "kit/folder.h"
#include "rules/state_rig.h"

/* --- pipes that stall, and other mischief --- */

static void a_pipe_that_is_never_closed_holds_up_only_its_front_end(void **state)
{
	struct stateful s;
	int own;

	(void)state;
	for (int drained = 0; drained < 2; drained++) {
		open_destination(&s);
		assert_int_equal(set_fd(&s, LOAD, 0, &own), 0);
		assert_int_equal(write(own, "vu-", 3), 3);
		rig_pump(&s.rig);
		rig_assert_idle(&s.rig);
		rig_send(&s.rig, WIRE_CHECK_DEVICE_STATE, NULL, 0, NULL, 0);
		rig_assert_no_reply(&s.rig);
		rig_assert_idle(&s.rig);
		if (!drained)
			while (!rig_logged(&s.rig, "waiting for the end of the state")) {
				usleep(10000);
				rig_pump(&s.rig);
			}
		if (drained)
			vu_device_drain(s.rig.dev);
		else
			peer_disconnect(s.rig.peer);
		rig_pump(&s.rig);
		assert_int_equal(s.rig.ended, 1);
		close(own);
		rig_pump(&s.rig);
		assert_int_equal(s.loaded, 0);
		rig_close(&s.rig);
	}
}

static void a_state_has_no_more_records_than_it_may(void **state)
{
	enum { HEAD = 24, RECORD = 16, TOO_MANY = 65537 };
	const uint32_t tag = htole32(TAG_HINT);
	struct stateful s;
	void *saved;
	char *bytes;
	size_t len;

	(void)state;
	saved_state(5, 0, &saved, &len);
	bytes = calloc(1, HEAD + (TOO_MANY + 1) * RECORD);
	assert_non_null(bytes);
	memcpy(bytes, saved, HEAD);
	for (size_t i = 0; i < TOO_MANY; i++)
		memcpy(bytes + HEAD + i * RECORD, &tag, sizeof(tag));
	memcpy(bytes + HEAD + TOO_MANY * RECORD, (char *)saved + len - RECORD, RECORD);
	open_destination(&s);
	s.rig.errors_expected = 1;
	assert_true(frontend_load_state(frontend_of(&s), bytes, HEAD + (TOO_MANY + 1) * RECORD) <
		    0);
	assert_int_equal(s.loaded, 0);
	rig_close(&s.rig);
	free(bytes);
	free(saved);
}

static void the_end_of_a_pipe_may_come_after_the_check(void **state)
{
	struct stateful s;
	void *bytes;
	size_t len;
	int own;

	(void)state;
	saved_state(5, 0, &bytes, &len);
	open_destination(&s);
	assert_int_equal(set_fd(&s, LOAD, 0, &own), 0);
	rig_send(&s.rig, WIRE_CHECK_DEVICE_STATE, NULL, 0, NULL, 0);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(write(own, (char *)bytes + i, 1), 1);
		rig_pump(&s.rig);
	}
	rig_assert_no_reply(&s.rig);
	close(own);
	rig_pump(&s.rig);
	assert_int_equal(rig_recv_ack(&s.rig, WIRE_CHECK_DEVICE_STATE), 0);
	assert_true(s.count == 5);
	expect_goes_on(&s);
	rig_close(&s.rig);
	free(bytes);
}

/* Both waits follow each other. */
static void what_comes_after_the_check_may_be_loaded_later(void **state)
{
	struct stateful s;
	void *bytes;
	size_t len;
	int own;

	(void)state;
	saved_state(5, 0, &bytes, &len);
	open_destination(&s);
	s.says = VU_LATER;
	assert_int_equal(set_fd(&s, LOAD, 0, &own), 0);
	rig_send(&s.rig, WIRE_CHECK_DEVICE_STATE, NULL, 0, NULL, 0);
	rig_pump(&s.rig);
	assert_int_equal(write(own, bytes, len), len);
	close(own);
	rig_pump(&s.rig);
	assert_int_equal(s.loaded, 1);
	rig_assert_no_reply(&s.rig);
	assert_int_equal(vu_answer_give(s.answer, 0), 0);
	rig_pump(&s.rig);
	assert_int_equal(rig_recv_ack(&s.rig, WIRE_CHECK_DEVICE_STATE), 0);
	rig_close(&s.rig);
	free(bytes);
}

/* One of an earlier session's, and this one's: it is not the oldest that is given first. */
static void answers_are_given_in_any_order(void **state)
{
	struct vu_answer *answers[3];
	struct stateful s;
	void *bytes;
	size_t len;

	(void)state;
	saved_state(5, 0, &bytes, &len);
	open_destination(&s);
	s.says = VU_LATER;
	for (int i = 0; i < 3; i++) {
		frontend_of(&s)->timeout_ms = 10;
		assert_int_equal(frontend_load_state(frontend_of(&s), bytes, len), -ETIMEDOUT);
		frontend_of(&s)->timeout_ms = FRONTEND_TIMEOUT_MS;
		answers[i] = s.answer;
		if (i == 2)
			break;
		peer_disconnect(s.rig.peer);
		rig_pump(&s.rig);
		rig_connect(&s.rig);
		assert_ok(peer_negotiate(s.rig.peer));
	}
	assert_int_equal(vu_answer_give(answers[1], 0), -ESTALE);
	rig_pump(&s.rig);
	assert_int_equal(vu_answer_give(answers[2], 0), 0);
	rig_pump(&s.rig);
	assert_int_equal(rig_recv_ack(&s.rig, WIRE_CHECK_DEVICE_STATE), 0);
	assert_int_equal(vu_answer_give(answers[0], 0), -ESTALE);
	rig_pump(&s.rig);
	rig_close(&s.rig);
	free(bytes);
}

static void the_front_end_cannot_make_our_end_of_the_pipe_block(void **state)
{
	struct stateful s;
	int own;

	(void)state;
	open_destination(&s);
	assert_int_equal(set_fd(&s, LOAD, 0, &own), 0);
	/* All that it can do to its own end. */
	assert_ok(fcntl(own, F_SETFL, 0));
	assert_int_equal(write(own, "x", 1), 1);
	rig_pump(&s.rig);
	assert_ok(fcntl(own, F_SETFL, O_NONBLOCK));
	assert_int_equal(write(own, "x", 1), 1);
	rig_pump(&s.rig);
	rig_assert_idle(&s.rig);
	close(own);
	rig_close(&s.rig);
}

static void the_descriptor_that_comes_may_be_anything(void **state)
{
	struct stateful s;
	uint64_t value;
	int own, fds[5], pair[2];

	(void)state;
	open_source(&s);
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	fds[0] = pair[0];
	fds[1] = pair[1];
	fds[2] = memfd_create("state", 0);
	fds[3] = open("/dev/null", O_RDONLY);
	fds[4] = open(folder_quick(), O_TMPFILE | O_RDWR, 0600);
	for (int i = 0; i < 5; i++) {
		if (fds[i] < 0)
			continue;
		assert_ok(frontend_set_device_state_fd(frontend_of(&s), SAVE, 0, fds[i], &value,
						       &own));
		assert_true(lseek(own, 0, SEEK_END) > 0);
		close(own);
		assert_ok(frontend_set_device_state_fd(frontend_of(&s), LOAD, 0, fds[i], &value,
						       &own));
		close(own);
		close(fds[i]);
	}
	/* Nothing was written: the last load has an empty state. */
	assert_int_equal(frontend_check_device_state(frontend_of(&s)), -EREMOTEIO);
	rig_expect_errors(&s.rig, "it is empty", 1);
	expect_goes_on(&s);
	rig_close(&s.rig);
}

static void a_transfer_takes_the_place_of_one_that_was_given_up(void **state)
{
	struct stateful s;
	void *bytes;
	size_t len;
	int own, later;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	saved_state(5, 0, &bytes, &len);
	open_destination(&s);
	assert_int_equal(set_fd(&s, LOAD, 0, &own), 0);
	assert_int_equal(write(own, "half", 4), 4);
	assert_int_equal(set_fd(&s, LOAD, 0, &later), 0);
	assert_int_equal(write(own, "x", 1), -1);
	assert_int_equal(write(later, bytes, len), len);
	close(later);
	assert_ok(frontend_check_device_state(frontend_of(&s)));
	assert_int_equal(s.loaded, 1);
	close(own);
	rig_close(&s.rig);
	free(bytes);
}

static int save_and_detach(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
			   void *opaque)
{
	struct stateful *s = opaque;

	s->saved++;
	s->answer = answer;
	vu_state_put_u64(state, TAG_COUNT, 0, 1);
	vu_device_detach(dev);
	return s->says;
}

static void a_session_may_be_ended_while_it_saves(void **state)
{
	const struct vu_state_ops ops = {
		.size = sizeof(ops), .save = save_and_detach, .load = stateful_load};
	struct stateful s;
	void *bytes;
	size_t len;

	(void)state;
	for (int later = 0; later < 2; later++) {
		make_with(&s, &ops);
		assert_ok(peer_negotiate(s.rig.peer));
		s.says = later ? VU_LATER : 0;
		assert_true(frontend_save_state(frontend_of(&s), &bytes, &len) < 0);
		rig_pump(&s.rig);
		assert_int_equal(s.rig.ended, 1);
		if (later)
			assert_int_equal(vu_answer_give(s.answer, 0), -ESTALE);
		rig_pump(&s.rig);
		rig_close(&s.rig);
	}
}

/* --- the format itself --- */

static void a_puts_failure_is_kept(void **state)
{
	struct vu_state *s;
	const void *bytes;
	size_t len;

	(void)state;
	assert_ok(state_new(1 << 20, &s));
	assert_int_equal(vu_state_put_u64(s, 1, 0, 1), -EINVAL); /* it is not being saved */
	state_free(s);
	assert_ok(state_new(1 << 20, &s));
	state_begin(s, 5, 0);
	assert_int_equal(vu_state_put_u64(s, 0, 0, 1), -EINVAL);
	assert_int_equal(vu_state_put_u64(s, 1, 0, 1), -EINVAL);
	assert_int_equal(state_finish(s, &bytes, &len), -EINVAL);
	state_free(s);
	assert_ok(state_new(1 << 20, &s));
	state_begin(s, 5, 0);
	assert_int_equal(vu_state_put(s, 1, 0, "", SIZE_MAX), -EFBIG);
	state_free(s);
	assert_ok(state_new(UINT64_MAX, &s));
	state_begin(s, 5, 0);
	for (int i = 0; i < STATE_MAX_RECORDS; i++)
		assert_ok(vu_state_put(s, 1, 0, NULL, 0));
	assert_int_equal(vu_state_put(s, 1, 0, NULL, 0), -EFBIG);
	state_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipe_that_is_never_closed_holds_up_only_its_front_end),
		cmocka_unit_test(a_state_has_no_more_records_than_it_may),
		cmocka_unit_test(the_end_of_a_pipe_may_come_after_the_check),
		cmocka_unit_test(what_comes_after_the_check_may_be_loaded_later),
		cmocka_unit_test(answers_are_given_in_any_order),
		cmocka_unit_test(the_front_end_cannot_make_our_end_of_the_pipe_block),
		cmocka_unit_test(the_descriptor_that_comes_may_be_anything),
		cmocka_unit_test(a_transfer_takes_the_place_of_one_that_was_given_up),
		cmocka_unit_test(a_session_may_be_ended_while_it_saves),
		cmocka_unit_test(a_puts_failure_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
