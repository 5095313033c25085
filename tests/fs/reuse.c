/* SPDX-License-Identifier: MIT */
/* See reuse.h. */
#include "reuse.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

bool reuse_was_opened(const struct reuse *r)
{
	_Alignas(struct inotify_event) char events[4096];
	bool any = false;

	while (read(r->watch, events, sizeof(events)) > 0)
		any = true;
	return any;
}

bool reuse_opens_anew(const struct reuse *r, uint32_t flags)
{
	uint64_t fh;

	reuse_was_opened(r);
	assert_int_equal(client_open_file(r->c, r->file, flags, &fh), 0);
	assert_int_equal(client_release(r->c, r->file, fh), 0);
	return reuse_was_opened(r);
}

void reuse_until_taken(const struct reuse *r)
{
	while (reuse_opens_anew(r, O_RDONLY))
		continue;
}

static void need_known_file_system(const struct client *c)
{
	struct statfs st;

	assert_int_equal(statfs(c->share, &st), 0);
	switch ((uint32_t)st.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
		return;
	}
	print_message("skipped: on this file system nothing is kept\n");
	skip();
}

void reuse_begin(struct reuse *r, void **state, const char *const *args)
{
	struct client *c = *state;

	need_known_file_system(c);
	r->c = c;
	client_make_file(c, "file", "hello");
	r->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_return_code(r->watch, errno);
	assert_return_code(inotify_add_watch(r->watch, client_path(c, "file"), IN_OPEN), errno);
	client_start(c, args);
	r->file = client_walk(c, "file");
}

void reuse_end(struct reuse *r)
{
	client_stop(r->c);
	close(r->watch);
}
