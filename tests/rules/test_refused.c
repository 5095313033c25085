/* SPDX-License-Identifier: MIT */
/* Rule: a message whose values cannot be ends the session, with a line that says which value. */
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rules/rig.h"

struct refused {
	uint32_t request;
	uint32_t size;
	union {
		uint64_t number;
		struct wire_vring_state state;
		struct wire_inflight inflight;
	} payload;
	const char *line;
};

/* It ends the session, and the next one is served. */
static void expect_refused(const struct refused *row)
{
	const struct rig_config config = {.device = {.flags = VU_DEVICE_INBAND}};
	struct rig rig;

	rig_open(&rig, &config);
	rig_send(&rig, row->request, &row->payload, row->size, NULL, 0);
	rig_pump(&rig);
	if (rig.ended != 1)
		fail_msg("the session goes on: %s", row->line);
	rig_expect_errors(&rig, row->line, 1);
	peer_disconnect(rig.peer);
	rig_start(&rig);
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

static void values_that_cannot_be_end_the_session_with_a_line(void **state)
{
	static const struct refused rows[] = {
		{WIRE_SET_VRING_ENABLE, 8, {.state = {1, 2}}, "queue 1: enable is 0 or 1, not 2"},
		{WIRE_SET_VRING_ENABLE, 8, {.state = {2, 1}}, "queue 2: the device has only 2"},
		{WIRE_GET_INFLIGHT_FD,
		 sizeof(struct wire_inflight),
		 {.inflight = {.n_queues = 3, .queue_size = 64}},
		 "an in-flight log for 3 queues of 64 entries"},
		{WIRE_SET_STATUS, 8, {.number = 0x1ff}, "status of 0x1ff has more than 8 bits"},
		{WIRE_SET_PROTOCOL_FEATURES,
		 8,
		 {.number = RIG_BIT(WIRE_PF_INBAND_NOTIFICATIONS) | RIG_BIT(WIRE_PF_REPLY_ACK)},
		 "in-band notifications were acked without BACKEND_REQ and REPLY_ACK"},
		{WIRE_SET_PROTOCOL_FEATURES,
		 8,
		 {.number = RIG_BIT(WIRE_PF_INBAND_NOTIFICATIONS) | RIG_BIT(WIRE_PF_BACKEND_REQ)},
		 "in-band notifications were acked without BACKEND_REQ and REPLY_ACK"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_refused(&rows[i]);
}

/* What was mapped before it is not left, and what there was stays. */
static void one_bad_region_of_a_table_is_the_end_of_that_table(void **state)
{
	struct wire_mem_table table = {.n_regions = 3};
	int fds[3], fd = memfd_create("small", MFD_CLOEXEC);
	struct rig rig;

	(void)state;
	assert_ok(ftruncate(fd, 4096));
	for (uint32_t i = 0; i < 3; i++) {
		table.regions[i] = (struct wire_region){.guest_addr = (i + 1) << 20,
							.size = i == 1 ? 8192 : 4096,
							.user_addr = (i + 1) << 20};
		fds[i] = fd;
	}
	rig_open(&rig, NULL);
	rig_send(&rig, WIRE_SET_MEM_TABLE, &table, offsetof(struct wire_mem_table, regions[3]), fds,
		 3);
	rig_pump(&rig);
	assert_true(rig_recv_ack(&rig, WIRE_SET_MEM_TABLE) != 0);
	rig_expect_errors(&rig, "it reaches beyond the end of its file", 1);
	assert_int_equal(count_mappings_of("/memfd:small"), 0);
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
	close(fd);
}

/* The driver can have it done at will: that is no reason to end the session. */
static void a_device_refuses_to_have_its_configuration_read_or_written(void **state)
{
	static const unsigned char writable[8] = {0xff, 0xff};
	const struct rig_config config = {
		.config_callbacks = true,
		.device = {.config_size = sizeof(writable), .config_writable = writable}};
	struct frontend *f;
	char data[8] = "";
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	f = &rig.peer->frontend;
	rig.config_result = -EIO;
	assert_int_equal(frontend_get_config(f, 0, data, sizeof(data)), -EREMOTEIO);
	assert_int_equal(rig_logged(&rig, "refused to read 8 bytes of its configuration"), 1);
	assert_true(frontend_set_config(f, 0, "ab", 2, 0) < 0);
	assert_int_equal(rig_logged(&rig, "refused"), 2);
	rig.config_result = 0;
	assert_ok(frontend_get_config(f, 0, data, sizeof(data)));
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_that_cannot_be_end_the_session_with_a_line),
		cmocka_unit_test(one_bad_region_of_a_table_is_the_end_of_that_table),
		cmocka_unit_test(a_device_refuses_to_have_its_configuration_read_or_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
