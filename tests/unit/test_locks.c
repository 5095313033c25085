/* SPDX-License-Identifier: MIT */
/* The life of a lock: made once, destroyed at most once, and not made anew in between. */
#include <pthread.h>
#include <unistd.h>

#include <libvu/unstable.h>
#include <libvu/vu.h>

#include "kit/test.h"

enum { MOST = 64 };

/* Linked in the C library's place (see meson.build). */
int __real_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attr);
int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attr);
int __real_pthread_mutex_destroy(pthread_mutex_t *lock);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *lock);

static const pthread_mutex_t *alive[MOST];
static uint32_t n_alive, made, twice, unknown;

static uint32_t find(const pthread_mutex_t *lock)
{
	uint32_t i = 0;

	while (i < n_alive && alive[i] != lock)
		i++;
	return i;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attr)
{
	made++;
	if (find(lock) < n_alive)
		twice++;
	else if (n_alive < MOST)
		alive[n_alive++] = lock;
	return __real_pthread_mutex_init(lock, attr);
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *lock)
{
	uint32_t i = find(lock);

	if (i == n_alive)
		unknown++;
	else
		alive[i] = alive[--n_alive];
	return __real_pthread_mutex_destroy(lock);
}

static void ready(struct vu_queue *q, void *opaque)
{
	(void)q;
	(void)opaque;
}

/* Everything that has a lock. */
static void live(void)
{
	static const uint64_t window[] = {4096};
	const struct vu_device_info info = {
		.size = sizeof(info), .device_id = 4, .n_queues = 2, .config_size = 16};
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = ready};
	const struct vu_shmem_info shmem = {.size = sizeof(shmem), .lens = window, .n_lens = 1};
	const struct vu_runner_info runner_info = {.size = sizeof(runner_info)};
	const struct vu_worker_info worker_info = {.size = sizeof(worker_info)};
	struct vu_worker *worker;
	struct vu_runner *runner;
	struct vu_group *group;
	struct vu_device *dev;

	assert_int_equal(vu_device_new(&info, &ops, NULL, &dev), 0);
	assert_int_equal(vu_device_guard(dev), 0);
	assert_int_equal(vu_device_set_shmem(dev, &shmem), 0);
	assert_int_equal(vu_device_offer_host_notifiers(dev), 0);
	assert_int_equal(vu_group_new(&group), 0);
	assert_int_equal(vu_queue_set_group(vu_device_queue(dev, 1), group), 0);
	assert_int_equal(vu_worker_new(&worker_info, &worker), 0);
	assert_int_equal(vu_worker_add_group(worker, group), 0);
	assert_int_equal(vu_runner_new(&runner_info, &runner), 0);
	vu_runner_free(runner);
	vu_worker_free(worker);
	vu_group_free(group);
	vu_device_free(dev);
}

static void each_lock_is_made_once(void **state)
{
	uint32_t left;

	(void)state;
	live();
	assert_true(made >= 6);
	/* That of guarded memory stays with the process. */
	left = n_alive;
	live();
	assert_int_equal(twice, 0);
	assert_int_equal(unknown, 0);
	assert_int_equal(n_alive, left);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_lock_is_made_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
