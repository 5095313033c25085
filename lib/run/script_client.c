/* SPDX-License-Identifier: MIT */
/*
 * One client of a script: bytes in, lines run, bytes out.
 *
 * Invariants: either input is awaited, or room for output (while there is output that did not fit
 * nothing is run, so a client's own answers never pile up), or both have ended and it is freed.
 * Sources are armed for one event (EPOLLONESHOT): an end that nobody waits for wakes nobody.
 * Nothing here blocks.  Standard input and output may be shared with other processes, so they are
 * not made non-blocking: they are used only when they are ready, and no further.
 * Thread: the group's.
 */
#include "run/script_client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/printable.h"
#include "base/quiet_write.h"

void client_free(struct client *c)
{
	vu_source_remove(c->in);
	vu_source_remove(c->out);
	if (!c->is_stdio) {
		/* A child of fork() may have it, too. */
		shutdown(c->in_fd, SHUT_RDWR);
		close(c->in_fd);
		close(c->out_fd);
	}
	LIST_REMOVE(c, link);
	c->server->n_clients--;
	free(c->kept);
	free(c);
}

/* True: there is nothing left to do for it, and it is gone. */
static bool client_reap(struct client *c)
{
	bool served = c->in_ended && c->taken == c->received && !c->n_kept;

	if (c->running || (!c->broken && (!served || c->is_stdio)))
		return false;
	if (c->broken)
		log_peer_info(&c->server->script.log, "%s", c->broken);
	client_free(c);
	return true;
}

/* --- output --- */

/* As much as goes without waiting: bytes, 0 if that is none, or -errno. */
static ssize_t client_write(struct client *c, const char *data, size_t len)
{
	struct pollfd pfd = {.fd = c->out_fd, .events = POLLOUT};
	ssize_t n;

	if (c->is_stdio) {
		if (poll(&pfd, 1, 0) != 1)
			return 0;
		/* What is ready has room for so much, not for more. */
		n = quiet_write(c->out_fd, data, len < PIPE_BUF ? len : PIPE_BUF);
	} else {
		n = send(c->out_fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			n = -errno;
	}
	return n == -EAGAIN || n == -EINTR ? 0 : n;
}

/* Write until it would wait: what was written. */
static size_t client_write_some(struct client *c, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len && !c->broken) {
		ssize_t n = client_write(c, data + done, len - done);

		if (n < 0)
			c->broken = "a client has gone before it was answered";
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static void client_keep(struct client *c, const char *data, size_t len)
{
	if (c->broken || !len)
		return;
	if (!c->kept)
		c->kept = malloc(CLIENT_KEEPS);
	if (!c->kept || len > CLIENT_KEEPS - c->n_kept) {
		c->broken = "a client that does not read what it is told was disconnected";
		return;
	}
	memcpy(c->kept + c->n_kept, data, len);
	c->n_kept += len;
	if (!c->out || vu_source_set_events(c->out, EPOLLOUT | EPOLLONESHOT))
		c->broken = "a client's output cannot be watched";
}

static void client_flush(struct client *c)
{
	size_t done = client_write_some(c, c->kept, c->n_kept);

	c->n_kept -= done;
	memmove(c->kept, c->kept + done, c->n_kept);
	if (!c->n_kept) {
		free(c->kept);
		c->kept = NULL;
	}
}

void client_send_line(struct client *c, const char *prefix, const char *text)
{
	size_t n = strlen(prefix), size = n + strlen(text) * PRINTABLE_LONGEST + 2, done = 0;
	char *line = malloc(size);

	if (!line) {
		c->broken = "no memory for a client's line";
	} else {
		size_t len = n;

		memcpy(line, prefix, n);
		/* A name from a guest shall not look like a line of ours. */
		len += printable(line + n, size - n, text);
		line[len++] = '\n';
		if (!c->n_kept)
			done = client_write_some(c, line, len);
		client_keep(c, line + done, len - done);
		free(line);
	}
	client_reap(c);
}

/* --- input --- */

static void client_answer(const char *text, void *opaque)
{
	client_send_line(opaque, "", text);
}

static void client_run_line(struct client *c)
{
	struct vu_script *script = &c->server->script;
	int ret;

	c->running = true;
	script->answer = client_answer;
	script->answer_opaque = c;
	ret = script_run(script, &c->line);
	if (ret)
		client_send_line(c, "error: ", script->reason);
	else
		client_send_line(c, "ok", "");
	script->answer = NULL;
	c->running = false;
}

/* Look for input again, unless it has ended or output comes first. */
static void client_await(struct client *c)
{
	int ret;

	if (client_reap(c) || c->in_ended || c->n_kept)
		return;
	if (c->in_is_timer)
		ret = vu_source_set_timer(c->in, 1, 0);
	else
		ret = vu_source_set_events(c->in, EPOLLIN | EPOLLONESHOT);
	if (!ret)
		return;
	c->broken = "a client's input cannot be watched";
	client_reap(c);
}

/* Run what has come while the answers are taken. */
static void client_run(struct client *c)
{
	while (c->taken < c->received && !c->n_kept && !c->broken) {
		const char *data = c->piece + c->taken;
		size_t n = c->received - c->taken;
		bool complete = line_take(&c->line, &data, &n);

		c->taken = c->received - n;
		if (complete)
			client_run_line(c);
	}
	/* A connection may have been cut anywhere; a pipe or file has its end where it has. */
	if (c->in_ended && c->is_stdio && c->taken == c->received && !c->n_kept && !c->broken &&
	    line_end(&c->line))
		client_run_line(c);
	client_await(c);
}

static ssize_t client_read(struct client *c)
{
	struct pollfd pfd = {.fd = c->in_fd, .events = POLLIN};

	/* Whoever shares it with us may have been faster. */
	if (c->is_stdio && poll(&pfd, 1, 0) != 1)
		return -EAGAIN;
	for (;;) {
		ssize_t n = read(c->in_fd, c->piece, sizeof(c->piece));

		if (n >= 0 || errno != EINTR)
			return n < 0 ? -errno : n;
	}
}

static void client_on_input(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct client *c = opaque;
	ssize_t n = client_read(c);

	(void)source;
	(void)fd;
	(void)events;
	c->taken = 0;
	c->received = n > 0 ? (size_t)n : 0;
	/* Any error but "not now" is an end, too: of a terminal, of a connection. */
	if (n <= 0 && n != -EAGAIN)
		c->in_ended = true;
	client_run(c);
}

static void client_on_room(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct client *c = opaque;

	(void)source;
	(void)fd;
	(void)events;
	if (!c->n_kept) /* as it was made, or there was room after all */
		return;
	client_flush(c);
	if (!c->broken && c->n_kept && vu_source_set_events(c->out, EPOLLOUT | EPOLLONESHOT))
		c->broken = "a client's output cannot be watched";
	client_run(c);
}

/* --- beginning --- */

static int client_watch(struct client *c)
{
	struct vu_group *group = c->server->group;
	int ret = vu_group_add_fd(group, c->in_fd, EPOLLIN | EPOLLONESHOT, client_on_input, c,
				  &c->in);

	/* EPERM: a regular file, or /dev/null: always ready. */
	if (ret == -EPERM) {
		c->in_is_timer = true;
		ret = vu_group_add_timer(group, client_on_input, c, &c->in);
		if (!ret)
			ret = vu_source_set_timer(c->in, 1, 0);
	}
	if (ret)
		return ret;
	ret = vu_group_add_fd(group, c->out_fd, EPOLLOUT | EPOLLONESHOT, client_on_room, c,
			      &c->out);
	return ret == -EPERM ? 0 : ret;
}

int client_new(struct script_server *server, int in_fd, int out_fd, bool is_stdio)
{
	struct client *c = calloc(1, sizeof(*c));
	int ret;

	if (!c) {
		if (!is_stdio) {
			close(in_fd);
			close(out_fd);
		}
		return -ENOMEM;
	}
	c->server = server;
	c->in_fd = in_fd;
	c->out_fd = out_fd;
	c->is_stdio = is_stdio;
	LIST_INSERT_HEAD(&server->clients, c, link);
	server->n_clients++;
	ret = client_watch(c);
	if (ret)
		client_free(c);
	return ret;
}
