/* SPDX-License-Identifier: MIT */
/* Scripts in files, and how commands are found, called and refused. */
#include "script_rig.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

/* Run a file with this text. */
static int run_file(struct script_rig *rig, const char *text)
{
	char path[80];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/f", rig->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	script_write(fd, text);
	close(fd);
	log_book_open(&rig->log);
	ret = vu_script_run_file(&rig->info, path);
	unlink(path);
	return ret;
}

static void expect_log(const struct script_rig *rig, const char *name, const char *what)
{
	char line[256];

	snprintf(line, sizeof(line), "%s: %s/%s\n", name, rig->dir, what);
	assert_string_equal(rig->log.text, line);
}

static void the_lines_of_a_file_are_run_in_order(void **state)
{
	struct script_rig *rig = *state;

	assert_int_equal(run_file(rig, "# comment\n\nnote a b # c\n  note \"d e\"\nnote last"), 0);
	assert_string_equal(rig->ran, "a,b;d e;last;");
	assert_string_equal(rig->log.text, "");
	assert_int_equal(run_file(rig, ""), 0);
	/* Answers go nowhere; what is said, too. */
	assert_int_equal(run_file(rig, "help\nrepeat 3 x\nsay y\n"), 0);
	assert_string_equal(rig->log.text, "");
}

static void a_file_ends_at_its_first_error_with_file_and_line(void **state)
{
	struct script_rig *rig = *state;

	assert_int_equal(run_file(rig, "note a\n\nnot b\nnote c\n"), -EINVAL);
	expect_log(
		rig, "script",
		"f:3: there is no command 'not' (valid: note, repeat, say, fail, line:, nothing)");
	assert_string_equal(rig->ran, "a;");
	rig->info.name = "disk3";
	assert_int_equal(run_file(rig, "\n\nfail"), -ENODEV);
	expect_log(rig, "disk3", "f:3: No such device");
	assert_int_equal(run_file(rig, "fail \"no such line\"\n"), -EINVAL);
	expect_log(rig, "disk3", "f:1: no such line");
	assert_int_equal(run_file(rig, "note \"a\n"), -EINVAL);
	expect_log(rig, "disk3", "f:1: a quote is not closed");
	assert_int_equal(run_file(rig, "repeat 9999999999999 x\n"), -ERANGE);
	expect_log(rig, "disk3", "f:1: Numerical result out of range");
}

static void a_reason_of_an_earlier_line_is_not_said_again(void **state)
{
	struct script_rig *rig = *state;
	int fd;

	script_serve(rig);
	fd = script_connect(rig);
	assert_string_equal(script_ask(rig, fd, "fail reason\n"), "error: reason\n");
	assert_string_equal(script_ask(rig, fd, "fail\n"), "error: No such device\n");
	close(fd);
}

static void the_number_of_words_is_checked(void **state)
{
	struct script_rig *rig = *state;

	assert_int_equal(run_file(rig, "repeat 1\n"), -EINVAL);
	expect_log(rig, "script", "f:1: 'repeat' wants more words; it is used so: repeat N TEXT");
	assert_int_equal(run_file(rig, "repeat 1 2 3\n"), -EINVAL);
	expect_log(rig, "script", "f:1: 'repeat' has too many words; it is used so: repeat N TEXT");
	assert_int_equal(run_file(rig, "nothing\n"), 0);
	assert_int_equal(run_file(rig, "nothing x\n"), -EINVAL);
	expect_log(rig, "script", "f:1: 'nothing' has too many words; it is used so: nothing");
}

static void a_command_may_take_the_rest_of_its_line_as_it_is(void **state)
{
	struct script_rig *rig = *state;

	assert_int_equal(run_file(rig, "line: a \"b  # \\ c \n  line:  d\r\nline:\nline: \nline:"),
			 0);
	assert_string_equal(rig->ran, "a \"b  # \\ c ; d;;;;");
	/* Only its own name, and lines that are none stay refused. */
	assert_int_equal(run_file(rig, "line:x\n"), -EINVAL);
	expect_log(rig, "script",
		   "f:1: there is no command 'line:x' (valid: note, repeat, say, fail, line:, "
		   "nothing)");
	assert_int_equal(run_file(rig, "note \"line:\n"), -EINVAL);
	expect_log(rig, "script", "f:1: a quote is not closed");
}

static void files_that_cannot_be_read_are_named(void **state)
{
	struct script_rig *rig = *state;
	char path[80];

	snprintf(path, sizeof(path), "%s/none", rig->dir);
	assert_int_equal(vu_script_run_file(&rig->info, path), -ENOENT);
	expect_log(rig, "script", "none: No such file or directory");
	log_book_open(&rig->log);
	snprintf(path, sizeof(path), "%s/", rig->dir);
	assert_int_equal(vu_script_run_file(&rig->info, path), -EISDIR);
	expect_log(rig, "script", ": Is a directory");
}

/* A table of somebody else's version: what is new in it must not be set. */
static void tables_of_other_versions_are_taken_if_they_say_nothing_new(void **state)
{
	struct script_rig *rig = *state;
	struct {
		struct vu_command command;
		uint64_t more;
	} longer[3] = {{rig->info.commands[0], 0}, {rig->info.commands[1], 0}};

	rig->info.commands = &longer[0].command;
	rig->info.command_size = sizeof(longer[0]);
	assert_int_equal(run_file(rig, "note a\nrepeat 1 x\n"), 0);
	assert_int_equal(run_file(rig, "say x\n"), -EINVAL);
	longer[1].more = 1;
	assert_int_equal(run_file(rig, "note a\n"), -E2BIG);
	assert_non_null(strstr(rig->log.text, "built for a newer one\n"));
}

static void more_commands_than_a_line_has_room_for_are_cut(void **state)
{
	enum { MANY = 60 };
	struct script_rig *rig = *state;
	struct vu_command commands[MANY + 1] = {0};

	for (int i = 0; i < MANY; i++)
		commands[i] = rig->info.commands[0];
	rig->info.commands = commands;
	rig->info.command_size = sizeof(commands[0]);
	assert_int_equal(run_file(rig, "other a\n"), -EINVAL);
	assert_non_null(strstr(rig->log.text, "no command 'other' (valid: note, note,"));
	assert_non_null(strstr(rig->log.text, "...)\n"));
}

static void an_authors_mistake_gets_a_line(void **state)
{
	struct script_rig *rig = *state;
	struct vu_command commands[2] = {rig->info.commands[0]};

	rig->info.commands = commands;
	commands[0].run = NULL;
	assert_int_equal(run_file(rig, ""), -EINVAL);
	assert_string_equal(rig->log.text, "script: struct vu_script_info: a command has no run\n");
	rig->info.command_size = sizeof(commands[0]) / 2;
	assert_int_equal(run_file(rig, ""), -EINVAL);
	assert_string_equal(rig->log.text, "script: struct vu_script_info: command_size is not "
					   "sizeof(struct vu_command)\n");
	rig->info.commands = NULL;
	assert_int_equal(run_file(rig, ""), -EINVAL);
	assert_string_equal(rig->log.text, "script: struct vu_script_info: commands is NULL\n");
}

static void a_path_longer_than_any_is_refused(void **state)
{
	struct script_rig *rig = *state;
	static char path[PATH_MAX + 2];

	memset(path, 'a', sizeof(path) - 1);
	assert_int_equal(
		vu_script_serve(vu_device_group(rig->dev), &rig->info, path, 0, &rig->script),
		-ENAMETOOLONG);
	rig->script = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_lines_of_a_file_are_run_in_order),
		TEST(a_file_ends_at_its_first_error_with_file_and_line),
		TEST(a_reason_of_an_earlier_line_is_not_said_again),
		TEST(the_number_of_words_is_checked),
		TEST(a_command_may_take_the_rest_of_its_line_as_it_is),
		TEST(files_that_cannot_be_read_are_named),
		TEST(a_path_longer_than_any_is_refused),
		TEST(tables_of_other_versions_are_taken_if_they_say_nothing_new),
		TEST(more_commands_than_a_line_has_room_for_are_cut),
		TEST(an_authors_mistake_gets_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
