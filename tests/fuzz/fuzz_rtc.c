/* SPDX-License-Identifier: MIT */
/*
 * vu-rtc's requests and alarms: an input is a row of steps, each of them a request, a buffer for an
 * alarm, a clock that is set, or a reset.  The clocks stand still, so all can be foretold.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "rtc.h"

enum { MAX_LEN = 40, HEAD = 8, CLOCKS = 3 };

static void request_make(struct fuzz_request *c, struct fuzz_input *in)
{
	uint32_t out_len = fuzz_u8(in) % MAX_LEN, in_len = fuzz_u8(in) % MAX_LEN;

	fuzz_request_make(c, in, out_len, in_len);
}

/* Nothing is written but what is said to be. */
static void request_check(const struct fuzz_request *c, uint64_t written)
{
	require(written <= c->req.writable_len);
	for (uint64_t i = written; i < c->req.writable_len; i++)
		require(c->in[i] == FUZZ_UNTOUCHED);
}

static void step_request(struct rtc *rtc, struct fuzz_input *in)
{
	struct fuzz_request c;
	uint64_t written;

	request_make(&c, in);
	written = rtc_answer(rtc, &c.req);
	request_check(&c, written);
	require(!written == !c.req.writable_len);
	if (written)
		require(c.in[0] <= 4 && c.in[0] != 1);
	if (written && c.in[0])
		require(written <= HEAD);
	if (written && !c.in[0])
		require(c.req.readable_len >= HEAD && written >= HEAD);
	fuzz_request_end(&c);
}

static void step_alarm(struct rtc *rtc, struct fuzz_input *in)
{
	bool due = rtc_look(rtc);
	struct fuzz_request c;
	uint64_t written;

	request_make(&c, in);
	written = rtc_tell(rtc, &c.req);
	request_check(&c, written);
	require((written == RTC_NOTIFICATION) == (due && c.req.writable_len >= RTC_NOTIFICATION));
	if (written)
		require(c.in[8] < rtc->n && !c.in[9] && !rtc->clocks[c.in[8]].due);
	fuzz_request_end(&c);
}

static void step_set(struct rtc *rtc, struct fuzz_input *in)
{
	uint32_t clock = fuzz_u8(in) % CLOCKS;
	uint64_t before = rtc_read(&rtc->clocks[clock]), time = 0;
	int ret;

	for (int i = 0; i < 8; i++)
		time = time << 8 | fuzz_u8(in);
	ret = rtc_set(rtc, clock, time);
	require(!ret || (rtc->clocks[clock].type == RTC_MONOTONIC && time < before));
	require(rtc_read(&rtc->clocks[clock]) == (ret ? before : time));
}

static void check(struct rtc *rtc)
{
	rtc_look(rtc);
	for (uint32_t i = 0; i < rtc->n; i++) {
		const struct rtc_clock *c = &rtc->clocks[i];

		require(!c->due || (c->enabled && rtc->alarms && rtc_read(c) >= c->alarm));
	}
	require(rtc_patience(rtc) == UINT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct rtc rtc = {.alarms = true};

	require(!rtc_add(&rtc, RTC_UTC_SMEARED) && !rtc_add(&rtc, RTC_TAI) &&
		!rtc_add(&rtc, RTC_MONOTONIC));
	for (uint32_t i = 0; i < CLOCKS; i++) {
		rtc_stop(&rtc, i, true);
		rtc.clocks[i].frozen = 100;
	}
	while (in.at < in.end) {
		uint8_t step = fuzz_u8(&in);

		if (step < 0x80)
			step_request(&rtc, &in);
		else if (step < 0xc0)
			step_alarm(&rtc, &in);
		else if (step < 0xf8)
			step_set(&rtc, &in);
		else if (step < 0xfc)
			rtc_reset(&rtc);
		else
			rtc_negotiated(&rtc, step & 1);
		check(&rtc);
	}
	return 0;
}
