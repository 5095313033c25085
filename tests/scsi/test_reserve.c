/* SPDX-License-Identifier: MIT */
/* vu-scsi: persistent reservations, of two initiators, and kept for the next process. */
#include "ask.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, IGNORING, MOVE };
enum { WRITE_EXCLUSIVE = 1, EXCLUSIVE = 3, WRITE_EXCLUSIVE_REGISTRANTS = 5, ALL_REGISTRANTS = 7 };

enum { FAILURE = SENSE(4, 0x44, 0) };

/* PERSISTENT RESERVE OUT */
static int reserve_out(struct ask *ask, uint8_t action, uint8_t type, uint8_t key,
		       uint8_t action_key, uint8_t flags)
{
	unsigned char list[24] = {[7] = key, [15] = action_key, [20] = flags};

	return ask_do(ask, 0, CDB(0x5f, action, type, [8] = sizeof(list)), list, sizeof(list), 0);
}

static int write_one(struct ask *ask)
{
	unsigned char data[512] = {0};

	return ask_do(ask, 0, CDB(0x2a, [8] = 1), data, sizeof(data), 0);
}

static int read_one(struct ask *ask)
{
	return ask_do(ask, 0, CDB(0x28, [8] = 1), NULL, 0, 512);
}

/* A second socket, and so a second guest, of the same program. */
struct two {
	struct ask *first, second;
	char socket[RIG_PATH];
};

static void two_start(struct two *two, struct ask *ask)
{
	two->first = ask;
	snprintf(two->socket, sizeof(two->socket), "%s/other", ask->rig.dir);
	ask_start(ask,
		  (const char *const[]){"--socket-path", two->socket, "--dir", ask->rig.dir, NULL});
	two->second = *ask;
	memcpy(two->second.rig.socket, two->socket, sizeof(two->socket));
	two->second.rig.peer = NULL;
	ask_connect(&two->second);
}

static void two_stop(struct two *two)
{
	peer_free(two->second.rig.peer);
	rig_stop(&two->first->rig);
	unlink(two->socket);
}

static void only_who_is_registered_reserves(void **state)
{
	struct ask *ask = *state;

	ask_start(ask, NULL);
	assert_int_equal(reserve_out(ask, RESERVE, EXCLUSIVE, 1, 0, 0), CONFLICT);
	assert_int_equal(reserve_out(ask, REGISTER, 0, 1, 2, 0), CONFLICT);
	assert_int_equal(reserve_out(ask, REGISTER, 0, 0, 1, 0), GOOD);
	assert_int_equal(reserve_out(ask, RESERVE, EXCLUSIVE, 2, 0, 0), CONFLICT);
	assert_int_equal(reserve_out(ask, RESERVE, 2, 1, 0, 0), BAD_CDB);
	assert_int_equal(reserve_out(ask, RESERVE, EXCLUSIVE, 1, 0, 0), GOOD);
	assert_int_equal(reserve_out(ask, RESERVE, EXCLUSIVE, 1, 0, 0), GOOD);
	assert_int_equal(reserve_out(ask, RESERVE, WRITE_EXCLUSIVE, 1, 0, 0), CONFLICT);
	assert_int_equal(ask_do(ask, 0, CDB(0x5e, 0, [8] = 64), NULL, 0, 64), GOOD);
	assert_int_equal(be32(ask->data + 4), 8);
	assert_int_equal(ask->data[15], 1);
	assert_int_equal(ask_do(ask, 0, CDB(0x5e, 1, [8] = 64), NULL, 0, 64), GOOD);
	assert_int_equal(be32(ask->data + 4), 16);
	assert_int_equal(ask->data[21], EXCLUSIVE);
	assert_int_equal(ask_do(ask, 0, CDB(0x5e, 3, [8] = 64), NULL, 0, 64), GOOD);
	assert_int_equal(be32(ask->data + 4), 48);
	assert_int_equal(reserve_out(ask, RELEASE, WRITE_EXCLUSIVE, 1, 0, 0), SENSE(5, 0x26, 4));
	assert_int_equal(reserve_out(ask, RELEASE, EXCLUSIVE, 1, 0, 0), GOOD);
	assert_int_equal(reserve_out(ask, IGNORING, 0, 9, 3, 0), GOOD);
	assert_int_equal(reserve_out(ask, REGISTER, 0, 3, 0, 0), GOOD);
	/* There is no folder to keep them in. */
	assert_int_equal(reserve_out(ask, REGISTER, 0, 0, 1, 1), BAD_PARAMETER);
	assert_int_equal(ask_do(ask, 0, CDB(0x5f, 0, [8] = 23), ask->image, 24, 0),
			 SENSE(5, 0x1a, 0));
	rig_stop(&ask->rig);
}

static void others_are_kept_from_it(void **state)
{
	struct two two;
	struct ask *one = *state, *other = &two.second;

	two_start(&two, one);
	assert_int_equal(reserve_out(one, REGISTER, 0, 0, 1, 0), GOOD);
	assert_int_equal(reserve_out(one, RESERVE, WRITE_EXCLUSIVE, 1, 0, 0), GOOD);
	assert_int_equal(write_one(one), GOOD);
	assert_int_equal(write_one(other), CONFLICT);
	assert_int_equal(read_one(other), GOOD);
	assert_int_equal(ask_ready(other, 0), GOOD);
	assert_int_equal(reserve_out(one, RELEASE, WRITE_EXCLUSIVE, 1, 0, 0), GOOD);
	assert_int_equal(reserve_out(one, RESERVE, EXCLUSIVE, 1, 0, 0), GOOD);
	assert_int_equal(read_one(other), CONFLICT);
	assert_int_equal(ask_do(other, 0, CDB(0x12, [4] = 36), NULL, 0, 36), GOOD);
	assert_int_equal(ask_do(other, 0, CDB(0x25), NULL, 0, 8), GOOD);
	/* Who is registered may, where registrants may; and is told when that ends. */
	assert_int_equal(reserve_out(one, RELEASE, EXCLUSIVE, 1, 0, 0), GOOD);
	assert_int_equal(reserve_out(one, RESERVE, WRITE_EXCLUSIVE_REGISTRANTS, 1, 0, 0), GOOD);
	assert_int_equal(write_one(other), CONFLICT);
	assert_int_equal(reserve_out(other, REGISTER, 0, 0, 2, 0), GOOD);
	assert_int_equal(write_one(other), GOOD);
	assert_int_equal(reserve_out(one, RELEASE, WRITE_EXCLUSIVE_REGISTRANTS, 1, 0, 0), GOOD);
	assert_int_equal(ask_ready(other, 0), SENSE(6, 0x2a, 4));
	/* One takes it from the other. */
	assert_int_equal(reserve_out(other, RESERVE, EXCLUSIVE, 2, 0, 0), GOOD);
	assert_int_equal(read_one(one), CONFLICT);
	assert_int_equal(reserve_out(one, PREEMPT, WRITE_EXCLUSIVE, 1, 2, 0), GOOD);
	assert_int_equal(ask_ready(other, 0), SENSE(6, 0x2a, 5));
	assert_int_equal(write_one(one), GOOD);
	assert_int_equal(write_one(other), CONFLICT);
	assert_int_equal(reserve_out(one, PREEMPT, WRITE_EXCLUSIVE, 1, 7, 0), CONFLICT);
	assert_int_equal(reserve_out(one, CLEAR, 0, 1, 0, 0), GOOD);
	assert_int_equal(write_one(other), GOOD);
	/* A mode that one sets is news to the other; a reset of the unit to both. */
	assert_int_equal(ask_do(one, 0, CDB(0x15, 0x10, [4] = 24),
				((unsigned char[24]){[4] = 8, 0x12}), 24, 0),
			 GOOD);
	assert_int_equal(ask_ready(other, 0), SENSE(6, 0x2a, 1));
	assert_int_equal(ask_function(one, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 0, 0),
			 VIRTIO_SCSI_S_OK);
	assert_int_equal(ask_ready(one, 0), SENSE(6, 0x29, 3));
	assert_int_equal(ask_ready(other, 0), SENSE(6, 0x29, 3));
	two_stop(&two);
}

static void they_outlast_the_process_if_that_is_wanted(void **state)
{
	struct ask *ask = *state;
	char path[RIG_PATH];

	snprintf(path, sizeof(path), "%s/reservations-0-0", ask->rig.dir);
	ask_start(ask, (const char *const[]){"--dir", ask->rig.dir, NULL});
	assert_int_equal(reserve_out(ask, REGISTER, 0, 0, 0x42, 1), GOOD);
	assert_int_equal(reserve_out(ask, RESERVE, ALL_REGISTRANTS, 0x42, 0, 0), GOOD);
	rig_stop(&ask->rig);
	unlink(ask->rig.socket);
	ask_start(ask, (const char *const[]){"--dir", ask->rig.dir, NULL});
	assert_int_equal(ask_do(ask, 0, CDB(0x5e, 1, [8] = 64), NULL, 0, 64), GOOD);
	assert_int_equal(ask->data[21], ALL_REGISTRANTS);
	assert_int_equal(ask_do(ask, 0, CDB(0x5e, 2, [8] = 8), NULL, 0, 8), GOOD);
	assert_int_equal(ask->data[2] & 1, 1);
	assert_int_equal(ask->data[3] & 1, 1);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(reserve_out(ask, CLEAR, 0, 0x42, 0, 0), GOOD);
	assert_int_not_equal(access(path, F_OK), 0);
	rig_stop(&ask->rig);
}

static uint32_t count_keys(struct ask *ask)
{
	assert_int_equal(ask_do(ask, 0, CDB(0x5e, 0, [8] = 64), NULL, 0, 64), GOOD);
	return be32(ask->data + 4) / 8;
}

/* Something is where the file would be written: as on a disk that is full. */
static void what_cannot_be_kept_changes_nothing(void **state)
{
	struct two two;
	struct ask *one = *state, *other = &two.second;
	char fresh[RIG_PATH + 8];

	two_start(&two, one);
	snprintf(fresh, sizeof(fresh), "%s/reservations-0-0.new", one->rig.dir);
	assert_ok(mkdir(fresh, 0700));
	assert_int_equal(reserve_out(one, REGISTER, 0, 0, 1, 1), FAILURE);
	assert_int_equal(count_keys(one), 0);
	assert_int_equal(reserve_out(one, REGISTER, 0, 0, 1, 0), GOOD);
	assert_ok(rmdir(fresh));
	assert_int_equal(reserve_out(one, REGISTER, 0, 1, 1, 1), GOOD);
	assert_int_equal(reserve_out(one, RESERVE, WRITE_EXCLUSIVE_REGISTRANTS, 1, 0, 0), GOOD);
	assert_int_equal(reserve_out(other, REGISTER, 0, 0, 2, 1), GOOD);
	assert_ok(mkdir(fresh, 0700));
	assert_int_equal(reserve_out(one, RELEASE, WRITE_EXCLUSIVE_REGISTRANTS, 1, 0, 0), FAILURE);
	assert_int_equal(reserve_out(one, PREEMPT_AND_ABORT, EXCLUSIVE, 1, 2, 0), FAILURE);
	assert_int_equal(reserve_out(one, IGNORING, 0, 0, 0, 1), FAILURE);
	/* Nobody lost anything, nor heard of it; the same again is the same. */
	assert_int_equal(ask_ready(other, 0), GOOD);
	assert_int_equal(write_one(other), GOOD);
	assert_int_equal(count_keys(other), 2);
	assert_ok(rmdir(fresh));
	assert_int_equal(reserve_out(one, PREEMPT_AND_ABORT, EXCLUSIVE, 1, 2, 0), GOOD);
	assert_int_equal(write_one(other), SENSE(6, 0x2a, 5));
	assert_int_equal(write_one(other), CONFLICT);
	/* To forget them takes no room. */
	assert_ok(mkdir(fresh, 0700));
	assert_int_equal(reserve_out(one, CLEAR, 0, 1, 0, 0), GOOD);
	assert_int_equal(count_keys(other), 0);
	assert_ok(rmdir(fresh));
	two_stop(&two);
}

static void a_folder_that_nothing_can_be_written_in_does_for_what_is_not_to_be_kept(void **state)
{
	struct ask *ask = *state;
	char dir[RIG_PATH + 8];

	snprintf(dir, sizeof(dir), "%s/fixed", ask->rig.dir);
	assert_ok(mkdir(dir, 0700));
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "tmpfs", MS_RDONLY, NULL)) {
		rmdir(dir);
		skip();
	}
	ask_start(ask, (const char *const[]){"--dir", dir, NULL});
	assert_int_equal(reserve_out(ask, REGISTER, 0, 0, 1, 1), FAILURE);
	assert_int_equal(reserve_out(ask, REGISTER, 0, 0, 1, 0), GOOD);
	assert_int_equal(reserve_out(ask, RESERVE, EXCLUSIVE, 1, 0, 0), GOOD);
	assert_int_equal(reserve_out(ask, CLEAR, 0, 1, 0, 0), GOOD);
	rig_stop(&ask->rig);
	assert_ok(umount(dir));
	assert_ok(rmdir(dir));
}

/* PERSISTENT RESERVE OUT, REGISTER AND MOVE to this initiator, as READ FULL STATUS names it. */
static int move(struct ask *ask, uint8_t key, uint8_t action_key, uint8_t flags, uint8_t to)
{
	unsigned char list[48] = {[7] = key, [15] = action_key, [17] = flags, [23] = 24,
				  [24] = 6,  [28] = 0x30,	[35] = to + 1};

	return ask_do(ask, 0, CDB(0x5f, MOVE, [8] = sizeof(list)), list, sizeof(list), 0);
}

static void a_reservation_can_be_handed_over(void **state)
{
	struct two two;
	struct ask *one = *state, *other = &two.second;

	two_start(&two, one);
	assert_int_equal(move(one, 1, 2, 0, 1), CONFLICT);
	assert_int_equal(reserve_out(one, REGISTER, 0, 0, 1, 0), GOOD);
	assert_int_equal(move(one, 1, 2, 0, 1), CONFLICT); /* there is none */
	assert_int_equal(reserve_out(one, RESERVE, EXCLUSIVE, 1, 0, 0), GOOD);
	assert_int_equal(move(one, 7, 2, 0, 1), CONFLICT);
	assert_int_equal(move(one, 1, 0, 0, 1), BAD_PARAMETER);
	assert_int_equal(move(one, 1, 2, 0, 0), BAD_PARAMETER); /* to itself, */
	assert_int_equal(move(one, 1, 2, 0, 9), BAD_PARAMETER); /* nobody, */
	assert_int_equal(move(one, 1, 2, 4, 1), BAD_PARAMETER);
	assert_int_equal(ask_do(one, 0, CDB(0x5f, MOVE, [8] = 24), one->image, 24, 0),
			 SENSE(5, 0x1a, 0));
	assert_int_equal(move(one, 1, 2, 0, 1), GOOD);
	assert_int_equal(write_one(other), GOOD);
	assert_int_equal(write_one(one), CONFLICT);
	assert_int_equal(ask_do(one, 0, CDB(0x5e, 0, [8] = 64), NULL, 0, 64), GOOD);
	assert_int_equal(be32(one->data + 4), 16);
	/* And back, by who is not registered then any more. */
	assert_int_equal(move(other, 2, 3, 2, 0), GOOD);
	assert_int_equal(write_one(one), GOOD);
	assert_int_equal(write_one(other), CONFLICT);
	assert_int_equal(reserve_out(other, RELEASE, EXCLUSIVE, 2, 0, 0), CONFLICT);
	assert_int_equal(reserve_out(one, CLEAR, 0, 3, 0, 0), GOOD);
	/* What belongs to all registrants is nobody's to give. */
	assert_int_equal(reserve_out(one, REGISTER, 0, 0, 1, 0), GOOD);
	assert_int_equal(reserve_out(one, RESERVE, ALL_REGISTRANTS, 1, 0, 0), GOOD);
	assert_int_equal(move(one, 1, 2, 0, 1), CONFLICT);
	two_stop(&two);
}

/* Many large writes, which are not waited for. */
static void offer_writes(struct ask *ask, struct rig_buffer *answers, uint32_t n)
{
	struct rig_buffer data, header;
	struct driver_seg segs[3];

	rig_buffer(&ask->rig, &data, 1 << 20);
	for (uint32_t i = 0; i < n; i++) {
		struct virtio_scsi_cmd_req *req;

		rig_buffer(&ask->rig, &header, HEADER);
		rig_buffer(&ask->rig, &answers[i], ANSWER);
		req = (void *)header.data;
		memset(req, 0, sizeof(*req));
		req->lun[0] = 1;
		memcpy(req->cdb, CDB(0x2a, 8, [7] = 8), ASK_CDB);
		segs[0] = rig_read_seg(&header, HEADER);
		segs[1] = rig_read_seg(&data, data.len);
		segs[2] = rig_write_seg(&answers[i], ANSWER);
		rig_offer(&ask->rig, REQUESTQ + i % ASK_QUEUES, segs, 3, &answers[i]);
	}
}

static void who_preempts_and_aborts_hears_of_it_after_the_last_of_the_others_commands(void **state)
{
	enum { N = 100 };
	struct two two;
	struct ask *one = *state, *other = &two.second;
	struct rig_buffer answers[N];

	two_start(&two, one);
	assert_int_equal(reserve_out(one, REGISTER, 0, 0, 1, 0), GOOD);
	assert_int_equal(reserve_out(other, REGISTER, 0, 0, 2, 0), GOOD);
	assert_int_equal(reserve_out(other, RESERVE, EXCLUSIVE, 2, 0, 0), GOOD);
	offer_writes(other, answers, N);
	assert_int_equal(reserve_out(one, PREEMPT_AND_ABORT, EXCLUSIVE, 1, 2, 0), GOOD);
	for (uint32_t i = 0; i < N; i++)
		assert_int_not_equal(answers[i].data[11], RIG_UNTOUCHED);
	for (uint32_t i = 0; i < N; i++)
		assert_non_null(rig_wait(&other->rig, REQUESTQ + i % ASK_QUEUES, NULL));
	assert_int_equal(write_one(one), GOOD);
	/* Nobody is there to be aborted; nobody has that key. */
	assert_int_equal(reserve_out(one, PREEMPT_AND_ABORT, EXCLUSIVE, 1, 1, 0), GOOD);
	assert_int_equal(reserve_out(one, PREEMPT_AND_ABORT, EXCLUSIVE, 1, 9, 0), CONFLICT);
	two_stop(&two);
}

/* Whatever is there instead, nobody waits for it, and nobody gets the disk without its
 * reservations. */
static void a_file_of_reservations_that_is_none_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"vu-scsi reservations 1\nreserved 1 3\nregistered 1 0\n",
		"vu-scsi reservations 1\nregistered 1 0\nregistered 2 0\n",
		"vu-scsi reservations 1\nreserved 2 0\nregistered 1 0\n",
	};
	struct ask *ask = *state;
	char path[80], dir[96];
	const char *argv[] = {getenv(rig_program), "--socket-path=/nowhere/s",
			      "--lun=0:0,memory=1M", dir, NULL};

	snprintf(dir, sizeof(dir), "--dir=%s", ask->rig.dir);
	snprintf(path, sizeof(path), "%s", rig_file(&ask->rig, "reservations-0-0", NULL));
	assert_return_code(mkfifo(path, 0600), errno);
	spawn_expect(argv, 1, "", "nobody gets the disk");
	unlink(path);
	assert_return_code(symlink("/etc/passwd", path), errno);
	spawn_expect(argv, 1, "", "nobody gets the disk");
	unlink(path);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		fputs(texts[i], file);
		fclose(file);
		spawn_expect(argv, 1, "", "nobody gets the disk");
	}
	/* And what is no folder is not taken for one. */
	snprintf(dir, sizeof(dir), "--dir=%s", path);
	spawn_expect(argv, 1, "", "reservations-0-0: Not a directory\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASK_TEST(only_who_is_registered_reserves),
		ASK_TEST(others_are_kept_from_it),
		ASK_TEST(a_reservation_can_be_handed_over),
		ASK_TEST(who_preempts_and_aborts_hears_of_it_after_the_last_of_the_others_commands),
		ASK_TEST(they_outlast_the_process_if_that_is_wanted),
		ASK_TEST(what_cannot_be_kept_changes_nothing),
		ASK_TEST(a_folder_that_nothing_can_be_written_in_does_for_what_is_not_to_be_kept),
		ASK_TEST(a_file_of_reservations_that_is_none_is_refused),
	};

	return cmocka_run_group_tests_name("scsi_reserve", tests, NULL, NULL);
}
