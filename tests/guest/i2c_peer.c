/* SPDX-License-Identifier: MIT */
/*
 * Asks a vhost-user I2C adapter for transfers: guest-i2c-peer SOCKET GROUP...
 *
 * A group is messages with commas between them: 0x50:w00 writes the byte 00 to the chip at 0x50,
 * 0x50:r4 reads 4 bytes from it.  Prints a line for each group: "ok" or "error" for each of its
 * messages, with what was read.  Ends with status 1 when the adapter does not do its part.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_i2c.h>

#include "frontend/peer.h"

enum { MAX_MESSAGES = 16, MAX_DATA = 256, NO_STATUS = 0xee };

struct message {
	unsigned char *out, *in; /* header and data; data and status */
	uint64_t out_gpa, in_gpa;
	uint32_t out_len, in_len;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "guest-i2c-peer: %s: %s\n", what, why);
	exit(1);
}

static void check(struct peer *peer, const char *what, int ret)
{
	if (ret < 0)
		die(what, peer->frontend.error);
}

static unsigned char *message_memory(struct peer *peer, uint32_t len, uint64_t *gpa)
{
	*gpa = guest_alloc(peer->guest, len, 16);
	return *gpa == GUEST_NONE ? NULL : guest_ptr(peer->guest, *gpa, len);
}

/* "0x50:w0011" or "0x50:r4". */
static void message_parse(struct peer *peer, struct message *m, const char *text, bool last)
{
	struct virtio_i2c_out_hdr hdr = {0};
	unsigned long address, flags = last ? 0 : VIRTIO_I2C_FLAGS_FAIL_NEXT;
	uint32_t n_out = 0, n_in = 0;
	char *rest;

	address = strtoul(text, &rest, 0);
	if (rest[0] != ':' || (rest[1] != 'r' && rest[1] != 'w'))
		die(text, "no message");
	text = rest + 2;
	if (rest[1] == 'r') {
		flags |= VIRTIO_I2C_FLAGS_M_RD;
		n_in = (uint32_t)strtoul(text, NULL, 0);
	} else {
		n_out = (uint32_t)strlen(text) / 2;
	}
	if (n_in > MAX_DATA || n_out > MAX_DATA)
		die(text, "too long");
	m->out_len = (uint32_t)sizeof(hdr) + n_out;
	m->in_len = n_in + 1;
	m->out = message_memory(peer, m->out_len, &m->out_gpa);
	m->in = message_memory(peer, m->in_len, &m->in_gpa);
	if (!m->out || !m->in)
		die(text, "no memory");
	hdr.addr = htole16((uint16_t)(address << 1));
	hdr.flags = htole32((uint32_t)flags);
	memcpy(m->out, &hdr, sizeof(hdr));
	for (uint32_t i = 0; i < n_out; i++)
		if (sscanf(text + (size_t)2 * i, "%2hhx", &m->out[sizeof(hdr) + i]) != 1)
			die(text, "not hexadecimal");
	m->in[n_in] = NO_STATUS;
}

static void message_print(const struct message *m)
{
	uint8_t status = m->in[m->in_len - 1];

	if (status != VIRTIO_I2C_MSG_OK && status != VIRTIO_I2C_MSG_ERR)
		die("status", "none was written");
	printf("%s", status == VIRTIO_I2C_MSG_OK ? "ok" : "error");
	for (uint32_t i = 0; status == VIRTIO_I2C_MSG_OK && i + 1 < m->in_len; i++)
		printf("%s%02x", i ? "" : " ", m->in[i]);
}

/* All of the group is there before the adapter is told. */
static void group_run(struct peer *peer, char *text)
{
	struct message messages[MAX_MESSAGES];
	struct driver_used used;
	uint32_t n = 0;
	char *one;

	while ((one = strsep(&text, ",")) && n < MAX_MESSAGES) {
		struct message *m = &messages[n++];

		message_parse(peer, m, one, !text);
		check(peer, one,
		      driver_add(peer->queues[0],
				 (struct driver_seg[]){{m->out_gpa, m->out_len, false},
						       {m->in_gpa, m->in_len, true}},
				 2, m));
	}
	for (uint32_t i = 0; i < n; i++) {
		check(peer, "answer", peer_wait_used(peer, 0, &used));
		if (used.cookie != &messages[i])
			die("answer", "out of order");
	}
	for (uint32_t i = 0; i < n; i++) {
		printf("%s", i ? ", " : "");
		message_print(&messages[i]);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	const struct peer_config config = {.n_queues = 1, .timeout_ms = 20000};
	struct peer *peer;

	if (argc < 3) {
		fprintf(stderr, "guest-i2c-peer SOCKET GROUP...\n");
		return 2;
	}
	if (peer_new(&config, &peer))
		die("memory", strerror(ENOMEM));
	check(peer, argv[1], peer_connect(peer, argv[1]));
	check(peer, argv[1], peer_start(peer));
	for (int i = 2; i < argc; i++)
		group_run(peer, argv[i]);
	check(peer, "stop", peer_stop(peer));
	peer_free(peer);
	return 0;
}
