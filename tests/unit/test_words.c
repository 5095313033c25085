/* SPDX-License-Identifier: MIT */
/* From bytes to lines, words and numbers. */
#include <errno.h>
#include <string.h>

#include <libvu/vu.h>

#include "kit/test.h"
#include "run/number.h"
#include "run/words.h"

enum { MOST = 8 };

/* Take it in pieces of this size; the words of its only line, or line_split()'s error. */
static int split(struct line *line, const char *text, size_t len, size_t piece, const char **words,
		 const char **why)
{
	memset(line, 0, sizeof(*line));
	while (len) {
		size_t n = len < piece ? len : piece, left = n;

		len -= n;
		while (left) {
			if (line_take(line, &text, &left))
				assert_int_equal(len + left, 0);
		}
	}
	assert_true(line->complete || line_end(line));
	return line_split(line, words, why);
}

static void lines_are_split_at_blanks_outside_quotes(void **state)
{
	static const struct {
		const char *text;
		const char *words[MOST];
	} rows[] = {
		{"\n", {NULL}},
		{" \t \n", {NULL}},
		{"one\n", {"one"}},
		{"one", {"one"}},
		{"one two\tthree\n", {"one", "two", "three"}},
		{"  one   two  \n", {"one", "two"}},
		{"one two\r\n", {"one", "two"}},
		{"# one\n", {NULL}},
		{"one # two\n", {"one"}},
		{"one#two #\"\n", {"one#two"}},
		{"one \"# two\"\n", {"one", "# two"}},
		{"\"\"\n", {""}},
		{"one \"\" two\n", {"one", "", "two"}},
		{"\"one two\" three\n", {"one two", "three"}},
		{"a\"b c\"d\n", {"ab cd"}},
		{"\"say \\\"hi\\\" \\\\\"\n", {"say \"hi\" \\"}},
		{"a\\b \\\n", {"a\\b", "\\"}},
		{"\"a\"\"b\"\n", {"ab"}},
	};
	struct line line;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t piece = 1; piece < 32; piece++) {
			const char *words[WORDS_MOST] = {NULL}, *why = NULL;
			int n = split(&line, rows[i].text, strlen(rows[i].text), piece, words,
				      &why);

			for (int w = 0; w < n; w++) {
				assert_non_null(rows[i].words[w]);
				assert_string_equal(words[w], rows[i].words[w]);
			}
			assert_true(n >= 0);
			assert_null(rows[i].words[n]);
		}
}

static void malformed_lines_say_what_is_wrong(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *why;
	} rows[] = {
		{"\"one\n", 5, "a quote is not closed"},
		{"one \"two three\n", 15, "a quote is not closed"},
		{"\"one\\\n", 6, "within quotes only \" or \\ may follow a \\"},
		{"\"one\\n\"\n", 8, "within quotes only \" or \\ may follow a \\"},
		{"on\0e\n", 5, "there is a zero byte in the line"},
	};
	struct line line;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t piece = 1; piece < 16; piece++) {
			const char *words[WORDS_MOST], *why = NULL;

			assert_int_equal(
				split(&line, rows[i].text, rows[i].len, piece, words, &why),
				-EINVAL);
			assert_string_equal(why, rows[i].why);
		}
}

static void the_longest_line_is_taken_and_no_longer_one(void **state)
{
	static const size_t pieces[] = {1, 7, 4095, 4096, 4097, 9000};
	char text[9000];
	struct line line;

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		for (size_t len = LINE_LONGEST - 1; len <= 8999; len += len < 4098 ? 1 : 4901) {
			const char *words[WORDS_MOST], *why = NULL;
			int n;

			memset(text, 'x', len);
			text[len] = '\n';
			n = split(&line, text, len + 1, pieces[i], words, &why);
			if (len <= LINE_LONGEST) {
				assert_int_equal(n, 1);
				assert_int_equal(strlen(words[0]), len);
			} else {
				assert_int_equal(n, -EINVAL);
				assert_string_equal(why, "the line is too long");
			}
		}
}

static void what_follows_a_bad_line_is_a_good_line(void **state)
{
	static const char text[] = "a\0b\n\"\nc d\n";
	static const int want[] = {-EINVAL, -EINVAL, 2};
	struct line line = {.number = 0};
	const char *data = text;
	size_t n = sizeof(text) - 1;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		const char *words[WORDS_MOST], *why = NULL;

		assert_true(line_take(&line, &data, &n));
		assert_int_equal(line.number, i + 1);
		assert_int_equal(line_split(&line, words, &why), want[i]);
	}
	assert_int_equal(n, 0);
	assert_false(line_end(&line));
}

static void there_may_be_64_words(void **state)
{
	char text[2 * (WORDS_MOST + 1) + 1];
	const char *words[WORDS_MOST], *why = NULL;
	struct line line;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? ' ' : 'w';
	assert_int_equal(split(&line, text, (size_t)2 * WORDS_MOST, 9, words, &why), WORDS_MOST);
	assert_string_equal(words[WORDS_MOST - 1], "w");
	assert_int_equal(split(&line, text, sizeof(text), 9, words, &why), -EINVAL);
	assert_string_equal(why, "there are too many words");
}

static void numbers_are_decimal_or_hexadecimal_with_a_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int ret;
		uint64_t number;
	} rows[] = {
		{"0", 0, 0, 0, 0},
		{"007", 0, 7, 0, 7},
		{"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999", 0, UINT64_MAX, -ERANGE, 0},
		{"0xfF", 0, 255, 0, 255},
		{"0X10", 0, 16, 0, 16},
		{"0xffffffffffffffff", 0, UINT64_MAX, 0, UINT64_MAX},
		{"0x10000000000000000", 0, UINT64_MAX, -ERANGE, 0},
		{"3K", 0, 4096, 0, 3072},
		{"0x2M", 0, UINT64_MAX, 0, 2 << 20},
		{"1G", 0, UINT64_MAX, 0, 1 << 30},
		{"16777215T", 0, UINT64_MAX, 0, UINT64_C(16777215) << 40},
		{"16777216T", 0, UINT64_MAX, -ERANGE, 0},
		{"5", 6, 10, -ERANGE, 0},
		{"11", 6, 10, -ERANGE, 0},
		{"6", 6, 10, 0, 6},
		{"", 0, 9, -EINVAL, 0},
		{"-1", 0, UINT64_MAX, -EINVAL, 0},
		{"+1", 0, 9, -EINVAL, 0},
		{" 1", 0, 9, -EINVAL, 0},
		{"1 ", 0, 9, -EINVAL, 0},
		{"1k", 0, UINT64_MAX, -EINVAL, 0},
		{"1KB", 0, UINT64_MAX, -EINVAL, 0},
		{"K", 0, UINT64_MAX, -EINVAL, 0},
		{"0x", 0, UINT64_MAX, -EINVAL, 0},
		{"0xg", 0, UINT64_MAX, -EINVAL, 0},
		{"a", 0, UINT64_MAX, -EINVAL, 0},
		{"1a", 0, UINT64_MAX, -EINVAL, 0},
		{"1.5", 0, UINT64_MAX, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t number = 12345;

		assert_int_equal(vu_number_parse(rows[i].text, rows[i].min, rows[i].max, &number),
				 rows[i].ret);
		assert_int_equal(number, rows[i].ret ? 12345 : rows[i].number);
	}
}

static void digits_end_where_others_begin(void **state)
{
	const char *text = "0178-";
	uint64_t n = 5;

	(void)state;
	assert_int_equal(number_digits(&text, 8, &n), 0);
	assert_int_equal(n, 017);
	assert_string_equal(text, "8-");
	assert_int_equal(number_digits(&text, 8, &n), -EINVAL);
	assert_string_equal(text, "8-");
	assert_int_equal(number_digits(&text, 10, &n), 0);
	assert_int_equal(n, 8);
	assert_int_equal(number_digits(&text, 10, &n), -EINVAL);
	assert_int_equal(n, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_split_at_blanks_outside_quotes),
		cmocka_unit_test(malformed_lines_say_what_is_wrong),
		cmocka_unit_test(the_longest_line_is_taken_and_no_longer_one),
		cmocka_unit_test(what_follows_a_bad_line_is_a_good_line),
		cmocka_unit_test(there_may_be_64_words),
		cmocka_unit_test(numbers_are_decimal_or_hexadecimal_with_a_unit),
		cmocka_unit_test(digits_end_where_others_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
