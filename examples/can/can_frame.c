/* SPDX-License-Identifier: MIT */
/* Frames: in the guest's buffers (virtio 1.4 §5.20.5.2, §5.20.5.3), and as the text of can-utils.
 */
#include "can.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* virtio_can_tx_out and virtio_can_rx, without their data. */
struct header {
	uint16_t msg_type;
	uint16_t length;
	uint8_t classic_dlc;
	uint8_t padding;
	uint16_t xl_priority;
	uint32_t flags;
	uint32_t can_id;
};

_Static_assert(sizeof(struct header) == CAN_HEADER, "virtio 1.4 §5.20.5.2");

enum { MSG_TX = 0x0001, MSG_RX = 0x0101 };
enum { STANDARD_IDS = 0x7ff, EXTENDED_IDS = 0x1fffffff };

const char *can_frame_fault(const struct can_message *m, uint64_t features)
{
	if (m->flags & ~(uint32_t)(CAN_RTR | CAN_FD | CAN_EXTENDED))
		return "flags that are not known";
	if ((m->flags & CAN_RTR) && (m->flags & CAN_FD))
		return "CAN FD has no remote frames";
	if (!(features & (m->flags & CAN_FD ? CAN_F_FD : CAN_F_CLASSIC)) ||
	    ((m->flags & CAN_RTR) && !(features & CAN_F_RTR)))
		return "a kind that was not negotiated";
	if (m->id > (m->flags & CAN_EXTENDED ? EXTENDED_IDS : STANDARD_IDS))
		return "an identifier out of range";
	if (m->len > (m->flags & CAN_FD ? CAN_DATA : CAN_CLASSIC_DATA))
		return "too long";
	return NULL;
}

static uint16_t bytes_of(const struct can_message *m)
{
	return m->flags & CAN_RTR ? 0 : m->len;
}

const char *can_frame_read(const struct vu_req *req, uint64_t features, struct can_message *m)
{
	const char *fault;
	struct header h;

	if (req->flags & VU_REQ_TOO_LONG || vu_req_read(req, 0, &h, CAN_HEADER) != CAN_HEADER)
		return "no header";
	if (le16toh(h.msg_type) != MSG_TX)
		return "not a type of message";
	memset(m, 0, sizeof(*m));
	m->flags = le32toh(h.flags);
	m->id = le32toh(h.can_id);
	m->len = le16toh(h.length);
	fault = can_frame_fault(m, features);
	/* Linux sends bytes with remote frames, too. */
	if (!fault && vu_req_read(req, CAN_HEADER, m->data, bytes_of(m)) != bytes_of(m))
		fault = "shorter than it says";
	return fault;
}

/* A remote frame has data of zeros: length is that of the data, and Linux wants it all written. */
uint64_t can_frame_write(const struct vu_req *req, const struct can_message *m)
{
	const struct header h = {
		.msg_type = htole16(MSG_RX),
		.length = htole16(m->len),
		.flags = htole32(m->flags),
		.can_id = htole32(m->id),
	};

	if (req->flags & VU_REQ_TOO_LONG || req->writable_len < (uint64_t)CAN_HEADER + m->len)
		return 0;
	vu_req_write(req, 0, &h, CAN_HEADER);
	vu_req_write(req, CAN_HEADER, m->data, m->len);
	return (uint64_t)CAN_HEADER + m->len;
}

/* --- text --- */

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) % 16 : -1;
}

static int parse_id(const char *text, size_t len, struct can_message *m)
{
	if (len != 3 && len != 8)
		return -EINVAL;
	m->flags = len == 8 ? CAN_EXTENDED : 0;
	for (size_t i = 0; i < len; i++) {
		if (digit(text[i]) < 0)
			return -EINVAL;
		m->id = m->id << 4 | (uint32_t)digit(text[i]);
	}
	return 0;
}

static int parse_data(const char *text, struct can_message *m)
{
	for (; *text; text += 2) {
		if (m->len == CAN_DATA || digit(text[0]) < 0 || digit(text[1]) < 0)
			return -EINVAL;
		m->data[m->len++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
	}
	return 0;
}

/* R, or R and how much. */
static int parse_remote(const char *text, struct can_message *m)
{
	int len = text[1] ? digit(text[1]) : 0;

	if (len < 0 || (text[1] && text[2]))
		return -EINVAL;
	m->flags |= CAN_RTR;
	m->len = (uint16_t)len;
	return 0;
}

int can_frame_parse(const char *text, struct can_message *m)
{
	size_t id = strcspn(text, "#");
	int ret;

	memset(m, 0, sizeof(*m));
	ret = text[id] ? parse_id(text, id, m) : -EINVAL;
	if (ret)
		return ret;
	text += id + 1;
	if (*text == '#') { /* and flags, which virtio does not carry */
		if (digit(text[1]) < 0)
			return -EINVAL;
		m->flags |= CAN_FD;
		text += 2;
	} else if (*text == 'R') {
		ret = parse_remote(text, m);
		text = "";
	}
	if (!ret)
		ret = parse_data(text, m);
	if (!ret && can_frame_fault(m, CAN_F_CLASSIC | CAN_F_FD | CAN_F_RTR))
		ret = -EINVAL;
	return ret;
}

void can_frame_print(const struct can_message *m, char text[CAN_TEXT])
{
	const char *between = m->flags & CAN_FD ? "##0" : m->flags & CAN_RTR ? "#R" : "#";
	int at = snprintf(text, CAN_TEXT, m->flags & CAN_EXTENDED ? "%08X%s" : "%03X%s", m->id,
			  between);

	if (m->flags & CAN_RTR && m->len)
		snprintf(text + at, (size_t)(CAN_TEXT - at), "%d", m->len);
	for (int i = 0; i < bytes_of(m); i++)
		at += snprintf(text + at, (size_t)(CAN_TEXT - at), "%02X", m->data[i]);
}
