/* SPDX-License-Identifier: MIT */
/* The server: a process with a mount namespace of its own, where the file system lies on /tmp. */
#include "kit/child.h"
#include "rules/slow_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_NODE = 2, BUFFER = 1 << 17 };

struct slow_counts {
	_Atomic uint32_t asked;
	_Atomic uint32_t opcode;
};

/* --- the child: user and mount namespace --- */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? -errno : 0;
}

static int own_namespace(void)
{
	char map[48];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (unshare(CLONE_NEWNS) == 0)
		return mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -errno;
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
	return 0;
}

static int mount_fuse(void)
{
	char options[80];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	return mount("slow", "/tmp", "fuse", MS_NOSUID | MS_NODEV, options) < 0 ? -errno : fd;
}

/* --- the server --- */

static void answer(int fuse, const struct fuse_in_header *in, int error, const void *data,
		   size_t size)
{
	static unsigned char out[BUFFER];
	const struct fuse_out_header hdr = {
		.len = (uint32_t)(sizeof(hdr) + size), .error = error, .unique = in->unique};

	memcpy(out, &hdr, sizeof(hdr));
	if (size)
		memcpy(out + sizeof(hdr), data, size);
	/* Interrupted questions are not waited for any more. */
	if (write(fuse, out, hdr.len) < 0)
		return;
}

static struct fuse_attr attributes(uint64_t node, uint64_t size)
{
	return (struct fuse_attr){
		.ino = node,
		.size = node == FILE_NODE ? size : 0,
		.mode = node == FILE_NODE ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
	};
}

static void serve(int fuse, const struct fuse_in_header *in, uint64_t size)
{
	static const unsigned char zeros[4096];
	const struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096, .time_gran = 1};
	const struct fuse_entry_out entry = {.nodeid = FILE_NODE,
					     .attr = attributes(FILE_NODE, size)};
	const struct fuse_attr_out attr = {.attr = attributes(in->nodeid, size)};
	const struct fuse_open_out opened = {.fh = 1};
	const struct fuse_read_in *read_in = (const void *)(in + 1);

	switch (in->opcode) {
	case FUSE_INIT:
		answer(fuse, in, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		answer(fuse, in, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		answer(fuse, in, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		answer(fuse, in, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
		answer(fuse, in, 0, zeros, read_in->size < 4096 ? read_in->size : 4096);
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		answer(fuse, in, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(fuse, in, -ENOSYS, NULL, 0);
	}
}

static void serve_all(int fuse, struct slow_counts *counts, uint64_t size)
{
	const uint32_t asker = (uint32_t)getppid();
	static _Alignas(8) unsigned char buffer[BUFFER];
	const struct fuse_in_header *in = (const void *)buffer;

	while (read(fuse, buffer, sizeof(buffer)) > 0) {
		/* Nobody waits for these, nor for what a worker of the kernel's asks. */
		if (in->pid == asker && in->opcode != FUSE_RELEASE && in->opcode != FUSE_FORGET &&
		    in->opcode != FUSE_BATCH_FORGET && in->opcode != FUSE_INTERRUPT) {
			atomic_store(&counts->opcode, in->opcode);
			atomic_fetch_add(&counts->asked, 1);
		}
		serve(fuse, in, size);
	}
}

/* error, and the open file if that is 0. */
static void send_file(int to, int error, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {&error, sizeof(error)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cm;

	memset(&control, 0, sizeof(control));
	if (!error) {
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	}
	if (sendmsg(to, &mh, 0) < 0)
		_exit(1);
}

static int receive_file(int from, int *fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	int error = -EPIPE;
	struct iovec iov = {&error, sizeof(error)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *cm;

	if (recvmsg(from, &mh, MSG_CMSG_CLOEXEC) != sizeof(error))
		return -EPIPE;
	cm = CMSG_FIRSTHDR(&mh);
	if (!error && !cm)
		return -EPIPE;
	if (!error)
		memcpy(fd, CMSG_DATA(cm), sizeof(*fd));
	return error;
}

static void run_server(int parent, struct slow_counts *counts, uint64_t size)
{
	int fuse, error;

	error = own_namespace();
	fuse = error ? error : mount_fuse();
	if (fuse < 0) {
		send_file(parent, fuse, -1);
		_exit(1);
	}
	/* Who opens the file waits for the server. */
	if (child_fork() == 0) {
		int fd = open("/tmp/file", O_RDWR | O_CLOEXEC);

		send_file(parent, fd < 0 ? -errno : 0, fd);
		_exit(0);
	}
	close(parent);
	signal(SIGCHLD, SIG_IGN);
	serve_all(fuse, counts, size);
	_exit(0);
}

/* --- the test --- */

int slow_file_new(struct slow_file *file, uint64_t size, const char **why)
{
	int pair[2], error;

	*why = "no FUSE file system can be mounted here";
	file->counts = mmap(NULL, sizeof(*file->counts), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (file->counts == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	file->server = child_fork();
	if (file->server == 0) {
		close(pair[0]);
		run_server(pair[1], file->counts, size);
	}
	close(pair[1]);
	error = receive_file(pair[0], &file->fd);
	if (!error) {
		char byte;

		/* Who opened it has closed it. */
		while (recv(pair[0], &byte, 1, 0) > 0)
			;
		atomic_store(&file->counts->asked, 0);
	} else {
		waitpid(file->server, NULL, 0);
		munmap(file->counts, sizeof(*file->counts));
	}
	close(pair[0]);
	return error;
}

uint32_t slow_file_asked(struct slow_file *file, uint32_t *opcode)
{
	*opcode = atomic_load(&file->counts->opcode);
	return atomic_exchange(&file->counts->asked, 0);
}

void slow_file_free(struct slow_file *file)
{
	kill(file->server, SIGKILL);
	waitpid(file->server, NULL, 0);
	munmap(file->counts, sizeof(*file->counts));
}
