/* SPDX-License-Identifier: MIT */
/* The disk in memory: many requests of all lengths at once, cut into segments anywhere. */
#include "rig.h"

#include <stdlib.h>

enum {
	DISK = 4 << 20,
	SLOT = 32 << 10, /* of each request, so that none overlap */
	SLOTS = DISK / SLOT,
	MAX_CUTS = 4,
	ROUNDS = 60,
	ROOM = HEADER + SLOT + 1,
};

/* A request: header, data and status one behind the other. */
struct shot {
	uint64_t gpa;
	unsigned char *room;
	uint64_t offset;
	uint32_t len;
	bool write;
};

struct memory_test {
	struct disk_rig *rig;
	unsigned int seed;
	unsigned char disk[DISK]; /* what it must hold */
	struct shot shots[SLOTS];
};

static uint32_t pick(struct memory_test *t, uint32_t n)
{
	return (uint32_t)rand_r(&t->seed) % n;
}

/* len bytes from gpa on as up to MAX_CUTS + 1 segments of any lengths. */
static uint32_t cut(struct memory_test *t, struct driver_seg *segs, uint64_t gpa, uint32_t len,
		    bool write)
{
	uint32_t n = 0;

	for (uint32_t i = pick(t, MAX_CUTS + 1); i && len > 1; i--) {
		uint32_t piece = 1 + pick(t, i % 2 ? len - 1 : len < 300 ? len - 1 : 300);

		segs[n++] = (struct driver_seg){gpa, piece, write};
		gpa += piece;
		len -= piece;
	}
	segs[n++] = (struct driver_seg){gpa, len, write};
	return n;
}

static void shoot(struct memory_test *t, uint32_t slot)
{
	struct virtio_blk_outhdr header = {0};
	struct shot *shot = &t->shots[slot];
	struct driver_seg segs[2 * MAX_CUTS + 2];
	uint32_t n, first;

	shot->write = pick(t, 2);
	shot->len = SECTOR * (1 + pick(t, pick(t, 4) ? 8 : SLOT / SECTOR));
	first = pick(t, (SLOT - shot->len) / SECTOR + 1) * SECTOR;
	shot->offset = (uint64_t)slot * SLOT + first;
	header.type = htole32(shot->write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN);
	header.sector = htole64(shot->offset / SECTOR);
	memcpy(shot->room, &header, HEADER);
	for (uint32_t i = 0; i < shot->len; i++)
		shot->room[HEADER + i] = (unsigned char)rand_r(&t->seed);
	shot->room[HEADER + shot->len] = NO_STATUS;
	if (shot->write)
		memcpy(t->disk + shot->offset, shot->room + HEADER, shot->len);
	n = cut(t, segs, shot->gpa, HEADER + (shot->write ? shot->len : 0), false);
	n += cut(t, segs + n, shot->gpa + HEADER + (shot->write ? shot->len : 0),
		 1 + (shot->write ? 0 : shot->len), true);
	rig_check(&t->rig->base, driver_add(t->rig->base.peer->queues[0], segs, n, shot));
}

static void expect_hit(struct memory_test *t)
{
	const struct shot *shot = (const void *)disk_wait(t->rig, 0);

	assert_int_equal(shot->room[HEADER + shot->len], VIRTIO_BLK_S_OK);
	assert_int_equal(t->rig->used_len, shot->write ? 1 : shot->len + 1);
	assert_memory_equal(shot->room + HEADER, t->disk + shot->offset, shot->len);
}

static void all_shapes(struct disk_rig *rig, const char *option)
{
	struct memory_test *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->rig = rig;
	t->seed = 1;
	rig->base.config.queue_size = 1024;
	rig_spawn(&rig->base, (const char *[]){"--backend=memory", "--size=4M", option, NULL});
	disk_connect(rig);
	for (uint32_t i = 0; i < SLOTS; i++) {
		t->shots[i].gpa = guest_alloc(rig->base.peer->guest, ROOM, 1);
		t->shots[i].room = guest_ptr(rig->base.peer->guest, t->shots[i].gpa, ROOM);
		assert_non_null(t->shots[i].room);
	}
	/* One at a time, some, more than are gathered at once; the disk's last sectors are among
	 * them. */
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t n = round % 3 == 0 ? 1 : round % 3 == 1 ? 1 + pick(t, 16) : 100;
		uint32_t first = pick(t, SLOTS);

		for (uint32_t i = 0; i < n; i++)
			shoot(t, (first + i) % SLOTS);
		for (uint32_t i = 0; i < n; i++)
			expect_hit(t);
	}
	for (uint64_t at = 0; at < DISK; at += DISK_DATA) {
		assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, at / SECTOR, NULL, DISK_DATA),
				 VIRTIO_BLK_S_OK);
		assert_memory_equal(rig->io.data, t->disk + at, DISK_DATA);
	}
	rig_stop(&rig->base);
	free(t);
}

static void requests_of_all_shapes_are_copied_right(void **state)
{
	all_shapes(*state, NULL);
}

static void a_polling_thread_copies_them_right(void **state)
{
	all_shapes(*state, "--poll-us=100");
}

/* Reads and writes that are gathered do not keep other types from being served. */
static void other_types_come_between(void **state)
{
	struct disk_rig *rig = *state;
	struct disk_io reads[8], flushes[8];

	rig_spawn(&rig->base, (const char *[]){"--backend=memory", "--size=4M", NULL});
	disk_connect(rig);
	for (uint64_t i = 0; i < 8; i++)
		disk_write(rig, i * 8);
	for (uint32_t i = 0; i < 8; i++) {
		disk_io_new(rig, &reads[i], 8 * SECTOR);
		disk_io_new(rig, &flushes[i], SECTOR);
		disk_add(rig, 0, &reads[i], VIRTIO_BLK_T_IN, i * 8, 8 * SECTOR);
		disk_add(rig, 0, &flushes[i], i % 2 ? VIRTIO_BLK_T_FLUSH : VIRTIO_BLK_T_GET_ID, 0,
			 i % 2 ? 0 : VIRTIO_BLK_ID_BYTES);
	}
	for (int i = 0; i < 16; i++)
		assert_int_equal(*disk_wait(rig, 0)->status, VIRTIO_BLK_S_OK);
	for (uint32_t i = 0; i < 8; i++) {
		unsigned char want[8 * SECTOR];

		image_fill(want, i * 8, sizeof(want));
		assert_memory_equal(reads[i].data, want, sizeof(want));
	}
	rig_stop(&rig->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(requests_of_all_shapes_are_copied_right),
		DISK_TEST(a_polling_thread_copies_them_right),
		DISK_TEST(other_types_come_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
