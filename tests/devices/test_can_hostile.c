/* SPDX-License-Identifier: MIT */
/* vu-can: more than a turn takes, guests that change what is read, storms of everything. */
#include "can_guest.h"
#include "guests.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

const char *const rig_program = "VU_CAN";

enum { MANY = 1500, RING = 4096 };

static const char *const loopback[] = {"--backend=loopback", NULL};

/* Room for rings of this size. */
static const struct guest_region memory = {.size = 64 << 20, .uva = UINT64_C(0x7f0000000000)};

static struct driver_ring *ring(struct rig *rig, uint32_t queue)
{
	return rig->peer->queues[queue];
}

static void put_head(unsigned char *head, uint32_t flags, uint32_t id, uint16_t len)
{
	memset(head, 0, CAN_HEADER);
	head[0] = 1;
	len = htole16(len);
	flags = htole32(flags);
	id = htole32(id);
	memcpy(head + 2, &len, sizeof(len));
	memcpy(head + 8, &flags, sizeof(flags));
	memcpy(head + 12, &id, sizeof(id));
}

/* One frame n times, with a byte of results for the result of each; nobody is told yet. */
static void add_frames(struct rig *rig, uint32_t n, struct rig_buffer *out,
		       struct rig_buffer *results)
{
	rig_buffer(rig, out, CAN_HEADER);
	rig_buffer(rig, results, n);
	put_head(out->data, 0, 1, 0);
	for (uint32_t i = 0; i < n; i++) {
		const struct driver_seg segs[] = {{out->gpa, CAN_HEADER, false},
						  {results->gpa + i, 1, true}};

		assert_true(driver_add(ring(rig, CAN_TX), segs, 2, results) >= 0);
	}
	driver_publish(ring(rig, CAN_TX));
}

static void add_control(struct rig *rig, uint16_t type, struct rig_buffer *out,
			struct rig_buffer *result)
{
	struct driver_seg segs[2];

	rig_buffer(rig, out, 2);
	rig_buffer(rig, result, 1);
	out->data[0] = (unsigned char)type;
	out->data[1] = (unsigned char)(type >> 8);
	segs[0] = rig_read_seg(out, 2);
	segs[1] = rig_write_seg(result, 1);
	assert_true(driver_add(ring(rig, CAN_CONTROL), segs, 2, result) >= 0);
}

/* virtio 1.4 §5.20.5.1: what was pending is not sent, however much it was. */
static void a_stop_cancels_all_that_was_pending(void **state)
{
	struct rig_buffer out, results, stop, start, stopped, started_again;
	struct rig *rig = *state;

	for (int packed = 0; packed <= 1; packed++) {
		rig->config.packed = packed;
		rig->config.queue_size = RING;
		rig->config.n_regions = 1;
		rig->config.regions = &memory;
		can_start(rig, loopback);
		assert_int_equal(can_control(rig, START), OK);
		add_frames(rig, MANY, &out, &results);
		add_control(rig, STOP, &stop, &stopped);
		add_control(rig, START, &start, &started_again);
		assert_true(driver_kick(ring(rig, CAN_CONTROL)) >= 0);
		assert_ptr_equal(rig_wait(rig, CAN_CONTROL, NULL), &stopped);
		assert_int_equal(stopped.data[0], OK);
		/* It is answered when all of them are. */
		for (uint32_t i = 0; i < MANY; i++)
			assert_int_equal(results.data[i], NOT_OK);
		assert_ptr_equal(rig_wait(rig, CAN_CONTROL, NULL), &started_again);
		assert_int_equal(started_again.data[0], OK);
		can_stats(rig, "started sent 0 refused 1500 lost 0 received 0 dropped 0");
		rig_stop(rig);
	}
}

/* ... and before the controller is started again. */
static void a_bus_off_cancels_all_that_was_pending(void **state)
{
	struct rig_buffer out, results;
	struct rig *rig = *state;

	rig->config.queue_size = RING;
	rig->config.n_regions = 1;
	rig->config.regions = &memory;
	can_start(rig, loopback);
	can_control(rig, START);
	add_frames(rig, MANY, &out, &results);
	rig_say(rig, "busoff");
	assert_int_equal(can_control(rig, START), OK);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(results.data[i], NOT_OK);
	can_stats(rig, "started sent 0 refused 1500 lost 0 received 0 dropped 0");
	rig_stop(rig);
}

/* QEMU says nothing of a guest's reboot; other features are another driver's. */
static void a_driver_with_other_features_begins_anew(void **state)
{
	const struct frame fd = {FD, 1, 12, "0123456789ab"};
	struct rig_buffer buffer;
	struct rig *rig = *state;
	uint64_t features;

	can_start(rig, loopback);
	can_control(rig, START);
	assert_int_equal(can_send(rig, &fd), OK);
	rig_check(rig, peer_stop(rig->peer));
	rig_check(rig, peer_start_rings(rig->peer));
	can_stats(rig, "started sent 1 refused 0 lost 0 received 0 dropped 0");
	rig_check(rig, peer_stop(rig->peer));
	features = rig->peer->frontend.features & ~(uint64_t)F_FD;
	rig_check(rig, frontend_set_features(&rig->peer->frontend, features));
	rig_check(rig, peer_start_rings(rig->peer));
	can_stats(rig, "stopped sent 1 refused 0 lost 0 received 0 dropped 0");
	can_control(rig, START);
	can_give(rig, &buffer, CAN_ROOM);
	rig_expect_nothing(rig, CAN_RX);
	rig_stop(rig);
}

/* --- frames that change --- */

struct changing {
	_Atomic unsigned char *head;
	atomic_bool over;
};

/* Between good frames of all kinds and what is none. */
static void *change(void *opaque)
{
	struct changing *c = opaque;

	for (uint32_t i = 0; !c->over; i++) {
		c->head[9] = (unsigned char)(i * 32); /* flags */
		c->head[2] = (unsigned char)(i % 80); /* length */
		c->head[15] = i & 1 ? 0x1f : 0;	      /* identifier */
		c->head[13] = i & 2 ? 0x07 : 0;
	}
	return NULL;
}

static void expect_possible(const unsigned char *got, uint32_t written)
{
	uint16_t len;
	uint32_t flags, id;

	memcpy(&len, got + 2, sizeof(len));
	memcpy(&flags, got + 8, sizeof(flags));
	memcpy(&id, got + 12, sizeof(id));
	len = le16toh(len);
	flags = le32toh(flags);
	id = le32toh(id);
	assert_int_equal(written, CAN_HEADER + len);
	assert_in_range(len, 0, flags & FD ? 64 : 8);
	assert_in_range(id, 0, flags & EXTENDED ? 0x1fffffff : 0x7ff);
	assert_false(flags & ~(uint32_t)(RTR | FD | EXTENDED));
	assert_int_not_equal(flags & (RTR | FD), RTR | FD);
}

static void what_changes_while_it_is_read_is_one_frame_or_none(void **state)
{
	enum { TRIES = 3000 };
	struct rig_buffer out, result, in;
	struct rig *rig = *state;
	struct driver_seg segs[2], seg;
	struct changing c = {0};
	uint32_t received = 0;
	pthread_t thread;

	can_start(rig, loopback);
	can_control(rig, START);
	rig_buffer(rig, &out, CAN_ROOM);
	rig_buffer(rig, &result, 1);
	rig_buffer(rig, &in, CAN_ROOM);
	put_head(out.data, 0, 1, 0);
	c.head = (_Atomic unsigned char *)out.data;
	assert_int_equal(pthread_create(&thread, NULL, change, &c), 0);
	segs[0] = rig_read_seg(&out, CAN_ROOM);
	segs[1] = rig_write_seg(&result, 1);
	seg = rig_write_seg(&in, CAN_ROOM);
	rig_offer(rig, CAN_RX, &seg, 1, &in);
	for (int i = 0; i < TRIES; i++) {
		uint32_t got;

		assert_int_equal(rig_do(rig, CAN_TX, segs, 2), 1);
		if (result.data[0] != OK)
			continue;
		assert_ptr_equal(rig_wait(rig, CAN_RX, &got), &in);
		expect_possible(in.data, got);
		received++;
		rig_offer(rig, CAN_RX, &seg, 1, &in);
	}
	c.over = true;
	pthread_join(thread, NULL);
	assert_in_range(received, 1, TRIES);
	rig_stop(rig);
}

/* --- storms --- */

/* One guest sends all the time; another does, in any order, all that can be done. */
static void anything_between_any_two_harms_nobody(void **state)
{
	enum { ROUNDS = 400 };
	const struct frame frame = {FD, 1, 12, "0123456789ab"};
	struct rig_buffer out, results, buffer;
	bool started = false, held = false;
	struct rig *rig = *state;
	struct guests g;

	guests_name(&g, rig, CAN_CONTROL + 1);
	can_start(rig, g.options);
	guests_connect(&g);
	can_control(g.rigs[1], START);
	srand(1);
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(can_send(g.rigs[1], &frame), OK);
		switch (rand() % 8) {
		case 0:
			assert_int_equal(can_control(rig, START), held ? NOT_OK : OK);
			started |= !held;
			break;
		case 1:
			assert_int_equal(can_control(rig, STOP), OK);
			started = false;
			break;
		case 2:
			if (!started) {
				rig_say_refused(rig, "busoff");
				break;
			}
			held = rand() % 2;
			rig_say(rig, held ? "busoff hold" : "busoff");
			started = false;
			break;
		case 3:
			rig_say(rig, "on");
			held = false;
			break;
		case 4:
			rig_connect(rig);
			started = false;
			break;
		case 5:
			rig_check(rig, peer_stop(rig->peer));
			assert_int_equal(can_send(g.rigs[1], &frame), OK);
			rig_check(rig, peer_start_rings(rig->peer));
			break;
		case 6:
			can_give(rig, &buffer, (uint32_t)(rand() % 2 ? CAN_ROOM : 1));
			break;
		default:
			add_frames(rig, 3, &out, &results);
			assert_true(driver_kick(ring(rig, CAN_TX)) >= 0);
			for (int k = 0; k < 3; k++)
				rig_wait(rig, CAN_TX, NULL);
		}
	}
	rig_connect(rig);
	rig_say(rig, "on");
	assert_int_equal(can_control(rig, START), OK);
	can_give(rig, &buffer, CAN_ROOM);
	assert_int_equal(can_send(g.rigs[1], &frame), OK);
	can_expect(rig, &buffer, &frame);
	guests_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stop_cancels_all_that_was_pending),
		TEST(a_bus_off_cancels_all_that_was_pending),
		TEST(a_driver_with_other_features_begins_anew),
		TEST(what_changes_while_it_is_read_is_one_frame_or_none),
		TEST(anything_between_any_two_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
