/* SPDX-License-Identifier: MIT */
/*
 * guest-tcp ADDRESS PORT BYTES SIZE: send so many bytes by TCP, in writes of SIZE, and wait for one
 * in answer; print nanoseconds.  For tests/bench/net/guest.py.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	uint64_t left, since;
	size_t size;
	char *data, answer;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 5 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1)
		return 2;
	address.sin_port = htons((uint16_t)atoi(argv[2]));
	left = strtoull(argv[3], NULL, 0);
	size = strtoul(argv[4], NULL, 0);
	data = calloc(1, size);
	if (!data || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	since = now();
	while (left) {
		ssize_t n = write(fd, data, left < size ? left : size);

		if (n < 0)
			die("write");
		left -= (uint64_t)n;
	}
	if (read(fd, &answer, 1) != 1)
		die("read");
	printf("%llu\n", (unsigned long long)(now() - since));
	return 0;
}
