/* SPDX-License-Identifier: MIT */
/* Payload layouts: which sizes are right, and how values read in a log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/test.h"
#include "wire/layout.h"
#include "wire/conn.h"

/* A copy of exactly size bytes, so that the address sanitizer sees a read beyond it. */
static bool fits(enum wire_layout layout, const void *payload, uint32_t size)
{
	unsigned char *exact = malloc(size ? size : 1);
	const char *want = NULL;
	bool rc;

	if (payload)
		memcpy(exact, payload, size);
	else
		memset(exact, 0, size);
	rc = wire_layout_fits(layout, exact, size, &want);
	if (!rc)
		assert_non_null(want);
	free(exact);
	return rc;
}

static void assert_decodes(enum wire_layout layout, const void *payload, uint32_t size,
			   const char *text)
{
	char out[1024] = "not written";
	unsigned char *exact = malloc(size ? size : 1);

	memcpy(exact, payload, size);
	assert_true(fits(layout, payload, size));
	assert_int_equal(wire_layout_decode(layout, exact, size, out, sizeof(out)), strlen(text));
	assert_string_equal(out, text);
	free(exact);
}

static void every_layout_has_a_name_and_says_what_it_wants(void **state)
{
	(void)state;
	for (unsigned int l = 0; l < WIRE_L_END; l++) {
		const char *want = NULL;

		assert_non_null(wire_layout_name(l));
		assert_false(wire_layout_fits(l, "", UINT32_MAX, &want));
		assert_non_null(want);
	}
	assert_null(wire_layout_name(WIRE_L_END));
}

static void a_layout_of_one_size_accepts_that_size_alone(void **state)
{
	static const struct {
		enum wire_layout layout;
		uint32_t size;
	} fixed[] = {
		{WIRE_L_NONE, 0},	  {WIRE_L_U64, 8},	   {WIRE_L_VRING_STATE, 8},
		{WIRE_L_VRING_ADDR, 40},  {WIRE_L_VRING_FD, 8},	   {WIRE_L_MEM_REG, 40},
		{WIRE_L_IOTLB, 32},	  {WIRE_L_VRING_AREA, 24}, {WIRE_L_CRYPTO, 1072},
		{WIRE_L_DEVICE_STATE, 8}, {WIRE_L_MMAP, 40},	   {WIRE_L_SHMEM_CONFIG, 2056},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		char number[16];
		const char *want;

		for (uint32_t size = 0; size <= WIRE_MAX_PAYLOAD; size++)
			assert_int_equal(fits(fixed[i].layout, NULL, size), size == fixed[i].size);
		wire_layout_fits(fixed[i].layout, "", fixed[i].size + 1, &want);
		snprintf(number, sizeof(number), "%u (", fixed[i].size);
		assert_int_equal(strncmp(want, number, strlen(number)), 0);
		assert_non_null(strstr(want, wire_layout_name(fixed[i].layout)));
	}
}

static void layouts_with_two_sizes_accept_both_and_nothing_between(void **state)
{
	(void)state;
	for (uint32_t size = 0; size <= 64; size++) {
		assert_int_equal(fits(WIRE_L_LOG, NULL, size), size == 8 || size == 16);
		assert_int_equal(fits(WIRE_L_INFLIGHT, NULL, size), size == 20 || size == 24);
	}
}

static void a_memory_table_needs_room_for_its_regions(void **state)
{
	struct wire_mem_table table = {0};

	(void)state;
	for (uint32_t n = 0; n <= 9; n++) {
		table.n_regions = n;
		for (uint32_t size = 0; size <= sizeof(table); size++) {
			bool is_right = n <= 8 && size >= 8 + 32 * n;

			assert_int_equal(fits(WIRE_L_MEM_TABLE, &table, size), is_right);
		}
		assert_false(fits(WIRE_L_MEM_TABLE, NULL, sizeof(table) + 1));
	}
	/* 8 + 32 * n wraps to 8. */
	table.n_regions = UINT32_C(1) << 27;
	assert_false(fits(WIRE_L_MEM_TABLE, &table, 8));
	table.n_regions = UINT32_MAX;
	assert_false(fits(WIRE_L_MEM_TABLE, &table, sizeof(table)));
}

static void the_table_of_user_mode_linux_with_room_to_spare_is_accepted(void **state)
{
	struct wire_mem_table table = {.n_regions = 1};

	(void)state;
	assert_true(fits(WIRE_L_MEM_TABLE, &table, 72));
}

static void a_config_payload_is_as_long_as_it_says(void **state)
{
	static const uint32_t sizes[] = {0, 1, 8, 256, 4095, WIRE_CONFIG_MAX};
	unsigned char payload[WIRE_MAX_PAYLOAD] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct wire_config config = {.offset = 4, .size = sizes[i]};

		memcpy(payload, &config, sizeof(config));
		assert_true(fits(WIRE_L_CONFIG, payload, 12 + sizes[i]));
		assert_false(fits(WIRE_L_CONFIG, payload, 12 + sizes[i] - 1));
		if (12 + sizes[i] < sizeof(payload))
			assert_false(fits(WIRE_L_CONFIG, payload, 12 + sizes[i] + 1));
	}
	for (uint32_t size = 0; size < 12; size++)
		assert_false(fits(WIRE_L_CONFIG, payload, size));
}

static void a_config_size_that_wraps_is_refused(void **state)
{
	struct wire_config config = {.size = UINT32_MAX - 11}; /* 12 more is 0 */
	unsigned char payload[16] = {0};

	(void)state;
	memcpy(payload, &config, sizeof(config));
	assert_false(fits(WIRE_L_CONFIG, payload, 12));
	config.size = WIRE_CONFIG_MAX + 1;
	memcpy(payload, &config, sizeof(config));
	assert_false(fits(WIRE_L_CONFIG, payload, 12));
}

static void a_shared_object_has_a_uuid_or_as_from_qemu_none(void **state)
{
	(void)state;
	for (uint32_t size = 0; size <= WIRE_MAX_PAYLOAD; size++)
		assert_int_equal(fits(WIRE_L_SHARED_OBJECT, NULL, size), !size || size == 16);
}

static void ring_payloads_are_decoded(void **state)
{
	struct wire_vring_state ring = {3, 256};
	struct wire_vring_addr addr = {1, 1, 0x1000, 0x2000, 0x3000, 0xffffffffffffffff};
	uint64_t with_fd = 0x0f, without_fd = 0x1ff;

	(void)state;
	assert_decodes(WIRE_L_NONE, "", 0, "");
	assert_decodes(WIRE_L_U64, &without_fd, 8, "u64 0x1ff");
	assert_decodes(WIRE_L_VRING_STATE, &ring, sizeof(ring), "index 3 num 256");
	assert_decodes(WIRE_L_VRING_ADDR, &addr, sizeof(addr),
		       "index 1 flags 0x1 desc 0x1000 used 0x2000 avail 0x3000"
		       " log 0xffffffffffffffff");
	assert_decodes(WIRE_L_VRING_FD, &with_fd, 8, "index 15");
	assert_decodes(WIRE_L_VRING_FD, &without_fd, 8, "index 255 nofd");
}

static void memory_payloads_are_decoded(void **state)
{
	struct wire_mem_table table = {
		.n_regions = 2,
		.regions = {{0, 0x1000, 0, 0}, {0x100000000, 0x2000, 0x7f0000000000, 0x1000}},
	};
	struct wire_mem_reg reg = {.region = {1, 2, 3, 4}};
	uint64_t base = 0x123;
	struct wire_log log = {0x4000, 0x10};
	struct wire_mmap map = {.shmid = 7, .fd_offset = 1, .shm_offset = 2, .len = 3, .flags = 1};
	struct wire_shmem_config shmem = {.n_regions = 2};

	(void)state;
	assert_decodes(WIRE_L_MEM_TABLE, &table, 8 + 2 * 32,
		       "num_regions 2"
		       " region0: guest_addr 0x0 size 0x1000 user_addr 0x0 mmap_offset 0x0"
		       " region1: guest_addr 0x100000000 size 0x2000 user_addr 0x7f0000000000"
		       " mmap_offset 0x1000");
	assert_decodes(WIRE_L_MEM_REG, &reg, sizeof(reg),
		       "guest_addr 0x1 size 0x2 user_addr 0x3 mmap_offset 0x4");
	assert_decodes(WIRE_L_LOG, &base, 8, "u64 0x123");
	assert_decodes(WIRE_L_LOG, &log, sizeof(log), "size 0x4000 offset 0x10");
	assert_decodes(WIRE_L_MMAP, &map, sizeof(map),
		       "shmid 7 fd_offset 0x1 shm_offset 0x2 len 0x3 flags 0x1");
	shmem.size[0] = 0x1000;
	shmem.size[255] = 0x200000;
	assert_decodes(WIRE_L_SHMEM_CONFIG, &shmem, sizeof(shmem),
		       "num_regions 2 size0: 0x1000 size255: 0x200000");
}

static void other_payloads_are_decoded(void **state)
{
	struct wire_iotlb iotlb = {0x1000, 0x2000, 0x3000, 3, 2, {0}};
	unsigned char config[12 + 4] = {0};
	struct wire_config head = {4, 4, 1};
	struct wire_inflight inflight = {0x1000, 0, 2, 128};
	struct wire_vring_area area = {0x102, 0x1000, 0x2000};
	struct wire_shared_object object;
	struct wire_device_state load = {1, 0}, odd = {2, 1};
	unsigned char key[sizeof(struct wire_crypto)] = {0};
	uint64_t op = 0x10;

	(void)state;
	assert_decodes(WIRE_L_IOTLB, &iotlb, sizeof(iotlb),
		       "type update iova 0x1000 size 0x2000 user_addr 0x3000 perm 3");
	iotlb.type = 0;
	assert_decodes(WIRE_L_IOTLB, &iotlb, sizeof(iotlb),
		       "type 0 iova 0x1000 size 0x2000 user_addr 0x3000 perm 3");
	iotlb.type = 5;
	assert_decodes(WIRE_L_IOTLB, &iotlb, sizeof(iotlb),
		       "type 5 iova 0x1000 size 0x2000 user_addr 0x3000 perm 3");
	memcpy(config, &head, sizeof(head));
	assert_decodes(WIRE_L_CONFIG, config, sizeof(config), "offset 4 size 4 flags 0x1");
	assert_decodes(WIRE_L_INFLIGHT, &inflight, 20,
		       "mmap_size 0x1000 mmap_offset 0x0 num_queues 2 queue_size 128");
	assert_decodes(WIRE_L_INFLIGHT, &inflight, 24,
		       "mmap_size 0x1000 mmap_offset 0x0 num_queues 2 queue_size 128");
	assert_decodes(WIRE_L_VRING_AREA, &area, sizeof(area),
		       "index 2 nofd size 0x1000 offset 0x2000");
	for (unsigned char i = 0; i < 16; i++)
		object.uuid[i] = i;
	assert_decodes(WIRE_L_SHARED_OBJECT, &object, sizeof(object),
		       "uuid 00010203-0405-0607-0809-0a0b0c0d0e0f");
	assert_decodes(WIRE_L_DEVICE_STATE, &load, sizeof(load), "direction load phase 0");
	assert_decodes(WIRE_L_DEVICE_STATE, &odd, sizeof(odd), "direction 2 phase 1");
	memcpy(key, &op, sizeof(op));
	memset(key + 8, 0xee, sizeof(key) - 8);
	assert_decodes(WIRE_L_CRYPTO, key, sizeof(key), "op_code 0x10 bytes 1072");
}

static void a_text_that_does_not_fit_is_cut_with_dots(void **state)
{
	struct wire_mem_table table = {.n_regions = 8};
	char whole[1024];
	size_t len =
		wire_layout_decode(WIRE_L_MEM_TABLE, &table, sizeof(table), whole, sizeof(whole));

	(void)state;
	assert_int_equal(len, strlen(whole));
	assert_int_equal(wire_layout_decode(WIRE_L_MEM_TABLE, &table, sizeof(table), NULL, 0), len);
	for (size_t size = 1; size <= len + 1; size++) {
		char *out = malloc(size);

		assert_int_equal(
			wire_layout_decode(WIRE_L_MEM_TABLE, &table, sizeof(table), out, size),
			len);
		assert_int_equal(strlen(out), size - 1);
		if (size > len) {
			assert_string_equal(out, whole);
		} else if (size >= 4) {
			assert_memory_equal(out, whole, size - 4);
			assert_string_equal(out + size - 4, "...");
		}
		free(out);
	}
}

static void protocol_features_have_the_specifications_names(void **state)
{
	(void)state;
	assert_string_equal(wire_protocol_feature_name(0), "MQ");
	assert_string_equal(wire_protocol_feature_name(3), "REPLY_ACK");
	assert_string_equal(wire_protocol_feature_name(15), "CONFIGURE_MEM_SLOTS");
	assert_string_equal(wire_protocol_feature_name(20), "GET_VRING_BASE_INFLIGHT");
	assert_string_equal(wire_protocol_feature_name(21), "GPA_ADDRESSES");
	assert_string_equal(wire_protocol_feature_name(22), "SHMEM_MAP");
	for (unsigned int bit = 0; bit <= 22; bit++)
		assert_non_null(wire_protocol_feature_name(bit));
	assert_null(wire_protocol_feature_name(23));
	assert_null(wire_protocol_feature_name(UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_layout_has_a_name_and_says_what_it_wants),
		cmocka_unit_test(a_layout_of_one_size_accepts_that_size_alone),
		cmocka_unit_test(layouts_with_two_sizes_accept_both_and_nothing_between),
		cmocka_unit_test(a_memory_table_needs_room_for_its_regions),
		cmocka_unit_test(the_table_of_user_mode_linux_with_room_to_spare_is_accepted),
		cmocka_unit_test(a_config_payload_is_as_long_as_it_says),
		cmocka_unit_test(a_config_size_that_wraps_is_refused),
		cmocka_unit_test(a_shared_object_has_a_uuid_or_as_from_qemu_none),
		cmocka_unit_test(ring_payloads_are_decoded),
		cmocka_unit_test(memory_payloads_are_decoded),
		cmocka_unit_test(other_payloads_are_decoded),
		cmocka_unit_test(a_text_that_does_not_fit_is_cut_with_dots),
		cmocka_unit_test(protocol_features_have_the_specifications_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
