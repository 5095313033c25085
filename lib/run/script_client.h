/* SPDX-License-Identifier: MIT */
/* Somebody who gives commands: a connection, or standard input and output. */
#ifndef RUN_SCRIPT_CLIENT_H
#define RUN_SCRIPT_CLIENT_H

#include <sys/queue.h>

#include "run/script.h"

/*
 * A client is given up when more than this would have to be kept for it.  The metrics of 256 queues
 * are some 150 KiB.
 */
enum { CLIENT_KEEPS = 256 << 10 };

struct client {
	LIST_ENTRY(client) link;
	struct script_server *server;
	int in_fd, out_fd;
	bool is_stdio;
	/* What waits for input and for room for output; armed for one event at a time. */
	struct vu_source *in, *out;
	bool in_is_timer;   /* what epoll does not take is read a piece per pass */
	bool in_ended;	    /* there is nothing more to read */
	bool running;	    /* a command of it runs: it must not be freed */
	const char *broken; /* why it has to go; NULL: it has not */
	struct line line;
	char piece[4096]; /* received; from taken on not yet looked at */
	size_t taken, received;
	char *kept; /* output that did not fit, CLIENT_KEEPS bytes; NULL: none */
	size_t n_kept;
};

struct script_server {
	struct vu_script script; /* first: what callers have is its address */
	struct vu_group *group;
	LIST_HEAD(clients, client) clients;
	uint32_t n_clients;
	/* A socket's; listen_fd -1: standard input. */
	struct socket_file *file;
	int listen_fd;
	struct vu_source *listener;
	struct vu_source *retry; /* runs while accepting is paused */
	int accept_error;	 /* the one that was logged last */
};

/* A client of these fds, which are its own unless is_stdio, even if this fails: 0 or -errno. */
int client_new(struct script_server *server, int in_fd, int out_fd, bool is_stdio);
/* It may be freed by this, unless a command of it runs. */
void client_send_line(struct client *client, const char *prefix, const char *text);
void client_free(struct client *client);

#endif
