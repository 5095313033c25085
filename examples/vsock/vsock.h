/* SPDX-License-Identifier: MIT */
/*
 * What the parts of vu-vsock share beside connections: the command line, a guest's device, who
 * listens for clients.
 *
 * vsock.c has the device and its queues, vsock_listen.c the clients, vsock_sandbox.c what the
 * process gives up, vsock_control.c the commands, vsock_main.c the command line.  vsock_conn.h has
 * the rest.  All of it runs on the device thread.
 */
#ifndef VSOCK_H
#define VSOCK_H

#include <libvu/unstable.h>

#include "../common/door.h"
#include "../common/own_socket.h"
#include "vsock_rules.h"

struct vsock_settings {
	struct rules rules;
	uint64_t cids[VSOCK_MAX_GUESTS];
	uint32_t n_cids;
	uint64_t max_conns, buffer, max_buffered, linger, coalesce_us;
	uint64_t queue_size;
	uint32_t sandbox; /* enum vsock_sandbox */
	/* The process's: */
	struct vsock vsock;
	bool shut_in;
};

enum vsock_sandbox { VSOCK_SANDBOX_AUTO, VSOCK_SANDBOX_NONE };

struct listener {
	struct guest *guest;
	struct own_socket file; /* of a Unix socket */
	int fd;			/* of another one, or file.fd */
	struct door door;
	uint32_t port;
	uint16_t type;
	bool hybrid; /* clients say where to */
};

struct vsock_device {
	struct guest guest;
	struct vsock_settings *settings;
	struct vu_device *dev;
	struct vu_queue *rx, *tx, *events;
	struct vu_script *script;
	struct listener listeners[RULES_MAX + 1];
	uint32_t n_listeners;
};

/* --- vsock_listen.c --- */

/* For all the rules that are for this guest; 0 or -errno after a line. */
int listeners_open(struct vsock_device *d);
void listeners_close(struct vsock_device *d);

/* --- vsock_sandbox.c --- */

/* The process gives up what it does not need.  0 or -errno; failed says what could not be done. */
int vsock_shut_in(const struct vsock_settings *settings, const char **failed);

/* --- vsock.c --- */

/* d is zeroed at first; vsock_fini() also undoes what failed half-way. */
int vsock_init(struct vsock_device *d, struct vu_program *program, uint32_t index);
void vsock_fini(struct vsock_device *d);

/* --- vsock_control.c --- */

extern const struct vu_command vsock_commands[];

#endif
