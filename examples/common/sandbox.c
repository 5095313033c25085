/* SPDX-License-Identifier: MIT */
/* See sandbox.h.  Namespaces, chroot and Landlock. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_ids.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

/* Linux 5.12; of the C library since Debian 12's. */
struct sandbox_mount_attr {
	uint64_t set, clear, propagation, userns_fd;
};
enum { MOUNT_RDONLY = 1, MOUNT_NOSUID = 2, MOUNT_NODEV = 4, MOUNT_NOEXEC = 8 };

const char *const sandbox_names[] = {"auto", "namespace", "chroot", "landlock", "none", NULL};

int sandbox_for_connecting(const char *program, uint32_t *kind)
{
	if (*kind == SANDBOX_AUTO)
		*kind = SANDBOX_LANDLOCK;
	if (*kind == SANDBOX_LANDLOCK || *kind == SANDBOX_NONE)
		return 0;
	fprintf(stderr,
		"%s: --connect: from --sandbox=%s the socket cannot be reached; take landlock or "
		"none\n",
		program, sandbox_names[*kind]);
	return -EINVAL;
}

static int sandbox_fail(struct sandbox *sandbox, const char *what)
{
	int error = errno ? -errno : -EIO;

	sandbox->failed = what;
	return error;
}

/* --- /proc/self/fd --- */

/*
 * Cut out, so that no ".." leads to the rest of /proc: with root's user id much of that may be
 * written even without capabilities.  Only who may mount can do so.
 */
static int sandbox_open_proc(struct sandbox *sandbox)
{
	static const char path[] = "/proc/self/fd";

	sandbox->proc_fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | O_CLOEXEC);
	if (sandbox->proc_fd < 0)
		sandbox->proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return sandbox->proc_fd < 0 ? sandbox_fail(sandbox, path) : 0;
}

/* --- namespaces --- */

static int sandbox_write(const char *path, const char *text, int len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, (size_t)len) == len ? 0 : -1;
	close(fd);
	return ret;
}

/* In a new user namespace a user stays who it is: what it makes is its own. */
static int sandbox_map(uid_t uid, gid_t gid)
{
	char text[64];

	if (sandbox_write("/proc/self/setgroups", "deny", 4) ||
	    sandbox_write("/proc/self/uid_map", text,
			  snprintf(text, sizeof(text), "%u %u 1\n", uid, uid)))
		return -1;
	return sandbox_write("/proc/self/gid_map", text,
			     snprintf(text, sizeof(text), "%u %u 1\n", gid, gid));
}

static int sandbox_unshare(struct sandbox *sandbox)
{
	const int own = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (sandbox->ids)
		return sandbox_ids_unshare(sandbox->ids, own, &sandbox->failed);
	if (!unshare(own))
		return 0;
	/* Root's user namespace would have no id but root's: users of the guest's need theirs. */
	if (errno != EPERM || !uid || unshare(CLONE_NEWUSER | own) < 0)
		return sandbox_fail(sandbox, "namespaces of its own");
	return sandbox_map(uid, gid) ? sandbox_fail(sandbox, "mapping the user's id") : 0;
}

/* All there is already; nothing can be mounted over it, and there is nothing to leave. */
static bool sandbox_is_root(const struct sandbox *sandbox)
{
	struct stat dir, root;

	return !stat(sandbox->dir, &dir) && !stat("/", &root) && dir.st_dev == root.st_dev &&
	       dir.st_ino == root.st_ino;
}

/*
 * What a guest makes there may be a device, or a program for somebody: nothing here opens the one or
 * runs the other, so that whoever takes the program over cannot either.  Kernels before 5.12, and
 * containers that do not know the call, do without.
 */
static void sandbox_make_plain(const struct sandbox *sandbox)
{
	struct sandbox_mount_attr attributes = {.set = MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC};

	if (sandbox->read_only)
		attributes.set |= MOUNT_RDONLY;
	if (sandbox->plain)
		(void)syscall(SYS_mount_setattr, AT_FDCWD, sandbox->dir, AT_RECURSIVE, &attributes,
			      sizeof(attributes));
}

/* The directory becomes all there is; mounts that come into it later are seen. */
static int sandbox_pivot(struct sandbox *sandbox)
{
	if (mount("", "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return sandbox_fail(sandbox, "making mounts its own");
	if (sandbox_is_root(sandbox)) {
		sandbox->dir = "/";
		sandbox_make_plain(sandbox);
		return sandbox_open_proc(sandbox);
	}
	if (mount(sandbox->dir, sandbox->dir, NULL, MS_BIND | MS_REC, NULL) < 0)
		return sandbox_fail(sandbox, "mounting the directory");
	sandbox_make_plain(sandbox);
	if (sandbox_open_proc(sandbox))
		return -errno;
	if (chdir(sandbox->dir) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return sandbox_fail(sandbox, "making the directory the root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return sandbox_fail(sandbox, "leaving the old root");
	sandbox->dir = "/";
	return 0;
}

static int sandbox_enter_namespaces(struct sandbox *sandbox)
{
	int ret = sandbox_unshare(sandbox);

	if (!ret)
		ret = sandbox_pivot(sandbox);
	if (ret || !sandbox->ids)
		return ret;
	/* Now: on the way to the directory it may not have been able to go. */
	sandbox->failed = "becoming root of its user namespace";
	return sandbox_ids_be_root();
}

static int sandbox_chroot(struct sandbox *sandbox)
{
	int ret = sandbox_open_proc(sandbox);

	if (ret)
		return ret;
	if (chdir(sandbox->dir) < 0 || chroot(".") < 0)
		return sandbox_fail(sandbox, "chroot (it needs CAP_SYS_CHROOT)");
	sandbox->dir = "/";
	return 0;
}

/* --- Landlock --- */

/* Later than Debian 12's header; by the version of the interface that has them. */
struct sandbox_ruleset {
	uint64_t fs;
	uint64_t net;	/* 4 */
	uint64_t scope; /* 6 */
};

enum { LANDLOCK_FS_OF_1 = 13, LANDLOCK_NET = 3, LANDLOCK_SCOPE = 3 };

static uint64_t landlock_rights(int version)
{
	/* 2: moving between directories, 3: truncating, 5: ioctl on devices. */
	int n = LANDLOCK_FS_OF_1 + (version >= 2) + (version >= 3) + (version >= 5);

	return (UINT64_C(1) << n) - 1;
}

static int landlock_allow(int ruleset, const char *dir, uint64_t rights)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = rights,
		.parent_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	int ret;

	if (beneath.parent_fd < 0)
		return -1;
	ret = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	close(beneath.parent_fd);
	return ret;
}

static int sandbox_landlock(struct sandbox *sandbox)
{
	int version =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct sandbox_ruleset rules = {landlock_rights(version), version >= 4 ? LANDLOCK_NET : 0,
					version >= 6 ? LANDLOCK_SCOPE : 0};
	int ruleset, ret;

	if (version < 0)
		return sandbox_fail(sandbox, "Landlock (the kernel does not have it)");
	/* Without the right to move between directories every such move would fail. */
	if (version < 2) {
		errno = ENOTSUP;
		return sandbox_fail(sandbox, "Landlock (the kernel's is older than 5.19's)");
	}
	ret = sandbox_open_proc(sandbox);
	if (ret)
		return ret;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules,
			       version >= 6   ? sizeof(rules)
			       : version >= 4 ? offsetof(struct sandbox_ruleset, scope)
					      : offsetof(struct sandbox_ruleset, net),
			       0);
	if (ruleset < 0)
		return sandbox_fail(sandbox, "Landlock");
	if (landlock_allow(ruleset, sandbox->dir, rules.fs) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		ret = sandbox_fail(sandbox, "Landlock");
	close(ruleset);
	return ret;
}

int sandbox_enter(struct sandbox *sandbox)
{
	int ret;

	sandbox->proc_fd = -1;
	if (sandbox_is_left_out())
		sandbox->kind = SANDBOX_NONE;
	switch (sandbox->kind) {
	case SANDBOX_AUTO:
		/* Only what fails before anything is changed is tried otherwise. */
		ret = sandbox_unshare(sandbox);
		sandbox->kind = ret ? SANDBOX_LANDLOCK : SANDBOX_NAMESPACE;
		return ret ? sandbox_landlock(sandbox) : sandbox_pivot(sandbox);
	case SANDBOX_NAMESPACE:
		return sandbox_enter_namespaces(sandbox);
	case SANDBOX_CHROOT:
		return sandbox_chroot(sandbox);
	case SANDBOX_LANDLOCK:
		return sandbox_landlock(sandbox);
	case SANDBOX_NONE:
		break;
	}
	return sandbox_open_proc(sandbox);
}
