/* SPDX-License-Identifier: MIT */
/* poll(2) with somebody to call: see poller.h. */
#include "poller.h"

#include <stdlib.h>

enum { POLLER_STEP = 64, AGAIN_MS = 10 };

void poller_reset(struct poller *p)
{
	p->n = 0;
	p->timeout = -1;
}

void poller_fini(struct poller *p)
{
	free(p->fds);
	free(p->users);
}

static int poller_grow(struct poller *p)
{
	uint32_t room = p->room + POLLER_STEP;
	struct pollfd *fds = reallocarray(p->fds, room, sizeof(*fds));
	struct poller_user *users;

	if (!fds)
		return -1;
	p->fds = fds;
	users = reallocarray(p->users, room, sizeof(*users));
	if (!users)
		return -1;
	p->users = users;
	p->room = room;
	return 0;
}

void poller_add(struct poller *p, int fd, short events, poller_fn *ready, void *opaque)
{
	if (p->n == p->room && poller_grow(p)) {
		poller_in(p, AGAIN_MS);
		return;
	}
	p->fds[p->n] = (struct pollfd){.fd = fd, .events = events};
	p->users[p->n++] = (struct poller_user){ready, opaque};
}

void poller_in(struct poller *p, int ms)
{
	if (p->timeout < 0 || ms < p->timeout)
		p->timeout = ms;
}

void poller_wait(struct poller *p)
{
	if (poll(p->fds, p->n, p->timeout) <= 0)
		return;
	for (uint32_t i = 0; i < p->n; i++)
		if (p->fds[i].revents)
			p->users[i].ready(p->users[i].opaque, p->fds[i].fd, p->fds[i].revents);
}
