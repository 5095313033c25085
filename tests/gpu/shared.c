/* SPDX-License-Identifier: MIT */
/* See shared.h. */
#include "shared.h"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../devices/client.h"

void shared_start(struct rig *rig, bool copies)
{
	static const char *const with_dir[] = {"--dmabuf", "--max-fps=0", "--max-outputs=2", NULL};
	const char *without[] = {"--control",	rig->control,	   "--dmabuf",
				 "--max-fps=0", "--max-outputs=2", NULL};

	rig->config.n_queues = GPU_QUEUES;
	rig->has_sandbox = true;
	if (copies)
		gpu_spawn(rig, with_dir);
	else
		rig_spawn(rig, without);
	rig_connect(rig);
	for (uint32_t i = 0; i < rig->peer->guest->n_regions; i++)
		assert_int_equal(fcntl(rig->peer->guest->regions[i].fd, F_ADD_SEALS, F_SEAL_SHRINK),
				 0);
	gpu_begin(rig);
}

int shared_display(struct rig *rig, uint64_t features)
{
	int fd = display_give(rig);
	struct got got = shared_expect(fd, GET_PROTOCOL_FEATURES);

	display_send(fd, GET_PROTOCOL_FEATURES, REPLY, &features, sizeof(features));
	got = shared_expect(fd, SET_PROTOCOL_FEATURES);
	assert_true(got.words[0] == (features & 3));
	return fd;
}

static void map_drawn(int fd, size_t size, struct got *got)
{
	static void *mapped;
	static size_t len;

	if (mapped)
		munmap(mapped, len);
	mapped = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(mapped != MAP_FAILED && size % PAGE == 0);
	len = size;
	got->drawn = mapped;
	close(fd);
}

static void look_into(int fd, struct got *got)
{
	struct udmabuf_create_list list;
	struct udmabuf_create_item item;
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	got->ino = st.st_ino;
	if (fcntl(fd, F_GET_SEALS) & F_SEAL_GROW) {
		map_drawn(fd, (size_t)st.st_size, got);
		return;
	}
	assert_int_equal(pread(fd, &list, sizeof(list), 0), sizeof(list));
	assert_int_equal(list.flags, UDMABUF_FLAGS_CLOEXEC);
	assert_in_range(list.count, 1, PIECES);
	got->n_pieces = list.count;
	for (uint32_t i = 0; i < list.count; i++) {
		assert_int_equal(
			pread(fd, &item, sizeof(item), (off_t)(sizeof(list) + i * sizeof(item))),
			sizeof(item));
		got->pieces[i].offset = item.offset;
		got->pieces[i].size = item.size;
	}
	close(fd);
}

/* As QEMU reads: the descriptor comes with the first four bytes. */
static int receive(int fd, uint32_t *request)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = {request, sizeof(*request)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf)};
	const struct cmsghdr *c;
	int got;

	assert_int_equal(recvmsg(fd, &mh, MSG_CMSG_CLOEXEC | MSG_WAITALL), sizeof(*request));
	c = CMSG_FIRSTHDR(&mh);
	if (!c)
		return -1;
	assert_int_equal(c->cmsg_len, CMSG_LEN(sizeof(int)));
	memcpy(&got, CMSG_DATA(c), sizeof(got));
	return got;
}

static void skip_pixels(int fd, struct got *got)
{
	char pixels[4 * PICTURE * PICTURE];

	client_read(fd, got->words, 20);
	assert_in_range(got->size, 20, 20 + sizeof(pixels));
	client_read(fd, pixels, got->size - 20);
}

struct got shared_next(int fd)
{
	struct got got = {0};
	uint32_t rest[2];
	int dmabuf = receive(fd, &got.request);

	client_read(fd, rest, sizeof(rest));
	assert_int_equal(rest[0], 0);
	got.size = rest[1];
	if (got.request == UPDATE) {
		skip_pixels(fd, &got);
	} else {
		assert_true(got.size <= sizeof(got.words));
		if (got.size)
			client_read(fd, got.words, got.size);
	}
	if (dmabuf >= 0)
		look_into(dmabuf, &got);
	return got;
}

struct got shared_expect(int fd, uint32_t request)
{
	struct got got = shared_next(fd);

	if (got.request != request)
		fail_msg("message %u came, and not %u", got.request, request);
	return got;
}

void shared_ack(int fd)
{
	display_send(fd, DMABUF_UPDATE, REPLY, NULL, 0);
}

void shared_expect_gone(int fd, uint32_t output, uint32_t width, uint32_t height)
{
	struct got got = shared_expect(fd, DMABUF_SCANOUT);

	assert_int_equal(got.words[0], output);
	assert_true(!got.words[3] && !got.words[4] && !got.ino);
	got = shared_expect(fd, SCANOUT);
	assert_int_equal(got.words[0], output);
	assert_int_equal(got.words[1], width);
	assert_int_equal(got.words[2], height);
}

void shared_expect_shown(int fd, uint32_t output, const struct rig_buffer *memory)
{
	struct got got = shared_expect(fd, DMABUF_SCANOUT2);

	assert_int_equal(got.words[0], output);
	assert_int_equal(got.n_pieces, 1);
	assert_true(got.pieces[0].offset == memory->gpa && got.pieces[0].size == PAGE);
	got = shared_expect(fd, DMABUF_UPDATE);
	assert_int_equal(got.size, 20);
	assert_int_equal(got.words[0], output);
	assert_true(!got.words[1] && !got.words[2]);
	assert_int_equal(got.words[3], PICTURE);
	assert_int_equal(got.words[4], PICTURE);
}

void shared_is_drawn(const uint32_t *drawn, const struct rig_buffer *memory)
{
	for (uint32_t i = 0; i < PICTURE * PICTURE; i++)
		assert_int_equal(drawn[i] & 0xffffff, gpu_pixel(memory, i));
}

void shared_expect_drawn(int fd, uint32_t output, const struct rig_buffer *memory)
{
	struct got got = shared_expect(fd, DMABUF_SCANOUT2), update;

	assert_int_equal(got.words[0], output);
	assert_int_equal(got.words[3], PICTURE);
	assert_int_equal(got.words[4], PICTURE);
	assert_int_equal(got.words[7], 4 * PICTURE);
	assert_memory_equal(&got.words[9], "XR24", 4);
	assert_non_null(got.drawn);
	update = shared_expect(fd, DMABUF_UPDATE);
	assert_int_equal(update.words[0], output);
	assert_int_equal(update.words[4], PICTURE);
	shared_is_drawn(got.drawn, memory);
}

void shared_pages(struct rig *rig, struct rig_buffer *memory, uint32_t seed)
{
	memory->len = PAGE;
	memory->gpa = guest_alloc(rig->peer->guest, PAGE, PAGE);
	assert_true(memory->gpa != GUEST_NONE);
	memory->data = guest_ptr(rig->peer->guest, memory->gpa, PAGE);
	fill(memory->data, PAGE, seed);
}

void shared_blob(uint32_t id, const struct rig_buffer *memory)
{
	const struct virtio_gpu_mem_entry entry = gpu_entry(memory->gpa, memory->len);

	gpu_ok(gpu_try_blob(id, memory->len, &entry, 1));
}

void shared_show(uint32_t output, uint32_t id)
{
	gpu_ok(gpu_try_show_blob(output, id, PICTURE, PICTURE, 4 * PICTURE, 0));
}

void shared_flush(uint32_t id)
{
	gpu_ok(gpu_try_flush(id, gpu_rect(0, 0, PICTURE, PICTURE)));
}
