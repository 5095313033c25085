/* SPDX-License-Identifier: MIT */
/* Sound (virtio 1.3 §5.14). */
#include "types.h"

enum { CONTROL, EVENT, TX, RX, PCM_SET_PARAMS = 0x101, STATUS_BYTES = 8 };

static const struct name codes[] = {
	{1, "JACK_INFO"},	   {2, "JACK_REMAP"},
	{0x100, "PCM_INFO"},	   {PCM_SET_PARAMS, "PCM_SET_PARAMS"},
	{0x102, "PCM_PREPARE"},	   {0x103, "PCM_RELEASE"},
	{0x104, "PCM_START"},	   {0x105, "PCM_STOP"},
	{0x200, "CHMAP_INFO"},	   {0x300, "CTL_INFO"},
	{0x301, "CTL_ENUM_ITEMS"}, {0x302, "CTL_READ"},
	{0x303, "CTL_WRITE"},	   {0x304, "CTL_TLV_READ"},
	{0x305, "CTL_TLV_WRITE"},  {0x306, "CTL_TLV_COMMAND"},
};

static const struct name events[] = {
	{0x1000, "JACK_CONNECTED"}, {0x1001, "JACK_DISCONNECTED"}, {0x1100, "PCM_PERIOD_ELAPSED"},
	{0x1101, "PCM_XRUN"},	    {0x1200, "CTL_NOTIFY"},
};

static const struct name results[] = {
	{0x8000, "OK"}, {0x8001, "BAD_MSG"}, {0x8002, "NOT_SUPP"}, {0x8003, "IO_ERR"}};

static void tell_control(const struct request *r, struct told *t)
{
	uint32_t code = request_u32(r, 0);
	const char *name = NAME(codes, code);

	t->name = name ? name : "unknown code";
	if (!name)
		told_add(t, "0x%x", code);
	if (code == PCM_SET_PARAMS)
		told_add(t, "stream %u buffer %u period %u channels %u format %u rate %u",
			 request_u32(r, 4), request_u32(r, 8), request_u32(r, 12),
			 request_u8(r, 20), request_u8(r, 21), request_u8(r, 22));
	else if (code > PCM_SET_PARAMS && code < 0x200)
		told_add(t, "stream %u", request_u32(r, 4));
	else if (r->n_head >= 12)
		told_add(t, "first %u count %u", request_u32(r, 4), request_u32(r, 8));
	if (r->n_written >= 4)
		told_status(t, (uint32_t)bytes_le(r->written, r->n_written, 0, 4), results,
			    sizeof(results) / sizeof(results[0]));
}

void tell_snd(const struct request *r, struct told *t)
{
	if (r->queue == CONTROL) {
		tell_control(r, t);
	} else if (r->queue == EVENT) {
		const char *name = NAME(events, (uint32_t)bytes_le(r->written, r->n_written, 0, 4));

		t->name = name ? name : "unknown event";
		told_add(t, "%u", (uint32_t)bytes_le(r->written, r->n_written, 4, 4));
	} else {
		t->name = r->queue == TX ? "PLAY" : "CAPTURE";
		told_add(t, "stream %u len %llu", request_u32(r, 0),
			 (unsigned long long)(r->queue == TX	       ? r->out > 4 ? r->out - 4 : 0
					      : r->used > STATUS_BYTES ? r->used - STATUS_BYTES
								       : 0));
		if (r->n_tail < STATUS_BYTES)
			return;
		told_status(t, (uint32_t)bytes_le(r->tail, r->n_tail, r->n_tail - STATUS_BYTES, 4),
			    results, sizeof(results) / sizeof(results[0]));
	}
}
