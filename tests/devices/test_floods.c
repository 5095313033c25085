/* SPDX-License-Identifier: MIT */
/*
 * Devices on one thread take turns, whatever device it is: while one driver floods a queue with the
 * cheapest or the largest requests there are, another one's is answered after one turn's worth of
 * them.  They are counted whenever the program calls the kernel, as it does to notify.
 *
 * Not here: vu-blk, whose queues have a thread each; test_turns.c has what more vu-console and
 * vu-rng can be asked for.
 */
#include "rig.h"
#include "traced.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	TURN = 1024, /* requests: include/libvu/group.h */
	FLOOD = 8 * TURN,
	TURN_BYTES = 16 << 20,
	STEPS = 100000, /* calls of the kernel: the flood is over long before */
	HEADER = 40,
};

/* A kind of request: its first bytes, and how many bytes it reads and writes. */
struct flood {
	const char *name;
	const char *program; /* variable in the environment */
	uint32_t queue, n_queues;
	uint32_t features;
	unsigned char header[HEADER];
	uint32_t out, in;
	const char *modest; /* what the other driver asks for, if it is something else: a name */
};

static const struct flood floods[] = {
	{"bytes_of_entropy", "VU_RNG", 0, 1, 0, {0}, 0, 1, NULL},
	{"bytes_of_output", "VU_CONSOLE", 1, 2, 0, {'x'}, 1, 0, NULL},
	/* Address, padding, flags. */
	{"zero_bytes_to_a_chip", "VU_I2C", 0, 1, 1, {0xa0}, 8, 1, NULL},
	{"zero_bytes_to_nobody", "VU_I2C", 0, 1, 1, {0x66}, 8, 1, NULL},
	{"writes_of_8_KiB_to_a_chip", "VU_I2C", 0, 1, 1, {0xa0}, 8 + 8192, 1, NULL},
	{"reads_of_8_KiB", "VU_I2C", 0, 1, 1, {0xa0, 0, 0, 0, 2}, 8, 8193, NULL},
	{"parts_of_a_group", "VU_I2C", 0, 1, 1, {0xa0, 0, 0, 0, 1}, 8, 1, "zero_bytes_to_nobody"},
	/* VIRTIO_GPIO_MSG_GET_VALUE. */
	{"questions_for_a_line", "VU_GPIO", 0, 2, 1, {4}, 8, 2, NULL},
	{"unknown_questions", "VU_GPIO", 0, 2, 1, {99}, 8, 65536, NULL},
	/* The first one waits, the others come back at once. */
	{"buffers_for_events", "VU_GPIO", 1, 2, 1, {0}, 2, 1, "questions_for_a_line"},
	/* PROTOCOL_VERSION of the base protocol. */
	{"commands", "VU_SCMI", 0, 2, 1, {0, 0x40}, 4, 136, NULL},
	{"commands_of_64_KiB", "VU_SCMI", 0, 2, 1, {0, 0x40}, 65536, 65536, NULL},
	{"messages_of_no_type", "VU_SCMI", 0, 2, 1, {0xff, 0xff, 0xff, 0xff}, 4, 136, NULL},
	/* EV_LED, LED_CAPSL. */
	{"status_events", "VU_INPUT", 1, 2, 0, {0x11, 0, 1, 0, 1}, 8, 0, NULL},
	{"status_buffers_of_64_KiB", "VU_INPUT", 1, 2, 0, {0x11, 0, 1, 0, 1}, 65536, 0, NULL},
	/* GET_EDID, and MOVE_CURSOR. */
	{"questions_for_a_monitor", "VU_GPU", 0, 2, 2, {0x0a, 1}, 32, 1056, NULL},
	{"movements_of_a_pointer", "VU_GPU", 1, 2, 2, {1, 3}, 56, 24, "questions_for_a_monitor"},
	{"pages", "VU_TEMPLATE", 0, 2, 0, {1}, 4, 0, NULL},
	{"lists_of_pages_of_64_KiB", "VU_TEMPLATE", 0, 2, 0, {1}, 65536, 0, NULL},
};

enum { N_FLOODS = sizeof(floods) / sizeof(floods[0]) };

const char *const rig_program = NULL; /* many */

struct turns {
	const struct flood *flood;
	bool first; /* the greedy driver has the first device */
	struct rig rig;
	struct rig modest;
};

static int setup(void **state)
{
	struct turns *t = *state;

	return rig_open(&t->rig, "/tmp") || rig_open(&t->modest, "/tmp") ? -1 : 0;
}

static int teardown(void **state)
{
	struct turns *t = *state;
	int ret = rig_close(&t->modest);

	return rig_close(&t->rig) || ret ? -1 : 0;
}

static void start(struct turns *t)
{
	const struct flood *f = t->flood;
	const char *first = rig_file(&t->rig, "sock", NULL),
		   *second = rig_file(&t->rig, "sock1", NULL);
	const char *argv[] = {getenv(f->program), "--socket-path", first,
			      "--socket-path",	  second,	   NULL};

	spawn_start(&t->rig.program, argv, NULL);
	spawn_wait_up(&t->rig.program, second);
	snprintf(t->rig.socket, sizeof(t->rig.socket), "%s", t->first ? first : second);
	snprintf(t->modest.socket, sizeof(t->modest.socket), "%s", t->first ? second : first);
	/* VERSION_1, PROTOCOL_FEATURES, INDIRECT_DESC. */
	t->rig.config.features = UINT64_C(1) << 32 | 1 << 30 | 1 << 28 | f->features;
	t->rig.config.n_queues = f->n_queues;
	t->rig.config.max_indirect = 2;
	t->modest.config = t->rig.config;
	t->rig.config.queue_size = FLOOD;
	rig_connect(&t->rig);
	rig_connect(&t->modest);
	/* No message of the start is waiting any more. */
	rig_expect_nothing(&t->rig, 0);
	rig_expect_nothing(&t->modest, 0);
}

static uint32_t make_request(struct rig *rig, const struct flood *f, struct driver_seg segs[2])
{
	struct rig_buffer out, in;
	uint32_t n = 0;

	if (f->out) {
		rig_buffer(rig, &out, f->out);
		memset(out.data, 0, f->out);
		memcpy(out.data, f->header, f->out < HEADER ? f->out : HEADER);
		segs[n++] = rig_read_seg(&out, f->out);
	}
	if (f->in) {
		rig_buffer(rig, &in, f->in);
		segs[n++] = rig_write_seg(&in, f->in);
	}
	return n;
}

static void offer(struct rig *rig, const struct flood *f, uint32_t requests)
{
	struct driver_ring *ring = rig->peer->queues[f->queue];
	struct driver_seg segs[2];
	uint32_t n = make_request(rig, f, segs);

	for (uint32_t i = 0; i < requests; i++)
		assert_true((n > 1 ? driver_add_indirect(ring, segs, n, rig)
				   : driver_add(ring, segs, n, rig)) >= 0);
	assert_true(driver_kick(ring) >= 0);
}

/* How many requests of the greedy driver are answered, beyond those that were counted before. */
static uint32_t count(const struct turns *t)
{
	static struct driver_used used[FLOOD];

	return (uint32_t)driver_collect(t->rig.peer->queues[t->flood->queue], used, FLOOD);
}

static const struct flood *modest_flood(const struct flood *f)
{
	const struct flood *other = floods;

	while (f->modest && strcmp(other->name, f->modest))
		other++;
	return f->modest ? other : f;
}

static void a_flood_keeps_nobody_waiting(void **state)
{
	struct turns *t = *state;
	uint32_t answered = 0, steps = 0;
	const struct flood *modest = modest_flood(t->flood);
	struct driver_ring *ring;

	if (!getenv(t->flood->program)) {
		print_message("skipped: not built\n");
		return;
	}
	start(t);
	ring = t->modest.peer->queues[modest->queue];
	traced_stop(t->rig.program.pid);
	offer(&t->rig, t->flood, FLOOD);
	offer(&t->modest, modest, 1);
	while (!driver_has_used(ring) && steps++ < STEPS) {
		traced_step(t->rig.program.pid);
		answered += count(t);
	}
	traced_let_go(t->rig.program.pid);
	assert_in_range(steps, 1, STEPS);
	assert_in_range(answered, 0, TURN);
	/* Bytes count, too, though not of each request. */
	assert_in_range(answered * t->flood->out, 0, TURN_BYTES);
	/* Nothing of the flood is lost. */
	while (answered < FLOOD) {
		rig_wait(&t->rig, t->flood->queue, NULL);
		answered += 1 + count(t);
	}
	peer_disconnect(t->modest.peer);
	rig_stop(&t->rig);
}

int main(void)
{
	static struct turns turns[2 * N_FLOODS];
	static char names[2 * N_FLOODS][96];
	static struct CMUnitTest tests[2 * N_FLOODS];

	for (uint32_t i = 0; i < 2 * N_FLOODS; i++) {
		turns[i].flood = &floods[i / 2];
		turns[i].first = i % 2 == 0;
		snprintf(names[i], sizeof(names[i]), "%s_do_not_keep_the_%s_waiting",
			 floods[i / 2].name, turns[i].first ? "next" : "one_before");
		tests[i] = (struct CMUnitTest){names[i], a_flood_keeps_nobody_waiting, setup,
					       teardown, &turns[i]};
	}
	return cmocka_run_group_tests_name("floods", tests, NULL, NULL);
}
