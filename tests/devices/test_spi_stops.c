/* SPDX-License-Identifier: MIT */
/* vu-spi: transfers that take long, and what comes meanwhile. */
#include "rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

const char *const rig_program = "VU_SPI";

enum { OK, TRANS_ERR = 2, HEAD = 32, PARTS = 120, PART = 32 << 20 };

/* The same buffers again and again: 3.75 GiB in each direction. */
static const struct guest_region memory = {.size = 80 << 20, .uva = UINT64_C(0x7f0000000000)};

struct transfer {
	struct rig_buffer head, out, in, result;
};

static void begin(struct rig *rig, struct transfer *t, const char *chip)
{
	const char *args[] = {"--control", rig->control, chip, NULL};
	struct driver_seg segs[2 * PARTS + 2];
	uint32_t n = 0;

	rig->config.n_regions = 1;
	rig->config.regions = &memory;
	rig_start(rig, args);
	rig_buffer(rig, &t->head, HEAD);
	rig_buffer(rig, &t->out, PART);
	rig_buffer(rig, &t->in, PART);
	rig_buffer(rig, &t->result, 1);
	memset(t->head.data, 0, HEAD);
	t->head.data[1] = 8;
	segs[n++] = rig_read_seg(&t->head, HEAD);
	for (int i = 0; i < PARTS; i++)
		segs[n++] = rig_read_seg(&t->out, PART);
	for (int i = 0; i < PARTS; i++)
		segs[n++] = rig_write_seg(&t->in, PART);
	segs[n++] = rig_write_seg(&t->result, 1);
	rig_offer(rig, 0, segs, n, t);
	while (!strstr(rig_say(rig, "list"), "transfers 1 "))
		continue;
}

/* Somebody else's command is answered before it is over. */
static void a_long_transfer_does_not_keep_the_thread(void **state)
{
	struct rig *rig = *state;
	struct transfer t;

	begin(rig, &t, "--chip=loopback");
	assert_non_null(strstr(rig->answer, "bytes 0"));
	assert_ptr_equal(rig_wait(rig, 0, NULL), &t);
	assert_int_equal(t.result.data[0], OK);
	assert_non_null(strstr(rig_say(rig, "list"), "bytes 4026531840"));
	rig_stop(rig);
}

/* It has a second to end, and is broken off. */
static void a_stop_breaks_a_long_transfer_off(void **state)
{
	const unsigned char head[HEAD] = {0, 8};
	struct rig *rig = *state;
	struct driver_used used;
	unsigned char result;
	struct transfer t;

	begin(rig, &t, "--chip=loopback");
	rig_check(rig, peer_stop(rig->peer));
	assert_int_equal(driver_collect(rig->peer->queues[0], &used, 1), 1);
	assert_ptr_equal(used.cookie, &t);
	/* A machine may be that fast. */
	assert_true(t.result.data[0] == TRANS_ERR || t.result.data[0] == OK);
	rig_check(rig, peer_start_rings(rig->peer));
	assert_int_equal(rig_ask(rig, 0, head, HEAD, &result, 1), 1);
	assert_int_equal(result, OK);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "a transfer failed: Operation canceled"),
			 t.result.data[0] == TRANS_ERR);
}

/* The next front-end's first request comes after that, and is served. */
static void a_front_end_that_goes_leaves_nothing_behind(void **state)
{
	const unsigned char head[HEAD] = {0, 8};
	struct rig *rig = *state;
	unsigned char result;
	struct transfer t;

	begin(rig, &t, "--chip=loopback");
	rig_connect(rig);
	assert_int_equal(rig_ask(rig, 0, head, HEAD, &result, 1), 1);
	assert_int_equal(result, OK);
	rig_stop(rig);
}

static void the_program_ends_meanwhile(void **state)
{
	struct rig *rig = *state;
	struct transfer t;

	begin(rig, &t, "--chip=loopback");
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_long_transfer_does_not_keep_the_thread),
		TEST(a_stop_breaks_a_long_transfer_off),
		TEST(a_front_end_that_goes_leaves_nothing_behind),
		TEST(the_program_ends_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
