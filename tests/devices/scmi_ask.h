/* SPDX-License-Identifier: MIT */
/* Messages to vu-scmi and events from it, through the rig; as the specification numbers them. */
#ifndef DEVICES_SCMI_ASK_H
#define DEVICES_SCMI_ASK_H

#include "rig.h"

enum { CMDQ = 0, EVENTQ = 1, P2A_CHANNELS = 1, ROOM = 136, HEADER = 4, STATUS = 8, WORDS = 256 };

enum { BASE = 0x10, POWER = 0x11, PERF = 0x13, CLOCK = 0x14, SENSOR = 0x15, RESET = 0x16 };

enum { VERSION = 0, ATTRIBUTES = 1, MESSAGE_ATTRIBUTES = 2 };

enum {
	SUCCESS = 0,
	NOT_SUPPORTED = -1,
	INVALID_PARAMETERS = -2,
	DENIED = -3,
	NOT_FOUND = -4,
	OUT_OF_RANGE = -5,
	BUSY = -6,
	HARDWARE_ERROR = -9,
	PROTOCOL_ERROR = -10,
};

enum { PLATFORM = 0, GUEST = 1 }; /* agents */

enum type { COMMAND = 0, DELAYED = 2, NOTIFICATION = 3 };

/* What came back; an event has no status. */
struct answer {
	uint32_t header;
	int32_t status;
	uint32_t n; /* words behind it */
	uint32_t words[WORDS];
};

struct arguments {
	uint32_t n;
	const uint32_t *words;
};

#define ARGS(...)                                                                                  \
	((struct arguments){sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__}})

uint32_t scmi_header(uint32_t protocol, uint32_t id, enum type type, uint32_t token);

/* Start with this platform (NULL: the default one), --control, and a driver with two queues. */
void scmi_start(struct rig *rig, const char *platform);
/* The driver's features without an event queue; before scmi_start(). */
void scmi_no_events(struct rig *rig);

/* A command with ROOM bytes for the answer, as Linux has it, or with other room. */
struct answer scmi_ask(struct rig *rig, uint32_t protocol, uint32_t id, struct arguments args);
struct answer scmi_ask_room(struct rig *rig, uint32_t protocol, uint32_t id, struct arguments args,
			    uint32_t room);
/* A command that must be answered with this status and nothing else. */
void scmi_refused(struct rig *rig, int32_t status, uint32_t protocol, uint32_t id,
		  struct arguments args);
/* One that must succeed, with exactly these words. */
void scmi_expect(struct rig *rig, uint32_t protocol, uint32_t id, struct arguments args,
		 struct arguments wanted);
void scmi_done(struct rig *rig, uint32_t protocol, uint32_t id, struct arguments args);

/* A buffer for an event. */
void scmi_offer(struct rig *rig);
/* The next event must be this one; scmi_event() offers a buffer for it first. */
void scmi_event(struct rig *rig, uint32_t header, struct arguments wanted);
void scmi_next_event(struct rig *rig, uint32_t header, struct arguments wanted);
/* With a buffer there, none comes. */
void scmi_no_event(struct rig *rig);

#endif
