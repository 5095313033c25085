/* SPDX-License-Identifier: MIT */
/* vu-fs without file handles: descriptors are few, and inodes are found again by their paths. */
#include "client.h"
#include "kit/counts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 64, OTHERS = 4 * MOST, FOLDER = 500, SPARE = 64 };

static void start(struct client *c, const char *sandbox)
{
	const char *const args[] = {"--inode-file-handles=never", "--max-open-inodes=64", sandbox,
				    NULL};

	client_start(c, args);
}

/* Find so many others that no descriptor is left but theirs. */
static void find_others(struct client *c)
{
	char name[32];

	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < OTHERS; i++) {
			snprintf(name, sizeof(name), "other%u", i);
			assert_int_equal(client_lookup(c, ROOT, name, NULL), 0);
		}
}

static void make_others(const struct client *c)
{
	char name[32];

	for (uint32_t i = 0; i < OTHERS; i++) {
		snprintf(name, sizeof(name), "other%u", i);
		client_make_file(c, name, "");
	}
}

static void walk(struct client *c, const char *sandbox, uint32_t n)
{
	struct fuse_entry_out *entries = calloc(n, sizeof(*entries)), dir;
	struct fuse_attr attr;
	char name[64];

	for (uint32_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "d%u", i / FOLDER);
		if (i % FOLDER == 0)
			client_make_dir(c, name);
		snprintf(name, sizeof(name), "d%u/f%u", i / FOLDER, i);
		client_make_file(c, name, "");
	}
	start(c, sandbox);
	for (uint32_t i = 0; i < n; i++) {
		if (i % FOLDER == 0) {
			snprintf(name, sizeof(name), "d%u", i / FOLDER);
			assert_int_equal(client_lookup(c, ROOT, name, &dir), 0);
		}
		snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(client_lookup(c, dir.nodeid, name, &entries[i]), 0);
		if (i % FOLDER == 0)
			assert_true(count_fds_of(c->rig.program.pid) < MOST + SPARE);
	}
	/* All are known, and none is another one. */
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(client_getattr(c, entries[i].nodeid, &attr), 0);
		assert_int_equal(attr.ino, entries[i].attr.ino);
	}
	assert_true(count_fds_of(c->rig.program.pid) < MOST + SPARE);
	client_stop(c);
	free(entries);
}

static void a_walk_over_many_files_keeps_few_descriptors(void **state)
{
	walk(*state, "--sandbox=auto", getenv("VU_FS_LONG") ? 100000 : 3000);
}

static void a_walk_does_so_under_landlock_too(void **state)
{
	walk(*state, "--sandbox=landlock", 1000);
}

static void what_the_guest_moves_stays_what_it_is(void **state)
{
	struct client *c = *state;
	uint64_t dir, file, below;
	struct fuse_entry_out entry;
	struct fuse_attr attr;

	client_make_dir(c, "dir");
	client_make_file(c, "dir/below", "12345");
	client_make_file(c, "file", "123");
	make_others(c);
	start(c, "--sandbox=auto");
	dir = client_walk(c, "dir");
	below = client_walk(c, "dir/below");
	file = client_walk(c, "file");
	find_others(c);
	assert_int_equal(client_rename(c, ROOT, "file", ROOT, "moved", 0), 0);
	assert_int_equal(client_rename(c, ROOT, "dir", ROOT, "away", 0), 0);
	find_others(c);
	assert_int_equal(client_getattr(c, file, &attr), 0);
	assert_int_equal(attr.size, 3);
	assert_int_equal(client_rename(c, ROOT, "moved", ROOT, "other0", 2 /* EXCHANGE */), 0);
	find_others(c);
	assert_int_equal(client_getattr(c, file, &attr), 0);
	assert_int_equal(attr.size, 3);
	/* What is below is looked up again, as Linux does when it reads ESTALE. */
	assert_int_equal(client_getattr(c, below, &attr), -ESTALE);
	assert_int_equal(client_lookup(c, dir, "below", &entry), 0);
	assert_int_equal(entry.nodeid, below);
	assert_int_equal(client_getattr(c, below, &attr), 0);
	assert_int_equal(attr.size, 5);
	client_stop(c);
}

static void what_the_host_moves_is_found_by_its_new_name(void **state)
{
	struct client *c = *state;
	char to[RIG_PATH + 64];
	struct fuse_entry_out entry;
	struct fuse_attr attr;
	uint64_t file;

	client_make_file(c, "file", "123");
	make_others(c);
	start(c, "--sandbox=auto");
	file = client_walk(c, "file");
	find_others(c);
	snprintf(to, sizeof(to), "%s", client_path(c, "moved"));
	assert_return_code(rename(client_path(c, "file"), to), 0);
	assert_int_equal(client_getattr(c, file, &attr), -ESTALE);
	assert_int_equal(client_lookup(c, ROOT, "moved", &entry), 0);
	assert_int_equal(entry.nodeid, file);
	find_others(c);
	assert_int_equal(client_getattr(c, file, &attr), 0);
	client_stop(c);
}

static void another_file_under_the_same_name_is_not_taken_for_it(void **state)
{
	struct client *c = *state;
	char outside[RIG_PATH + 64], kept[RIG_PATH + 64];
	struct fuse_entry_out entry;
	struct fuse_attr attr;
	uint64_t file, below, gone, fh;

	client_make_file(c, "file", "123");
	client_make_file(c, "gone", "1234");
	client_make_dir(c, "dir");
	client_make_file(c, "dir/below", "12345");
	make_others(c);
	start(c, "--sandbox=none");
	file = client_walk(c, "file");
	below = client_walk(c, "dir/below");
	gone = client_walk(c, "gone");
	assert_int_equal(client_open_file(c, gone, O_RDONLY, &fh), 0);
	/* What has no name stays open, for it could not be found again. */
	assert_int_equal(client_name(c, FUSE_UNLINK, ROOT, "gone"), 0);
	find_others(c);
	assert_int_equal(client_getattr(c, gone, &attr), 0);
	assert_int_equal(attr.nlink, 0);
	/* The same names, other files: one beside the old, one by way of a symbolic link, which is
	 * the very same file but not in the share. */
	snprintf(kept, sizeof(kept), "%s", client_path(c, "kept"));
	assert_return_code(rename(client_path(c, "file"), kept), 0);
	client_make_file(c, "file", "another");
	snprintf(outside, sizeof(outside), "%s/outside", c->rig.dir);
	assert_return_code(rename(client_path(c, "dir"), outside), 0);
	assert_return_code(symlink(outside, client_path(c, "dir")), 0);
	assert_int_equal(client_getattr(c, file, &attr), -ESTALE);
	assert_int_equal(client_getattr(c, below, &attr), -ESTALE);
	assert_int_equal(client_lookup(c, ROOT, "file", &entry), 0);
	assert_int_not_equal(entry.nodeid, file);
	client_stop(c);
	assert_return_code(unlink(client_path(c, "dir")), 0);
	assert_return_code(rename(outside, client_path(c, "dir")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(a_walk_over_many_files_keeps_few_descriptors),
		CLIENT_TEST(a_walk_does_so_under_landlock_too),
		CLIENT_TEST(what_the_guest_moves_stays_what_it_is),
		CLIENT_TEST(what_the_host_moves_is_found_by_its_new_name),
		CLIENT_TEST(another_file_under_the_same_name_is_not_taken_for_it),
	};

	return cmocka_run_group_tests_name("fs_descriptors", tests, NULL, NULL);
}
