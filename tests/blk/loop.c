/* SPDX-License-Identifier: MIT */
/* See loop.h. */
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TRIES = 20 };

static int loop_try(struct loop *loop, int control, int backing)
{
	struct loop_config config = {.fd = (unsigned int)backing,
				     .info.lo_flags = LO_FLAGS_AUTOCLEAR};
	int index = ioctl(control, LOOP_CTL_GET_FREE);

	if (index < 0)
		return -errno;
	snprintf(loop->path, sizeof(loop->path), "/dev/loop%d", index);
	loop->fd = open(loop->path, O_RDWR | O_CLOEXEC);
	if (loop->fd < 0)
		return -errno;
	if (ioctl(loop->fd, LOOP_CONFIGURE, &config) == 0)
		return 0;
	index = errno;
	close(loop->fd);
	return -index;
}

int loop_open(struct loop *loop, const char *backing)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), fd, ret = -EBUSY;

	loop->fd = -1;
	if (control < 0)
		return -errno;
	fd = open(backing, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		ret = -errno;
	/* Somebody else may be looking for one, too. */
	for (int i = 0; fd >= 0 && ret == -EBUSY && i < TRIES; i++)
		ret = loop_try(loop, control, fd);
	close(control);
	if (fd >= 0)
		close(fd);
	return ret;
}

int loop_grow(struct loop *loop)
{
	return ioctl(loop->fd, LOOP_SET_CAPACITY) < 0 ? -errno : 0;
}

void loop_close(struct loop *loop)
{
	if (loop->fd >= 0)
		close(loop->fd);
	loop->fd = -1;
}
