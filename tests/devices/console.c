/* SPDX-License-Identifier: MIT */
/* See console.h. */
#include "console.h"

void console_start(struct rig *rig, uint32_t ports, const char *const *options)
{
	const char *args[RIG_MAX_ARGS + 1] = {"--control", rig->control};

	for (uint32_t i = 0; options && options[i]; i++)
		args[2 + i] = options[i];
	rig->config.n_queues = 2 * (ports + 1);
	rig_start(rig, args);
}

/* --- control --- */

void console_tell(struct rig *rig, uint32_t port, uint16_t event, uint16_t value)
{
	const struct virtio_console_control message = {htole32(port), htole16(event),
						       htole16(value)};

	assert_int_equal(rig_ask(rig, CONTROL_TX, &message, sizeof(message), NULL, 0), 0);
}

void console_hear_more(struct rig *rig, uint32_t port, uint16_t event, uint16_t value,
		       const void *more, uint32_t len)
{
	const struct virtio_console_control want = {htole32(port), htole16(event), htole16(value)};
	unsigned char got[CONTROL_ROOM];
	uint32_t n = rig_ask(rig, CONTROL_RX, NULL, 0, got, sizeof(got));

	assert_true(n >= sizeof(want));
	assert_memory_equal(got, &want, sizeof(want));
	assert_int_equal(n, sizeof(want) + len);
	assert_memory_equal(got + sizeof(want), more, len);
	for (uint32_t i = n; i < sizeof(got); i++)
		assert_int_equal(got[i], RIG_UNTOUCHED);
}

void console_hear(struct rig *rig, uint32_t port, uint16_t event, uint16_t value)
{
	console_hear_more(rig, port, event, value, "", 0);
}

/* The buffer stays: whatever is heard later is heard in it.  So this is for the end of a test. */
void console_hear_nothing(struct rig *rig)
{
	struct rig_buffer buffer;
	struct driver_seg seg;

	rig_buffer(rig, &buffer, CONTROL_ROOM);
	seg = rig_write_seg(&buffer, buffer.len);
	rig_offer(rig, CONTROL_RX, &seg, 1, rig);
	rig_expect_nothing(rig, CONTROL_RX);
}

void console_begin(struct rig *rig, uint32_t n, const char *const *names, uint32_t host_open)
{
	static const uint16_t size[2] = {80,
					 25}; /* this machine's order: see the size's own test */

	console_tell(rig, 0, READY, 1);
	for (uint32_t i = 0; i < n; i++)
		console_hear(rig, i, ADD, 0);
	for (uint32_t i = 0; i < n; i++) {
		console_tell(rig, i, PORT_READY, 1);
		if (i == 0) {
			const uint16_t le[2] = {htole16(size[0]), htole16(size[1])};

			console_hear(rig, i, CONSOLE, 1);
			console_hear_more(rig, i, RESIZE, 0, le, sizeof(le));
		} else {
			console_hear_more(rig, i, NAME, 1, names[i - 1],
					  (uint32_t)strlen(names[i - 1]));
		}
		if (host_open >> i & 1)
			console_hear(rig, i, OPEN, 1);
		console_tell(rig, i, OPEN, 1);
	}
}

const char *console_ports(struct rig *rig)
{
	return rig_say(rig, "ports");
}

/* --- data --- */

void console_offer_input(struct rig *rig, uint32_t port, struct chunk *chunk, uint32_t len)
{
	struct driver_seg seg;

	rig_buffer(rig, &chunk->buffer, len);
	seg = rig_write_seg(&chunk->buffer, len);
	rig_offer(rig, rx_of(port), &seg, 1, chunk);
}

void console_offer_output(struct rig *rig, uint32_t port, struct chunk *chunk, const void *data,
			  uint32_t len)
{
	struct driver_seg segs[2];
	uint32_t first = len / 3;

	rig_buffer(rig, &chunk->buffer, len);
	memcpy(chunk->buffer.data, data, len);
	/* In two pieces, for a change. */
	segs[0] = rig_read_seg(&chunk->buffer, first ? first : len);
	segs[1] = (struct driver_seg){.gpa = chunk->buffer.gpa + first, .len = len - first};
	rig_offer(rig, tx_of(port), segs, first ? 2 : 1, chunk);
}

uint32_t console_wait_input(struct rig *rig, uint32_t port, struct chunk *chunk)
{
	uint32_t len;

	assert_ptr_equal(rig_wait(rig, rx_of(port), &len), chunk);
	return len;
}

void console_write(struct rig *rig, uint32_t port, const void *data, uint32_t len)
{
	struct chunk chunk;
	uint32_t written;

	console_offer_output(rig, port, &chunk, data, len);
	assert_ptr_equal(rig_wait(rig, tx_of(port), &written), &chunk);
	assert_int_equal(written, 0);
}

void console_read(struct rig *rig, uint32_t port, void *data, uint32_t len)
{
	for (uint32_t at = 0; at < len;) {
		struct chunk chunk;
		uint32_t n;

		console_offer_input(rig, port, &chunk, len - at < 65536 ? len - at : 65536);
		n = console_wait_input(rig, port, &chunk);
		assert_true(n > 0);
		memcpy((char *)data + at, chunk.buffer.data, n);
		at += n;
	}
}

void console_expect(struct rig *rig, uint32_t port, const char *text)
{
	char got[256] = "";

	console_read(rig, port, got, (uint32_t)strlen(text));
	assert_string_equal(got, text);
}
