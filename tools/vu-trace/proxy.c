/* SPDX-License-Identifier: MIT */
/*
 * One connection: connects to the other side when one came, and relays between the two.  The socket
 * of SET_BACKEND_REQ_FD is replaced by one of ours, so that the back-end channel passes here, too.
 */
#include "proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "run/socket_file.h"

enum { CONNECT_STEP_MS = 20 };

struct proxy *proxy_new(const struct proxy_config *config, struct report *report, uint32_t number,
			int accepted)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));

	if (!proxy) {
		close(accepted);
		return NULL;
	}
	proxy->config = config;
	proxy->accepted = accepted;
	proxy->since = trace_now();
	dialog_init(&proxy->dialog, report, number);
	proxy->dialog.type = config->type;
	if (config->requests)
		proxy->watch = watch_new(&proxy->dialog, config->type);
	return proxy;
}

void proxy_free(struct proxy *proxy)
{
	if (proxy->accepted >= 0)
		close(proxy->accepted);
	link_free(proxy->main);
	for (uint32_t i = 0; i < PROXY_CHANNELS; i++)
		link_free(proxy->channels[i]);
	watch_free(proxy->watch);
	free(proxy);
}

static void proxy_passes(struct link *link, enum side from, int result);

/* The back-end gets an end of ours instead of the front-end's. */
static void proxy_open_channel(struct proxy *proxy, int *fd)
{
	struct dialog *s = &proxy->dialog;
	int pair[2];
	uint32_t i = 0;

	while (i < PROXY_CHANNELS && proxy->channels[i])
		i++;
	if (!descriptor_is_unix_socket(*fd)) {
		report_violation(s->report, s->number, FRONT_END,
				 "SET_BACKEND_REQ_FD: its descriptor is no Unix socket");
		return;
	}
	if (i == PROXY_CHANNELS || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		report_note(s->report, s->number, NULL,
			    "this back-end channel is not shown: there are too many");
		return;
	}
	proxy->channels[i] = link_new(*fd, pair[0], true, proxy_passes, proxy);
	if (!proxy->channels[i]) {
		close(pair[0]);
		close(pair[1]);
		return;
	}
	*fd = pair[1];
}

static void proxy_message(struct proxy *proxy, struct relay *relay, const struct passing *msg)
{
	if (proxy->watch)
		watch_before(proxy->watch);
	dialog_message(&proxy->dialog, msg);
	if (proxy->watch)
		watch_message(proxy->watch, msg, relay->fds);
	if (!msg->channel && msg->from == FRONT_END &&
	    msg->hdr->request == WIRE_SET_BACKEND_REQ_FD && relay->n_fds)
		proxy_open_channel(proxy, &relay->fds[0]);
}

static void proxy_passes(struct link *link, enum side from, int result)
{
	struct proxy *proxy = link->opaque;
	struct relay *relay = &link->relays[from];
	const struct passing msg = {
		.from = from,
		.channel = link->channel,
		.hdr = relay_header(relay),
		.payload = relay_payload(relay),
		.fds = relay->fds,
		.n_fds = relay->n_fds,
		.late_fds = relay_has_late_fds(relay),
		.at = trace_now(),
	};

	if (result == RELAY_MESSAGE)
		proxy_message(proxy, relay, &msg);
	else if (result == RELAY_LARGE)
		dialog_large(&proxy->dialog, &msg);
	else if (result == RELAY_CUT)
		dialog_cut(&proxy->dialog, from, link->channel);
}

/* A connected socket, -EAGAIN to try again, or -errno. */
static int proxy_connect(const struct proxy *proxy)
{
	uint64_t waited = (trace_now() - proxy->since) / 1000000;
	struct sockaddr_un address;
	int ret = socket_file_address(&address, proxy->config->connect), fd;

	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	ret = -errno;
	close(fd);
	/* It listens, and is busy; or it may be about to listen. */
	if (ret == -EAGAIN ||
	    ((ret == -ENOENT || ret == -ECONNREFUSED) && waited < proxy->config->patience_ms))
		return -EAGAIN;
	return ret;
}

bool proxy_join(struct proxy *proxy, int other)
{
	struct dialog *s = &proxy->dialog;

	if (proxy->config->reversed)
		proxy->main = link_new(other, proxy->accepted, false, proxy_passes, proxy);
	else
		proxy->main = link_new(proxy->accepted, other, false, proxy_passes, proxy);
	if (!proxy->main) {
		close(other);
		proxy->ended = true;
		return false;
	}
	proxy->accepted = -1;
	report_session(s->report, s->number, "connected with %s", proxy->config->name);
	if (proxy->watch && proxy->config->type_by)
		report_session(s->report, s->number, "device type %s, by %s (--type overrides)",
			       proxy->config->type, proxy->config->type_by);
	return true;
}

static void proxy_start(struct proxy *proxy)
{
	struct dialog *s = &proxy->dialog;
	int fd = proxy_connect(proxy);

	if (fd == -EAGAIN)
		return;
	if (fd < 0) {
		report_session(s->report, s->number, "cannot connect to %s: %s",
			       proxy->config->name, strerror(-fd));
		proxy->ended = true;
		return;
	}
	proxy_join(proxy, fd);
}

static void proxy_ended(struct proxy *proxy)
{
	struct dialog *s = &proxy->dialog;
	const struct link *link = proxy->main;

	if (proxy->watch)
		watch_end(proxy->watch);
	dialog_end(s);
	if (link->error)
		report_session(s->report, s->number, "cut: %s",
			       link->error == -EMFILE ? "too many descriptors are open here"
						      : strerror(-link->error));
	else
		report_session(s->report, s->number, "the %s closed the connection",
			       side_name(link->first));
	proxy->told = true;
}

void proxy_poll(struct proxy *proxy, struct poller *p)
{
	if (!proxy->main)
		poller_in(p, CONNECT_STEP_MS);
	else
		link_poll(proxy->main, p);
	if (proxy->watch)
		watch_poll(proxy->watch, p);
	for (uint32_t i = 0; i < PROXY_CHANNELS; i++)
		if (proxy->channels[i])
			link_poll(proxy->channels[i], p);
}

/* The channels go when their own sides close them: the connection does not end them. */
static bool proxy_has_channels(const struct proxy *proxy)
{
	for (uint32_t i = 0; i < PROXY_CHANNELS; i++)
		if (proxy->channels[i])
			return true;
	return false;
}

void proxy_tick(struct proxy *proxy)
{
	if (!proxy->main && !proxy->ended)
		proxy_start(proxy);
	if (!proxy->main)
		return;
	link_tick(proxy->main);
	if (proxy->watch)
		watch_tick(proxy->watch);
	for (uint32_t i = 0; i < PROXY_CHANNELS; i++) {
		struct link **channel = &proxy->channels[i];

		if (*channel)
			link_tick(*channel);
		if (*channel && !(*channel)->open) {
			link_free(*channel);
			*channel = NULL;
		}
	}
	if (!proxy->main->open && !proxy->told)
		proxy_ended(proxy);
	proxy->ended = proxy->told && !proxy_has_channels(proxy);
}
