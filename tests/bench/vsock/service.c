/* SPDX-License-Identifier: MIT */
/*
 * The host's programs of vsock/guest.py: one connection after the other at each of three Unix
 * sockets.
 *
 *	bench-vsock-service PATH BYTES
 *
 * PATH_1000 reads so many bytes and then says one; PATH_1001 sends so many and then waits for the
 * end; PATH_1002 sends back what comes.  A process for each, which ends with its parent.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/child.h"

enum { MOST = 256 << 10 };

static char data[MOST];

static void sink(int fd, uint64_t left)
{
	ssize_t n = 1;

	for (; left && n > 0; left -= (uint64_t)n) {
		n = recv(fd, data, sizeof(data), 0);
		if (n < 0)
			return;
	}
	if (!left)
		send(fd, "x", 1, MSG_NOSIGNAL);
}

static void source(int fd, uint64_t left)
{
	while (left) {
		ssize_t n = send(fd, data, left < sizeof(data) ? (size_t)left : sizeof(data),
				 MSG_NOSIGNAL);

		if (n <= 0)
			return;
		left -= (uint64_t)n;
	}
	if (recv(fd, data, 1, 0) > 0)
		fprintf(stderr, "bench-vsock-service: more than the end\n");
}

static void echo(int fd, uint64_t left)
{
	ssize_t n;

	(void)left;
	while ((n = recv(fd, data, sizeof(data), 0)) > 0)
		if (send(fd, data, (size_t)n, MSG_NOSIGNAL) != n)
			return;
}

static int listen_at(const char *path, unsigned int port)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s_%u", path, port);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8)) {
		perror(address.sun_path);
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static void (*const services[])(int fd, uint64_t left) = {sink, source, echo};
	uint64_t bytes = argc == 3 ? strtoull(argv[2], NULL, 0) : 0;
	int listener, fd;

	if (!bytes)
		return 2;
	for (unsigned int i = 0; i < 3; i++) {
		listener = listen_at(argv[1], 1000 + i);
		if (child_fork())
			continue;
		while ((fd = accept(listener, NULL, NULL)) >= 0) {
			services[i](fd, bytes);
			close(fd);
		}
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	wait(NULL);
	return 1;
}
