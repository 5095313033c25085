/* SPDX-License-Identifier: MIT */
/*
 * vu-fs is killed again and again while a guest works, and its successor goes on: every request
 * ends as if nothing had happened.  Whatever was being made, moved or removed at a kill is made,
 * moved and removed once: no EEXIST, no ENOENT, nothing twice.
 *
 * Each queue has a directory and goes round in it; the kill comes at a random moment after a
 * request was offered.  VU_FS_LONG: more kills.
 */
#include "client.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 40, LONG_KILLS = 400, BYTES = 3000, QUEUES = CLIENT_QUEUES - 1, FORGETS = 4096 };
enum { WINDOW_NS = 60000, USER = 1234 };

/* Inodes and files of a round. */
struct round {
	uint64_t dir, d, f, m, fh;
	uint32_t step, n;
};

struct load {
	struct client *c;
	const char *const *args;
	struct round rounds[QUEUES + 1]; /* by queue; 0 has none */
	struct fuse_forget_one forgets[FORGETS];
	uint32_t n_forgets;
	bool forgetting;
	uint32_t seed, kills, max_kills;
	unsigned char data[BYTES];
};

/* What the directory above it is asked for, or d. */
typedef void offer_fn(struct load *l, struct round *r, uint32_t queue);
typedef void check_fn(struct load *l, struct round *r, const void *in, int ret);

struct step {
	const char *what;
	offer_fn *offer;
	check_fn *check;
};

static uint32_t pick(struct load *l, uint32_t n)
{
	l->seed = l->seed * 1103515245 + 12345;
	return (l->seed >> 8) % n;
}

static void ask(struct load *l, uint32_t queue, uint32_t opcode, uint64_t node, const void *args,
		size_t len, const char *names, size_t names_len, size_t in_len)
{
	client_offer(l->c, queue, opcode, node, args, (uint32_t)len, names, (uint32_t)names_len,
		     (uint32_t)in_len);
}

/* A name or two, with the NULs at their ends. */
#define NAMES(text) text, sizeof(text)
#define ENTRY	    sizeof(struct fuse_entry_out)

static void forget_later(struct load *l, uint64_t node, uint32_t n)
{
	assert_true(l->n_forgets < FORGETS);
	l->forgets[l->n_forgets++] = (struct fuse_forget_one){.nodeid = node, .nlookup = n};
}

/* --- the steps of a round --- */

static void offer_mkdir(struct load *l, struct round *r, uint32_t queue)
{
	ask(l, queue, FUSE_MKDIR, r->dir, &(struct fuse_mkdir_in){.mode = 0700},
	    sizeof(struct fuse_mkdir_in), NAMES("d"), ENTRY);
}

static void check_mkdir(struct load *l, struct round *r, const void *in, int ret)
{
	assert_int_equal(ret, ENTRY);
	r->d = ((const struct fuse_entry_out *)in)->nodeid;
}

/* Of a mode that lets nobody open it a second time, but for who has made it. */
static void offer_create(struct load *l, struct round *r, uint32_t queue)
{
	ask(l, queue, FUSE_CREATE, r->d,
	    &(struct fuse_create_in){.flags = O_CREAT | O_EXCL | O_WRONLY | O_APPEND,
				     .mode = S_IFREG},
	    sizeof(struct fuse_create_in), NAMES("f"), ENTRY + sizeof(struct fuse_open_out));
}

static void check_create(struct load *l, struct round *r, const void *in, int ret)
{
	assert_int_equal(ret, ENTRY + sizeof(struct fuse_open_out));
	r->f = ((const struct fuse_entry_out *)in)->nodeid;
	r->fh = ((const struct fuse_open_out *)((const char *)in + ENTRY))->fh;
}

/* Twice, and always at the end. */
static void offer_append(struct load *l, struct round *r, uint32_t queue)
{
	struct {
		struct fuse_write_in in;
		unsigned char data[BYTES];
	} *out = malloc(sizeof(*out));

	assert_non_null(out);
	out->in = (struct fuse_write_in){
		.fh = r->fh, .offset = r->n++ % 2 ? BYTES : 0, .size = BYTES};
	memcpy(out->data, l->data, BYTES);
	ask(l, queue, FUSE_WRITE, r->f, out, sizeof(out->in), (const char *)out->data, BYTES,
	    sizeof(struct fuse_write_out));
	free(out);
}

static void check_append(struct load *l, struct round *r, const void *in, int ret)
{
	assert_int_equal(ret, sizeof(struct fuse_write_out));
	assert_int_equal(((const struct fuse_write_out *)in)->size, BYTES);
}

static void offer_link(struct load *l, struct round *r, uint32_t queue)
{
	ask(l, queue, FUSE_LINK, r->d, &(struct fuse_link_in){.oldnodeid = r->f},
	    sizeof(struct fuse_link_in), NAMES("l"), ENTRY);
}

static void check_is_f(struct load *l, struct round *r, const void *in, int ret)
{
	assert_int_equal(ret, ENTRY);
	assert_int_equal(((const struct fuse_entry_out *)in)->nodeid, r->f);
}

static void offer_mknod(struct load *l, struct round *r, uint32_t queue)
{
	ask(l, queue, FUSE_MKNOD, r->d, &(struct fuse_mknod_in){.mode = S_IFREG | 0600},
	    sizeof(struct fuse_mknod_in), NAMES("m"), ENTRY);
}

static void check_mknod(struct load *l, struct round *r, const void *in, int ret)
{
	assert_int_equal(ret, ENTRY);
	r->m = ((const struct fuse_entry_out *)in)->nodeid;
}

static void offer_exchange(struct load *l, struct round *r, uint32_t queue)
{
	ask(l, queue, FUSE_RENAME2, r->d,
	    &(struct fuse_rename2_in){.newdir = r->d, .flags = 2 /* RENAME_EXCHANGE */},
	    sizeof(struct fuse_rename2_in), NAMES("f\0m"), 0);
}

static void check_ok(struct load *l, struct round *r, const void *in, int ret)
{
	assert_int_equal(ret, 0);
}

static void offer_lookup_m(struct load *l, struct round *r, uint32_t queue)
{
	ask(l, queue, FUSE_LOOKUP, r->d, NULL, 0, NAMES("m"), ENTRY);
}

static void offer_rename(struct load *l, struct round *r, uint32_t queue)
{
	ask(l, queue, FUSE_RENAME, r->d, &(struct fuse_rename_in){.newdir = r->dir},
	    sizeof(struct fuse_rename_in), NAMES("m\0n"), 0);
}

static void offer_symlink(struct load *l, struct round *r, uint32_t queue)
{
	ask(l, queue, FUSE_SYMLINK, r->d, NULL, 0, NAMES("s\0target"), ENTRY);
}

static void check_symlink(struct load *l, struct round *r, const void *in, int ret)
{
	assert_int_equal(ret, ENTRY);
	forget_later(l, ((const struct fuse_entry_out *)in)->nodeid, 1);
}

static void offer_getattr(struct load *l, struct round *r, uint32_t queue)
{
	ask(l, queue, FUSE_GETATTR, r->f, &(struct fuse_getattr_in){0},
	    sizeof(struct fuse_getattr_in), NULL, 0, sizeof(struct fuse_attr_out));
}

/* As long as it was written, and with two names. */
static void check_getattr(struct load *l, struct round *r, const void *in, int ret)
{
	const struct fuse_attr_out *out = in;

	assert_int_equal(ret, sizeof(*out));
	assert_int_equal(out->attr.size, 2 * BYTES);
	assert_int_equal(out->attr.nlink, 2);
}

static void offer_release(struct load *l, struct round *r, uint32_t queue)
{
	ask(l, queue, FUSE_RELEASE, r->f, &(struct fuse_release_in){.fh = r->fh},
	    sizeof(struct fuse_release_in), NULL, 0, 0);
}

/* Nobody looks at what it says: at a kill it may be gone already. */
static void check_release(struct load *l, struct round *r, const void *in, int ret)
{
	assert_true(ret == 0 || ret == -EBADF);
}

static void offer_unlink(struct load *l, struct round *r, uint32_t queue)
{
	static const char *const names[] = {"f", "l", "s"};

	ask(l, queue, FUSE_UNLINK, r->d, NULL, 0, names[r->n++ % 3], 2, 0);
}

static void offer_unlink_n(struct load *l, struct round *r, uint32_t queue)
{
	r->n = 0;
	ask(l, queue, FUSE_UNLINK, r->dir, NULL, 0, NAMES("n"), 0);
}

static void offer_rmdir(struct load *l, struct round *r, uint32_t queue)
{
	r->n = 0;
	ask(l, queue, FUSE_RMDIR, r->dir, NULL, 0, NAMES("d"), 0);
}

static void check_rmdir(struct load *l, struct round *r, const void *in, int ret)
{
	assert_int_equal(ret, 0);
	forget_later(l, r->d, 1);
	forget_later(l, r->m, 1);
	forget_later(l, r->f, 3); /* CREATE, LINK, LOOKUP */
}

static const struct step steps[] = {
	{"MKDIR", offer_mkdir, check_mkdir},	   {"CREATE", offer_create, check_create},
	{"WRITE", offer_append, check_append},	   {"WRITE", offer_append, check_append},
	{"LINK", offer_link, check_is_f},	   {"MKNOD", offer_mknod, check_mknod},
	{"RENAME2", offer_exchange, check_ok},	   {"LOOKUP", offer_lookup_m, check_is_f},
	{"RENAME", offer_rename, check_ok},	   {"SYMLINK", offer_symlink, check_symlink},
	{"GETATTR", offer_getattr, check_getattr}, {"RELEASE", offer_release, check_release},
	{"UNLINK", offer_unlink_n, check_ok},	   {"UNLINK", offer_unlink, check_ok},
	{"UNLINK", offer_unlink, check_ok},	   {"UNLINK", offer_unlink, check_ok},
	{"RMDIR", offer_rmdir, check_rmdir},
};

enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

/* --- the load --- */

static void offer_forgets(struct load *l)
{
	struct {
		struct fuse_batch_forget_in in;
		struct fuse_forget_one one[64];
	} out = {.in.count = l->n_forgets < 64 ? l->n_forgets : 64};

	l->n_forgets -= out.in.count;
	memcpy(out.one, l->forgets + l->n_forgets, out.in.count * sizeof(out.one[0]));
	ask(l, 0, FUSE_BATCH_FORGET, 0, &out, sizeof(out.in) + out.in.count * sizeof(out.one[0]),
	    NULL, 0, 0);
	l->forgetting = true;
}

static void offer(struct load *l, uint32_t queue)
{
	if (queue)
		steps[l->rounds[queue].step].offer(l, &l->rounds[queue], queue);
	else
		offer_forgets(l);
}

static void take(struct load *l, uint32_t queue)
{
	struct round *r = &l->rounds[queue];
	unsigned char in[512];
	int ret = client_wait(l->c, queue, in, sizeof(in));

	if (!queue) {
		l->forgetting = false;
		return;
	}
	if (ret < 0 && ret != -EBADF)
		print_error("queue %u, %s after %u kills: %s\n", queue, steps[r->step].what,
			    l->kills, strerror(-ret));
	steps[r->step].check(l, r, in, ret);
	r->step = (r->step + 1) % STEPS;
}

static void wait_a_little(struct load *l)
{
	struct timespec now, then;

	clock_gettime(CLOCK_MONOTONIC, &then);
	then.tv_nsec += pick(l, WINDOW_NS);
	then.tv_sec += then.tv_nsec / 1000000000;
	then.tv_nsec %= 1000000000;
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while (now.tv_sec < then.tv_sec ||
	       (now.tv_sec == then.tv_sec && now.tv_nsec < then.tv_nsec));
}

static void kill_and_restart(struct load *l)
{
	client_kill(l->c);
	l->kills++;
	client_spawn(l->c, l->args);
	client_reconnect(l->c);
}

/* Whatever is answered, and what comes next in its queue; at times the program dies then. */
static void turn(struct load *l)
{
	bool some = false;

	for (uint32_t queue = 0; queue <= QUEUES; queue++) {
		if (queue || l->forgetting) {
			if (!driver_has_used(l->c->rig.peer->queues[queue]))
				continue;
			take(l, queue);
		}
		if (queue || l->n_forgets > 32)
			offer(l, queue);
		some = true;
	}
	if (!some)
		sched_yield();
	else if (!pick(l, 100)) {
		wait_a_little(l);
		kill_and_restart(l);
	}
}

static void run_load(struct client *c, const char *const *args)
{
	struct load *l = calloc(1, sizeof(*l));
	char name[4];

	assert_non_null(l);
	l->c = c;
	l->args = args;
	l->seed = 1;
	l->max_kills = getenv("VU_FS_LONG") ? LONG_KILLS : KILLS;
	for (uint32_t i = 0; i < BYTES; i++)
		l->data[i] = (unsigned char)(i * 7 + i / 256);
	assert_ok(chmod(c->share, 0777));
	c->uid = c->gid = USER;
	client_spawn(c, args);
	client_connect_logged(c, QUEUES);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	for (uint32_t queue = 1; queue <= QUEUES; queue++) {
		struct fuse_entry_out entry;

		snprintf(name, sizeof(name), "q%u", queue);
		assert_int_equal(client_mkdir(c, ROOT, name, 0700, &entry), 0);
		l->rounds[queue].dir = entry.nodeid;
	}
	for (uint32_t queue = 1; queue <= QUEUES; queue++)
		offer(l, queue);
	while (l->kills < l->max_kills)
		turn(l);
	for (uint32_t queue = 1; queue <= QUEUES; queue++)
		take(l, queue);
	if (l->forgetting)
		take(l, 0);
	for (uint32_t queue = 1; queue <= QUEUES; queue++)
		assert_int_equal(client_getattr(c, l->rounds[queue].dir, NULL), 0);
	client_stop(c);
	free(l);
}

static void a_guest_works_on_while_vu_fs_is_killed(void **state)
{
	struct client *c = *state;
	const char *args[] = {"--num-request-queues", "3", "--state-file", NULL, NULL};

	client_need_root("file handles are for root");
	args[3] = rig_file(&c->rig, "kept", NULL);
	run_load(c, args);
}

static void the_same_with_a_pool_of_threads(void **state)
{
	struct client *c = *state;
	const char *args[] = {
		"--num-request-queues", "3", "--thread-pool-size", "2", "--state-file", NULL, NULL};

	client_need_root("file handles are for root");
	args[5] = rig_file(&c->rig, "kept", NULL);
	run_load(c, args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(a_guest_works_on_while_vu_fs_is_killed),
		CLIENT_TEST(the_same_with_a_pool_of_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
