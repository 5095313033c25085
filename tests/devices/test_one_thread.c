/* SPDX-License-Identifier: MIT */
/* one-thread: two devices, a driver for each, and one thread for both queues. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "rig.h"

const char *const rig_program = "ONE_THREAD";

enum { BYTES = 64 };

static void read_entropy(struct rig *rig)
{
	struct rig_buffer buffer;
	struct driver_seg seg;
	uint32_t len;

	rig_buffer(rig, &buffer, BYTES);
	seg = rig_write_seg(&buffer, BYTES);
	rig_offer(rig, 0, &seg, 1, &buffer);
	assert_ptr_equal(rig_wait(rig, 0, &len), &buffer);
	assert_int_equal(len, BYTES);
}

static void one_thread_serves_two_devices(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "second", NULL);
	const char *const args[] = {"--socket-path", path, NULL};
	struct rig second = *rig;

	rig->config.n_queues = 1;
	rig_start(rig, args);
	second.config.n_queues = 1;
	snprintf(second.socket, sizeof(second.socket), "%s", path);
	rig_connect(&second);
	for (int i = 0; i < 10; i++) {
		read_entropy(rig);
		read_entropy(&second);
	}
	/* The first driver goes; the other does not notice. */
	rig_connect(rig);
	read_entropy(&second);
	read_entropy(rig);
	peer_free(second.peer);
	rig_stop(rig);
}

/* The rig's own: a program that crashes is no hang. */
static void who_waits_for_a_program_that_died_is_told(void **state)
{
	struct rig *rig = *state;
	struct driver_used used;
	const char *path = rig_file(rig, "second", NULL);
	const char *const args[] = {"--socket-path", path, NULL};

	rig->config.n_queues = 1;
	rig_start(rig, args);
	assert_int_equal(kill(rig->program.pid, SIGKILL), 0);
	assert_int_equal(peer_wait_used(rig->peer, 0, &used), -ECONNRESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_thread_serves_two_devices),
		TEST(who_waits_for_a_program_that_died_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
