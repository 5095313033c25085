/* SPDX-License-Identifier: MIT */
/* Clocks (virtio 1.4 §5.23.6). */
#include "types.h"

enum { SET_ALARM = 0x1004, HEAD = 8 };

static const struct name requests[] = {
	{0x0001, "READ"},	  {0x0002, "READ_CROSS"},	 {0x1000, "CFG"},
	{0x1001, "CLOCK_CAP"},	  {0x1002, "CROSS_CAP"},	 {0x1003, "READ_ALARM"},
	{SET_ALARM, "SET_ALARM"}, {0x1005, "SET_ALARM_ENABLED"},
};

static const struct name results[] = {
	{0, "OK"}, {2, "EOPNOTSUPP"}, {3, "ENODEV"}, {4, "EINVAL"}, {5, "EIO"}};

/* The first word of an answer: a time, or what there is of something. */
static void tell_answer(const struct request *r, struct told *t)
{
	told_status(t, r->written[0], results, sizeof(results) / sizeof(results[0]));
	if (!t->failed && r->n_written >= HEAD + sizeof(uint64_t))
		told_add(t, "gives %llu",
			 (unsigned long long)bytes_le(r->written, r->n_written, HEAD, 8));
}

void tell_rtc(const struct request *r, struct told *t)
{
	uint32_t type = request_u16(r, 0);
	const char *name = NAME(requests, type);

	if (r->queue) {
		t->name = "ALARM";
		told_add(t, "clock %u", (uint32_t)bytes_le(r->written, r->n_written, HEAD, 2));
		return;
	}
	t->name = name ? name : "unknown type";
	if (!name)
		told_add(t, "0x%x", type);
	else if (type == SET_ALARM)
		told_add(t, "clock %u time %llu", request_u16(r, HEAD + 8),
			 (unsigned long long)request_u64(r, HEAD));
	else if (r->n_head > HEAD)
		told_add(t, "clock %u", request_u16(r, HEAD));
	if (r->n_written)
		tell_answer(r, t);
}
