/* SPDX-License-Identifier: MIT */
/* Many requests at once, and what comes in between: stops, disconnects, garbage, signals. */
#include "rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "run/forbid.h"

enum {
	DEPTH = 64,
	QUEUES = 4,
	BLOCK = 16 << 10,
	BLOCK_SECTORS = BLOCK / SECTOR,
	IMAGE_BLOCKS = DISK_IMAGE / BLOCK,
	ROUNDS = 4000,
	CONNECTS = 10000,
};

/* The blocks of an image, each with the number of the write that it holds. */
struct load {
	struct disk_rig *rig;
	struct disk_io ios[QUEUES][DEPTH];
	uint32_t stamps[IMAGE_BLOCKS];
	bool busy[IMAGE_BLOCKS];
	uint32_t serial;
	unsigned int seed;
	uint32_t overtaken; /* requests that were finished before older ones */
};

static void stamp(unsigned char *data, uint32_t block, uint32_t number)
{
	uint32_t *words = (uint32_t *)(void *)data;

	for (uint32_t i = 0; i < BLOCK / 8; i++) {
		words[2 * i] = block;
		words[2 * i + 1] = number + i;
	}
}

static void check_stamp(const unsigned char *data, uint32_t block, uint32_t number)
{
	const uint32_t *words = (const uint32_t *)(const void *)data;

	for (uint32_t i = 0; i < BLOCK / 8; i++)
		if (words[2 * i] != block || words[2 * i + 1] != number + i)
			fail_msg("block %u, byte %u: is of block %u and write %u, not %u", block,
				 8 * i, words[2 * i], words[2 * i + 1] - i, number);
}

static void load_start(struct load *l, struct disk_rig *rig, const char *const *args)
{
	unsigned char data[BLOCK];
	int fd = open(rig->image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	memset(l, 0, sizeof(*l));
	l->rig = rig;
	assert_true(fd >= 0);
	for (uint32_t b = 0; b < IMAGE_BLOCKS; b++) {
		stamp(data, b, 0);
		assert_int_equal(write(fd, data, BLOCK), BLOCK);
	}
	close(fd);
	disk_spawn_file(rig, args);
}

static void load_connect(struct load *l)
{
	disk_connect(l->rig);
	for (uint32_t q = 0; q < l->rig->base.config.n_queues; q++)
		for (int i = 0; i < DEPTH; i++)
			disk_io_new(l->rig, &l->ios[q][i], BLOCK);
}

/* Reads must not come from the page cache alone. */
static void drop_cache(const struct disk_rig *rig)
{
	int fd = open(rig->image, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

/* Begin a read or write of a block that nothing else is under way for. */
static void load_add(struct load *l, uint32_t queue, struct disk_io *io)
{
	uint32_t block = (uint32_t)rand_r(&l->seed) % IMAGE_BLOCKS;
	bool write = rand_r(&l->seed) % 3 == 0;

	while (l->busy[block])
		block = (block + 1) % IMAGE_BLOCKS;
	l->busy[block] = true;
	io->stamp = l->stamps[block];
	if (write) {
		io->stamp = ++l->serial;
		stamp(io->data, block, io->stamp);
	} else {
		memset(io->data, NO_STATUS, BLOCK);
	}
	disk_add(l->rig, queue, io, write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
		 (uint64_t)block * BLOCK_SECTORS, BLOCK);
}

static void load_end(struct load *l, struct disk_io *io)
{
	uint32_t block = (uint32_t)(io->sector / BLOCK_SECTORS);

	assert_int_equal(*io->status, VIRTIO_BLK_S_OK);
	if (io->header->type == htole32(VIRTIO_BLK_T_OUT))
		l->stamps[block] = io->stamp;
	else
		check_stamp(io->data, block, io->stamp);
	l->busy[block] = false;
}

static void load_check_image(struct load *l)
{
	unsigned char data[BLOCK];

	for (uint32_t b = 0; b < IMAGE_BLOCKS; b++) {
		image_read(l->rig->image, (uint64_t)b * BLOCK, data, BLOCK);
		check_stamp(data, b, l->stamps[b]);
	}
}

/* Keep all queues full for a while. */
static void load_run(struct load *l, uint32_t rounds)
{
	uint32_t n_queues = l->rig->base.config.n_queues, busy[QUEUES];
	struct disk_io *io;

	for (uint32_t q = 0; q < n_queues; q++)
		for (busy[q] = 0; busy[q] < DEPTH; busy[q]++)
			load_add(l, q, &l->ios[q][busy[q]]);
	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t q = i % n_queues;

		if (i % 1000 == 0)
			drop_cache(l->rig);
		io = disk_wait(l->rig, q);
		l->overtaken += io != &l->ios[q][i / n_queues % DEPTH];
		load_end(l, io);
		load_add(l, q, io);
	}
	for (uint32_t q = 0; q < n_queues; q++)
		while (busy[q]--)
			load_end(l, disk_wait(l->rig, q));
}

/* Returns how many requests were answered out of order. */
static uint32_t verified_load(struct disk_rig *rig, const char *const *args)
{
	uint32_t overtaken;
	struct load *l = malloc(sizeof(*l));

	assert_non_null(l);
	load_start(l, rig, args);
	load_connect(l);
	load_run(l, ROUNDS);
	load_check_image(l);
	rig_stop(&rig->base);
	overtaken = l->overtaken;
	free(l);
	return overtaken;
}

static void many_requests_in_flight_are_answered_out_of_order_and_right(void **state)
{
	/* What the page cache has overtakes what it has not. */
	assert_int_not_equal(verified_load(*state, NULL), 0);
}

static void direct_io_answers_right(void **state)
{
	verified_load(*state, (const char *[]){"--direct", NULL});
}

static void registered_memory_answers_right(void **state)
{
	verified_load(*state, (const char *[]){"--direct", "--register-memory", NULL});
}

static void a_file_in_memory_answers_right(void **state)
{
	struct disk_rig *rig = *state;

	disk_use_memory(rig);
	verified_load(rig, NULL);
}

static void four_queues_run_side_by_side(void **state)
{
	struct disk_rig *rig = *state;

	rig->base.config.n_queues = QUEUES;
	verified_load(rig, (const char *[]){"--num-queues=4", NULL});
}

static void polling_workers_answer_right(void **state)
{
	struct disk_rig *rig = *state;

	rig->base.config.n_queues = QUEUES;
	verified_load(rig, (const char *[]){"--num-queues=4", "--poll-us=50", "--direct", NULL});
}

static void a_tiny_ring_and_a_deep_one_work(void **state)
{
	struct disk_rig *rig = *state;
	struct load *l = malloc(sizeof(*l));

	load_start(l, rig, (const char *[]){"--queue-size=1024", NULL});
	rig->base.config.queue_size = 4;
	disk_connect(rig);
	disk_expect_alive(rig);
	rig->base.config.queue_size = 1024;
	load_connect(l);
	memset(l->stamps, 0, sizeof(l->stamps));
	/* disk_expect_alive() left its mark there. */
	l->busy[0] = l->busy[1] = true;
	load_run(l, 500);
	rig_stop(&rig->base);
	free(l);
}

static void stops_in_the_middle_lose_nothing(void **state)
{
	struct disk_rig *rig = *state;
	struct load *l = malloc(sizeof(*l));

	rig->base.config.n_queues = 2;
	load_start(l, rig, (const char *[]){"--num-queues=2", "--direct", NULL});
	load_connect(l);
	for (int i = 0; i < 50; i++) {
		for (uint32_t q = 0; q < 2; q++) {
			for (int k = 0; k < DEPTH / 2; k++)
				load_add(l, q, &l->ios[q][k]);
			driver_kick(rig->base.peer->queues[q]);
		}
		rig_check(&rig->base, peer_stop(rig->base.peer));
		for (uint32_t q = 0; q < 2; q++) {
			rig_check(&rig->base, peer_start_queue(rig->base.peer, q));
			rig_check(&rig->base,
				  frontend_set_vring_enable(&rig->base.peer->frontend, q, true));
		}
		/* Some were answered before the stop, the rest afterwards. */
		for (uint32_t q = 0; q < 2; q++) {
			driver_kick_always(rig->base.peer->queues[q]);
			for (int k = 0; k < DEPTH / 2; k++)
				load_end(l, disk_wait(rig, q));
		}
	}
	load_check_image(l);
	rig_stop(&rig->base);
	free(l);
}

/* Blocks that were being written hold the old or the new data afterwards, but never a mixture of
 * others. */
static void load_forget(struct load *l)
{
	unsigned char data[BLOCK];
	const uint32_t *words = (const uint32_t *)(const void *)data;

	for (uint32_t b = 0; b < IMAGE_BLOCKS; b++) {
		if (!l->busy[b])
			continue;
		l->busy[b] = false;
		assert_int_equal(
			disk_do(l->rig, VIRTIO_BLK_T_IN, (uint64_t)b * BLOCK_SECTORS, data, BLOCK),
			VIRTIO_BLK_S_OK);
		check_stamp(data, b, words[1]);
		l->stamps[b] = words[1];
	}
}

static void interrupted(struct disk_rig *rig, void (*interrupt)(struct disk_rig *rig),
			const char *const *args)
{
	struct load *l = malloc(sizeof(*l));

	load_start(l, rig, args);
	for (int i = 0; i < 40; i++) {
		load_connect(l);
		load_forget(l);
		if (i % 4 == 0)
			drop_cache(rig);
		for (int k = 0; k < DEPTH; k++)
			load_add(l, 0, &l->ios[0][k]);
		driver_kick(rig->base.peer->queues[0]);
		poll(NULL, 0, i % 4);
		interrupt(rig);
	}
	load_connect(l);
	load_forget(l);
	load_check_image(l);
	load_run(l, 100);
	load_check_image(l);
	rig_stop(&rig->base);
	free(l);
}

static void disconnect(struct disk_rig *rig)
{
	peer_disconnect(rig->base.peer);
}

static void disconnects_in_the_middle_harm_nobody(void **state)
{
	interrupted(*state, disconnect, NULL);
}

static void disconnects_amid_direct_io_harm_nobody(void **state)
{
	interrupted(*state, disconnect, (const char *[]){"--direct", NULL});
}

static void disconnects_amid_io_in_registered_memory_harm_nobody(void **state)
{
	interrupted(*state, disconnect, (const char *[]){"--direct", "--register-memory", NULL});
}

static void send_garbage(struct disk_rig *rig)
{
	unsigned char garbage[64];

	memset(garbage, 0xa5, sizeof(garbage));
	rig_check(&rig->base, frontend_send_bytes(&rig->base.peer->frontend, garbage,
						  sizeof(garbage), NULL, 0));
	rig_check(&rig->base, frontend_wait_closed(&rig->base.peer->frontend));
}

static void garbage_in_the_middle_ends_the_session_alone(void **state)
{
	interrupted(*state, send_garbage, NULL);
}

static void ten_thousand_connects_leave_it_serving(void **state)
{
	struct disk_rig *rig = *state;
	uint64_t features;

	disk_start(rig, NULL);
	disk_expect_alive(rig);
	peer_disconnect(rig->base.peer);
	for (int i = 0; i < CONNECTS; i++) {
		struct frontend fe;

		assert_int_equal(frontend_connect(&fe, rig->base.socket), 0);
		if (i % 2)
			assert_int_equal(frontend_get_features(&fe, &features), 0);
		frontend_close(&fe);
	}
	disk_connect(rig);
	disk_expect_alive(rig);
	rig_stop(&rig->base);
}

static void sigterm_ends_it_with_requests_in_flight(void **state)
{
	struct disk_rig *rig = *state;
	struct load *l = malloc(sizeof(*l));

	rig->base.config.n_queues = QUEUES;
	load_start(l, rig, (const char *[]){"--num-queues=4", "--direct", NULL});
	load_connect(l);
	for (uint32_t q = 0; q < QUEUES; q++) {
		for (int k = 0; k < DEPTH; k++)
			load_add(l, q, &l->ios[q][k]);
		driver_kick(rig->base.peer->queues[q]);
	}
	spawn_stop(&rig->base.program);
	if (rig->base.program.status)
		print_error("%s", rig->base.program.err);
	assert_int_equal(rig->base.program.status, 0);
	rig->base.program.pid = 0;
	free(l);
}

static void sockets_have_disks_of_their_own(void **state)
{
	struct disk_rig *rig = *state;
	char second[80], image[80];
	struct frontend fe;
	uint64_t capacity = 0;

	snprintf(second, sizeof(second), "%s/second", rig->base.dir);
	snprintf(image, sizeof(image), "%s/image2", rig->base.dir);
	image_make(image, 8 * SECTOR);
	image_make(rig->image, DISK_IMAGE);
	disk_spawn_file(rig, (const char *[]){"--blk-file", image, "--socket-path", second, NULL});
	disk_connect(rig);
	disk_expect_alive(rig);
	assert_int_equal(frontend_connect(&fe, second), 0);
	assert_int_equal(frontend_get_features(&fe, &capacity), 0);
	assert_int_equal(frontend_get_protocol_features(&fe, &capacity), 0);
	assert_int_equal(frontend_set_protocol_features(&fe, capacity & 1 << WIRE_PF_CONFIG), 0);
	assert_int_equal(frontend_get_config(&fe, 0, &capacity, 8), 0);
	assert_int_equal(le64toh(capacity), 8);
	frontend_close(&fe);
	rig_stop(&rig->base);
	unlink(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(many_requests_in_flight_are_answered_out_of_order_and_right),
		DISK_TEST(direct_io_answers_right),
		DISK_TEST(registered_memory_answers_right),
		DISK_TEST(a_file_in_memory_answers_right),
		DISK_TEST(four_queues_run_side_by_side),
		DISK_TEST(polling_workers_answer_right),
		DISK_TEST(a_tiny_ring_and_a_deep_one_work),
		DISK_TEST(stops_in_the_middle_lose_nothing),
		DISK_TEST(disconnects_in_the_middle_harm_nobody),
		DISK_TEST(disconnects_amid_direct_io_harm_nobody),
		DISK_TEST(disconnects_amid_io_in_registered_memory_harm_nobody),
		DISK_TEST(garbage_in_the_middle_ends_the_session_alone),
		DISK_TEST(ten_thousand_connects_leave_it_serving),
		DISK_TEST(sigterm_ends_it_with_requests_in_flight),
		DISK_TEST(sockets_have_disks_of_their_own),
	};

	io_uring_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
