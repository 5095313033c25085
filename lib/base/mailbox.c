/* SPDX-License-Identifier: MIT */
/* Lock-free mailbox: a stack that the taker turns round.  See mailbox.h. */
#include "base/mailbox.h"

#include <stddef.h>

bool mailbox_post(struct mailbox *box, struct mail *mail)
{
	struct mail *head;

	/* Pairs with mail_open(): either it is still posted and the taker will look after us, or we
	 * post it again. */
	if (atomic_exchange_explicit(&mail->posted, true, memory_order_acq_rel))
		return false;
	head = atomic_load_explicit(&box->newest, memory_order_relaxed);
	do {
		mail->next = head;
		/* Release pairs with the taker's acquire exchange. */
	} while (!atomic_compare_exchange_weak_explicit(
		&box->newest, &head, mail, memory_order_release, memory_order_relaxed));
	return head == NULL;
}

struct mail *mailbox_take(struct mailbox *box)
{
	struct mail *mail, *oldest = NULL;

	if (!atomic_load_explicit(&box->newest, memory_order_relaxed))
		return NULL;
	mail = atomic_exchange_explicit(&box->newest, NULL, memory_order_acquire);
	while (mail) {
		struct mail *next = mail->next;

		mail->next = oldest;
		oldest = mail;
		mail = next;
	}
	return oldest;
}

void mail_open(struct mail *mail)
{
	atomic_exchange_explicit(&mail->posted, false, memory_order_acq_rel);
}
