/* SPDX-License-Identifier: MIT */
/*
 * Each way that could lead out of a share, one by one: names, symbolic links, moves, special files.
 * Beside the share lies a file that nobody must read, change, or find.  Without the sandbox, so
 * that it is the requests' own checks that hold.
 */
#include "outside.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void no_name_leads_up_or_further_down(void **state)
{
	static const char *const names[] = {
		".",	   "..",	  "../outside", "../outside/file",
		"/",	   "/etc/passwd", "dir/..",	"dir/../..",
		"./dir",   "dir/",	  "",		"..\n/..",
		"dir/file"};
	struct client *c = *state;
	struct fuse_mknod_in mknod_in = {.mode = S_IFREG | 0600};
	struct outside o;
	uint64_t fh;

	client_make_dir(c, "dir");
	client_make_file(c, "dir/file", "");
	client_make_file(c, "mine", "");
	outside_begin(c, &o);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *name = names[i];

		/* Who has a file handle asks for "." by its number. */
		if (strcmp(name, "."))
			assert_true(client_lookup(c, ROOT, name, NULL) < 0);
		assert_true(client_create(c, ROOT, name, O_RDWR, 0600, NULL, &fh) < 0);
		assert_true(client_mkdir(c, ROOT, name, 0700, NULL) < 0);
		assert_true(client_symlink(c, ROOT, name, "x", NULL) < 0);
		assert_true(client_name(c, FUSE_UNLINK, ROOT, name) < 0);
		assert_true(client_name(c, FUSE_RMDIR, ROOT, name) < 0);
		assert_true(client_rename(c, ROOT, name, ROOT, "new", 0) < 0);
		assert_true(client_rename(c, ROOT, "mine", ROOT, name, 0) < 0);
		assert_true(client_link(c, client_walk(c, "mine"), ROOT, name, NULL) < 0);
		assert_true(client_ask(c, FUSE_MKNOD, ROOT, &mknod_in, sizeof(mknod_in), name,
				       (uint32_t)strlen(name) + 1, NULL, 0) < 0);
	}
	client_walk(c, "dir/file");
	client_walk(c, "mine");
	outside_end(c, &o);
}

static void a_symbolic_link_is_nothing_but_a_link(void **state)
{
	struct fuse_setattr_in set = {.valid = FATTR_SIZE};
	struct client *c = *state;
	struct fuse_entry_out to_dir, to_file, again;
	struct outside o;
	uint64_t fh;

	outside_begin(c, &o);
	assert_return_code(symlink(o.dir, client_path(c, "to_dir")), 0);
	assert_return_code(symlink(o.file, client_path(c, "to_file")), 0);
	assert_int_equal(client_lookup(c, ROOT, "to_dir", &to_dir), 0);
	assert_int_equal(client_lookup(c, ROOT, "to_file", &to_file), 0);
	assert_int_equal(to_dir.attr.mode & S_IFMT, S_IFLNK);
	assert_int_equal(to_file.attr.mode & S_IFMT, S_IFLNK);
	assert_int_equal(client_lookup(c, to_dir.nodeid, "file", NULL), -ENOTDIR);
	assert_true(client_opendir(c, to_dir.nodeid, &fh) < 0);
	assert_int_equal(client_open_file(c, to_file.nodeid, O_RDONLY, &fh), -ELOOP);
	assert_int_equal(client_open_file(c, to_file.nodeid, O_RDWR | O_TRUNC, &fh), -ELOOP);
	assert_true(client_create(c, ROOT, "to_file", O_RDWR | O_TRUNC, 0600, NULL, &fh) < 0);
	assert_true(client_create(c, to_dir.nodeid, "new", O_RDWR, 0600, NULL, &fh) < 0);
	assert_true(client_mkdir(c, to_dir.nodeid, "new", 0700, NULL) < 0);
	assert_true(client_name(c, FUSE_UNLINK, to_dir.nodeid, "file") < 0);
	assert_true(client_rename(c, to_dir.nodeid, "file", ROOT, "mine", 0) < 0);
	assert_true(client_setattr(c, to_file.nodeid, &set, NULL) < 0);
	set = (struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 0777};
	client_setattr(c, to_file.nodeid, &set, NULL); /* of the link, or refused */
	/* Another name of the link, not of what it leads to. */
	assert_int_equal(client_link(c, to_file.nodeid, ROOT, "hard", &again), 0);
	assert_int_equal(again.nodeid, to_file.nodeid);
	assert_int_equal(client_name(c, FUSE_UNLINK, ROOT, "hard"), 0);
	outside_end(c, &o);
}

static void a_directory_that_becomes_a_link_leads_nowhere(void **state)
{
	struct client *c = *state;
	char kept[RIG_PATH + 64];
	struct outside o;
	uint64_t dir, fh;

	client_make_dir(c, "dir");
	outside_begin(c, &o);
	dir = client_walk(c, "dir");
	snprintf(kept, sizeof(kept), "%s", client_path(c, "kept"));
	assert_return_code(rename(client_path(c, "dir"), kept), 0);
	assert_return_code(symlink(o.dir, client_path(c, "dir")), 0);
	assert_int_equal(client_lookup(c, dir, "file", NULL), -ENOENT);
	assert_int_equal(client_create(c, dir, "new", O_RDWR, 0600, NULL, &fh), 0);
	assert_return_code(access(client_path(c, "kept/new"), F_OK), 0);
	outside_end(c, &o);
}

static void a_directory_that_is_moved_out_does_not_lead_to_what_is_above_it(void **state)
{
	struct client *c = *state;
	char away[RIG_PATH + 64];
	struct outside o;
	uint64_t dir;

	client_make_dir(c, "dir");
	outside_begin(c, &o);
	dir = client_walk(c, "dir");
	snprintf(away, sizeof(away), "%s/dir", o.dir);
	assert_return_code(rename(client_path(c, "dir"), away), 0);
	assert_int_equal(client_lookup(c, dir, "..", NULL), -ESTALE);
	assert_true(client_rename(c, dir, "..", ROOT, "mine", 0) < 0);
	assert_true(client_lookup(c, dir, "../file", NULL) < 0);
	assert_return_code(rename(away, client_path(c, "dir")), 0);
	outside_end(c, &o);
}

/* The kernel's listing has the directory above the share, too. */
static void what_is_above_the_share_is_not_listed_as_an_inode(void **state)
{
	struct client *c = *state;
	unsigned char data[4096];
	struct outside o;
	bool any = false;
	uint64_t fh;
	int len;

	outside_begin(c, &o);
	assert_int_equal(client_opendir(c, ROOT, &fh), 0);
	len = client_readdir(c, ROOT, fh, 0, true, data, sizeof(data));
	for (int at = 0; at < len;) {
		const struct fuse_direntplus *p = (const void *)(data + at);

		if (p->dirent.name[0] == '.') {
			assert_int_equal(p->entry_out.nodeid, 0);
			any = true;
		}
		at += (int)FUSE_DIRENTPLUS_SIZE(p);
	}
	assert_true(any);
	outside_end(c, &o);
}

/* Who opens a FIFO waits, who opens a device does who knows what: here nobody does. */
static void special_files_are_not_opened(void **state)
{
	struct client *c = *state;
	struct outside o;
	uint64_t fh;

	assert_return_code(mkfifo(client_path(c, "fifo"), 0666), 0);
	outside_begin(c, &o);
	assert_int_equal(client_open_file(c, client_walk(c, "fifo"), O_RDONLY, &fh), -ENXIO);
	assert_int_equal(client_open_file(c, client_walk(c, "fifo"), O_RDWR, &fh), -ENXIO);
	assert_int_equal(client_create(c, ROOT, "fifo", O_RDWR, 0600, NULL, &fh), -ENXIO);
	if (!geteuid() && !mknod(client_path(c, "null"), S_IFCHR | 0666, 0x103))
		assert_int_equal(client_open_file(c, client_walk(c, "null"), O_RDONLY, &fh),
				 -ENXIO);
	outside_end(c, &o);
}

/* What is not there says so, and is not asked again. */
static void requests_that_it_does_not_have_are_not_there(void **state)
{
	static const uint32_t opcodes[] = {FUSE_BMAP, FUSE_IOCTL, FUSE_POLL, FUSE_SETUPMAPPING,
					   FUSE_REMOVEMAPPING};
	const unsigned char args[128] = {0};
	struct client *c = *state;
	struct outside o;

	outside_begin(c, &o);
	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++)
		assert_int_equal(
			client_ask(c, opcodes[i], ROOT, args, sizeof(args), NULL, 0, NULL, 0),
			-ENOSYS);
	outside_end(c, &o);
}

static uint64_t parent_of(struct client *c, uint64_t node)
{
	struct fuse_entry_out entry;
	int ret = client_lookup(c, node, "..", &entry);

	if (!ret)
		client_forget(c, entry.nodeid, 1);
	assert_true(!ret || ret == -ESTALE);
	return ret ? 0 : entry.nodeid;
}

/* A file handle of the guest's is a number; a directory is found from there up to the root. */
static void inodes_are_found_by_their_numbers_and_what_they_are_in(void **state)
{
	static const char *const names[] = {"dir", "dir/sub", "dir/file", "link"};
	struct client *c = *state;
	struct fuse_entry_out entry;
	uint64_t dir, sub;
	char moved[300];

	client_make_dir(c, "dir");
	client_make_dir(c, "dir/sub");
	client_make_file(c, "dir/file", "");
	assert_ok(symlink("dir", client_path(c, "link")));
	client_start(c, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t node = client_walk(c, names[i]);

		assert_int_equal(client_lookup(c, node, ".", &entry), 0);
		assert_int_equal(entry.nodeid, node);
		/* It counts as a look-up. */
		client_forget(c, node, 1);
		assert_int_equal(client_getattr(c, node, NULL), 0);
	}
	assert_int_equal(client_lookup(c, client_walk(c, "dir/file"), "..", NULL), -ENOTDIR);
	dir = client_walk(c, "dir");
	sub = client_walk(c, "dir/sub");
	assert_int_equal(parent_of(c, sub), dir);
	assert_int_equal(parent_of(c, dir), ROOT);
	assert_int_equal(parent_of(c, ROOT), 0);
	snprintf(moved, sizeof(moved), "%s/moved", c->share);
	assert_ok(rename(client_path(c, "dir/sub"), moved));
	assert_int_equal(parent_of(c, sub), ROOT);
	assert_ok(rmdir(moved));
	assert_int_equal(parent_of(c, sub), 0);
	/* One of that name is another. */
	assert_ok(mkdir(moved, 0700));
	assert_int_equal(parent_of(c, sub), 0);
	client_stop(c);
}

static void nobody_is_found_by_number_where_that_was_not_agreed_on(void **state)
{
	struct client *c = *state;

	client_spawn(c, NULL);
	client_connect(c, 1);
	client_init(c, CLIENT_ALL_FLAGS & ~(uint64_t)FUSE_EXPORT_SUPPORT);
	assert_int_equal(client_lookup(c, ROOT, ".", NULL), -ESTALE);
	assert_int_equal(client_lookup(c, ROOT, "..", NULL), -ESTALE);
	client_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(inodes_are_found_by_their_numbers_and_what_they_are_in),
		CLIENT_TEST(nobody_is_found_by_number_where_that_was_not_agreed_on),
		CLIENT_TEST(no_name_leads_up_or_further_down),
		CLIENT_TEST(a_symbolic_link_is_nothing_but_a_link),
		CLIENT_TEST(a_directory_that_becomes_a_link_leads_nowhere),
		CLIENT_TEST(a_directory_that_is_moved_out_does_not_lead_to_what_is_above_it),
		CLIENT_TEST(what_is_above_the_share_is_not_listed_as_an_inode),
		CLIENT_TEST(special_files_are_not_opened),
		CLIENT_TEST(requests_that_it_does_not_have_are_not_there),
	};

	return cmocka_run_group_tests_name("fs_escapes", tests, NULL, NULL);
}
