/* SPDX-License-Identifier: MIT */
/*
 * A PipeWire daemon and a session manager of the test's own, without D-Bus and devices: what is
 * played to vu-sink comes back from vu-source.
 */
#ifndef TESTS_DEVICES_PIPEWIRE_H
#define TESTS_DEVICES_PIPEWIRE_H

#include "snd.h"

struct server {
	char dir[FOLDER_PATH];
	struct spawned daemon, manager;
};

/* True, after a line that says what is missing. */
bool server_is_missing(struct rig *rig);
void server_start(struct server *server);
/* Of the two of it. */
void server_end(struct spawned *s);
void server_stop(struct server *server);

#endif
