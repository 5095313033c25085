/* SPDX-License-Identifier: MIT */
/*
 * vu-scmi: what its files share.
 *
 *   scmi.c           options, the device, its queues
 *   scmi_control.c   commands of --control
 *   scmi_describe.c, scmi_describe_sensor.c
 *                    the description of a platform, from a file
 *   scmi_sysfs.c     sensors of the host: hwmon and IIO
 *   scmi_message.c   from a request to its protocol's handler and back
 *   scmi_event.c     notifications and delayed responses until there is a buffer for them
 *   scmi_base.c, scmi_power.c, scmi_perf.c, scmi_clock.c, scmi_sensor.c, scmi_reset.c
 *                    a protocol each: its messages, its events, and what the platform's side may do
 *   scmi_reading.c   what sensors measure: readings, trip points, updates
 *
 * The specification is Arm's DEN0056, in version 3.1 (edition D): what every Linux driver
 * since 5.18 knows.  A platform belongs to one device, its agent is the guest.  Everything runs on
 * the device thread.  Only scmi.c and scmi_control.c know libvu's devices: the rest can be linked
 * alone.
 */
#ifndef SCMI_H
#define SCMI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SCMI_NAME = 64,	       /* with the NUL; longer than 15 needs the *_NAME_GET commands */
	SCMI_SHORT_NAME = 16,  /* in attributes */
	SCMI_MAX_ITEMS = 1024, /* clocks, power domains, ... of a kind */
	SCMI_MAX_RATES = 256,  /* of a clock */
	SCMI_MAX_LEVELS = 16,  /* of a performance domain; Linux takes no more */
	SCMI_MAX_AXES = 6,     /* of a sensor: their readings fit into Linux's buffers */
	SCMI_MAX_TRIPS = 8,
	SCMI_MAX_INTERVALS = 8,
	SCMI_MAX_ARGS = 4,     /* words of the longest request */
	SCMI_MAX_REPLY = 1024, /* longer lists come in parts */
	SCMI_EVENT_WORDS = 3 + 4 * SCMI_MAX_AXES,
	SCMI_MAX_DELAYED = 32,	     /* asynchronous commands at once */
	SCMI_MAX_NOTIFICATIONS = 64, /* that wait for buffers */
	SCMI_MAX_DELAY_MS = 10000,   /* Linux waits for two seconds */
	SCMI_HEADER = 4,
	SCMI_STATUS_END = 8, /* of header and status, the shortest answer */
};

enum scmi_status {
	SCMI_SUCCESS = 0,
	SCMI_NOT_SUPPORTED = -1,
	SCMI_INVALID_PARAMETERS = -2,
	SCMI_DENIED = -3,
	SCMI_NOT_FOUND = -4,
	SCMI_OUT_OF_RANGE = -5,
	SCMI_BUSY = -6,
	SCMI_HARDWARE_ERROR = -9,
	SCMI_PROTOCOL_ERROR = -10,
};

enum scmi_protocol_id {
	SCMI_BASE = 0x10,
	SCMI_POWER = 0x11,
	SCMI_PERF = 0x13,
	SCMI_CLOCK = 0x14,
	SCMI_SENSOR = 0x15,
	SCMI_RESET = 0x16,
};

enum scmi_type { SCMI_COMMAND = 0, SCMI_DELAYED = 2, SCMI_NOTIFICATION = 3 };

enum { SCMI_AGENT_PLATFORM = 0, SCMI_AGENT_GUEST = 1 };

/* --- the platform --- */

struct scmi_clock {
	char name[SCMI_NAME];
	uint64_t rates[SCMI_MAX_RATES]; /* ascending; of a range: lowest, highest, step */
	uint32_t n_rates;
	bool range;
	bool on;
	bool async;	     /* RATE_SET may be answered later */
	uint32_t delay_ms;   /* and then takes so long */
	uint32_t latency_us; /* of enabling */
	uint64_t rate;
	bool notify;
};

struct scmi_power {
	char name[SCMI_NAME];
	bool async;
	uint32_t delay_ms;
	uint32_t state; /* SCMI_POWER_* */
	bool notify;
};

enum { SCMI_POWER_ON = 0, SCMI_POWER_OFF = 1 << 30 };

struct scmi_level {
	uint32_t level;
	uint32_t power;
	uint32_t latency_us;
};

struct scmi_perf {
	char name[SCMI_NAME];
	struct scmi_level levels[SCMI_MAX_LEVELS]; /* ascending */
	uint32_t n_levels;
	uint32_t sustained_level, sustained_khz;
	uint32_t level, min, max;
	bool notify_level, notify_limits;
};

struct scmi_trip {
	uint8_t mode; /* bits: 1 rising, 2 falling */
	int64_t level;
};

struct scmi_sensor {
	char name[SCMI_NAME];
	uint8_t type;
	int8_t scale;	/* values are in units of 10^scale */
	uint8_t n_axes; /* 0: one value */
	char axes[SCMI_MAX_AXES][SCMI_NAME];
	int64_t values[SCMI_MAX_AXES];
	bool has_range;
	int64_t min, max;
	bool async;
	uint32_t delay_ms;
	bool stamps; /* can say when it was read */
	uint32_t n_intervals;
	uint16_t intervals_ms[SCMI_MAX_INTERVALS]; /* ascending */
	uint32_t n_trips;

	/* What the agent chose. */
	struct scmi_trip trips[SCMI_MAX_TRIPS];
	uint16_t interval_ms;
	bool enabled, stamped;
	bool notify_trips, notify_updates;
	uint64_t tick; /* when it is looked at next, in ns; 0: it is not */

	/* Measures values[]; NULL: they are what the description and --control say. */
	int (*measure)(struct scmi_sensor *sensor);
	void *source;
};

struct scmi_reset {
	char name[SCMI_NAME];
	bool async;
	uint32_t delay_ms;
	uint32_t latency_us;
	bool asserted;
	bool notify;
};

struct scmi_event {
	uint32_t n; /* words, the header is the first */
	uint32_t words[SCMI_EVENT_WORDS];
};

struct scmi_platform;
struct scmi_delayed;

/* The end of an asynchronous command: what is to be done, and the payload that says so. */
typedef int32_t (*scmi_finish_fn)(struct scmi_platform *p, const struct scmi_delayed *delayed,
				  struct scmi_event *event);

struct scmi_delayed {
	enum { SCMI_FREE, SCMI_RUNNING, SCMI_DONE } state;
	bool silent; /* the agent wants no response */
	uint64_t due;
	uint64_t order; /* of becoming done */
	uint32_t header;
	uint32_t id, flags;
	uint64_t value;
	scmi_finish_fn finish;
	struct scmi_event event; /* once done */
};

/* Who is told what happens; any may be NULL. */
struct scmi_host {
	void (*log)(void *opaque, const char *line);
	void (*say)(void *opaque, const char *line); /* what the guest changed */
	void *opaque;
};

struct scmi_platform {
	struct scmi_host host;
	char vendor[SCMI_SHORT_NAME], sub_vendor[SCMI_SHORT_NAME];
	struct scmi_clock clocks[SCMI_MAX_ITEMS];
	struct scmi_power powers[SCMI_MAX_ITEMS];
	struct scmi_perf perfs[SCMI_MAX_ITEMS];
	struct scmi_sensor sensors[SCMI_MAX_ITEMS];
	struct scmi_reset resets[SCMI_MAX_ITEMS];
	uint32_t n_clocks, n_powers, n_perfs, n_sensors, n_resets;

	bool p2a;      /* the driver took VIRTIO_SCMI_F_P2A_CHANNELS: there are events */
	bool was_away; /* who speaks next may be another agent than before */
	bool notify_errors;
	bool dropped; /* notifications, since the queue was last empty */
	uint64_t now; /* ns; the caller of an entry point sets it */
	uint64_t n_done;
	struct scmi_delayed delayed[SCMI_MAX_DELAYED];
	struct scmi_event notifications[SCMI_MAX_NOTIFICATIONS];
	uint32_t first, n_notifications;
};

/* scmi_describe.c */

/* A platform with nothing in it, to be freed by scmi_platform_free(); NULL without memory. */
struct scmi_platform *scmi_platform_new(void);
void scmi_platform_free(struct scmi_platform *p);
/* Add what a file describes.  0 or -errno, after a log line. */
int scmi_describe(struct scmi_platform *p, const char *path);
/* What there is without a description: one of each kind, or two. */
void scmi_describe_default(struct scmi_platform *p);
/* Numbers with a sign, separated by commas; how many, or -EINVAL. */
int scmi_parse_values(const char *text, int64_t *values, uint32_t max);

/* scmi_sysfs.c: add sensors below root.  How many, or -errno. */
int scmi_add_hwmon(struct scmi_platform *p, const char *root, const char *chip);
int scmi_add_iio(struct scmi_platform *p, const char *root, const char *device);

/* --- messages --- */

/* A request while it is served. */
struct scmi_call {
	struct scmi_platform *platform;
	const struct scmi_protocol *protocol;
	uint32_t header;
	uint32_t args[SCMI_MAX_ARGS];
	unsigned char *reply;
	size_t len, room;
};

struct scmi_message {
	uint8_t id;
	uint8_t n_args; /* words of the request's parameters, exactly */
	uint8_t reply;	/* words that follow the status, at least */
	bool event;	/* asks for notifications: not there without an event queue */
	int32_t (*run)(struct scmi_call *call); /* enum scmi_status */
};

struct scmi_protocol {
	uint8_t id;
	uint32_t version;
	/* Domains, clocks, ...; a protocol that has none is not there.  NULL: it always is. */
	uint32_t (*count)(const struct scmi_platform *p);
	const struct scmi_message *messages; /* the last has no run() */
};

extern const struct scmi_protocol scmi_base, scmi_power, scmi_perf, scmi_clock, scmi_sensor,
	scmi_reset;
/* What scmi_base.c lists; ends with NULL. */
extern const struct scmi_protocol *const scmi_protocols[];

/*
 * Serve a request: in has its first bytes (as many as SCMI's longest has, or fewer), in_len counts
 * all it has.  Returns the length of the answer in out, at most room; 0: there is no answer to it.
 */
size_t scmi_serve(struct scmi_platform *p, const unsigned char *in, size_t in_len,
		  unsigned char *out, size_t room);
/* Is the protocol there for this platform's agent? */
bool scmi_has(const struct scmi_platform *p, const struct scmi_protocol *protocol);

/* Add to an answer; what does not fit is left out, and the table sees to it that it fits. */
void scmi_put(struct scmi_call *call, uint32_t word);
void scmi_put64(struct scmi_call *call, uint64_t value);
/* len bytes, filled up with 0; a name that is too long is cut, and ends with 0. */
void scmi_put_text(struct scmi_call *call, const char *text, size_t len);
/* Change a word that was put: the number of entries, known at the end. */
void scmi_set(struct scmi_call *call, size_t at, uint32_t word);
/* Would this many more words fit? */
bool scmi_fits(const struct scmi_call *call, uint32_t words);
/* The answer of all *_NAME_GET commands. */
int32_t scmi_put_name(struct scmi_call *call, const char *name);
bool scmi_is_long(const char *name);
/* The argument of all *_NOTIFY commands: a flag in bit 0, nothing else. */
int32_t scmi_set_flag(uint32_t arg, bool *flag);

/* --- events --- */

/* Queue a notification if there is an event queue. */
void scmi_notify(struct scmi_platform *p, uint8_t protocol, uint8_t id, const uint32_t *words,
		 uint32_t n);
/* The same, in place of an earlier one on the same object (the first two words) if that waits. */
void scmi_notify_latest(struct scmi_platform *p, uint8_t protocol, uint8_t id,
			const uint32_t *words, uint32_t n);
/* Begin an asynchronous command.  SCMI_BUSY if there are too many. */
int32_t scmi_delay(struct scmi_call *call, const struct scmi_delayed *delayed, uint32_t delay_ms);
/* Add to an event. */
void scmi_event_put(struct scmi_event *event, uint32_t word);
void scmi_event_put64(struct scmi_event *event, uint64_t value);
/* The event to be sent next, or NULL; scmi_event_sent() takes it away. */
const struct scmi_event *scmi_event_next(struct scmi_platform *p);
void scmi_event_sent(struct scmi_platform *p);
/* Do what is due at p->now.  Returns when there will be more, 0: never. */
uint64_t scmi_run(struct scmi_platform *p);
/* The agent is as good as new: it subscribed to nothing, waits for nothing. */
void scmi_forget_agent(struct scmi_platform *p);
/* The rings stopped: see scmi_event.c. */
void scmi_agent_away(struct scmi_platform *p);

/* --- the platform's side: what agent (SCMI_AGENT_*) wants; notifies who asked for it --- */

/* 0, or -EINVAL for what the clock, domain, ... cannot do. */
int scmi_clock_set(struct scmi_platform *p, uint32_t id, uint64_t rate, uint32_t agent);
int scmi_power_set(struct scmi_platform *p, uint32_t id, uint32_t state, uint32_t agent);
int scmi_perf_set_level(struct scmi_platform *p, uint32_t id, uint32_t level, uint32_t agent);
int scmi_perf_set_limits(struct scmi_platform *p, uint32_t id, uint32_t min, uint32_t max,
			 uint32_t agent);
void scmi_reset_issue(struct scmi_platform *p, uint32_t id, uint32_t flags, uint32_t state,
		      uint32_t agent);
void scmi_base_error(struct scmi_platform *p, bool fatal);
/* New values of a simulated sensor. */
void scmi_sensor_set(struct scmi_platform *p, uint32_t id, const int64_t *values);

/* scmi_reading.c */

/* What an agent may choose is as if none had. */
void scmi_sensor_init(struct scmi_sensor *sensor);
/* What is measured now; trip points that it passes are reported.  0 or -errno. */
int scmi_sensor_measure(struct scmi_platform *p, uint32_t id);
uint32_t scmi_sensor_n_values(const struct scmi_sensor *sensor);
/* Begin or end looking at a sensor by itself, as what the agent chose wants it. */
void scmi_sensor_watch(struct scmi_platform *p, struct scmi_sensor *sensor);
/* Look at those whose time has come; when is the next, 0: never. */
uint64_t scmi_sensors_run(struct scmi_platform *p);
/* The time of a reading as the agent wants it. */
uint64_t scmi_sensor_stamp(const struct scmi_platform *p, const struct scmi_sensor *sensor);

/* Say what happened to --control, printf-like. */
void scmi_say(struct scmi_platform *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
