/* SPDX-License-Identifier: MIT */
/* The files that devices make and write to: nobody else's, and not where somebody else says. */
#include "rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ANOTHER_USER = 12345, WRITERS = 3 };

const char *const rig_program = "VU_CONSOLE"; /* not the rig's to start */

static const char *const programs[WRITERS] = {"VU_CONSOLE", "VU_INPUT", "VU_I2C"};

struct files {
	struct rig rig;
	struct spawned program;
	const char *path;   /* that is written to */
	const char *target; /* of a link there */
	const char *chips;  /* vu-i2c's description */
	char option[2 * RIG_PATH];
};

static int setup(void **state)
{
	struct files *f = calloc(1, sizeof(*f));
	FILE *chips;

	if (rig_open(&f->rig, "/tmp"))
		return -1;
	f->path = rig_file(&f->rig, "written", NULL);
	f->target = rig_file(&f->rig, "target", NULL);
	f->chips = rig_file(&f->rig, "chips", NULL);
	chips = fopen(f->chips, "w");
	if (!chips)
		return -1;
	fprintf(chips, "eeprom 0x50 %s\n", f->path);
	fclose(chips);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct files *f = *state;
	int ret = rig_close(&f->rig);

	free(f);
	return ret;
}

/* The program number i, to write to path. */
static void start(struct files *f, int i)
{
	const char *const formats[WRITERS] = {"--console=file:%s", "--record=%s", "--chips=%s"};
	const char *argv[] = {getenv(programs[i]), "--socket-path", f->rig.socket, f->option, NULL};
	mode_t mask = umask(0);

	snprintf(f->option, sizeof(f->option), formats[i], i == 2 ? f->chips : f->path);
	spawn_start(&f->program, argv, NULL);
	umask(mask);
}

static void serves(struct files *f)
{
	spawn_wait_listening(f->rig.socket);
	spawn_stop(&f->program);
	assert_int_equal(f->program.status, 0);
	spawn_free(&f->program);
}

static void refuses(struct files *f, const char *why)
{
	spawn_wait(&f->program);
	if (f->program.status != 1 || !strstr(f->program.err, why))
		fail_msg("status %d: %s", f->program.status, f->program.err);
	spawn_free(&f->program);
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
}

static void expect_untouched(const char *path)
{
	char text[16];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 8);
	assert_memory_equal(text, "precious", 8);
	close(fd);
}

static void need_root(void)
{
	if (!geteuid())
		return;
	print_message("[  SKIP  ] only root can make another user's link\n");
	skip();
}

static void make_anothers_link(const char *target, const char *path)
{
	assert_return_code(symlink(target, path), errno);
	assert_return_code(lchown(path, ANOTHER_USER, ANOTHER_USER), errno);
}

static void a_file_that_a_device_makes_is_for_its_user_alone(void **state)
{
	struct files *f = *state;
	struct stat st;

	for (int i = 0; i < WRITERS; i++) {
		start(f, i);
		serves(f);
		assert_return_code(lstat(f->path, &st), errno);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
		unlink(f->path);
	}
}

static void anothers_link_is_not_followed(void **state)
{
	struct files *f = *state;

	need_root();
	make_anothers_link(f->target, f->path);
	for (int i = 0; i < WRITERS; i++) {
		make_file(f->target);
		start(f, i);
		refuses(f, "a symbolic link of another user's is not followed");
		expect_untouched(f->target);
		unlink(f->target);
		start(f, i);
		refuses(f, "a symbolic link of another user's is not followed");
		assert_int_equal(access(f->target, F_OK), -1);
	}
}

static void ones_own_link_to_a_file_is_followed_and_makes_none(void **state)
{
	struct files *f = *state;
	struct stat st;

	assert_return_code(symlink(f->target, f->path), errno);
	for (int i = 0; i < WRITERS; i++) {
		start(f, i);
		refuses(f, "No such file or directory");
		make_file(f->target);
		start(f, i);
		serves(f);
		assert_return_code(lstat(f->path, &st), errno);
		assert_true(S_ISLNK(st.st_mode));
		unlink(f->target);
	}
}

static void terminal_is_refused(struct files *f)
{
	const char *argv[] = {getenv("VU_CONSOLE"), "--socket-path", f->rig.socket, f->option,
			      NULL};

	snprintf(f->option, sizeof(f->option), "--console=pty:%s", f->path);
	spawn_start(&f->program, argv, NULL);
	refuses(f, "File exists");
}

static void a_link_that_no_console_made_stays_as_it_is(void **state)
{
	struct files *f = *state;
	char target[RIG_PATH];

	make_file(f->target);
	assert_return_code(symlink(f->target, f->path), errno);
	terminal_is_refused(f);
	assert_int_equal(readlink(f->path, target, sizeof(target)), strlen(f->target));
	unlink(f->path);

	need_root();
	make_anothers_link("/dev/pts/99999", f->path);
	terminal_is_refused(f);
	assert_int_equal(readlink(f->path, target, sizeof(target)), strlen("/dev/pts/99999"));
}

#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILES_TEST(a_file_that_a_device_makes_is_for_its_user_alone),
		FILES_TEST(anothers_link_is_not_followed),
		FILES_TEST(ones_own_link_to_a_file_is_followed_and_makes_none),
		FILES_TEST(a_link_that_no_console_made_stays_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
