/* SPDX-License-Identifier: MIT */
/* Handler: the socket of a graphics device.  Device thread. */
#include <errno.h>
#include <sys/socket.h>

#include <libvu/gpu.h>

#include "core/device.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

/* vhost-user-gpu "Communication": a stream, with descriptors. */
static bool is_unix_stream(int fd)
{
	socklen_t len = sizeof(int);
	int domain, type;

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_UNIX &&
	       !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_STREAM;
}

int on_gpu_set_socket(struct session *s, struct wire_msg *msg)
{
	struct vu_device *dev = s->dev;
	struct vu_answer *answer;

	if (!is_unix_stream(msg->fds[0])) {
		log_peer_error(&dev->log, "GPU_SET_SOCKET: the descriptor is no AF_UNIX stream "
					  "socket");
		return -EPROTO;
	}
	answer = answer_new(dev, "the device's answer to GPU_SET_SOCKET", NULL, NULL);
	if (!answer)
		return session_refuse(s, msg, -ENOMEM);
	return session_answer(
		s, msg, answer,
		dev->class.gpu.set_socket(dev, wire_msg_take_fd(msg), answer, dev->opaque),
		session_ack);
}

void vu_device_close_fd(struct vu_device *dev, int fd)
{
	closer_close_any(&dev->closer, fd);
}
