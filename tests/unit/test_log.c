/* SPDX-License-Identifier: MIT */
/* Log lines that a peer can cause: how many pass, and what is told of the others. */
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/printable.h"
#include "kit/log_book.h"
#include "kit/test.h"
#include "run/log_format.h"

static const uint64_t second = 1000000000, start = 123456789;

struct book {
	struct log log;
	struct log_book noted;
	const uint32_t *lines;
	char *last;
};

static void book_open(struct book *b, uint32_t level)
{
	log_book_open(&b->noted);
	b->lines = b->noted.lines;
	b->last = b->noted.last;
	log_init(&b->log, "dev0", level, log_book_write, &b->noted);
}

/* What else may have passed since then: one a second. */
static uint32_t seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)(now.tv_sec - then->tv_sec) + 1;
}

static void a_burst_passes_and_then_one_a_second(void **state)
{
	struct limit limit = {0};
	uint32_t passed = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		passed += limit_allows(&limit, start + (uint64_t)i);
	assert_int_equal(passed, LIMIT_BURST);
	/* Ten seconds of it, a thousand tries a second. */
	for (uint64_t i = 1; i <= 10000; i++)
		passed += limit_allows(&limit, start + i * (second / 1000));
	assert_int_equal(passed, LIMIT_BURST + 10);
}

static void who_was_silent_has_a_whole_burst_again_and_no_more(void **state)
{
	struct limit limit = {0};
	uint32_t passed = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		limit_allows(&limit, start);
	for (int i = 0; i < 100; i++)
		passed += limit_allows(&limit, start + 5 * second);
	assert_int_equal(passed, 5);
	passed = 0;
	for (int i = 0; i < 100; i++)
		passed += limit_allows(&limit, start + 86400 * second);
	assert_int_equal(passed, LIMIT_BURST);
}

static void faults_that_alternate_are_one_flood(void **state)
{
	struct timespec then;
	struct book b;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &then);
	book_open(&b, VU_LOG_INFO);
	for (int i = 0; i < 100000; i++)
		log_peer_warn(&b.log, i % 2 ? "bad request %d" : "bad length %d", i);
	assert_in_range(b.lines[VU_LOG_WARNING], LIMIT_BURST, LIMIT_BURST + seconds_since(&then));
}

static void a_flood_of_warnings_leaves_no_error_out(void **state)
{
	struct book b;

	(void)state;
	book_open(&b, VU_LOG_INFO);
	for (int i = 0; i < 1000; i++)
		log_peer_warn(&b.log, "warning %d", i);
	log_peer_error(&b.log, "the end");
	assert_int_equal(b.lines[VU_LOG_ERROR], 1);
	assert_non_null(strstr(b.last, "dev0: the end (9"));
	assert_non_null(strstr(b.last, " lines left out)"));
	/* Told once. */
	log_info(&b.log, "another");
	assert_string_equal(b.last, "dev0: another");
}

static void another_device_has_its_own_limit(void **state)
{
	struct book a, b;

	(void)state;
	book_open(&a, VU_LOG_INFO);
	book_open(&b, VU_LOG_INFO);
	for (int i = 0; i < 1000; i++)
		log_peer_warn(&a.log, "warning");
	log_peer_warn(&b.log, "warning");
	assert_string_equal(b.last, "dev0: warning");
}

static void what_no_peer_can_repeat_and_debug_lines_have_no_limit(void **state)
{
	struct book b;

	(void)state;
	book_open(&b, VU_LOG_DEBUG);
	for (int i = 0; i < 1000; i++) {
		log_warn(&b.log, "warning");
		log_peer(&b.log, VU_LOG_DEBUG, "debug");
	}
	assert_int_equal(b.lines[VU_LOG_WARNING], 1000);
	assert_int_equal(b.lines[VU_LOG_DEBUG], 1000);
}

static void lines_that_nobody_wants_are_not_left_out(void **state)
{
	struct book b;

	(void)state;
	book_open(&b, VU_LOG_ERROR);
	for (int i = 0; i < 1000; i++)
		log_peer_warn(&b.log, "warning");
	log_error(&b.log, "error");
	assert_string_equal(b.last, "dev0: error");
}

static void what_was_left_out_can_be_told_at_the_end_and_only_then(void **state)
{
	struct book b;

	(void)state;
	/* Only errors are wanted: then it is told as one. */
	book_open(&b, VU_LOG_ERROR);
	log_tell_left_out(&b.log);
	assert_int_equal(b.lines[VU_LOG_ERROR], 0);
	for (int i = 0; i < 1000; i++)
		log_peer_error(&b.log, "error");
	b.last[0] = 0;
	log_tell_left_out(&b.log);
	assert_non_null(strstr(b.last, " lines left out)"));
	b.last[0] = 0;
	log_tell_left_out(&b.log);
	assert_string_equal(b.last, "");
}

static void a_long_line_still_tells_what_was_left_out(void **state)
{
	char text[1000];
	struct book b;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	book_open(&b, VU_LOG_ERROR);
	for (int i = 0; i < 1000; i++)
		log_peer_error(&b.log, "error");
	log_error(&b.log, "%s", text);
	assert_non_null(strstr(b.last, "xx ("));
	assert_non_null(strstr(b.last, " lines left out)"));
}

enum { THREADS = 3, TRIES = 20000 };

static void *try_often(void *opaque)
{
	struct limit *limit = opaque;
	uintptr_t passed = 0;

	for (int i = 0; i < TRIES; i++)
		passed += limit_allows(limit, start);
	return (void *)passed;
}

static void threads_share_one_burst(void **state)
{
	struct limit limit = {0};
	pthread_t threads[THREADS];
	uintptr_t passed = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, try_often, &limit), 0);
	for (int i = 0; i < THREADS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		passed += (uintptr_t)result;
	}
	assert_int_equal(passed, LIMIT_BURST);
}

static void what_a_terminal_would_obey_is_written_out(void **state)
{
	static const char *const rows[][2] = {
		{"plain, \"quoted\", \\", "plain, \"quoted\", \\"},
		{"\x1b[2Jgone", "\\x1b[2Jgone"},
		{"two\nlines\r\t\a", "two\\x0alines\\x0d\\x09\\x07"},
		{"\x7f", "\\x7f"},
		/* UTF-8 stays: of 2, 3 and 4 bytes, the first and the last character of each. */
		{"\xc2\xa0\xdf\xbf", "\xc2\xa0\xdf\xbf"},
		{"\xe0\xa0\x80\xef\xbf\xbf", "\xe0\xa0\x80\xef\xbf\xbf"},
		{"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
		/* Control characters of it, what is cut, too long, a surrogate, too large, or none.
		 */
		{"\xc2\x9b"
		 "2J",
		 "\\xc2\\x9b"
		 "2J"},
		{"\x9b"
		 "2J",
		 "\\x9b"
		 "2J"},
		{"a\xe2\x82", "a\\xe2\\x82"},
		{"\xe2\x82"
		 "b",
		 "\\xe2\\x82"
		 "b"},
		{"\xc0\x9b\xe0\x82\x9b", "\\xc0\\x9b\\xe0\\x82\\x9b"},
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
		{"\xff\xfe", "\\xff\\xfe"},
	};
	struct book b;

	(void)state;
	book_open(&b, VU_LOG_INFO);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		log_info(&b.log, "%s", rows[i][0]);
		assert_memory_equal(b.last, "dev0: ", 6);
		assert_string_equal(b.last + 6, rows[i][1]);
	}
}

static void a_line_that_is_written_out_ends_with_a_whole_character(void **state)
{
	char text[600] = "", to[8];
	struct book b;

	(void)state;
	book_open(&b, VU_LOG_INFO);
	memset(text, '\x1b', sizeof(text) - 1);
	log_info(&b.log, "%s", text);
	assert_in_range(strlen(b.last), 500, 511);
	assert_string_equal(b.last + strlen(b.last) - 4, "\\x1b");
	assert_int_equal(printable(to, sizeof(to),
				   "abc\x1b"
				   "d"),
			 7);
	assert_string_equal(to, "abc\\x1b");
	assert_int_equal(printable(to, 7,
				   "abc\x1b"
				   "d"),
			 3);
	assert_string_equal(to, "abc");
	assert_int_equal(printable(to, 3,
				   "a\xc3\xa9"
				   "b"),
			 1);
	assert_string_equal(to, "a");
	assert_int_equal(printable(to, 1, "a"), 0);
	assert_string_equal(to, "");
}

/* For who gives no function: one line, whole or cut, whatever it has. */
static void standard_error_gets_one_line_for_each(void **state)
{
	static char expected[] = "warning: short\ndebug: of a level to come\n", text[8192],
		    longest[4096];
	int saved = dup(STDERR_FILENO), pipes[2];
	ssize_t n;

	memset(longest, 'x', sizeof(longest) - 1);
	assert_int_equal(pipe(pipes), 0);
	dup2(pipes[1], STDERR_FILENO);
	vu_log_stderr(NULL, VU_LOG_WARNING, "short");
	vu_log_stderr(NULL, (enum vu_log_level)9, "of a level to come");
	vu_log_stderr(NULL, VU_LOG_ERROR, longest);
	dup2(saved, STDERR_FILENO);
	n = read(pipes[0], text, sizeof(text) - 1);
	assert_true(n > (ssize_t)sizeof(expected));
	assert_memory_equal(text, expected, sizeof(expected) - 1);
	assert_memory_equal(text + sizeof(expected) - 1, "error: xxxx", 11);
	assert_ptr_equal(strchr(text + sizeof(expected) - 1, '\n'), text + n - 1);
	close(saved);
	close(pipes[0]);
	close(pipes[1]);
}

/* What a line becomes on standard error; its length. */
static size_t formatted(enum log_format format, const char *line, char *text, size_t room)
{
	int saved = dup(STDERR_FILENO), pipes[2];
	ssize_t n;

	assert_int_equal(pipe(pipes), 0);
	dup2(pipes[1], STDERR_FILENO);
	log_format_fn(format)(NULL, VU_LOG_WARNING, line);
	dup2(saved, STDERR_FILENO);
	n = read(pipes[0], text, room - 1);
	assert_true(n > 0);
	text[n] = 0;
	close(saved);
	close(pipes[0]);
	close(pipes[1]);
	return (size_t)n;
}

/* Longer than any line of the library's: a program's own. */
static void a_line_of_any_length_stays_one_line_of_whole_characters(void **state)
{
	char line[4096], text[8192];

	(void)state;
	/* Two bytes each, and the other way round where they are cut. */
	for (int odd = 0; odd < 2; odd++) {
		size_t n, at = (size_t)odd;

		line[0] = 'x';
		for (; at + 2 < sizeof(line); at += 2)
			memcpy(line + at, "\xc3\xa4", 2);
		line[at] = 0;
		n = formatted(LOG_JOURNAL, line, text, sizeof(text));
		assert_true(n < 1000);
		assert_memory_equal(text, "<4>", 3);
		assert_memory_equal(text + n - 3, "\xc3\xa4\n", 3);
	}
	/* Each byte becomes two. */
	memset(line, '"', sizeof(line) - 1);
	line[sizeof(line) - 1] = 0;
	memcpy(line, "rng0: ", 6);
	formatted(LOG_JSON, line, text, sizeof(text));
	assert_non_null(strstr(text, "\\\"\\\"\"}\n"));
}

static void a_line_that_nobody_takes_is_no_matter(void **state)
{
	int saved = dup(STDERR_FILENO);

	(void)state;
	close(STDERR_FILENO);
	log_format_fn(LOG_JSON)(NULL, VU_LOG_ERROR, "rng0: gone");
	log_format_fn(LOG_TEXT)(NULL, VU_LOG_ERROR, "rng0: gone");
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_passes_and_then_one_a_second),
		cmocka_unit_test(who_was_silent_has_a_whole_burst_again_and_no_more),
		cmocka_unit_test(faults_that_alternate_are_one_flood),
		cmocka_unit_test(a_flood_of_warnings_leaves_no_error_out),
		cmocka_unit_test(another_device_has_its_own_limit),
		cmocka_unit_test(what_no_peer_can_repeat_and_debug_lines_have_no_limit),
		cmocka_unit_test(lines_that_nobody_wants_are_not_left_out),
		cmocka_unit_test(what_was_left_out_can_be_told_at_the_end_and_only_then),
		cmocka_unit_test(a_long_line_still_tells_what_was_left_out),
		cmocka_unit_test(standard_error_gets_one_line_for_each),
		cmocka_unit_test(a_line_of_any_length_stays_one_line_of_whole_characters),
		cmocka_unit_test(a_line_that_nobody_takes_is_no_matter),
		cmocka_unit_test(threads_share_one_burst),
		cmocka_unit_test(what_a_terminal_would_obey_is_written_out),
		cmocka_unit_test(a_line_that_is_written_out_ends_with_a_whole_character),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
