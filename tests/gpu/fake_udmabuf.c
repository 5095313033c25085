/* SPDX-License-Identifier: MIT */
/*
 * In the place of examples/gpu/gpu_udmabuf.c, for machines without /dev/udmabuf: a "dma-buf" is a
 * memfd in which is what it was to be made of, a struct udmabuf_create_list; one of vu-gpu's own
 * memory (which may not grow, either) is that memory.
 */
#include "fake_udmabuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../examples/gpu/gpu_udmabuf.h"

int udmabuf_open(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int udmabuf_make(int udmabuf, const struct udmabuf_create_list *list)
{
	const char *fails = getenv(FAKE_UDMABUF_FAILS);
	const size_t size = sizeof(*list) + list->count * sizeof(list->list[0]);
	int fd;

	(void)udmabuf;
	if (fails)
		return -atoi(fails);
	if (fcntl((int)list->list[0].memfd, F_GET_SEALS) & F_SEAL_GROW)
		return fcntl((int)list->list[0].memfd, F_DUPFD_CLOEXEC, 0);
	fd = memfd_create("dma-buf", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, list, size) != (ssize_t)size) {
		close(fd);
		return -EIO;
	}
	return fd;
}

bool udmabuf_is_one(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}
