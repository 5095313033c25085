/* SPDX-License-Identifier: MIT */
/*
 * vu-scsi: a driver whose other processor writes over what is read, functions by the hundred, disks
 * that go and change under load, and commands without an end.
 */
#include "kit/child.h"
#include "ask.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 1000, LOAD = 32, CHANGES = 20, FUNCTIONS = 60, LISTS = 2048, DISK = 4 << 20 };

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	return *seed ^= *seed << 5;
}

/* Commands with parameters of the driver's, and those that move data. */
static const uint8_t opcodes[] = {0x42, 0x15, 0x55, 0x5f, 0x89, 0x93, 0x41, 0x2f,
				  0x8f, 0xaf, 0x28, 0x2a, 0x88, 0x8a, 0x08, 0x0a,
				  0x12, 0x1a, 0x5a, 0xa0, 0xa3, 0x5e, 0x03, 0x35};

static void fill(unsigned char *p, uint32_t len, uint32_t *seed)
{
	for (uint32_t i = 0; i < len; i++)
		p[i] = next_random(seed) % 3 ? 0 : (unsigned char)next_random(seed);
}

/* --- another processor: a process, on the same memory --- */

static void scribble(const struct ask *ask)
{
	uint32_t seed = (uint32_t)getpid() | 1;

	for (;;) {
		const struct ask_io *io = &ask->io[next_random(&seed) % ASK_QUEUES];
		uint32_t where = next_random(&seed);

		switch (where % 4) {
		case 0:
			io->header.data[19] = opcodes[where / 4 % sizeof(opcodes)];
			break;
		case 1:
			io->header.data[where / 4 % HEADER] = (unsigned char)next_random(&seed);
			break;
		default:
			io->out.data[where / 4 % LISTS] = (unsigned char)next_random(&seed);
			break;
		}
	}
}

static pid_t scribble_start(const struct ask *ask)
{
	pid_t pid = child_fork();

	assert_return_code(pid, errno);
	if (!pid)
		scribble(ask);
	return pid;
}

static void scribble_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void any_command(struct ask *ask, uint32_t *seed)
{
	static unsigned char out[LISTS];
	unsigned char cdb[ASK_CDB];
	uint32_t kind = next_random(seed);

	fill(cdb, sizeof(cdb), seed);
	fill(out, sizeof(out), seed);
	cdb[0] = opcodes[kind % sizeof(opcodes)];
	ask_on(ask, REQUESTQ + kind / 64 % 2, kind / 128 % 3 << 8, cdb, out, kind / 512 % LISTS,
	       kind / 1024 % LISTS);
}

static void what_is_written_over_while_it_is_read_hurts_nobody(void **state)
{
	const char *rounds = getenv("VU_SCSI_ROUNDS");
	struct ask *ask = *state;
	uint32_t seed = 4711;
	pid_t other;

	ask_start(ask, (const char *const[]){"--lun=1,memory=1M,block=4096", "--lun=2,cd", "--dir",
					     ask->rig.dir, NULL});
	other = scribble_start(ask);
	for (int i = rounds ? atoi(rounds) : ROUNDS; i > 0; i--) {
		any_command(ask, &seed);
		if (!(i % 50))
			ask_function(ask, next_random(&seed) % 9, next_random(&seed) % 3 << 8,
				     seed);
	}
	scribble_stop(other);
	assert_int_equal(ask_do(ask, 1 << 8, CDB(0x12, [4] = 36), NULL, 0, 36), GOOD);
	rig_stop(&ask->rig);
	for (int i = 0; i < 2; i++) {
		char path[80];

		snprintf(path, sizeof(path), "%s/reservations-%d-0", ask->rig.dir, i);
		unlink(path);
	}
}

/* --- many at once --- */

struct load {
	struct rig_buffer header, answer, data;
};

static void load_make(struct ask *ask, struct load *load, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		rig_buffer(&ask->rig, &load[i].header, HEADER);
		rig_buffer(&ask->rig, &load[i].answer, ANSWER);
		rig_buffer(&ask->rig, &load[i].data, 4096);
	}
}

static void load_offer(struct ask *ask, struct load *l, uint32_t queue, uint32_t target,
		       const unsigned char *cdb, bool out)
{
	struct virtio_scsi_cmd_req *req = (void *)l->header.data;
	struct driver_seg segs[3] = {rig_read_seg(&l->header, HEADER)};

	*req = (struct virtio_scsi_cmd_req){.lun = {1, (uint8_t)target, 0x40},
					    .tag = (uint64_t)(uintptr_t)l};
	memcpy(req->cdb, cdb, ASK_CDB);
	memset(l->answer.data, RIG_UNTOUCHED, ANSWER);
	segs[1] = out ? rig_read_seg(&l->data, 4096) : rig_write_seg(&l->answer, ANSWER);
	segs[2] = out ? rig_write_seg(&l->answer, ANSWER) : rig_write_seg(&l->data, 4096);
	rig_offer(&ask->rig, queue, segs, 3, l);
}

static void load_wait(struct ask *ask, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct load *l = rig_wait(&ask->rig, REQUESTQ + i % 2, NULL);

		assert_int_not_equal(l->answer.data[11], RIG_UNTOUCHED);
	}
}

static void disks_come_go_change_and_shrink_under_load(void **state)
{
	struct ask *ask = *state;
	static struct load load[LOAD];
	const char *cd = rig_file(&ask->rig, "cd.iso", NULL);
	char change[2][120] = {"eject 1:0"};

	snprintf(change[1], sizeof(change[1]), "load 1:0 %s", cd);
	image_make(cd, DISK);
	ask_start(ask, (const char *const[]){"--lun=1,cd", "--lun=2,memory=1M", "--dir",
					     ask->rig.dir, "--control", ask->rig.control, NULL});
	load_make(ask, load, LOAD);
	for (int round = 0; round < CHANGES; round++) {
		for (uint32_t i = 0; i < LOAD; i++)
			load_offer(ask, &load[i], REQUESTQ + i % 2, i / 2 % 3,
				   CDB(i % 8 < 6 ? 0x28 : 0x2a, [4] = (uint8_t)i, [8] = 1),
				   i % 8 >= 6);
		assert_return_code(truncate(ask->image, round % 2 ? IMAGE : 4096), errno);
		rig_say(&ask->rig, "resize");
		rig_say(&ask->rig, "remove 2:0");
		rig_say(&ask->rig, "add 2:0,memory=1M");
		rig_say(&ask->rig, change[1 - round % 2]);
		load_wait(ask, LOAD);
	}
	assert_int_equal(ask_do(ask, 2 << 8, CDB(0x12, [4] = 36), NULL, 0, 36), GOOD);
	rig_stop(&ask->rig);
}

/* Each of its own request, of every kind, for what is in flight and for what is not. */
static void functions_by_the_dozen_are_all_answered(void **state)
{
	struct ask *ask = *state;
	static struct load load[LOAD];
	struct rig_buffer requests[FUNCTIONS], responses[FUNCTIONS];

	ask_start(ask, NULL);
	load_make(ask, load, LOAD);
	for (uint32_t i = 0; i < LOAD; i++)
		load_offer(ask, &load[i], REQUESTQ + i % 2, 0, CDB(0x2a, [5] = (uint8_t)i, [8] = 8),
			   true);
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		struct virtio_scsi_ctrl_tmf_req *req;
		struct driver_seg segs[2];

		rig_buffer(&ask->rig, &requests[i], sizeof(*req));
		rig_buffer(&ask->rig, &responses[i], 1);
		req = (void *)requests[i].data;
		*req = (struct virtio_scsi_ctrl_tmf_req){
			.subtype = htole32(i % 9),
			.lun = {1, (uint8_t)(i % 7 == 6), 0x40},
			.tag = (uint64_t)(uintptr_t)&load[i % LOAD]};
		segs[0] = rig_read_seg(&requests[i], sizeof(*req));
		segs[1] = rig_write_seg(&responses[i], 1);
		rig_offer(&ask->rig, CONTROLQ, segs, 2, &responses[i]);
	}
	for (uint32_t i = 0; i < FUNCTIONS; i++)
		assert_int_not_equal(
			((struct rig_buffer *)rig_wait(&ask->rig, CONTROLQ, NULL))->data[0],
			RIG_UNTOUCHED);
	load_wait(ask, LOAD);
	rig_stop(&ask->rig);
}

/* --- without an end --- */

static void a_command_that_compares_for_ever_is_refused(void **state)
{
	static const unsigned char zeros[512];
	struct ask *ask = *state;

	ask_start_bare(ask, (const char *const[]){"--lun=null=1T", "--num-queues=2", NULL});
	/* VERIFY(16) that all blocks are like one. */
	assert_int_equal(ask_do(ask, 0, CDB(0x8f, 6, [10] = 0x7f, [11] = 0xff), zeros, 512, 0),
			 BAD_CDB);
	rig_stop(&ask->rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASK_TEST(what_is_written_over_while_it_is_read_hurts_nobody),
		ASK_TEST(disks_come_go_change_and_shrink_under_load),
		ASK_TEST(functions_by_the_dozen_are_all_answered),
		ASK_TEST(a_command_that_compares_for_ever_is_refused),
	};

	return cmocka_run_group_tests_name("scsi_hostile", tests, NULL, NULL);
}
