/* SPDX-License-Identifier: MIT */
/* The mailbox, alone and between threads; structs that begin with their size. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mailbox.h"
#include "base/size_struct.h"
#include "kit/test.h"

static void mail_comes_oldest_first(void **state)
{
	struct mailbox box = {NULL};
	struct mail mails[5] = {{NULL, false}}, *mail;

	(void)state;
	assert_null(mailbox_take(&box));
	/* Only the first post has to wake the taker. */
	for (int i = 0; i < 5; i++)
		assert_int_equal(mailbox_post(&box, &mails[i]), i == 0);
	mail = mailbox_take(&box);
	for (int i = 0; i < 5; i++, mail = mail->next)
		assert_ptr_equal(mail, &mails[i]);
	assert_null(mail);
	assert_null(mailbox_take(&box));
}

static void mail_that_is_still_posted_is_not_posted_twice(void **state)
{
	struct mailbox box = {NULL};
	struct mail a = {NULL, false}, b = {NULL, false}, *mail;

	(void)state;
	assert_true(mailbox_post(&box, &a));
	assert_false(mailbox_post(&box, &a));
	assert_false(mailbox_post(&box, &b));
	assert_false(mailbox_post(&box, &a));
	mail = mailbox_take(&box);
	assert_ptr_equal(mail, &a);
	assert_ptr_equal(mail->next, &b);
	assert_null(b.next);
	/* Taken, but not opened: whoever took it has yet to look. */
	assert_false(mailbox_post(&box, &a));
	assert_null(mailbox_take(&box));
	mail_open(&a);
	assert_true(mailbox_post(&box, &a));
	assert_ptr_equal(mailbox_take(&box), &a);
}

enum { POSTERS = 2, LETTERS = 20000, BELLS = 3, RINGS = 20000 };

/* A letter is posted once; what is written into it needs no atomics. */
struct letter {
	struct mail mail;
	uint32_t poster;
	uint32_t number;
};

struct office {
	struct mailbox box;
	sem_t wake;
};

struct poster {
	struct office *office;
	pthread_t thread;
	uint32_t index;
	struct letter *letters;
};

static void *post_letters(void *opaque)
{
	struct poster *p = opaque;

	for (uint32_t i = 0; i < LETTERS; i++) {
		p->letters[i].poster = p->index;
		p->letters[i].number = i;
		if (mailbox_post(&p->office->box, &p->letters[i].mail))
			sem_post(&p->office->wake);
	}
	return NULL;
}

static void each_posters_letters_arrive_once_and_in_order(void **state)
{
	struct office office = {.box = {NULL}};
	struct poster posters[POSTERS];
	uint32_t next[POSTERS] = {0}, n = 0;

	(void)state;
	sem_init(&office.wake, 0, 0);
	for (uint32_t i = 0; i < POSTERS; i++) {
		posters[i].office = &office;
		posters[i].index = i;
		posters[i].letters = calloc(LETTERS, sizeof(struct letter));
		pthread_create(&posters[i].thread, NULL, post_letters, &posters[i]);
	}
	while (n < POSTERS * LETTERS) {
		/* A wake-up that is lost hangs here. */
		sem_wait(&office.wake);
		for (struct mail *mail = mailbox_take(&office.box), *after; mail;
		     mail = after, n++) {
			struct letter *letter = (struct letter *)mail;

			after = mail->next;
			assert_int_equal(letter->number, next[letter->poster]++);
		}
	}
	for (uint32_t i = 0; i < POSTERS; i++) {
		pthread_join(posters[i].thread, NULL);
		free(posters[i].letters);
	}
	assert_null(mailbox_take(&office.box));
	sem_destroy(&office.wake);
}

/* A bell announces that a value changed; it is rung again and again, often before it is heard. */
struct bell {
	struct mail mail;
	_Atomic uint32_t value;
};

struct ringer {
	struct office *office;
	struct bell *bells;
};

static void *ring_bells(void *opaque)
{
	struct ringer *r = opaque;

	for (uint32_t i = 1; i <= RINGS; i++) {
		struct bell *bell = &r->bells[i % BELLS];

		atomic_store_explicit(&bell->value, i, memory_order_relaxed);
		if (mailbox_post(&r->office->box, &bell->mail))
			sem_post(&r->office->wake);
	}
	return NULL;
}

static void the_last_value_of_each_bell_is_heard(void **state)
{
	struct office office = {.box = {NULL}};
	struct bell bells[BELLS] = {{{NULL, false}, 0}};
	struct ringer ringer = {&office, bells};
	uint32_t heard[BELLS] = {0}, done = 0;
	pthread_t thread;

	(void)state;
	sem_init(&office.wake, 0, 0);
	pthread_create(&thread, NULL, ring_bells, &ringer);
	while (done < BELLS) {
		sem_wait(&office.wake);
		for (struct mail *mail = mailbox_take(&office.box), *after; mail; mail = after) {
			struct bell *bell = (struct bell *)mail;
			uint32_t value, *last = &heard[bell - bells];

			after = mail->next;
			mail_open(mail);
			value = atomic_load_explicit(&bell->value, memory_order_relaxed);
			assert_true(value >= *last);
			done += value > RINGS - BELLS && *last <= RINGS - BELLS;
			*last = value;
		}
	}
	pthread_join(thread, NULL);
	sem_destroy(&office.wake);
}

struct first {
	size_t size;
	uint32_t a;
	uint32_t b;
};

struct second {
	size_t size;
	uint32_t a;
	uint32_t b;
	uint64_t c;
};

static void a_struct_of_today_is_copied(void **state)
{
	struct second in = {sizeof(in), 1, 2, 3}, out;

	(void)state;
	memset(&out, 0xee, sizeof(out));
	assert_int_equal(size_struct_copy(&out, sizeof(out), &in, sizeof(struct first)), 0);
	assert_memory_equal(&out, &in, sizeof(out));
}

static void an_older_struct_is_filled_up_with_zeros(void **state)
{
	struct first *in = malloc(sizeof(*in)); /* not a byte more may be read */
	struct second out;

	(void)state;
	*in = (struct first){sizeof(*in), 1, 2};
	memset(&out, 0xee, sizeof(out));
	assert_int_equal(size_struct_copy(&out, sizeof(out), in, sizeof(struct first)), 0);
	assert_int_equal(out.size, sizeof(out));
	assert_int_equal(out.a, 1);
	assert_int_equal(out.b, 2);
	assert_int_equal(out.c, 0);
	free(in);
}

static void a_newer_struct_may_have_nothing_new_set(void **state)
{
	struct second in = {sizeof(in), 1, 2, 0};
	struct first out[2];

	(void)state;
	memset(out, 0xee, sizeof(out));
	assert_int_equal(size_struct_copy(&out[0], sizeof(out[0]), &in, sizeof(out[0])), 0);
	assert_int_equal(out[0].size, sizeof(out[0]));
	assert_int_equal(out[0].b, 2);
	assert_int_equal(out[1].a, 0xeeeeeeee);
	for (unsigned int i = 0; i < 64; i += 8) {
		in.c = UINT64_C(1) << i;
		assert_int_equal(size_struct_copy(&out[0], sizeof(out[0]), &in, sizeof(out[0])),
				 -E2BIG);
	}
}

static void a_size_below_the_first_release_is_refused(void **state)
{
	struct second in = {0, 1, 2, 3}, out;

	(void)state;
	for (in.size = 0; in.size < sizeof(struct first); in.size++)
		assert_int_equal(size_struct_copy(&out, sizeof(out), &in, sizeof(struct first)),
				 -EINVAL);
}

static void a_size_that_nobody_set_is_not_believed(void **state)
{
	struct second in = {SIZE_MAX / 2, 1, 2, 3}, out;

	(void)state;
	assert_int_equal(size_struct_copy(&out, sizeof(out), &in, sizeof(struct first)), -EINVAL);
	in.size = SIZE_STRUCT_MAX + 1;
	assert_int_equal(size_struct_copy(&out, sizeof(out), &in, sizeof(struct first)), -EINVAL);
}

static void what_a_newer_program_has_set_is_told_by_its_place(void **state)
{
	unsigned char newer[64] = {0};
	const size_t size = sizeof(newer);
	char why[192];

	(void)state;
	memcpy(newer, &size, sizeof(size));
	newer[40] = 1;
	size_struct_why(why, sizeof(why), "struct vu_thing", newer, 32, 16);
	assert_non_null(strstr(why,
			       "struct vu_thing has something set at byte 40, and this library "
			       "knows 32 bytes"));
}

/* A table's rows, as of a program that is older or newer than the library. */
struct row {
	const char *name;
	int value;
	int added;
};

static void a_table_of_other_rows_is_copied_as_far_as_both_know_them(void **state)
{
	static const struct {
		const char *name;
		int value;
	} older[] = {{"a", 1}, {"b", 2}, {NULL, 0}};
	struct {
		struct row row;
		long unknown;
	} newer[] = {{{"a", 1, 3}, 0}, {{NULL, 0, 0}, 0}};
	const size_t v1 = offsetof(struct row, added);
	void *copy = NULL;
	const struct row *rows;

	(void)state;
	assert_int_equal(size_table_copy(&copy, sizeof(struct row), older, v1 - 1, v1), -EINVAL);
	assert_int_equal(size_table_copy(&copy, sizeof(struct row), older, sizeof(older[0]), v1),
			 0);
	rows = copy;
	assert_string_equal(rows[1].name, "b");
	assert_int_equal(rows[1].value, 2);
	assert_null(rows[2].name);
	free(copy);
	assert_int_equal(size_table_copy(&copy, sizeof(struct row), newer, sizeof(newer[0]), v1),
			 0);
	rows = copy;
	assert_int_equal(rows[0].added, 3);
	assert_null(rows[1].name);
	free(copy);
	newer[0].unknown = 1;
	assert_int_equal(size_table_copy(&copy, sizeof(struct row), newer, sizeof(newer[0]), v1),
			 -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_of_other_rows_is_copied_as_far_as_both_know_them),
		cmocka_unit_test(mail_comes_oldest_first),
		cmocka_unit_test(mail_that_is_still_posted_is_not_posted_twice),
		cmocka_unit_test(each_posters_letters_arrive_once_and_in_order),
		cmocka_unit_test(the_last_value_of_each_bell_is_heard),
		cmocka_unit_test(a_struct_of_today_is_copied),
		cmocka_unit_test(an_older_struct_is_filled_up_with_zeros),
		cmocka_unit_test(a_newer_struct_may_have_nothing_new_set),
		cmocka_unit_test(a_size_below_the_first_release_is_refused),
		cmocka_unit_test(a_size_that_nobody_set_is_not_believed),
		cmocka_unit_test(what_a_newer_program_has_set_is_told_by_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
