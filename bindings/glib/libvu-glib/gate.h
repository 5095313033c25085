/* SPDX-License-Identifier: MIT */
/*
 * The right to use a device or a group: one thread at a time, which may enter again.
 *
 * libvu has no locks and wants each object used by one thread.  Here that thread is whoever entered
 * the gate, and another one hears that it is the wrong one instead of doing harm.
 */
#ifndef VU_GLIB_PRIVATE_GATE_H
#define VU_GLIB_PRIVATE_GATE_H

#include <glib.h>

struct gate {
	GRecMutex lock;
	GThread *inside; /* atomic; NULL: nobody */
	guint depth;	 /* of the one who is inside */
};

void gate_init(struct gate *gate);
void gate_clear(struct gate *gate);

/* FALSE: another thread is inside. */
gboolean gate_try(struct gate *gate);
/* FALSE: anybody is inside, this thread, too. */
gboolean gate_try_outside(struct gate *gate);
void gate_leave(struct gate *gate);

/* Is this thread inside?  Any thread may ask. */
static inline gboolean gate_is_mine(struct gate *gate)
{
	return g_atomic_pointer_get(&gate->inside) == g_thread_self();
}

#endif
