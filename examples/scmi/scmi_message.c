/* SPDX-License-Identifier: MIT */
/*
 * From a request to the handler of its message, and the building of answers.
 *
 * A request is a header and words of 32 bits.  It has been copied out of guest memory; here its
 * protocol, its message, its length and the room for its answer are checked before a handler runs,
 * which thus sees as many words as its table says and may put as many as its table promises.
 */
#include "scmi.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PROTOCOL_VERSION = 0, PROTOCOL_ATTRIBUTES = 1, PROTOCOL_MESSAGE_ATTRIBUTES = 2 };

const struct scmi_protocol *const scmi_protocols[] = {
	&scmi_base, &scmi_power, &scmi_perf, &scmi_clock, &scmi_sensor, &scmi_reset, NULL,
};

void scmi_set(struct scmi_call *call, size_t at, uint32_t word)
{
	uint32_t le = htole32(word);

	if (at + sizeof(le) <= call->room)
		memcpy(call->reply + at, &le, sizeof(le));
}

void scmi_put(struct scmi_call *call, uint32_t word)
{
	if (!scmi_fits(call, 1))
		return;
	scmi_set(call, call->len, word);
	call->len += sizeof(word);
}

void scmi_put64(struct scmi_call *call, uint64_t value)
{
	scmi_put(call, (uint32_t)value);
	scmi_put(call, (uint32_t)(value >> 32));
}

void scmi_put_text(struct scmi_call *call, const char *text, size_t len)
{
	size_t n = strlen(text);

	if (n >= len)
		n = len - 1;
	if (call->room - call->len < len)
		return;
	memset(call->reply + call->len, 0, len);
	memcpy(call->reply + call->len, text, n);
	call->len += len;
}

bool scmi_fits(const struct scmi_call *call, uint32_t words)
{
	return (call->room - call->len) / sizeof(uint32_t) >= words;
}

bool scmi_is_long(const char *name)
{
	return strlen(name) >= SCMI_SHORT_NAME;
}

int32_t scmi_put_name(struct scmi_call *call, const char *name)
{
	scmi_put(call, 0); /* flags: none are defined */
	scmi_put_text(call, name, SCMI_NAME);
	return SCMI_SUCCESS;
}

int32_t scmi_set_flag(uint32_t arg, bool *flag)
{
	if (arg > 1)
		return SCMI_INVALID_PARAMETERS;
	*flag = arg;
	return SCMI_SUCCESS;
}

void scmi_say(struct scmi_platform *p, const char *format, ...)
{
	char line[256];
	va_list args;

	if (!p->host.say)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	p->host.say(p->host.opaque, line);
}

bool scmi_has(const struct scmi_platform *p, const struct scmi_protocol *protocol)
{
	return !protocol->count || protocol->count(p);
}

static const struct scmi_protocol *message_protocol(const struct scmi_platform *p, uint32_t header)
{
	for (uint32_t i = 0; scmi_protocols[i]; i++)
		if (scmi_protocols[i]->id == (header >> 10 & 0xff))
			return scmi_has(p, scmi_protocols[i]) ? scmi_protocols[i] : NULL;
	return NULL;
}

static const struct scmi_message *message_find(const struct scmi_platform *p,
					       const struct scmi_protocol *protocol, uint32_t id)
{
	for (const struct scmi_message *m = protocol->messages; m->run; m++)
		if (m->id == id)
			return m->event && !p->p2a ? NULL : m;
	return NULL;
}

static int32_t protocol_version(struct scmi_call *call)
{
	/*
	 * The first that an agent asks for.  If the virtual machine was away, this is not the agent
	 * that was there before: what that had subscribed to is nothing to this one.
	 */
	if (call->protocol == &scmi_base && call->platform->was_away)
		scmi_forget_agent(call->platform);
	scmi_put(call, call->protocol->version);
	return SCMI_SUCCESS;
}

static int32_t protocol_message_attributes(struct scmi_call *call)
{
	/* Those that every protocol has end with this one. */
	if (call->args[0] > PROTOCOL_MESSAGE_ATTRIBUTES &&
	    !message_find(call->platform, call->protocol, call->args[0]))
		return SCMI_NOT_FOUND;
	scmi_put(call, 0); /* no fast channels, and nothing else is defined */
	return SCMI_SUCCESS;
}

static int32_t message_run(struct scmi_call *call, size_t in_len)
{
	/* PROTOCOL_ATTRIBUTES differs from protocol to protocol: it is in their tables. */
	static const struct scmi_message common[] = {
		{PROTOCOL_VERSION, 0, 1, false, protocol_version},
		{PROTOCOL_MESSAGE_ATTRIBUTES, 1, 1, false, protocol_message_attributes},
		{0},
	};
	static const struct scmi_protocol every = {.messages = common};
	const struct scmi_message *m;

	if ((call->header >> 8 & 3) != SCMI_COMMAND)
		return SCMI_PROTOCOL_ERROR;
	call->protocol = message_protocol(call->platform, call->header);
	if (!call->protocol)
		return SCMI_NOT_SUPPORTED;
	m = message_find(call->platform, &every, call->header & 0xff);
	if (!m)
		m = message_find(call->platform, call->protocol, call->header & 0xff);
	if (!m)
		return SCMI_NOT_SUPPORTED;
	if (in_len != SCMI_HEADER + m->n_args * sizeof(uint32_t) || !scmi_fits(call, m->reply))
		return SCMI_PROTOCOL_ERROR;
	return m->run(call);
}

size_t scmi_serve(struct scmi_platform *p, const unsigned char *in, size_t in_len,
		  unsigned char *out, size_t room)
{
	uint32_t words[1 + SCMI_MAX_ARGS] = {0};
	struct scmi_call call = {.platform = p, .reply = out, .room = room};
	int32_t status;

	if (in_len < SCMI_HEADER || room < SCMI_STATUS_END)
		return 0;
	memcpy(words, in, in_len < sizeof(words) ? in_len : sizeof(words));
	call.header = le32toh(words[0]);
	for (uint32_t i = 0; i < SCMI_MAX_ARGS; i++)
		call.args[i] = le32toh(words[1 + i]);
	scmi_put(&call, call.header);
	scmi_put(&call, 0);
	status = message_run(&call, in_len);
	/* virtio 1.3 §5.17.6.1.1: a failure has nothing but the status. */
	if (status)
		call.len = SCMI_STATUS_END;
	scmi_set(&call, SCMI_HEADER, (uint32_t)status);
	return call.len;
}
