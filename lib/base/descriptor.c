/* SPDX-License-Identifier: MIT */
/* Kinds of descriptors.  No state.  Any thread. */
#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Their pages come from memory or from a disk that the kernel drives, and root mounted them: a
 * user may mount overlayfs, too, over a FUSE. */
static const char *const local[] = {
	"tmpfs", "hugetlbfs", "ramfs", "devtmpfs", "ext4", "ext3",   "ext2",	 "xfs",
	"btrfs", "f2fs",      "zfs",   "bcachefs", "jfs",  "nilfs2", "reiserfs", "rootfs"};

/* The kernel's own: no memory, and nobody to be asked. */
static const char *const kernels[] = {"proc",	"sysfs",      "devpts",	 "cgroup2",
				      "cgroup", "securityfs", "debugfs", "tracefs",
				      "bpf",	"mqueue",     "configfs"};

static bool is_among(const char *type, const char *const *types, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

#define IS_AMONG(type, types) is_among(type, types, sizeof(types) / sizeof(types[0]))

/* A number that the kernel tells of an open file, or -1. */
static int fdinfo_number(int fd, const char *name)
{
	char path[48], line[128];
	size_t len = strlen(name);
	int number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && sscanf(line + len, ": %d", &number) == 1)
			break;
	fclose(file);
	return number;
}

/*
 * The type of file system, "" if the mount is none of ours.  In another mount namespace (libvirt
 * gives QEMU its own) it has another number, but the device of its files is the same.
 */
static void mount_type(int mount, const struct statx *st, char type[32])
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	bool found = false;
	size_t room = 0;

	type[0] = '\0';
	if (!file)
		return;
	while (!found && getline(&line, &room, file) > 0) {
		/* proc(5): number, parent, major:minor, ... - type, ... */
		const char *dash = strstr(line, " - ");
		unsigned int major, minor;
		int number;

		if (!dash || sscanf(line, "%d %*d %u:%u", &number, &major, &minor) != 3)
			continue;
		if (number == mount || (major == st->stx_dev_major && minor == st->stx_dev_minor))
			found = sscanf(dash, " - %31s", type) == 1;
	}
	free(line);
	fclose(file);
}

/* /dev/daxN.M: memory with pages of its own.  Other devices' mappings may do anything. */
static bool is_dax(const struct statx *st)
{
	char path[64], link[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem", st->stx_rdev_major,
		 st->stx_rdev_minor);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return false;
	link[n] = 0;
	return n >= 4 && !strcmp(link + n - 4, "/dax");
}

/* A pipe, no FIFO of a file system: all pipes are in one, which needs no /proc to be known. */
static bool is_pipe(const struct statx *st)
{
	struct statx own;
	bool is;
	int fds[2];

	if (!S_ISFIFO(st->stx_mode) || pipe2(fds, O_CLOEXEC) < 0)
		return false;
	is = statx(fds[0], "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &own) == 0 &&
	     own.stx_dev_major == st->stx_dev_major && own.stx_dev_minor == st->stx_dev_minor;
	close(fds[0]);
	close(fds[1]);
	return is;
}

static enum descriptor_kind file_kind(int fd)
{
	struct statx st;
	char type[32];

	/* What is known without asking. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return DESCRIPTOR_SLOW_FILE;
	/* No file system has such files: the questions before failed, or there is no /proc. */
	if (!(st.stx_mode & S_IFMT))
		return DESCRIPTOR_EVENTFD;
	if (S_ISSOCK(st.stx_mode))
		return DESCRIPTOR_SOCKET;
	if (is_pipe(&st))
		return DESCRIPTOR_OTHER;
	mount_type(fdinfo_number(fd, "mnt_id"), &st, type);
	if (IS_AMONG(type, kernels))
		return DESCRIPTOR_OTHER;
	if (!IS_AMONG(type, local))
		return DESCRIPTOR_SLOW_FILE;
	if (S_ISREG(st.stx_mode) || (S_ISCHR(st.stx_mode) && is_dax(&st)))
		return DESCRIPTOR_MEMORY;
	return DESCRIPTOR_OTHER;
}

bool descriptor_is_unix_socket(int fd)
{
	socklen_t len = sizeof(int);
	int domain;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

bool descriptor_deafen(int fd)
{
	socklen_t len = sizeof(int);
	int listens = 0, waiting;

	/* From here on nobody can send to it, or connect with it. */
	(void)shutdown(fd, SHUT_RD);
	/* Connections that nobody accepted have queues of their own. */
	(void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
	if (listens)
		return false;
	/* proc(5): since Linux 5.10.  recv() would wait for another who receives. */
	waiting = fdinfo_number(fd, "scm_fds");
	if (waiting < 0 && ioctl(fd, FIONREAD, &waiting) < 0)
		return false;
	return !waiting;
}

enum descriptor_kind descriptor_kind(int fd)
{
	static const char event[] = "anon_inode:[eventfd]";
	socklen_t len = sizeof(int);
	char path[48], name[64];
	int flags, domain;
	ssize_t n;

	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || flags & O_PATH)
		return DESCRIPTOR_OTHER;
	/* memfds and all files on tmpfs and hugetlbfs, wherever these are mounted. */
	if (fcntl(fd, F_GET_SEALS) >= 0)
		return DESCRIPTOR_MEMORY;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0)
		return domain == AF_UNIX ? DESCRIPTOR_SOCKET : DESCRIPTOR_SLOW_SOCKET;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	name[n < 0 ? 0 : n] = 0;
	if (!strcmp(name, event))
		return DESCRIPTOR_EVENTFD;
	/* Only the kernel's own have names that are no paths: pipe:[1], anon_inode:[eventpoll]. */
	if (name[0] && name[0] != '/' && name[0] != '(')
		return DESCRIPTOR_OTHER;
	return file_kind(fd);
}
