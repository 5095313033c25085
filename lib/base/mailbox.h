/* SPDX-License-Identifier: MIT */
/*
 * A mailbox: any thread posts, one thread takes everything at once.  Lock-free; no allocation:
 * the nodes belong to the posters, and each is in at most one mailbox.
 */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

struct mail {
	struct mail *next;
	atomic_bool posted;
};

struct mailbox {
	_Atomic(struct mail *) newest;
};

/*
 * Post a node.  One that is still in the box is not posted twice; whoever takes it sees
 * everything written before the latest post.  Returns true if the box was empty: wake the taker.
 */
bool mailbox_post(struct mailbox *box, struct mail *mail);

/* Take all, oldest first.  Call mail_open() on each before looking at what it announces. */
struct mail *mailbox_take(struct mailbox *box);

/* From now on the node can be posted again; read its next before. */
void mail_open(struct mail *mail);

#endif
