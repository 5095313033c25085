/* SPDX-License-Identifier: MIT */
/*
 * Front-ends that connect to us: accepted when there is room, and attached with their first word.
 *
 * While one is attached others wait, in the kernel's queue, unwatched.  But one that switches all
 * its rings off may be over without closing its connection: User-mode Linux begins anew in the same
 * process, which keeps the descriptor, connects once more, and waits for an answer.  So the very
 * process that a front-end is of may replace it then.  Who else connects at that time is accepted,
 * too, as it cannot be told before, and waits in greeting_fd.
 */
#include "run/endpoint.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define endpoint_of(member_ptr, member)                                                            \
	((struct endpoint *)((char *)(member_ptr)-offsetof(struct endpoint, member)))

/* 0: it cannot be known, as of another PID namespace. */
static pid_t process_of(int fd)
{
	struct ucred peer = {.pid = 0};
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ? 0 : peer.pid;
}

static bool may_enter(const struct endpoint *ep)
{
	if (!vu_device_is_attached(ep->dev))
		return true;
	return ep->left && ep->front_end && process_of(ep->greeting_fd) == ep->front_end;
}

static void greeting_unwatch(struct endpoint *ep)
{
	loop_timer_stop(&ep->greeting_end);
	loop_unwatch(&ep->runner->loop, &ep->greeting);
}

/* Who may not enter yet is watched for its leaving only. */
static int greeting_watch(struct endpoint *ep)
{
	bool enters = may_enter(ep);
	uint64_t ns = vu_device_message_timeout(ep->dev);

	greeting_unwatch(ep);
	if (enters && ns)
		loop_timer_start(&ep->runner->loop, &ep->greeting_end, ns);
	return loop_watch_for(&ep->runner->loop, &ep->greeting, ep->greeting_fd,
			      enters ? EPOLLIN : EPOLLRDHUP);
}

void endpoint_send_away(struct endpoint *ep)
{
	greeting_unwatch(ep);
	if (ep->greeting_fd < 0)
		return;
	shutdown(ep->greeting_fd, SHUT_RDWR);
	close(ep->greeting_fd);
	ep->greeting_fd = -1;
}

void endpoint_listen(struct endpoint *ep)
{
	struct loop *loop = &ep->runner->loop;
	bool has_room = !vu_device_is_attached(ep->dev);
	const char *what = "listening socket cannot be watched";
	int ret = 0;

	if (has_room) {
		ep->left = false;
		ep->front_end = 0;
	}
	if (ep->greeting_fd >= 0) {
		what = "who connected cannot be watched";
		ret = greeting_watch(ep);
		if (ret)
			endpoint_send_away(ep);
	} else if (!has_room && !ep->left) {
		loop_unwatch(loop, &ep->listener);
	} else if (ep->listener.fd < 0) {
		ret = loop_watch(loop, &ep->listener, ep->listen_fd);
	}
	if (!ret)
		return;
	endpoint_log_retry(ep, what, ret);
	endpoint_retry_later(ep);
}

void endpoint_look_at_rings(struct endpoint *ep)
{
	bool left;

	if (ep->kind != ENDPOINT_LISTEN || ep->runner->info.once || ep->done || !ep->front_end)
		return;
	left = vu_device_is_left(ep->dev);
	if (left == ep->left)
		return;
	ep->left = left;
	endpoint_listen(ep);
}

static int on_listener(struct watch *watch, uint32_t events)
{
	struct endpoint *ep = endpoint_of(watch, listener);
	int fd = accept4(ep->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int ret;

	(void)events;
	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return 0; /* it went away before we came */
	ret = fd < 0 ? -errno : 0;
	loop_unwatch(&ep->runner->loop, &ep->listener);
	ep->greeting_fd = fd;
	if (!ret)
		ret = greeting_watch(ep);
	if (!ret) {
		endpoint_retry_reset(ep);
		return 0;
	}
	/* Out of descriptors or memory: the listener stays readable, so pause instead of spinning.
	 */
	endpoint_send_away(ep);
	endpoint_log_retry(ep, "front-end not accepted", ret);
	endpoint_retry_later(ep);
	return 0;
}

/* The one that was there: its end is told of by the device, and then there is room. */
static void replace_front_end(struct endpoint *ep)
{
	log_peer_info(&ep->log,
		      "the front-end's process (%ld) has connected anew, and uses no ring of its "
		      "old connection, which ends",
		      (long)ep->front_end);
	ep->front_end = 0;
	ep->left = false;
	endpoint_listen(ep);
	vu_device_detach(ep->dev);
}

static void take_in(struct endpoint *ep)
{
	int fd = ep->greeting_fd;

	greeting_unwatch(ep);
	ep->greeting_fd = -1;
	ep->front_end = process_of(fd);
	if (endpoint_attach(ep, fd))
		endpoint_wait(ep);
}

/*
 * A front-end always speaks first.  One that leaves without a word was none: a start of another
 * program on the same path checks like this whether somebody listens, and must not use up --once.
 */
static int on_greeting(struct watch *watch, uint32_t events)
{
	struct endpoint *ep = endpoint_of(watch, greeting);
	char byte;
	ssize_t n = recv(ep->greeting_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	bool gone = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR), enters = may_enter(ep);

	if (n < 0 && (errno == EAGAIN || errno == EINTR) && !gone)
		return 0;
	if (n <= 0 || (gone && !enters)) {
		endpoint_send_away(ep);
		endpoint_listen(ep);
	} else if (!enters) {
		endpoint_listen(ep); /* somebody else attached one, meanwhile */
	} else if (vu_device_is_attached(ep->dev)) {
		replace_front_end(ep);
	} else {
		take_in(ep);
	}
	return 0;
}

/* One that stays without a word keeps all others away. */
static void on_greeting_end(struct timer *timer)
{
	struct endpoint *ep = endpoint_of(timer, greeting_end);

	log_peer_warn(&ep->log, "who connected sends nothing for %.3g s: disconnecting",
		      (double)vu_device_message_timeout(ep->dev) / 1e9);
	endpoint_send_away(ep);
	endpoint_listen(ep);
}

void endpoint_init_listening(struct endpoint *ep)
{
	watch_init(&ep->listener, on_listener);
	watch_init(&ep->greeting, on_greeting);
	timer_init(&ep->greeting_end, on_greeting_end);
}
