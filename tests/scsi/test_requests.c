/* SPDX-License-Identifier: MIT */
/* vu-scsi: requests of any shape, and wrong ones; a driver that goes away. */
#include "ask.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/client.h"

enum {
	SENSE_SIZE = offsetof(struct virtio_scsi_config, sense_size),
	CDB_SIZE = offsetof(struct virtio_scsi_config, cdb_size),
};

/* The parts of a READ(10) of two blocks at 3, to be cut as a test likes. */
static void prepare(struct ask *ask)
{
	struct virtio_scsi_cmd_req *req = (void *)ask->io[0].header.data;

	memset(req, 0, sizeof(*req));
	memset(ask->io[0].answer.data, RIG_UNTOUCHED, ANSWER);
	memset(ask->io[0].in.data, RIG_UNTOUCHED, 4096);
	req->lun[0] = 1;
	memcpy(req->cdb, CDB(0x28, [5] = 3, [8] = 2), ASK_CDB);
}

static const struct virtio_scsi_cmd_resp *answer_of(struct ask *ask)
{
	return (void *)ask->io[0].answer.data;
}

static void a_request_may_be_cut_anywhere(void **state)
{
	struct ask *ask = *state;
	struct rig_buffer all, want;

	ask_start(ask, NULL);
	rig_buffer(&ask->rig, &all, ANSWER + 1024);
	rig_buffer(&ask->rig, &want, 1024);
	memset(want.data, image_byte(3), 512);
	memset(want.data + 512, image_byte(4), 512);
	for (uint32_t cut = 1; cut < ANSWER + 1024; cut += cut < 120 ? 1 : 97) {
		struct driver_seg segs[4];
		uint32_t head = cut < HEADER ? cut : HEADER - 1;

		prepare(ask);
		memset(all.data, RIG_UNTOUCHED, all.len);
		segs[0] = rig_read_seg(&ask->io[0].header, head);
		segs[1] = rig_read_seg(&ask->io[0].header, HEADER - head);
		segs[1].gpa += head;
		segs[2] = rig_write_seg(&all, cut);
		segs[3] = rig_write_seg(&all, all.len - cut);
		segs[3].gpa += cut;
		assert_int_equal(rig_do(&ask->rig, REQUESTQ, segs, 4), all.len);
		assert_int_equal(all.data[10] | all.data[11], 0); /* status, response */
		assert_memory_equal(all.data + ANSWER, want.data, 1024);
	}
	rig_stop(&ask->rig);
}

/* Told of is what was written, whichever of its buffers a command uses, and how much of them. */
static void no_more_is_told_of_than_was_written(void **state)
{
	struct ask *ask = *state;
	unsigned char data[512] = {0};

	ask_start(ask, NULL);
	assert_int_equal(ask_do(ask, 0, CDB(0x28, [8] = 1), NULL, 0, 1024), GOOD);
	assert_int_equal(ask->used, ANSWER + 512);
	assert_int_equal(ask->resid, 512);
	assert_int_equal(ask->data[512], RIG_UNTOUCHED);
	/* WRITE(10) and VERIFY(10), with room for what never comes. */
	assert_int_equal(ask_do(ask, 0, CDB(0x2a, [8] = 1), data, 512, 512), GOOD);
	assert_int_equal(ask->used, ANSWER);
	assert_int_equal(ask->resid, 512);
	assert_int_equal(ask_do(ask, 0, CDB(0x2f, 2, [8] = 1), data, 512, 512), GOOD);
	assert_int_equal(ask->used, ANSWER);
	assert_int_equal(ask->data[0], RIG_UNTOUCHED);
	rig_stop(&ask->rig);
}

static void short_requests_are_answered_as_far_as_there_is_room(void **state)
{
	struct ask *ask = *state;
	struct driver_seg segs[2];

	ask_start(ask, NULL);
	/* No CDB, half a CDB; which is a READ(10) of nothing. */
	prepare(ask);
	segs[0] = rig_read_seg(&ask->io[0].header, 19);
	segs[1] = rig_write_seg(&ask->io[0].answer, ANSWER);
	assert_int_equal(rig_do(&ask->rig, REQUESTQ, segs, 2), ANSWER);
	assert_int_equal(answer_of(ask)->response, VIRTIO_SCSI_S_FAILURE);
	prepare(ask);
	segs[0] = rig_read_seg(&ask->io[0].header, 19 + 6);
	rig_do(&ask->rig, REQUESTQ, segs, 2);
	assert_int_equal(answer_of(ask)->response, VIRTIO_SCSI_S_OK);
	assert_int_equal(answer_of(ask)->status, 0);
	/* A response without room for sense data, and without room for itself. */
	prepare(ask);
	((struct virtio_scsi_cmd_req *)ask->io[0].header.data)->cdb[0] = 4;
	segs[0] = rig_read_seg(&ask->io[0].header, HEADER);
	segs[1] = rig_write_seg(&ask->io[0].answer, 16);
	assert_int_equal(rig_do(&ask->rig, REQUESTQ, segs, 2), 16);
	assert_int_equal(answer_of(ask)->status, 2);
	assert_int_equal(le32toh(answer_of(ask)->sense_len), 4);
	assert_int_equal(ask->io[0].answer.data[16], RIG_UNTOUCHED);
	for (uint32_t len = 0; len < 12; len++) {
		segs[1] = rig_write_seg(&ask->io[0].answer, len);
		assert_int_equal(rig_do(&ask->rig, REQUESTQ, segs, len ? 2 : 1), 0);
	}
	segs[0] = rig_write_seg(&ask->io[0].answer, ANSWER);
	rig_do(&ask->rig, REQUESTQ, segs, 1);
	assert_int_equal(answer_of(ask)->response, VIRTIO_SCSI_S_FAILURE);
	assert_int_equal(ask_ready(ask, 0), GOOD);
	rig_stop(&ask->rig);
	assert_true(rig_logged(&ask->rig, "no room for a response") <= rig_log_limit(&ask->rig));
}

static void addresses_of_other_kinds_name_nothing(void **state)
{
	static const uint8_t bad[][8] = {
		{0, 0, 0x40}, {2, 0, 0x40}, {1, 0, 0x80, 0}, {1, 0, 0x40, 0, 1}, {1, 0, 0xc1, 1},
	};
	struct ask *ask = *state;
	struct virtio_scsi_cmd_req *req;
	struct driver_seg segs[2];

	ask_start(ask, NULL);
	req = (void *)ask->io[0].header.data;
	segs[0] = rig_read_seg(&ask->io[0].header, HEADER);
	segs[1] = rig_write_seg(&ask->io[0].answer, ANSWER);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		prepare(ask);
		memcpy(req->lun, bad[i], 8);
		rig_do(&ask->rig, REQUESTQ, segs, 2);
		assert_int_equal(answer_of(ask)->response, VIRTIO_SCSI_S_BAD_TARGET);
	}
	/* The simplest method, and a number that there cannot be. */
	prepare(ask);
	req->cdb[0] = 0;
	rig_do(&ask->rig, REQUESTQ, segs, 2);
	assert_int_equal(answer_of(ask)->response | answer_of(ask)->status, 0);
	req->lun[2] = 0x7f;
	req->lun[3] = 0xff;
	rig_do(&ask->rig, REQUESTQ, segs, 2);
	assert_int_equal(answer_of(ask)->status, 2);
	rig_stop(&ask->rig);
}

/* Every operation code, with every kind of nonsense behind it, leaves it alive. */
static void no_command_hurts(void **state)
{
	unsigned char cdb[ASK_CDB], data[4096];
	struct ask *ask = *state;
	uint32_t random = 1;

	ask_start(ask, (const char *const[]){"--lun=0:1,memory=1M", "--lun=1,cd", NULL});
	for (uint32_t i = 0; i < 256 * 12; i++) {
		static const uint32_t luns[] = {0, 1, 0x100, 2};

		for (uint32_t b = 0; b < sizeof(cdb); b++) {
			random = random * 1103515245 + 12345;
			cdb[b] = (uint8_t)(i & 1 ? random >> 16 : random >> 16 & 1);
		}
		for (uint32_t b = 0; b < sizeof(data); b++)
			data[b] = (uint8_t)(b < 64 ? cdb[b % ASK_CDB] : 0);
		cdb[0] = (uint8_t)(i / 12);
		ask_do(ask, luns[i % 4], cdb, data, i % 3 ? (random >> 8) % 4096 : 0,
		       i % 5 ? (random >> 12) % 4096 : 0);
	}
	rig_connect(&ask->rig);
	rig_stop(&ask->rig);
}

static void config_space_is_served_when_asked_for(void **state)
{
	struct virtio_scsi_config config;
	struct ask *ask = *state;

	ask_start(ask, (const char *const[]){"--config-space", NULL});
	rig_get_config(&ask->rig, 0, &config, sizeof(config));
	assert_int_equal(le32toh(config.num_queues), 2);
	assert_int_equal(le32toh(config.seg_max), 126);
	assert_int_equal(le32toh(config.sense_size), 96);
	assert_int_equal(le32toh(config.cdb_size), 32);
	assert_int_equal(le16toh(config.max_target), 255);
	rig_stop(&ask->rig);
}

static void expect_sizes(struct ask *ask, uint32_t sense, uint32_t cdb)
{
	uint32_t sizes[2];

	rig_get_config(&ask->rig, SENSE_SIZE, sizes, sizeof(sizes));
	assert_int_equal(le32toh(sizes[0]), sense);
	assert_int_equal(le32toh(sizes[1]), cdb);
}

static void sizes_that_cannot_be_are_not_taken_nor_told(void **state)
{
	static const struct {
		uint32_t offset, size;
	} refused[] = {{SENSE_SIZE, 1 << 20}, {SENSE_SIZE, 17}, {CDB_SIZE, 15}, {CDB_SIZE, 261}};
	struct ask *ask = *state;
	uint32_t size = htole32(200);

	ask_start(ask, (const char *const[]){"--config-space", NULL});
	rig_set_config(&ask->rig, SENSE_SIZE, &size, sizeof(size));
	expect_sizes(ask, 200, 32);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		size = htole32(refused[i].size);
		rig_set_config(&ask->rig, refused[i].offset, &size, sizeof(size));
		expect_sizes(ask, 200, 32);
	}
	size = htole32(96);
	rig_set_config(&ask->rig, SENSE_SIZE, &size, sizeof(size));
	assert_int_equal(ask_ready(ask, 0), GOOD);
	rig_stop(&ask->rig);
	assert_int_equal(rig_logged(&ask->rig, "those stay as they are"), 4);
}

static void a_front_end_that_listens_is_found_from_the_sandbox(void **state)
{
	struct ask *ask = *state;
	char connect[RIG_PATH + 16];
	const char *argv[] = {getenv(rig_program), connect, "--lun=memory=1M", NULL};
	struct spawned program;
	int listener;

	if (rig_sandbox()) {
		print_message("skipped: under the address sanitizer there is no sandbox\n");
		skip();
	}
	snprintf(connect, sizeof(connect), "--connect=%s", ask->rig.socket);
	listener = client_listen_as(ask->rig.socket, SOCK_STREAM, 8);
	spawn_start(&program, argv, NULL);
	for (int i = 0; i < 2; i++)
		close(client_accept(listener));
	spawn_stop(&program);
	assert_int_equal(program.status, 0);
	assert_non_null(strstr(program.err, "sandbox: landlock"));
	close(listener);
	spawn_free(&program);
}

static void a_sandbox_from_which_a_front_end_cannot_be_found_is_refused(void **state)
{
	const char *argv[] = {getenv(rig_program), "--connect=/nowhere", "--lun=memory=1M",
			      "--sandbox=namespace", NULL};

	(void)state;
	spawn_expect(argv, 1, "", "--sandbox=namespace the socket cannot be reached");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASK_TEST(a_request_may_be_cut_anywhere),
		ASK_TEST(no_more_is_told_of_than_was_written),
		ASK_TEST(short_requests_are_answered_as_far_as_there_is_room),
		ASK_TEST(addresses_of_other_kinds_name_nothing),
		ASK_TEST(no_command_hurts),
		ASK_TEST(config_space_is_served_when_asked_for),
		ASK_TEST(sizes_that_cannot_be_are_not_taken_nor_told),
		ASK_TEST(a_front_end_that_listens_is_found_from_the_sandbox),
		ASK_TEST(a_sandbox_from_which_a_front_end_cannot_be_found_is_refused),
	};

	return cmocka_run_group_tests_name("scsi_requests", tests, NULL, NULL);
}
