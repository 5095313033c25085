/* SPDX-License-Identifier: MIT */
/* An endpoint: one device of a runner, and where its front-ends come from. */
#ifndef RUN_ENDPOINT_H
#define RUN_ENDPOINT_H

#include <sys/types.h>

#include "base/log.h"
#include "run/loop.h"
#include "run/runner.h"
#include "run/socket_file.h"

enum endpoint_kind {
	ENDPOINT_LISTEN,  /* they connect to us */
	ENDPOINT_CONNECT, /* we connect to them */
	ENDPOINT_SESSION, /* the one connected socket that was adopted */
};

struct endpoint {
	struct endpoint *next;
	struct vu_runner *runner;
	struct vu_device *dev;
	struct log log;
	enum endpoint_kind kind;
	bool done;   /* no front-end will come any more */
	bool ending; /* its session's end is waited for: endpoint_await_end() */

	struct watch device;
	struct watch listener; /* not watched while a front-end is attached: others wait */
	int greeting_fd;       /* accepted, has not said anything yet, or has to wait; -1: none */
	struct watch greeting;
	struct timer greeting_end; /* ... and never will say anything */
	bool left;		   /* vu_device_is_left(): its own process may replace it */
	pid_t front_end;	   /* that process; 0: unknown */
	struct timer retry;
	uint64_t retry_delay;
	int retry_error; /* the one that was logged last */

	int listen_fd;		 /* -1: none */
	bool own_file;		 /* file is a socket file that we made */
	struct socket_file file; /* its address is where ENDPOINT_CONNECT connects to */
};

/* Make an endpoint and start watching the device; not yet part of the runner. */
int endpoint_new(struct vu_runner *runner, struct vu_device *dev, enum endpoint_kind kind,
		 struct endpoint **ep);
/* Close and unlink what is ours; the device's session stays as it is. */
void endpoint_free(struct endpoint *ep);

/* Wait for the next front-end, in the way of this kind. */
void endpoint_wait(struct endpoint *ep);

/* No more front-ends: close and unlink; the loop ends with the last one. */
void endpoint_finish(struct endpoint *ep);

/*
 * End the session, if there is one, and wait for the queue threads to let go of it until the
 * deadline (CLOCK_MONOTONIC, ns).  In two steps, so that all devices end theirs at the same time.
 */
/* ... once its requests are finished. */
void endpoint_close_session(struct endpoint *ep);
void endpoint_end_session(struct endpoint *ep);
bool endpoint_await_end(struct endpoint *ep, uint64_t deadline);

/* --- between endpoint.c and endpoint_listen.c --- */

/* Something is missing for now (a peer, file descriptors): come back later, less and less often. */
void endpoint_retry_later(struct endpoint *ep);
void endpoint_retry_reset(struct endpoint *ep);
/* Log an error that may come again at each retry only when it changes. */
void endpoint_log_retry(struct endpoint *ep, const char *what, int error);
/* 0, or -errno, with a line in the log and fd closed. */
int endpoint_attach(struct endpoint *ep, int fd);

void endpoint_init_listening(struct endpoint *ep);
/* Listen for whom there is room for now, or would be: see endpoint_listen.c. */
void endpoint_listen(struct endpoint *ep);
/* A message may have changed what the rings of the session are. */
void endpoint_look_at_rings(struct endpoint *ep);
/* Who was accepted, and is no front-end yet. */
void endpoint_send_away(struct endpoint *ep);

#endif
