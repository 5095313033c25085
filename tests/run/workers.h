/* SPDX-License-Identifier: MIT */
/* A runner that serves the device of echo.h with two workers, and a driver for it. */
#ifndef RUN_WORKERS_H
#define RUN_WORKERS_H

#include "fixture.h"
#include "load.h"

struct workers {
	struct fixture *run; /* its device is not used */
	struct echo *echo;
	struct load load;
};

/* For cmocka. */
int workers_setup(void **state);
int workers_teardown(void **state);

void workers_add(struct workers *f, const struct vu_worker_info *info);
/* Two workers, a runner that runs, and a driver. */
void workers_start(struct workers *f, const struct vu_worker_info *info);

struct vu_queue_counters workers_counters(struct workers *f, uint32_t queue);
/* Which thread serves the queue. */
int workers_tid(struct workers *f, uint32_t queue);
/* A millisecond. */
void nap(void);

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, workers_setup, workers_teardown)

#endif
