/* SPDX-License-Identifier: MIT */
/* The loop: accepts connections, passes signals on, and knows when to end. */
#ifndef TRACE_RUN_H
#define TRACE_RUN_H

#include "program.h"
#include "proxy.h"
#include "run/socket_file.h"

enum { RUN_GATES = 16, RUN_PROXIES = 64 };

/* One path that is listened on, and where its connections go. */
struct gate {
	const char *listen;
	struct proxy_config config;
	struct socket_file file;
	int fd; /* -1: not yet */
};

struct run {
	struct report *report;
	struct program *program; /* NULL: none */
	uint32_t n_gates;
	struct gate gates[RUN_GATES];
	bool live; /* a line of statistics each second */
	/* Of run_loop(): */
	struct proxy *proxies[RUN_PROXIES];
	uint32_t n_proxies, n_sessions;
	int signals;
	bool quit;
	uint64_t quit_at;
	uint64_t accept_at; /* not before */
	struct poller poller;
};

/* Listen, start the program, serve until it ends or a signal says so.  0, or -errno: said why. */
int run(struct run *run);

#endif
