/* SPDX-License-Identifier: MIT */
/* Clients of a device's sockets on the host; whatever fails ends the test. */
#ifndef DEVICES_CLIENT_H
#define DEVICES_CLIENT_H

#include <stdint.h>
#include <sys/types.h>

/* Connect to a Unix stream socket, or one of another type. */
int client_connect(const char *path);
int client_connect_as(const char *path, int type);
/* Listen at a Unix socket; the next client of one. */
int client_listen_as(const char *path, int type, int backlog);
int client_accept(int fd);
/* What there is, waiting for it no longer than HANG_MS. */
ssize_t client_read_some(int fd, void *data, size_t len);
void client_read(int fd, void *data, size_t len);
void client_expect(int fd, const char *text);
void client_expect_end(int fd);
void client_write(int fd, const void *data, size_t len);

/* Bytes that differ everywhere. */
void fill(unsigned char *data, size_t len, uint32_t seed);

#endif
