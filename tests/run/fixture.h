/* SPDX-License-Identifier: MIT */
/* A runner with a device, a directory for its sockets, and a thread to run it in. */
#ifndef RUN_FIXTURE_H
#define RUN_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>

#include <libvu/vu.h>

#include "kit/log_book.h"

struct fixture {
	char dir[32];
	char path[64];
	struct vu_runner *runner;
	struct vu_device *dev;
	pthread_t thread;
	bool started; /* and not joined */
	int run_result;
	struct log_book log;
};

/* They log to the fixture. */
struct vu_device *new_device(struct fixture *f);
struct vu_runner *new_runner(struct fixture *f, uint32_t once);

/* What a failed test left running. */
void fixture_end_run(struct fixture *f);

/* For cmocka.  The teardown fails unless the directory is empty again. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

void fixture_start(struct fixture *f);
/* Wait for the end of a run that ends by itself. */
void fixture_join(struct fixture *f);
void fixture_stop(struct fixture *f);

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
