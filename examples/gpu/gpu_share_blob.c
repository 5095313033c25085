/* SPDX-License-Identifier: MIT */
/*
 * See gpu_share_make.h.  The protocol has no offset, so a dma-buf begins with the first pixel that
 * is shown; and it has whole pages, which a Linux guest's blobs are, but a part of one need not be.
 */
#include "gpu_share_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "gpu_udmabuf.h"

enum { PAGE_WORK = 512 }; /* to pin one takes as long as so many bytes of pixels */

enum {
	MODIFIER_LINEAR = 0, /* line behind line */
};

/* Bytes in the order of memory, as DRM names them, too.  What a screen shows nothing shines
 * through.
 */
uint32_t share_fourcc(pixman_format_code_t format)
{
	static const struct {
		uint32_t virtio, fourcc;
	} formats[] = {
		{VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, FOURCC('X', 'R', '2', '4')},
		{VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, FOURCC('X', 'R', '2', '4')},
		{VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, FOURCC('B', 'X', '2', '4')},
		{VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, FOURCC('B', 'X', '2', '4')},
		{VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, FOURCC('X', 'B', '2', '4')},
		{VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, FOURCC('R', 'X', '2', '4')},
		{VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, FOURCC('R', 'X', '2', '4')},
		{VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, FOURCC('X', 'B', '2', '4')},
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (card_format(formats[i].virtio) == format)
			return formats[i].fourcc;
	return 0;
}

struct share share_blob_wanted(const struct screen *s)
{
	return (struct share){
		.offset = s->layout.offset,
		.width = s->width,
		.height = s->height,
		.stride = s->layout.stride,
		.fourcc = share_fourcc(s->layout.format),
		.modifier = MODIFIER_LINEAR,
	};
}

/* --- which pages --- */

/* A list with room for all, which udmabuf_make() takes. */
struct pages {
	struct udmabuf_create_list *list;
	uint64_t page;
};

static int file_of(const struct card *card, uint64_t addr, uint64_t len, uint64_t *offset)
{
	uint64_t end;
	int fd = card->sharing.file(card->sharing.opaque, addr, offset);

	/* Pieces that follow each other may be of two regions. */
	if (fd < 0 || card->sharing.file(card->sharing.opaque, addr + len - 1, &end) != fd ||
	    end - *offset != len - 1)
		return -1;
	return fd;
}

static const char *add(struct pages *p, int fd, uint64_t offset, uint64_t len)
{
	struct udmabuf_create_item *item = p->list->list + p->list->count;

	if (!p->list->count && offset % p->page)
		return "its first pixel is at no page's beginning";
	if (p->list->count && (item[-1].size % p->page || offset % p->page))
		return "its memory is in pieces of less than a page";
	if (p->list->count && item[-1].memfd == (uint32_t)fd &&
	    item[-1].offset + item[-1].size == offset) {
		item[-1].size += len;
		return NULL;
	}
	if (p->list->count == UDMABUF_MOST)
		return "its memory is in more than 1024 pieces";
	*item = (struct udmabuf_create_item){.memfd = (uint32_t)fd, .offset = offset, .size = len};
	p->list->count++;
	return NULL;
}

/* Of these bytes of the blob. */
static const char *add_all(const struct card *card, const struct backing *b, uint64_t from,
			   uint64_t end, struct pages *p)
{
	const char *why = NULL;

	for (uint32_t i = 0; i < b->n && !why; i++) {
		const struct backing_piece *piece = &b->pieces[i];
		uint64_t low = piece->at > from ? piece->at : from, high = piece->at + piece->len;
		uint64_t offset;
		int fd;

		if (high > end)
			high = end;
		if (low >= high)
			continue;
		fd = file_of(card, piece->addr + (low - piece->at), high - low, &offset);
		why = fd < 0 ? "its memory is of no file, or of several"
			     : add(p, fd, offset, high - low);
	}
	return why;
}

/* The kernel wants a file that nobody can cut off under it, and that is to be written to. */
static bool are_sealed(const struct udmabuf_create_list *list)
{
	int last = -1;

	for (uint32_t i = 0; i < list->count; i++) {
		int fd = (int)list->list[i].memfd, seals;

		if (fd == last)
			continue;
		seals = fcntl(fd, F_GET_SEALS);
		if (seals < 0 || !(seals & F_SEAL_SHRINK) || seals & F_SEAL_WRITE)
			return false;
		last = fd;
	}
	return true;
}

static int make(struct card *card, struct pages *p, struct share_problem *problem)
{
	struct udmabuf_create_item *last = &p->list->list[p->list->count - 1];
	int fd;

	/* The rest of the page is the guest's, too; or there is none, and the kernel says so. */
	last->size += (p->page - last->size % p->page) % p->page;
	problem->why = "guest memory is no memfd that is sealed against shrinking "
		       "(QEMU: memory-backend-memfd)";
	if (!are_sealed(p->list))
		return -1;
	for (uint32_t i = 0; i < p->list->count; i++)
		card->work += p->list->list[i].size / p->page * PAGE_WORK;
	p->list->flags = UDMABUF_FLAGS_CLOEXEC;
	fd = card->sharing.make(card->sharing.opaque, p->list);
	problem->why = UDMABUF_DEVICE;
	problem->error = fd < 0 ? -fd : 0;
	return fd < 0 ? -1 : fd;
}

struct share *share_blob(struct card *card, const struct resource *r, const struct share *share,
			 struct share_problem *problem)
{
	/* As much of the last line as of the others, where there is more of the blob. */
	uint64_t all = share->offset + (uint64_t)share->height * share->stride;
	uint64_t end = all < r->size ? all : r->size;
	struct pages p = {.page = (uint64_t)sysconf(_SC_PAGESIZE)};
	int fd = -1;

	*problem = (struct share_problem){.why = "the blob has no memory any more"};
	if (!backing_holds(&r->backing, 0, end))
		return NULL;
	problem->why = "no memory for a list of its pages";
	p.list = calloc(1, sizeof(*p.list) + UDMABUF_MOST * sizeof(p.list->list[0]));
	if (!p.list)
		return NULL;
	problem->why = add_all(card, &r->backing, share->offset, end, &p);
	if (!problem->why)
		fd = make(card, &p, problem);
	free(p.list);
	return fd < 0 ? NULL : share_new(share, fd, problem);
}
