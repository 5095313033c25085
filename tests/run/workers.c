/* SPDX-License-Identifier: MIT */
/* The fixture of the workers' tests. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "kit/patience.h"
#include "kit/test.h"
#include "workers.h"

int workers_setup(void **state)
{
	struct workers *f = calloc(1, sizeof(*f));
	void *run;

	alarm(HANG_SECONDS); /* a hang is a failure, too */
	fixture_setup(&run);
	f->run = run;
	assert_int_equal(echo_new("echo", VU_LOG_ERROR, NULL, &f->echo), 0);
	assert_int_equal(vu_runner_listen(f->run->runner, f->echo->dev, f->run->path, NULL), 0);
	*state = f;
	return 0;
}

int workers_teardown(void **state)
{
	struct workers *f = *state;
	void *run = f->run;

	fixture_end_run(f->run);
	vu_runner_free(f->run->runner);
	f->run->runner = NULL;
	echo_free(f->echo);
	free(f);
	return fixture_teardown(&run);
}

void workers_add(struct workers *f, const struct vu_worker_info *info)
{
	for (int i = 0; i < ECHO_GROUPS; i++)
		assert_int_equal(vu_runner_add_worker(f->run->runner, f->echo->groups[i], info), 0);
}

/* Two workers, a runner that runs, and a driver. */
void workers_start(struct workers *f, const struct vu_worker_info *info)
{
	workers_add(f, info);
	fixture_start(f->run);
	load_start(&f->load, f->run->path);
}

void nap(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	nanosleep(&pause, NULL);
}

struct vu_queue_counters workers_counters(struct workers *f, uint32_t queue)
{
	struct vu_queue_counters c = {.size = sizeof(c)};

	assert_int_equal(vu_queue_counters(vu_device_queue(f->echo->dev, queue), &c), 0);
	return c;
}

int workers_tid(struct workers *f, uint32_t queue)
{
	return atomic_load(&f->echo->queues[queue].ready_tid);
}
