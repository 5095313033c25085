/* SPDX-License-Identifier: MIT */
/*
 * Somebody writes while a request is looked at: the guest to the request itself, a process of the
 * host's to the names in the share.  Beside the share lies a file that nobody must read, change,
 * or find.  Without the sandbox, so that it is the requests' own checks that hold.
 */
#include "outside.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

enum { ROUNDS = 1500, HEADER = sizeof(struct fuse_in_header) };

struct race {
	struct client *c;
	struct outside outside;
	pthread_t thread;
	atomic_bool stop;
	void (*step)(struct race *r, uint32_t i);
	unsigned char *bytes; /* of a request */
};

static void begin(struct race *r, struct client *c)
{
	r->c = c;
	outside_begin(c, &r->outside);
}

static void *work(void *opaque)
{
	struct race *r = opaque;

	for (uint32_t i = 0; !atomic_load_explicit(&r->stop, memory_order_relaxed); i++)
		r->step(r, i);
	return NULL;
}

static void run(struct race *r, void (*step)(struct race *r, uint32_t i))
{
	r->step = step;
	atomic_store(&r->stop, false);
	assert_int_equal(pthread_create(&r->thread, NULL, work, r), 0);
}

static void rest(struct race *r)
{
	atomic_store(&r->stop, true);
	pthread_join(r->thread, NULL);
}

static void end(struct race *r)
{
	assert_int_equal(client_getattr(r->c, ROOT, NULL), 0);
	outside_end(r->c, &r->outside);
}

/* --- the guest writes --- */

/* One byte of what follows the header is another one for a moment; or its length, or who it is for.
 */
static void write_to_request(struct race *r, uint32_t i)
{
	static const unsigned char bytes[] = {'/', '.', '\0', 'x', 0xff, 1};
	struct fuse_in_header *hdr = (void *)r->bytes;
	volatile unsigned char *at = r->bytes + HEADER + i % 64;
	unsigned char before = *at;

	switch (i % 16) {
	case 0:
		*(volatile uint32_t *)&hdr->len = i;
		break;
	case 1:
		*(volatile uint16_t *)&hdr->total_extlen = (uint16_t)i;
		break;
	case 2:
		*(volatile uint64_t *)&hdr->nodeid = i % 64;
		break;
	default:
		*at = bytes[i / 64 % sizeof(bytes)];
		atomic_signal_fence(memory_order_seq_cst);
		*at = before;
	}
}

static void what_changes_while_it_is_read_leads_nowhere(void **state)
{
	static const uint32_t opcodes[] = {
		FUSE_LOOKUP, FUSE_CREATE,  FUSE_MKDIR,	 FUSE_UNLINK,	   FUSE_RENAME, FUSE_LINK,
		FUSE_MKNOD,  FUSE_SYMLINK, FUSE_RENAME2, FUSE_SETXATTR,	   FUSE_WRITE,	FUSE_READ,
		FUSE_RMDIR,  FUSE_TMPFILE, FUSE_SETATTR, FUSE_BATCH_FORGET};
	static const char names[] = "..xoutside/file\0dir/../../outside/file";
	struct race r = {.bytes = NULL};
	struct client *c = *state;

	client_make_dir(c, "dir");
	client_make_file(c, "mine", "mine");
	begin(&r, c);
	client_walk(c, "dir");
	client_walk(c, "mine");
	r.bytes = c->io[1].out;
	run(&r, write_to_request);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		unsigned char request[512] = {0};
		uint32_t args = i / 16 % 65, len = (uint32_t)sizeof(names) + HEADER + args;
		struct fuse_in_header hdr = {.len = len,
					     .opcode = opcodes[i % 16],
					     .unique = i + 1,
					     .nodeid = ROOT + i / 7 % 3};

		memcpy(request, &hdr, HEADER);
		request[HEADER] = (unsigned char)(i / 32);
		memcpy(request + HEADER + args, names, sizeof(names));
		client_raw(c, 1, request, len, 4096);
	}
	rest(&r);
	end(&r);
}

/* --- the host does --- */

static void exchange(const struct client *c, const char *a, const char *b)
{
	char path[RIG_PATH + 64];

	snprintf(path, sizeof(path), "%s", client_path(c, a));
	syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, client_path(c, b), RENAME_EXCHANGE);
}

/* The name that is asked for is a file, a link to the one outside, a FIFO, a link to a folder. */
static void change_names(struct race *r, uint32_t i)
{
	static const char *const others[] = {"to_file", "fifo", "to_dir", "dir"};

	exchange(r->c, "name", others[i % 4]);
	exchange(r->c, "name", others[i % 4]);
}

static void use_name(struct client *c)
{
	struct fuse_setattr_in set = {.valid = FATTR_SIZE | FATTR_MODE, .mode = 0600};
	struct fuse_entry_out entry;
	uint64_t fh;

	if (!client_create(c, ROOT, "name", O_RDWR | O_TRUNC, 0600, &entry, &fh)) {
		client_write(c, entry.nodeid, fh, 0, "overwritten", 11);
		client_release(c, entry.nodeid, fh);
		client_forget(c, entry.nodeid, 1);
	}
	if (client_lookup(c, ROOT, "name", &entry))
		return;
	if (!client_open_file(c, entry.nodeid, O_RDWR | O_TRUNC, &fh)) {
		client_write(c, entry.nodeid, fh, 0, "overwritten", 11);
		client_release(c, entry.nodeid, fh);
	}
	if (!client_opendir(c, entry.nodeid, &fh)) {
		unsigned char data[4096];

		assert_int_equal(entry.attr.mode & S_IFMT, S_IFDIR);
		client_readdir(c, entry.nodeid, fh, 0, true, data, sizeof(data));
		client_releasedir(c, entry.nodeid, fh);
	}
	assert_true(client_lookup(c, entry.nodeid, "file", NULL) < 0);
	/* A symbolic link has neither, what it leads to has both. */
	client_setattr(c, entry.nodeid, &set, NULL);
	client_forget(c, entry.nodeid, 1);
}

static void a_name_that_becomes_something_else_leads_nowhere(void **state)
{
	struct race r = {.bytes = NULL};
	struct client *c = *state;

	client_make_file(c, "name", "mine");
	client_make_dir(c, "dir");
	assert_return_code(mkfifo(client_path(c, "fifo"), 0666), 0);
	begin(&r, c);
	assert_return_code(symlink(r.outside.file, client_path(c, "to_file")), 0);
	assert_return_code(symlink(r.outside.dir, client_path(c, "to_dir")), 0);
	run(&r, change_names);
	for (uint32_t i = 0; i < ROUNDS / 8; i++)
		use_name(c);
	rest(&r);
	end(&r);
}

/* Whatever is made as "new" becomes "away", and an empty file of the host's is there. */
static void take_new_name(struct race *r, uint32_t i)
{
	(void)i;
	exchange(r->c, "new", "away");
}

static void what_was_made_is_what_the_entry_says(void **state)
{
	struct race r = {.bytes = NULL};
	struct client *c = *state;

	client_make_file(c, "away", "");
	begin(&r, c);
	run(&r, take_new_name);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct fuse_entry_out entry;
		struct fuse_attr attr;
		uint64_t fh;

		if (client_create(c, ROOT, "new", O_RDWR | O_EXCL, 0600, &entry, &fh))
			fail_msg("what was removed is there");
		/* As long as none of those before. */
		assert_int_equal(client_write(c, entry.nodeid, fh, i, "x", 1), 1);
		assert_int_equal(client_getattr(c, entry.nodeid, &attr), 0);
		assert_int_equal(attr.size, i + 1);
		assert_int_equal(attr.ino, entry.attr.ino);
		client_release(c, entry.nodeid, fh);
		client_forget(c, entry.nodeid, 1);
		/* "away" stays, whichever it is. */
		assert_int_equal(client_name(c, FUSE_UNLINK, ROOT, "new"), 0);
	}
	rest(&r);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(what_changes_while_it_is_read_leads_nowhere),
		CLIENT_TEST(a_name_that_becomes_something_else_leads_nowhere),
		CLIENT_TEST(what_was_made_is_what_the_entry_says),
	};

	return cmocka_run_group_tests_name("fs_races", tests, NULL, NULL);
}
