/* SPDX-License-Identifier: MIT */
/* The message table against the specification's list, and how messages read in a log. */
#include <stdlib.h>
#include <string.h>

#include "kit/test.h"
#include "recorder.h"

static void assert_row(const struct message *m, uint32_t id, const struct expected *e)
{
	unsigned char payload[WIRE_MAX_PAYLOAD] = {0};
	const char *want;

	assert_non_null(m);
	assert_int_equal(m->id, id);
	assert_string_equal(m->name, e->name);
	assert_int_equal(m->need, e->need);
	assert_int_equal(m->reply, e->reply);
	assert_true(wire_layout_fits(m->request, payload, e->size, &want));
	if (e->reply == REPLY_OWN)
		assert_true(wire_layout_fits(m->reply_layout, payload, e->reply_size, &want));
	assert_int_equal(m->handler != NULL, e->handler != NULL);
	assert_true(m->min_fds <= e->min_fds && m->max_fds >= e->max_fds);
	assert_true(m->max_fds <= WIRE_MAX_FDS);
}

static void the_table_has_every_message_of_the_specification(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= N_FRONT_END; id++)
		assert_row(message_find(id), id, &front_end[id - 1]);
	for (uint32_t id = 1; id <= N_BACK_END; id++)
		assert_row(message_find_backend(id), id, &back_end[id - 1]);
}

static void an_id_outside_the_specification_has_no_row(void **state)
{
	static const uint32_t ids[] = {0, 45, 1000, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_null(message_find(ids[i]));
		assert_null(message_find_backend(ids[i]));
	}
	assert_null(message_find_backend(11));
}

static void no_two_messages_have_one_name(void **state)
{
	(void)state;
	for (uint32_t a = 1; a <= N_FRONT_END; a++)
		for (uint32_t b = 1; b < a; b++)
			assert_string_not_equal(message_find(a)->name, message_find(b)->name);
}

static void a_feature_is_offered_only_if_all_its_messages_are_served(void **state)
{
	uint64_t offered = message_protocol_features();

	(void)state;
	assert_true(offered >> WIRE_PF_REPLY_ACK & 1);
	assert_int_equal(offered >> WIRE_PF_END, 0);
	for (uint32_t id = 1; id <= N_FRONT_END; id++) {
		const struct expected *e = &front_end[id - 1];

		if (e->need >= 0 && e->need < WIRE_PF_END && !e->handler)
			assert_false(offered >> e->need & 1);
		if (e->need >= 0 && e->need < WIRE_PF_END && e->handler)
			assert_true(offered >> e->need & 1);
	}
	/* Bits without a message of their own. */
	assert_false(offered >> WIRE_PF_XEN_MMAP & 1);
	assert_true(offered >> WIRE_PF_GPA_ADDRESSES & 1);
	assert_true(offered >> WIRE_PF_HOST_NOTIFIER & 1);
}

static void assert_described(const struct wire_msg *msg, const char *text)
{
	char out[128];

	assert_int_equal(message_describe(msg, out, sizeof(out)), strlen(text));
	assert_string_equal(out, text);
	/* Every shorter buffer: terminated, nothing beyond it. */
	for (size_t size = 0; size <= strlen(text); size++) {
		char *small = malloc(size ? size : 1);

		assert_int_equal(message_describe(msg, size ? small : NULL, size), strlen(text));
		if (size)
			assert_true(strlen(small) < size);
		free(small);
	}
}

static void messages_are_described_even_when_they_are_wrong(void **state)
{
	struct wire_msg *msg = good_message(WIRE_SET_VRING_NUM, 0);
	struct wire_vring_state ring = {0, 256};

	(void)state;
	memcpy(msg->payload, &ring, sizeof(ring));
	assert_described(msg, "SET_VRING_NUM(index 0 num 256)");
	msg->hdr.size = 7;
	assert_described(msg, "SET_VRING_NUM(7 bytes)");
	msg->hdr.request = WIRE_GET_FEATURES;
	msg->hdr.size = 0;
	assert_described(msg, "GET_FEATURES()");
	msg->hdr.request = 1004;
	msg->hdr.size = 12;
	assert_described(msg, "message 1004(12 bytes)");
	free(msg);
}

static void a_shortened_description_still_ends_with_its_parenthesis(void **state)
{
	struct wire_msg *msg = good_message(WIRE_SET_VRING_ADDR, 0);
	char out[40];

	(void)state;
	assert_true(message_describe(msg, out, sizeof(out)) > sizeof(out));
	assert_string_equal(out, "SET_VRING_ADDR(index 0 flags 0x0 de...)");
	free(msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_every_message_of_the_specification),
		cmocka_unit_test(an_id_outside_the_specification_has_no_row),
		cmocka_unit_test(no_two_messages_have_one_name),
		cmocka_unit_test(a_feature_is_offered_only_if_all_its_messages_are_served),
		cmocka_unit_test(messages_are_described_even_when_they_are_wrong),
		cmocka_unit_test(a_shortened_description_still_ends_with_its_parenthesis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
