/* SPDX-License-Identifier: MIT */
/* Rules of functions that run on a group's thread. */
#include <libvu/unstable.h>

#include "rules/rig.h"

enum { POSTS = 1000 };

struct posts {
	struct rig *rig;
	struct vu_group *group;
	pthread_t ran_on;
	uint32_t n;
	uint32_t order[POSTS];
	uint32_t again; /* posts itself so many times */
	int refused;
};

struct one {
	struct posts *posts;
	uint32_t number;
};

static void note(void *opaque)
{
	const struct one *one = opaque;
	struct posts *p = one->posts;

	p->order[p->n++] = one->number;
	p->ran_on = pthread_self();
}

static void *post_all(void *opaque)
{
	struct one *ones = opaque;

	for (uint32_t i = 0; i < POSTS; i++)
		if (vu_group_post(ones[i].posts->group, note, &ones[i]))
			return opaque;
	return NULL;
}

static void number(struct one *ones, struct posts *posts)
{
	for (uint32_t i = 0; i < POSTS; i++)
		ones[i] = (struct one){posts, i};
}

static void expect_order(const struct posts *posts)
{
	assert_int_equal(posts->n, POSTS);
	for (uint32_t i = 0; i < POSTS; i++)
		assert_int_equal(posts->order[i], i);
}

static void what_another_thread_posts_runs_in_order_on_the_groups(void **state)
{
	static struct one ones[POSTS];
	static struct posts posts;
	pthread_t thread;
	void *failed;
	struct rig rig;

	(void)state;
	posts = (struct posts){.rig = &rig};
	rig_open(&rig, NULL);
	posts.group = vu_device_group(rig.dev);
	number(ones, &posts);
	assert_ok(pthread_create(&thread, NULL, post_all, ones));
	assert_ok(pthread_join(thread, &failed));
	assert_null(failed);
	assert_int_equal(posts.n, 0);
	rig_pump(&rig);
	expect_order(&posts);
	assert_true(pthread_equal(posts.ran_on, pthread_self()));
	assert_int_equal(vu_group_post(posts.group, NULL, NULL), -EINVAL);
	rig_assert_idle(&rig);
	rig_close(&rig);
}

static void a_group_that_sleeps_is_woken(void **state)
{
	static struct posts posts;
	struct one one = {&posts, 0};
	struct rig rig;

	(void)state;
	rig_open_grouped(&rig);
	posts = (struct posts){.rig = &rig, .group = rig.group};
	while (vu_group_arm(rig.group))
		vu_group_process(rig.group, 0);
	assert_ok(vu_group_post(rig.group, note, &one));
	assert_int_equal(vu_group_wait(rig.group, -1), 1);
	vu_group_process(rig.group, 0);
	assert_int_equal(posts.n, 1);
	rig_close(&rig);
}

static void post_again(void *opaque)
{
	struct posts *p = opaque;

	p->n++;
	p->refused += vu_group_process(p->group, 0) == -EDEADLK;
	if (p->again-- > 1)
		assert_ok(vu_group_post(p->group, post_again, p));
}

static void a_posted_function_may_post_and_is_a_callback(void **state)
{
	struct posts posts = {.again = 5};
	struct rig rig;

	(void)state;
	rig_open_grouped(&rig);
	posts.group = rig.group;
	assert_ok(vu_group_post(rig.group, post_again, &posts));
	/* One a pass: no function keeps the queues waiting. */
	vu_group_process(rig.group, 0);
	assert_int_equal(posts.n, 1);
	rig_pump(&rig);
	assert_int_equal(posts.n, 5);
	assert_int_equal(posts.refused, 5);
	rig_close(&rig);
}

static void what_is_left_runs_when_the_group_is_freed(void **state)
{
	static struct one ones[POSTS];
	static struct posts posts;
	struct vu_group *group;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	for (int own = 0; own < 2; own++) {
		posts = (struct posts){.rig = &rig};
		assert_ok(vu_group_new(&group));
		posts.group = own ? vu_device_group(rig.dev) : group;
		number(ones, &posts);
		assert_null(post_all(ones));
		if (own)
			vu_device_free(rig.dev);
		vu_group_free(group);
		expect_order(&posts);
	}
	rig.dev = NULL;
	rig_close(&rig);
}

/* It outlives its device, and so does what was posted. */
static void a_group_without_its_device_still_runs_what_is_posted(void **state)
{
	static struct posts posts;
	struct one one = {&posts, 0};
	struct vu_group *group;
	struct rig rig;

	(void)state;
	posts = (struct posts){.rig = &rig};
	rig_make(&rig, NULL);
	assert_ok(vu_group_new(&group));
	vu_device_free(rig.dev);
	rig.dev = NULL;
	assert_ok(vu_group_post(group, note, &one));
	vu_group_process(group, 0);
	assert_int_equal(posts.n, 1);
	vu_group_free(group);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_another_thread_posts_runs_in_order_on_the_groups),
		cmocka_unit_test(a_group_that_sleeps_is_woken),
		cmocka_unit_test(a_posted_function_may_post_and_is_a_callback),
		cmocka_unit_test(what_is_left_runs_when_the_group_is_freed),
		cmocka_unit_test(a_group_without_its_device_still_runs_what_is_posted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
