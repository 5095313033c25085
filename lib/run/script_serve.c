/* SPDX-License-Identifier: MIT */
/*
 * A script that is served: who may give commands, and what the device says to all of them.
 *
 * Owns the clients, the listening socket and its file.  Thread: the group's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/script_client.h"
#include "run/socket_file.h"

enum { CLIENTS_MOST = 8, SOCKET_MODE = 0600 };

static const uint64_t pause_ns = 100 * UINT64_C(1000000);

/* --- connections --- */

/* Out of descriptors or memory: the listener stays readable, so pause instead of spinning. */
static void serve_pause(struct script_server *server, int error)
{
	if (error != server->accept_error)
		log_peer_warn(&server->script.log, "client not accepted: %s; trying again",
			      strerror(-error));
	server->accept_error = error;
	vu_source_set_events(server->listener, 0);
	vu_source_set_timer(server->retry, pause_ns, 0);
}

static void serve_on_retry(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct script_server *server = opaque;

	(void)source;
	(void)fd;
	(void)events;
	vu_source_set_events(server->listener, EPOLLIN);
}

static void serve_refuse(int fd)
{
	static const char text[] = "error: there are too many clients\n";

	(void)send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void serve_on_listener(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct script_server *server = opaque;
	int in = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), out;
	int ret;

	(void)source;
	(void)events;
	if (in < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return; /* it went away before we came */
	if (in < 0) {
		serve_pause(server, -errno);
		return;
	}
	if (server->n_clients == CLIENTS_MOST) {
		serve_refuse(in);
		return;
	}
	/* Twice the same, for two sources: epoll knows an fd only once. */
	out = fcntl(in, F_DUPFD_CLOEXEC, 0);
	if (out < 0) {
		ret = -errno;
		close(in);
	} else {
		ret = client_new(server, in, out, false);
	}
	if (ret)
		serve_pause(server, ret);
	else
		server->accept_error = 0;
}

static int serve_listen(struct script_server *server, const char *where, uint32_t index)
{
	char path[PATH_MAX];
	int ret = vu_program_path(where, index, path, sizeof(path));

	if (ret)
		return ret;
	server->file = malloc(sizeof(*server->file));
	if (!server->file)
		return -ENOMEM;
	ret = *where ? socket_file_listen(server->file, path, SOCKET_MODE, 0) : -EINVAL;
	if (ret < 0)
		return ret;
	server->listen_fd = ret;
	ret = vu_group_add_timer(server->group, serve_on_retry, server, &server->retry);
	if (!ret)
		ret = vu_group_add_fd(server->group, server->listen_fd, EPOLLIN, serve_on_listener,
				      server, &server->listener);
	return ret;
}

/* --- for the caller --- */

int vu_script_serve(struct vu_group *group, const struct vu_script_info *info, const char *where,
		    uint32_t index, struct vu_script **script)
{
	struct script_server *server = calloc(1, sizeof(*server));
	bool is_stdio = !strcmp(where, "-");
	int ret;

	if (!server)
		return -ENOMEM;
	ret = script_init(&server->script, info);
	if (ret) {
		free(server);
		return ret;
	}
	server->script.server = server;
	server->group = group;
	server->listen_fd = -1;
	LIST_INIT(&server->clients);
	if (!is_stdio)
		ret = serve_listen(server, where, index);
	else
		ret = index ? -EINVAL : client_new(server, STDIN_FILENO, STDOUT_FILENO, true);
	if (ret) {
		log_error(&server->script.log, "control at %s: %s%s", where, strerror(-ret),
			  is_stdio && index ? " (only one device can have standard input)" : "");
		vu_script_free(&server->script);
		return ret;
	}
	*script = &server->script;
	return 0;
}

void vu_script_free(struct vu_script *script)
{
	struct script_server *server;

	if (!script)
		return;
	server = script->server;
	while (!LIST_EMPTY(&server->clients))
		client_free(LIST_FIRST(&server->clients));
	vu_source_remove(server->listener);
	vu_source_remove(server->retry);
	if (server->listen_fd >= 0) {
		socket_file_remove(server->file);
		shutdown(server->listen_fd, SHUT_RDWR); /* in a child of fork(), too */
		close(server->listen_fd);
	}
	free(server->file);
	script_destroy(script);
	free(server);
}

void vu_script_say(struct vu_script *script, const char *text)
{
	struct client *c, *next;

	if (!script || !script->server)
		return;
	for (c = LIST_FIRST(&script->server->clients); c; c = next) {
		next = LIST_NEXT(c, link);
		client_send_line(c, "* ", text);
	}
}
