/* SPDX-License-Identifier: MIT */
/* See shmem_rig.h. */
#include "rules/shmem_rig.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint64_t usual[] = {0, FIRST_LEN, 0, 0, SECOND_LEN};

uint32_t shmem_lost;

static void on_lost(struct vu_device *dev, void *opaque)
{
	struct rig *rig = opaque;

	assert_ptr_equal(dev, rig->dev);
	/* Before `stopped`. */
	assert_int_equal(rig->stopped + 1, rig->started);
	shmem_lost++;
}

int shmem_declare(struct rig *rig, const uint64_t *lens, uint32_t n)
{
	const struct vu_shmem_info info = {
		.size = sizeof(info), .lens = lens, .n_lens = n, .lost = on_lost};

	return vu_device_set_shmem(rig->dev, &info);
}

void shmem_declare_usual(struct rig *rig)
{
	shmem_lost = 0;
	assert_ok(shmem_declare(rig, usual, 5));
}

void shmem_open(struct rig *rig)
{
	rig_make(rig, NULL);
	shmem_declare_usual(rig);
	rig_connect(rig);
	assert_ok(peer_start(rig->peer));
}

void on_asked(struct vu_device *dev, int result, void *opaque)
{
	struct asked *asked = opaque;

	(void)dev;
	asked->result = result;
	asked->times++;
}

int file_of(uint64_t len)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_ok(ftruncate(fd, (off_t)len));
	return fd;
}

struct vu_shmem_piece piece_of(uint32_t id, uint64_t page, uint64_t pages, int fd)
{
	return (struct vu_shmem_piece){.size = sizeof(struct vu_shmem_piece),
				       .id = id,
				       .flags = VU_SHMEM_WRITE,
				       .offset = page * PAGE,
				       .len = pages * PAGE,
				       .fd = fd};
}

/* Ask for pages of region id; the file is one of its own. */
int map(struct rig *rig, uint32_t id, uint64_t page, uint64_t pages, struct asked *asked)
{
	int fd = file_of(pages * PAGE), ret;
	struct vu_shmem_piece piece = piece_of(id, page, pages, fd);

	*asked = (struct asked){0};
	ret = vu_device_map_shmem(rig->dev, &piece, on_asked, asked);
	close(fd);
	return ret;
}

int unmap(struct rig *rig, uint32_t id, uint64_t page, struct asked *asked)
{
	*asked = (struct asked){0};
	return vu_device_unmap_shmem(rig->dev, id, page * PAGE, on_asked, asked);
}

/* The front-end hears of it; not yet answered. */
void hear(struct rig *rig, uint32_t request, uint32_t id, uint64_t page, uint64_t pages,
	  struct frontend_msg *msg)
{
	struct wire_mmap what;

	assert_ok(frontend_recv_backend(&rig->peer->frontend, msg, 1000));
	assert_int_equal(msg->hdr.request, request);
	assert_int_equal(msg->hdr.flags, WIRE_VERSION | WIRE_NEED_REPLY);
	assert_int_equal(msg->hdr.size, sizeof(what));
	assert_int_equal(msg->n_fds, request == WIRE_BACKEND_SHMEM_MAP);
	memcpy(&what, msg->payload, sizeof(what));
	assert_int_equal(what.shmid, id);
	assert_true(what.shm_offset == page * PAGE && what.len == pages * PAGE);
	frontend_msg_close_fds(msg);
}

void answer(struct rig *rig, const struct frontend_msg *msg, uint64_t value)
{
	assert_ok(frontend_answer_backend(&rig->peer->frontend, msg, value));
	rig_pump(rig);
}

void hear_nothing(struct rig *rig)
{
	struct frontend_msg msg;

	assert_int_equal(frontend_recv_backend(&rig->peer->frontend, &msg, 0), -EAGAIN);
}

void assert_ended(const struct asked *asked, int result)
{
	assert_int_equal(asked->times, 1);
	assert_int_equal(asked->result, result);
}

/* Map, and have it answered. */
void map_well(struct rig *rig, uint32_t id, uint64_t page, uint64_t pages)
{
	struct frontend_msg msg;
	struct asked asked;

	assert_ok(map(rig, id, page, pages, &asked));
	hear(rig, WIRE_BACKEND_SHMEM_MAP, id, page, pages, &msg);
	answer(rig, &msg, 0);
	assert_ended(&asked, 0);
}
