/* SPDX-License-Identifier: MIT */
/*
 * A device's program in a process of its own, a directory for its files, and a driver on its
 * queues.
 *
 * A suite names its program by rig_program ("VU_I2C", an environment variable with the path).
 * Each test has a directory; teardown fails if anything is left in it that the rig does not know.
 * A test starts the program with its own arguments; rig_stop() ends it, and fails if it does not
 * end well.  Failures end the test through cmocka.
 */
#ifndef DEVICES_RIG_H
#define DEVICES_RIG_H

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "frontend/peer.h"
#include "kit/folder.h"
#include "kit/test.h"
#include "run/spawn.h"

enum {
	RIG_MAX_ARGS = 16,
	RIG_MAX_FILES = 8,
	RIG_PATH = 80,
	RIG_LINE = 4200,
	RIG_LOG_BURST = 20,   /* lines of a level, and then one a second */
	RIG_UNTOUCHED = 0xee, /* what rig_buffer() fills with */
};

/* Guest memory that a request uses. */
struct rig_buffer {
	unsigned char *data;
	uint64_t gpa;
	uint32_t len;
};

/* A connection to the control socket. */
struct rig_lines {
	int fd;		 /* -1: none */
	char held[8192]; /* received, and not yet read as lines */
	uint32_t len;
};

struct rig {
	char dir[FOLDER_PATH];
	char socket[RIG_PATH];
	char control[RIG_PATH];		     /* for --control */
	char files[RIG_MAX_FILES][RIG_PATH]; /* of rig_file(), removed at the end */
	uint32_t n_files;
	bool has_sandbox; /* the program; set before rig_spawn(), see rig_sandbox() */
	const struct spawn_setup *setup; /* for the next rig_spawn(); NULL: nothing special */
	struct spawned program;		 /* program.err is its log after rig_stop() */
	uint32_t started;		 /* when, in seconds */
	struct peer *peer;
	struct peer_config config; /* for the next rig_connect(); set n_queues in the test */
	struct rig_lines answers;  /* commands and their answers */
	struct rig_lines events;   /* says nothing: hears what the device says by itself */
	char line[RIG_LINE];
	char answer[16384];
};

/* Defined by each suite. */
extern const char *const rig_program;

int rig_setup(void **state);
int rig_teardown(void **state);
/* For a rig that is part of another struct (zeroed): make and remove the directory, and all in it.
 */
int rig_open(struct rig *rig, const char *where);
int rig_close(struct rig *rig);

/* The path of a new file in the directory with this text; NULL: not made, only removed at the end.
 */
const char *rig_file(struct rig *rig, const char *name, const char *text);

/*
 * "--sandbox=none" where programs are tested without one, and rig_spawn() puts it in the place of
 * what a test says of that; NULL: anywhere else.
 */
const char *rig_sandbox(void);
/* Start the program: --socket-path, then args up to NULL (which may be NULL itself). */
void rig_spawn(struct rig *rig, const char *const *args);
/* With each of these options, n of them, it ends with status 1 and a line that has these words. */
void rig_expect_refused(struct rig *rig, const char *const *options, size_t n, const char *words);
/* A new driver; the one before is gone. */
void rig_connect(struct rig *rig);
/* rig_spawn() and rig_connect(). */
void rig_start(struct rig *rig, const char *const *args);
/* Disconnect, end the program, and look at its status. */
void rig_stop(struct rig *rig);
/* After rig_stop(): how often its log has these words, */
uint32_t rig_logged(const struct rig *rig, const char *words);
/* and how many lines of one level the driver can have caused at most. */
uint32_t rig_log_limit(const struct rig *rig);
/* Fails the test with the front-end's words if ret < 0. */
void rig_check(struct rig *rig, int ret);

/* What the device's configuration space holds from offset. */
void rig_get_config(struct rig *rig, uint32_t offset, void *data, uint32_t len);
void rig_set_config(struct rig *rig, uint32_t offset, const void *data, uint32_t len);

/* Guest memory of len bytes, filled with RIG_UNTOUCHED. */
void rig_buffer(struct rig *rig, struct rig_buffer *buffer, uint32_t len);
/* A descriptor over a buffer, or a part of it. */
struct driver_seg rig_read_seg(const struct rig_buffer *buffer, uint32_t len);
struct driver_seg rig_write_seg(const struct rig_buffer *buffer, uint32_t len);

/* Offer a chain on a queue and kick; cookie comes back from rig_wait(). */
void rig_offer(struct rig *rig, uint32_t queue, const struct driver_seg *segs, uint32_t n,
	       void *cookie);
/* The next used chain: its cookie; *len (unless NULL) is what the device says it wrote. */
void *rig_wait(struct rig *rig, uint32_t queue, uint32_t *len);
/* Nothing has been used now, after everything that was asked of the device so far. */
void rig_expect_nothing(struct rig *rig, uint32_t queue);
/* One chain until it is used: how many bytes the device wrote. */
uint32_t rig_do(struct rig *rig, uint32_t queue, const struct driver_seg *segs, uint32_t n);
/*
 * One request of a readable part and a writable part, each in memory of its own and then copied
 * out; returns the used length.
 */
uint32_t rig_ask(struct rig *rig, uint32_t queue, const void *out, uint32_t out_len, void *in,
		 uint32_t in_len);

/*
 * Control socket (start with --control and rig->control).  rig_say() sends a line and returns what
 * was answered before "ok", lines joined by '\n'; it fails the test on "error:".  rig_say_refused()
 * wants an error and returns its text.  rig_hear() waits for the next line that the device said by
 * itself since it was started.  The text is valid until the next call.
 */
const char *rig_say(struct rig *rig, const char *line);
const char *rig_say_refused(struct rig *rig, const char *line);
const char *rig_hear(struct rig *rig);

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

#endif
