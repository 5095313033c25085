/* SPDX-License-Identifier: MIT */
/* What the process has given up, in each kind of sandbox; and that it still serves. */
#include "client.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/sockets.h"

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

/* CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID SETGID SETUID MKNOD SETFCAP */
#define KEPT UINT64_C(0x880000df)

/* A field of /proc/PID/status, in hexadecimal or decimal. */
static uint64_t status_of(const struct client *c, const char *field, int base)
{
	char path[64], line[256];
	uint64_t value = UINT64_MAX;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)c->rig.program.pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)) && line[strlen(field)] == ':')
			value = strtoull(line + strlen(field) + 1, NULL, base);
	fclose(f);
	return value;
}

/* What /proc/PID/NAME links to. */
static const char *link_of(pid_t pid, const char *name, char target[256])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = readlink(path, target, 255);
	target[n < 0 ? 0 : n] = '\0';
	return target;
}

/* Each kind of request that needs something of the sandbox. */
static void use(struct client *c)
{
	struct fuse_getxattr_in get = {.size = 0};
	struct fuse_setattr_in set = {
		.valid = FATTR_MODE | FATTR_MTIME_NOW | FATTR_SIZE, .mode = 0600, .size = 3};
	struct fuse_getxattr_out size;
	struct fuse_entry_out entry;
	char data[16];
	uint64_t fh;

	assert_int_equal(client_create(c, ROOT, "new", O_RDWR, 0640, &entry, &fh), 0);
	assert_int_equal(client_write(c, entry.nodeid, fh, 0, "hello", 5), 5);
	assert_int_equal(client_setattr(c, entry.nodeid, &set, NULL), 0);
	assert_int_equal(client_release(c, entry.nodeid, fh), 0);
	assert_int_equal(client_open_file(c, entry.nodeid, O_RDWR, &fh), 0);
	assert_int_equal(client_read(c, entry.nodeid, fh, 0, data, 16), 3);
	assert_int_equal(client_release(c, entry.nodeid, fh), 0);
	assert_int_equal(client_link(c, entry.nodeid, ROOT, "again", NULL), 0);
	assert_int_equal(client_mkdir(c, ROOT, "dir", 0700, &entry), 0);
	assert_int_equal(client_rename(c, ROOT, "new", entry.nodeid, "moved", 0), 0);
	assert_int_equal(client_walk(c, "dir/moved"), client_walk(c, "again"));
	assert_int_equal(client_ask(c, FUSE_LISTXATTR, client_walk(c, "again"), &get, sizeof(get),
				    NULL, 0, &size, sizeof(size)),
			 sizeof(size));
}

static void start(struct client *c, const char *sandbox)
{
	const char *args[] = {sandbox, "--xattr", NULL};

	client_start(c, args);
	use(c);
	assert_int_equal(status_of(c, "NoNewPrivs", 10), 1);
	assert_int_equal(status_of(c, "Seccomp", 10), 2);
	assert_int_equal(status_of(c, "CapEff", 16) & ~KEPT, 0);
	if (!geteuid()) /* without root it cannot be made smaller, and there is no way to it */
		assert_int_equal(status_of(c, "CapBnd", 16) & ~KEPT, 0);
}

static void by_default_it_has_namespaces_with_the_share_as_root(void **state)
{
	static const char *const own[] = {"ns/mnt", "ns/net", "ns/ipc", "ns/uts"};
	struct client *c = *state;
	char ours[256], its[256], path[64];
	struct stat root, share;

	client_need_root("without root it may be Landlock");
	start(c, "--sandbox=auto");
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		assert_string_not_equal(link_of(c->rig.program.pid, own[i], its),
					link_of(getpid(), own[i], ours));
	snprintf(path, sizeof(path), "/proc/%d/root", (int)c->rig.program.pid);
	assert_int_equal(stat(path, &root), 0);
	assert_int_equal(stat(c->share, &share), 0);
	assert_int_equal(root.st_ino, share.st_ino);
	client_stop(c);
}

/* The options of what is mounted on the root, as the process sees it. */
static void mount_options(pid_t pid, char options[256])
{
	char path[64], line[512], point[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	options[0] = '\0';
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*d %*d %*s %*s %255s %255s", point, options) == 2 &&
		    !strcmp(point, "/"))
			break;
	fclose(f);
}

/* Whoever takes the process over makes no device of the guest's to open, either. */
static void nothing_that_a_guest_makes_is_a_device_or_a_program_there(void **state)
{
	static const char *const read_only[] = {"--sandbox=namespace", "--readonly", NULL};
	struct client *c = *state;
	char options[256];

	client_need_root("without root it may be Landlock");
	if (syscall(SYS_mount_setattr, -1, "", 0, NULL, 0) == 0 || errno != EINVAL) {
		print_message("skipped: mounts cannot be changed here (mount_setattr)\n");
		skip();
	}
	start(c, "--sandbox=namespace");
	mount_options(c->rig.program.pid, options);
	assert_non_null(strstr(options, "nodev"));
	assert_non_null(strstr(options, "nosuid"));
	assert_non_null(strstr(options, "noexec"));
	assert_memory_equal(options, "rw,", 3);
	client_stop(c);
	client_start(c, read_only);
	client_walk(c, "again");
	mount_options(c->rig.program.pid, options);
	assert_memory_equal(options, "ro,", 3);
	client_stop(c);
}

/* One may be that of any file of the file system's. */
static void without_file_handles_there_is_no_right_to_them(void **state)
{
	static const char *const args[] = {"--inode-file-handles=never", "--xattr", NULL};
	struct client *c = *state;

	client_start(c, args);
	use(c);
	assert_int_equal(status_of(c, "CapEff", 16) & UINT64_C(1) << CAP_DAC_READ_SEARCH, 0);
	client_stop(c);
}

static void in_a_chroot_the_share_is_the_root(void **state)
{
	struct client *c = *state;
	char path[64];
	struct stat root, share;

	client_need_root("chroot is for root");
	start(c, "--sandbox=chroot");
	snprintf(path, sizeof(path), "/proc/%d/root", (int)c->rig.program.pid);
	assert_int_equal(stat(path, &root), 0);
	assert_int_equal(stat(c->share, &share), 0);
	assert_int_equal(root.st_ino, share.st_ino);
	client_stop(c);
}

static void landlock_lets_everything_in_the_share_through(void **state)
{
	start(*state, "--sandbox=landlock");
	client_stop(*state);
}

/* User-mode Linux's calls are sockets, of which libvu asks what waits in them. */
static void in_its_sandbox_it_takes_sockets_for_calls(void **state)
{
	struct client *c = *state;

	client_spawn(c, NULL);
	c->rig.config.notifier = DRIVER_SOCKET;
	client_connect(c, 1);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	client_stop(c);
}

/* A directory that the host moves out cannot be entered any more, however it is known. */
static void under_landlock_what_leaves_the_share_is_out_of_reach(void **state)
{
	static const char *const args[] = {"--sandbox=landlock", NULL};
	struct client *c = *state;
	char out[128];
	uint64_t file, fh;

	client_make_dir(c, "dir");
	client_make_file(c, "dir/file", "secret");
	client_start(c, args);
	file = client_walk(c, "dir/file");
	snprintf(out, sizeof(out), "%s/out", c->rig.dir);
	assert_int_equal(rename(client_path(c, "dir"), out), 0);
	assert_int_equal(client_open_file(c, file, O_RDONLY, &fh), -EACCES);
	assert_int_equal(rename(out, client_path(c, "dir")), 0);
	client_stop(c);
}

static void without_a_sandbox_it_serves_too(void **state)
{
	static const char *const args[] = {"--sandbox=none", "--xattr", NULL};

	client_start(*state, args);
	use(*state);
	client_stop(*state);
}

/* Again and again, from inside: so the sandbox has to leave the socket within reach. */
static void a_front_end_that_listens_is_found_from_the_sandbox(void **state)
{
	struct client *c = *state;
	char connect[128], dir[128];
	const char *argv[] = {getenv(rig_program), connect, dir, NULL};
	struct frontend fe;
	struct spawned s;
	int listener;

	snprintf(connect, sizeof(connect), "--connect=%s", c->rig.socket);
	snprintf(dir, sizeof(dir), "--shared-dir=%s", c->share);
	listener = socket_at(c->rig.socket, SOCK_STREAM, 8);
	spawn_start(&s, argv, NULL);
	for (int i = 0; i < 2; i++) {
		ask(&fe, accept(listener, NULL, NULL));
		frontend_close(&fe);
	}
	spawn_stop(&s);
	assert_int_equal(s.status, 0);
	assert_non_null(strstr(s.err, "sandbox: landlock"));
	close(listener);
	spawn_free(&s);
}

static void a_sandbox_from_which_a_front_end_cannot_be_found_is_refused(void **state)
{
	struct client *c = *state;
	char connect[128], dir[128];
	const char *argv[] = {getenv(rig_program), connect, dir, "--sandbox=namespace", NULL};

	snprintf(connect, sizeof(connect), "--connect=%s", c->rig.socket);
	snprintf(dir, sizeof(dir), "--shared-dir=%s", c->share);
	spawn_expect(argv, 1, "", "--sandbox=namespace the socket cannot be reached");
}

static void a_share_that_is_not_there_or_no_folder_is_told(void **state)
{
	static const char *const shares[][2] = {
		{"--shared-dir=/nowhere", "/nowhere: No such file or directory"},
		{"--shared-dir=/etc/passwd", "/etc/passwd: Not a directory"},
		{"--shared-dir=/bin/sh", "/bin/sh: Not a directory"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		const char *argv[] = {getenv(rig_program), "--socket-path=/nowhere/sock",
				      shares[i][0], NULL};

		spawn_expect(argv, 1, "", shares[i][1]);
	}
}

/* Nothing can be mounted over it, and there is nothing to leave. */
static void the_root_can_be_shared(void **state)
{
	static const char *const kinds[] = {"--sandbox=auto", "--sandbox=landlock"};
	struct client *c = *state;

	for (size_t i = 0; i < 2; i++) {
		const char *const args[] = {"--shared-dir=/", "--readonly", kinds[i], NULL};

		rig_spawn(&c->rig, args);
		client_connect(c, 1);
		assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
		client_walk(c, "etc/passwd");
		assert_int_equal(client_lookup(c, ROOT, "..", NULL), -ESTALE);
		client_stop(c);
	}
}

/* See rig_sandbox(). */
static void look_for_no_leaks(void)
{
	const char *options = getenv("ASAN_OPTIONS");
	char all[512];

	snprintf(all, sizeof(all), "%s:detect_leaks=0", options ? options : "");
	setenv("ASAN_OPTIONS", all, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(by_default_it_has_namespaces_with_the_share_as_root),
		CLIENT_TEST(nothing_that_a_guest_makes_is_a_device_or_a_program_there),
		CLIENT_TEST(without_file_handles_there_is_no_right_to_them),
		CLIENT_TEST(in_a_chroot_the_share_is_the_root),
		CLIENT_TEST(landlock_lets_everything_in_the_share_through),
		CLIENT_TEST(in_its_sandbox_it_takes_sockets_for_calls),
		CLIENT_TEST(under_landlock_what_leaves_the_share_is_out_of_reach),
		CLIENT_TEST(without_a_sandbox_it_serves_too),
		CLIENT_TEST(a_front_end_that_listens_is_found_from_the_sandbox),
		CLIENT_TEST(a_sandbox_from_which_a_front_end_cannot_be_found_is_refused),
		CLIENT_TEST(the_root_can_be_shared),
		CLIENT_TEST(a_share_that_is_not_there_or_no_folder_is_told),
	};

	look_for_no_leaks();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
