/* SPDX-License-Identifier: MIT */
/*
 * The back-end channel as the front-end sees it: requests arrive, answers go back.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/frontend.h"

int frontend_open_channel(struct frontend *f)
{
	int fds[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return frontend_fail(f, -errno, "socketpair: %s", strerror(errno));
	if (f->channel_fd >= 0)
		close(f->channel_fd);
	f->channel_fd = fds[0];
	ret = frontend_tell(f, WIRE_SET_BACKEND_REQ_FD, NULL, 0, &fds[1], 1);
	close(fds[1]);
	return ret;
}

int frontend_recv_backend(struct frontend *f, struct frontend_msg *msg, unsigned int timeout_ms)
{
	int ret;

	msg->n_fds = 0;
	if (f->channel_fd < 0)
		return frontend_fail(f, -ENOTCONN, "there is no back-end channel");
	if (timeout_ms == 0)
		frontend_pump(f);
	ret = frontend_io_recv(f, f->channel_fd, msg, timeout_ms);
	if (ret == -ETIMEDOUT && timeout_ms == 0)
		ret = -EAGAIN;
	if (ret < 0)
		return frontend_fail(f, ret, "back-end channel: %s", strerror(-ret));
	return 0;
}

int frontend_answer_backend(struct frontend *f, const struct frontend_msg *msg, uint64_t value)
{
	struct {
		struct wire_header hdr;
		char value[sizeof(uint64_t)];
	} answer = {
		.hdr =
			{
				.request = msg->hdr.request,
				.flags = WIRE_VERSION | WIRE_REPLY,
				.size = sizeof(value),
			},
	};
	int ret;

	memcpy(answer.value, &value, sizeof(value));
	ret = frontend_io_send(f, f->channel_fd, &answer, sizeof(answer), NULL, 0);
	if (ret < 0)
		return frontend_fail(f, ret, "back-end channel: %s", strerror(-ret));
	return 0;
}

int frontend_expect_backend(struct frontend *f, uint32_t request, struct frontend_msg *msg)
{
	int ret = frontend_recv_backend(f, msg, f->timeout_ms);

	if (ret < 0)
		return ret;
	if (msg->hdr.request != request || msg->hdr.flags & WIRE_REPLY) {
		frontend_msg_close_fds(msg);
		return frontend_fail(f, -EPROTO, "back-end request %u flags %#x, not %u",
				     msg->hdr.request, msg->hdr.flags, request);
	}
	if (msg->hdr.flags & WIRE_NEED_REPLY)
		return frontend_answer_backend(f, msg, 0);
	return 0;
}
