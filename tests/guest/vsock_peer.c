/* SPDX-License-Identifier: MIT */
/*
 * One end of AF_VSOCK connections, in a guest: guest-vsock COMMAND ...
 *
 * - echo TYPE PORT: accept and send back, for ever, any number at once.
 * - send TYPE CID PORT BYTES: send so many bytes that follow from a seed, and end that half; print
 *   what the other end says of them, its count and sum.
 * - filter: such another end, of standard input, to standard output.
 * - many TYPE CID PORT N BYTES: N connections at once to an echo, BYTES through each, compared; of
 *   seqpacket they are one message.
 * - refused TYPE CID PORT: print the error of a connect.
 * - push TYPE CID PORT BYTES SIZE, pull TYPE CID PORT SIZE, ping TYPE CID PORT N: for
 *   tests/bench/vsock/guest.py: send so many bytes in writes of SIZE, or read until the end in
 * reads of SIZE, or have N bytes come back one by one; print how many it were and nanoseconds.
 *
 * TYPE is stream or seqpacket.  Ends with status 1, and a line, when anything is not as it should.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

enum { CHUNK = 65536, MESSAGE = 20000, MAX_FDS = 2048 };

static void die(const char *what)
{
	fprintf(stderr, "guest-vsock: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int socket_type(const char *word)
{
	return strcmp(word, "seqpacket") ? SOCK_STREAM : SOCK_SEQPACKET;
}

static int try_connect(int type, const char *cid, const char *port)
{
	const struct sockaddr_vm address = {.svm_family = AF_VSOCK,
					    .svm_cid = (unsigned int)strtoul(cid, NULL, 0),
					    .svm_port = (unsigned int)strtoul(port, NULL, 0)};
	int fd = socket(AF_VSOCK, type, 0);

	if (fd < 0)
		die("socket");
	if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static int must_connect(int type, const char *cid, const char *port)
{
	int fd = try_connect(type, cid, port);

	if (fd < 0)
		die("connect");
	return fd;
}

static int must_listen(int type, const char *port)
{
	const struct sockaddr_vm address = {.svm_family = AF_VSOCK,
					    .svm_cid = VMADDR_CID_ANY,
					    .svm_port = (unsigned int)strtoul(port, NULL, 0)};
	int fd = socket(AF_VSOCK, type, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 1024) < 0)
		die("listen");
	printf("ready\n");
	fflush(stdout);
	return fd;
}

/* Numbers that follow each other, as bytes: each 8 of them differ from all others. */
static uint64_t fill(unsigned char *data, size_t len, uint64_t at)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t x = (at + i / 8) * 0x9e3779b97f4a7c15u;

		memcpy(data + i, &x, 8);
	}
	return at + len / 8;
}

/* Depends on the order of bytes, not on how they were cut. */
struct sum {
	uint64_t bytes, sum;
};

static void sum_add(struct sum *s, const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		s->sum = s->sum * 31 + data[i];
	s->bytes += len;
}

static void sum_text(const struct sum *s, char text[64])
{
	snprintf(text, 64, "%llu %016llx", (unsigned long long)s->bytes,
		 (unsigned long long)s->sum);
}

static void write_all(int fd, const unsigned char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n <= 0)
			die("write");
		data += n;
		len -= (size_t)n;
	}
}

static int do_send(int type, char **argv)
{
	static unsigned char data[CHUNK];
	int fd = must_connect(type, argv[0], argv[1]);
	uint64_t left = strtoull(argv[2], NULL, 0), at = 0;
	struct sum sum = {0, 0};
	char wanted[64], said[64] = "";
	size_t most = type == SOCK_SEQPACKET ? MESSAGE : CHUNK;

	while (left) {
		size_t n = left < most ? (size_t)left : most;

		at = fill(data, n, at);
		sum_add(&sum, data, n);
		write_all(fd, data, n);
		left -= n;
	}
	if (shutdown(fd, SHUT_WR) < 0)
		die("shutdown");
	if (read(fd, said, sizeof(said) - 1) <= 0)
		die("no answer");
	sum_text(&sum, wanted);
	if (strcmp(said, wanted)) {
		fprintf(stderr, "guest-vsock: sent %s, the other end has %s\n", wanted, said);
		return 1;
	}
	printf("%s\n", said);
	return 0;
}

static int do_filter(void)
{
	static unsigned char data[CHUNK];
	struct sum sum = {0, 0};
	char text[64];
	ssize_t n;

	while ((n = read(STDIN_FILENO, data, sizeof(data))) > 0)
		sum_add(&sum, data, (size_t)n);
	if (n < 0)
		die("read");
	sum_text(&sum, text);
	write_all(STDOUT_FILENO, (unsigned char *)text, strlen(text));
	return 0;
}

/* What do_take() wants: the numbers, so many bytes of them. */
static int do_source(const char *bytes)
{
	static unsigned char data[CHUNK];
	uint64_t at = 0;

	for (uint64_t left = strtoull(bytes, NULL, 0); left;) {
		size_t n = left < CHUNK ? (size_t)left : CHUNK;

		at = fill(data, n, at);
		write_all(STDOUT_FILENO, data, n);
		left -= n;
	}
	return 0;
}

/* Reads the numbers to their end, each of them the next one. */
static int do_take(int type, char **argv)
{
	static unsigned char data[CHUNK], wanted[CHUNK];
	int fd = must_connect(type, argv[0], argv[1]);
	uint64_t bytes = 0, at = 0;
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, data + have, sizeof(data) - have)) > 0) {
		size_t whole;

		bytes += (uint64_t)n;
		have += (size_t)n;
		whole = have & ~(size_t)7;
		at = fill(wanted, whole, at);
		if (memcmp(data, wanted, whole)) {
			fprintf(stderr, "guest-vsock: other bytes before the %lluth\n",
				(unsigned long long)bytes);
			return 1;
		}
		have -= whole;
		memmove(data, data + whole, have);
	}
	if (n < 0)
		die("read");
	printf("%llu\n", (unsigned long long)bytes);
	return 0;
}

static int do_echo(int type, char **argv)
{
	static struct pollfd fds[MAX_FDS];
	static unsigned char data[CHUNK];
	nfds_t n = 1;

	fds[0] = (struct pollfd){.fd = must_listen(type, argv[0]), .events = POLLIN};
	for (;;) {
		if (poll(fds, n, -1) < 0)
			die("poll");
		for (nfds_t i = n - 1; i > 0; i--) {
			ssize_t len = fds[i].revents ? read(fds[i].fd, data, sizeof(data)) : 1;

			if (fds[i].revents && len > 0) {
				write_all(fds[i].fd, data, (size_t)len);
			} else if (len <= 0) {
				close(fds[i].fd);
				fds[i] = fds[--n];
			}
		}
		if (fds[0].revents && n < MAX_FDS)
			fds[n++] = (struct pollfd){.fd = accept(fds[0].fd, NULL, NULL),
						   .events = POLLIN};
	}
	return 1;
}

/* Each has another piece of the numbers; all have sent before the first reads. */
static int do_many(int type, char **argv)
{
	static unsigned char data[CHUNK], back[CHUNK];
	static int fds[MAX_FDS];
	uint32_t n = (uint32_t)strtoul(argv[2], NULL, 0);
	size_t bytes = strtoul(argv[3], NULL, 0) & ~(size_t)7;

	if (n > MAX_FDS || bytes > CHUNK)
		return 1;
	for (uint32_t i = 0; i < n; i++)
		fds[i] = must_connect(type, argv[0], argv[1]);
	for (uint32_t i = 0; i < n; i++) {
		fill(data, bytes, (uint64_t)i << 32);
		write_all(fds[i], data, bytes);
	}
	for (uint32_t i = 0; i < n; i++) {
		fill(data, bytes, (uint64_t)i << 32);
		for (size_t at = 0; at < bytes;) {
			ssize_t len = read(fds[i], back + at, bytes - at);

			if (len <= 0)
				die("read");
			if (type == SOCK_SEQPACKET && (size_t)len != bytes) {
				fprintf(stderr, "guest-vsock: a message of %zd bytes\n", len);
				return 1;
			}
			at += (size_t)len;
		}
		if (memcmp(data, back, bytes)) {
			fprintf(stderr, "guest-vsock: connection %u has other bytes\n", i);
			return 1;
		}
		close(fds[i]);
	}
	printf("%u connections, %zu bytes each\n", n, bytes);
	return 0;
}

static int do_refused(int type, char **argv)
{
	int fd = try_connect(type, argv[0], argv[1]);

	printf("%s\n", fd < 0 ? strerrorname_np(errno) : "connected");
	return 0;
}

/* --- for a bench --- */

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int print_rate(uint64_t count, uint64_t began)
{
	printf("%llu %llu\n", (unsigned long long)count, (unsigned long long)(now() - began));
	return 0;
}

static size_t chunk(const char *text)
{
	size_t size = strtoul(text, NULL, 0);

	return size && size < CHUNK ? size : CHUNK;
}

/* The other end says a byte when it has all: not every back-end passes on that no more comes. */
static int do_push(int type, char **argv)
{
	static unsigned char data[CHUNK];
	int fd = must_connect(type, argv[0], argv[1]);
	uint64_t bytes = strtoull(argv[2], NULL, 0), began = now();
	size_t size = chunk(argv[3]);

	for (uint64_t left = bytes; left; left -= left < size ? left : size)
		write_all(fd, data, left < size ? (size_t)left : size);
	if (read(fd, data, 1) != 1)
		die("no answer");
	return print_rate(bytes, began);
}

static int do_pull(int type, char **argv)
{
	static unsigned char data[CHUNK];
	int fd = must_connect(type, argv[0], argv[1]);
	uint64_t bytes = strtoull(argv[2], NULL, 0), began = now();
	size_t size = chunk(argv[3]);

	for (uint64_t left = bytes; left;) {
		ssize_t n = read(fd, data, left < size ? (size_t)left : size);

		if (n <= 0)
			die("read");
		left -= (uint64_t)n;
	}
	return print_rate(bytes, began);
}

static int do_ping(int type, char **argv)
{
	int fd = must_connect(type, argv[0], argv[1]);
	uint64_t n = strtoull(argv[2], NULL, 0), began = now();
	unsigned char byte = 1;

	for (uint64_t i = 0; i < n; i++) {
		write_all(fd, &byte, 1);
		if (read(fd, &byte, 1) != 1)
			die("read");
	}
	return print_rate(n, began);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int n;
		int (*run)(int type, char **argv);
	} commands[] = {
		{"echo", 1, do_echo},	    {"send", 3, do_send}, {"many", 4, do_many},
		{"refused", 2, do_refused}, {"push", 4, do_push}, {"pull", 4, do_pull},
		{"ping", 3, do_ping},	    {"take", 2, do_take},
	};

	if (argc == 2 && !strcmp(argv[1], "filter"))
		return do_filter();
	if (argc == 3 && !strcmp(argv[1], "source"))
		return do_source(argv[2]);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc == commands[i].n + 3 && !strcmp(argv[1], commands[i].name))
			return commands[i].run(socket_type(argv[2]), argv + 3);
	fprintf(stderr, "guest-vsock: echo, send, filter, source, take, many, refused, push, pull "
			"or ping, please\n");
	return 2;
}
