/* SPDX-License-Identifier: MIT */
/*
 * Two sockets and two relays: see link.h.  Neither direction waits for the other.  All calls are
 * non-blocking by themselves (MSG_DONTWAIT): a socket's O_NONBLOCK belongs to all who share it.
 */
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGES_A_TURN = 64 };

struct link *link_new(int front_end, int back_end, bool channel, link_fn *passes, void *opaque)
{
	struct link *link = malloc(sizeof(*link));

	if (!link)
		return NULL;
	*link = (struct link){.fds = {front_end, back_end},
			      .open = true,
			      .channel = channel,
			      .passes = passes,
			      .opaque = opaque};
	relay_init(&link->relays[FRONT_END], front_end, back_end);
	relay_init(&link->relays[BACK_END], back_end, front_end);
	return link;
}

void link_close(struct link *link)
{
	if (!link->open)
		return;
	relay_fini(&link->relays[FRONT_END]);
	relay_fini(&link->relays[BACK_END]);
	close(link->fds[FRONT_END]);
	close(link->fds[BACK_END]);
	link->open = false;
}

void link_free(struct link *link)
{
	if (!link)
		return;
	link_close(link);
	free(link);
}

/* Nothing can be sent to that side any more. */
static void link_gone(struct link *link, enum side side)
{
	link->gone[side] = true;
	if (!link->any_gone)
		link->first = side;
	link->any_gone = true;
}

/* Whatever that side sent has arrived, or cannot. */
static bool link_is_through(const struct link *link, enum side from)
{
	const struct relay *r = &link->relays[from];

	return link->gone[side_other(from)] || (r->ended && !r->whole);
}

/* That side said that nothing more comes: did it close the socket, or only one half? */
static void link_ended(struct link *link, enum side from)
{
	struct pollfd poller = {.fd = link->fds[from]};

	if (!link->any_gone)
		link->first = from;
	link->any_gone = true;
	if (poll(&poller, 1, 0) > 0 && poller.revents & (POLLHUP | POLLERR))
		link_gone(link, from);
	if (!link_is_through(link, from) || link->gone[side_other(from)])
		return;
	shutdown(link->fds[side_other(from)], SHUT_WR);
}

static void link_settle(struct link *link)
{
	if (link->open && link_is_through(link, FRONT_END) && link_is_through(link, BACK_END))
		link_close(link);
}

/* Send what that side's relay holds; true: it is free for more. */
static bool link_send(struct link *link, enum side from)
{
	struct relay *r = &link->relays[from];
	int ret = relay_send(r);

	if (ret < 0)
		link_gone(link, side_other(from));
	else if (ret == 0 && r->ended)
		link_ended(link, from);
	return ret == 0;
}

static void link_failed(struct link *link, enum side from, int error)
{
	/* Its receive queue was not empty when the other side's program ended. */
	if (error != -ECONNRESET)
		link->error = error;
	link->relays[from].ended = true;
	link_gone(link, from);
	if (error != -ECONNRESET)
		link_gone(link, side_other(from));
}

static void link_read(struct link *link, enum side from)
{
	struct relay *r = &link->relays[from];

	for (int i = 0; i < MESSAGES_A_TURN && relay_wants_read(r); i++) {
		int ret = relay_read(r);

		if (ret == RELAY_NOTHING)
			return;
		if (ret < 0) {
			link_failed(link, from, ret);
			return;
		}
		if (ret == RELAY_END) {
			link_ended(link, from);
			return;
		}
		link->passes(link, from, ret);
		if (!link_send(link, from))
			return;
	}
}

static void link_ready(void *opaque, int fd, short events)
{
	struct link *link = opaque;
	enum side side;

	if (!link->open)
		return;
	side = fd == link->fds[FRONT_END] ? FRONT_END : BACK_END;
	if (events & POLLOUT && relay_wants_write(&link->relays[side_other(side)]))
		link_send(link, side_other(side));
	if (events & (POLLIN | POLLHUP | POLLERR)) {
		if (link->relays[side].ended && events & (POLLHUP | POLLERR))
			link_gone(link, side);
		else if (!link->gone[side_other(side)])
			link_read(link, side);
	}
	link_settle(link);
}

void link_poll(struct link *link, struct poller *p)
{
	for (enum side side = FRONT_END; side <= BACK_END; side++) {
		const struct relay *from = &link->relays[side];
		short events = 0;

		if (relay_wants_read(from))
			events |= POLLIN;
		if (relay_wants_write(&link->relays[side_other(side)]) && !link->gone[side])
			events |= POLLOUT;
		/* Of one that shut down its half we want to see it go. */
		if (events || (from->ended && !link->gone[side]))
			poller_add(p, link->fds[side], events, link_ready, link);
		if (relay_may_stick(from))
			poller_in(p, RELAY_STUCK_MS);
	}
}

void link_tick(struct link *link)
{
	uint64_t now = trace_now();

	for (enum side side = FRONT_END; link->open && side <= BACK_END; side++)
		if (relay_stuck(&link->relays[side], now) < 0)
			link_gone(link, side_other(side));
	if (link->open)
		link_settle(link);
}
