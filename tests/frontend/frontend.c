/* SPDX-License-Identifier: MIT */
/*
 * A front-end's socket: opening, whole messages, requests with their acks and replies.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frontend/frontend.h"

static const char *const request_names[WIRE_REQUEST_END] = {
	[WIRE_GET_FEATURES] = "GET_FEATURES",
	[WIRE_SET_FEATURES] = "SET_FEATURES",
	[WIRE_SET_OWNER] = "SET_OWNER",
	[WIRE_RESET_OWNER] = "RESET_OWNER",
	[WIRE_SET_MEM_TABLE] = "SET_MEM_TABLE",
	[WIRE_SET_LOG_BASE] = "SET_LOG_BASE",
	[WIRE_SET_LOG_FD] = "SET_LOG_FD",
	[WIRE_SET_VRING_NUM] = "SET_VRING_NUM",
	[WIRE_SET_VRING_ADDR] = "SET_VRING_ADDR",
	[WIRE_SET_VRING_BASE] = "SET_VRING_BASE",
	[WIRE_GET_VRING_BASE] = "GET_VRING_BASE",
	[WIRE_SET_VRING_KICK] = "SET_VRING_KICK",
	[WIRE_SET_VRING_CALL] = "SET_VRING_CALL",
	[WIRE_SET_VRING_ERR] = "SET_VRING_ERR",
	[WIRE_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
	[WIRE_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
	[WIRE_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
	[WIRE_SET_VRING_ENABLE] = "SET_VRING_ENABLE",
	[WIRE_SEND_RARP] = "SEND_RARP",
	[WIRE_NET_SET_MTU] = "NET_SET_MTU",
	[WIRE_SET_BACKEND_REQ_FD] = "SET_BACKEND_REQ_FD",
	[WIRE_IOTLB_MSG] = "IOTLB_MSG",
	[WIRE_SET_VRING_ENDIAN] = "SET_VRING_ENDIAN",
	[WIRE_GET_CONFIG] = "GET_CONFIG",
	[WIRE_SET_CONFIG] = "SET_CONFIG",
	[WIRE_CREATE_CRYPTO_SESSION] = "CREATE_CRYPTO_SESSION",
	[WIRE_CLOSE_CRYPTO_SESSION] = "CLOSE_CRYPTO_SESSION",
	[WIRE_POSTCOPY_ADVISE] = "POSTCOPY_ADVISE",
	[WIRE_POSTCOPY_LISTEN] = "POSTCOPY_LISTEN",
	[WIRE_POSTCOPY_END] = "POSTCOPY_END",
	[WIRE_GET_INFLIGHT_FD] = "GET_INFLIGHT_FD",
	[WIRE_SET_INFLIGHT_FD] = "SET_INFLIGHT_FD",
	[WIRE_GPU_SET_SOCKET] = "GPU_SET_SOCKET",
	[WIRE_RESET_DEVICE] = "RESET_DEVICE",
	[WIRE_VRING_KICK] = "VRING_KICK",
	[WIRE_GET_MAX_MEM_SLOTS] = "GET_MAX_MEM_SLOTS",
	[WIRE_ADD_MEM_REG] = "ADD_MEM_REG",
	[WIRE_REM_MEM_REG] = "REM_MEM_REG",
	[WIRE_SET_STATUS] = "SET_STATUS",
	[WIRE_GET_STATUS] = "GET_STATUS",
	[WIRE_GET_SHARED_OBJECT] = "GET_SHARED_OBJECT",
	[WIRE_SET_DEVICE_STATE_FD] = "SET_DEVICE_STATE_FD",
	[WIRE_CHECK_DEVICE_STATE] = "CHECK_DEVICE_STATE",
	[WIRE_GET_SHMEM_CONFIG] = "GET_SHMEM_CONFIG",
};

const char *frontend_request_name(uint32_t request)
{
	if (request < WIRE_REQUEST_END && request_names[request])
		return request_names[request];
	return "an unknown request";
}

void frontend_init(struct frontend *f, int fd)
{
	memset(f, 0, sizeof(*f));
	f->fd = fd;
	f->channel_fd = -1;
	f->timeout_ms = FRONTEND_TIMEOUT_MS;
	f->cut = UINT64_MAX;
}

int frontend_init_pair(struct frontend *f, int *backend_fd)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	frontend_init(f, fds[0]);
	*backend_fd = fds[1];
	return 0;
}

int frontend_connect(struct frontend *f, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_sec = 1}, none = {0};
	int fd, ret;

	frontend_init(f, -1);
	if (strlen(path) >= sizeof(addr.sun_path))
		return frontend_fail(f, -ENAMETOOLONG, "%s: too long for a socket", path);
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return frontend_fail(f, -errno, "socket: %s", strerror(errno));
	/* Who listens, and is busy for good, keeps nobody waiting; it is tried again. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		ret = frontend_fail(f, -errno, "%s: %s", path, strerror(errno));
		close(fd);
		return ret;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	f->fd = fd;
	return 0;
}

void frontend_close(struct frontend *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->channel_fd >= 0)
		close(f->channel_fd);
	f->fd = f->channel_fd = -1;
}

void frontend_cut_after(struct frontend *f, uint64_t n)
{
	f->cut = n;
}

bool frontend_has(const struct frontend *f, unsigned int protocol_feature)
{
	return f->protocol_features >> protocol_feature & 1;
}

int frontend_fail(struct frontend *f, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f->error, sizeof(f->error), format, args);
	va_end(args);
	return error;
}

int frontend_send_bytes(struct frontend *f, const void *bytes, size_t n, const int *fds,
			unsigned int n_fds)
{
	bool cut = f->sent + n > f->cut;
	int ret;

	if (f->fd < 0)
		return frontend_fail(f, -ENOTCONN, "the front-end is not connected");
	if (cut)
		n = f->cut - f->sent;
	ret = frontend_io_send(f, f->fd, bytes, n, fds, n_fds);
	if (ret < 0)
		return frontend_fail(f, ret, "sending %zu bytes: %s", n, strerror(-ret));
	f->sent += n;
	if (cut) {
		close(f->fd);
		f->fd = -1;
		return frontend_fail(f, -ECONNABORTED, "cut after %llu bytes",
				     (unsigned long long)f->sent);
	}
	return 0;
}

int frontend_send_raw(struct frontend *f, const struct wire_header *hdr, const void *payload,
		      size_t payload_size, const int *fds, unsigned int n_fds)
{
	unsigned char *bytes = malloc(sizeof(*hdr) + payload_size);
	int ret;

	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, hdr, sizeof(*hdr));
	if (payload_size)
		memcpy(bytes + sizeof(*hdr), payload, payload_size);
	ret = frontend_send_bytes(f, bytes, sizeof(*hdr) + payload_size, fds, n_fds);
	free(bytes);
	return ret;
}

int frontend_send(struct frontend *f, uint32_t request, uint32_t flags, const void *payload,
		  uint32_t size, const int *fds, unsigned int n_fds)
{
	struct wire_header hdr = {
		.request = request,
		.flags = WIRE_VERSION | flags,
		.size = size,
	};

	return frontend_send_raw(f, &hdr, payload, size, fds, n_fds);
}

int frontend_recv(struct frontend *f, struct frontend_msg *msg)
{
	int ret;

	msg->n_fds = 0;
	if (f->fd < 0)
		return frontend_fail(f, -ENOTCONN, "the front-end is not connected");
	ret = frontend_io_recv(f, f->fd, msg, f->timeout_ms);
	if (ret < 0)
		return frontend_fail(f, ret, "receiving: %s", strerror(-ret));
	return 0;
}

int frontend_wait_closed(struct frontend *f)
{
	char byte;
	ssize_t n;
	int ret;

	ret = frontend_wait_fd(f, f->fd, POLLIN);
	if (ret < 0)
		return frontend_fail(f, ret, "the back-end does not close the socket");
	n = recv(f->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
	if (n > 0)
		return frontend_fail(f, -EPROTO, "the back-end sends instead of closing");
	if (n < 0 && errno != ECONNRESET)
		return frontend_fail(f, -errno, "recv: %s", strerror(errno));
	return 0;
}

static int frontend_recv_reply(struct frontend *f, uint32_t request, struct frontend_msg *reply)
{
	const char *name = frontend_request_name(request);
	int ret = frontend_recv(f, reply);

	if (ret < 0)
		return frontend_fail(f, ret, "%s: no reply: %s", name, strerror(-ret));
	if (reply->hdr.request == request && reply->hdr.flags == (WIRE_VERSION | WIRE_REPLY))
		return 0;
	frontend_msg_close_fds(reply);
	return frontend_fail(f, -EPROTO, "%s: answered by request %u flags %#x", name,
			     reply->hdr.request, reply->hdr.flags);
}

int frontend_ask_msg(struct frontend *f, uint32_t request, const void *payload, uint32_t size,
		     const int *fds, unsigned int n_fds, struct frontend_msg *reply)
{
	int ret = frontend_send(f, request, 0, payload, size, fds, n_fds);

	if (ret < 0)
		return ret;
	return frontend_recv_reply(f, request, reply);
}

int frontend_ask(struct frontend *f, uint32_t request, const void *payload, uint32_t size,
		 void *reply, uint32_t reply_size)
{
	struct frontend_msg msg;
	int ret = frontend_ask_msg(f, request, payload, size, NULL, 0, &msg);

	if (ret < 0)
		return ret;
	if (msg.n_fds || msg.hdr.size != reply_size) {
		ret = frontend_fail(f, -EPROTO, "%s: %u bytes and %u fds in reply, not %u bytes",
				    frontend_request_name(request), msg.hdr.size, msg.n_fds,
				    reply_size);
		frontend_msg_close_fds(&msg);
		return ret;
	}
	memcpy(reply, msg.payload, reply_size);
	return 0;
}

int frontend_tell(struct frontend *f, uint32_t request, const void *payload, uint32_t size,
		  const int *fds, unsigned int n_fds)
{
	bool ack = f->need_reply && frontend_has(f, WIRE_PF_REPLY_ACK);
	struct frontend_msg msg;
	uint64_t value;
	int ret;

	ret = frontend_send(f, request, ack ? WIRE_NEED_REPLY : 0, payload, size, fds, n_fds);
	if (ret < 0 || !ack)
		return ret;
	ret = frontend_recv_reply(f, request, &msg);
	if (ret < 0)
		return ret;
	if (msg.n_fds || msg.hdr.size != sizeof(value)) {
		frontend_msg_close_fds(&msg);
		return frontend_fail(f, -EPROTO, "%s: an ack of %u bytes",
				     frontend_request_name(request), msg.hdr.size);
	}
	memcpy(&value, msg.payload, sizeof(value));
	if (value)
		return frontend_fail(f, -EREMOTEIO, "%s: refused (ack %llu)",
				     frontend_request_name(request), (unsigned long long)value);
	return 0;
}
