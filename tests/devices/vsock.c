/* SPDX-License-Identifier: MIT */
/* See vsock.h. */
#include "vsock.h"

/* In two pieces, of which the first ends in the middle of the header. */
static void give_buffer(struct guest_end *guest, struct rig_buffer *buffer)
{
	const struct driver_seg segs[] = {
		{.gpa = buffer->gpa, .len = 20, .write = true},
		{.gpa = buffer->gpa + 20, .len = buffer->len - 20, .write = true},
	};

	memset(buffer->data, RIG_UNTOUCHED, buffer->len);
	rig_offer(guest->rig, VSOCK_RX, segs, 2, buffer);
}

void vsock_give(struct guest_end *guest, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		give_buffer(guest, &guest->rx[i]);
}

void vsock_begin_empty(struct rig *rig, struct guest_end *guest, uint64_t cid)
{
	*guest = (struct guest_end){.rig = rig, .cid = cid};
	rig_buffer(rig, &guest->tx, VSOCK_HEAD + VSOCK_LARGEST);
	for (uint32_t i = 0; i < VSOCK_BUFFERS; i++)
		rig_buffer(rig, &guest->rx[i], VSOCK_BUFFER);
}

void vsock_begin(struct rig *rig, struct guest_end *guest, uint64_t cid)
{
	vsock_begin_empty(rig, guest, cid);
	vsock_give(guest, VSOCK_BUFFERS);
}

void vsock_spawn(struct rig *rig, const char *const *options)
{
	const char *args[RIG_MAX_ARGS + 1] = {"--control", rig->control};
	uint32_t n = 2;

	for (uint32_t i = 0; options && options[i]; i++)
		args[n++] = options[i];
	rig->config.n_queues = VSOCK_QUEUES;
	rig->has_sandbox = true;
	rig_spawn(rig, args);
}

void vsock_start(struct rig *rig, struct guest_end *guest, const char *const *options)
{
	vsock_spawn(rig, options);
	rig_connect(rig);
	vsock_begin(rig, guest, GUEST_CID);
}

/* --- packets --- */

void vsock_send_raw(struct guest_end *guest, const struct virtio_vsock_hdr *header,
		    const void *data, uint32_t len)
{
	uint32_t total = VSOCK_HEAD + len, n = 0;
	struct driver_seg segs[VSOCK_PIECES];
	uint32_t piece = guest->n_pieces ? total / guest->n_pieces + 1 : 0;

	assert_true(total <= guest->tx.len);
	memcpy(guest->tx.data, header, VSOCK_HEAD);
	if (len)
		memcpy(guest->tx.data + VSOCK_HEAD, data, len);
	for (uint32_t at = 0; at < total; n++) {
		uint32_t part = piece ? piece : n ? len : VSOCK_HEAD;

		if (part > total - at)
			part = total - at;
		segs[n] = (struct driver_seg){.gpa = guest->tx.gpa + at, .len = part};
		at += part;
	}
	assert_int_equal(rig_do(guest->rig, VSOCK_TX, segs, n), 0);
}

struct got vsock_get(struct guest_end *guest)
{
	struct got got;
	uint32_t len;

	if (guest->held)
		give_buffer(guest, guest->held);
	guest->held = NULL;
	guest->held = rig_wait(guest->rig, VSOCK_RX, &len);
	memcpy(&got.header, guest->held->data, sizeof(got.header));
	got.data = guest->held->data + VSOCK_HEAD;
	assert_int_equal(len, VSOCK_HEAD + le32toh(got.header.len));
	assert_int_equal(le64toh(got.header.dst_cid), guest->cid);
	/* Beyond what it says nothing was written. */
	for (uint32_t i = len; i < VSOCK_BUFFER; i++)
		assert_int_equal(guest->held->data[i], RIG_UNTOUCHED);
	return got;
}

void vsock_get_nothing(struct guest_end *guest)
{
	rig_expect_nothing(guest->rig, VSOCK_RX);
}

/* --- connections --- */

struct line line_new(struct guest_end *guest, uint16_t type, uint32_t port, uint32_t peer_port)
{
	return (struct line){.guest = guest,
			     .peer_cid = HOST_CID,
			     .port = port,
			     .peer_port = peer_port,
			     .type = type,
			     .buf_alloc = 256 << 10};
}

struct virtio_vsock_hdr line_header(const struct line *line, uint16_t op, uint32_t flags,
				    uint32_t len)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(line->guest->cid),
		.dst_cid = htole64(line->peer_cid),
		.src_port = htole32(line->port),
		.dst_port = htole32(line->peer_port),
		.len = htole32(len),
		.type = htole16(line->type),
		.op = htole16(op),
		.flags = htole32(flags),
		.buf_alloc = htole32(line->buf_alloc),
		.fwd_cnt = htole32(line->fwd_cnt),
	};
}

static void line_put(struct line *line, uint16_t op, uint32_t flags, const void *data, uint32_t len)
{
	const struct virtio_vsock_hdr header = line_header(line, op, flags, len);

	vsock_send_raw(line->guest, &header, data, len);
	line->tx_cnt += len;
}

void line_send(struct line *line, uint16_t op, uint32_t flags)
{
	line_put(line, op, flags, NULL, 0);
}

void line_write(struct line *line, const void *data, uint32_t len, uint32_t flags)
{
	line_put(line, RW, flags, data, len);
}

static void line_is(const struct line *line, const struct virtio_vsock_hdr *h)
{
	assert_int_equal(le64toh(h->src_cid), line->peer_cid);
	assert_int_equal(le32toh(h->src_port), line->peer_port);
	assert_int_equal(le32toh(h->dst_port), line->port);
	assert_int_equal(le16toh(h->type), line->type);
}

struct got line_get(struct line *line, uint16_t op)
{
	struct got got;
	uint16_t what;

	/* News of credit may come at any time. */
	do {
		got = vsock_get(line->guest);
		what = le16toh(got.header.op);
		line_is(line, &got.header);
	} while (what == CREDIT_UPDATE && op != CREDIT_UPDATE);
	assert_int_equal(what, op);
	if (op == RST)
		return got;
	line->peer_alloc = le32toh(got.header.buf_alloc);
	line->peer_fwd = le32toh(got.header.fwd_cnt);
	return got;
}

void line_expect_refused(struct line *line)
{
	line_send(line, REQUEST, 0);
	line_get(line, RST);
}

void line_get_shutdown(struct line *line, uint32_t flags)
{
	assert_int_equal(le32toh(line_get(line, SHUTDOWN).header.flags), flags);
}

void line_read(struct line *line, void *data, uint32_t len)
{
	for (uint32_t at = 0; at < len;) {
		struct got got = line_get(line, RW);
		uint32_t n = le32toh(got.header.len);

		assert_true(n > 0 && n <= len - at);
		memcpy((char *)data + at, got.data, n);
		at += n;
		line->fwd_cnt += n;
	}
}

void line_expect(struct line *line, const char *text)
{
	char got[256] = "";

	line_read(line, got, (uint32_t)strlen(text));
	assert_string_equal(got, text);
}

void line_use_up(struct line *line, uint32_t n)
{
	line->guest->held = NULL;
	for (uint32_t i = 0; i < n; i++) {
		line_send(line, CREDIT_REQUEST, 0);
		line_get(line, CREDIT_UPDATE);
		line->guest->held = NULL;
	}
}

void line_connect(struct line *line)
{
	line_send(line, REQUEST, 0);
	line_get(line, RESPONSE);
}

struct line line_accept(struct guest_end *guest, uint16_t type, uint32_t port)
{
	struct got got = vsock_get(guest);
	struct line line = line_new(guest, type, port, le32toh(got.header.src_port));

	assert_int_equal(le16toh(got.header.op), REQUEST);
	line.peer_cid = le64toh(got.header.src_cid);
	line_is(&line, &got.header);
	line.peer_alloc = le32toh(got.header.buf_alloc);
	line_send(&line, RESPONSE, 0);
	return line;
}
