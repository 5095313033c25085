/* SPDX-License-Identifier: MIT */
/* vu-gpu --dmabuf with the kernel's udmabuf: a display maps what it is told, and sees the picture.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../devices/client.h"
#include "display.h"
#include "kit/counts.h"

enum { DMABUF_UPDATE = 10, DMABUF_SCANOUT2 = 12 };
enum { WIDTH = 1280, HEIGHT = 800, STRIDE = 4 * WIDTH, BYTES = STRIDE * HEIGHT };
enum { DMA_BUF = 0x444d4142 /* statfs(2): DMA_BUF_MAGIC */ };

/* As a display has it: for reading. */
struct dmabuf {
	int fd;
	size_t len;
	const unsigned char *bytes;
	uint32_t words[12];
};

static void start(struct rig *rig, bool copies)
{
	static const char *const with_dir[] = {"--dmabuf", "--max-fps=0", NULL};
	const char *without[] = {"--control", rig->control, "--dmabuf", "--max-fps=0", NULL};

	rig->config.n_queues = GPU_QUEUES;
	rig->has_sandbox = true;
	if (copies)
		gpu_spawn(rig, with_dir);
	else
		rig_spawn(rig, without);
	rig_connect(rig);
	for (uint32_t i = 0; i < rig->peer->guest->n_regions; i++)
		assert_int_equal(fcntl(rig->peer->guest->regions[i].fd, F_ADD_SEALS,
				       F_SEAL_SHRINK | F_SEAL_GROW),
				 0);
	gpu_begin(rig);
}

static int begin_display(struct rig *rig)
{
	const uint64_t features = 3;
	int fd = display_give(rig);
	struct told told;

	display_expect(fd, GET_PROTOCOL_FEATURES, NULL);
	display_send(fd, GET_PROTOCOL_FEATURES, REPLY, &features, sizeof(features));
	told = display_expect(fd, SET_PROTOCOL_FEATURES, NULL);
	assert_int_equal(told.words[0], 3);
	return fd;
}

static int receive(int socket, void *data, size_t len)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {data, len};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf)};
	const struct cmsghdr *c;
	int fd;

	assert_int_equal(recvmsg(socket, &mh, MSG_CMSG_CLOEXEC | MSG_WAITALL), len);
	c = CMSG_FIRSTHDR(&mh);
	assert_non_null(c);
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void sync_reads(const struct dmabuf *d, uint64_t edge)
{
	struct dma_buf_sync sync = {.flags = DMA_BUF_SYNC_READ | edge};

	assert_int_equal(ioctl(d->fd, DMA_BUF_IOCTL_SYNC, &sync), 0);
}

static struct dmabuf expect_dmabuf(int socket)
{
	struct dmabuf d = {.fd = -1};
	uint32_t head[3];
	struct statfs fs;

	d.fd = receive(socket, head, sizeof(head));
	assert_int_equal(head[0], DMABUF_SCANOUT2);
	assert_int_equal(head[2], 48);
	client_read(socket, d.words, 48);
	assert_int_equal(fstatfs(d.fd, &fs), 0);
	assert_true(fs.f_type == DMA_BUF);
	d.len = (size_t)lseek(d.fd, 0, SEEK_END);
	d.bytes = mmap(NULL, d.len, PROT_READ, MAP_SHARED, d.fd, 0);
	assert_true(d.bytes != MAP_FAILED);
	return d;
}

static void drop(struct dmabuf *d)
{
	munmap((void *)(uintptr_t)d->bytes, d->len);
	close(d->fd);
}

static void is_in(const struct dmabuf *d, const unsigned char *bytes, size_t len)
{
	sync_reads(d, DMA_BUF_SYNC_START);
	assert_true(d->len >= len);
	assert_memory_equal(d->bytes, bytes, len);
	sync_reads(d, DMA_BUF_SYNC_END);
}

/* The rectangle that the display is told is new. */
static void expect_update(int socket, uint32_t y, uint32_t height)
{
	struct told told = display_expect(socket, DMABUF_UPDATE, NULL);

	assert_int_equal(told.words[2], y);
	assert_int_equal(told.words[4], height);
	display_send(socket, DMABUF_UPDATE, REPLY, NULL, 0);
}

/* A blob in pages that lie in the opposite order of the memfd's, two by two. */
static void make_blob(struct rig *rig, uint32_t id, struct rig_buffer *memory,
		      unsigned char *picture)
{
	enum { PIECE = 8192, N = BYTES / PIECE };
	static struct virtio_gpu_mem_entry list[N];

	memory->len = BYTES;
	memory->gpa = guest_alloc(rig->peer->guest, BYTES, 4096);
	assert_true(memory->gpa != GUEST_NONE);
	memory->data = guest_ptr(rig->peer->guest, memory->gpa, BYTES);
	fill(memory->data, BYTES, id);
	for (uint32_t i = 0; i < N; i++) {
		list[i] = gpu_entry(memory->gpa + (N - 1 - i) * PIECE, PIECE);
		memcpy(picture + i * PIECE, memory->data + (N - 1 - i) * PIECE, PIECE);
	}
	gpu_ok(gpu_try_blob(id, BYTES, list, N));
}

static void a_display_has_the_guest_s_own_pages(void **state)
{
	static unsigned char picture[BYTES];
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct dmabuf d;
	int fd, before;

	start(rig, false);
	fd = begin_display(rig);
	make_blob(rig, 1, &memory, picture);
	before = count_fds_of(rig->program.pid);
	gpu_ok(gpu_try_show_blob(0, 1, WIDTH, HEIGHT, STRIDE, 0));
	d = expect_dmabuf(fd);
	assert_int_equal(d.words[3], WIDTH);
	assert_int_equal(d.words[4], HEIGHT);
	assert_int_equal(d.words[7], STRIDE);
	assert_memory_equal(&d.words[9], "XR24", 4);
	assert_int_equal(d.len, BYTES);
	expect_update(fd, 0, HEIGHT);
	is_in(&d, picture, BYTES);
	/* What the guest draws is there, before anybody is told. */
	memory.data[BYTES - 8192] ^= 0xff;
	picture[0] ^= 0xff;
	is_in(&d, picture, BYTES);
	gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, WIDTH, 1)));
	expect_update(fd, 0, 1);
	assert_int_equal(count_fds_of(rig->program.pid), before + 1);
	/* The picture stays the display's until that lets go. */
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1));
	display_until(fd, SCANOUT, NULL);
	assert_int_equal(count_fds_of(rig->program.pid), before);
	is_in(&d, picture, BYTES);
	drop(&d);
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "resource 1: it is shown as a dma-buf"), 1);
}

static void a_display_has_what_is_drawn_here(void **state)
{
	static unsigned char picture[BYTES];
	struct virtio_gpu_mem_entry entry;
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct dmabuf d;
	int fd;

	start(rig, true);
	fd = begin_display(rig);
	rig_buffer(rig, &memory, BYTES);
	fill(memory.data, BYTES, 3);
	entry = gpu_entry(memory.gpa, BYTES);
	gpu_ok(gpu_try_create(1, XRGB, WIDTH, HEIGHT));
	gpu_ok(gpu_try_attach(1, &entry, 1));
	gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, WIDTH, HEIGHT), 0));
	gpu_ok(gpu_try_show(0, 1, gpu_rect(0, 0, WIDTH, HEIGHT)));
	d = expect_dmabuf(fd);
	expect_update(fd, 0, HEIGHT);
	is_in(&d, memory.data, BYTES);
	memory.data[STRIDE * 17 + 4] ^= 0xff;
	gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, WIDTH, HEIGHT), 0));
	gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, WIDTH, HEIGHT)));
	expect_update(fd, 17, 1);
	is_in(&d, memory.data, BYTES);
	memcpy(picture, memory.data, BYTES);
	/* Another guest's, later, is drawn in another place. */
	peer_disconnect(rig->peer);
	client_expect_end(fd);
	close(fd);
	rig_connect(rig);
	gpu_begin(rig);
	fd = begin_display(rig);
	is_in(&d, picture, BYTES);
	drop(&d);
	close(fd);
	rig_stop(rig);
}

static const struct guest_region plugged = {
	.gpa = UINT64_C(1) << 32, .size = BYTES, .uva = UINT64_C(0x7d0000000000)};

static void memory_that_the_front_end_takes_away_stays_with_the_display(void **state)
{
	static unsigned char picture[BYTES];
	struct virtio_gpu_mem_entry entry;
	struct rig *rig = *state;
	struct guest_region *region;
	struct dmabuf d;
	int fd, index;

	start(rig, false);
	fd = begin_display(rig);
	index = guest_add(rig->peer->guest, &plugged);
	assert_true(index > 0);
	region = &rig->peer->guest->regions[index];
	assert_int_equal(fcntl(region->fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	fill(region->host, BYTES, 9);
	memcpy(picture, region->host, BYTES);
	rig_check(rig, frontend_add_mem_reg(&rig->peer->frontend, region));
	entry = gpu_entry(plugged.gpa, BYTES);
	gpu_ok(gpu_try_blob(1, BYTES, &entry, 1));
	gpu_ok(gpu_try_show_blob(0, 1, WIDTH, HEIGHT, STRIDE, 0));
	d = expect_dmabuf(fd);
	expect_update(fd, 0, HEIGHT);
	rig_check(rig, frontend_rem_mem_reg(&rig->peer->frontend, region));
	/* The memfd gives its pages up; the dma-buf has them. */
	assert_int_equal(
		fallocate(region->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BYTES), 0);
	assert_int_equal(region->host[0], 0);
	is_in(&d, picture, BYTES);
	drop(&d);
	close(fd);
	rig_stop(rig);
}

/* The last line of a blob's that ends within a page; what udmabuf does not take. */
static void what_udmabuf_does_not_take_is_drawn_here(void **state)
{
	enum { PAGES = 1025, PAGE = 4096 };
	static struct virtio_gpu_mem_entry list[PAGES];
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct dmabuf d;
	int fd;

	start(rig, false);
	fd = begin_display(rig);
	memory.gpa = guest_alloc(rig->peer->guest, 2 * PAGE, PAGE);
	memory.data = guest_ptr(rig->peer->guest, memory.gpa, PAGE);
	fill(memory.data, 2 * PAGE, 4);
	for (uint32_t i = 0; i < PAGES; i++)
		list[i] = gpu_entry(memory.gpa, PAGE);
	/* As many as it takes, each a page of its own. */
	gpu_ok(gpu_try_blob(1, (PAGES - 1) * PAGE, list, PAGES - 1));
	gpu_ok(gpu_try_show_blob(0, 1, 1024, PAGES - 1, PAGE, 0));
	d = expect_dmabuf(fd);
	assert_int_equal(d.len, (PAGES - 1) * PAGE);
	assert_memory_equal(d.bytes + 777 * PAGE, memory.data, PAGE);
	expect_update(fd, 0, PAGES - 1);
	drop(&d);
	gpu_ok(gpu_try_blob(2, PAGES * PAGE, list, PAGES));
	gpu_ok(gpu_try_show_blob(0, 2, 1024, PAGES, PAGE, 0));
	d = expect_dmabuf(fd);
	expect_update(fd, 0, PAGES);
	assert_memory_equal(d.bytes + 777 * PAGE, memory.data, PAGE);
	drop(&d);
	list[0] = gpu_entry(memory.gpa, PAGE + 64);
	gpu_ok(gpu_try_blob(3, PAGE + 64, list, 1));
	gpu_ok(gpu_try_show_blob(0, 3, 16, 65, 64, 0));
	d = expect_dmabuf(fd);
	assert_int_equal(d.len, 2 * PAGE);
	expect_update(fd, 0, 65);
	assert_memory_equal(d.bytes, memory.data, PAGE + 64);
	drop(&d);
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "resource 2: it is copied"), 1);
	assert_int_equal(rig_logged(rig, "shown as a dma-buf: its memory is in more than"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(a_display_has_the_guest_s_own_pages),
		GPU_TEST(a_display_has_what_is_drawn_here),
		GPU_TEST(memory_that_the_front_end_takes_away_stays_with_the_display),
		GPU_TEST(what_udmabuf_does_not_take_is_drawn_here),
	};
	int fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("skipped: /dev/udmabuf: %s\n", strerror(errno));
		return 77;
	}
	close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
