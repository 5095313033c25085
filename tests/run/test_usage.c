/* SPDX-License-Identifier: MIT */
/* What users and authors of programs get wrong: one line that says what is right. */
#include <stdlib.h>
#include <string.h>

#include "kit/test.h"
#include "spawn.h"

#define VU_RNG getenv("VU_RNG")
#define ARGV(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		VU_RNG, __VA_ARGS__, NULL                                                          \
	}

static void wrong_usage_exits_with_2_and_names_the_culprit(void **state)
{
	static const struct {
		const char *arg[3];
		const char *err;
	} rows[] = {
		{{"--no-such-option=1"}, "unknown option '--no-such-option=1'; try --help"},
		{{"--sock=/x"}, "unknown option '--sock=/x'"},
		{{"stray"}, "unexpected argument 'stray'"},
		{{"-x"}, "unexpected argument '-x'"},
		{{"--"}, "unexpected argument '--'"},
		{{"--once=yes"}, "option '--once=yes' takes no argument"},
		{{"--socket-path"}, "option '--socket-path' needs an argument"},
		{{"--socket-path="},
		 "--socket-path=: not a valid value (valid: a path of 1 to 107 bytes)"},
		{{"--fd=three"}, "--fd=three: not a valid value"},
		{{"--fd=3x"}, "--fd=3x: not a valid value"},
		{{"--fd=-1"}, "--fd=-1: not a valid value"},
		{{"--fd=99999999999"}, "--fd=99999999999: out of range (valid: the number"},
		{{"--socket-mode=888"}, "--socket-mode=888: not a valid value"},
		{{"--socket-mode=1777"},
		 "--socket-mode=1777: out of range (valid: octal, 1 to 777)"},
		{{"--socket-group=no-such-group"}, "not a valid value (valid: name or number"},
		{{"--max-bytes=0"},
		 "--max-bytes=0: out of range (valid: 1 to 9223372036854775807); try --help"},
		{{"--max-bytes", "12k"}, "--max-bytes=12k: not a valid value"},
		{{"--max-memory=0"}, "--max-memory=0: out of range"},
		{{"--max-memory=much"}, "--max-memory=much: not a valid value"},
		{{"--message-timeout=86401"}, "--message-timeout=86401: out of range"},
		{{"--message-timeout=1m"}, "--message-timeout=1m: not a valid value"},
		{{"--poll-us=-1"}, "--poll-us=-1: not a valid value"},
		{{"--poll-us=50us"}, "--poll-us=50us: not a valid value"},
		{{"--poll-us=1000001"}, "--poll-us=1000001: out of range (valid: 0 to 1000000)"},
		{{"--cpus="}, "--cpus=: not a valid value"},
		{{"--cpus=0,"}, "--cpus=0,: not a valid value"},
		{{"--cpus=1-0"}, "--cpus=1-0: not a valid value"},
		{{"--cpus=0-"}, "--cpus=0-: not a valid value"},
		{{"--cpus=0-1-2"}, "--cpus=0-1-2: not a valid value"},
		{{"--cpus=all"}, "--cpus=all: not a valid value"},
		{{"--cpus=8192"}, "--cpus=8192: out of range"},
		{{"--cpus=99999999999999999999"}, "out of range"},
		{{"--socket-path=/x", "--socket-path=/x"}, "socket /x is given twice"},
		{{"--max-bytes=1", "--max-bytes=1"}, "'--max-bytes=1' is given twice; try"},
		{{"--source=/x", "--source=/y"}, "option '--source=/y' is given twice"},
		{{"--socket-mode=600", "--socket-mode=660"}, "'--socket-mode=660' is given twice"},
		{{"--socket-group=1", "--socket-group=1"}, "'--socket-group=1' is given twice"},
		{{"--socket-group=0", "--socket-group", "0"}, "'--socket-group' is given twice"},
		{{"--max-memory=1G", "--max-memory=2G"}, "'--max-memory=2G' is given twice; try"},
		{{"--message-timeout=0", "--message-timeout=1"},
		 "'--message-timeout=1' is given twice"},
		{{"--fd=3", "--fd=3"}, "--fd=3 is given twice"},
		{{"--socket-paht=/x"}, "'--socket-paht=/x' (did you mean --socket-path?); try"},
		{{"--sokcet-path=/x"}, "(did you mean --socket-path?)"},
		{{"--sorce=/x"}, "(did you mean --source?)"},
		{{"--verbos"}, "(did you mean --verbose?)"},
		{{"--fd=3", "--socket-path=/x"}, "--fd excludes --socket-path"},
		{{"--fd=3", "--connect=/x"}, "--fd excludes --socket-path"},
		{{"--verbose"}, "--socket-path=PATH or --fd=FDNUM is needed; try --help"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		spawn_expect(ARGV(rows[i].arg[0], rows[i].arg[1], rows[i].arg[2]), 2, "",
			     rows[i].err);
}

static void a_name_unlike_any_option_gets_no_guess(void **state)
{
	static const char *const names[] = {"--x", "--on", "--completely-different", "--colour=1"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct spawned s;

		spawn_run(&s, ARGV(names[i]));
		assert_int_equal(s.status, 2);
		assert_non_null(strstr(s.err, "unknown option"));
		assert_null(strstr(s.err, "did you mean"));
		spawn_free(&s);
	}
}

static void an_authors_mistake_gets_a_line_and_no_crash(void **state)
{
	static const struct {
		const char *how;
		const char *err;
	} rows[] = {
		{"null", "vu_program_main: bad struct vu_program_info: it is NULL\n"},
		{"size", "vu_program_main: bad struct vu_program_info: size is not sizeof"},
		{"later-size", "says more than this version of libvu knows\n"},
		{"name", "vu_program_main: bad struct vu_program_info: name is NULL\n"},
		{"type", "misuse: bad struct vu_program_info: type is NULL\n"},
		{"create", "create is NULL, and so is device\n"},
		{"ops", "ops is NULL\n"},
		{"both", "device and ops are for a program without create\n"},
		{"commands", "commands are taken by vu_program_add_control(), in create"},
		{"option-size", "option_size is not sizeof(struct vu_option)\n"},
		{"store", "option value: its store is unknown\n"},
		{"settings", "option value: it is to be stored in settings, which is NULL\n"},
		{"argument", "option value: it stores its argument, and takes none\n"},
		{"choices", "option value: it has no choices\n"},
		{"repeatable", "option value: it may be repeated, and has neither set nor a list"},
		{"device", "misuse: create() made no device, by vu_program_add_device()\n"},
		{"twice", "misuse: the device could not be made: File exists\n"},
		{"no-control", "misuse: create() takes no commands, by vu_program_add_control()\n"},
		{"control-first", "misuse: the device could not be made: Invalid argument\n"},
		{"control-twice", "misuse: the device could not be made: File exists\n"},
		{"late", "misuse: the device cannot be served: Invalid argument\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		spawn_expect((const char *[]){getenv("MISUSE_PROGRAM"), rows[i].how,
					      "--socket-path=/tmp/never-made", "--value=1",
					      "--control=-", NULL},
			     1, "", rows[i].err);
}

static void a_device_that_cannot_be_behind_an_iommu_is_not_put_there(void **state)
{
	(void)state;
	spawn_expect((const char *[]){getenv("MISUSE_PROGRAM"), "iommu",
				      "--socket-path=/tmp/never-made", "--control=-", "--iommu",
				      NULL},
		     1, "", "misuse: --iommu: this device does not work behind an IOMMU\n");
}

/* What it was asked for is not told: that is no success. */
static void answers_that_cannot_be_written_are_a_failure(void **state)
{
	static const char *const asks[] = {"--help", "--version", "--print-capabilities"};

	(void)state;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
		spawn_expect((const char *[]){"/bin/sh", "-c", "exec \"$0\" \"$1\" >/dev/full",
					      VU_RNG, asks[i], NULL},
			     1, "", "standard output: No space left on device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_usage_exits_with_2_and_names_the_culprit),
		cmocka_unit_test(a_name_unlike_any_option_gets_no_guess),
		cmocka_unit_test(answers_that_cannot_be_written_are_a_failure),
		cmocka_unit_test(an_authors_mistake_gets_a_line_and_no_crash),
		cmocka_unit_test(a_device_that_cannot_be_behind_an_iommu_is_not_put_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
