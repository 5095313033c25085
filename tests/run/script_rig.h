/* SPDX-License-Identifier: MIT */
/* A script of a few commands on a device's group, and its clients, all on the test's thread. */
#ifndef RUN_SCRIPT_RIG_H
#define RUN_SCRIPT_RIG_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "kit/counts.h"
#include "kit/log_book.h"
#include "kit/test.h"

enum { SCRIPT_TEXT = 1 << 18 };

struct script_rig {
	char dir[32];
	char path[64];
	struct vu_device *dev;
	struct vu_script_info info;
	struct vu_script *script;
	struct log_book log;
	char ran[4096];		/* what commands "note" noted: "a,b;c;" */
	char text[SCRIPT_TEXT]; /* of script_read() */
	int fds;		/* how many were open before */
};

int script_setup(void **state);
/* Frees the script; fails if files or open fds are left. */
int script_teardown(void **state);

void script_serve(struct script_rig *rig);
/* Let the device do all it has to do. */
void script_pass(struct script_rig *rig);
int script_connect(const struct script_rig *rig);
void script_write(int fd, const char *text);
/* All there is to read now, once the device has done what it has to do; rig->text. */
const char *script_read(struct script_rig *rig, int fd);
/* The same, of a client that sends this first. */
const char *script_ask(struct script_rig *rig, int fd, const char *text);
/* The device has closed the connection; what was left to read is in rig->text. */
bool script_is_closed(struct script_rig *rig, int fd);

#define TEST(name) cmocka_unit_test_setup_teardown(name, script_setup, script_teardown)

#endif
