/* SPDX-License-Identifier: MIT */
/* vu-scsi: task management, unit attentions, events, and logical units that come, change and go. */
#include "ask.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PARAM_CHANGE = VIRTIO_SCSI_T_PARAM_CHANGE, RESET = VIRTIO_SCSI_T_TRANSPORT_RESET };

enum { ROOM_FOR_A_RING = 1 << 20 };

static const int changed = SENSE(6, 0x3f, 0x0e);

static void offer_event(struct ask *ask, struct rig_buffer *buffer)
{
	struct driver_seg seg;

	rig_buffer(&ask->rig, buffer, sizeof(struct virtio_scsi_event));
	seg = rig_write_seg(buffer, buffer->len);
	rig_offer(&ask->rig, EVENTQ, &seg, 1, buffer);
}

static void expect_event(struct ask *ask, uint32_t event, uint32_t reason, uint32_t lun)
{
	struct virtio_scsi_event got;
	struct rig_buffer *buffer;
	uint32_t len;

	buffer = rig_wait(&ask->rig, EVENTQ, &len);
	assert_int_equal(len, sizeof(got));
	memcpy(&got, buffer->data, sizeof(got));
	assert_int_equal(le32toh(got.event), event);
	assert_int_equal(le32toh(got.reason), reason);
	assert_int_equal(got.lun[0], event == VIRTIO_SCSI_T_EVENTS_MISSED ? 0 : 1);
	assert_int_equal(got.lun[1] << 8 | got.lun[2] << 8 | got.lun[3], lun);
}

static void start_controlled(struct ask *ask, const char *lun)
{
	ask_start(ask, (const char *const[]){"--control", ask->rig.control, "--dir", ask->rig.dir,
					     lun, NULL});
}

static void disks_come_and_go_while_it_runs(void **state)
{
	struct ask *ask = *state;
	struct rig_buffer events[2];

	start_controlled(ask, NULL);
	offer_event(ask, &events[0]);
	offer_event(ask, &events[1]);
	rig_say(&ask->rig, "add 0:5,memory=2M,serial=five");
	expect_event(ask, RESET, VIRTIO_SCSI_EVT_RESET_RESCAN, 5);
	/* Those beside it say so, once; so does a look at the list. */
	assert_int_equal(ask_ready(ask, 0), changed);
	assert_int_equal(ask_ready(ask, 0), GOOD);
	assert_int_equal(ask_do(ask, 5, CDB(0x25), NULL, 0, 8), GOOD);
	assert_int_equal(be32(ask->data), 4095);
	assert_int_equal(ask_do(ask, 5, CDB(0x28, [8] = 1), NULL, 0, 512), GOOD);
	assert_string_equal(rig_say_refused(&ask->rig, "add 0:5,null=1M"),
			    "0:5: there is one already");
	rig_say(&ask->rig, "remove 0:5");
	expect_event(ask, RESET, VIRTIO_SCSI_EVT_RESET_REMOVED, 5);
	assert_int_equal(ask_ready(ask, 5), NO_LUN);
	assert_int_equal(ask_do(ask, 0, CDB(0xa0, [9] = 64), NULL, 0, 64), GOOD);
	assert_int_equal(be32(ask->data), 8);
	assert_int_equal(ask_ready(ask, 0), GOOD);
	assert_string_equal(rig_say_refused(&ask->rig, "remove 0:5"), "there is none");
	/* A target of its own: nobody is beside it. */
	rig_say(&ask->rig, "add memory=1M");
	assert_int_equal(ask_ready(ask, 0x100), GOOD);
	rig_stop(&ask->rig);
}

static void an_image_that_comes_later_has_the_name_it_had_at_the_start(void **state)
{
	struct ask *ask = *state;
	unsigned char name[19];
	char add[96];

	snprintf(add, sizeof(add), "add 0:0,file=%s", ask->image);
	start_controlled(ask, NULL);
	assert_int_equal(ask_do(ask, 0, CDB(0x12, 1, 0x80, [4] = sizeof(name)), NULL, 0, 64), GOOD);
	memcpy(name, ask->data, sizeof(name));
	rig_say(&ask->rig, "remove 0:0");
	rig_say(&ask->rig, add);
	assert_int_equal(ask_do(ask, 0, CDB(0x12, 1, 0x80, [4] = sizeof(name)), NULL, 0, 64), GOOD);
	assert_memory_equal(ask->data, name, sizeof(name));
	rig_stop(&ask->rig);
}

/* A disk that came later gets an io_uring when it is used, in a queue's thread. */
static void an_io_uring_that_cannot_be_had_now_is_told_once(void **state)
{
	struct rlimit before, less;
	struct ask *ask = *state;
	char add[96];

	snprintf(add, sizeof(add), "add 0:1,file=%s", ask->image);
	/* In the sandbox it counts, whoever started the program. */
	assert_return_code(getrlimit(RLIMIT_MEMLOCK, &before), errno);
	if (before.rlim_cur < ROOM_FOR_A_RING) {
		print_message("[  SKIP  ] too little memory may be locked here for an io_uring\n");
		skip();
	}
	start_controlled(ask, "--lun=1,memory=1M");
	rig_say(&ask->rig, "remove 0:0");
	rig_say(&ask->rig, add);
	assert_return_code(prlimit(ask->rig.program.pid, RLIMIT_NOFILE, NULL, &before), errno);
	less = (struct rlimit){3, before.rlim_max};
	assert_return_code(prlimit(ask->rig.program.pid, RLIMIT_NOFILE, &less, NULL), errno);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(ask_do(ask, 1, CDB(0x28, [8] = 1), NULL, 0, 512),
				 SENSE(4, 0x44, 0));
	assert_return_code(prlimit(ask->rig.program.pid, RLIMIT_NOFILE, &before, NULL), errno);
	assert_int_equal(ask_do(ask, 1, CDB(0x28, [8] = 1), NULL, 0, 512), GOOD);
	rig_stop(&ask->rig);
	assert_int_equal(rig_logged(&ask->rig, "io_uring: Too many open files"), 1);
}

static void descriptions_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		const char *line, *complaint;
	} cases[] = {
		{"add nonsense", "not a word of"},
		{"add 1:0", "what is it"},
		{"add memory=1M,null=1M", "it is something already"},
		{"add memory=x", "a size is wanted"},
		{"add memory=1M,block=700", "a power of two"},
		{"add memory=1M,serial=123456789012345678901", "1 to 20 characters"},
		{"add memory=1M,serial=caf\xc3\xa9", "printable characters of ASCII"},
		{"add 5:0,5:1,memory=1M", "it has an address already"},
		{"add 256:0,memory=1M", "0:0 to 255:255"},
		{"add file=", "a path is wanted"},
		{"add null=600,block=4096", "null"},
		{"load 1:0 x,0:5", "no drive"},
		{"add file=../../etc/passwd", "No such file"},
		{"add file=not-there", "No such file"},
		{"load 0:0 x", "no drive"},
		{"remove x", "which one"},
	};
	struct ask *ask = *state;

	start_controlled(ask, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strstr(rig_say_refused(&ask->rig, cases[i].line), cases[i].complaint))
			fail_msg("%s: %s", cases[i].line, ask->rig.line);
	/* Without a sandbox all paths are within reach. */
	if (!rig_sandbox())
		assert_non_null(
			strstr(rig_say_refused(&ask->rig, "add file=/etc/passwd"), "not in --dir"));
	assert_true(strstr(rig_say(&ask->rig, "list"), "0:0 file ") != NULL);
	rig_stop(&ask->rig);
}

static void many_events_without_buffers_are_told_as_missed(void **state)
{
	struct rig_buffer events[66];
	struct ask *ask = *state;
	char line[64];

	start_controlled(ask, NULL);
	for (uint32_t i = 0; i < 65; i++) {
		snprintf(line, sizeof(line), "add 2:%u,null=1M", i);
		rig_say(&ask->rig, line);
	}
	for (uint32_t i = 0; i < 64; i++) {
		offer_event(ask, &events[i]);
		if (i)
			expect_event(ask, RESET, VIRTIO_SCSI_EVT_RESET_RESCAN, 0x200 + i);
		else
			expect_event(ask, RESET | VIRTIO_SCSI_T_EVENTS_MISSED,
				     VIRTIO_SCSI_EVT_RESET_RESCAN, 0x200);
	}
	offer_event(ask, &events[64]);
	rig_expect_nothing(&ask->rig, EVENTQ);
	rig_stop(&ask->rig);
}

static void a_disk_that_grows_is_told(void **state)
{
	struct rig_buffer event;
	struct ask *ask = *state;

	start_controlled(ask, NULL);
	offer_event(ask, &event);
	assert_return_code(truncate(ask->image, 2 * IMAGE), errno);
	kill(ask->rig.program.pid, SIGHUP);
	expect_event(ask, PARAM_CHANGE, 0x2a | 0x09 << 8, 0);
	assert_int_equal(ask_ready(ask, 0), SENSE(6, 0x2a, 0x09));
	assert_int_equal(ask_do(ask, 0, CDB(0x25), NULL, 0, 8), GOOD);
	assert_int_equal(be32(ask->data), 2 * IMAGE / 512 - 1);
	rig_stop(&ask->rig);
}

static void a_drive_takes_other_media(void **state)
{
	struct ask *ask = *state;
	const int no_medium = SENSE(2, 0x3a, 0);
	char load[96];
	/* The control page: sense data as descriptors. */
	const unsigned char page[16] = {
		[4] = 0x0a, [5] = 0x0a, [6] = 4, [7] = 0x10, [12] = 0xff, [13] = 0xff};

	/* Found with a sandbox and without, where paths are not those of --dir. */
	snprintf(load, sizeof(load), "load 1:0 %s", ask->image);
	start_controlled(ask, "--lun=1,cd");
	assert_int_equal(ask_ready(ask, 0x100), no_medium);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x28, [8] = 1), NULL, 0, 2048), no_medium);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x15, 0x10, [4] = 16), page, 16, 0), GOOD);
	/* The image of the disk, read-only and in another file: two may not have it. */
	assert_true(strstr(rig_say_refused(&ask->rig, load), "busy") != NULL);
	rig_say(&ask->rig, "remove 0:0");
	rig_say(&ask->rig, rig_sandbox() ? load : "load 1:0 image");
	assert_int_equal(ask_ready(ask, 0x100), SENSE(6, 0x28, 0));
	assert_int_equal(ask->sense[0], 0x72); /* as it was set before */
	assert_int_equal(ask_do(ask, 0x100, CDB(0x28, [5] = 1, [8] = 1), NULL, 0, 2048), GOOD);
	assert_int_equal(ask->data[0], image_byte(4));
	assert_int_equal(ask_do(ask, 0x100, CDB(0x43, [8] = 64), NULL, 0, 64), GOOD);
	assert_int_equal(be32(ask->data + 16), IMAGE / 2048);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x4a, 1, [4] = 0x10, [8] = 8), NULL, 0, 8), GOOD);
	assert_int_equal(ask->data[4] << 8 | ask->data[5], 0x202);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x46, [8] = 64), NULL, 0, 64), GOOD);
	assert_int_equal(ask->data[7], 8);
	/* Locked in; then ejected, and taken in again. */
	assert_int_equal(ask_do(ask, 0x100, CDB(0x1e, [4] = 1), NULL, 0, 0), GOOD);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x1b, [4] = 2), NULL, 0, 0), SENSE(5, 0x53, 2));
	assert_int_equal(ask_do(ask, 0x100, CDB(0x1e), NULL, 0, 0), GOOD);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x1b, [4] = 2), NULL, 0, 0), GOOD);
	assert_int_equal(ask_ready(ask, 0x100), no_medium);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x1b, [4] = 3), NULL, 0, 0), GOOD);
	assert_int_equal(ask_ready(ask, 0x100), SENSE(6, 0x28, 0));
	assert_int_equal(ask_ready(ask, 0x100), GOOD);
	rig_stop(&ask->rig);
}

static uint32_t drive_block(struct ask *ask)
{
	/* First what is new: the medium, and that another unit has gone. */
	while (ask_ready(ask, 0x100) >> 16 == 6)
		;
	assert_int_equal(ask_do(ask, 0x100, CDB(0x25), NULL, 0, 8), GOOD);
	return be32(ask->data + 4);
}

static void a_drives_blocks_stay_as_they_were_described(void **state)
{
	struct ask *ask = *state;
	char load[96];

	snprintf(load, sizeof(load), "load 1:0 %s", ask->image);
	start_controlled(ask, "--lun=1,cd,block=512");
	rig_say(&ask->rig, "remove 0:0");
	for (int i = 0; i < 2; i++) {
		rig_say(&ask->rig, rig_sandbox() ? load : "load 1:0 image");
		assert_int_equal(drive_block(ask), 512);
		rig_say(&ask->rig, "eject 1:0");
	}
	rig_stop(&ask->rig);
}

static void functions_are_answered(void **state)
{
	struct ask *ask = *state;
	const uint8_t short_one[4] = {0};
	uint8_t response;

	ask_start(ask, NULL);
	assert_int_equal(ask_function(ask, VIRTIO_SCSI_T_TMF_ABORT_TASK, 0, 7), VIRTIO_SCSI_S_OK);
	assert_int_equal(ask_function(ask, VIRTIO_SCSI_T_TMF_QUERY_TASK, 0, 7), VIRTIO_SCSI_S_OK);
	assert_int_equal(ask_function(ask, VIRTIO_SCSI_T_TMF_CLEAR_ACA, 0, 0),
			 VIRTIO_SCSI_S_FUNCTION_REJECTED);
	assert_int_equal(ask_function(ask, 99, 0, 0), VIRTIO_SCSI_S_FUNCTION_REJECTED);
	assert_int_equal(ask_function(ask, VIRTIO_SCSI_T_TMF_ABORT_TASK, 1, 0),
			 VIRTIO_SCSI_S_INCORRECT_LUN);
	assert_int_equal(ask_function(ask, VIRTIO_SCSI_T_TMF_ABORT_TASK, 0x100, 0),
			 VIRTIO_SCSI_S_BAD_TARGET);
	assert_int_equal(ask_function(ask, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 0, 0),
			 VIRTIO_SCSI_S_OK);
	assert_int_equal(ask_ready(ask, 0), SENSE(6, 0x29, 3));
	assert_int_equal(ask_function(ask, VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET, 0, 0),
			 VIRTIO_SCSI_S_OK);
	/* As data, if it is asked for. */
	assert_int_equal(ask_do(ask, 0, CDB(3, [4] = 18), NULL, 0, 18), GOOD);
	assert_int_equal(ask->data[12] << 8 | ask->data[13], 0x2907);
	assert_int_equal(ask_ready(ask, 0), GOOD);
	assert_int_equal(rig_ask(&ask->rig, CONTROLQ, short_one, 4, &response, 1), 1);
	assert_int_equal(response, VIRTIO_SCSI_S_FAILURE);
	assert_int_equal(rig_ask(&ask->rig, CONTROLQ, short_one, 3, &response, 1), 0);
	rig_stop(&ask->rig);
}

/* Commands and functions without waiting in between: all are answered, the function last. */
static void a_function_ends_after_what_it_aborts(void **state)
{
	enum { N = 100 };
	struct ask *ask = *state;
	struct rig_buffer headers[N], answers[N], data, function, response;
	struct virtio_scsi_ctrl_tmf_req tmf = {
		.subtype = htole32(VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET), .lun = {1, 0, 0x40}};
	struct driver_seg segs[3];

	ask_start(ask, NULL);
	rig_buffer(&ask->rig, &data, 1 << 20);
	rig_buffer(&ask->rig, &function, sizeof(tmf));
	rig_buffer(&ask->rig, &response, 1);
	memcpy(function.data, &tmf, sizeof(tmf));
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < N; i++) {
			struct virtio_scsi_cmd_req *req;

			rig_buffer(&ask->rig, &headers[i], HEADER);
			rig_buffer(&ask->rig, &answers[i], ANSWER);
			req = (void *)headers[i].data;
			memset(req, 0, sizeof(*req));
			req->lun[0] = 1;
			memcpy(req->cdb, CDB(0x2a, 8, [4] = (uint8_t)(i % 8 * 8), [7] = 8),
			       ASK_CDB);
			segs[0] = rig_read_seg(&headers[i], HEADER);
			segs[1] = rig_read_seg(&data, data.len);
			segs[2] = rig_write_seg(&answers[i], ANSWER);
			rig_offer(&ask->rig, REQUESTQ + i % 2, segs, 3, &answers[i]);
		}
		segs[0] = rig_read_seg(&function, function.len);
		segs[1] = rig_write_seg(&response, 1);
		assert_int_equal(rig_do(&ask->rig, CONTROLQ, segs, 2), 1);
		assert_int_equal(response.data[0], VIRTIO_SCSI_S_OK);
		/* They are there already, whatever became of each. */
		for (uint32_t i = 0; i < N; i++) {
			assert_int_not_equal(answers[i].data[10], RIG_UNTOUCHED);
			assert_true(answers[i].data[11] == VIRTIO_SCSI_S_OK ||
				    answers[i].data[11] == VIRTIO_SCSI_S_RESET);
		}
		for (uint32_t i = 0; i < N; i++)
			assert_non_null(rig_wait(&ask->rig, REQUESTQ + i % 2, NULL));
	}
	rig_stop(&ask->rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASK_TEST(disks_come_and_go_while_it_runs),
		ASK_TEST(an_image_that_comes_later_has_the_name_it_had_at_the_start),
		ASK_TEST(an_io_uring_that_cannot_be_had_now_is_told_once),
		ASK_TEST(descriptions_that_make_no_sense_are_refused),
		ASK_TEST(many_events_without_buffers_are_told_as_missed),
		ASK_TEST(a_disk_that_grows_is_told),
		ASK_TEST(a_drive_takes_other_media),
		ASK_TEST(a_drives_blocks_stay_as_they_were_described),
		ASK_TEST(functions_are_answered),
		ASK_TEST(a_function_ends_after_what_it_aborts),
	};

	return cmocka_run_group_tests_name("scsi_changes", tests, NULL, NULL);
}
