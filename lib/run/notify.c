/* SPDX-License-Identifier: MIT */
/* See notify.h.  Keeps nothing.  Thread: main, before others are started. */
#include "run/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The length of the address, or 0 for what is none.  '@' stands for the 0 of an abstract one. */
static socklen_t notify_address(struct sockaddr_un *address, const char *path)
{
	size_t len = strlen(path);

	if ((*path != '/' && *path != '@') || len < 2 || len >= sizeof(address->sun_path))
		return 0;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, len);
	if (*path == '@')
		address->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*path == '/'));
}

static int notify_connect(const char *path)
{
	struct sockaddr_un address;
	socklen_t len = notify_address(&address, path);
	int fd, error;

	if (!len)
		return -EINVAL;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)&address, len))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int notify_open(const char *program)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = path ? notify_connect(path) : -1;

	if (path && fd < 0)
		fprintf(stderr, "%s: NOTIFY_SOCKET=%s: %s\n", program, path, strerror(-fd));
	unsetenv("NOTIFY_SOCKET");
	return fd < 0 ? -1 : fd;
}

int notify_keep_file(int notify, const char *name, int fd)
{
	union {
		struct cmsghdr header;
		unsigned char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	char text[320];
	int len = snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	struct iovec iov = {.iov_base = text, .iov_len = (size_t)len};
	const struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	if (len < 0 || (size_t)len >= sizeof(text))
		return -ENAMETOOLONG;
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(notify, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

void notify_close(int fd, bool ready)
{
	static const char text[] = "READY=1";

	if (fd < 0)
		return;
	/* A manager that takes no more will notice by itself that nobody became ready. */
	if (ready)
		(void)send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
	close(fd);
}
