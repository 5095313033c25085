/* SPDX-License-Identifier: MIT */
/*
 * Rules: legacy drivers of big-endian guests.  The driver of the peer is little-endian; so its
 * rings are turned round in place before the device looks at them, and again afterwards.
 */
#include <byteswap.h>
#include <string.h>

#include <libvu/unstable.h>

#include "rules/rig.h"

enum { SIZE = 16, INDIRECT = 4 };

static const uint64_t low_bits = UINT32_MAX & ~RIG_BIT(VU_F_LOG_ALL);

static void swap16(void *p, size_t n)
{
	uint16_t *words = p;

	for (size_t i = 0; i < n; i++)
		words[i] = bswap_16(words[i]);
}

static void swap_descriptors(struct driver_split_desc *d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		d[i].addr = bswap_64(d[i].addr);
		d[i].len = bswap_32(d[i].len);
		swap16(&d[i].flags, 2);
	}
}

static void swap_ring(struct driver_ring *r)
{
	struct driver_split *s = &r->split;
	uint16_t *used = (uint16_t *)(void *)s->used;

	swap_descriptors(s->desc, r->size);
	if (r->tables)
		swap_descriptors(r->tables, (size_t)r->size * r->max_indirect);
	swap16(s->avail, 2 + r->size + 1);
	swap16(used, 2);
	for (uint32_t i = 0; i < r->size; i++) {
		s->used->ring[i].id = bswap_32(s->used->ring[i].id);
		s->used->ring[i].len = bswap_32(s->used->ring[i].len);
	}
	swap16(driver_split_avail_event(r), 1);
}

/* The device's turn. */
static void pump_big(void *opaque)
{
	struct rig *rig = opaque;

	for (uint32_t i = 0; i < rig->n_queues; i++)
		swap_ring(rig->peer->queues[i]);
	rig_pump(rig);
	for (uint32_t i = 0; i < rig->n_queues; i++)
		swap_ring(rig->peer->queues[i]);
}

static void set_endian(struct rig *rig, uint32_t queue, uint32_t order)
{
	const struct wire_vring_state state = {queue, order};

	rig_send(rig, WIRE_SET_VRING_ENDIAN, &state, sizeof(state), NULL, 0);
	assert_int_equal(rig_recv_ack(rig, WIRE_SET_VRING_ENDIAN), 0);
}

static void make(struct rig *rig, uint64_t features)
{
	const struct rig_config config = {
		.device = {.flags = VU_DEVICE_LEGACY},
		.peer = {.features = features,
			 .protocol_features = ~UINT64_C(0),
			 .queue_size = SIZE,
			 .max_indirect = INDIRECT},
	};

	rig_make(rig, &config);
	assert_ok(vu_device_set_cross_endian(rig->dev, 1));
	rig_connect(rig);
	assert_ok(peer_negotiate(rig->peer));
	assert_true(rig->peer->frontend.protocol_features & RIG_BIT(WIRE_PF_CROSS_ENDIAN));
	assert_ok(peer_set_driver(rig->peer));
}

static void start_big(struct rig *rig, uint64_t features)
{
	make(rig, features);
	for (uint32_t i = 0; i < rig->n_queues; i++)
		set_endian(rig, i, 1);
	rig->peer->frontend.pump = pump_big;
	assert_ok(peer_start_rings(rig->peer));
}

static void roundtrip_big(struct rig *rig, uint32_t q, uint32_t n)
{
	rig_submit(rig, q, n);
	pump_big(rig);
	assert_int_equal(rig_collect(rig, q), n);
	assert_int_equal(vu_queue_is_big_endian(vu_device_queue(rig->dev, q)), 1);
}

static void many_roundtrips(uint64_t features)
{
	struct rig rig;

	start_big(&rig, features);
	for (uint32_t i = 0; i < 10000; i++)
		roundtrip_big(&rig, i % 2, 1 + i % (SIZE / 2));
	assert_ok(peer_stop(rig.peer));
	rig_close(&rig);
}

static void a_big_endian_ring_is_served_lap_after_lap(void **state)
{
	(void)state;
	many_roundtrips(low_bits);
	many_roundtrips(low_bits & ~RIG_BIT(VU_F_EVENT_IDX));
	many_roundtrips(low_bits & ~RIG_BIT(VU_F_INDIRECT_DESC));
}

static void indirect_tables_are_big_endian_too(void **state)
{
	struct rig rig;

	(void)state;
	start_big(&rig, low_bits);
	for (uint32_t i = 0; i < 100; i++) {
		struct driver_ring *ring = rig.peer->queues[0];
		uint64_t at = guest_alloc(rig.peer->guest, 2 * RIG_BYTES, 64);
		unsigned char *bytes = guest_ptr(rig.peer->guest, at, 2 * RIG_BYTES);
		const struct driver_seg segs[] = {{at, RIG_BYTES, false},
						  {at + RIG_BYTES, RIG_BYTES / 2, true},
						  {at + RIG_BYTES * 3 / 2, RIG_BYTES / 2, true}};

		memset(bytes, (int)i, 2 * RIG_BYTES);
		assert_true(driver_add_indirect(ring, segs, 3, bytes) >= 0);
		assert_true(driver_kick(ring) >= 0);
		pump_big(&rig);
		assert_int_equal(rig_collect(&rig, 0), 1);
	}
	rig_close(&rig);
}

static void a_flaw_breaks_a_big_endian_ring_as_any_other(void **state)
{
	struct rig rig;

	(void)state;
	start_big(&rig, low_bits);
	driver_split_offer(rig.peer->queues[0], SIZE);
	assert_true(driver_kick(rig.peer->queues[0]) >= 0);
	pump_big(&rig);
	rig_expect_errors(&rig, "an available entry beyond the descriptor table", 1);
	roundtrip_big(&rig, 1, 3);
	rig_close(&rig);
}

static void rings_of_version_1_are_little_endian_whatever_is_said(void **state)
{
	struct rig rig;

	(void)state;
	make(&rig, 0);
	set_endian(&rig, 0, 1);
	assert_ok(peer_start_rings(rig.peer));
	rig_roundtrip(&rig, 0, 3);
	assert_int_equal(vu_queue_is_big_endian(vu_device_queue(rig.dev, 0)), 0);
	rig_close(&rig);
}

static void the_order_holds_from_the_next_start_on(void **state)
{
	struct rig rig;

	(void)state;
	start_big(&rig, low_bits);
	roundtrip_big(&rig, 0, 3);
	set_endian(&rig, 0, 0);
	roundtrip_big(&rig, 0, 3);
	rig_close(&rig);
}

static void other_orders_and_queues_end_the_session(void **state)
{
	static const struct wire_vring_state wrong[] = {{0, 2}, {0, UINT32_MAX}, {77, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct rig rig;

		make(&rig, low_bits);
		rig_send(&rig, WIRE_SET_VRING_ENDIAN, &wrong[i], sizeof(wrong[i]), NULL, 0);
		assert_ok(frontend_wait_closed(&rig.peer->frontend));
		rig.errors_expected++;
		rig_close(&rig);
	}
}

static void only_a_device_for_legacy_drivers_can_have_it(void **state)
{
	uint64_t bits;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_int_equal(vu_device_set_cross_endian(rig.dev, 1), -EINVAL);
	rig_expect_errors(&rig, "set VU_DEVICE_LEGACY", 1);
	rig_connect(&rig);
	assert_ok(frontend_get_protocol_features(&rig.peer->frontend, &bits));
	assert_false(bits & RIG_BIT(WIRE_PF_CROSS_ENDIAN));
	assert_int_equal(vu_device_set_cross_endian(rig.dev, 0), -EBUSY);
	rig_expect_errors(&rig, "a front-end is attached", 1);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_big_endian_ring_is_served_lap_after_lap),
		cmocka_unit_test(indirect_tables_are_big_endian_too),
		cmocka_unit_test(a_flaw_breaks_a_big_endian_ring_as_any_other),
		cmocka_unit_test(rings_of_version_1_are_little_endian_whatever_is_said),
		cmocka_unit_test(the_order_holds_from_the_next_start_on),
		cmocka_unit_test(other_orders_and_queues_end_the_session),
		cmocka_unit_test(only_a_device_for_legacy_drivers_can_have_it),
	};

	/* On a big-endian host legacy drivers are refused. */
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
