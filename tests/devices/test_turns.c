/* SPDX-License-Identifier: MIT */
/*
 * Devices on one thread take turns: whatever one driver asks for, another one is answered after a
 * bounded amount of work, and so after a bounded time.  Here that work is counted.
 *
 * The program is stopped while both drivers kick, in either order, so that the device finds all
 * of it at once.
 */
#include "rig.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/virtio_i2c.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	RX,
	TX,
	BIG = 1 << 20, /* one segment */
	SEGS = 30,     /* of a request, all over the same memory */
	MARK = 16,     /* what the modest driver writes */
	ALLOWANCE = 256 << 10,
	FLOOD = 2048, /* requests */
	FLOOD_BYTES = 65536,
	TRANSFER = 4096,  /* bytes, so that it takes its time */
	SOME_TURNS = 768, /* requests: what a queue is given in some turns */
	TRIES = 20,
};

const char *const rig_program = "VU_CONSOLE"; /* not the rig's to start */

struct turns {
	struct rig rig; /* with the greedy driver */
	struct rig modest;
	const char *socket;
	const char *out;   /* what the consoles write to */
	uint64_t features; /* of the device, to be accepted */
};

static int setup(void **state)
{
	struct turns *t = calloc(1, sizeof(*t));

	if (!t || rig_open(&t->rig, "/tmp") || rig_open(&t->modest, "/tmp"))
		return -1;
	rig_file(&t->rig, "sock", NULL);
	t->socket = rig_file(&t->rig, "sock1", NULL);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct turns *t = *state;
	int ret = rig_close(&t->modest);

	if (t->rig.program.pid > 0)
		kill(t->rig.program.pid, SIGCONT);
	ret |= rig_close(&t->rig);
	free(t);
	return ret;
}

/* first: the greedy driver has the first device, which may or may not have the first turn. */
static void start(struct turns *t, const char *program, const char *option, uint32_t queue_size,
		  bool first)
{
	const char *argv[] = {getenv(program), "--socket-path", t->rig.socket, "--socket-path",
			      t->socket,       option,		NULL};

	spawn_start(&t->rig.program, argv, NULL);
	spawn_wait_listening(t->rig.socket);
	spawn_wait_listening(t->socket);
	snprintf(t->modest.socket, sizeof(t->modest.socket), "%s",
		 first ? t->socket : t->rig.socket);
	if (!first)
		snprintf(t->rig.socket, sizeof(t->rig.socket), "%s", t->socket);
	/* VERSION_1, PROTOCOL_FEATURES, and indirect descriptors: no ports but the console. */
	t->rig.config.features = UINT64_C(1) << 32 | 1 << 30 | 1 << 28 | t->features;
	t->modest.config.features = t->rig.config.features;
	t->rig.config.queue_size = queue_size;
	t->rig.config.max_indirect = 1; /* is room for each request */
	rig_connect(&t->rig);
	rig_connect(&t->modest);
}

static void stop(struct turns *t)
{
	peer_disconnect(t->modest.peer);
	rig_stop(&t->rig);
}

static void pause_program(struct turns *t)
{
	int status;

	assert_return_code(kill(t->rig.program.pid, SIGSTOP), errno);
	assert_return_code(waitpid(t->rig.program.pid, &status, WUNTRACED), errno);
	assert_true(WIFSTOPPED(status));
}

static void resume_program(struct turns *t)
{
	assert_return_code(kill(t->rig.program.pid, SIGCONT), errno);
}

/* --- vu-console, whose drivers can ask for any number of bytes in one request --- */

/* Requests of SEGS times BIG over the same memory, which is filled with 'x'. */
static void offer_much(struct rig *rig, uint32_t queue, uint32_t requests)
{
	struct driver_seg segs[SEGS];
	struct rig_buffer buffer;

	rig_buffer(rig, &buffer, BIG);
	memset(buffer.data, 'x', BIG);
	for (uint32_t i = 0; i < SEGS; i++)
		segs[i] = queue == TX ? rig_read_seg(&buffer, BIG) : rig_write_seg(&buffer, BIG);
	for (uint32_t i = 0; i < requests; i++)
		assert_true(driver_add(rig->peer->queues[queue], segs, SEGS, rig) >= 0);
	assert_true(driver_kick(rig->peer->queues[queue]) >= 0);
}

/* Where the first byte is that is none of the greedy driver's, in a file that both write to. */
static long position_of_mark(const char *path)
{
	FILE *file = fopen(path, "r");
	long at = 0;
	int c;

	assert_non_null(file);
	while ((c = getc(file)) == 'x')
		at++;
	fclose(file);
	assert_int_equal(c, 'M');
	return at;
}

static void start_consoles(struct turns *t, const char *in, bool first)
{
	const char *out1 = rig_file(&t->rig, "out.1", NULL);
	char option[2 * RIG_PATH + 32];

	/* One file by two names, so that it holds what both wrote in the order they did. */
	t->out = rig_file(&t->rig, "out", "");
	assert_return_code(link(t->out, out1), errno);
	snprintf(option, sizeof(option), "--console=file:%s%s%s", t->out, in ? ",in=" : "",
		 in ? in : "");
	t->rig.config.n_queues = t->modest.config.n_queues = 2;
	start(t, "VU_CONSOLE", option, 0, first);
}

static void huge_requests(struct turns *t, bool first)
{
	const char *in = rig_file(&t->rig, "in", NULL), *in1 = rig_file(&t->rig, "in.1", NULL);
	struct rig_buffer mark;
	struct driver_seg seg;
	long at;

	assert_return_code(symlink("/dev/zero", in), errno);
	assert_return_code(symlink("/dev/zero", in1), errno);
	start_consoles(t, in, first);
	rig_buffer(&t->modest, &mark, MARK);
	memset(mark.data, 'M', MARK);
	seg = rig_read_seg(&mark, MARK);
	pause_program(t);
	assert_true(driver_add(t->modest.peer->queues[TX], &seg, 1, t) >= 0);
	if (!first)
		assert_true(driver_kick(t->modest.peer->queues[TX]) >= 0);
	offer_much(&t->rig, TX, 2);
	offer_much(&t->rig, RX, 8);
	if (first)
		assert_true(driver_kick(t->modest.peer->queues[TX]) >= 0);
	resume_program(t);
	assert_ptr_equal(rig_wait(&t->modest, TX, NULL), t);
	at = position_of_mark(t->out);
	assert_in_range(at, 0, 2 * ALLOWANCE);
	/* No input is lost or long: a buffer comes back with what was allowed. */
	for (uint32_t i = 0, len; i < 8; i++) {
		assert_ptr_equal(rig_wait(&t->rig, RX, &len), &t->rig);
		assert_in_range(len, 1, ALLOWANCE);
	}
	/* All of the output is written in the end. */
	for (uint32_t i = 0; i < 2; i++)
		assert_ptr_equal(rig_wait(&t->rig, TX, NULL), &t->rig);
	stop(t);
}

static void a_console_with_huge_requests_does_not_keep_the_next_waiting(void **state)
{
	huge_requests(*state, true);
}

static void a_console_with_huge_requests_does_not_keep_the_one_before_waiting(void **state)
{
	huge_requests(*state, false);
}

static void a_huge_request_of_a_console_is_written_once_and_whole(void **state)
{
	struct turns *t = *state;
	struct stat st;

	start_consoles(t, NULL, true);
	offer_much(&t->rig, TX, 1);
	assert_ptr_equal(rig_wait(&t->rig, TX, NULL), &t->rig);
	assert_return_code(stat(t->out, &st), errno);
	assert_int_equal(st.st_size, SEGS * BIG);
	stop(t);
}

/* --- many requests at once --- */

static void offer_requests(struct rig *rig, uint32_t queue, const struct driver_seg *segs,
			   uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_true(driver_add(rig->peer->queues[queue], segs, 2, rig) >= 0);
	assert_true(driver_kick(rig->peer->queues[queue]) >= 0);
}

static void make_segs(struct rig *rig, struct driver_seg segs[2])
{
	struct rig_buffer out, in;

	rig_buffer(rig, &out, 8);
	memset(out.data, 0, 8);
	rig_buffer(rig, &in, FLOOD_BYTES);
	segs[0] = rig_read_seg(&out, 8);
	segs[1] = rig_write_seg(&in, FLOOD_BYTES);
}

static uint32_t collect(struct rig *rig, uint32_t queue)
{
	static struct driver_used used[2 * FLOOD];

	return (uint32_t)driver_collect(rig->peer->queues[queue], used, 2 * FLOOD);
}

/*
 * How many requests of the greedy driver were answered when the modest one saw its answer. earlier:
 * what that has in the ring already.
 */
static uint32_t answered_before(struct turns *t, uint32_t queue, const struct driver_seg *greedy,
				const struct driver_seg *modest, uint32_t earlier)
{
	uint32_t before, total;

	pause_program(t);
	offer_requests(&t->rig, queue, greedy, FLOOD);
	offer_requests(&t->modest, queue, modest, 1);
	resume_program(t);
	rig_wait(&t->modest, queue, NULL);
	total = before = collect(&t->rig, queue);
	while (total < FLOOD + earlier) {
		rig_wait(&t->rig, queue, NULL);
		total += 1 + collect(&t->rig, queue);
	}
	assert_int_equal(total, FLOOD + earlier);
	return before;
}

/* --- vu-rng, whose requests are slow --- */

static void flood_of_entropy(struct turns *t, bool first)
{
	struct driver_seg greedy[2], modest[2];
	uint32_t least = FLOOD;

	start(t, "VU_RNG", NULL, 2 * FLOOD, first);
	make_segs(&t->rig, greedy);
	make_segs(&t->modest, modest);
	/* This test may be kept from looking while the device goes on; but not each time. */
	for (int i = 0; i < TRIES && least > SOME_TURNS; i++) {
		uint32_t before = answered_before(t, 0, greedy, modest, 0);

		if (before < least)
			least = before;
	}
	assert_in_range(least, 0, SOME_TURNS);
	stop(t);
}

static void a_flood_of_entropy_does_not_keep_the_next_waiting(void **state)
{
	flood_of_entropy(*state, true);
}

static void a_flood_of_entropy_does_not_keep_the_one_before_waiting(void **state)
{
	flood_of_entropy(*state, false);
}

/* --- vu-i2c, which waits for the rest of a group with a timer --- */

/* A transfer of that many bytes to read; of 0, a write of nothing. */
static void make_transfer(struct rig *rig, struct driver_seg segs[2], uint32_t flags, uint32_t len)
{
	const struct virtio_i2c_out_hdr hdr = {
		.addr = htole16(0x50 << 1),
		.flags = htole32(flags | (len ? VIRTIO_I2C_FLAGS_M_RD : 0))};
	struct rig_buffer out, in;

	rig_buffer(rig, &out, sizeof(hdr));
	memcpy(out.data, &hdr, sizeof(hdr));
	rig_buffer(rig, &in, len + 1);
	segs[0] = rig_read_seg(&out, sizeof(hdr));
	segs[1] = rig_write_seg(&in, len + 1);
}

/* The timer of half a group finds the flood. */
static void flood_of_transfers(struct turns *t, bool first)
{
	struct driver_seg half[2], greedy[2], modest[2];
	uint32_t least = FLOOD;

	t->features = 1u << VIRTIO_I2C_F_ZERO_LENGTH_REQUEST;
	start(t, "VU_I2C", NULL, 4 * FLOOD, first);
	make_transfer(&t->rig, half, VIRTIO_I2C_FLAGS_FAIL_NEXT, 0);
	make_transfer(&t->rig, greedy, 0, TRANSFER);
	make_transfer(&t->modest, modest, 0, 0);
	for (int i = 0; i < TRIES && least > SOME_TURNS; i++) {
		uint32_t before;

		offer_requests(&t->rig, 0, half, 1);
		before = answered_before(t, 0, greedy, modest, 1);
		if (before < least)
			least = before;
	}
	assert_in_range(least, 0, SOME_TURNS);
	stop(t);
}

static void a_flood_of_transfers_does_not_keep_the_next_waiting(void **state)
{
	flood_of_transfers(*state, true);
}

static void a_flood_of_transfers_does_not_keep_the_one_before_waiting(void **state)
{
	flood_of_transfers(*state, false);
}

#define TURNS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TURNS(a_console_with_huge_requests_does_not_keep_the_next_waiting),
		TURNS(a_console_with_huge_requests_does_not_keep_the_one_before_waiting),
		TURNS(a_huge_request_of_a_console_is_written_once_and_whole),
		TURNS(a_flood_of_entropy_does_not_keep_the_next_waiting),
		TURNS(a_flood_of_entropy_does_not_keep_the_one_before_waiting),
		TURNS(a_flood_of_transfers_does_not_keep_the_next_waiting),
		TURNS(a_flood_of_transfers_does_not_keep_the_one_before_waiting),
	};

	return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
