/* SPDX-License-Identifier: MIT */
/*
 * Functions to be run on a group's thread.  Any thread puts them on a stack; the group's takes all
 * at once, and runs them oldest first.
 */
#include <errno.h>
#include <stdlib.h>

#include <libvu/unstable.h>

#include "core/group.h"

struct post {
	struct post *next;
	vu_post_fn fn;
	void *opaque;
};

int vu_group_post(struct vu_group *g, vu_post_fn fn, void *opaque)
{
	struct post *post, *head;

	if (!fn)
		return -EINVAL;
	post = malloc(sizeof(*post));
	if (!post)
		return -ENOMEM;
	post->fn = fn;
	post->opaque = opaque;
	head = atomic_load_explicit(&g->posts, memory_order_relaxed);
	do {
		post->next = head;
		/* Release pairs with the acquire in group_run_posts(). */
	} while (!atomic_compare_exchange_weak_explicit(
		&g->posts, &head, post, memory_order_release, memory_order_relaxed));
	if (!head)
		group_attend(g);
	return 0;
}

void group_run_posts(struct vu_group *g)
{
	struct post *post, *oldest = NULL;

	post = atomic_exchange_explicit(&g->posts, NULL, memory_order_acquire);
	while (post) {
		struct post *next = post->next;

		post->next = oldest;
		oldest = post;
		post = next;
	}
	while (oldest) {
		post = oldest;
		oldest = post->next;
		post->fn(post->opaque);
		free(post);
	}
}

void group_run_last_posts(struct vu_group *g)
{
	bool was_inside = g->in_process;

	g->in_process = true;
	while (atomic_load_explicit(&g->posts, memory_order_relaxed))
		group_run_posts(g);
	g->in_process = was_inside;
}
