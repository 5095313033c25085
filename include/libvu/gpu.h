/* SPDX-License-Identifier: MIT */
/*
 * The socket that a graphics device talks to its front-end on.
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_GPU_H
#define LIBVU_GPU_H

#include <libvu/answer.h>
#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * struct vu_gpu_ops - for a graphics device; see vu_device_set_gpu_ops().
 *
 * @size: sizeof(struct vu_gpu_ops).
 * @set_socket: the front-end's socket for the vhost-user-gpu protocol, in which this side asks.
 *	@fd is the device's from now on, whatever it returns: a stream socket of AF_UNIX,
 *	close-on-exec. Each takes the place of the one before.  It knows no session: close it in
 *	session_end, by vu_device_close_fd().  Use MSG_DONTWAIT and MSG_NOSIGNAL, as the front-end
 *	shares the flags of its description.  Take descriptors that come over it, for recv() would
 *	close them, which may take long.  0, -errno or VU_LATER.  Device thread.
 *
 * The last argument is the opaque pointer of vu_device_new(); the one before is for VU_LATER.
 *
 * vhost-user GPU_SET_SOCKET.
 * Since: 0.1
 */
struct vu_gpu_ops {
	size_t size;
	int (*set_socket)(struct vu_device *dev, int fd, struct vu_answer *answer, void *opaque);
};

/**
 * vu_device_set_gpu_ops() - make it a graphics device, for which GPU_SET_SOCKET may come.
 *
 * @ops: copied; the callback is needed.  NULL: it is none any more.
 *
 * Return: as vu_device_set_state_ops().  Thread: device thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_set_gpu_ops(struct vu_device *dev, const struct vu_gpu_ops *ops);

/**
 * vu_device_close_fd() - close a descriptor that the front-end made, and never wait.
 *
 * @fd: one that came with GPU_SET_SOCKET, or over that socket.  A network socket with SO_LINGER, a
 *	file of a file system in user space, and a Unix socket in which such ones wait to be
 *received make close(2) wait as long as their other sides like.  Others are closed at once; these
 *by a worker of the kernel's (io_uring), or where that is not allowed, when the process ends: while
 *16 of them are open, the device takes no front-end.
 *
 * What has come over a socket and was not received is lost, for all who hold it.
 *
 * Thread: device thread.
 * Since: 0.1
 */
VU_API void vu_device_close_fd(struct vu_device *dev, int fd);

VU_END_DECLS

#endif
