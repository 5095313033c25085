/* SPDX-License-Identifier: MIT */
/*
 * Runs in the guest: idmap FROM TO ID SEEN.  What is mounted at FROM is at TO, too, with users and
 * groups mapped: the one that is ID there is SEEN at TO, and nobody else is anybody.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_map(pid_t pid, const char *which, const char *map)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, which);
	file = fopen(path, "we");
	if (!file || fputs(map, file) < 0 || fclose(file)) {
		perror(path);
		exit(1);
	}
}

/* The user namespace that a mount's map is taken from: nobody is in it for long. */
static int namespace_of(const char *map)
{
	char path[64];
	int fd, ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	close(ready[1]);
	if (pid < 0 || read(ready[0], &byte, 1) != 1)
		return -1;
	write_map(pid, "uid_map", map);
	write_map(pid, "gid_map", map);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

int main(int argc, char **argv)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
	char map[64];
	int tree, users;

	if (argc != 5)
		return 2;
	snprintf(map, sizeof(map), "%s %s 1", argv[3], argv[4]);
	users = namespace_of(map);
	if (users < 0) {
		perror("a user namespace");
		return 3;
	}
	attr.userns_fd = (unsigned)users;
	tree = open_tree(AT_FDCWD, argv[1], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    move_mount(tree, "", AT_FDCWD, argv[2], MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		perror(argv[2]);
		return 1;
	}
	return 0;
}
