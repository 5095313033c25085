/* SPDX-License-Identifier: MIT */
/* Rights that a file must not have after it was made or written: what went wrong in virtiofsd once.
 */
#include "client.h"

#include <endian.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { USER = 1234, GROUP = 4321 };

static void make_as_user(struct client *c, uint64_t dir, struct fuse_entry_out *entry)
{
	uint64_t fh;

	c->uid = c->gid = USER;
	assert_int_equal(client_create(c, dir, "file", O_RDWR, 02711, entry, &fh), 0);
	assert_int_equal(client_release(c, entry->nodeid, fh), 0);
	c->uid = c->gid = 0;
}

/*
 * Who is not in the group of a directory that passes its group on makes no program that runs with
 * that group (CVE-2022-0358) - also where the device itself is in it.
 */
static void expect_no_group(struct client *c, const char *const *args)
{
	static const gid_t of_device[] = {0, GROUP};
	struct fuse_entry_out dir, file;

	client_need_root("only root may act for others");
	if (setgroups(2, of_device) < 0)
		skip();
	client_make_dir(c, "dir");
	assert_return_code(chown(client_path(c, "dir"), 0, GROUP), errno);
	assert_return_code(chmod(client_path(c, "dir"), 02777), errno);
	client_start(c, args);
	assert_int_equal(client_lookup(c, ROOT, "dir", &dir), 0);
	make_as_user(c, dir.nodeid, &file);
	assert_int_equal(file.attr.uid, USER);
	assert_int_equal(file.attr.gid, GROUP);
	assert_int_equal(file.attr.mode, S_IFREG | 0711);
	client_stop(c);
}

static void a_file_does_not_run_as_a_group_that_its_maker_is_not_in(void **state)
{
	expect_no_group(*state, NULL);
}

static void nor_does_it_without_a_sandbox(void **state)
{
	static const char *const args[] = {"--sandbox=none", NULL};

	expect_no_group(*state, args);
}

/* Whoever may write a file that has capabilities takes them away by that (CVE-2021-20263). */
static void a_file_that_is_written_has_no_capabilities_any_more(void **state)
{
	static const char *const args[] = {"--xattr", NULL};
	const struct vfs_cap_data caps = {
		.magic_etc = htole32(VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE),
		.data = {{.permitted = htole32(1U << CAP_NET_RAW)}},
	};
	struct client *c = *state;
	char value[64];
	uint64_t node, fh;

	client_need_root("only root gives capabilities");
	client_make_file(c, "file", "hello");
	assert_return_code(chmod(client_path(c, "file"), 0777), errno);
	if (setxattr(client_path(c, "file"), "security.capability", &caps, XATTR_CAPS_SZ_2, 0) <
	    0) {
		print_message("skipped: no file with capabilities here: %s\n", strerror(errno));
		skip();
	}
	client_start(c, args);
	c->uid = c->gid = USER;
	node = client_walk(c, "file");
	assert_int_equal(client_open_file(c, node, O_WRONLY, &fh), 0);
	assert_int_equal(client_write(c, node, fh, 0, "x", 1), 1);
	assert_int_equal(client_release(c, node, fh), 0);
	assert_int_equal(
		getxattr(client_path(c, "file"), "security.capability", value, sizeof(value)), -1);
	assert_int_equal(errno, ENODATA);
	client_stop(c);
}

static void make_owned(struct client *c, const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	client_make_file(c, name, "hello");
	assert_return_code(chown(client_path(c, name), uid, gid), errno);
	assert_return_code(chmod(client_path(c, name), mode), errno);
}

/* What CREATE says of a name that is there; the file is closed again. */
static int create_found(struct client *c, const char *name, uint32_t flags)
{
	struct fuse_entry_out entry;
	uint64_t fh;
	int ret = client_create(c, ROOT, name, flags, 0600, &entry, &fh);

	if (!ret)
		assert_int_equal(client_release(c, entry.nodeid, fh), 0);
	return ret;
}

/* ESTALE: to be looked up again, and opened as what is known is. */
static void expect_rights_of_user(struct client *c)
{
	struct stat st;

	assert_return_code(chmod(c->share, 0777), errno);
	make_owned(c, "secret", 0, 0, 0600);
	make_owned(c, "readable", 0, 0, 0644);
	make_owned(c, "groups", 0, GROUP, 0060);
	make_owned(c, "own", USER, 0, 0600);
	c->uid = USER;
	c->gid = GROUP;
	assert_int_equal(create_found(c, "secret", O_RDONLY), -ESTALE);
	assert_int_equal(create_found(c, "secret", O_RDWR | O_TRUNC), -ESTALE);
	assert_return_code(stat(client_path(c, "secret"), &st), errno);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(create_found(c, "readable", O_RDONLY), 0);
	assert_int_equal(create_found(c, "readable", O_WRONLY), -ESTALE);
	assert_int_equal(create_found(c, "readable", O_RDONLY | O_EXCL), -EEXIST);
	assert_int_equal(create_found(c, "groups", O_RDWR), 0);
	assert_int_equal(create_found(c, "own", O_RDWR | O_TRUNC), 0);
	c->gid = USER;
	assert_int_equal(create_found(c, "groups", O_RDWR), -ESTALE);
	assert_int_equal(client_name(c, FUSE_UNLINK, ROOT, "own"), 0);
	c->uid = c->gid = 0;
	assert_int_equal(create_found(c, "secret", O_RDWR | O_TRUNC), 0);
	client_stop(c);
}

/* The guest's kernel has seen no such name, and has not checked who may open what has it. */
static void what_create_finds_is_opened_with_the_rights_of_the_user(void **state)
{
	static const char *const none[] = {"--sandbox=none", NULL};
	struct client *c = *state;

	client_need_root("only root may act for others");
	client_start(c, NULL);
	expect_rights_of_user(c);
	client_start(c, none);
	expect_rights_of_user(c);
}

/* One that sends no groups has others make files with more than their own rights, but not that. */
static void so_it_is_for_an_old_driver(void **state)
{
	static const char *const args[] = {"--inode-file-handles=never", NULL};
	struct client *c = *state;

	client_need_root("only root may act for others");
	client_spawn(c, args);
	client_connect(c, 1);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS & ~CLIENT_CREATE_SUPP_GROUP),
			 sizeof(c->init));
	expect_rights_of_user(c);
}

static void what_create_finds_and_empties_runs_as_nobody_else(void **state)
{
	struct client *c = *state;
	struct fuse_create_in in = {.flags = O_RDWR | O_CREAT | O_TRUNC,
				    .mode = S_IFREG | 0600,
				    .open_flags = FUSE_OPEN_KILL_SUIDGID};
	struct stat st;

	client_need_root("only root may act for others");
	make_owned(c, "roots", 0, 0, 04755);
	make_owned(c, "anybodys", 0, 0, 04777);
	client_make_dir(c, "dir");
	client_start(c, NULL);
	assert_true(client_ask(c, FUSE_CREATE, ROOT, &in, sizeof(in), "roots", 6, NULL, 512) > 0);
	assert_return_code(stat(client_path(c, "roots"), &st), errno);
	assert_int_equal(st.st_mode, S_IFREG | 0755);
	c->uid = c->gid = USER;
	assert_int_equal(create_found(c, "anybodys", O_RDWR | O_TRUNC), 0);
	assert_return_code(stat(client_path(c, "anybodys"), &st), errno);
	assert_int_equal(st.st_mode, S_IFREG | 0777);
	assert_int_equal(create_found(c, "dir", O_RDONLY), -EISDIR);
	client_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(a_file_does_not_run_as_a_group_that_its_maker_is_not_in),
		CLIENT_TEST(nor_does_it_without_a_sandbox),
		CLIENT_TEST(a_file_that_is_written_has_no_capabilities_any_more),
		CLIENT_TEST(what_create_finds_is_opened_with_the_rights_of_the_user),
		CLIENT_TEST(so_it_is_for_an_old_driver),
		CLIENT_TEST(what_create_finds_and_empties_runs_as_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
