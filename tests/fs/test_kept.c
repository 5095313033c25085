/* SPDX-License-Identifier: MIT */
/* The state file: what is found again after a kill, and files that are not what they should be. */
#include "client.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEAD = 16384, SIZE_OF_FILE = 32, MOST_FILES = 1 << 20, SIZE_OF_NODE = 128 };

struct known {
	uint64_t dir, file, gone, fh, fh_gone, dh;
};

static void make_known(struct client *c, struct known *k)
{
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	k->dir = client_walk(c, "dir");
	k->file = client_walk(c, "dir/file");
	k->gone = client_walk(c, "gone");
	assert_int_equal(client_walk(c, "dir/file"), k->file);
	assert_int_equal(client_open_file(c, k->file, O_RDWR, &k->fh), 0);
	assert_int_equal(client_open_file(c, k->gone, O_RDONLY, &k->fh_gone), 0);
	assert_int_equal(client_opendir(c, k->dir, &k->dh), 0);
}

static void expect_known(struct client *c, const struct known *k)
{
	struct fuse_entry_out entry;
	uint64_t fh;
	char data[16];

	assert_int_equal(client_getattr(c, k->dir, NULL), 0);
	assert_int_equal(client_read(c, k->file, k->fh, 0, data, 16), 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(client_write(c, k->file, k->fh, 0, "hello", 5), 5);
	assert_true(client_readdir(c, k->dir, k->dh, 0, true, NULL, 4096) > 0);
	assert_int_equal(client_lookup(c, k->dir, "file", &entry), 0);
	assert_int_equal(entry.nodeid, k->file);
	/* New ones have numbers that were never used. */
	assert_int_equal(client_open_file(c, k->file, O_RDONLY, &fh), 0);
	assert_true(fh != k->fh && fh != k->fh_gone && fh != k->dh);
	assert_int_equal(client_release(c, k->file, fh), 0);
}

static void restart(struct client *c, const char *const *args, int signal_number)
{
	if (signal_number == SIGKILL)
		client_kill(c);
	else
		spawn_stop(&c->rig.program);
	client_spawn(c, args);
	client_reconnect(c);
}

static void begin(struct client *c, const char *const *args, struct known *k)
{
	if (access(client_path(c, "dir"), F_OK))
		client_make_dir(c, "dir");
	client_make_file(c, "dir/file", "hello");
	client_make_file(c, "gone", "hello");
	client_spawn(c, args);
	client_connect_logged(c, 1);
	make_known(c, k);
}

/* The same with a state file, in args from now on. */
static struct client *begin_kept(void **state, const char *args[3], struct known *k)
{
	struct client *c = *state;

	args[0] = "--state-file";
	args[1] = rig_file(&c->rig, "kept", NULL);
	args[2] = NULL;
	client_need_root("file handles are for root");
	begin(c, args, k);
	return c;
}

static void inodes_and_files_are_found_again(void **state)
{
	static const char *const sandboxes[] = {"auto", "namespace", "chroot", "none"};
	struct client *c = *state;
	const char *args[] = {"--sandbox", NULL, "--state-file", NULL, NULL};
	struct known k;

	client_need_root("file handles are for root");
	args[3] = rig_file(&c->rig, "kept", NULL);
	for (size_t i = 0; i < sizeof(sandboxes) / sizeof(sandboxes[0]); i++) {
		args[1] = sandboxes[i];
		begin(c, args, &k);
		expect_known(c, &k);
		/* A crash, another one, and an end as an update has it. */
		restart(c, args, SIGKILL);
		expect_known(c, &k);
		restart(c, args, SIGKILL);
		restart(c, args, SIGTERM);
		expect_known(c, &k);
		client_stop(c);
		assert_int_equal(rig_logged(&c->rig, "3 of 3 inodes and 3 of 3 open files"), 1);
	}
}

static void a_file_that_was_handed_over_serves_as_well(void **state)
{
	struct client *c = *state;
	char number[16];
	const char *args[] = {"--state-fd", number, NULL};
	struct known k;
	int fd = memfd_create("state", 0);

	client_need_root("file handles are for root");
	assert_true(fd >= 0);
	snprintf(number, sizeof(number), "%d", fd);
	begin(c, args, &k);
	restart(c, args, SIGKILL);
	expect_known(c, &k);
	client_stop(c);
	close(fd);
}

static void references_are_counted_on(void **state)
{
	const char *args[3];
	struct known k;
	struct client *c = begin_kept(state, args, &k);

	for (int i = 0; i < 3; i++)
		client_walk(c, "gone");
	restart(c, args, SIGKILL);
	client_forget(c, k.gone, 2);
	restart(c, args, SIGKILL);
	client_forget(c, k.gone, 1);
	assert_int_equal(client_getattr(c, k.gone, NULL), 0);
	assert_int_equal(client_release(c, k.gone, k.fh_gone), 0);
	client_forget(c, k.gone, 1);
	assert_int_equal(client_getattr(c, k.gone, NULL), -ESTALE);
	restart(c, args, SIGKILL);
	assert_int_equal(client_getattr(c, k.gone, NULL), -ESTALE);
	/* Its place is used again, under another number. */
	assert_int_not_equal(client_walk(c, "gone"), k.gone);
	expect_known(c, &k);
	client_stop(c);
}

static void a_file_that_is_lost_fails_alone(void **state)
{
	const char *args[3];
	struct known k;
	struct client *c = begin_kept(state, args, &k);
	char data[8];

	client_kill(c);
	assert_int_equal(unlink(client_path(c, "gone")), 0);
	client_spawn(c, args);
	client_reconnect(c);
	expect_known(c, &k);
	assert_int_equal(client_getattr(c, k.gone, NULL), -ESTALE);
	assert_int_equal(client_read(c, k.gone, k.fh_gone, 0, data, sizeof(data)), -EBADF);
	client_stop(c);
}

/* Not even after two crashes, of which the first took the only file of that generation. */
static void a_number_never_names_another_file(void **state)
{
	const char *args[3];
	struct known k;
	struct client *c = begin_kept(state, args, &k);
	uint64_t fh, fh_new;
	char data[8];

	assert_int_equal(client_release(c, k.gone, k.fh_gone), 0);
	assert_int_equal(client_open_file(c, k.gone, O_RDONLY, &fh), 0);
	assert_int_not_equal(fh, k.fh_gone);
	client_kill(c);
	assert_int_equal(unlink(client_path(c, "gone")), 0);
	client_spawn(c, args);
	client_reconnect(c);
	restart(c, args, SIGKILL);
	assert_int_equal(client_open_file(c, k.file, O_RDONLY, &fh_new), 0);
	assert_int_not_equal(fh_new, fh);
	assert_int_equal(client_read(c, k.gone, fh, 0, data, sizeof(data)), -EBADF);
	client_stop(c);
}

static void a_new_mount_knows_nothing_of_before(void **state)
{
	const char *args[3];
	struct known k;
	struct client *c = begin_kept(state, args, &k);

	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	restart(c, args, SIGKILL);
	assert_int_equal(client_getattr(c, k.file, NULL), -ESTALE);
	assert_int_not_equal(client_walk(c, "dir/file"), k.file);
	client_stop(c);
}

static void what_a_migration_brought_survives_a_kill(void **state)
{
	struct client *c = *state;
	const char *args[] = {"--state-file", NULL, NULL};
	struct known k;
	void *bytes;
	size_t len;

	client_need_root("file handles are for root");
	args[1] = rig_file(&c->rig, "kept", NULL);
	begin(c, NULL, &k);
	client_save(c, &bytes, &len);
	client_stop(c);
	client_spawn(c, args);
	assert_int_equal(client_connect_with(c, bytes, len), 0);
	free(bytes);
	expect_known(c, &k);
	client_kill(c);
	client_spawn(c, args);
	close(c->log);
	c->log = -1;
	client_reconnect(c);
	expect_known(c, &k);
	client_stop(c);
}

/* --- files that are not what they should be --- */

static void two_programs_do_not_share_one(void **state)
{
	struct client *c = *state;
	const char *args[] = {"--state-file", NULL, NULL};
	const char *argv[] = {getenv("VU_FS"), "--shared-dir", c->share, "--socket-path", NULL,
			      "--state-file",  NULL,	       NULL};

	args[1] = rig_file(&c->rig, "kept", NULL);
	client_start(c, args);
	argv[4] = rig_file(&c->rig, "another", NULL);
	argv[6] = args[1];
	spawn_expect(argv, 1, "", "another vu-fs has it");
	client_stop(c);
}

static void damage(const char *path, uint64_t offset, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, (off_t)offset), len);
	close(fd);
}

/* It starts, and serves a guest that mounts anew. */
static void expect_a_new_start(struct client *c, const char *const *args)
{
	client_spawn(c, args);
	client_connect_logged(c, 1);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	assert_int_equal(client_getattr(c, client_walk(c, "dir/file"), NULL), 0);
}

static void a_file_of_something_else_is_begun_anew(void **state)
{
	static unsigned char noise[2 * HEAD];
	struct client *c = *state;
	const char *args[] = {"--state-file", NULL, NULL};
	struct known k;

	args[1] = rig_file(&c->rig, "kept", NULL);
	memset(noise, 0x5a, sizeof(noise));
	begin(c, args, &k);
	client_kill(c);
	damage(args[1], 0, noise, sizeof(noise));
	expect_a_new_start(c, args);
	client_kill(c);
	assert_int_equal(truncate(args[1], 100), 0);
	expect_a_new_start(c, args);
	client_kill(c);
	assert_int_equal(truncate(args[1], 0), 0);
	expect_a_new_start(c, args);
	client_stop(c);
}

static void a_damaged_file_does_no_harm(void **state)
{
	struct client *c = *state;
	const char *args[] = {"--state-file", NULL, NULL};
	uint64_t nodes = HEAD + (uint64_t)MOST_FILES * SIZE_OF_FILE;
	uint32_t seed = 1;
	struct known k;

	args[1] = rig_file(&c->rig, "kept", NULL);
	begin(c, args, &k);
	for (int i = 0; i < 60; i++) {
		client_kill(c);
		for (int n = 0; n < 6; n++) {
			unsigned char byte;
			uint64_t at;

			seed = seed * 1103515245 + 12345;
			byte = (unsigned char)(seed >> 24);
			/* Not the magic number, the sizes and the root: that is tried above. */
			at = n % 3 == 0	  ? 64 + (seed >> 8) % 128
			     : n % 3 == 1 ? HEAD + (seed >> 8) % (8 * SIZE_OF_FILE)
					  : nodes + (seed >> 8) % (8 * SIZE_OF_NODE);
			damage(args[1], at, &byte, 1);
		}
		client_spawn(c, args);
		client_reconnect(c);
		client_getattr(c, k.file, NULL);
		client_getattr(c, k.dir, NULL);
		make_known(c, &k);
	}
	client_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(inodes_and_files_are_found_again),
		CLIENT_TEST(a_file_that_was_handed_over_serves_as_well),
		CLIENT_TEST(references_are_counted_on),
		CLIENT_TEST(a_file_that_is_lost_fails_alone),
		CLIENT_TEST(a_number_never_names_another_file),
		CLIENT_TEST(a_new_mount_knows_nothing_of_before),
		CLIENT_TEST(what_a_migration_brought_survives_a_kill),
		CLIENT_TEST(two_programs_do_not_share_one),
		CLIENT_TEST(a_file_of_something_else_is_begun_anew),
		CLIENT_TEST(a_damaged_file_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
