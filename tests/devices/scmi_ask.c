/* SPDX-License-Identifier: MIT */
/* See scmi_ask.h.  Cookies of the event queue are its buffers. */
#include "scmi_ask.h"

#include <stdio.h>
#include <stdlib.h>

const char *const rig_program = "VU_SCMI";

enum { TOKEN = 0x155, MAX_BYTES = 4 * (WORDS + 2) };

uint32_t scmi_header(uint32_t protocol, uint32_t id, enum type type, uint32_t token)
{
	return id | (uint32_t)type << 8 | protocol << 10 | token << 18;
}

void scmi_start(struct rig *rig, const char *platform)
{
	char control[RIG_PATH + 16], option[RIG_PATH + 16];
	const char *args[] = {control, platform ? option : NULL, NULL};

	snprintf(control, sizeof(control), "--control=%s", rig->control);
	if (platform)
		snprintf(option, sizeof(option), "--platform=%s",
			 rig_file(rig, "platform", platform));
	rig->config.n_queues = 2;
	rig_start(rig, args);
}

void scmi_no_events(struct rig *rig)
{
	/* VERSION_1 and vhost-user's protocol features. */
	rig->config.features = UINT64_C(1) << 32 | UINT64_C(1) << 30;
}

struct answer scmi_ask_room(struct rig *rig, uint32_t protocol, uint32_t id, struct arguments args,
			    uint32_t room)
{
	uint32_t out[1 + 16], in[WORDS + 2], len;
	struct answer answer = {0};

	out[0] = htole32(scmi_header(protocol, id, COMMAND, TOKEN));
	for (uint32_t i = 0; i < args.n; i++)
		out[1 + i] = htole32(args.words[i]);
	assert_true(room >= STATUS && room <= MAX_BYTES);
	len = rig_ask(rig, CMDQ, out, 4 + 4 * args.n, in, room);
	assert_true(len >= STATUS && len % 4 == 0);
	answer.header = le32toh(in[0]);
	answer.status = (int32_t)le32toh(in[1]);
	answer.n = len / 4 - 2;
	for (uint32_t i = 0; i < answer.n; i++)
		answer.words[i] = le32toh(in[2 + i]);
	assert_int_equal(answer.header, le32toh(out[0]));
	if (answer.status)
		assert_int_equal(answer.n, 0);
	return answer;
}

struct answer scmi_ask(struct rig *rig, uint32_t protocol, uint32_t id, struct arguments args)
{
	return scmi_ask_room(rig, protocol, id, args, ROOM);
}

void scmi_refused(struct rig *rig, int32_t status, uint32_t protocol, uint32_t id,
		  struct arguments args)
{
	assert_int_equal(scmi_ask(rig, protocol, id, args).status, status);
}

void scmi_expect(struct rig *rig, uint32_t protocol, uint32_t id, struct arguments args,
		 struct arguments wanted)
{
	struct answer answer = scmi_ask(rig, protocol, id, args);

	assert_int_equal(answer.status, SUCCESS);
	assert_int_equal(answer.n, wanted.n);
	for (uint32_t i = 0; i < wanted.n; i++)
		assert_int_equal(answer.words[i], wanted.words[i]);
}

void scmi_done(struct rig *rig, uint32_t protocol, uint32_t id, struct arguments args)
{
	scmi_expect(rig, protocol, id, args, (struct arguments){0});
}

void scmi_offer(struct rig *rig)
{
	struct rig_buffer *buffer = malloc(sizeof(*buffer));
	struct driver_seg seg;

	rig_buffer(rig, buffer, ROOM);
	seg = rig_write_seg(buffer, ROOM);
	rig_offer(rig, EVENTQ, &seg, 1, buffer);
}

void scmi_next_event(struct rig *rig, uint32_t header, struct arguments wanted)
{
	uint32_t words[ROOM / 4], len;
	struct rig_buffer *buffer = rig_wait(rig, EVENTQ, &len);

	memcpy(words, buffer->data, ROOM);
	free(buffer);
	assert_int_equal(le32toh(words[0]), header);
	assert_int_equal(len, 4 + 4 * wanted.n);
	for (uint32_t i = 0; i < wanted.n; i++)
		assert_int_equal(le32toh(words[1 + i]), wanted.words[i]);
}

void scmi_event(struct rig *rig, uint32_t header, struct arguments wanted)
{
	scmi_offer(rig);
	scmi_next_event(rig, header, wanted);
}

void scmi_no_event(struct rig *rig)
{
	struct driver_used used;

	scmi_offer(rig);
	rig_expect_nothing(rig, EVENTQ);
	/* Take the buffer back by an event that is known to come. */
	rig_say(rig, "error");
	rig_check(rig, peer_wait_used(rig->peer, EVENTQ, &used));
	free(used.cookie);
}
