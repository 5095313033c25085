/* SPDX-License-Identifier: MIT */
/* The test peer itself, against a back-end of a few lines that runs on the same thread. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/peer.h"
#include "kit/test.h"

/* Answers every message the simplest way, and remembers what came. */
struct backend {
	int fd;
	uint64_t protocol_features;
	uint64_t ack; /* what it acks with */
	bool mute;
	uint32_t requests[128];
	uint32_t n_requests;
	uint32_t n_fds;
	uint64_t bytes;
};

static void backend_reply(struct backend *b, struct wire_header hdr, const void *payload,
			  uint32_t size)
{
	unsigned char out[sizeof(hdr) + 64];

	hdr.flags = WIRE_VERSION | WIRE_REPLY;
	hdr.size = size;
	memcpy(out, &hdr, sizeof(hdr));
	memcpy(out + sizeof(hdr), payload, size);
	assert_int_equal(send(b->fd, out, sizeof(hdr) + size, MSG_NOSIGNAL), sizeof(hdr) + size);
}

static void backend_handle(struct backend *b, const struct frontend_msg *msg)
{
	uint64_t value = b->ack;
	struct wire_vring_state state;

	switch (msg->hdr.request) {
	case WIRE_GET_FEATURES:
		value = UINT64_C(1) << 32 | UINT64_C(1) << 30 | UINT64_C(1) << 29;
		break;
	case WIRE_GET_PROTOCOL_FEATURES:
		value = b->protocol_features;
		break;
	case WIRE_GET_QUEUE_NUM:
		value = 2;
		break;
	case WIRE_GET_VRING_BASE:
		memcpy(&state, msg->payload, sizeof(state));
		state.num = 7;
		backend_reply(b, msg->hdr, &state, sizeof(state));
		return;
	default:
		if (!(msg->hdr.flags & WIRE_NEED_REPLY))
			return;
	}
	backend_reply(b, msg->hdr, &value, sizeof(value));
}

static void backend_pump(void *opaque)
{
	struct backend *b = opaque;
	struct frontend_msg msg;
	struct frontend io;

	frontend_init(&io, b->fd);
	io.timeout_ms = 0;
	if (b->mute || b->fd < 0 || frontend_recv(&io, &msg) < 0)
		return;
	b->requests[b->n_requests++ % 128] = msg.hdr.request;
	b->n_fds += msg.n_fds;
	b->bytes += sizeof(msg.hdr) + msg.hdr.size;
	backend_handle(b, &msg);
	frontend_msg_close_fds(&msg);
}

struct pair {
	struct backend backend;
	struct peer *peer;
};

static void pair_open(struct pair *p, uint64_t protocol_features)
{
	const struct peer_config config = {
		.n_queues = 2,
		.queue_size = 8,
		.max_indirect = 4,
		.pump = backend_pump,
		.pump_opaque = &p->backend,
	};

	memset(p, 0, sizeof(*p));
	p->backend.protocol_features = protocol_features;
	assert_int_equal(peer_new(&config, &p->peer), 0);
	assert_int_equal(peer_open(p->peer, &p->backend.fd), 0);
}

static void pair_close(struct pair *p)
{
	peer_free(p->peer);
	if (p->backend.fd >= 0)
		close(p->backend.fd);
}

static const uint64_t acks_and_queues = 1 << WIRE_PF_REPLY_ACK | 1 << WIRE_PF_MQ;

static void a_negotiation_says_what_qemu_says_in_its_order(void **state)
{
	static const uint32_t order[] = {
		WIRE_GET_FEATURES,
		WIRE_GET_PROTOCOL_FEATURES,
		WIRE_SET_PROTOCOL_FEATURES,
		WIRE_GET_QUEUE_NUM,
		WIRE_SET_OWNER,
		WIRE_GET_FEATURES,
		WIRE_SET_VRING_CALL,
		WIRE_SET_VRING_CALL,
		WIRE_SET_VRING_ERR,
		WIRE_SET_VRING_ERR,
		WIRE_SET_FEATURES,
		WIRE_SET_MEM_TABLE,
		WIRE_SET_VRING_NUM,
		WIRE_SET_VRING_BASE,
		WIRE_SET_VRING_ADDR,
		WIRE_SET_VRING_KICK,
		WIRE_SET_VRING_CALL,
		WIRE_SET_VRING_NUM,
		WIRE_SET_VRING_BASE,
		WIRE_SET_VRING_ADDR,
		WIRE_SET_VRING_KICK,
		WIRE_SET_VRING_CALL,
		WIRE_SET_VRING_ENABLE,
		WIRE_SET_VRING_ENABLE,
	};
	struct pair p;

	pair_open(&p, acks_and_queues);
	assert_int_equal(peer_start(p.peer), 0);
	assert_int_equal(p.backend.n_requests, sizeof(order) / sizeof(order[0]));
	assert_memory_equal(p.backend.requests, order, sizeof(order));
	assert_int_equal(p.backend.n_fds, 4 + 1 + 4);
	assert_int_equal(p.backend.bytes, p.peer->frontend.sent);
	assert_int_equal(peer_stop(p.peer), 0);
	assert_int_equal(p.peer->queues[1]->base, 7);
	pair_close(&p);
}

static void a_refusal_a_silence_and_an_end_are_told_apart(void **state)
{
	struct pair p;

	pair_open(&p, acks_and_queues);
	assert_int_equal(peer_negotiate(p.peer), 0);
	p.backend.ack = 1;
	assert_int_equal(frontend_set_vring_num(&p.peer->frontend, 0, 8), -EREMOTEIO);
	assert_non_null(strstr(p.peer->frontend.error, "SET_VRING_NUM"));
	p.backend.mute = true;
	p.peer->frontend.timeout_ms = 100;
	assert_int_equal(frontend_set_vring_num(&p.peer->frontend, 0, 8), -ETIMEDOUT);
	assert_int_equal(frontend_wait_closed(&p.peer->frontend), -ETIMEDOUT);
	close(p.backend.fd);
	p.backend.fd = -1;
	assert_int_equal(frontend_wait_closed(&p.peer->frontend), 0);
	assert_int_equal(frontend_set_vring_num(&p.peer->frontend, 0, 8), -ECONNRESET);
	pair_close(&p);
}

static void a_cut_ends_the_stream_at_exactly_that_byte(void **state)
{
	char byte[64];
	struct pair p;

	pair_open(&p, acks_and_queues);
	p.backend.mute = true;
	frontend_cut_after(&p.peer->frontend, 15);
	assert_int_equal(frontend_set_owner(&p.peer->frontend), 0);
	assert_int_equal(frontend_set_owner(&p.peer->frontend), -ECONNABORTED);
	assert_int_equal(recv(p.backend.fd, byte, sizeof(byte), 0), 15);
	assert_int_equal(recv(p.backend.fd, byte, sizeof(byte), 0), 0);
	pair_close(&p);
}

static void a_back_end_request_is_received_and_answered(void **state)
{
	const struct wire_header request = {
		.request = WIRE_BACKEND_CONFIG_CHANGE_MSG,
		.flags = WIRE_VERSION | WIRE_NEED_REPLY,
	};
	struct frontend_msg msg;
	struct frontend f;
	struct wire_header answer;
	uint64_t value;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	frontend_init(&f, -1);
	f.channel_fd = fds[0];
	assert_int_equal(frontend_recv_backend(&f, &msg, 0), -EAGAIN);
	assert_int_equal(send(fds[1], &request, sizeof(request), 0), sizeof(request));
	assert_int_equal(frontend_expect_backend(&f, WIRE_BACKEND_CONFIG_CHANGE_MSG, &msg), 0);
	assert_int_equal(recv(fds[1], &answer, sizeof(answer), 0), sizeof(answer));
	assert_int_equal(recv(fds[1], &value, sizeof(value), 0), sizeof(value));
	assert_int_equal(answer.flags, WIRE_VERSION | WIRE_REPLY);
	assert_int_equal(value, 0);
	frontend_close(&f);
	close(fds[1]);
}

static void memory_is_found_by_guest_address_user_address_and_pointer(void **state)
{
	const struct guest_region low = {
		.gpa = 0, .size = 1 << 16, .uva = 0x5000, .mmap_offset = 0x1234};
	const struct guest_region high = {.gpa = 1 << 20, .size = 1 << 16, .uva = 1 << 30};
	struct guest *guest;
	uint64_t a, b;
	char *p;

	assert_int_equal(guest_new(&guest), 0);
	assert_int_equal(guest_add(guest, &low), 0);
	assert_int_equal(guest_add(guest, &high), 1);
	a = guest_alloc(guest, 100, 1);
	b = guest_alloc(guest, (1 << 16) - 64, 64);
	assert_int_equal(a, 0);
	assert_int_equal(b, 1 << 20);
	assert_true(guest_alloc(guest, 1 << 16, 1) == GUEST_NONE);
	assert_int_equal(guest_uva(guest, b + 5), (1 << 30) + 5);
	assert_true(guest_uva(guest, 1 << 16) == GUEST_NONE);
	assert_null(guest_ptr(guest, (1 << 16) - 1, 2));
	p = guest_ptr(guest, a, 100);
	assert_int_equal(guest_gpa(guest, p + 99), a + 99);
	strcpy(p, "at its offset in the file");
	assert_int_equal(pread(guest->regions[0].fd, p + 50, 25, 0x1234), 25);
	assert_memory_equal(p, p + 50, 25);
	guest_remove(guest, 0);
	assert_int_equal(guest->n_regions, 1);
	assert_null(guest_ptr(guest, 0, 1));
	guest_free(guest);
}

/* The device side, by hand: use whatever is available, in order, with len 5. */
static uint32_t use_all(struct driver_ring *r, uint16_t *seen)
{
	struct driver_split *s = &r->split;
	uint16_t idx = le16toh(s->used->idx);
	uint32_t n = 0;

	for (; *seen != le16toh(s->avail->idx); ++*seen, idx++, n++) {
		uint16_t head = le16toh(s->avail->ring[*seen & r->mask]);

		s->used->ring[idx & r->mask] =
			(struct driver_split_used_elem){htole32(head), htole32(5)};
	}
	s->used->idx = htole16(idx);
	return n;
}

static void chains_go_round_the_ring_past_its_wrap(void **state)
{
	const struct driver_seg segs[] = {{0, 16, false}, {4096, 512, true}, {8192, 1, true}};
	struct driver_used used[8];
	uint16_t seen = 0;
	uint32_t i, total = 0;
	struct pair p;
	struct driver_ring *r;

	pair_open(&p, 0);
	r = p.peer->queues[0];
	for (i = 0; i < 70000; i++) {
		assert_in_range(driver_add(r, segs, 3, &used[0]), 0, 7);
		assert_in_range(driver_add_indirect(r, segs, 3, &used[1]), 0, 7);
		assert_in_range(driver_add(r, segs, 3, &used[2]), 0, 7);
		assert_int_equal(driver_add(r, segs, 3, NULL), -ENOSPC);
		assert_int_equal(use_all(r, &seen), 0);
		driver_publish(r);
		total += use_all(r, &seen);
		assert_int_equal(driver_collect(r, used, 8), 3);
		assert_ptr_equal(used[1].cookie, &used[1]);
		assert_int_equal(used[2].len, 5);
		assert_int_equal(r->n_free, 8);
	}
	assert_int_equal(total, 3 * i);
	pair_close(&p);
}

static void a_kick_is_left_out_when_the_device_does_not_want_it(void **state)
{
	const struct driver_seg seg = {0, 16, false};
	struct driver_ring *r;
	struct pair p;

	pair_open(&p, 0);
	r = p.peer->queues[0];
	driver_add(r, &seg, 1, NULL);
	assert_int_equal(driver_kick(r), 1);
	r->split.used->flags = htole16(DRIVER_USED_NO_NOTIFY);
	driver_add(r, &seg, 1, NULL);
	assert_int_equal(driver_kick(r), 0);
	r->event_idx = true;
	*driver_split_avail_event(r) = htole16(3);
	driver_add(r, &seg, 1, NULL);
	assert_int_equal(driver_kick(r), 0);
	driver_add(r, &seg, 1, NULL);
	assert_int_equal(driver_kick(r), 1);
	pair_close(&p);
}

static void a_used_entry_of_no_chain_is_an_error(void **state)
{
	const struct driver_seg seg = {0, 16, false};
	struct driver_used used;
	struct driver_ring *r;
	struct pair p;

	pair_open(&p, 0);
	r = p.peer->queues[0];
	driver_add(r, &seg, 1, NULL);
	driver_publish(r);
	r->split.used->ring[0].id = htole32(1);
	r->split.used->idx = htole16(1);
	assert_int_equal(driver_collect(r, &used, 1), -EPROTO);
	r->split.used->ring[0].id = htole32(8);
	assert_int_equal(driver_collect(r, &used, 1), -EPROTO);
	r->split.used->ring[0].id = 0;
	assert_int_equal(driver_collect(r, &used, 1), 1);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_negotiation_says_what_qemu_says_in_its_order),
		cmocka_unit_test(a_refusal_a_silence_and_an_end_are_told_apart),
		cmocka_unit_test(a_cut_ends_the_stream_at_exactly_that_byte),
		cmocka_unit_test(a_back_end_request_is_received_and_answered),
		cmocka_unit_test(memory_is_found_by_guest_address_user_address_and_pointer),
		cmocka_unit_test(chains_go_round_the_ring_past_its_wrap),
		cmocka_unit_test(a_kick_is_left_out_when_the_device_does_not_want_it),
		cmocka_unit_test(a_used_entry_of_no_chain_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
