/* SPDX-License-Identifier: MIT */
/* See guests.h. */
#include "guests.h"

#include <stdio.h>

void guests_name(struct guests *g, struct rig *rig, uint32_t n_queues)
{
	memset(g, 0, sizeof(*g));
	g->rigs[0] = rig;
	for (int i = 0; i < GUESTS - 1; i++) {
		struct rig *other = &g->own[i];

		snprintf(other->socket, sizeof(other->socket), "%.60s/guest%d", rig->dir, i);
		snprintf(g->sockets[i], sizeof(g->sockets[i]), "--socket-path=%s", other->socket);
		g->options[i] = g->sockets[i];
		other->config.n_queues = n_queues;
		g->rigs[i + 1] = other;
	}
}

void guests_connect(struct guests *g)
{
	for (int i = 1; i < GUESTS; i++) {
		spawn_wait_listening(g->rigs[i]->socket);
		rig_connect(g->rigs[i]);
	}
}

void guests_end(struct guests *g)
{
	for (int i = 0; i < GUESTS - 1; i++)
		peer_free(g->own[i].peer);
	rig_stop(g->rigs[0]);
}
