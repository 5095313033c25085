/* SPDX-License-Identifier: MIT */
/* See gpu_udmabuf.h. */
#include "gpu_udmabuf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#ifndef DMA_BUF_MAGIC
#define DMA_BUF_MAGIC 0x444d4142
#endif

int udmabuf_open(void)
{
	int fd = open(UDMABUF_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int udmabuf_make(int udmabuf, const struct udmabuf_create_list *list)
{
	int fd = ioctl(udmabuf, UDMABUF_CREATE_LIST, list);

	return fd < 0 ? -errno : fd;
}

/* They have a file system of their own, since Linux 5.4. */
bool udmabuf_is_one(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && (unsigned long)fs.f_type == DMA_BUF_MAGIC;
}
