/* SPDX-License-Identifier: MIT */
/* See gpu_picture.h.  No state. */
#include "gpu_picture.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAME = 256 };

static unsigned char *picture_bytes(const uint32_t *pixels, uint64_t n)
{
	unsigned char *bytes = malloc(3 * n);

	for (uint64_t i = 0; bytes && i < n; i++) {
		bytes[3 * i] = (unsigned char)(pixels[i] >> 16);
		bytes[3 * i + 1] = (unsigned char)(pixels[i] >> 8);
		bytes[3 * i + 2] = (unsigned char)pixels[i];
	}
	return bytes;
}

static int picture_save(int fd, const uint32_t *pixels, uint32_t width, uint32_t height)
{
	png_image image = {
		.version = PNG_IMAGE_VERSION,
		.width = width,
		.height = height,
		.format = PNG_FORMAT_RGB,
		.flags = PNG_IMAGE_FLAG_FAST,
	};
	unsigned char *bytes = picture_bytes(pixels, (uint64_t)width * height);
	FILE *file = fdopen(fd, "wb");
	int ret = 0;

	if (!bytes || !file) {
		ret = -ENOMEM;
	} else {
		errno = 0;
		if (!png_image_write_to_stdio(&image, file, 0, bytes, 0, NULL))
			ret = errno ? -errno : -EIO;
	}
	free(bytes);
	if (!file)
		close(fd);
	else if (fclose(file) && !ret)
		ret = -errno;
	return ret;
}

int picture_write(int folder, const char *name, const uint32_t *pixels, uint32_t width,
		  uint32_t height)
{
	char part[NAME + 8];
	int fd, ret;

	if (snprintf(part, sizeof(part), ".%s.part", name) >= NAME)
		return -ENAMETOOLONG;
	fd = openat(folder, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = picture_save(fd, pixels, width, height);
	if (!ret && renameat(folder, part, folder, name) < 0)
		ret = -errno;
	if (ret)
		unlinkat(folder, part, 0);
	return ret;
}
