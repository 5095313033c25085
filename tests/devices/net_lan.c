/* SPDX-License-Identifier: MIT */
/* See net_lan.h. */
#include "net_lan.h"

#include <stdio.h>
#include <stdlib.h>

void lan_begin_bare(struct rig *rig, struct lan *lan, const char *const *more)
{
	const char *options[RIG_MAX_ARGS] = {NULL};
	uint32_t n = 0;

	guests_name(&lan->guests, rig, 2);
	for (; lan->guests.options[n]; n++)
		options[n] = lan->guests.options[n];
	while (more && *more)
		options[n++] = *more++;
	net_start(rig, "switch", options);
	guests_connect(&lan->guests);
}

void lan_begin(struct rig *rig, struct lan *lan, const char *const *more)
{
	lan_begin_bare(rig, lan, more);
	for (int i = 0; i < GUESTS; i++)
		for (int k = 0; k < LAN_BUFFERS; k++)
			net_give(lan->guests.rigs[i], NET_RX, &lan->buffers[i][k], LAN_ROOM);
}

void lan_make(unsigned char frame[LAN_LEN], int to, int from, uint32_t seed)
{
	const unsigned char addresses[2][6] = {{2, 0, 0, 0, 0, (unsigned char)to},
					       {2, 0, 0, 0, 0, (unsigned char)from}};

	net_frame(frame, LAN_LEN, seed);
	memcpy(frame, addresses, sizeof(addresses));
	if (to == LAN_ALL)
		memset(frame, 0xff, 6);
}

void lan_says(struct lan *lan, int who, const unsigned char *frame)
{
	net_send(lan->guests.rigs[who], NULL, frame, LAN_LEN);
}

void lan_hears(struct lan *lan, int who, const unsigned char *frame)
{
	struct rig *rig = lan->guests.rigs[who];
	struct rig_buffer *buffer;
	struct driver_seg seg;
	uint32_t len;

	buffer = rig_wait(rig, NET_RX, &len);
	assert_int_equal(len, 12 + LAN_LEN);
	assert_memory_equal(buffer->data + 12, frame, LAN_LEN);
	seg = rig_write_seg(buffer, LAN_ROOM);
	rig_offer(rig, NET_RX, &seg, 1, buffer);
}

void lan_is_quiet(struct lan *lan)
{
	for (int i = 0; i < GUESTS; i++)
		rig_expect_nothing(lan->guests.rigs[i], NET_RX);
}

void lan_end(struct lan *lan)
{
	guests_end(&lan->guests);
}

uint64_t lan_count(struct rig *rig, const char *place, const char *word)
{
	const char *line = rig_say(rig, "switch");
	char wanted[32];

	while (strncmp(line, place, strlen(place)) != 0) {
		line = strchr(line, '\n');
		assert_non_null(line);
		line++;
	}
	snprintf(wanted, sizeof(wanted), " %s ", word);
	line = strstr(line, wanted);
	assert_non_null(line);
	return strtoull(line + strlen(wanted), NULL, 10);
}
