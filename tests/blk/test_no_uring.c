/* SPDX-License-Identifier: MIT */
/* Where io_uring is not allowed: what needs it says so, and what does not serves. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rig.h"
#include "run/forbid.h"

/* The filters stay, for all tests that follow; the newest one's error counts. */
static void forbid(int error)
{
	assert_int_equal(io_uring_forbid(error), 0);
	assert_int_equal(io_uring_missing(), -error);
}

static void an_image_needs_io_uring_and_vu_blk_says_what_forbids_it(void **state)
{
	static const int errors[] = {EPERM, ENOSYS};
	struct disk_rig *rig = *state;
	const char *argv[] = {getenv(rig_program), "--socket-path", rig->base.socket,
			      "--blk-file",	   rig->image,	    NULL};

	image_make(rig->image, DISK_IMAGE);
	for (int i = 0; i < 2; i++) {
		struct spawned s;
		char want[256];

		snprintf(want, sizeof(want),
			 "vu-blk: back-end file needs io_uring, which is not allowed here: %s "
			 "(see kernel.io_uring_disabled, and the container's seccomp filter)\n"
			 "vu-blk: the device could not be made: %s\n",
			 strerror(errors[i]), strerror(errors[i]));
		forbid(errors[i]);
		spawn_run(&s, argv);
		assert_string_equal(s.err, want);
		assert_int_equal(s.status, 1);
		spawn_free(&s);
	}
	assert_int_not_equal(access(rig->base.socket, F_OK), 0);
}

static void a_disk_in_memory_is_served_without_io_uring(void **state)
{
	struct disk_rig *rig = *state;

	forbid(EPERM);
	rig_spawn(&rig->base, (const char *[]){"--backend=memory", "--size=16M", NULL});
	disk_connect(rig);
	disk_expect_alive(rig);
	rig_stop(&rig->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(an_image_needs_io_uring_and_vu_blk_says_what_forbids_it),
		DISK_TEST(a_disk_in_memory_is_served_without_io_uring),
	};
	int err = io_uring_forbid(EPERM);

	if (err) {
		printf("no seccomp filters here: %s\n", strerror(-err));
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
