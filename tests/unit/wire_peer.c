/* SPDX-License-Identifier: MIT */
/* The raw socket that the tests of the connection talk through. */
#include "wire_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	f->fds_before = count_fds();
	closer_init(&f->closer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(wire_conn_new(pair[0], &f->closer, &f->conn), 0);
	f->peer = pair[1];
	*state = f;
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	wire_conn_free(f->conn);
	closer_fini(&f->closer);
	if (f->peer >= 0)
		close(f->peer);
	assert_int_equal(count_fds(), f->fds_before);
	free(f);
	return 0;
}

void peer_close(struct fixture *f)
{
	close(f->peer);
	f->peer = -1;
}

void peer_write(struct fixture *f, const void *data, size_t len)
{
	assert_int_equal(send(f->peer, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

void peer_write_fds(struct fixture *f, const void *data, size_t len, unsigned int n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(MANY_FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	int fds[MANY_FDS];

	assert_true(n <= MANY_FDS);
	for (unsigned int i = 0; i < n; i++)
		assert_true((fds[i] = eventfd(i, EFD_NONBLOCK)) >= 0);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	assert_int_equal(sendmsg(f->peer, &mh, 0), (ssize_t)len);
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
}

size_t make_message(unsigned char *out, uint32_t request, uint32_t size, unsigned char seed)
{
	struct wire_header hdr = {.request = request, .flags = WIRE_VERSION, .size = size};

	memcpy(out, &hdr, sizeof(hdr));
	for (uint32_t i = 0; i < size; i++)
		out[sizeof(hdr) + i] = (unsigned char)(seed + i);
	return sizeof(hdr) + size;
}

unsigned int peer_read(struct fixture *f, void *to, size_t len)
{
	unsigned int n_fds = 0;

	for (size_t got = 0; got < len;) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(MANY_FDS * sizeof(int))];
		} control;
		struct iovec iov = {.iov_base = (char *)to + got, .iov_len = len - got};
		struct msghdr mh = {.msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control.buf,
				    .msg_controllen = sizeof(control.buf)};
		ssize_t n = recvmsg(f->peer, &mh, MSG_DONTWAIT);
		struct cmsghdr *cm;

		if (n < 0 && errno == EAGAIN) {
			assert_in_range(wire_conn_flush(f->conn), 0, 1);
			continue;
		}
		assert_true(n > 0);
		got += (size_t)n;
		for (cm = CMSG_FIRSTHDR(&mh); cm; cm = CMSG_NXTHDR(&mh, cm)) {
			size_t in_cmsg = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);

			for (size_t i = 0; i < in_cmsg; i++) {
				int fd;

				memcpy(&fd, CMSG_DATA(cm) + i * sizeof(fd), sizeof(fd));
				close(fd);
			}
			n_fds += (unsigned int)in_cmsg;
		}
	}
	return n_fds;
}
