/* SPDX-License-Identifier: MIT */
/* thread-pool: requests that other threads finish. */
#include "rig.h"

const char *const rig_program = "THREAD_POOL";

enum { BYTES = 64, REQUESTS = 100 };

static void start(struct rig *rig, const char *threads)
{
	const char *args[] = {threads, NULL};

	rig->config.n_queues = 1;
	rig_start(rig, args);
}

/* All at once, and each comes back once. */
static void expect_all(struct rig *rig)
{
	struct rig_buffer buffers[REQUESTS];
	bool seen[REQUESTS] = {false};

	for (uint32_t i = 0; i < REQUESTS; i++) {
		struct driver_seg seg;

		rig_buffer(rig, &buffers[i], BYTES);
		seg = rig_write_seg(&buffers[i], BYTES);
		rig_offer(rig, 0, &seg, 1, &buffers[i]);
	}
	for (uint32_t i = 0; i < REQUESTS; i++) {
		uint32_t len;
		struct rig_buffer *buffer = rig_wait(rig, 0, &len);

		assert_int_equal(len, BYTES);
		assert_false(seen[buffer - buffers]);
		seen[buffer - buffers] = true;
	}
}

static void a_pool_finishes_every_request_once(void **state)
{
	start(*state, "--threads=8");
	expect_all(*state);
	rig_stop(*state);
}

static void a_pool_of_one_thread_does_as_well(void **state)
{
	start(*state, "--threads=1");
	expect_all(*state);
	rig_stop(*state);
}

static void a_program_ends_with_requests_in_the_pool(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;
	struct driver_seg seg;

	start(rig, "--threads=2");
	rig_buffer(rig, &buffer, BYTES);
	seg = rig_write_seg(&buffer, BYTES);
	for (uint32_t i = 0; i < REQUESTS; i++)
		rig_offer(rig, 0, &seg, 1, &buffer);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pool_finishes_every_request_once),
		TEST(a_pool_of_one_thread_does_as_well),
		TEST(a_program_ends_with_requests_in_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
