/* SPDX-License-Identifier: MIT */
/* userfaultfd(2), as postcopy needs it. */
#include "mem/userfault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xaa, 0x00)
#endif

int userfault_device(void)
{
	return open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
}

int userfault_open(int device)
{
	const int flags = O_CLOEXEC | O_NONBLOCK;
	struct uffdio_api api = {.api = UFFD_API};
	int fd = device < 0 ? (int)syscall(SYS_userfaultfd, flags)
			    : ioctl(device, USERFAULTFD_IOC_NEW, flags);
	int err;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static struct uffdio_range region_range(const struct region *region)
{
	return (struct uffdio_range){(uintptr_t)region->map, region->map_len};
}

int userfault_watch(int fd, const struct region *region)
{
	struct uffdio_register what = {
		.range = region_range(region),
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	/* A huge page would come whole, and fill what is still on its way with zeros. */
	(void)madvise(region->map, region->map_len, MADV_NOHUGEPAGE);
	/* What this mapping has seen already would not fault any more. */
	(void)madvise(region->map, region->map_len, MADV_DONTNEED);
	return ioctl(fd, UFFDIO_REGISTER, &what) ? -errno : 0;
}

int userfault_unwatch(int fd, const struct region *region)
{
	struct uffdio_range range = region_range(region);

	return ioctl(fd, UFFDIO_UNREGISTER, &range) ? -errno : 0;
}
