/* SPDX-License-Identifier: MIT */
/*
 * Requests, and notifications of alarms (virtio 1.4 §5.23.6).
 *
 * Each is copied before it is looked at.  What is wrong with one is found in the order of the
 * specification: no such type, no room, no such clock, a counter that is none, values that can't
 * be.
 */
#include "rtc.h"

#include <endian.h>
#include <string.h>

enum {
	REQ_READ = 0x0001,
	REQ_READ_CROSS = 0x0002,
	REQ_CFG = 0x1000,
	REQ_CLOCK_CAP = 0x1001,
	REQ_CROSS_CAP = 0x1002,
	REQ_READ_ALARM = 0x1003,
	REQ_SET_ALARM = 0x1004,
	REQ_SET_ALARM_ENABLED = 0x1005,
	NOTIF_ALARM = 0x2000,
};

enum { S_OK, S_EOPNOTSUPP = 2, S_ENODEV = 3, S_EINVAL = 4 };
enum { COUNTER_ARM_VCT, COUNTER_X86_TSC, ALARM_CAP = 1, ALARM_ENABLED = 1 };

/* All requests and answers are 8 bytes of head and these; the fields are where they are in all. */
struct body {
	uint64_t time;	   /* of REQ_SET_ALARM, which comes before the rest */
	uint16_t clock_id; /* or the counter's, the flags', ... */
	uint8_t byte;	   /* hw_counter or flags */
	uint8_t reserved[5];
};

/* A request that was read, and the words that follow the answer's head. */
struct call {
	struct rtc *rtc;
	struct rtc_clock *clock; /* NULL for those that name none */
	struct body in;
	unsigned char out[16];
};

static void put64(struct call *call, uint32_t offset, uint64_t value)
{
	value = htole64(value);
	memcpy(call->out + offset, &value, sizeof(value));
}

static uint8_t request_cfg(struct call *call)
{
	call->out[0] = (uint8_t)call->rtc->n;
	return S_OK;
}

static uint8_t request_clock_cap(struct call *call)
{
	call->out[0] = (uint8_t)call->clock->type;
	/* How a smeared one is smeared (byte 1) only the host's time server knows. */
	call->out[2] = call->rtc->alarms ? ALARM_CAP : 0;
	return S_OK;
}

/* What the guest's counter says is known to who runs its processors, not to a back-end. */
static uint8_t request_cross_cap(struct call *call)
{
	return call->in.byte <= COUNTER_X86_TSC ? S_OK : S_EOPNOTSUPP;
}

static uint8_t request_read_cross(struct call *call)
{
	(void)call;
	return S_EOPNOTSUPP;
}

static uint8_t request_read(struct call *call)
{
	put64(call, 0, rtc_read(call->clock));
	return S_OK;
}

static uint8_t request_read_alarm(struct call *call)
{
	put64(call, 0, call->clock->alarm);
	call->out[8] = call->clock->enabled ? ALARM_ENABLED : 0;
	return S_OK;
}

static uint32_t call_clock(const struct call *call)
{
	return (uint32_t)(call->clock - call->rtc->clocks);
}

static uint8_t request_set_alarm(struct call *call)
{
	if (call->in.byte & ~ALARM_ENABLED)
		return S_EINVAL;
	rtc_set_alarm(call->rtc, call_clock(call), call->in.time, call->in.byte & ALARM_ENABLED);
	return S_OK;
}

static uint8_t request_set_alarm_enabled(struct call *call)
{
	call->in.time = call->clock->alarm;
	return request_set_alarm(call);
}

/* How a request looks: bytes after the heads, and what its words are. */
struct type {
	uint16_t number;
	uint8_t in, out;
	bool clock, time, byte, alarm;
	uint8_t (*run)(struct call *call);
};

static const struct type types[] = {
	{REQ_READ, 8, 8, true, false, false, false, request_read},
	{REQ_READ_CROSS, 8, 16, true, false, true, false, request_read_cross},
	{REQ_CFG, 0, 8, false, false, false, false, request_cfg},
	{REQ_CLOCK_CAP, 8, 8, true, false, false, false, request_clock_cap},
	{REQ_CROSS_CAP, 8, 8, true, false, true, false, request_cross_cap},
	{REQ_READ_ALARM, 8, 16, true, false, false, true, request_read_alarm},
	{REQ_SET_ALARM, 16, 0, true, true, true, true, request_set_alarm},
	{REQ_SET_ALARM_ENABLED, 8, 0, true, false, true, true, request_set_alarm_enabled},
};

static const struct type *type_find(uint16_t number)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	while (n)
		if (bytes[--n])
			return false;
	return true;
}

/* What follows the head: le64 alarm_time where there is one, le16 clock_id, one byte, five. */
static void body_read(const struct type *type, const unsigned char *data, struct body *body)
{
	memset(body, 0, sizeof(*body));
	if (type->time) {
		memcpy(&body->time, data, sizeof(body->time));
		body->time = le64toh(body->time);
		data += sizeof(body->time);
	}
	if (!type->clock)
		return;
	memcpy(&body->clock_id, data, sizeof(body->clock_id));
	body->clock_id = le16toh(body->clock_id);
	body->byte = data[2];
	memcpy(body->reserved, data + 3, sizeof(body->reserved));
}

static uint8_t call_run(struct call *call, const struct type *type, const unsigned char *head)
{
	const struct body *in = &call->in;
	bool reserved = !is_zero(head + 2, 6) || !is_zero(in->reserved, sizeof(in->reserved)) ||
			(!type->byte && in->byte);

	if (type->alarm && !call->rtc->alarms)
		return S_ENODEV;
	if (type->clock && in->clock_id >= call->rtc->n)
		return S_ENODEV;
	if (type->clock)
		call->clock = &call->rtc->clocks[in->clock_id];
	if (reserved && type->run != request_read_cross)
		return S_EINVAL;
	return type->run(call);
}

/* The status alone is one byte; as much of the head as there is room for comes with it. */
static uint64_t answer(const struct vu_req *req, uint8_t status, const void *out, uint32_t len)
{
	const unsigned char head[8] = {status};
	uint64_t n = vu_req_write(req, 0, head, sizeof(head));

	return status == S_OK ? n + vu_req_write(req, sizeof(head), out, len) : n;
}

uint64_t rtc_answer(struct rtc *rtc, const struct vu_req *req)
{
	struct call call = {.rtc = rtc};
	unsigned char head[8], body[16];
	const struct type *type;
	uint16_t number;
	uint8_t status;

	if (vu_req_read(req, 0, head, sizeof(head)) != sizeof(head))
		return answer(req, S_EINVAL, NULL, 0);
	memcpy(&number, head, sizeof(number));
	type = type_find(le16toh(number));
	if (!type)
		return answer(req, S_EOPNOTSUPP, NULL, 0);
	if (vu_req_read(req, sizeof(head), body, type->in) != type->in ||
	    req->writable_len < sizeof(head) + type->out)
		return answer(req, S_EINVAL, NULL, 0);
	body_read(type, body, &call.in);
	rtc_look(rtc);
	status = call_run(&call, type, head);
	return answer(req, status, call.out, type->out);
}

uint64_t rtc_tell(struct rtc *rtc, const struct vu_req *req)
{
	unsigned char out[RTC_NOTIFICATION] = {NOTIF_ALARM & 0xff, NOTIF_ALARM >> 8};
	uint32_t i = 0;

	if (req->writable_len < sizeof(out))
		return 0;
	while (i < rtc->n && !rtc->clocks[i].due)
		i++;
	if (i == rtc->n)
		return 0;
	out[8] = (uint8_t)i;
	rtc->clocks[i].due = false;
	return vu_req_write(req, 0, out, sizeof(out));
}
