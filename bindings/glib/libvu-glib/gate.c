/* SPDX-License-Identifier: MIT */
/* The right to use a device or a group.  Any thread. */
#include "gate.h"

void gate_init(struct gate *gate)
{
	g_rec_mutex_init(&gate->lock);
	gate->inside = NULL;
	gate->depth = 0;
}

void gate_clear(struct gate *gate)
{
	g_rec_mutex_clear(&gate->lock);
}

static void gate_entered(struct gate *gate)
{
	if (gate->depth++ == 0)
		g_atomic_pointer_set(&gate->inside, g_thread_self());
}

gboolean gate_try(struct gate *gate)
{
	if (!g_rec_mutex_trylock(&gate->lock))
		return FALSE;
	gate_entered(gate);
	return TRUE;
}

gboolean gate_try_outside(struct gate *gate)
{
	return !gate_is_mine(gate) && gate_try(gate);
}

void gate_leave(struct gate *gate)
{
	if (--gate->depth == 0)
		g_atomic_pointer_set(&gate->inside, NULL);
	g_rec_mutex_unlock(&gate->lock);
}
