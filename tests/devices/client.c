/* SPDX-License-Identifier: MIT */
/* See client.h. */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kit/test.h"
#include "run/spawn.h"

static struct sockaddr_un client_address(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	assert_true(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	return address;
}

int client_connect_as(const char *path, int type)
{
	const struct sockaddr_un address = client_address(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_return_code(connect(fd, (const struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

int client_connect(const char *path)
{
	return client_connect_as(path, SOCK_STREAM);
}

int client_listen_as(const char *path, int type, int backlog)
{
	const struct sockaddr_un address = client_address(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_return_code(bind(fd, (const struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(fd, backlog), errno);
	return fd;
}

int client_accept(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	int client;

	if (poll(&pfd, 1, HANG_MS) != 1)
		fail_msg("no client comes");
	client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(client >= 0);
	return client;
}

ssize_t client_read_some(int fd, void *data, size_t len)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	if (poll(&pfd, 1, HANG_MS) != 1)
		fail_msg("a client gets nothing");
	return read(fd, data, len);
}

void client_read(int fd, void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = client_read_some(fd, (char *)data + at, len - at);

		assert_true(n > 0);
		at += (size_t)n;
	}
}

void client_expect(int fd, const char *text)
{
	char got[256] = "";

	client_read(fd, got, strlen(text));
	assert_string_equal(got, text);
}

void client_expect_end(int fd)
{
	char byte;

	assert_int_equal(client_read_some(fd, &byte, 1), 0);
}

void client_write(int fd, const void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, (const char *)data + at, len - at);

		assert_true(n > 0);
		at += (size_t)n;
	}
}

void fill(unsigned char *data, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		data[i] = (unsigned char)(seed >> 24);
	}
}
