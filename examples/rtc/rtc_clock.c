/* SPDX-License-Identifier: MIT */
/*
 * Clocks and their alarms.
 *
 * A clock is one of the host's and an offset.  An alarm expires when its clock comes from before
 * its time to that time or beyond, and when it is set or enabled with a time that is not in the
 * future (virtio 1.4 §5.23.6.4); what happened is found out by looking, which rtc_patience() says
 * when to do.
 */
#include "rtc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const uint64_t second = 1000000000;
/* The host's own time can be set behind our back, so an alarm of it is looked at now and then. */
static const uint64_t glance = 1000000000;
/* TAI is so far ahead of UTC since 2017, for a host whose kernel was not told. */
static const uint64_t tai_ahead = 37;

const char *const rtc_type_names[] = {
	[RTC_UTC] = "utc",
	[RTC_TAI] = "tai",
	[RTC_MONOTONIC] = "monotonic",
	[RTC_UTC_SMEARED] = "utc-smeared",
	[RTC_UTC_MAYBE_SMEARED] = "utc-maybe-smeared",
	[RTC_TYPES] = NULL,
};

static uint64_t clock_host(clockid_t base)
{
	struct timespec now;

	if (clock_gettime(base, &now))
		return 0;
	return (uint64_t)now.tv_sec * second + (uint64_t)now.tv_nsec;
}

uint64_t rtc_read(const struct rtc_clock *clock)
{
	return clock->stopped ? clock->frozen : clock_host(clock->base) + clock->offset;
}

/* The kernel's TAI, if it is any: without an offset it says UTC. */
static void clock_begin_tai(struct rtc_clock *c)
{
	uint64_t utc = clock_host(CLOCK_REALTIME); /* before the other, which is so no earlier */

	c->base = CLOCK_TAI;
	if (clock_host(CLOCK_TAI) - utc < second) {
		c->base = CLOCK_REALTIME;
		c->offset = tai_ahead * second;
	}
}

int rtc_add(struct rtc *rtc, enum rtc_type type)
{
	struct rtc_clock *c = &rtc->clocks[rtc->n];

	if (rtc->n == RTC_CLOCKS)
		return -ENOSPC;
	*c = (struct rtc_clock){.type = type, .base = CLOCK_REALTIME};
	if (type == RTC_TAI)
		clock_begin_tai(c);
	else if (type == RTC_MONOTONIC)
		c->base = CLOCK_MONOTONIC;
	rtc->n++;
	return 0;
}

static void clock_expire(struct rtc *rtc, struct rtc_clock *c)
{
	c->due = rtc->alarms;
	if (rtc->changed)
		rtc->changed(rtc, (uint32_t)(c - rtc->clocks), true);
}

static void clock_look(struct rtc *rtc, struct rtc_clock *c)
{
	bool was_before = c->before;

	c->before = rtc_read(c) < c->alarm;
	/* It went back, so it is all to come once more. */
	if (c->before)
		c->due = false;
	else if (was_before && c->enabled)
		clock_expire(rtc, c);
}

bool rtc_look(struct rtc *rtc)
{
	bool due = false;

	for (uint32_t i = 0; i < rtc->n; i++) {
		clock_look(rtc, &rtc->clocks[i]);
		due |= rtc->clocks[i].due;
	}
	return due;
}

void rtc_set_alarm(struct rtc *rtc, uint32_t clock, uint64_t time, bool enabled)
{
	struct rtc_clock *c = &rtc->clocks[clock];

	c->alarm = time;
	c->enabled = enabled;
	c->due = false;
	c->before = rtc_read(c) < time;
	if (rtc->changed)
		rtc->changed(rtc, clock, false);
	if (enabled && !c->before)
		clock_expire(rtc, c);
}

int rtc_set(struct rtc *rtc, uint32_t clock, uint64_t time)
{
	struct rtc_clock *c = &rtc->clocks[clock];

	if (c->type == RTC_MONOTONIC && time < rtc_read(c))
		return -EINVAL;
	rtc_look(rtc); /* what has happened until now */
	c->offset = time - clock_host(c->base);
	c->frozen = time;
	rtc_look(rtc);
	return 0;
}

void rtc_stop(struct rtc *rtc, uint32_t clock, bool stopped)
{
	struct rtc_clock *c = &rtc->clocks[clock];
	uint64_t now = rtc_read(c);

	c->offset = now - clock_host(c->base);
	c->frozen = now;
	c->stopped = stopped;
}

uint64_t rtc_patience(const struct rtc *rtc)
{
	uint64_t patience = UINT64_MAX;

	for (uint32_t i = 0; i < rtc->n; i++) {
		const struct rtc_clock *c = &rtc->clocks[i];
		uint64_t now, left = 0;

		if (!c->enabled || !c->before || c->stopped)
			continue;
		now = rtc_read(c);
		if (now < c->alarm)
			left = c->alarm - now;
		if (left > glance)
			left = glance;
		if (left < patience)
			patience = left;
	}
	return patience;
}

void rtc_reset(struct rtc *rtc)
{
	for (uint32_t i = 0; i < rtc->n; i++) {
		struct rtc_clock *c = &rtc->clocks[i];

		c->alarm = 0;
		c->enabled = c->before = c->due = false;
	}
}

void rtc_negotiated(struct rtc *rtc, bool alarms)
{
	rtc->alarms = alarms;
	if (!alarms)
		rtc_reset(rtc);
}

int rtc_time_parse(const char *text, uint64_t *time)
{
	const char *point = strchr(text, '.');
	size_t digits = point ? strlen(point + 1) : 0, whole = point ? (size_t)(point - text) : 0;
	char number[24];
	uint64_t seconds, part = 0;

	if (point && (!whole || whole >= sizeof(number) || !digits || digits > 9 ||
		      strspn(point + 1, "0123456789") != digits))
		return -EINVAL;
	for (size_t i = 0; i < 9 && point; i++)
		part = part * 10 + (i < digits ? (uint64_t)(point[1 + i] - '0') : 0);
	if (point) {
		memcpy(number, text, whole);
		number[whole] = '\0';
	}
	if (vu_number_parse(point ? number : text, 0, UINT64_MAX / second - 1, &seconds))
		return -EINVAL;
	*time = seconds * second + part;
	return 0;
}

const char *rtc_time_format(uint64_t time, char text[RTC_TEXT])
{
	snprintf(text, RTC_TEXT, "%llu.%09llu", (unsigned long long)(time / second),
		 (unsigned long long)(time % second));
	return text;
}
