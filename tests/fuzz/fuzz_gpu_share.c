/* SPDX-License-Identifier: MIT */
/*
 * Screens of vu-gpu's as dma-bufs: an input is a row of blobs in odd pieces of guest memory, ways
 * to show them, displays and memory that come and go.  Whatever is shown as the guest's own pages
 * must have the pixels that drawing it would read, and nothing in front of them; what goes leaves
 * no descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "gpu_card.h"
#include "gpu_udmabuf.h"

enum { PAGE = 4096, PAGES = 24, MEMORY = PAGES * PAGE, HALF = MEMORY / 2 };
enum { IDS = 5, OUTPUTS = 2, MAX_LIST = 8, STEPS = 100, FDS = 128, UNIT = 256 };

struct bench {
	struct card card;
	int files[2];	       /* of one memfd: the second half of guest memory is its first */
	unsigned char *memory; /* as the guest has it */
	bool gone, refuses;
	/* What each descriptor was made of. */
	struct made {
		uint32_t n;
		struct udmabuf_create_item items[MAX_LIST];
	} made[FDS];
};

/* As the library has it: a range may touch both. */
static int map(void *opaque, uint64_t addr, uint64_t len, struct iovec *iov, uint32_t max)
{
	const struct bench *b = opaque;
	uint64_t first = addr < HALF ? HALF - addr : len;

	if (b->gone || addr > MEMORY || len > MEMORY - addr)
		return -EFAULT;
	if (!len)
		return 0;
	require(max >= 2);
	iov[0] = (struct iovec){b->memory + addr, first < len ? first : len};
	iov[1] = (struct iovec){b->memory + addr + first, len - iov[0].iov_len};
	return first < len ? 2 : 1;
}

static int file(void *opaque, uint64_t addr, uint64_t *offset)
{
	const struct bench *b = opaque;

	if (b->gone || addr >= MEMORY)
		return -ENOENT;
	*offset = addr < HALF ? addr + HALF : addr - HALF;
	return b->files[addr >= HALF];
}

static int make(void *opaque, const struct udmabuf_create_list *list)
{
	struct bench *b = opaque;
	uint32_t n = list->count < MAX_LIST ? list->count : MAX_LIST;
	int fd;

	require(list->count && list->flags == UDMABUF_FLAGS_CLOEXEC);
	for (uint32_t i = 0; i < list->count; i++)
		require(list->list[i].size && list->list[i].size % PAGE == 0 &&
			list->list[i].offset % PAGE == 0 && !list->list[i].__pad);
	if (b->refuses)
		return -ENOMEM;
	fd = fcntl((int)list->list[0].memfd, F_DUPFD_CLOEXEC, 0);
	require(fd >= 0 && fd < FDS);
	b->made[fd].n = n;
	memcpy(b->made[fd].items, list->list, n * sizeof(list->list[0]));
	return fd;
}

static void say(void *opaque, const char *what, uint32_t id, const struct share_problem *problem)
{
	(void)opaque;
	(void)id;
	require(what && (!problem || problem->why));
}

/* --- what must be true --- */

static void check_bytes(const struct bench *b, const struct screen *s, const struct made *made)
{
	const uint64_t len = (s->height - 1) * (uint64_t)s->layout.stride + s->width * PIXEL;
	unsigned char page[PAGE], wanted[PAGE];
	uint64_t at = 0;

	for (uint32_t i = 0; i < made->n && at < len; i++)
		for (uint64_t in = 0; in < made->items[i].size && at < len;
		     in += PAGE, at += PAGE) {
			size_t n = len - at < PAGE ? (size_t)(len - at) : PAGE;

			require(pread((int)made->items[i].memfd, page, n,
				      (off_t)(made->items[i].offset + in)) == (ssize_t)n);
			backing_read(&s->resource->backing, s->layout.offset + at, wanted, n);
			require(!memcmp(page, wanted, n));
		}
	require(at >= len);
	(void)b;
}

static void check_screen(const struct bench *b, const struct screen *s)
{
	const struct share *share = share_of(s);

	require((share != NULL) == (s->shared != SHARED_NOT));
	if (!share)
		return;
	require(b->card.sharing.on && s->resource && share->fd < FDS && share->fourcc);
	require(share->width == s->width && share->height == s->height && !share->modifier);
	if (s->shared == SHARED_RESOURCE) {
		require(!b->gone && share->stride == s->layout.stride);
		check_bytes(b, s, &b->made[share->fd]);
	} else {
		require(share->stride == s->width * PIXEL && b->made[share->fd].n == 1);
	}
}

static void check(struct bench *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < CARD_OUTPUTS; i++)
		check_screen(b, &b->card.screens[i]);
	for (uint32_t id = 1; id <= IDS; id++) {
		const struct resource *r = card_look(&b->card, id);

		n += r && r->share;
	}
	require(n == b->card.sharing.n);
}

/* --- what a guest does --- */

struct list {
	struct card_ranges ranges; /* first */
	struct fuzz_input *in;
};

/* Mostly whole pages. */
static int next(struct card_ranges *ranges, uint64_t *addr, uint32_t *len)
{
	struct fuzz_input *in = ((struct list *)ranges)->in;
	uint8_t how = fuzz_u8(in);

	*addr = fuzz_u8(in) % PAGES * PAGE;
	*len = (1 + how % 4U) * PAGE;
	if (how & 0x10)
		*addr += fuzz_u8(in) * 16U;
	if (how & 0x20)
		*len = fuzz_u8(in) * (uint32_t)UNIT;
	return 0;
}

static void create(struct bench *b, struct fuzz_input *in)
{
	struct list list = {{next, 0}, in};
	uint32_t id = 1 + fuzz_u8(in) % IDS;
	uint64_t size;

	list.ranges.n = 1 + fuzz_u8(in) % MAX_LIST;
	size = (1 + fuzz_u8(in) % 8U) * (uint64_t)PAGE;
	size -= fuzz_u8(in) % 64;
	card_create_blob(&b->card, id, size, &list.ranges);
}

static void show(struct bench *b, struct fuzz_input *in)
{
	struct virtio_gpu_set_scanout_blob blob = {0};
	uint8_t offset;

	blob.scanout_id = fuzz_u8(in) % OUTPUTS;
	blob.resource_id = fuzz_u8(in) % (IDS + 1);
	blob.format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM + fuzz_u8(in) % 2;
	blob.width = 1 + fuzz_u8(in);
	blob.height = 1 + fuzz_u8(in);
	blob.strides[0] = blob.width * PIXEL + fuzz_u8(in) * 16U;
	offset = fuzz_u8(in);
	/* Mostly at a page. */
	blob.offsets[0] = offset & 0x80 ? (offset & 0x7f) * (uint32_t)UNIT : offset % 8U * PAGE;
	blob.r = (struct virtio_gpu_rect){0, 0, blob.width, blob.height};
	if (fuzz_u8(in) & 1) {
		blob.r.y = fuzz_u8(in) % blob.height;
		blob.r.height -= blob.r.y;
	}
	card_show_blob(&b->card, &blob);
}

static void flush(struct bench *b, struct fuzz_input *in)
{
	uint32_t id = 1 + fuzz_u8(in) % IDS;
	struct virtio_gpu_rect rect;

	rect.x = fuzz_u8(in);
	rect.y = fuzz_u8(in);
	rect.width = 1 + fuzz_u8(in);
	rect.height = 1 + fuzz_u8(in);
	card_flush(&b->card, id, &rect);
}

static void step(struct bench *b, struct fuzz_input *in)
{
	switch (fuzz_u8(in) % 12) {
	case 0:
	case 1:
		create(b, in);
		break;
	case 2:
		card_unref(&b->card, 1 + fuzz_u8(in) % IDS);
		break;
	case 3:
		share_all(&b->card, !b->card.sharing.on);
		break;
	case 4:
		b->gone = !b->gone;
		card_move(&b->card);
		break;
	case 5:
		b->refuses = !b->refuses;
		break;
	case 6:
		card_settle(&b->card);
		break;
	case 7:
		flush(b, in);
		break;
	case 8:
		if (fuzz_u8(in) > 250)
			card_clear(&b->card);
		break;
	default:
		show(b, in);
	}
	check(b);
}

/* --- life --- */

/* Nobody writes to it. */
static void make_memory(struct bench *b)
{
	unsigned char *at;

	b->files[0] = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	require(b->files[0] >= 0 && !ftruncate(b->files[0], MEMORY));
	require(!fcntl(b->files[0], F_ADD_SEALS, F_SEAL_SHRINK));
	b->files[1] = fcntl(b->files[0], F_DUPFD_CLOEXEC, 0);
	at = mmap(NULL, MEMORY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	require(at != MAP_FAILED);
	for (int i = 0; i < 2; i++)
		require(mmap(at + i * HALF, HALF, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			     b->files[i], i ? 0 : HALF) != MAP_FAILED);
	b->memory = at;
	for (uint32_t i = 0; i < MEMORY; i++)
		at[i] = (unsigned char)(i / PAGE * 29 + i * 7 + i / 256);
}

static void begin(struct bench *b)
{
	if (!b->memory)
		make_memory(b);
	memset(&b->card, 0, sizeof(b->card));
	b->gone = b->refuses = false;
	b->card.limits = (struct card_limits){UINT64_C(16) << 20, IDS};
	b->card.map = (struct backing_map){map, b};
	b->card.n_outputs = OUTPUTS;
	b->card.sharing = (struct sharing){.file = file, .make = make, .say = say, .opaque = b};
	require(!card_init(&b->card));
}

/* The lowest that is free. */
static int next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bench bench;
	struct fuzz_input in = {data, data + size};
	struct bench *b = &bench;
	int before;

	begin(b);
	before = next_fd();
	b->card.sharing.on = fuzz_u8(&in) & 1;
	b->card.sharing.copies = fuzz_u8(&in) & 1;
	for (int i = 0; i < STEPS && in.at < in.end; i++)
		step(b, &in);
	card_fini(&b->card);
	require(!b->card.sharing.n && next_fd() == before);
	return 0;
}
