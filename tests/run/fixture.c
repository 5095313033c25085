/* SPDX-License-Identifier: MIT */
/* The fixture of the runner's tests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/folder.h"
#include "kit/test.h"
#include "fixture.h"

struct vu_device *new_device(struct fixture *f)
{
	const struct vu_device_info info = {.size = sizeof(info),
					    .device_id = 4,
					    .n_queues = 1,
					    .log_fn = log_book_write,
					    .log_opaque = &f->log};
	struct vu_device *dev = NULL;

	assert_int_equal(vu_device_new(&info, NULL, NULL, &dev), 0);
	return dev;
}

struct vu_runner *new_runner(struct fixture *f, uint32_t once)
{
	const struct vu_runner_info info = {.size = sizeof(info),
					    .once = once,
					    .log_fn = log_book_write,
					    .log_opaque = &f->log};
	struct vu_runner *runner = NULL;

	assert_int_equal(vu_runner_new(&info, &runner), 0);
	return runner;
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	log_book_open(&f->log);
	folder_make(f->dir, "vu-runner");
	snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
	f->runner = new_runner(f, 0);
	f->dev = new_device(f);
	*state = f;
	return 0;
}

void fixture_end_run(struct fixture *f)
{
	if (!f->started)
		return;
	vu_runner_stop(f->runner);
	pthread_join(f->thread, NULL);
	f->started = false;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	int ret;

	fixture_end_run(f);
	vu_runner_free(f->runner);
	vu_device_free(f->dev);
	ret = folder_remove(f->dir);
	free(f);
	return ret;
}

static void *run_thread(void *opaque)
{
	struct fixture *f = opaque;

	f->run_result = vu_runner_run(f->runner);
	return NULL;
}

void fixture_start(struct fixture *f)
{
	assert_int_equal(pthread_create(&f->thread, NULL, run_thread, f), 0);
	f->started = true;
}

void fixture_join(struct fixture *f)
{
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	f->started = false;
	assert_int_equal(f->run_result, 0);
}

void fixture_stop(struct fixture *f)
{
	vu_runner_stop(f->runner);
	fixture_join(f);
}
