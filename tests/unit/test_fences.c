/* SPDX-License-Identifier: MIT */
/*
 * Every order in which a device and a driver can see each other's writes: nobody sleeps while there
 * is something to do, and nobody sees an entry before its contents.
 *
 * The device is the library's own functions, compiled with fences/base/atomics.h; the driver is
 * steps as Linux takes them.  fences/model.h says what one sees of the other.
 */
#include <string.h>

#include "fences/model.h"
#include "kit/test.h"
#include "ring/hot.h"

enum {
	SIZE = 4,
	/* Where the three areas are, in 16-bit words. */
	DESC = 0,
	DRIVER = DESC + SIZE * sizeof(struct packed_desc) / 2,
	DEVICE = DRIVER + 8,
	USED_EVENT = DRIVER + SPLIT_RING + SIZE,
	AVAIL_EVENT = DEVICE + SPLIT_RING + 4 * SIZE,
	DESC_ID = DESC + offsetof(struct packed_desc, id) / 2,
	DESC_FLAGS = DESC + offsetof(struct packed_desc, flags) / 2,
	DESC_WORDS = sizeof(struct packed_desc) / 2,
	FAR = 0x7fff,				 /* an index that is not reached */
	FAR_SLOT = 3 | 1 << PACKED_WRAP_SHIFT,	 /* the same of a packed ring */
	FIRST_SLOT = 0 | 1 << PACKED_WRAP_SHIFT, /* in the first lap */
};

static struct ring ring;
static struct req reqs[2];

/* How a run ended. */
static struct {
	bool signalled, more; /* the device's answers */
	bool saw, kicked;     /* the driver's */
} was;

struct scenario {
	bool packed, event_idx;
	uint32_t n;		       /* requests */
	void (*run)(void);	       /* the device */
	bool (*step)(uint32_t number); /* the driver; false: nothing left to do */
	bool (*is_good)(void);
};

static const struct scenario *scenario;
/* vring_need_event() */
static bool need_event(uint32_t event, uint16_t now, uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

/* The device publishes and asks whether it is to signal. */

static void publish_and_signal(void)
{
	for (uint32_t i = 0; i < scenario->n; i++)
		ring_push(&ring, &reqs[i], 0);
	ring_publish(&ring);
	was.signalled = ring_wants_signal_short(&ring);
}

static void complete_one_and_signal(void)
{
	assert_true(ring_complete_one(&ring, &reqs[0], 0));
	was.signalled = ring_wants_signal_short(&ring);
}

static const uint64_t no_bytes[2];

static void complete_batch_and_signal(void)
{
	struct vu_req *batch[] = {&reqs[0].pub, &reqs[1].pub};
	struct ring_sums sums;

	assert_int_equal(ring_complete_plain(&ring, batch, no_bytes, scenario->n, &sums),
			 scenario->n);
	was.signalled = ring_wants_signal_short(&ring);
}

/* Linux virtqueue_enable_cb_prepare_split(), virtqueue_poll(), virtqueue_get_buf(). */
static bool split_wait(uint32_t step)
{
	const struct split_used *used = (const void *)(driver.view + DEVICE + SPLIT_RING);

	if (step == 0) {
		if (scenario->event_idx)
			agent_write(&driver, USED_EVENT, 0, false);
		else
			agent_write(&driver, DRIVER + SPLIT_FLAGS, 0, false);
	} else if (step == 1) {
		agent_fence(&driver);
	} else {
		was.saw = agent_load(&driver, DEVICE + SPLIT_IDX, true) != 0;
		for (uint32_t i = 0; was.saw && i < scenario->n; i++)
			assert_int_equal(used[i].id, reqs[i].id);
		return false;
	}
	return true;
}

static bool packed_is_used(uint16_t flags)
{
	return flags & PACKED_F_AVAIL && flags & PACKED_F_USED;
}

/* The same of a packed ring. */
static bool packed_wait(uint32_t step)
{
	const struct packed_desc *desc = (const void *)(driver.view + DESC);

	if (step == 0) {
		if (scenario->event_idx)
			agent_write(&driver, DRIVER + PACKED_OFF_WRAP, FIRST_SLOT, false);
	} else if (step == 1) {
		agent_write(&driver, DRIVER + PACKED_FLAGS,
			    scenario->event_idx ? PACKED_EVENT_DESC : PACKED_EVENT_ENABLE, true);
	} else if (step == 2) {
		agent_fence(&driver);
	} else {
		was.saw = packed_is_used(agent_load(&driver, DESC_FLAGS, true));
		for (uint32_t i = 0; was.saw && i < scenario->n; i++) {
			assert_int_equal(desc[i].id, reqs[i].id);
			assert_true(packed_is_used(desc[i].flags));
		}
		return false;
	}
	return true;
}

static bool driver_knows(void)
{
	return was.signalled || was.saw;
}

/* The device asks for a kick and looks once more; if there is something, it takes it. */

static void arm_and_look(void)
{
	was.more = ring_arm(&ring);
	if (!was.more)
		return;
	assert_int_equal(ring_look(&ring), 1);
	if (ring.packed)
		assert_int_equal(packed_ring(&ring)[0].id, reqs[0].id);
	else
		assert_int_equal(ring.driver[SPLIT_RING], reqs[0].id);
}

/* Linux virtqueue_add_split(), virtqueue_kick_prepare_split(). */
static bool split_offer(uint32_t step)
{
	if (step == 0) {
		agent_write(&driver, DRIVER + SPLIT_RING, reqs[0].id, false);
		agent_write(&driver, DRIVER + SPLIT_IDX, 1, true);
	} else if (step == 1) {
		agent_fence(&driver);
	} else if (scenario->event_idx) {
		was.kicked = need_event(agent_load(&driver, AVAIL_EVENT, false), 1, 0);
		return false;
	} else {
		was.kicked = !(agent_load(&driver, DEVICE + SPLIT_FLAGS, false) &
			       SPLIT_USED_F_NO_NOTIFY);
		return false;
	}
	return true;
}

static bool packed_decide_kick(void)
{
	uint16_t flags = agent_load(&driver, DEVICE + PACKED_FLAGS, false), off_wrap;
	uint32_t event;

	if (flags != PACKED_EVENT_DESC)
		return flags != PACKED_EVENT_DISABLE;
	off_wrap = agent_load(&driver, DEVICE + PACKED_OFF_WRAP, false);
	event = off_wrap & PACKED_SLOT_MASK;
	if (!(off_wrap >> PACKED_WRAP_SHIFT))
		event -= SIZE;
	return need_event(event, 1, 0);
}

/* Linux virtqueue_add_packed(), virtqueue_kick_prepare_packed(). */
static bool packed_offer(uint32_t step)
{
	if (step == 0) {
		agent_write(&driver, DESC_ID, reqs[0].id, false);
		agent_write(&driver, DESC_FLAGS, PACKED_F_AVAIL, true);
	} else if (step == 1) {
		agent_fence(&driver);
	} else {
		was.kicked = packed_decide_kick();
		return false;
	}
	return true;
}

static bool device_knows(void)
{
	return was.kicked || was.more;
}

/* Both sides asked for nothing so far. */
static void set_memory(void)
{
	memset(memory, 0, sizeof(memory));
	if (scenario->packed) {
		memory[DRIVER + PACKED_FLAGS] = PACKED_EVENT_DISABLE;
		memory[DRIVER + PACKED_OFF_WRAP] = FAR_SLOT;
		memory[DEVICE + PACKED_FLAGS] = PACKED_EVENT_DISABLE;
		memory[DEVICE + PACKED_OFF_WRAP] = FAR_SLOT;
		/* What the device is about to use is available. */
		for (uint32_t i = 0; i < scenario->n; i++)
			memory[DESC_FLAGS + i * DESC_WORDS] = PACKED_F_AVAIL;
	} else if (scenario->event_idx) {
		memory[USED_EVENT] = FAR;
		memory[AVAIL_EVENT] = FAR;
	} else {
		memory[DRIVER + SPLIT_FLAGS] = SPLIT_AVAIL_F_NO_INTERRUPT;
		memory[DEVICE + SPLIT_FLAGS] = SPLIT_USED_F_NO_NOTIFY;
	}
}

static void set_ring(void)
{
	const struct packed_pos first = {.slot = 0, .lap = packed_lap(true)};

	ring = (struct ring){
		.desc = device.view + DESC,
		.driver = device.view + DRIVER,
		.device = device.view + DEVICE,
		.size = SIZE,
		.mask = SIZE - 1,
		.way = scenario->packed ? RING_PACKED : RING_SPLIT,
		.packed = scenario->packed,
		.event_idx = scenario->event_idx,
		.used_event =
			scenario->event_idx && !scenario->packed ? device.view + USED_EVENT : NULL,
		.signal_valid = true,
		.is_live = true,
		.avail = first,
		.used = first,
		.seen = first,
		.taken = scenario->n,
		.outstanding_slots = scenario->n,
	};
	for (uint32_t i = 0; i < 2; i++)
		reqs[i] = (struct req){
			.ring = &ring,
			.id = (uint16_t)(2 - i),
			.slots = 1,
			.state = REQ_OUT,
		};
}

static void run_once(void)
{
	set_memory();
	model_begin(scenario->step);
	set_ring();
	memset(&was, 0, sizeof(was));
	scenario->run();
	model_end();
}

/* *state is a scenario. */
static void in_every_order(void **state)
{
	uint32_t n = 0, told = 0, looked = 0;

	scenario = *state;
	model_restart();
	do {
		run_once();
		if (!scenario->is_good())
			fail_msg("in order %u of all, both sides sleep", n);
		n++;
		told += was.signalled || was.kicked;
		looked += was.saw || was.more;
	} while (model_next());
	/* Neither always happens, or there was nothing to find out. */
	assert_in_range(told, 1, n - 1);
	assert_in_range(looked, 1, n - 1);
	print_message("%u orders\n", n);
}

#define SCENARIO(test_name, ...)                                                                   \
	{                                                                                          \
		.name = test_name, .test_func = in_every_order,                                    \
		.initial_state = &(struct scenario)                                                \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENARIO("split_a_driver_that_waits_is_told", .n = 1, .run = publish_and_signal,
			 .step = split_wait, .is_good = driver_knows),
		SCENARIO("split_a_driver_that_waits_for_an_event_is_told", .event_idx = true,
			 .n = 1, .run = publish_and_signal, .step = split_wait,
			 .is_good = driver_knows),
		SCENARIO("split_a_driver_that_waits_is_told_of_one", .n = 1,
			 .run = complete_one_and_signal, .step = split_wait,
			 .is_good = driver_knows),
		SCENARIO("split_a_driver_that_waits_is_told_of_a_batch", .n = 2,
			 .run = complete_batch_and_signal, .step = split_wait,
			 .is_good = driver_knows),
		SCENARIO("packed_a_driver_that_waits_is_told", .packed = true, .n = 1,
			 .run = publish_and_signal, .step = packed_wait, .is_good = driver_knows),
		SCENARIO("packed_a_driver_that_waits_for_an_event_is_told", .packed = true,
			 .event_idx = true, .n = 1, .run = publish_and_signal, .step = packed_wait,
			 .is_good = driver_knows),
		SCENARIO("packed_a_driver_that_waits_is_told_of_one", .packed = true, .n = 1,
			 .run = complete_one_and_signal, .step = packed_wait,
			 .is_good = driver_knows),
		SCENARIO("packed_a_driver_that_waits_is_told_of_a_batch", .packed = true, .n = 2,
			 .run = complete_batch_and_signal, .step = packed_wait,
			 .is_good = driver_knows),
		SCENARIO("split_a_device_that_arms_gets_what_is_offered", .run = arm_and_look,
			 .step = split_offer, .is_good = device_knows),
		SCENARIO("split_a_device_that_arms_an_event_gets_what_is_offered",
			 .event_idx = true, .run = arm_and_look, .step = split_offer,
			 .is_good = device_knows),
		SCENARIO("packed_a_device_that_arms_gets_what_is_offered", .packed = true,
			 .run = arm_and_look, .step = packed_offer, .is_good = device_knows),
		SCENARIO("packed_a_device_that_arms_an_event_gets_what_is_offered", .packed = true,
			 .event_idx = true, .run = arm_and_look, .step = packed_offer,
			 .is_good = device_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
