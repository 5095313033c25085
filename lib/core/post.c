/* SPDX-License-Identifier: MIT */
/* Functions to be run on a group's thread: each is a mail that is freed when it was read. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <libvu/unstable.h>

#include "core/group.h"

struct post {
	struct mail mail;
	vu_post_fn fn;
	void *opaque;
};

int vu_group_post(struct vu_group *g, vu_post_fn fn, void *opaque)
{
	struct post *post;

	if (!fn)
		return -EINVAL;
	post = calloc(1, sizeof(*post));
	if (!post)
		return -ENOMEM;
	post->fn = fn;
	post->opaque = opaque;
	if (mailbox_post(&g->posts, &post->mail))
		group_attend(g);
	return 0;
}

void group_run_posts(struct vu_group *g)
{
	struct mail *mail = mailbox_take(&g->posts);

	while (mail) {
		struct post *post =
			(struct post *)(void *)((char *)mail - offsetof(struct post, mail));

		mail = mail->next;
		post->fn(post->opaque);
		free(post);
	}
}

void group_run_last_posts(struct vu_group *g)
{
	bool was_inside = g->in_process;

	g->in_process = true;
	while (atomic_load_explicit(&g->posts.newest, memory_order_relaxed))
		group_run_posts(g);
	g->in_process = was_inside;
}
