/* SPDX-License-Identifier: MIT */
/* See image.h. */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "kit/test.h"

unsigned char image_byte(uint64_t sector)
{
	return (unsigned char)(1 + sector * 7 % 251);
}

void image_fill(unsigned char *data, uint64_t sector, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = image_byte(sector + i / IMAGE_SECTOR);
}

void image_make(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	unsigned char *data = malloc(size);

	assert_return_code(fd, errno);
	assert_non_null(data);
	image_fill(data, 0, size);
	assert_int_equal(pwrite(fd, data, size, 0), size);
	close(fd);
	free(data);
}

void image_read(const char *path, uint64_t offset, void *data, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_int_equal(pread(fd, data, len, (off_t)offset), len);
	close(fd);
}
