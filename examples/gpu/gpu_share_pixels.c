/* SPDX-License-Identifier: MIT */
/*
 * See gpu_share_make.h: a screen's pixels in a memfd of our own.  What a display that reads them
 * sees may be half of the next picture: they are drawn when the guest says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu_share_make.h"
#include "gpu_udmabuf.h"

struct share *share_new(const struct share *share, int fd, struct share_problem *problem)
{
	struct share *copy = malloc(sizeof(*copy));

	if (copy) {
		*copy = *share;
		copy->fd = fd;
	} else {
		*problem = (struct share_problem){.why = "no memory for it"};
		close(fd);
	}
	return copy;
}

void share_free(struct share *share)
{
	close(share->fd);
	free(share);
}

static uint64_t in_pages(uint64_t len)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) / page * page;
}

static uint64_t size_of(const struct screen *s)
{
	return in_pages((uint64_t)s->width * s->height * PIXEL);
}

/* As large for good, as udmabuf wants it; -1. */
static int make_memory(uint64_t size)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = memfd_create("screen", MFD_CLOEXEC | MFD_ALLOW_SEALING), error;

	if (fd < 0)
		return -1;
	if (!ftruncate(fd, (off_t)size) && !fcntl(fd, F_ADD_SEALS, seals))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int make_dmabuf(const struct card *card, int memory, uint64_t size)
{
	struct {
		struct udmabuf_create_list list;
		struct udmabuf_create_item item;
	} one = {
		.list = {.flags = UDMABUF_FLAGS_CLOEXEC, .count = 1},
		.item = {.memfd = (uint32_t)memory, .size = size},
	};

	return card->sharing.make(card->sharing.opaque, &one.list);
}

static void move(struct screen *s, void *pixels)
{
	memcpy(pixels, s->pixels, (size_t)s->width * s->height * PIXEL);
	share_pixels_free(s);
	s->pixels = pixels;
}

struct share *share_pixels(struct card *card, struct screen *s, struct share_problem *problem)
{
	const struct share shape = {.width = s->width,
				    .height = s->height,
				    .stride = s->width * PIXEL,
				    .fourcc = share_fourcc(PIXMAN_x8r8g8b8)};
	const uint64_t size = size_of(s);
	struct share *share = NULL;
	void *pixels = MAP_FAILED;
	int memory = make_memory(size), dmabuf = -1;

	card->work += size;
	*problem = (struct share_problem){"a memfd", errno};
	if (memory >= 0) {
		dmabuf = make_dmabuf(card, memory, size);
		*problem = (struct share_problem){UDMABUF_DEVICE, -dmabuf};
	}
	if (dmabuf >= 0) {
		pixels = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
		*problem = (struct share_problem){"a memfd", errno};
	}
	if (memory >= 0)
		close(memory);
	if (pixels != MAP_FAILED)
		share = share_new(&shape, dmabuf, problem);
	else if (dmabuf >= 0)
		close(dmabuf);
	if (share)
		move(s, pixels);
	else if (pixels != MAP_FAILED)
		munmap(pixels, size);
	return share;
}

void share_pixels_free(struct screen *s)
{
	if (s->own) {
		munmap(s->pixels, size_of(s));
		share_free(s->own);
	} else {
		free(s->pixels);
	}
	s->own = NULL;
	s->pixels = NULL;
}
