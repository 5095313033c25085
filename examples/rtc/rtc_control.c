/* SPDX-License-Identifier: MIT */
/* The commands of vu-rtc: clocks for tests, which are set, stepped and stopped. */
#include "rtc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* 0 with the clock's number, or the failure to return. */
static int control_find(struct vu_script *script, const struct rtc_control *control,
			const char *text, uint32_t *clock)
{
	uint64_t number;

	if (vu_number_parse(text, 0, UINT32_MAX, &number))
		return vu_script_fail(script, "a clock is a number, from 0 on");
	if (number >= control->rtc->n)
		return vu_script_fail(script, "there is no such clock");
	*clock = (uint32_t)number;
	return 0;
}

static void control_describe(const struct rtc_control *control, uint32_t clock, char *text,
			     size_t size)
{
	const struct rtc_clock *c = &control->rtc->clocks[clock];
	char now[RTC_TEXT], alarm[RTC_TEXT];

	snprintf(text, size, "%u %s %s %s alarm %s", clock, rtc_type_names[c->type],
		 rtc_time_format(rtc_read(c), now), c->stopped ? "stopped" : "runs",
		 c->enabled ? rtc_time_format(c->alarm, alarm) : "off");
}

static int command_list(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	const struct rtc_control *control = opaque;
	char text[128];

	for (uint32_t i = 0; i < control->rtc->n; i++) {
		control_describe(control, i, text, sizeof(text));
		vu_script_answer(script, text);
	}
	return 0;
}

static int command_get(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	const struct rtc_control *control = opaque;
	char text[128];
	uint32_t clock = 0;
	int ret = control_find(script, control, words[0], &clock);

	if (ret)
		return ret;
	control_describe(control, clock, text, sizeof(text));
	vu_script_answer(script, text);
	return 0;
}

static int control_set(struct vu_script *script, struct rtc_control *control, uint32_t clock,
		       uint64_t time)
{
	if (rtc_set(control->rtc, clock, time))
		return vu_script_fail(script, "a monotonic clock does not go back");
	control->moved(control->rtc);
	return 0;
}

static int command_set(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct rtc_control *control = opaque;
	uint64_t time;
	uint32_t clock = 0;
	int ret = control_find(script, control, words[0], &clock);

	if (ret)
		return ret;
	if (rtc_time_parse(words[1], &time))
		return vu_script_fail(script, "a time is seconds, such as 1700000000 or 12.25");
	return control_set(script, control, clock, time);
}

static int command_step(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct rtc_control *control = opaque;
	bool back = words[1][0] == '-';
	uint64_t by, now;
	uint32_t clock = 0;
	int ret = control_find(script, control, words[0], &clock);

	if (ret)
		return ret;
	if (rtc_time_parse(words[1] + (back || words[1][0] == '+'), &by))
		return vu_script_fail(script, "a step is seconds, such as 90 or -0.5");
	now = rtc_read(&control->rtc->clocks[clock]);
	if (back ? by > now : by > UINT64_MAX - now)
		return vu_script_fail(script, "no clock says that");
	return control_set(script, control, clock, back ? now - by : now + by);
}

static int control_stop(struct vu_script *script, struct rtc_control *control, const char *text,
			bool stopped)
{
	uint32_t clock = 0;
	int ret = control_find(script, control, text, &clock);

	if (ret)
		return ret;
	rtc_stop(control->rtc, clock, stopped);
	control->moved(control->rtc);
	return 0;
}

static int command_stop(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	return control_stop(script, opaque, words[0], true);
}

static int command_run(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	return control_stop(script, opaque, words[0], false);
}

static int command_watch(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	struct rtc_control *control = opaque;
	uint64_t on = 1;

	if (n && vu_number_parse(words[0], 0, 1, &on))
		return vu_script_fail(script, "0 or 1");
	control->watched = on;
	return 0;
}

void rtc_control_tell(struct rtc_control *control, uint32_t clock, bool expired)
{
	const struct rtc_clock *c = &control->rtc->clocks[clock];
	char alarm[RTC_TEXT];

	if (!control->watched)
		return;
	if (expired)
		vu_script_sayf(control->script, "alarm %u expired", clock);
	else
		vu_script_sayf(control->script, "alarm %u %s", clock,
			       c->enabled ? rtc_time_format(c->alarm, alarm) : "off");
}

const struct vu_command rtc_commands[] = {
	{"list", NULL, "all clocks: number, type, time, whether it runs, alarm", 0, 0,
	 command_list},
	{"get", "CLOCK", "the same for one", 1, 1, command_get},
	{"set", "CLOCK SECONDS", "another time (\"0 1700000000.5\")", 2, 2, command_set},
	{"step", "CLOCK SECONDS", "so far ahead, or back (\"0 -1\")", 2, 2, command_step},
	{"stop", "CLOCK", "it says the same time until it runs again", 1, 1, command_stop},
	{"run", "CLOCK", "go on from there", 1, 1, command_run},
	{"watch", "[0|1]", "say \"alarm ...\" when the guest sets one, and when one expires", 0, 1,
	 command_watch},
	{NULL, NULL, NULL, 0, 0, NULL},
};
