/* SPDX-License-Identifier: MIT */
/* See input_guest.h. */
#include "input_guest.h"

void input_give(struct rig *rig, uint32_t n)
{
	struct rig_buffer buffer;
	struct driver_seg seg;

	for (uint32_t i = 0; i < n; i++) {
		rig_buffer(rig, &buffer, sizeof(struct virtio_input_event));
		seg = rig_write_seg(&buffer, buffer.len);
		rig_check(rig, driver_add(rig->peer->queues[EVENTQ], &seg, 1, buffer.data));
	}
	rig_check(rig, driver_kick(rig->peer->queues[EVENTQ]));
}

struct virtio_input_event input_take(struct rig *rig)
{
	struct virtio_input_event ev;
	uint32_t len;
	const void *data = rig_wait(rig, EVENTQ, &len);

	assert_int_equal(len, sizeof(ev));
	memcpy(&ev, data, sizeof(ev));
	ev.type = le16toh(ev.type);
	ev.code = le16toh(ev.code);
	ev.value = le32toh(ev.value);
	return ev;
}

void input_expect_at(struct rig *rig, uint16_t type, uint16_t code, int32_t value, const char *file,
		     int line)
{
	struct virtio_input_event ev = input_take(rig);

	if (ev.type != type || ev.code != code || (int32_t)ev.value != value)
		fail_msg("%s:%d: the event is %u %u %d, not %u %u %d", file, line, ev.type, ev.code,
			 (int32_t)ev.value, type, code, value);
}

void input_send_status(struct rig *rig, uint16_t type, uint16_t code, int32_t value)
{
	const struct virtio_input_event ev = {
		.type = htole16(type), .code = htole16(code), .value = htole32((uint32_t)value)};

	assert_int_equal(rig_ask(rig, STATUSQ, &ev, sizeof(ev), NULL, 0), 0);
}

void input_select(struct rig *rig, uint8_t select, uint8_t subsel,
		  struct virtio_input_config *config)
{
	rig_get_config(rig, 0, config, sizeof(*config));
	config->select = select;
	rig_set_config(rig, 0, config, sizeof(*config));
	rig_get_config(rig, 0, config, sizeof(*config));
	config->subsel = subsel;
	rig_set_config(rig, 0, config, sizeof(*config));
	rig_get_config(rig, 0, config, sizeof(*config));
	assert_int_equal(config->select, select);
	assert_int_equal(config->subsel, subsel);
}
