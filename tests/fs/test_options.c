/* SPDX-License-Identifier: MIT */
/* What options change: what is agreed on in INIT, and what that means for requests. */
#include "client.h"

#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACL_OF_NEW  "system.posix_acl_default"
#define ACL_OF_THIS "system.posix_acl_access"

enum { EXT_GROUPS = 32 };

/* --- what is agreed on --- */

static uint64_t agreed(struct client *c, const char *option)
{
	const char *args[] = {option, NULL};

	client_start(c, args);
	client_stop(c);
	return (uint64_t)c->init.flags2 << 32 | c->init.flags;
}

static void an_option_adds_its_flags_and_no_others(void **state)
{
	static const struct {
		const char *option;
		uint64_t flags;
	} rows[] = {
		{"--writeback", FUSE_WRITEBACK_CACHE},
		{"--killpriv-v2", FUSE_HANDLE_KILLPRIV_V2},
		{"--posix-acl", FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT},
		{"--posix-lock", FUSE_POSIX_LOCKS},
		{"--flock", FUSE_FLOCK_LOCKS},
		{"--allow-mmap", UINT64_C(1) << 36},
		{"--security-label", FUSE_SECURITY_CTX},
		{"--xattr", 0},
		/* virtiofsd's values of options that have none. */
		{"--posix-acl=never", 0},
		{"--posix-acl=auto", FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT},
		{"--posix-acl=always", FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT},
		{"--security-label=never", 0},
		{"--security-label=auto", FUSE_SECURITY_CTX},
		{"--security-label=always", FUSE_SECURITY_CTX},
		{"--inode-file-handles=fallback", 0},
		{"-ocache=none,loglevel=warn,no_security_label", 0},
		{"-osecurity_label", FUSE_SECURITY_CTX},
	};
	struct client *c = *state;
	uint64_t usual = agreed(c, NULL);

	assert_true(usual & FUSE_DO_READDIRPLUS);
	assert_true(usual & FUSE_EXPORT_SUPPORT);
	assert_int_equal(agreed(c, "--announce-submounts"), usual);
	assert_int_equal(agreed(c, "-ono_announce_submounts"), usual & ~(uint64_t)FUSE_SUBMOUNTS);
	assert_int_equal(agreed(c, "--no-announce-submounts"), usual & ~(uint64_t)FUSE_SUBMOUNTS);
	assert_true(usual & FUSE_SUBMOUNTS);
	assert_int_equal(agreed(c, "--no-readdirplus"),
			 usual & ~(uint64_t)(FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_false(usual & rows[i].flags);
		assert_int_equal(agreed(c, rows[i].option), usual | rows[i].flags);
	}
}

static void what_is_always_there_is_needed_for_a_mount(void **state)
{
	static const struct {
		const char *option;
		uint64_t missing;
		int ret;
	} rows[] = {
		{"--posix-acl=auto", FUSE_POSIX_ACL, 0},
		{"--posix-acl", FUSE_POSIX_ACL, 0},
		{"--posix-acl=always", FUSE_POSIX_ACL, -EPROTO},
		{"--posix-acl=always", FUSE_DONT_MASK, -EPROTO},
		{"--posix-acl=always", FUSE_SECURITY_CTX, 0},
		{"--security-label=auto", FUSE_SECURITY_CTX, 0},
		{"--security-label=always", FUSE_SECURITY_CTX, -EPROTO},
		{"--security-label=always", FUSE_POSIX_ACL, 0},
	};
	struct client *c = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const args[] = {rows[i].option, NULL};
		int ret;

		client_spawn(c, args);
		client_connect(c, 1);
		ret = client_init(c, CLIENT_ALL_FLAGS & ~rows[i].missing);
		assert_int_equal(ret < 0 ? ret : 0, rows[i].ret);
		client_stop(c);
		assert_int_equal(rig_logged(&c->rig, "it cannot mount"), rows[i].ret != 0);
	}
}

static void it_says_what_it_can(void **state)
{
	const char *const asked[] = {getenv("VU_FS"), "--print-capabilities", NULL};

	(void)state;
	spawn_expect(asked, 0, "\"type\": \"fs\"", "");
	spawn_expect(asked, 0, "\"migrate-precopy\"", "");
	spawn_expect(asked, 0, "\"posix-acl-negotiation-mode\"", "");
}

static void as_much_is_logged_as_virtiofsds_options_say(void **state)
{
	static const struct {
		const char *args[3];
		uint32_t logged;
	} rows[] = {
		{{NULL}, 0},
		{{"-d"}, 1},
		{{"-f"}, 0},
		{{"--log-level", "debug"}, 1},
		{{"--log-level=trace"}, 1},
		{{"--log-level=info"}, 0},
		{{"--log-level=off"}, 0},
	};
	struct client *c = *state;
	const char *wrong[] = {getenv("VU_FS"), "--log-level", "loud", NULL};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		client_start(c, rows[i].args);
		client_stop(c);
		assert_int_equal(rig_logged(&c->rig, "INIT 7."), rows[i].logged);
	}
	spawn_expect(wrong, 2, "", "--log-level=loud: off, error");
}

/* --- users --- */

/* With the one group that lets the user into the directory; the name has 7 bytes. */
static int mkdir_with_group(struct client *c, uint64_t dir, const char *name, uint32_t gid)
{
	struct {
		char name[8];
		uint32_t size, type, n, gid;
	} more = {.size = 16, .type = EXT_GROUPS, .n = 1, .gid = gid};
	struct fuse_mkdir_in in = {.mode = 0700};
	struct fuse_entry_out entry;
	int ret;

	memcpy(more.name, name, sizeof(more.name));
	c->extlen = 2;
	ret = client_ask(c, FUSE_MKDIR, dir, &in, sizeof(in), &more, sizeof(more), &entry,
			 sizeof(entry));
	c->extlen = 0;
	return ret < 0 ? ret : 0;
}

static void a_group_that_the_driver_names_lets_its_user_in(void **state)
{
	struct client *c = *state;
	uint64_t dir;

	client_need_root("only root may act for others");
	client_make_dir(c, "dir");
	assert_int_equal(chown(client_path(c, "dir"), 0, 1000), 0);
	assert_int_equal(chmod(client_path(c, "dir"), 0770), 0);
	client_start(c, NULL);
	assert_true((uint64_t)c->init.flags2 << 32 & CLIENT_CREATE_SUPP_GROUP);
	dir = client_walk(c, "dir");
	c->uid = 1234;
	c->gid = 4321;
	assert_int_equal(client_mkdir(c, dir, "alone", 0700, NULL), -EACCES);
	assert_int_equal(mkdir_with_group(c, dir, "another", 1001), -EACCES);
	assert_int_equal(mkdir_with_group(c, dir, "grouped", 1000), 0);
	/* And is forgotten again. */
	assert_int_equal(client_mkdir(c, dir, "alone", 0700, NULL), -EACCES);
	client_stop(c);
}

static void a_driver_that_names_no_group_has_checked_with_all_of_the_users(void **state)
{
	struct client *c = *state;
	struct fuse_entry_out entry;
	uint64_t dir;

	client_need_root("only root may act for others");
	client_make_dir(c, "dir");
	assert_int_equal(chmod(client_path(c, "dir"), 0770), 0);
	client_spawn(c, NULL);
	client_connect(c, 1);
	client_init(c, CLIENT_ALL_FLAGS & ~CLIENT_CREATE_SUPP_GROUP);
	dir = client_walk(c, "dir");
	c->uid = 1234;
	c->gid = 4321;
	assert_int_equal(client_mkdir(c, dir, "alone", 0700, &entry), 0);
	assert_int_equal(entry.attr.uid, 1234);
	client_stop(c);
}

/* --- set-user-ID bits --- */

static uint32_t mode_of(struct client *c, uint64_t node)
{
	struct fuse_attr attr;

	assert_int_equal(client_getattr(c, node, &attr), 0);
	return attr.mode & 07777;
}

static void give_bits(struct client *c, uint64_t node)
{
	const struct fuse_setattr_in set = {.valid = FATTR_MODE, .mode = 06755};

	assert_int_equal(client_setattr(c, node, &set, NULL), 0);
	assert_int_equal(mode_of(c, node), 06755);
}

static int write_and_kill(struct client *c, uint64_t node, uint64_t fh, uint32_t flags)
{
	const struct fuse_write_in in = {.fh = fh, .size = 1, .write_flags = flags};
	struct fuse_write_out out;

	return client_ask(c, FUSE_WRITE, node, &in, sizeof(in), "x", 1, &out, sizeof(out));
}

static void set_user_id_bits_go_where_the_driver_says_so(void **state)
{
	static const char *const args[] = {"--killpriv-v2", NULL};
	struct fuse_setattr_in cut = {.valid = FATTR_SIZE | FATTR_KILL_SUIDGID};
	struct fuse_open_in trunc = {.flags = O_WRONLY | O_TRUNC,
				     .open_flags = FUSE_OPEN_KILL_SUIDGID};
	struct client *c = *state;
	struct fuse_entry_out entry;
	struct fuse_open_out opened;
	uint64_t fh;

	client_need_root("only root may act for others");
	client_start(c, args);
	assert_int_equal(client_create(c, ROOT, "file", O_RDWR, 0755, &entry, &fh), 0);
	give_bits(c, entry.nodeid);
	assert_int_equal(write_and_kill(c, entry.nodeid, fh, 0), 8);
	assert_int_equal(mode_of(c, entry.nodeid), 06755);
	assert_int_equal(write_and_kill(c, entry.nodeid, fh, FUSE_WRITE_KILL_SUIDGID), 8);
	assert_int_equal(mode_of(c, entry.nodeid), 0755);
	give_bits(c, entry.nodeid);
	assert_int_equal(client_setattr(c, entry.nodeid, &cut, NULL), 0);
	assert_int_equal(mode_of(c, entry.nodeid), 0755);
	give_bits(c, entry.nodeid);
	assert_int_equal(client_ask(c, FUSE_OPEN, entry.nodeid, &trunc, sizeof(trunc), NULL, 0,
				    &opened, sizeof(opened)),
			 sizeof(opened));
	assert_int_equal(mode_of(c, entry.nodeid), 0755);
	client_stop(c);
}

/* --- WRITEBACK_CACHE --- */

/* The driver reads what surrounds what was written, and knows by itself where the end is. */
static void with_writeback_what_is_opened_to_append_is_read_and_written_anywhere(void **state)
{
	static const char *const args[] = {"--writeback", NULL};
	struct client *c = *state;
	struct fuse_entry_out entry;
	char data[8] = "";
	uint64_t fh;

	client_make_file(c, "file", "hello");
	client_start(c, args);
	assert_int_equal(client_open_file(c, client_walk(c, "file"), O_WRONLY | O_APPEND, &fh), 0);
	assert_int_equal(client_read(c, ROOT, fh, 0, data, 5), 5);
	assert_int_equal(client_write(c, ROOT, fh, 0, "J", 1), 1);
	assert_int_equal(client_read(c, ROOT, fh, 0, data, 8), 5);
	assert_memory_equal(data, "Jello", 5);
	assert_int_equal(client_create(c, ROOT, "new", O_WRONLY | O_APPEND, 0644, &entry, &fh), 0);
	assert_int_equal(client_write(c, ROOT, fh, 0, "abc", 3), 3);
	assert_int_equal(client_write(c, ROOT, fh, 0, "A", 1), 1);
	assert_int_equal(client_read(c, ROOT, fh, 0, data, 8), 3);
	assert_memory_equal(data, "Abc", 3);
	client_stop(c);
}

static void without_writeback_files_are_opened_as_the_guest_says(void **state)
{
	struct client *c = *state;
	struct fuse_attr attr;
	char data[8];
	uint64_t fh;

	client_make_file(c, "file", "hello");
	client_start(c, NULL);
	assert_int_equal(client_open_file(c, client_walk(c, "file"), O_WRONLY | O_APPEND, &fh), 0);
	assert_int_equal(client_read(c, ROOT, fh, 0, data, 5), -EBADF);
	assert_int_equal(client_write(c, ROOT, fh, 0, "!", 1), 1);
	assert_int_equal(client_getattr(c, client_walk(c, "file"), &attr), 0);
	assert_int_equal(attr.size, 6);
	client_stop(c);
}

/* --- ACLs --- */

struct acl {
	struct posix_acl_xattr_header head;
	struct posix_acl_xattr_entry entry[4];
};

static const struct acl shared_acl = {
	{POSIX_ACL_XATTR_VERSION},
	{{ACL_USER_OBJ, 7, ACL_UNDEFINED_ID},
	 {ACL_GROUP_OBJ, 7, ACL_UNDEFINED_ID},
	 {ACL_MASK, 7, ACL_UNDEFINED_ID},
	 {ACL_OTHER, 5, ACL_UNDEFINED_ID}},
};

static int set_acl(struct client *c, uint64_t node, const char *name)
{
	char more[128];
	struct fuse_setxattr_in in = {.size = sizeof(shared_acl)};
	uint32_t len = (uint32_t)strlen(name) + 1;
	/* Longer with SETXATTR_EXT, which comes with --posix-acl. */
	uint32_t in_len =
		c->init.flags & FUSE_SETXATTR_EXT ? sizeof(in) : FUSE_COMPAT_SETXATTR_IN_SIZE;

	memcpy(more, name, len);
	memcpy(more + len, &shared_acl, sizeof(shared_acl));
	return client_ask(c, FUSE_SETXATTR, node, &in, in_len, more,
			  len + (uint32_t)sizeof(shared_acl), NULL, 0);
}

/* What mkdir() makes of a mode for a process of this umask. */
static uint32_t masked_mode(struct client *c, uint64_t dir, const char *name)
{
	struct fuse_mkdir_in in = {.mode = 0777, .umask = 077};
	struct fuse_entry_out entry;

	assert_int_equal(client_ask(c, FUSE_MKDIR, dir, &in, sizeof(in), name,
				    (uint32_t)strlen(name) + 1, &entry, sizeof(entry)),
			 sizeof(entry));
	return entry.attr.mode & 07777;
}

static void a_default_acl_comes_before_the_umask(void **state)
{
	static const char *const args[] = {"--posix-acl", NULL};
	struct client *c = *state;
	uint64_t dir;

	if (setxattr(c->share, ACL_OF_NEW, &shared_acl, sizeof(shared_acl), 0) < 0) {
		print_message("skipped: no ACLs here\n");
		skip();
	}
	removexattr(c->share, ACL_OF_NEW);
	client_make_dir(c, "dir");
	client_start(c, args);
	dir = client_walk(c, "dir");
	assert_int_equal(masked_mode(c, dir, "masked"), 0700);
	assert_int_equal(set_acl(c, dir, ACL_OF_NEW), 0);
	assert_int_equal(masked_mode(c, dir, "shared"), 0775);
	client_stop(c);
}

static void acls_that_are_not_obeyed_are_not_shown(void **state)
{
	static const char *const args[] = {"--xattr", NULL};
	const struct fuse_getxattr_in get = {.size = 0};
	struct fuse_getxattr_out out;
	struct client *c = *state;

	client_start(c, args);
	assert_int_equal(set_acl(c, ROOT, ACL_OF_NEW), -EOPNOTSUPP);
	assert_int_equal(client_ask(c, FUSE_GETXATTR, ROOT, &get, sizeof(get), ACL_OF_THIS,
				    sizeof(ACL_OF_THIS), &out, sizeof(out)),
			 -EOPNOTSUPP);
	client_stop(c);
}

/* --- mounts --- */

static int unmount_teardown(void **state)
{
	umount2(client_path(*state, "mount"), MNT_DETACH);
	return client_teardown(state);
}

static void a_mount_below_the_share_is_told_unless_that_is_not_wanted(void **state)
{
	static const char *const args[] = {"--no-announce-submounts", NULL};
	struct client *c = *state;
	struct fuse_entry_out entry;

	client_make_dir(c, "mount");
	client_make_dir(c, "dir");
	if (mount("vu-fs", client_path(c, "mount"), "tmpfs", 0, NULL) < 0) {
		print_message("skipped: nothing can be mounted here\n");
		skip();
	}
	client_make_file(c, "mount/file", "inside");
	client_start(c, NULL);
	assert_int_equal(client_lookup(c, ROOT, "mount", &entry), 0);
	assert_true(entry.attr.flags & FUSE_ATTR_SUBMOUNT);
	assert_int_equal(client_lookup(c, entry.nodeid, "file", &entry), 0);
	assert_false(entry.attr.flags & FUSE_ATTR_SUBMOUNT);
	assert_int_equal(client_lookup(c, ROOT, "dir", &entry), 0);
	assert_false(entry.attr.flags & FUSE_ATTR_SUBMOUNT);
	client_stop(c);
	client_start(c, args);
	assert_int_equal(client_lookup(c, ROOT, "mount", &entry), 0);
	assert_false(entry.attr.flags & FUSE_ATTR_SUBMOUNT);
	client_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(an_option_adds_its_flags_and_no_others),
		CLIENT_TEST(what_is_always_there_is_needed_for_a_mount),
		CLIENT_TEST(it_says_what_it_can),
		CLIENT_TEST(as_much_is_logged_as_virtiofsds_options_say),
		CLIENT_TEST(a_group_that_the_driver_names_lets_its_user_in),
		CLIENT_TEST(a_driver_that_names_no_group_has_checked_with_all_of_the_users),
		CLIENT_TEST(set_user_id_bits_go_where_the_driver_says_so),
		CLIENT_TEST(with_writeback_what_is_opened_to_append_is_read_and_written_anywhere),
		CLIENT_TEST(without_writeback_files_are_opened_as_the_guest_says),
		CLIENT_TEST(a_default_acl_comes_before_the_umask),
		CLIENT_TEST(acls_that_are_not_obeyed_are_not_shown),
		cmocka_unit_test_setup_teardown(
			a_mount_below_the_share_is_told_unless_that_is_not_wanted, client_setup,
			unmount_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
