/* SPDX-License-Identifier: MIT */
/* Functions to be run on a group's thread: each is a mail that is freed when it was read. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/group.h"

void group_post(struct vu_group *g, struct post *post)
{
	if (mailbox_post(&g->posts, &post->mail))
		group_attend(g);
}

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
	group_post(g, post);
	return 0;
}

void group_run_posts(struct vu_group *g)
{
	struct mail *mail = mailbox_take(&g->posts);

	while (mail) {
		struct post *post =
			(struct post *)(void *)((char *)mail - offsetof(struct post, mail));
		bool is_kept = post->is_kept;

		mail = mail->next;
		/* One that is kept may be gone after this. */
		post->fn(post->opaque);
		if (!is_kept)
			free(post);
	}
}

void group_run_last_posts(struct vu_group *g)
{
	bool was_inside = group_is_inside(g);

	group_set_inside(g, true);
	while (atomic_load_explicit(&g->posts.newest, memory_order_relaxed))
		group_run_posts(g);
	group_set_inside(g, was_inside);
}
