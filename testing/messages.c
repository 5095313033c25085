/* SPDX-License-Identifier: MIT */
/* A peer's messages, and those of the back-end. */
#include <errno.h>
#include <string.h>

#include "peer.h"

_Static_assert((int)VUT_MAX_PAYLOAD == (int)FRONTEND_MAX_PAYLOAD &&
		       (int)VUT_MAX_FDS == (int)FRONTEND_MAX_FDS &&
		       (int)VUT_MAX_QUEUES == (int)PEER_MAX_QUEUES,
	       "the limits are the same");

int vut_tell(struct vut_peer *peer, uint32_t request, const void *payload, uint32_t size,
	     const int *fds, uint32_t n_fds)
{
	return frontend_tell(&peer->inner->frontend, request, payload, size, fds, n_fds);
}

int vut_ask(struct vut_peer *peer, uint32_t request, const void *payload, uint32_t size,
	    void *reply, uint32_t reply_size)
{
	return frontend_ask(&peer->inner->frontend, request, payload, size, reply, reply_size);
}

int vut_get_config(struct vut_peer *peer, uint32_t offset, void *data, uint32_t size)
{
	return frontend_get_config(&peer->inner->frontend, offset, data, size);
}

int vut_set_config(struct vut_peer *peer, uint32_t offset, const void *data, uint32_t size)
{
	return frontend_set_config(&peer->inner->frontend, offset, data, size, 0);
}

int vut_wait_config_change(struct vut_peer *peer)
{
	struct frontend_msg msg;
	int ret = frontend_expect_backend(&peer->inner->frontend, WIRE_BACKEND_CONFIG_CHANGE_MSG,
					  &msg);

	if (ret == 0)
		frontend_msg_close_fds(&msg);
	return ret;
}

int vut_hear(struct vut_peer *peer, struct vut_message *message, uint32_t timeout_ms)
{
	struct frontend_msg msg;
	int ret = frontend_recv_backend(&peer->inner->frontend, &msg, timeout_ms);

	if (ret < 0)
		return ret;
	message->request = msg.hdr.request;
	message->wants_answer = msg.hdr.flags & WIRE_NEED_REPLY;
	message->size = msg.hdr.size;
	message->n_fds = msg.n_fds;
	memcpy(message->fds, msg.fds, sizeof(msg.fds));
	memcpy(message->payload, msg.payload, msg.hdr.size);
	return 0;
}

int vut_answer(struct vut_peer *peer, const struct vut_message *message, uint64_t value)
{
	const struct frontend_msg msg = {.hdr = {.request = message->request}};

	return frontend_answer_backend(&peer->inner->frontend, &msg, value);
}

int vut_channel_fd(const struct vut_peer *peer)
{
	int fd = peer->inner->frontend.channel_fd;

	return fd >= 0 ? fd : -ENOTCONN;
}

int vut_save_state(struct vut_peer *peer, void **bytes, size_t *len)
{
	return frontend_save_state(&peer->inner->frontend, bytes, len);
}

int vut_load_state(struct vut_peer *peer, const void *bytes, size_t len)
{
	return frontend_load_state(&peer->inner->frontend, bytes, len);
}
