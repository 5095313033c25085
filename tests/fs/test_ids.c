/* SPDX-License-Identifier: MIT */
/* Users and groups that are called otherwise on the host, and labels of new files. */
#include "client.h"

#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ALL "4294967295"

static struct stat on_host(const struct client *c, const char *name)
{
	struct stat st;

	assert_ok(lstat(client_path(c, name), &st));
	return st;
}

static void as_user(struct client *c, uint32_t uid, uint32_t gid)
{
	c->uid = uid;
	c->gid = gid;
}

static void make(struct client *c, const char *name, int expected, struct fuse_attr *attr)
{
	struct fuse_entry_out entry;

	assert_int_equal(client_mkdir(c, ROOT, name, 0755, &entry), expected);
	if (!expected)
		*attr = entry.attr;
}

static void open_share(struct client *c)
{
	client_need_root("only root may act for others");
	assert_ok(chmod(c->share, 0777));
}

static void ids_are_mapped_in_both_directions(void **state)
{
	static const char *const args[] = {"--translate-uid=map:1000:5000:10",
					   "--translate-gid=map:100:600:1", NULL};
	struct client *c = *state;
	struct fuse_attr attr;

	open_share(c);
	client_make_dir(c, "host");
	assert_ok(chown(client_path(c, "host"), 5009, 600));
	client_start(c, args);
	as_user(c, 1001, 100);
	make(c, "mine", 0, &attr);
	assert_int_equal(attr.uid, 1001);
	assert_int_equal(attr.gid, 100);
	assert_int_equal(on_host(c, "mine").st_uid, 5001);
	assert_int_equal(on_host(c, "mine").st_gid, 600);
	/* Beyond the range: as it is. */
	as_user(c, 1010, 101);
	make(c, "others", 0, &attr);
	assert_int_equal(on_host(c, "others").st_uid, 1010);
	assert_int_equal(on_host(c, "others").st_gid, 101);
	assert_int_equal(client_getattr(c, client_walk(c, "host"), &attr), 0);
	assert_int_equal(attr.uid, 1009);
	assert_int_equal(attr.gid, 100);
	client_stop(c);
}

static void all_users_can_be_one(void **state)
{
	static const char *const args[] = {"--translate-uid=squash-guest:0:1234:" ALL,
					   "--translate-gid=squash-guest:0:4321:" ALL,
					   "--translate-uid=squash-host:0:7:" ALL,
					   "--translate-gid=squash-host:4321:8:1", NULL};
	struct fuse_setattr_in set = {.valid = FATTR_UID | FATTR_GID, .uid = 99, .gid = 99};
	struct client *c = *state;
	struct fuse_attr attr;

	open_share(c);
	client_start(c, args);
	make(c, "roots", 0, &attr);
	assert_int_equal(attr.uid, 7);
	assert_int_equal(attr.gid, 8);
	assert_int_equal(on_host(c, "roots").st_uid, 1234);
	assert_int_equal(on_host(c, "roots").st_gid, 4321);
	assert_int_equal(client_setattr(c, client_walk(c, "roots"), &set, &attr), 0);
	assert_int_equal(on_host(c, "roots").st_uid, 1234);
	assert_int_equal(attr.uid, 7);
	client_stop(c);
}

static void directions_are_apart(void **state)
{
	static const char *const args[] = {"--translate-uid=guest:0:3000:100",
					   "--translate-uid=host:3000:500:1", NULL};
	struct client *c = *state;
	struct fuse_attr attr;

	open_share(c);
	client_start(c, args);
	make(c, "a", 0, &attr);
	assert_int_equal(on_host(c, "a").st_uid, 3000);
	assert_int_equal(attr.uid, 500);
	as_user(c, 50, 0);
	make(c, "b", 0, &attr);
	assert_int_equal(on_host(c, "b").st_uid, 3050);
	assert_int_equal(attr.uid, 3050);
	client_stop(c);
}

static void forbidden_ids_make_nothing_and_own_nothing(void **state)
{
	static const char *const args[] = {"--translate-uid=forbid-guest:0:1000",
					   "--translate-gid=forbid-guest:0:1", NULL};
	struct fuse_setattr_in set = {.valid = FATTR_UID, .uid = 999};
	struct client *c = *state;
	struct fuse_attr attr;
	uint64_t node;

	open_share(c);
	client_start(c, args);
	as_user(c, 0, 1000);
	make(c, "root", -EPERM, NULL);
	assert_int_equal(client_symlink(c, ROOT, "root", "x", NULL), -EPERM);
	as_user(c, 999, 1000);
	make(c, "root", -EPERM, NULL);
	as_user(c, 1000, 0);
	make(c, "root", -EPERM, NULL);
	as_user(c, 1000, 1000);
	make(c, "user", 0, &attr);
	node = client_walk(c, "user");
	assert_int_equal(client_setattr(c, node, &set, NULL), -EPERM);
	set = (struct fuse_setattr_in){.valid = FATTR_GID, .gid = 0};
	assert_int_equal(client_setattr(c, node, &set, NULL), -EPERM);
	client_stop(c);
}

/* With ALLOW_IDMAP requests that make nothing name nobody. */
static void who_is_nobody_makes_nothing(void **state)
{
	struct client *c = *state;

	client_start(c, NULL);
	assert_true((uint64_t)c->init.flags2 << 32 & UINT64_C(1) << 40);
	as_user(c, UINT32_MAX, UINT32_MAX);
	assert_int_equal(client_getattr(c, ROOT, NULL), 0);
	make(c, "dir", -EPERM, NULL);
	as_user(c, UINT32_MAX, 0);
	make(c, "dir", -EPERM, NULL);
	as_user(c, 0, UINT32_MAX);
	make(c, "dir", -EPERM, NULL);
	client_stop(c);
}

static void maps_that_say_nothing_or_two_things_are_refused(void **state)
{
	static const struct {
		const char *a, *b;
		bool ok;
	} rows[] = {
		{"map:0:1:2", "guest:1:5:1", false},
		{"map:0:1:2", "host:2:9:1", false},
		{"map:0:1:2", "host:0:9:1", true},
		{"guest:0:1:2", "forbid-guest:1:1", false},
		{"squash-guest:0:1:" ALL, "host:1:0:1", true},
		{"map:0:1", NULL, false},
		{"map:0:1:0", NULL, false},
		{"map:0:1:2:3", NULL, false},
		{"map:0:1:4294967296", NULL, false},
		{"map:1:0:" ALL, NULL, false},
		{"map:0:1:" ALL, NULL, false},
		{"map:-1:0:1", NULL, false},
		{"map: 1:0:1", NULL, false},
		{"forbid-guest:0:1:2", NULL, false},
		{"forbid-host:0:1", NULL, false},
		{"", NULL, false},
		{"map", NULL, false},
	};
	struct client *c = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *argv[16] = {getenv("VU_FS"), "--socket-path", c->rig.socket,
					"--shared-dir",	 c->share,	  "--translate-uid",
					rows[i].a};
		struct spawned program;

		if (rows[i].b) {
			argv[7] = "--translate-uid";
			argv[8] = rows[i].b;
			argv[9] = "--sandbox=nothing"; /* ends what is well so far */
		}
		spawn_run(&program, argv);
		assert_int_equal(program.status, 2);
		assert_int_equal(
			strstr(program.err, rows[i].ok ? "sandbox" : "translate-uid") != NULL, 1);
		spawn_free(&program);
	}
}

/* --- labels --- */

/* A name of 7 bytes, then what Linux sends behind it. */
struct labelled {
	char name[8];
	struct fuse_secctx_header head;
	struct fuse_secctx one;
	char text[48];
};

static int mkdir_labelled(struct client *c, const char *name, const char *attribute,
			  const char *value, bool extension)
{
	struct fuse_mkdir_in in = {.mode = 0700};
	struct fuse_entry_out entry;
	struct labelled more = {.head = {.nr_secctx = 1}};
	uint32_t used = (uint32_t)(strlen(attribute) + 1 + strlen(value));
	int ret;

	memcpy(more.name, name, sizeof(more.name));
	more.one.size = (uint32_t)strlen(value);
	memcpy(more.text, attribute, strlen(attribute) + 1);
	memcpy(more.text + strlen(attribute) + 1, value, strlen(value));
	used = (uint32_t)(sizeof(more.head) + sizeof(more.one)) + ((used + 7) & ~7u);
	more.head.size = used;
	c->extlen = extension ? (uint16_t)(used / 8) : 0;
	ret = client_ask(c, FUSE_MKDIR, ROOT, &in, sizeof(in), &more, 8 + used, &entry,
			 sizeof(entry));
	c->extlen = 0;
	return ret < 0 ? ret : 0;
}

static void a_label_is_there_with_its_file(void **state)
{
	static const char *const args[] = {"--security-label", "--sandbox=none", NULL};
	struct client *c = *state;
	char value[16] = "";

	client_need_root("labels are for root");
	if (setxattr(c->share, "security.vu", "x", 1, 0) < 0) {
		print_message("skipped: no attributes of that kind here\n");
		skip();
	}
	client_start(c, args);
	assert_true((uint64_t)c->init.flags2 << 32 & FUSE_SECURITY_CTX);
	assert_int_equal(mkdir_labelled(c, "dirnew1", "security.vu", "label", true), 0);
	assert_int_equal(getxattr(client_path(c, "dirnew1"), "security.vu", value, 16), 5);
	assert_memory_equal(value, "label", 5);
	/* As Linux before 6.3 has it. */
	assert_int_equal(mkdir_labelled(c, "dirold1", "security.vu", "other", false), 0);
	assert_int_equal(getxattr(client_path(c, "dirold1"), "security.vu", value, 16), 5);
	assert_memory_equal(value, "other", 5);
	client_stop(c);
}

static void what_cannot_be_labelled_is_not_made(void **state)
{
	static const char *const args[] = {"--security-label", NULL};
	struct client *c = *state;

	if (rig_sandbox()) {
		print_message("[  SKIP  ] no sandbox in this build\n");
		skip();
	}
	client_start(c, args);
	/* The sandbox lets nobody set it. */
	assert_int_equal(mkdir_labelled(c, "dirnew1", "security.vu", "label", true), -EPERM);
	assert_int_equal(client_lookup(c, ROOT, "dirnew1", NULL), -ENOENT);
	/* What is no label. */
	assert_int_equal(mkdir_labelled(c, "dirnew1", "trusted.vu", "label", true), -EINVAL);
	assert_int_equal(mkdir_labelled(c, "dirnew1", "user.vu", "label", true), -EINVAL);
	assert_int_equal(client_lookup(c, ROOT, "dirnew1", NULL), -ENOENT);
	client_stop(c);
	/* Nobody asked for them: they are not looked at. */
	client_start(c, NULL);
	assert_int_equal(mkdir_labelled(c, "dirnew2", "security.vu", "label", true), 0);
	client_stop(c);
}

static void labels_that_lie_about_their_length_are_refused(void **state)
{
	static const char *const args[] = {"--security-label", NULL};
	static const struct {
		uint32_t size, n, value;
	} rows[] = {{0, 1, 5},	   {7, 1, 5},		{9, 1, 5},  {4096, 1, 5}, {40, 31, 5},
		    {40, 1, 4096}, {40, 1, UINT32_MAX}, {16, 1, 0}, {12, 1, 0}};
	struct client *c = *state;
	struct fuse_entry_out entry;

	client_start(c, args);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fuse_mkdir_in in = {.mode = 0700};
		struct labelled more = {.name = "dirlie1",
					.head = {.size = rows[i].size, .nr_secctx = rows[i].n},
					.one = {.size = rows[i].value},
					.text = "security.v\0label"};

		c->extlen = 5;
		client_ask(c, FUSE_MKDIR, ROOT, &in, sizeof(in), &more, 8 + 40, &entry,
			   sizeof(entry));
		c->extlen = 0;
		assert_true(client_getattr(c, ROOT, NULL) == 0);
		rmdir(client_path(c, "dirlie1"));
	}
	client_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(ids_are_mapped_in_both_directions),
		CLIENT_TEST(all_users_can_be_one),
		CLIENT_TEST(directions_are_apart),
		CLIENT_TEST(forbidden_ids_make_nothing_and_own_nothing),
		CLIENT_TEST(who_is_nobody_makes_nothing),
		CLIENT_TEST(maps_that_say_nothing_or_two_things_are_refused),
		CLIENT_TEST(a_label_is_there_with_its_file),
		CLIENT_TEST(what_cannot_be_labelled_is_not_made),
		CLIENT_TEST(labels_that_lie_about_their_length_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
