/* SPDX-License-Identifier: MIT */
/* The validator against every row: good, wrong size, wrong fds, not negotiated; and its acks. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/test.h"
#include "recorder.h"

/* The message ends the session, no handler runs, and one line names message and reason. */
static void assert_refused(struct recorder *s, struct wire_msg *msg, const char *name,
			   const char *reason)
{
	s->runs = s->replies = 0;
	log_book_open(&s->logged);
	assert_int_equal(dispatch(s, msg), -EPROTO);
	assert_int_equal(s->runs, 0);
	assert_int_equal(s->replies, 0);
	assert_int_equal(s->logged.lines[VU_LOG_ERROR], 1);
	assert_int_equal(s->logged.lines[VU_LOG_WARNING], 0);
	if (!strstr(s->logged.last_error, name) || !strstr(s->logged.last_error, reason))
		fail_msg("'%s' lacks '%s' or '%s'", s->logged.last_error, name, reason);
}

static void a_good_message_runs_its_own_handler_once(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= N_FRONT_END; id++) {
		const struct expected *e = &front_end[id - 1];

		for (uint32_t n_fds = e->min_fds; e->handler && n_fds <= e->max_fds; n_fds++) {
			for (int takes_fds = 0; takes_fds < 2; takes_fds++) {
				struct recorder *s = recorder_new();

				s->takes_fds = takes_fds;
				assert_int_equal(dispatch(s, good_message(id, n_fds)), 0);
				assert_int_equal(s->runs, 1);
				assert_string_equal(s->ran, e->handler);
				assert_int_equal(s->replies, e->reply == REPLY_ALWAYS_ACK);
				assert_int_equal(log_book_complaints(&s->logged), 0);
				free(s);
			}
		}
	}
}

static void a_message_without_a_handler_ends_the_session(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= N_FRONT_END; id++) {
		struct recorder *s = recorder_new();
		struct wire_msg *msg;

		if (!front_end[id - 1].handler) {
			msg = good_message(id, front_end[id - 1].min_fds);
			msg->hdr.flags |= WIRE_NEED_REPLY;
			assert_refused(s, msg, front_end[id - 1].name, "not implemented");
		}
		free(s);
	}
}

static void a_short_or_long_payload_ends_the_session(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= N_FRONT_END; id++) {
		const struct expected *e = &front_end[id - 1];
		struct recorder *s = recorder_new();
		struct wire_msg *msg;

		if (e->handler && e->size) {
			msg = good_message(id, e->min_fds);
			msg->hdr.size--;
			assert_refused(s, msg, e->name, "want");
		}
		/* Which QEMU's GET_SHARED_OBJECT is. */
		if (e->handler && e->size && id != WIRE_GET_SHARED_OBJECT) {
			msg = good_message(id, e->min_fds);
			msg->hdr.size = 0;
			assert_refused(s, msg, e->name, "payload of 0 bytes");
		}
		if (e->handler) {
			msg = good_message(id, e->min_fds);
			/* The table's own rule lets it be longer, up to the whole struct. */
			msg->hdr.size = id == WIRE_SET_MEM_TABLE ? 265 : e->size + 1;
			assert_refused(s, msg, e->name, "want");
		}
		free(s);
	}
}

static void a_missing_or_extra_fd_ends_the_session(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= N_FRONT_END; id++) {
		const struct expected *e = &front_end[id - 1];
		struct recorder *s = recorder_new();

		if (e->handler && e->min_fds)
			assert_refused(s, good_message(id, e->min_fds - 1U), e->name, "fds, want");
		if (e->handler)
			assert_refused(s, good_message(id, e->max_fds + 1U), e->name, "fds, want");
		free(s);
	}
}

static void a_message_that_was_not_negotiated_ends_the_session(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= N_FRONT_END; id++) {
		const struct expected *e = &front_end[id - 1];
		struct recorder *s = recorder_new();
		struct wire_msg *msg = good_message(id, e->min_fds);

		if (e->need == PROTO)
			s->has_protocol_features = false;
		else if (e->need == NEED_GPU)
			s->has_gpu = false;
		else if (e->need == IOMMU)
			s->has_access_platform = false;
		else if (e->need >= 0 && e->need < WIRE_PF_END)
			s->protocol_features &= ~(UINT64_C(1) << e->need);
		else
			s->protocol_features = 0;
		if (!e->handler)
			assert_refused(s, msg, e->name, "not implemented");
		else if (e->need == PLAIN)
			assert_int_equal(dispatch(s, msg), 0);
		else
			assert_refused(s, msg, e->name, "was not negotiated");
		free(s);
	}
}

static void an_unknown_message_ends_the_session_whatever_its_flags(void **state)
{
	static const uint32_t ids[] = {0, 45, 46, 1000, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct recorder *s = recorder_new();
		char name[32];

		snprintf(name, sizeof(name), "message %u(", ids[i]);
		for (uint32_t flags = 0; flags <= WIRE_NEED_REPLY; flags += WIRE_NEED_REPLY) {
			struct wire_msg *msg = good_message(WIRE_SET_OWNER, 2);

			msg->hdr.request = ids[i];
			msg->hdr.flags |= flags;
			assert_refused(s, msg, name, "is not known");
		}
		free(s);
	}
}

static void a_request_marked_as_a_reply_ends_the_session(void **state)
{
	struct recorder *s = recorder_new();
	struct wire_msg *msg = good_message(WIRE_GET_FEATURES, 0);

	(void)state;
	msg->hdr.flags |= WIRE_REPLY;
	assert_refused(s, msg, "GET_FEATURES", "is a reply");
	free(s);
}

static void the_no_fd_flag_says_how_many_fds_come(void **state)
{
	static const uint32_t ids[] = {WIRE_SET_VRING_KICK, WIRE_SET_VRING_CALL,
				       WIRE_SET_VRING_ERR};
	uint64_t none = 5 | WIRE_VRING_NOFD;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct recorder *s = recorder_new();
		struct wire_msg *msg = good_message(ids[i], 0);

		memcpy(msg->payload, &none, sizeof(none));
		assert_int_equal(dispatch(s, msg), 0);
		assert_int_equal(s->runs, 1);
		msg = good_message(ids[i], 1);
		memcpy(msg->payload, &none, sizeof(none));
		assert_refused(s, msg, "(index 5 nofd)", "1 fds, want 0");
		free(s);
	}
}

static void a_memory_table_comes_with_an_fd_a_region(void **state)
{
	(void)state;
	for (uint32_t n = 0; n <= WIRE_TABLE_REGIONS; n++) {
		for (uint32_t n_fds = 0; n_fds <= WIRE_MAX_FDS; n_fds++) {
			struct recorder *s = recorder_new();
			struct wire_msg *msg = good_message(WIRE_SET_MEM_TABLE, n_fds);

			memcpy(msg->payload, &n, sizeof(n));
			msg->hdr.size = 8 + 32 * n;
			assert_int_equal(dispatch(s, msg), n == n_fds ? 0 : -EPROTO);
			assert_int_equal(s->runs, n == n_fds);
			free(s);
		}
	}
}

static void an_ack_is_sent_when_asked_for_and_negotiated(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= N_FRONT_END; id++) {
		const struct expected *e = &front_end[id - 1];
		struct recorder *s = recorder_new();

		if (e->handler && e->reply == REPLY_ACK) {
			assert_int_equal(dispatch_flags(s, id, 0), 0);
			assert_int_equal(s->replies, 0);
			s->reply = 99;
			assert_int_equal(dispatch_flags(s, id, WIRE_NEED_REPLY), 0);
			assert_int_equal(s->replies, 1);
			assert_int_equal(s->reply, 0);
			s->protocol_features &= ~(UINT64_C(1) << WIRE_PF_REPLY_ACK);
			assert_int_equal(dispatch_flags(s, id, WIRE_NEED_REPLY), 0);
			assert_int_equal(s->replies, 1);
		}
		free(s);
	}
}

static void set_protocol_features_that_negotiates_reply_ack_is_acked_itself(void **state)
{
	struct recorder *s = recorder_new();

	(void)state;
	s->protocol_features = 0;
	s->acks_while_run = UINT64_C(1) << WIRE_PF_REPLY_ACK;
	assert_int_equal(dispatch_flags(s, WIRE_SET_PROTOCOL_FEATURES, WIRE_NEED_REPLY), 0);
	assert_int_equal(s->replies, 1);
	assert_int_equal(s->reply, 0);
	free(s);
}

static void a_message_answered_by_its_handler_is_not_answered_again(void **state)
{
	struct recorder *s = recorder_new();

	(void)state;
	s->result = MESSAGE_REPLIED;
	assert_int_equal(dispatch_flags(s, WIRE_GET_FEATURES, WIRE_NEED_REPLY), 0);
	assert_int_equal(dispatch_flags(s, WIRE_SET_STATUS, WIRE_NEED_REPLY), 0);
	assert_int_equal(dispatch_flags(s, WIRE_SET_MEM_TABLE, 0), 0);
	assert_int_equal(s->runs, 3);
	assert_int_equal(s->replies, 0);
	free(s);
}

static void a_message_that_waits_keeps_its_fds_and_is_answered_at_the_end(void **state)
{
	static const struct {
		int result, replies;
		uint64_t reply;
	} ends[] = {{MESSAGE_DONE, 1, 0}, {-EINVAL, 1, 1}, {MESSAGE_REPLIED, 0, 99}};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct recorder *s = recorder_new();
		struct wire_msg *msg = good_message(WIRE_SET_MEM_TABLE, 2);
		int last = msg->fds[1];

		s->reply = 99;
		s->result = MESSAGE_LATER;
		msg->hdr.flags |= WIRE_NEED_REPLY;
		assert_int_equal(message_dispatch(&s->session, msg), 0);
		assert_int_equal(s->runs, 1);
		assert_int_equal(s->replies, 0);
		close(wire_msg_take_fd(msg));
		assert_true(fcntl(last, F_GETFD) >= 0);
		assert_int_equal(message_finish(&s->session, msg, ends[i].result), 0);
		assert_int_equal(fcntl(last, F_GETFD), -1);
		assert_int_equal(s->runs, 1);
		assert_int_equal(s->replies, ends[i].replies);
		assert_int_equal(s->reply, ends[i].reply);
		free(msg);
		free(s);
	}
}

static void a_refusal_is_a_negative_ack_where_one_was_asked_for(void **state)
{
	struct recorder *s = recorder_new();

	(void)state;
	s->result = -EINVAL;
	assert_int_equal(dispatch_flags(s, WIRE_ADD_MEM_REG, WIRE_NEED_REPLY), 0);
	assert_int_equal(s->replies, 1);
	assert_int_equal(s->reply, 1);
	/* It is the handler that says why. */
	assert_int_equal(s->logged.lines[VU_LOG_WARNING], 0);
	assert_int_equal(s->logged.lines[VU_LOG_ERROR], 0);
	free(s);
}

static void a_refusal_that_nobody_would_hear_of_ends_the_session(void **state)
{
	struct recorder *s = recorder_new();

	(void)state;
	s->result = -ENOMEM;
	assert_int_equal(dispatch_flags(s, WIRE_ADD_MEM_REG, 0), -ENOMEM);
	/* A reply of its own has no place for an error. */
	assert_int_equal(dispatch_flags(s, WIRE_GET_FEATURES, WIRE_NEED_REPLY), -ENOMEM);
	s->protocol_features &= ~(UINT64_C(1) << WIRE_PF_REPLY_ACK);
	assert_int_equal(dispatch_flags(s, WIRE_SET_FEATURES, WIRE_NEED_REPLY), -ENOMEM);
	assert_int_equal(s->logged.lines[VU_LOG_ERROR], 0);
	assert_int_equal(s->replies, 0);
	free(s);
}

static void a_protocol_error_of_a_handler_is_never_acked(void **state)
{
	struct recorder *s = recorder_new();

	(void)state;
	s->result = -EPROTO;
	assert_int_equal(dispatch_flags(s, WIRE_SET_FEATURES, WIRE_NEED_REPLY), -EPROTO);
	assert_int_equal(s->replies, 0);
	/* The handler has logged why. */
	assert_int_equal(log_book_complaints(&s->logged), 0);
	free(s);
}

static void an_ack_that_cannot_be_sent_ends_the_session(void **state)
{
	struct recorder *s = recorder_new();

	(void)state;
	s->reply_error = -EPIPE;
	assert_int_equal(dispatch_flags(s, WIRE_SET_FEATURES, WIRE_NEED_REPLY), -EPIPE);
	s->result = -EINVAL;
	assert_int_equal(dispatch_flags(s, WIRE_SET_FEATURES, WIRE_NEED_REPLY), -EPIPE);
	free(s);
}

static void the_line_about_a_wrong_size_names_message_and_sizes(void **state)
{
	struct recorder *s = recorder_new();
	struct wire_msg *msg = good_message(WIRE_SET_VRING_NUM, 0);

	(void)state;
	msg->hdr.size = 4;
	assert_int_equal(dispatch(s, msg), -EPROTO);
	assert_string_equal(s->logged.last_error,
			    "dev0: SET_VRING_NUM: payload of 4 bytes, want 8 (a vring state)");
	free(s);
}

static void every_message_is_logged_with_its_values_before_it_runs(void **state)
{
	struct recorder *s = recorder_new();
	struct wire_vring_state ring = {2, 256};
	struct wire_msg *msg = good_message(WIRE_SET_VRING_NUM, 0);

	(void)state;
	memcpy(msg->payload, &ring, sizeof(ring));
	msg->hdr.flags |= WIRE_NEED_REPLY;
	assert_int_equal(dispatch(s, msg), 0);
	assert_int_equal(s->logged.lines[VU_LOG_DEBUG], 1);
	assert_string_equal(s->logged.last,
			    "dev0: SET_VRING_NUM(index 2 num 256), 0 fds, needs a reply");
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_message_runs_its_own_handler_once),
		cmocka_unit_test(a_message_without_a_handler_ends_the_session),
		cmocka_unit_test(a_short_or_long_payload_ends_the_session),
		cmocka_unit_test(a_missing_or_extra_fd_ends_the_session),
		cmocka_unit_test(a_message_that_was_not_negotiated_ends_the_session),
		cmocka_unit_test(an_unknown_message_ends_the_session_whatever_its_flags),
		cmocka_unit_test(a_request_marked_as_a_reply_ends_the_session),
		cmocka_unit_test(the_no_fd_flag_says_how_many_fds_come),
		cmocka_unit_test(a_memory_table_comes_with_an_fd_a_region),
		cmocka_unit_test(an_ack_is_sent_when_asked_for_and_negotiated),
		cmocka_unit_test(set_protocol_features_that_negotiates_reply_ack_is_acked_itself),
		cmocka_unit_test(a_message_answered_by_its_handler_is_not_answered_again),
		cmocka_unit_test(a_message_that_waits_keeps_its_fds_and_is_answered_at_the_end),
		cmocka_unit_test(a_refusal_is_a_negative_ack_where_one_was_asked_for),
		cmocka_unit_test(a_refusal_that_nobody_would_hear_of_ends_the_session),
		cmocka_unit_test(a_protocol_error_of_a_handler_is_never_acked),
		cmocka_unit_test(an_ack_that_cannot_be_sent_ends_the_session),
		cmocka_unit_test(the_line_about_a_wrong_size_names_message_and_sizes),
		cmocka_unit_test(every_message_is_logged_with_its_values_before_it_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
