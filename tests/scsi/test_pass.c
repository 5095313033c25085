/* SPDX-License-Identifier: MIT */
/*
 * vu-scsi's pass-through, for a disk of the kernel's scsi_debug that VU_SG names (/dev/sg0): run by
 * tests/guest/scsi_pass.py in a guest that has one.
 */
#include "ask.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	BLOCK = 512,
	MANY = 20, /* commands at once, more than a queue passes on */
	PASSED = 0 << 8,
	MEMORY = 1 << 8,
	PROTECTED = SENSE(7, 0x27, 0),
	BEYOND = SENSE(5, 0x21, 0),
	DESCRIPTORS = 0x72, /* a format of sense data */
};

/* --- scsi_debug --- */

static void set_debug(const char *what, const char *value)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pseudo/drivers/scsi_debug/%s", what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_return_code(fd, errno);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

/* --- */

static void start(struct ask *ask, const char *words)
{
	char lun[80];
	const char *argv[] = {lun, "--lun=1,memory=1M", "--num-queues=2", "--sandbox=landlock",
			      NULL};

	snprintf(lun, sizeof(lun), "--lun=0,sg=%s%s", getenv("VU_SG"), words);
	ask_start_bare(ask, argv);
	/* Ours, and maybe the device's. */
	while (ask_ready(ask, PASSED) >> 16 == 6 || ask_ready(ask, MEMORY) >> 16 == 6)
		;
	assert_int_equal(ask_ready(ask, PASSED), GOOD);
}

static void what_is_written_is_read_again(void **state)
{
	struct ask *ask = *state;
	static unsigned char data[64 * BLOCK];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7 + i / BLOCK);
	start(ask, "");
	assert_int_equal(ask_do(ask, PASSED, CDB(0x12, [4] = 36), NULL, 0, 36), GOOD);
	assert_memory_equal(ask->data + 8, "Linux   scsi_debug", 18);
	assert_int_equal(ask_do(ask, PASSED, CDB(0x2a, [5] = 9, [8] = 64), data, sizeof(data), 0),
			 GOOD);
	assert_int_equal(ask->used, ANSWER);
	assert_int_equal(ask_do(ask, PASSED, CDB(0x28, [5] = 9, [8] = 64), NULL, 0, sizeof(data)),
			 GOOD);
	assert_memory_equal(ask->data, data, sizeof(data));
	assert_int_equal(ask->used, ANSWER + sizeof(data));
	assert_int_equal(ask->resid, 0);
	rig_stop(&ask->rig);
}

static void what_does_not_come_is_told_of_and_not_written(void **state)
{
	struct ask *ask = *state;

	start(ask, "");
	assert_int_equal(ask_do(ask, PASSED, CDB(0x25), NULL, 0, 255), GOOD);
	assert_int_equal(ask->used, ANSWER + 8);
	assert_int_equal(ask->resid, 255 - 8);
	assert_int_equal(be32(ask->data + 4), BLOCK);
	assert_int_equal(ask->data[8], RIG_UNTOUCHED);
	rig_stop(&ask->rig);
}

static void sense_data_is_the_devices(void **state)
{
	struct ask *ask = *state;

	start(ask, "");
	assert_int_equal(ask_do(ask, PASSED, CDB(0x28, [2] = 0x7f, [8] = 1), NULL, 0, BLOCK),
			 BEYOND);
	assert_int_equal(ask_do(ask, PASSED, CDB(0x12, 1, 0xee, [4] = 64), NULL, 0, 64), BAD_CDB);
	assert_int_equal(ask->sense[15] & 0xc0, 0xc0);
	assert_int_equal(ask_do(ask, PASSED, CDB(0x4f), NULL, 0, 0), NO_COMMAND);
	assert_int_equal(ask_ready(ask, PASSED), GOOD);
	rig_stop(&ask->rig);
}

/* Of every operation code, with data in either direction, of sizes that it does not have. */
static void no_command_hurts(void **state)
{
	struct ask *ask = *state;
	static unsigned char data[3000];

	start(ask, ",timeout=1");
	for (uint32_t i = 0; i < 256; i++) {
		if (i == 0x1b || i == 0x04) /* would stop it */
			continue;
		ask_do(ask, PASSED,
		       CDB((uint8_t)i, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), NULL,
		       0, 0);
		ask_do(ask, PASSED, CDB((uint8_t)i, [4] = 0xff, [8] = 0xff), NULL, 0, 7);
		ask_do(ask, PASSED, CDB((uint8_t)i, [4] = 0xff, [8] = 0xff), data, sizeof(data), 0);
		assert_int_equal(ask_do(ask, PASSED, CDB((uint8_t)i), data, 1, 1) >= GOOD, true);
	}
	while (ask_ready(ask, PASSED) >> 16 == 6)
		;
	assert_int_equal(ask_ready(ask, PASSED), GOOD);
	rig_stop(&ask->rig);
}

static void commands_that_reach_further_are_refused(void **state)
{
	struct ask *ask = *state;
	static const uint8_t refused[] = {0x3b, 0x83, 0x84, 0x85, 0xa1, 0xa4, 0xb5, 0x7f, 0xc0};

	start(ask, "");
	for (size_t i = 0; i < sizeof(refused); i++)
		assert_int_equal(ask_do(ask, PASSED, CDB(refused[i]), NULL, 0, 0), NO_COMMAND);
	rig_stop(&ask->rig);
}

/* RESERVE, RELEASE and PERSISTENT RESERVE; scsi_debug may not know the latter. */
static void expect_reservations(struct ask *ask, bool passed)
{
	static const uint8_t reserving[] = {0x16, 0x17, 0x56, 0x57, 0x5e, 0x5f};

	for (size_t i = 0; i < sizeof(reserving); i++) {
		int result = ask_do(ask, PASSED, CDB(reserving[i]), NULL, 0, 0);
		bool is_devices = result != NO_COMMAND || ask->sense[0] == DESCRIPTORS;

		assert_int_equal(is_devices, passed);
		assert_true(i > 3 || !passed || result == GOOD);
	}
}

/* To a device all of our sockets are one initiator. */
static void only_a_guest_that_is_alone_reserves_a_device(void **state)
{
	struct ask *ask = *state;
	char lun[80], other[RIG_PATH];

	set_debug("dsense", "1"); /* its sense data looks unlike ours */
	start(ask, "");
	expect_reservations(ask, true);
	rig_stop(&ask->rig);

	snprintf(other, sizeof(other), "%s/other", ask->rig.dir);
	snprintf(lun, sizeof(lun), "--lun=0,sg=%s", getenv("VU_SG"));
	ask_start_bare(ask, (const char *const[]){lun, "--num-queues=2", "--sandbox=landlock",
						  "--socket-path", other, NULL});
	while (ask_ready(ask, PASSED) >> 16 == 6)
		;
	expect_reservations(ask, false);
	assert_int_equal(ask_ready(ask, PASSED), GOOD);
	rig_stop(&ask->rig);
	unlink(other);
	set_debug("dsense", "0");
}

static void a_device_that_is_read_only_is_only_read(void **state)
{
	struct ask *ask = *state;
	unsigned char data[BLOCK] = {1};

	start(ask, ",read-only");
	assert_int_equal(ask_do(ask, PASSED, CDB(0x2a, [8] = 1), data, BLOCK, 0), PROTECTED);
	assert_int_equal(ask_do(ask, PASSED, CDB(0x42, [8] = 24), data, 24, 0), PROTECTED);
	assert_int_equal(ask_do(ask, PASSED, CDB(0x1b), NULL, 0, 0), PROTECTED);
	assert_int_equal(ask_do(ask, PASSED, CDB(0x35), NULL, 0, 0), GOOD);
	assert_int_equal(ask_do(ask, PASSED, CDB(0x28, [8] = 1), NULL, 0, BLOCK), GOOD);
	assert_int_equal(ask_do(ask, PASSED, CDB(0x1a, [2] = 0x3f, [4] = 4), NULL, 0, 4), GOOD);
	assert_int_equal(ask->data[2] & 0x80, 0x80);
	rig_stop(&ask->rig);
}

/* --- slow ones --- */

struct slow {
	struct rig_buffer header, answer, data;
};

static void offer(struct ask *ask, struct slow *s, uint32_t lun, const unsigned char *cdb,
		  uint32_t in_len)
{
	struct virtio_scsi_cmd_req *req;
	struct driver_seg segs[3];

	rig_buffer(&ask->rig, &s->header, HEADER);
	rig_buffer(&ask->rig, &s->answer, ANSWER);
	rig_buffer(&ask->rig, &s->data, BLOCK);
	req = (void *)s->header.data;
	*req = (struct virtio_scsi_cmd_req){.lun = {1, (uint8_t)(lun >> 8), 0x40},
					    .tag = (uint64_t)(uintptr_t)s};
	memcpy(req->cdb, cdb, ASK_CDB);
	segs[0] = rig_read_seg(&s->header, HEADER);
	segs[1] = rig_write_seg(&s->answer, ANSWER);
	segs[2] = rig_write_seg(&s->data, in_len);
	rig_offer(&ask->rig, REQUESTQ, segs, in_len ? 3 : 2, s);
}

static uint8_t response_of(const struct slow *s)
{
	return ((struct virtio_scsi_cmd_resp *)s->answer.data)->response;
}

/* A device that takes 20 ticks for each of them. */
static void offer_slow(struct ask *ask, struct slow slow[MANY])
{
	start(ask, "");
	set_debug("delay", "20");
	for (int i = 0; i < MANY; i++)
		offer(ask, &slow[i], PASSED, CDB(0x28, [8] = 1), BLOCK);
}

static void a_slow_device_keeps_nobody_waiting(void **state)
{
	static struct slow slow[MANY], other;
	struct ask *ask = *state;

	offer_slow(ask, slow);
	offer(ask, &other, MEMORY, CDB(0), 0);
	assert_ptr_equal(rig_wait(&ask->rig, REQUESTQ, NULL), &other);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(response_of(rig_wait(&ask->rig, REQUESTQ, NULL)), 0);
	set_debug("delay", "1");
	rig_stop(&ask->rig);
}

static void an_abort_waits_for_what_the_device_has_and_for_what_waits_for_it(void **state)
{
	static struct slow slow[MANY];
	struct ask *ask = *state;

	offer_slow(ask, slow);
	assert_int_equal(ask_function(ask, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, PASSED, 0), 0);
	/* All were answered before. */
	for (int i = 0; i < MANY; i++)
		assert_true(response_of(rig_wait(&ask->rig, REQUESTQ, NULL)) != RIG_UNTOUCHED);
	assert_int_equal(response_of(&slow[MANY - 1]), VIRTIO_SCSI_S_RESET);
	set_debug("delay", "1");
	rig_stop(&ask->rig);
}

static void the_program_ends_when_the_device_has_answered(void **state)
{
	static struct slow slow[MANY];
	struct ask *ask = *state;

	offer_slow(ask, slow);
	rig_stop(&ask->rig);
	set_debug("delay", "1");
}

static void a_command_that_is_never_answered_ends_when_its_time_is_up(void **state)
{
	struct ask *ask = *state;

	start(ask, ",timeout=1");
	set_debug("opts", "4"); /* not answered: */
	set_debug("every_nth", "1");
	assert_int_equal(ask_do(ask, PASSED, CDB(0x28, [8] = 1), NULL, 0, BLOCK),
			 RESPONSE | VIRTIO_SCSI_S_ABORTED);
	set_debug("every_nth", "0");
	set_debug("opts", "0");
	while (ask_ready(ask, PASSED) >> 16 == 6)
		;
	assert_int_equal(ask_do(ask, PASSED, CDB(0x28, [8] = 1), NULL, 0, BLOCK), GOOD);
	rig_stop(&ask->rig);
}

static void the_sandbox_has_no_other_way_to_devices(void **state)
{
	const char *argv[] = {"--lun=1,memory=1M",
			      "--num-queues=2",
			      "--sandbox=landlock",
			      "--control",
			      NULL,
			      NULL};
	struct ask *ask = *state;
	char line[80];

	if (rig_sandbox()) {
		print_message("skipped: under the address sanitizer there is no sandbox\n");
		skip();
	}
	argv[4] = ask->rig.control;
	ask_start_bare(ask, argv);
	snprintf(line, sizeof(line), "add 0,sg=%s", getenv("VU_SG"));
	assert_non_null(strstr(rig_say_refused(&ask->rig, line),
			       "only with --lun, or with --sandbox=none"));
	rig_stop(&ask->rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASK_TEST(what_is_written_is_read_again),
		ASK_TEST(what_does_not_come_is_told_of_and_not_written),
		ASK_TEST(sense_data_is_the_devices),
		ASK_TEST(commands_that_reach_further_are_refused),
		ASK_TEST(only_a_guest_that_is_alone_reserves_a_device),
		ASK_TEST(a_device_that_is_read_only_is_only_read),
		ASK_TEST(a_slow_device_keeps_nobody_waiting),
		ASK_TEST(an_abort_waits_for_what_the_device_has_and_for_what_waits_for_it),
		ASK_TEST(the_program_ends_when_the_device_has_answered),
		ASK_TEST(a_command_that_is_never_answered_ends_when_its_time_is_up),
		ASK_TEST(the_sandbox_has_no_other_way_to_devices),
		ASK_TEST(no_command_hurts),
	};

	if (!getenv("VU_SG"))
		return 77;
	return cmocka_run_group_tests_name("scsi_pass", tests, NULL, NULL);
}
