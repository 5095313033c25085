/* SPDX-License-Identifier: MIT */
/* See window.h. */
#include "window.h"

#include <fcntl.h>
#include <unistd.h>

#include "kit/patience.h"

const char *const window[] = {"--dax-window=8M", "--num-request-queues=2", NULL};

void start_with_window(struct client *c)
{
	client_spawn(c, window);
	client_connect(c, 2);
	assert_int_equal(client_init(c, DAX_FLAGS), sizeof(c->init));
}

uint64_t file_of(struct client *c, const char *name, uint64_t len, uint64_t at, const char *text)
{
	int fd = open(client_path(c, name), O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_ok(ftruncate(fd, (off_t)len));
	assert_int_equal(pwrite(fd, text, strlen(text), (off_t)at), strlen(text));
	close(fd);
	return client_walk(c, name);
}

struct fuse_setupmapping_in setup_in(uint64_t file_at, uint64_t len, uint64_t at)
{
	return (struct fuse_setupmapping_in){
		.fh = UINT64_MAX, .foffset = file_at, .len = len, .flags = READ_IT, .moffset = at};
}

void offer_map(struct client *c, uint32_t queue, uint64_t node, uint64_t file_at, uint64_t len,
	       uint64_t at)
{
	struct fuse_setupmapping_in in = setup_in(file_at, len, at);

	client_offer(c, queue, FUSE_SETUPMAPPING, node, &in, sizeof(in), NULL, 0, 0);
}

int map_unheard(struct client *c, uint64_t node, uint64_t file_at, uint64_t len, uint64_t at)
{
	offer_map(c, 1, node, file_at, len, at);
	return client_wait(c, 1, NULL, 0);
}

void hear(struct client *c, uint32_t request, uint64_t at, uint64_t len, struct frontend_msg *msg)
{
	struct wire_mmap what;

	rig_check(&c->rig, frontend_recv_backend(&c->rig.peer->frontend, msg, HANG_MS));
	assert_int_equal(msg->hdr.request, request);
	assert_int_equal(msg->hdr.size, sizeof(what));
	memcpy(&what, msg->payload, sizeof(what));
	assert_int_equal(what.shmid, 0);
	assert_int_equal(what.shm_offset, at);
	assert_int_equal(what.len, len);
	assert_int_equal(msg->n_fds, request == WIRE_BACKEND_SHMEM_MAP);
}

void answer(struct client *c, struct frontend_msg *msg, uint64_t value)
{
	rig_check(&c->rig, frontend_answer_backend(&c->rig.peer->frontend, msg, value));
	frontend_msg_close_fds(msg);
}

void hear_and_answer(struct client *c, uint32_t request, uint64_t at, uint64_t len, uint64_t value)
{
	struct frontend_msg msg;

	hear(c, request, at, len, &msg);
	answer(c, &msg, value);
}

void hear_nothing(struct client *c)
{
	struct frontend_msg msg;

	assert_int_equal(client_getattr(c, ROOT, NULL), 0);
	assert_int_equal(frontend_recv_backend(&c->rig.peer->frontend, &msg, 0), -EAGAIN);
}

int map_answered(struct client *c, uint64_t node, uint64_t file_at, uint64_t len, uint64_t at,
		 uint64_t value)
{
	offer_map(c, 1, node, file_at, len, at);
	hear_and_answer(c, WIRE_BACKEND_SHMEM_MAP, at, len, value);
	return client_wait(c, 1, NULL, 0);
}

void map_well(struct client *c, uint64_t node, uint64_t file_at, uint64_t len, uint64_t at)
{
	assert_int_equal(map_answered(c, node, file_at, len, at, 0), 0);
}

void offer_unmap(struct client *c, const struct fuse_removemapping_one *ranges, uint32_t count)
{
	struct fuse_removemapping_in in = {.count = count};

	client_offer(c, 1, FUSE_REMOVEMAPPING, ROOT, &in, sizeof(in), ranges,
		     count * (uint32_t)sizeof(ranges[0]), 0);
}

int unmap_unheard(struct client *c, uint64_t at, uint64_t len)
{
	const struct fuse_removemapping_one one = {.moffset = at, .len = len};

	offer_unmap(c, &one, 1);
	return client_wait(c, 1, NULL, 0);
}
