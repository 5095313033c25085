/* SPDX-License-Identifier: MIT */
/*
 * Answering a message later: what callbacks of struct vu_net_ops, vu_state_ops and the like can do.
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_ANSWER_H
#define LIBVU_ANSWER_H

#include <libvu/types.h>

VU_BEGIN_DECLS

struct vu_answer;

/**
 * enum vu_answer_when - what a callback returns that does not know its answer yet.
 *
 * @VU_LATER: the answer comes by vu_answer_give().  No further message of the front-end is looked
 *	at until then, as answers have to keep their order, and the virtual machine mostly stands
 *	still: after a second and then every ten a line in the log names what is waited for.
 *
 * Since: 0.1
 */
enum vu_answer_when { VU_LATER = -0x7fffffff };

/**
 * vu_answer_give() - give the answer that a callback left open by VU_LATER.
 *
 * To be called exactly once for each VU_LATER, whatever became of the front-end; it may be called
 * before the callback has returned.  The answer is gone then.  What a callback answers at once it
 * returns, and leaves the handle alone.
 *
 * @value: what the callback would have returned: 0 or a value, or -errno.
 *
 * Return: 0: it goes to the front-end, unless that goes first; -ESTALE: the session has ended, or
 * the device was freed, and nobody hears it.  A descriptor that was the value is closed then.
 * Thread: any.
 * Since: 0.1
 */
VU_API int vu_answer_give(struct vu_answer *answer, int64_t value);

VU_END_DECLS

#endif
