/* SPDX-License-Identifier: MIT */
/*
 * The parts of vu-rtc: clocks with their alarms (rtc_clock.c), requests (rtc_request.c), commands
 * (rtc_control.c).  All of a device runs on the device thread.
 *
 * Times are nanoseconds since the epoch of their clock, as in the requests.
 */
#ifndef VU_RTC_H
#define VU_RTC_H

#include <libvu/unstable.h>

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum {
	RTC_CLOCKS = 16,
	RTC_TEXT = 32,	       /* room for a time as text */
	RTC_NOTIFICATION = 16, /* bytes of one */
	RTC_F_ALARM = 1 << 0,  /* virtio 1.4 §5.23.3 */
};

/* virtio 1.4 §5.23.6.1.1 */
enum rtc_type {
	RTC_UTC,
	RTC_TAI,
	RTC_MONOTONIC,
	RTC_UTC_SMEARED,
	RTC_UTC_MAYBE_SMEARED,
	RTC_TYPES,
};

struct rtc_clock {
	enum rtc_type type;
	clockid_t base;	 /* the host's clock that it goes with */
	uint64_t offset; /* is added to that, modulo 2^64 */
	bool stopped;	 /* and says the same all the time: frozen */
	uint64_t frozen;
	uint64_t alarm; /* its time */
	bool enabled;	/* the alarm */
	bool before;	/* when it was looked at last, it was not that late yet */
	bool due;	/* the alarm expired, and the driver is still to be told */
};

struct rtc {
	uint32_t n;
	struct rtc_clock clocks[RTC_CLOCKS];
	bool alarms; /* VIRTIO_RTC_F_ALARM is negotiated */
	/* The driver set an alarm, or one expired; may be NULL. */
	void (*changed)(struct rtc *rtc, uint32_t clock, bool expired);
};

/* By enum rtc_type; NULL at the end. */
extern const char *const rtc_type_names[];

/* -ENOSPC when there are RTC_CLOCKS already. */
int rtc_add(struct rtc *rtc, enum rtc_type type);
uint64_t rtc_read(const struct rtc_clock *clock);
/* -EINVAL where time would run backwards in a monotonic clock. */
int rtc_set(struct rtc *rtc, uint32_t clock, uint64_t time);
void rtc_stop(struct rtc *rtc, uint32_t clock, bool stopped);

void rtc_set_alarm(struct rtc *rtc, uint32_t clock, uint64_t time, bool enabled);
/* Alarms whose time has come are due from here on.  True if one is. */
bool rtc_look(struct rtc *rtc);
/* For how long nothing has to be looked at; UINT64_MAX: until something is changed. */
uint64_t rtc_patience(const struct rtc *rtc);
/* A driver that knows of no alarms leaves none behind, either. */
void rtc_negotiated(struct rtc *rtc, bool alarms);
/* As a new driver finds it: no alarms. */
void rtc_reset(struct rtc *rtc);

/* Execute or refuse a request: what to complete it with. */
uint64_t rtc_answer(struct rtc *rtc, const struct vu_req *req);
/* Tell of an alarm that is due: what to complete it with, 0 if it has no room for that. */
uint64_t rtc_tell(struct rtc *rtc, const struct vu_req *req);

/* "12.5": seconds; -EINVAL for anything else and for what 64 bits do not hold. */
int rtc_time_parse(const char *text, uint64_t *time);
const char *rtc_time_format(uint64_t time, char text[RTC_TEXT]);

/* What commands of a script work on. */
struct rtc_control {
	struct rtc *rtc;
	struct vu_script *script; /* NULL: there is none */
	bool watched;
	/* A clock was set. */
	void (*moved)(struct rtc *rtc);
};

/* Their opaque is a struct rtc_control. */
extern const struct vu_command rtc_commands[];
void rtc_control_tell(struct rtc_control *control, uint32_t clock, bool expired);

#endif
