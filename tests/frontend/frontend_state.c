/* SPDX-License-Identifier: MIT */
/*
 * A back-end's state, saved and loaded as QEMU does it: through a pipe of ours, or the descriptor
 * that the back-end prefers.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/frontend.h"

enum { SAVE, LOAD, NO_FD = 1 << 8, CHUNK = 65536 };

int frontend_set_device_state_fd(struct frontend *f, uint32_t direction, uint32_t phase, int fd,
				 uint64_t *value, int *own)
{
	const struct wire_device_state params = {direction, phase};
	struct frontend_msg reply;
	int ret = frontend_ask_msg(f, WIRE_SET_DEVICE_STATE_FD, &params, sizeof(params), &fd, 1,
				   &reply);

	*own = -1;
	if (ret < 0)
		return ret;
	memcpy(value, reply.payload, sizeof(*value));
	if (reply.hdr.size != sizeof(*value) || reply.n_fds != !(*value & NO_FD) ||
	    (*value & 0xff && reply.n_fds)) {
		frontend_msg_close_fds(&reply);
		return frontend_fail(f, -EPROTO,
				     "SET_DEVICE_STATE_FD: %u bytes, %u fds, value %#llx",
				     reply.hdr.size, reply.n_fds, (unsigned long long)*value);
	}
	*own = frontend_msg_take_fd(&reply);
	if (*value & 0xff)
		return frontend_fail(f, -EREMOTEIO, "the back-end refused to %s its state",
				     direction == SAVE ? "save" : "load");
	return 0;
}

int frontend_check_device_state(struct frontend *f)
{
	uint64_t value;
	int ret = frontend_ask(f, WIRE_CHECK_DEVICE_STATE, NULL, 0, &value, sizeof(value));

	if (ret < 0)
		return ret;
	return value ? frontend_fail(f, -EREMOTEIO, "the back-end could not process its state") : 0;
}

/* This side's end of the channel, non-blocking. */
static int open_channel(struct frontend *f, uint32_t direction, int *out)
{
	uint64_t value;
	int fds[2], ours, ret;

	if (pipe(fds) < 0)
		return frontend_fail(f, -errno, "pipe: %s", strerror(errno));
	*out = fds[direction == SAVE ? 0 : 1];
	ours = -1;
	ret = frontend_set_device_state_fd(f, direction, 0, fds[direction == SAVE ? 1 : 0], &value,
					   &ours);
	close(fds[direction == SAVE ? 1 : 0]);
	if (ret < 0 || ours >= 0) {
		close(*out);
		*out = ours;
	}
	if (ret == 0)
		fcntl(*out, F_SETFL, fcntl(*out, F_GETFL) | O_NONBLOCK);
	return ret;
}

int frontend_save_state(struct frontend *f, void **bytes, size_t *len)
{
	unsigned char *all = NULL;
	ssize_t n;
	int fd, ret = open_channel(f, SAVE, &fd);

	*len = 0;
	*bytes = NULL;
	if (ret < 0)
		return ret;
	do {
		unsigned char *more = realloc(all, *len + CHUNK);

		if (!more) {
			ret = -ENOMEM;
			break;
		}
		all = more;
		n = read(fd, all + *len, CHUNK);
		if (n > 0)
			*len += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			ret = frontend_wait_fd(f, fd, POLLIN);
		else if (n < 0)
			ret = frontend_fail(f, -errno, "reading the state: %s", strerror(errno));
	} while (n && ret == 0);
	close(fd);
	if (ret == 0)
		ret = frontend_check_device_state(f);
	if (ret == 0)
		*bytes = all;
	else
		free(all);
	return ret;
}

int frontend_load_state(struct frontend *f, const void *bytes, size_t len)
{
	int fd, ret = open_channel(f, LOAD, &fd);

	if (ret < 0)
		return ret;
	for (size_t done = 0; done < len && ret == 0;) {
		ssize_t n = write(fd, (const char *)bytes + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			ret = frontend_wait_fd(f, fd, POLLOUT);
		else
			ret = frontend_fail(f, -errno, "writing the state: %s", strerror(errno));
	}
	close(fd);
	return ret ? ret : frontend_check_device_state(f);
}
