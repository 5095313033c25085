/* SPDX-License-Identifier: MIT */
/*
 * The life of an endpoint: wait for a front-end, attach it, serve the device, and again.
 *
 *   LISTEN:  listener ready → accept → greeting ready → attach ─┐   (endpoint_listen.c)
 *   CONNECT: retry expired → connect ───────────────→ attach ─┤
 *   SESSION: ────────────────────────────────────────→ attached → session ended → wait or done
 *
 * Invariant: while the device has a front-end, retry is not active, and neither is listener, unless
 * that front-end may be replaced.
 * Thread: the runner's.
 */
#include "run/endpoint.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libvu/hold.h>

#include "run/runner_workers.h"

#define endpoint_of(member_ptr, member)                                                            \
	((struct endpoint *)((char *)(member_ptr)-offsetof(struct endpoint, member)))

static const uint64_t retry_min = 100 * UINT64_C(1000000);
static const uint64_t retry_max = 3000 * UINT64_C(1000000);

void endpoint_retry_later(struct endpoint *ep)
{
	loop_timer_start(&ep->runner->loop, &ep->retry, ep->retry_delay);
	ep->retry_delay *= 2;
	if (ep->retry_delay > retry_max)
		ep->retry_delay = retry_max;
}

void endpoint_retry_reset(struct endpoint *ep)
{
	ep->retry_delay = retry_min;
	ep->retry_error = 0;
}

void endpoint_log_retry(struct endpoint *ep, const char *what, int error)
{
	if (error == ep->retry_error)
		return;
	ep->retry_error = error;
	log_peer_warn(&ep->log, "%s: %s; trying again", what, strerror(-error));
}

int endpoint_attach(struct endpoint *ep, int fd)
{
	int ret = vu_device_attach(ep->dev, fd);

	if (!ret)
		return 0;
	log_peer_warn(&ep->log, "front-end not attached: %s", strerror(-ret));
	close(fd);
	return ret;
}

/* --- CONNECT --- */

static int endpoint_connect(struct endpoint *ep)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* Never "in progress" on a Unix socket: EAGAIN is a full backlog, so try later. */
	if (connect(fd, (const struct sockaddr *)&ep->file.address, sizeof(ep->file.address)) < 0) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	return fd;
}

static void endpoint_try_connect(struct endpoint *ep)
{
	int fd = endpoint_connect(ep);

	if (fd < 0) {
		endpoint_log_retry(ep, ep->file.address.sun_path, fd);
	} else if (!endpoint_attach(ep, fd)) {
		log_peer_info(&ep->log, "connected to %s", ep->file.address.sun_path);
		endpoint_retry_reset(ep);
		return;
	}
	endpoint_retry_later(ep);
}

static void endpoint_on_retry(struct timer *timer)
{
	struct endpoint *ep = endpoint_of(timer, retry);

	if (ep->kind == ENDPOINT_CONNECT)
		endpoint_try_connect(ep);
	else
		endpoint_listen(ep);
}

/* --- all kinds --- */

void endpoint_wait(struct endpoint *ep)
{
	if (ep->done || vu_device_is_attached(ep->dev))
		return; /* by somebody else, or adopted: its session comes first */
	switch (ep->kind) {
	case ENDPOINT_LISTEN:
		endpoint_listen(ep);
		break;
	case ENDPOINT_CONNECT:
		/* At once the first time; after a session even a front-end that always hangs up
		 * must not keep us busy. */
		if (!ep->retry_delay) {
			loop_timer_start(&ep->runner->loop, &ep->retry, 0);
			ep->retry_delay = retry_min;
		} else {
			endpoint_retry_later(ep);
		}
		break;
	case ENDPOINT_SESSION:
		break;
	}
}

/* The device's own log line says why. */
static void endpoint_session_ended(struct endpoint *ep)
{
	if (ep->kind == ENDPOINT_SESSION || ep->runner->info.once)
		endpoint_finish(ep);
	else
		endpoint_wait(ep);
}

static int endpoint_on_device(struct watch *watch, uint32_t events)
{
	struct endpoint *ep = endpoint_of(watch, device);
	int ret = vu_device_process(ep->dev);

	(void)events;
	if (ret > 0 && ret & VU_PROCESS_ENDED)
		endpoint_session_ended(ep);
	else
		endpoint_look_at_rings(ep);
	return ret > 0 && ret & VU_PROCESS_MORE;
}

void endpoint_close_session(struct endpoint *ep)
{
	ep->ending = vu_device_is_attached(ep->dev);
	vu_device_drain(ep->dev);
}

void endpoint_end_session(struct endpoint *ep)
{
	ep->ending = vu_device_is_attached(ep->dev);
	vu_device_detach(ep->dev);
}

/* Sleep until the device has something to do, or the deadline is over. */
static void endpoint_sleep(const struct endpoint *ep, uint64_t deadline)
{
	struct pollfd pfd = {.fd = vu_device_fd(ep->dev), .events = POLLIN};
	uint64_t now = loop_now();

	if (now < deadline)
		poll(&pfd, 1, (int)((deadline - now) / 1000000) + 1);
}

bool endpoint_await_end(struct endpoint *ep, uint64_t deadline)
{
	while (ep->ending) {
		int ret;

		/* Groups whose worker has ended, or never began, are in nobody's hands but ours. */
		runner_stand_in(ep->runner);
		ret = vu_device_process(ep->dev);
		if (ret > 0 && ret & VU_PROCESS_ENDED) {
			ep->ending = false;
			endpoint_session_ended(ep);
		} else if (loop_now() >= deadline) {
			return false;
		} else if (ret == 0) {
			endpoint_sleep(ep, deadline);
		}
	}
	return true;
}

/*
 * A child of fork() may have a copy of the socket, which would go on taking connections, and those
 * that wait would wait for ever.  A socket that was handed to us is its maker's, too: not that one.
 */
static void endpoint_stop_listening(struct endpoint *ep)
{
	int fd;

	shutdown(ep->listen_fd, SHUT_RDWR);
	while ((fd = accept4(ep->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		shutdown(fd, SHUT_RDWR);
		close(fd);
	}
}

static void endpoint_close(struct endpoint *ep)
{
	loop_timer_stop(&ep->retry);
	loop_unwatch(&ep->runner->loop, &ep->listener);
	endpoint_send_away(ep);
	if (ep->own_file) {
		endpoint_stop_listening(ep);
		socket_file_remove(&ep->file);
	}
	if (ep->listen_fd >= 0)
		close(ep->listen_fd);
	ep->own_file = false;
	ep->listen_fd = -1;
}

void endpoint_finish(struct endpoint *ep)
{
	if (ep->done)
		return;
	endpoint_close(ep);
	/* The device stays watched: its timers and fds go on until the runner is freed. */
	ep->done = true;
	if (--ep->runner->n_serving == 0)
		loop_quit(&ep->runner->loop);
}

int endpoint_new(struct vu_runner *runner, struct vu_device *dev, enum endpoint_kind kind,
		 struct endpoint **out)
{
	struct endpoint *ep = calloc(1, sizeof(*ep));
	int ret;

	if (!ep)
		return -ENOMEM;
	ep->runner = runner;
	ep->dev = dev;
	ep->kind = kind;
	ep->listen_fd = ep->greeting_fd = -1;
	log_init(&ep->log, vu_device_name(dev), runner->info.log_level, runner->info.log_fn,
		 runner->info.log_opaque);
	watch_init(&ep->device, endpoint_on_device);
	timer_init(&ep->retry, endpoint_on_retry);
	endpoint_init_listening(ep);

	ret = runner->guards ? vu_device_guard(dev) : 0;
	if (!ret)
		ret = loop_watch(&runner->loop, &ep->device, vu_device_fd(dev));
	if (ret) {
		free(ep);
		return ret;
	}
	vu_device_hold(dev);
	*out = ep;
	return 0;
}

void endpoint_free(struct endpoint *ep)
{
	endpoint_close(ep);
	loop_unwatch(&ep->runner->loop, &ep->device);
	vu_device_release(ep->dev);
	free(ep);
}
