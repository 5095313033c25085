/* SPDX-License-Identifier: MIT */
/* The commands of vu-can. */
#include "can.h"

#include <inttypes.h>
#include <string.h>

static int command_send(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct can_port *port = opaque;
	struct can_message m;

	if (can_frame_parse(words[0], &m))
		return vu_script_fail(script, "not a frame: 123#0011, 12345678#00, 123##0001122 "
					      "(CAN FD) or 123#R4");
	if (!port->started)
		return vu_script_fail(script, "the controller is not started");
	if (can_frame_fault(&m, port->features))
		return vu_script_fail(script, "the driver does not know of such frames");
	can_port_receive(port, &m);
	can_port_signal(port);
	return 0;
}

static int command_busoff(struct vu_script *script, uint32_t n, const char *const *words,
			  void *opaque)
{
	struct can_port *port = opaque;

	if (n && strcmp(words[0], "hold"))
		return vu_script_fail(script, "hold, or nothing");
	if (!port->started)
		return vu_script_fail(script, "the controller is not started");
	port->held = n;
	can_port_bus_off(port);
	return 0;
}

static int command_on(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	((struct can_port *)opaque)->held = false;
	return 0;
}

static int command_stats(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	const struct can_port *port = opaque;
	const struct can_counts *c = &port->counts;

	vu_script_answerf(script,
			  "%s sent %" PRIu64 " refused %" PRIu64 " lost %" PRIu64
			  " received %" PRIu64 " dropped %" PRIu64,
			  port->started	  ? "started"
			  : port->bus_off ? "busoff"
					  : "stopped",
			  c->sent, c->refused, c->lost, c->received, c->dropped);
	return 0;
}

static int command_watch(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	uint64_t on = 1;

	if (n && vu_number_parse(words[0], 0, 1, &on))
		return vu_script_fail(script, "0 or 1");
	((struct can_port *)opaque)->watched = on;
	return 0;
}

const struct vu_command can_commands[] = {
	{"send", "FRAME", "the guest receives a frame: 123#0011, 12345678##0001122, 123#R4", 1, 1,
	 command_send},
	{"busoff", "[hold]", "the controller goes off the bus; hold: until \"on\"", 0, 1,
	 command_busoff},
	{"on", NULL, "it can be started again", 0, 0, command_on},
	{"stats", NULL, "its state; frames sent, refused, lost, received, dropped", 0, 0,
	 command_stats},
	{"watch", "[0|1]", "say what the guest sends, or not any more", 0, 1, command_watch},
	{NULL, NULL, NULL, 0, 0, NULL},
};
