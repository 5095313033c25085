/* SPDX-License-Identifier: MIT */
/*
 * Requests (virtio 1.3 §5.16.6): what is wrong with one, what it asks for, and how a group of them
 * is executed.  Knows no queue, so that a fuzz target can use it.
 *
 * A group is one transfer, from START to STOP.  After a request that failed with FAIL_NEXT set, the
 * next one fails without being tried, also when it arrives later: bus->failing.
 */
#include "i2c.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <linux/virtio_i2c.h>

enum {
	FLAGS = VIRTIO_I2C_FLAGS_FAIL_NEXT | VIRTIO_I2C_FLAGS_M_RD,
	/* 10-bit addresses look like this: A7 to A0, 11110, A9, A8, 0. */
	TEN_MASK = 0xf9,
	TEN_MARK = 0xf0,
};

static int request_decode_address(uint16_t wire, uint16_t *address)
{
	if ((wire & TEN_MASK) == TEN_MARK)
		*address = (uint16_t)(I2C_TEN | (wire & 6) << 7 | wire >> 8);
	else if (wire & 0xff01)
		return -EINVAL;
	else
		*address = wire >> 1;
	return 0;
}

/* 0, or -EINVAL for one that can only be failed. */
static int request_parse(const struct vu_req *req, struct i2c_message *m)
{
	struct virtio_i2c_out_hdr hdr;
	uint64_t in, out;
	uint32_t flags;

	memset(m, 0, sizeof(*m));
	if (vu_req_read(req, 0, &hdr, sizeof(hdr)) < sizeof(hdr))
		return -EINVAL;
	flags = le32toh(hdr.flags);
	m->more = flags & VIRTIO_I2C_FLAGS_FAIL_NEXT;
	m->read = flags & VIRTIO_I2C_FLAGS_M_RD;
	if (flags & ~(uint32_t)FLAGS || !req->writable_len)
		return -EINVAL;
	in = req->writable_len - 1;
	out = req->readable_len - sizeof(hdr);
	/* The data is where the direction says, or nowhere. */
	if ((m->read ? out : in) || in > I2C_BYTES || out > I2C_BYTES)
		return -EINVAL;
	m->len = (uint32_t)(m->read ? in : out);
	return request_decode_address(le16toh(hdr.addr), &m->address);
}

bool i2c_piece_add(struct i2c_piece *piece, struct vu_req *req)
{
	struct i2c_message *m = &piece->messages[piece->n];

	if (!piece->n)
		piece->n_good = piece->n_mute = 0;
	if (!request_parse(req, m) && piece->n_good == piece->n)
		piece->n_good++;
	piece->reqs[piece->n++] = req;
	return m->more && piece->n < I2C_MESSAGES;
}

static void piece_answer(struct i2c_piece *piece, uint32_t i, bool ok)
{
	struct vu_req *req = piece->reqs[i];
	const struct i2c_message *m = &piece->messages[i];
	uint8_t status = ok ? VIRTIO_I2C_MSG_OK : VIRTIO_I2C_MSG_ERR;

	piece->written[i] = req->writable_len;
	if (!req->writable_len) {
		piece->n_mute++;
		return;
	}
	if (ok && m->read)
		vu_req_write(req, 0, m->data, m->len);
	vu_req_write(req, req->writable_len - 1, &status, 1);
}

void i2c_piece_run(struct i2c_piece *piece, struct i2c_bus *bus)
{
	uint32_t n_ok = 0;

	if (!bus->failing) {
		for (uint32_t i = 0; i < piece->n_good; i++) {
			struct i2c_message *m = &piece->messages[i];

			m->data = bus->data + (size_t)i * I2C_BYTES;
			if (!m->read)
				vu_req_read(piece->reqs[i], sizeof(struct virtio_i2c_out_hdr),
					    m->data, m->len);
		}
		n_ok = i2c_bus_transfer(bus, piece->messages, piece->n_good);
	}
	for (uint32_t i = 0; i < piece->n; i++)
		piece_answer(piece, i, i < n_ok);
	bus->failing = n_ok < piece->n && piece->messages[piece->n - 1].more;
}
