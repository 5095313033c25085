/* SPDX-License-Identifier: MIT */
/* See wire.h. */
#include "wire.h"

#include <arpa/inet.h>
#include <stdio.h>

void wire_listen(struct rig *rig)
{
	char backend[RIG_PATH + 20];

	snprintf(backend, sizeof(backend), "socket-listen:%s", rig_file(rig, "wire", NULL));
	net_start(rig, backend, NULL);
}

int wire_start(struct rig *rig)
{
	wire_listen(rig);
	return client_connect(rig->files[0]);
}

void wire_send(int fd, const void *frame, uint32_t len)
{
	uint32_t prefix = htonl(len);

	client_write(fd, &prefix, sizeof(prefix));
	client_write(fd, frame, len);
}

void wire_expect(int fd, const void *frame, uint32_t len)
{
	unsigned char got[WIRE_LONGEST];
	uint32_t prefix;

	client_read(fd, &prefix, sizeof(prefix));
	assert_int_equal(ntohl(prefix), len);
	client_read(fd, got, len);
	assert_memory_equal(got, frame, len);
}

void wire_hello(struct rig *rig, int fd)
{
	struct rig_buffer buffer;
	unsigned char frame[WIRE_LEN];

	net_frame(frame, WIRE_LEN, 77);
	net_give(rig, NET_RX, &buffer, WIRE_BUFFER);
	wire_send(fd, frame, WIRE_LEN);
	net_expect(rig, NET_RX, &buffer, frame, WIRE_LEN);
}
