/* SPDX-License-Identifier: MIT */
/* See net.h. */
#include "net.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint32_t header_size(const struct rig *rig)
{
	const uint64_t longer = UINT64_C(1) << 32 | UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF;

	return rig->peer->config.features && !(rig->peer->config.features & longer)
		       ? sizeof(struct virtio_net_hdr)
		       : sizeof(struct virtio_net_hdr_v1);
}

void net_start(struct rig *rig, const char *backend, const char *const *more)
{
	const char *args[RIG_MAX_ARGS + 1] = {"--control", rig->control, "--backend", backend};
	uint32_t n = 4;

	while (more && *more)
		args[n++] = *more++;
	if (rig->config.n_queues < 2)
		rig->config.n_queues = 2;
	rig->has_sandbox = true;
	rig_start(rig, args);
}

void net_need_tap(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	bool can = fd >= 0 && !unshare(CLONE_NEWNET);

	if (fd >= 0)
		close(fd);
	if (!can) {
		print_message("no tap, or no network namespace for one\n");
		skip();
	}
}

void net_frame(unsigned char *frame, uint32_t len, uint32_t seed)
{
	static const unsigned char addresses[NET_ADDRESSES] = {0x52, 0x54, 0, 0, 0, 1,
							       0x52, 0x54, 0, 0, 0, 2};

	fill(frame, len, seed);
	memcpy(frame, addresses, NET_ADDRESSES);
}

void net_send_on(struct rig *rig, uint32_t queue, const struct virtio_net_hdr_v1 *h,
		 const void *frame, uint32_t len)
{
	static const struct virtio_net_hdr_v1 plain;
	uint32_t header = header_size(rig);
	struct driver_seg segs[2];
	struct rig_buffer buffer;

	rig_buffer(rig, &buffer, header + len);
	memcpy(buffer.data, h ? h : &plain, header);
	memcpy(buffer.data + header, frame, len);
	segs[0] = rig_read_seg(&buffer, header);
	segs[1] = (struct driver_seg){.gpa = buffer.gpa + header, .len = len};
	assert_int_equal(rig_do(rig, queue, segs, len ? 2 : 1), 0);
}

void net_send(struct rig *rig, const struct virtio_net_hdr_v1 *h, const void *frame, uint32_t len)
{
	net_send_on(rig, NET_TX, h, frame, len);
}

void net_give(struct rig *rig, uint32_t queue, struct rig_buffer *buffer, uint32_t len)
{
	struct driver_seg seg;

	rig_buffer(rig, buffer, len);
	seg = rig_write_seg(buffer, len);
	rig_offer(rig, queue, &seg, 1, buffer);
}

void net_expect(struct rig *rig, uint32_t queue, struct rig_buffer *buffer, const void *frame,
		uint32_t len)
{
	struct virtio_net_hdr_v1 plain = {.num_buffers = htole16(1)};
	uint32_t header = header_size(rig), got;

	assert_ptr_equal(rig_wait(rig, queue, &got), buffer);
	assert_int_equal(got, header + len);
	assert_memory_equal(buffer->data, &plain, header);
	assert_memory_equal(buffer->data + header, frame, len);
	for (uint32_t i = got; i < buffer->len; i++)
		assert_int_equal(buffer->data[i], RIG_UNTOUCHED);
}

uint64_t net_stat(struct rig *rig, const char *word)
{
	char wanted[32];
	const char *at;

	snprintf(wanted, sizeof(wanted), " %s ", word);
	at = strstr(rig_say(rig, "stats"), wanted);
	assert_non_null(at);
	return strtoull(at + strlen(wanted), NULL, 10);
}
