/* SPDX-License-Identifier: MIT */
/* Devices whose requests are a few bytes: rng, console, input, net, scmi; see type_bus.c, too. */
#include <linux/input.h>
#include <stdio.h>

#include "types.h"

void tell_rng(const struct request *r, struct told *t)
{
	t->name = "READ";
	told_add(t, "len %llu", (unsigned long long)r->in);
	snprintf(t->result, sizeof(t->result), "%u bytes", r->used);
}

/* virtio 1.3 §5.3: receive and transmit of port 0, both of control, then the other ports'. */
void tell_console(const struct request *r, struct told *t)
{
	static const struct name events[] = {
		{0, "DEVICE_READY"}, {1, "DEVICE_ADD"}, {2, "DEVICE_REMOVE"}, {3, "PORT_READY"},
		{4, "CONSOLE_PORT"}, {5, "RESIZE"},	{6, "PORT_OPEN"},     {7, "PORT_NAME"},
	};
	enum { CONTROL_IN = 2, CONTROL_OUT = 3, MESSAGE = 8 };
	bool in = r->queue % 2 == 0;
	const unsigned char *bytes = in ? r->written : r->head;
	size_t n = in ? r->n_written : r->n_head;

	if (r->queue == CONTROL_IN || r->queue == CONTROL_OUT) {
		const char *name = NAME(events, (uint32_t)bytes_le(bytes, n, 4, 2));

		t->name = name ? name : "unknown event";
		told_add(t, "port %u value %u", (uint32_t)bytes_le(bytes, n, 0, 4),
			 (uint32_t)bytes_le(bytes, n, 6, 2));
		if (n > MESSAGE)
			told_add_string(t, "text", bytes + MESSAGE, n - MESSAGE);
		return;
	}
	t->name = in ? "RECEIVE" : "TRANSMIT";
	told_add(t, "port %u len %llu", r->queue < CONTROL_IN ? 0 : r->queue / 2 - 1,
		 (unsigned long long)(in ? r->used : r->out));
	told_add_string(t, "text", bytes, n);
}

void tell_input(const struct request *r, struct told *t)
{
	static const struct name types[] = {
		{EV_SYN, "SYN"}, {EV_KEY, "KEY"}, {EV_REL, "REL"}, {EV_ABS, "ABS"}, {EV_MSC, "MSC"},
		{EV_SW, "SW"},	 {EV_LED, "LED"}, {EV_SND, "SND"}, {EV_REP, "REP"}, {EV_FF, "FF"},
	};
	const unsigned char *bytes = r->queue ? r->head : r->written;
	size_t n = r->queue ? r->n_head : r->n_written;
	uint32_t type = (uint32_t)bytes_le(bytes, n, 0, 2);
	const char *name = NAME(types, type);

	t->name = r->queue ? "STATUS" : "EVENT";
	if (name)
		told_add(t, "%s", name);
	else
		told_add(t, "type %u", type);
	told_add(t, "code %u value %d", (uint32_t)bytes_le(bytes, n, 2, 2),
		 (int)(uint32_t)bytes_le(bytes, n, 4, 4));
}

void tell_net(const struct request *r, struct told *t)
{
	t->name = r->queue % 2 ? "TRANSMIT" : "RECEIVE";
	told_add(t, "len %llu", (unsigned long long)(r->queue % 2 ? r->out : r->used));
}

/* virtio 1.3 §5.17: a message begins with a 32-bit header, its answer has a status behind it. */
void tell_scmi(const struct request *r, struct told *t)
{
	static const struct name results[] = {
		{0, "SUCCESS"},
		{(uint32_t)-1, "NOT_SUPPORTED"},
		{(uint32_t)-2, "INVALID_PARAMETERS"},
		{(uint32_t)-3, "DENIED"},
		{(uint32_t)-4, "NOT_FOUND"},
		{(uint32_t)-5, "OUT_OF_RANGE"},
		{(uint32_t)-6, "BUSY"},
		{(uint32_t)-9, "HARDWARE_ERROR"},
		{(uint32_t)-10, "PROTOCOL_ERROR"},
	};
	uint32_t header =
		r->queue ? (uint32_t)bytes_le(r->written, r->n_written, 0, 4) : request_u32(r, 0);

	t->name = r->queue ? "NOTIFICATION" : "COMMAND";
	told_add(t, "protocol 0x%02x message 0x%02x", header >> 10 & 0xff, header & 0xff);
	if (!r->queue && r->n_written >= 8)
		told_status(t, (uint32_t)bytes_le(r->written, r->n_written, 4, 4), results,
			    sizeof(results) / sizeof(results[0]));
}
