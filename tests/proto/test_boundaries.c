/* SPDX-License-Identifier: MIT */
/*
 * Values at and beyond their bounds: queue indexes, request ids, headers, ring sizes, feature
 * bits.  Several of these are bugs that other back-end libraries had.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/dut.h"

enum { QUEUES = 2 };

#define BIT(n) (UINT64_C(1) << (n))

struct fixture {
	struct rig dut;
	struct peer *peer;
	struct frontend *f;
};

static void open_as(struct fixture *x, const struct dut_config *dut,
		    const struct peer_config *config)
{
	dut_new(&x->dut, dut);
	x->peer = dut_peer(&x->dut, config);
	x->f = &x->peer->frontend;
}

/* Negotiated and with memory, so that only the value under test can be wrong. */
static void open_negotiated(struct fixture *x)
{
	const struct dut_config dut = {.n_queues = QUEUES};
	const struct peer_config config = {.no_acks = true};

	open_as(x, &dut, &config);
	dut_ok(x->peer, peer_negotiate(x->peer));
	dut_ok(x->peer, peer_set_driver(x->peer));
	dut_ok(x->peer, frontend_set_memory(x->f, x->peer->guest));
}

static void close_all(struct fixture *x)
{
	peer_free(x->peer);
	dut_free(&x->dut);
}

static void send_state(struct frontend *f, uint32_t request, uint32_t index)
{
	const struct wire_vring_state state = {.index = index,
					       .num = request == WIRE_SET_VRING_NUM ? 16 : 0};

	assert_int_equal(frontend_send(f, request, 0, &state, sizeof(state), NULL, 0), 0);
}

static void send_addr(struct frontend *f, uint32_t request, uint32_t index)
{
	const struct wire_vring_addr addr = {.index = index};

	assert_int_equal(frontend_send(f, request, 0, &addr, sizeof(addr), NULL, 0), 0);
}

static void send_fd(struct frontend *f, uint32_t request, uint32_t index)
{
	uint64_t value = index;
	int fd = eventfd(0, 0);

	assert_int_equal(frontend_send(f, request, 0, &value, sizeof(value), &fd, 1), 0);
	close(fd);
}

static const struct indexed {
	uint32_t request;
	void (*send)(struct frontend *f, uint32_t request, uint32_t index);
	uint32_t max; /* what fits the index field */
} indexed[] = {
	{WIRE_SET_VRING_NUM, send_state, UINT32_MAX},
	{WIRE_SET_VRING_BASE, send_state, UINT32_MAX},
	{WIRE_GET_VRING_BASE, send_state, UINT32_MAX},
	{WIRE_SET_VRING_ENABLE, send_state, UINT32_MAX},
	{WIRE_SET_VRING_ADDR, send_addr, UINT32_MAX},
	{WIRE_SET_VRING_KICK, send_fd, 255},
	{WIRE_SET_VRING_CALL, send_fd, 255},
	{WIRE_SET_VRING_ERR, send_fd, 255},
};

enum { INDEXED = sizeof(indexed) / sizeof(indexed[0]) };

static void a_queue_index_beyond_the_last_ends_the_session(void **state)
{
	static const uint32_t indexes[] = {QUEUES,     128,	   255,	      256,
					   0x7fffffff, 0x80000000, UINT32_MAX};
	uint32_t i, n, fds = count_fds();

	for (i = 0; i < INDEXED; i++) {
		for (n = 0; n < sizeof(indexes) / sizeof(indexes[0]); n++) {
			struct fixture x;

			if (indexes[n] > indexed[i].max)
				continue;
			open_negotiated(&x);
			indexed[i].send(x.f, indexed[i].request, indexes[n]);
			dut_expect_refusal(&x.dut, x.peer);
			close_all(&x);
			assert_int_equal(count_fds(), fds);
		}
	}
}

static void the_last_queue_index_is_served(void **state)
{
	struct fixture x;

	open_negotiated(&x);
	dut_ok(x.peer, peer_start_queue(x.peer, QUEUES - 1));
	dut_ok(x.peer, frontend_set_vring_enable(x.f, QUEUES - 1, true));
	dut_expect_echo(x.peer, QUEUES - 1);
	dut_expect_alive(&x.dut, x.peer);
	close_all(&x);
}

static void an_unknown_request_ends_the_session(void **state)
{
	static const uint32_t ids[] = {0, WIRE_REQUEST_END, 1000, 0x80000000, UINT32_MAX};
	uint32_t i;

	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct fixture x;

		open_negotiated(&x);
		dut_ok(x.peer, frontend_send(x.f, ids[i], 0, NULL, 0, NULL, 0));
		dut_expect_refusal(&x.dut, x.peer);
		close_all(&x);
	}
}

static void a_header_that_cannot_be_followed_ends_the_session(void **state)
{
	static const struct wire_header headers[] = {
		{WIRE_GET_FEATURES, 0, 0},
		{WIRE_GET_FEATURES, 2, 0},
		{WIRE_GET_FEATURES, 3, 0},
		{WIRE_GET_FEATURES, WIRE_VERSION | WIRE_REPLY, 0},
		{WIRE_GET_FEATURES, WIRE_VERSION, UINT32_MAX},
		{WIRE_SET_CONFIG, WIRE_VERSION, 1 << 20},
	};
	uint32_t i;

	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct fixture x;

		open_negotiated(&x);
		dut_ok(x.peer, frontend_send_raw(x.f, &headers[i], NULL, 0, NULL, 0));
		dut_expect_refusal(&x.dut, x.peer);
		close_all(&x);
	}
}

static void more_fds_than_a_message_can_have_end_the_session(void **state)
{
	uint32_t i, before = count_fds();
	int fds[FRONTEND_MAX_FDS];
	struct fixture x;

	open_negotiated(&x);
	for (i = 0; i < FRONTEND_MAX_FDS; i++)
		fds[i] = eventfd(0, 0);
	dut_ok(x.peer, frontend_send(x.f, WIRE_SET_OWNER, 0, NULL, 0, fds, FRONTEND_MAX_FDS));
	for (i = 0; i < FRONTEND_MAX_FDS; i++)
		close(fds[i]);
	dut_expect_refusal(&x.dut, x.peer);
	close_all(&x);
	assert_int_equal(count_fds(), before);
}

static void an_fd_beside_the_no_fd_flag_ends_the_session(void **state)
{
	struct fixture x;

	open_negotiated(&x);
	send_fd(x.f, WIRE_SET_VRING_CALL, WIRE_VRING_NOFD);
	dut_expect_refusal(&x.dut, x.peer);
	close_all(&x);
}

static void a_message_that_arrives_byte_by_byte_is_served(void **state)
{
	const struct wire_header hdr = {WIRE_SET_FEATURES, WIRE_VERSION, sizeof(uint64_t)};
	struct fixture x;
	unsigned char bytes[sizeof(hdr) + sizeof(uint64_t)];
	uint64_t features;
	size_t i;

	open_negotiated(&x);
	features = x.f->features;
	memcpy(bytes, &hdr, sizeof(hdr));
	memcpy(bytes + sizeof(hdr), &features, sizeof(features));
	for (i = 0; i < sizeof(bytes); i++) {
		dut_ok(x.peer, frontend_send_bytes(x.f, bytes + i, 1, NULL, 0));
		rig_pump(&x.dut);
	}
	dut_expect_alive(&x.dut, x.peer);
	close_all(&x);
}

/* What the driver may have chosen is not the front-end's fault: the session stays. */
static void expect_broken(struct fixture *x, const char *why)
{
	uint64_t features;

	dut_ok(x->peer, frontend_get_features(x->f, &features));
	assert_int_equal(rig_errors(&x->dut), ++x->dut.errors_expected);
	if (!strstr(x->dut.log.last_error, "queue 0: broken: ") ||
	    !strstr(x->dut.log.last_error, why))
		fail_msg("not '%s' but: %s", why, x->dut.log.last_error);
	dut_expect_alive(&x->dut, x->peer);
}

static void a_ring_size_out_of_range_breaks_the_queue(void **state)
{
	static const uint32_t sizes[] = {0, 32769, 65536, UINT32_MAX};
	uint32_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct fixture x;

		open_negotiated(&x);
		dut_ok(x.peer, frontend_setup_ring(x.f, x.peer->queues[0], 0));
		dut_ok(x.peer, frontend_set_vring_num(x.f, 0, sizes[i]));
		dut_ok(x.peer, frontend_set_vring_kick(x.f, 0, x.peer->queues[0]->kick.device));
		expect_broken(&x, "can be used");
		close_all(&x);
	}
}

static void a_ring_of_a_size_that_is_no_power_of_two_breaks_the_queue(void **state)
{
	struct fixture x;

	open_negotiated(&x);
	dut_ok(x.peer, frontend_setup_ring(x.f, x.peer->queues[0], 0));
	dut_ok(x.peer, frontend_set_vring_num(x.f, 0, 12));
	dut_ok(x.peer, frontend_set_vring_kick(x.f, 0, x.peer->queues[0]->kick.device));
	expect_broken(&x, "no power of two");
	close_all(&x);
}

static void a_ring_outside_the_memory_breaks_the_queue(void **state)
{
	struct wire_vring_addr addr = {.index = 0};
	struct fixture x;
	uint32_t i;

	for (i = 0; i < 3; i++) {
		struct driver_ring *ring;

		open_negotiated(&x);
		ring = x.peer->queues[0];
		addr.desc = guest_uva(x.peer->guest, ring->desc_gpa);
		addr.avail = guest_uva(x.peer->guest, ring->avail_gpa);
		addr.used = guest_uva(x.peer->guest, ring->used_gpa);
		/* One part each a few bytes short of the region's end, and past the address space.
		 */
		*(i == 0   ? &addr.desc
		  : i == 1 ? &addr.avail
			   : &addr.used) =
			i == 1 ? UINT64_MAX - 1 : x.peer->guest->regions[0].uva + PEER_MEMORY - 16;
		dut_ok(x.peer, frontend_setup_ring(x.f, ring, 0));
		dut_ok(x.peer, frontend_set_vring_addr(x.f, &addr));
		dut_ok(x.peer, frontend_set_vring_kick(x.f, 0, ring->kick.device));
		expect_broken(&x, "outside guest memory");
		close_all(&x);
	}
}

static void a_split_ring_with_a_base_beyond_16_bits_breaks_the_queue(void **state)
{
	struct fixture x;

	open_negotiated(&x);
	dut_ok(x.peer, frontend_setup_ring(x.f, x.peer->queues[0], 0));
	dut_ok(x.peer, frontend_set_vring_base(x.f, 0, 65536));
	dut_ok(x.peer, frontend_set_vring_kick(x.f, 0, x.peer->queues[0]->kick.device));
	expect_broken(&x, "16 bits");
	close_all(&x);
}

static void every_ring_size_from_1_to_32768_works(void **state)
{
	uint32_t size;

	for (size = 1; size <= 32768; size *= 2) {
		const struct dut_config dut = {.n_queues = 1};
		const struct peer_config config = {.queue_size = size, .max_indirect = 2};
		struct driver_used used;
		struct driver_seg seg = {.len = 8, .write = true};
		struct fixture x;

		open_as(&x, &dut, &config);
		dut_ok(x.peer, peer_start(x.peer));
		seg.gpa = guest_alloc(x.peer->guest, 8, 8);
		assert_int_equal(driver_add(x.peer->queues[0], &seg, 1, NULL), 0);
		dut_ok(x.peer, peer_wait_used(x.peer, 0, &used));
		assert_int_equal(used.len, 8);
		close_all(&x);
	}
}

/* Bits 1 to 4 are set in the number 30: whoever takes 30 for a mask mistakes them for bit 30. */
static void features_without_bit_30_enable_every_ring(void **state)
{
	const struct dut_config dut = {.features = 30};
	const struct peer_config config = {.features = BIT(VU_F_VERSION_1) | 30,
					   .protocol_features = PEER_NONE};
	struct fixture x;

	open_as(&x, &dut, &config);
	dut_ok(x.peer, peer_start(x.peer));
	assert_int_equal(x.f->features, BIT(VU_F_VERSION_1) | 30);
	dut_expect_echo(x.peer, 0);
	dut_expect_echo(x.peer, 1);
	close_all(&x);
}

static void features_with_bit_30_leave_rings_disabled_until_enabled(void **state)
{
	const struct dut_config dut = {.features = 30, .n_queues = 1};
	const struct peer_config config = {.features = BIT(VU_F_VERSION_1) | BIT(30)};
	struct driver_used used;
	struct fixture x;

	open_as(&x, &dut, &config);
	dut_ok(x.peer, peer_negotiate(x.peer));
	dut_ok(x.peer, peer_set_driver(x.peer));
	assert_int_equal(x.f->features, BIT(VU_F_VERSION_1) | BIT(30));
	dut_ok(x.peer, frontend_set_memory(x.f, x.peer->guest));
	dut_ok(x.peer, peer_start_queue(x.peer, 0));
	dut_add_request(x.peer, 0);
	driver_publish(x.peer->queues[0]);
	assert_int_equal(driver_kick_always(x.peer->queues[0]), 0);
	dut_expect_alive(&x.dut, x.peer);
	assert_int_equal(x.dut.completed, 0);
	dut_ok(x.peer, frontend_set_vring_enable(x.f, 0, true));
	dut_ok(x.peer, peer_wait_used(x.peer, 0, &used));
	assert_int_equal(x.dut.completed, 1);
	close_all(&x);
}

static void protocol_features_are_read_before_features_are_set(void **state)
{
	const struct dut_config dut = {0};
	struct fixture x;
	uint64_t features;

	open_as(&x, &dut, NULL);
	dut_ok(x.peer, frontend_get_protocol_features(x.f, &features));
	assert_true(features & BIT(WIRE_PF_REPLY_ACK));
	dut_expect_alive(&x.dut, x.peer);
	close_all(&x);
}

static void only_what_has_a_handler_is_offered(void **state)
{
	const uint64_t features = BIT(VU_F_VERSION_1) | BIT(VU_F_EVENT_IDX) |
				  BIT(VU_F_INDIRECT_DESC) | BIT(VU_F_PROTOCOL_FEATURES);
	const uint64_t never = BIT(WIRE_PF_INBAND_NOTIFICATIONS) | BIT(WIRE_PF_CROSS_ENDIAN) |
			       BIT(WIRE_PF_XEN_MMAP) | BIT(WIRE_PF_RARP) | BIT(WIRE_PF_MTU) |
			       BIT(WIRE_PF_CONFIG);
	const struct dut_config dut = {.features = 6, .no_config = true};
	struct fixture x;

	open_as(&x, &dut, NULL);
	dut_ok(x.peer, peer_negotiate(x.peer));
	assert_int_equal(x.f->offered_features & features, features);
	assert_int_equal(x.f->offered_features & (BIT(VU_F_NOTIFICATION_DATA) |
						  BIT(VU_F_RING_RESET) | BIT(VU_F_NOTIFY_ON_EMPTY)),
			 0);
	assert_int_equal(x.f->offered_features & 0xffffff, 6);
	assert_int_equal(x.f->offered_protocol_features & never, 0);
	assert_int_equal(x.peer->backend_queues, QUEUES);
	assert_int_equal(x.peer->backend_slots, 509);
	close_all(&x);
}

static void a_bit_acked_but_never_offered_is_logged_once_and_service_goes_on(void **state)
{
	const struct dut_config dut = {.features = 2};
	struct fixture x;
	uint32_t i;

	open_as(&x, &dut, NULL);
	dut_ok(x.peer, peer_negotiate(x.peer));
	dut_ok(x.peer, peer_set_driver(x.peer));
	for (i = 0; i < 3; i++)
		dut_ok(x.peer, frontend_set_features(x.f, x.f->features | 4));
	assert_int_equal(x.dut.log.lines[VU_LOG_WARNING], 1);
	dut_ok(x.peer, peer_start_rings(x.peer));
	dut_expect_echo(x.peer, 0);
	dut_expect_alive(&x.dut, x.peer);
	close_all(&x);
}

static void a_driver_without_version_1_does_not_start(void **state)
{
	const struct dut_config dut = {0};
	const struct peer_config config = {.features = BIT(VU_F_PROTOCOL_FEATURES),
					   .protocol_features = BIT(WIRE_PF_MQ)};
	struct fixture x;

	open_as(&x, &dut, &config);
	dut_ok(x.peer, peer_negotiate(x.peer));
	dut_ok(x.peer, peer_set_driver(x.peer));
	dut_ok(x.peer, frontend_set_memory(x.f, x.peer->guest));
	dut_ok(x.peer, frontend_setup_ring(x.f, x.peer->queues[0], 0));
	dut_ok(x.peer, frontend_set_vring_kick(x.f, 0, x.peer->queues[0]->kick.device));
	dut_expect_refusal(&x.dut, x.peer);
	assert_int_equal(x.dut.started, 0);
	close_all(&x);
}

static void a_required_bit_turned_down_keeps_features_ok_clear(void **state)
{
	const struct dut_config dut = {.features = 2, .required = 2};
	const struct peer_config config = {.features = BIT(VU_F_VERSION_1)};
	struct fixture x;

	open_as(&x, &dut, &config);
	dut_ok(x.peer, peer_negotiate(x.peer));
	assert_int_equal(peer_set_driver(x.peer), -EREMOTEIO);
	assert_int_equal(vu_device_is_attached(x.dut.dev), 1);
	close_all(&x);
}

static void a_veto_of_the_device_keeps_features_ok_clear(void **state)
{
	const struct dut_config dut = {0};
	struct fixture x;

	open_as(&x, &dut, NULL);
	x.dut.features_acked_result = -EINVAL;
	dut_ok(x.peer, peer_negotiate(x.peer));
	assert_int_equal(peer_set_driver(x.peer), -EREMOTEIO);
	x.dut.features_acked_result = 0;
	dut_ok(x.peer, peer_set_driver(x.peer));
	dut_ok(x.peer, peer_start_rings(x.peer));
	dut_expect_echo(x.peer, 0);
	close_all(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_index_beyond_the_last_ends_the_session),
		cmocka_unit_test(the_last_queue_index_is_served),
		cmocka_unit_test(an_unknown_request_ends_the_session),
		cmocka_unit_test(a_header_that_cannot_be_followed_ends_the_session),
		cmocka_unit_test(more_fds_than_a_message_can_have_end_the_session),
		cmocka_unit_test(an_fd_beside_the_no_fd_flag_ends_the_session),
		cmocka_unit_test(a_message_that_arrives_byte_by_byte_is_served),
		cmocka_unit_test(a_ring_size_out_of_range_breaks_the_queue),
		cmocka_unit_test(a_ring_of_a_size_that_is_no_power_of_two_breaks_the_queue),
		cmocka_unit_test(a_ring_outside_the_memory_breaks_the_queue),
		cmocka_unit_test(a_split_ring_with_a_base_beyond_16_bits_breaks_the_queue),
		cmocka_unit_test(every_ring_size_from_1_to_32768_works),
		cmocka_unit_test(features_without_bit_30_enable_every_ring),
		cmocka_unit_test(features_with_bit_30_leave_rings_disabled_until_enabled),
		cmocka_unit_test(protocol_features_are_read_before_features_are_set),
		cmocka_unit_test(only_what_has_a_handler_is_offered),
		cmocka_unit_test(a_bit_acked_but_never_offered_is_logged_once_and_service_goes_on),
		cmocka_unit_test(a_driver_without_version_1_does_not_start),
		cmocka_unit_test(a_required_bit_turned_down_keeps_features_ok_clear),
		cmocka_unit_test(a_veto_of_the_device_keeps_features_ok_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
