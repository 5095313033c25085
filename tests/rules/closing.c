/* SPDX-License-Identifier: MIT */
#include "rules/closing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rules/rig.h"

enum { LINGER_SECONDS = 3600 };

bool closing_prepare(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (!getenv("LIBVU_TEST_NO_IO_URING") ||
	    (!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	     !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)))
		return true;
	puts("skipped: no seccomp filter can be set");
	return false;
}

int lingering_socket(int *peer)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = LINGER_SECONDS};
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	static const char bytes[65536];
	socklen_t len = sizeof(addr);
	const int little = 4096;
	int fd;

	*peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_ok(setsockopt(*peer, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)));
	assert_ok(bind(*peer, (struct sockaddr *)&addr, len));
	assert_ok(listen(*peer, 1));
	assert_ok(getsockname(*peer, (struct sockaddr *)&addr, &len));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_ok(connect(fd, (struct sockaddr *)&addr, len));
	assert_ok(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return fd;
}
