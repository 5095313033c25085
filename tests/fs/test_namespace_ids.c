/* SPDX-License-Identifier: MIT */
/* A user namespace in which the guest's users and groups are others of the host's (--uid-map). */
#include "kit/child.h"
#include "client.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, HOST_USERS = 100000, HOST_GROUPS = 200000 };

static struct stat on_host(const struct client *c, const char *name)
{
	struct stat st;

	assert_ok(lstat(client_path(c, name), &st));
	return st;
}

static void need_user_namespaces(void)
{
	int status;
	pid_t child;

	if (rig_sandbox()) {
		print_message("skipped: programs are tested without a sandbox\n");
		skip();
	}
	child = child_fork();
	if (!child)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!status)
		return;
	print_message("skipped: no user namespaces can be had\n");
	skip();
}

static void start(struct client *c, const char *const *args)
{
	client_need_root("only root may map others without newuidmap");
	need_user_namespaces();
	assert_ok(chown(c->share, HOST_USERS, HOST_GROUPS));
	client_start(c, args);
}

static void make_as(struct client *c, uint32_t uid, uint32_t gid, const char *name, int expected)
{
	struct fuse_entry_out entry;

	c->uid = uid;
	c->gid = gid;
	assert_int_equal(client_mkdir(c, ROOT, name, 0755, &entry), expected);
	if (expected)
		return;
	assert_int_equal(entry.attr.uid, uid);
	assert_int_equal(entry.attr.gid, gid);
}

static void assert_owner(const struct client *c, const char *name, uint32_t uid, uint32_t gid)
{
	assert_int_equal(on_host(c, name).st_uid, uid);
	assert_int_equal(on_host(c, name).st_gid, gid);
}

static void what_guests_make_is_owned_by_the_hosts_ids(void **state)
{
	static const char *const args[] = {"--sandbox=namespace",
					   "--uid-map=:0:100000:1001:", "--gid-map=/0/200000/1001/",
					   NULL};
	struct fuse_setattr_in set = {.valid = FATTR_UID | FATTR_GID, .uid = 7, .gid = 8};
	struct client *c = *state;
	struct fuse_attr attr;

	client_make_dir(c, "roots");
	start(c, args);
	make_as(c, 0, 0, "a", 0);
	assert_owner(c, "a", HOST_USERS, HOST_GROUPS);
	make_as(c, 1000, 1000, "refused", -EACCES); /* by the share's mode */
	assert_ok(chmod(c->share, 0777));
	make_as(c, 1000, 1000, "b", 0);
	assert_owner(c, "b", HOST_USERS + 1000, HOST_GROUPS + 1000);
	assert_int_equal(client_setattr(c, client_walk(c, "b"), &set, &attr), 0);
	assert_owner(c, "b", HOST_USERS + 7, HOST_GROUPS + 8);
	make_as(c, 1001, 0, "beyond", -EPERM);
	make_as(c, 0, 1001, "beyond", -EPERM);
	/* What belongs to others of the host's is nobody's, and cannot be given away. */
	assert_int_equal(client_getattr(c, client_walk(c, "roots"), &attr), 0);
	assert_int_equal(attr.uid, NOBODY);
	assert_int_equal(attr.gid, NOBODY);
	assert_int_equal(client_setattr(c, client_walk(c, "roots"), &set, &attr), -EPERM);
	client_stop(c);
}

static void there_may_be_several_ranges_and_no_sandbox_said(void **state)
{
	static const char *const args[] = {"--uid-map=:0:100000:1:", "--uid-map=:1000:3000:2:",
					   "--gid-map", ",0,200000,1,", NULL};
	struct client *c = *state;

	start(c, args);
	assert_ok(chmod(c->share, 0777));
	make_as(c, 0, 0, "a", 0);
	assert_owner(c, "a", HOST_USERS, HOST_GROUPS);
	make_as(c, 1001, 0, "b", 0);
	assert_owner(c, "b", 3001, HOST_GROUPS);
	make_as(c, 1, 0, "between", -EPERM);
	client_stop(c);
}

static void without_the_other_map_there_is_one_group(void **state)
{
	static const char *const args[] = {"--uid-map=:0:100000:65536:", NULL};
	struct client *c = *state;

	start(c, args);
	make_as(c, 0, 0, "a", 0);
	assert_owner(c, "a", HOST_USERS, getegid());
	make_as(c, 0, 1, "b", -EPERM);
	client_stop(c);
}

static void maps_that_say_nothing_or_two_things_are_refused(void **state)
{
	static const struct {
		const char *a, *b, *why;
		int status;
	} rows[] = {
		{"0:1:2", NULL, "uid-map", 2},
		{"", NULL, "uid-map", 2},
		{":", NULL, "uid-map", 2},
		{":0:1:2", NULL, "uid-map", 2},
		{":0:1:2:3:", NULL, "uid-map", 2},
		{":0:1:2: ", NULL, "uid-map", 2},
		{":0:1/2:", NULL, "uid-map", 2},
		{":0:1:0:", NULL, "uid-map", 2},
		{":-1:0:1:", NULL, "uid-map", 2},
		{"--0-0-1-", NULL, "uid-map", 2},
		{": 1:0:1:", NULL, "uid-map", 2},
		{":0:1:4294967295:", NULL, "uid-map", 2},
		{":0:4294967295:1:", NULL, "uid-map", 2},
		{":0:4294967296:1:", NULL, "uid-map", 2},
		{":0:1:2:", "--uid-map=:1:9:1:", "it meets one", 2},
		{":0:1:2:", "--uid-map=:7:2:1:", "it meets one", 2},
		{":0:1:2:", "--sandbox=chroot", "only with --sandbox=namespace", 1},
		{":0:1:2:", "--sandbox=landlock", "only with --sandbox=namespace", 1},
		{":0:1:2:", "--sandbox=none", "only with --sandbox=namespace", 1},
		{":1:1:2:", NULL, "id 0 of the namespace", 1},
		{":0:1:2:", "--gid-map=:1:1:2:", "id 0 of the namespace", 1},
	};
	struct client *c = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *argv[] = {getenv("VU_FS"), "--socket-path", c->rig.socket,
				      "--shared-dir",  c->share,	"--uid-map",
				      rows[i].a,       rows[i].b,	NULL};

		spawn_expect(argv, rows[i].status, "", rows[i].why);
	}
}

/* --- without the right to write maps --- */

/* Programs that are started from here on do not have it, root's either. */
static void give_up_the_right(const char *path)
{
	need_user_namespaces();
	prctl(PR_CAPBSET_DROP, CAP_SETUID, 0, 0, 0);
	prctl(PR_CAPBSET_DROP, CAP_SETGID, 0, 0, 0);
	assert_ok(setenv("PATH", path, 1));
}

static void expect_no_map(struct client *c)
{
	const char *argv[] = {getenv("VU_FS"),
			      "--socket-path",
			      c->rig.socket,
			      "--shared-dir",
			      c->share,
			      "--uid-map=:0:100000:1:",
			      "--gid-map=:0:200000:3:",
			      "--gid-map=:5:300000:2:",
			      NULL};

	spawn_expect(argv, 1, "", "sandbox: mapping groups (it needs CAP_SETGID, or newgidmap");
}

static void without_newgidmap_it_says_what_is_missing(void **state)
{
	give_up_the_right("/nowhere");
	expect_no_map(*state);
}

static void newgidmap_gets_the_ranges(void **state)
{
	static const char script[] = "#!/bin/sh\necho \"$*\" > \"$0.said\"\nexit 1\n";
	struct client *c = *state;
	char dir[FOLDER_PATH], path[FOLDER_PATH + 16], said[FOLDER_PATH + 24], line[128] = "";
	FILE *f;
	int fd;

	/* Not in /dev/shm, where containers let nothing be executed. */
	folder_make(dir, "newgidmap");
	snprintf(path, sizeof(path), "%s/newgidmap", dir);
	give_up_the_right(dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	assert_int_equal(write(fd, script, sizeof(script) - 1), sizeof(script) - 1);
	close(fd);
	expect_no_map(c);
	snprintf(said, sizeof(said), "%s.said", path);
	f = fopen(said, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	unlink(said);
	unlink(path);
	assert_ok(folder_remove(dir));
	assert_non_null(strchr(line, ' '));
	assert_string_equal(strchr(line, ' '), " 0 200000 3 5 300000 2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(what_guests_make_is_owned_by_the_hosts_ids),
		CLIENT_TEST(there_may_be_several_ranges_and_no_sandbox_said),
		CLIENT_TEST(without_the_other_map_there_is_one_group),
		CLIENT_TEST(maps_that_say_nothing_or_two_things_are_refused),
		/* Last: what they give up does not come back. */
		CLIENT_TEST(without_newgidmap_it_says_what_is_missing),
		CLIENT_TEST(newgidmap_gets_the_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
