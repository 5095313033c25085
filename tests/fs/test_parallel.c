/* SPDX-License-Identifier: MIT */
/*
 * Several queues at once, on the same few files: inodes are found and forgotten, closed for want of
 * descriptors and opened again, mounts begin anew in between.  Numbers are made up as often as not.
 */
#include "client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILES = 40, ROUNDS = 4000, KNOWN = 64 };

struct parallel {
	struct client *c;
	uint32_t seed;
	uint64_t nodes[KNOWN], handles[KNOWN];
	uint32_t asked[CLIENT_QUEUES]; /* opcodes that are out */
};

static uint32_t pick(struct parallel *p, uint32_t n)
{
	p->seed = p->seed * 1103515245 + 12345;
	return (p->seed >> 8) % n;
}

static uint64_t pick_node(struct parallel *p)
{
	return pick(p, 8) ? p->nodes[pick(p, KNOWN)] : pick(p, 2) ? ROOT : pick(p, 60);
}

static uint64_t pick_handle(struct parallel *p)
{
	return pick(p, 8) ? p->handles[pick(p, KNOWN)] : pick(p, 40);
}

static void offer(struct parallel *p, uint32_t queue)
{
	static const uint32_t opcodes[] = {
		FUSE_LOOKUP, FUSE_LOOKUP,  FUSE_LOOKUP, FUSE_GETATTR, FUSE_OPEN,  FUSE_RELEASE,
		FUSE_READ,   FUSE_OPENDIR, FUSE_CREATE, FUSE_UNLINK,  FUSE_LINK,  FUSE_READDIRPLUS,
		FUSE_SETLK,  FUSE_FLUSH,   FUSE_RENAME, FUSE_SETATTR, FUSE_WRITE, FUSE_FSYNC};
	uint32_t opcode = opcodes[pick(p, sizeof(opcodes) / sizeof(opcodes[0]))];
	uint64_t node = pick_node(p), args[12] = {pick_handle(p)};
	uint32_t args_len = 0, name_len = 0;
	char name[64];

	name_len = (uint32_t)snprintf(name, sizeof(name), "f%u", pick(p, FILES)) + 1;
	switch (opcode) {
	case FUSE_GETATTR:
		args_len = sizeof(struct fuse_getattr_in);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		args[0] = 0;
		args_len = sizeof(struct fuse_open_in);
		break;
	case FUSE_CREATE:
		args[0] = O_RDWR | O_CREAT | (uint64_t)(S_IFREG | 0600) << 32;
		args[1] = 0;
		args_len = sizeof(struct fuse_create_in);
		break;
	case FUSE_RELEASE:
	case FUSE_FLUSH:
		args_len = sizeof(struct fuse_release_in);
		break;
	case FUSE_READ:
	case FUSE_READDIRPLUS:
		args[2] = 2048;
		args_len = sizeof(struct fuse_read_in);
		break;
	case FUSE_WRITE:
		args[1] = pick(p, 5000);
		args[2] = name_len;
		args_len = sizeof(struct fuse_write_in);
		break;
	case FUSE_FSYNC:
		args_len = sizeof(struct fuse_fsync_in);
		break;
	case FUSE_SETATTR:
		args[1] = args[0];
		args[0] = FATTR_SIZE | (pick(p, 2) ? FATTR_FH : 0);
		args[2] = pick(p, 5000);
		args_len = sizeof(struct fuse_setattr_in);
		break;
	case FUSE_SETLK:
		args[1] = pick(p, 3);
		args[2] = pick(p, 10);
		args[3] = args[2] + 5;
		args[4] = pick(p, 3);
		args_len = sizeof(struct fuse_lk_in);
		break;
	case FUSE_LINK:
	case FUSE_RENAME:
		args[0] = opcode == FUSE_LINK ? pick_node(p) : ROOT;
		args_len = 8;
		break;
	}
	if (opcode == FUSE_RENAME)
		name_len += (uint32_t)snprintf(name + name_len, 32, "f%u", pick(p, FILES)) + 1;
	if (opcode == FUSE_LOOKUP || opcode == FUSE_CREATE || opcode == FUSE_UNLINK ||
	    opcode == FUSE_RENAME)
		node = ROOT;
	p->asked[queue] = opcode;
	client_offer(p->c, queue, opcode, node, args, args_len, name, name_len, 4096);
}

static void forget(struct parallel *p)
{
	struct fuse_forget_in in = {.nlookup = 1 + pick(p, 3)};

	p->asked[0] = FUSE_FORGET;
	client_offer(p->c, 0, FUSE_FORGET, pick_node(p), &in, sizeof(in), NULL, 0, 0);
}

static void take(struct parallel *p, uint32_t queue)
{
	unsigned char in[4096];
	int ret = client_wait(p->c, queue, in, sizeof(in));

	if (ret < 0)
		return;
	if (p->asked[queue] == FUSE_LOOKUP || p->asked[queue] == FUSE_CREATE)
		memcpy(&p->nodes[pick(p, KNOWN)], in, 8);
	if (p->asked[queue] == FUSE_OPEN || p->asked[queue] == FUSE_OPENDIR)
		memcpy(&p->handles[pick(p, KNOWN)], in, 8);
	if (p->asked[queue] == FUSE_CREATE)
		memcpy(&p->handles[pick(p, KNOWN)], in + sizeof(struct fuse_entry_out), 8);
}

static void run(struct client *c, const char *const *args)
{
	struct parallel p = {.c = c, .seed = 1};
	char name[32];

	for (int i = 0; i < FILES; i += 2) {
		snprintf(name, sizeof(name), "f%d", i);
		client_make_file(c, name, "hello");
	}
	client_spawn(c, args);
	client_connect(c, CLIENT_QUEUES - 1);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	for (int i = 0; i < ROUNDS; i++) {
		forget(&p);
		for (uint32_t q = 1; q < CLIENT_QUEUES; q++)
			offer(&p, q);
		for (uint32_t q = 0; q < CLIENT_QUEUES; q++)
			take(&p, q);
		if (i % 1000 == 999) {
			/* While another queue is at work. */
			offer(&p, 2);
			client_init(c, CLIENT_ALL_FLAGS);
			take(&p, 2);
		}
	}
	assert_int_equal(client_getattr(c, ROOT, NULL), 0);
	client_stop(c);
}

static void queues_share_inodes_and_files(void **state)
{
	static const char *const args[] = {"--num-request-queues=3", "--posix-lock", NULL};

	run(*state, args);
}

static void queues_share_few_descriptors(void **state)
{
	static const char *const args[] = {"--num-request-queues=3", "--max-open-inodes=16", NULL};

	run(*state, args);
}

static void queues_share_a_pool(void **state)
{
	static const char *const args[] = {"--num-request-queues=3", "--posix-lock",
					   "--thread-pool-size=3", "--max-open-inodes=16", NULL};

	run(*state, args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(queues_share_inodes_and_files),
		CLIENT_TEST(queues_share_few_descriptors),
		CLIENT_TEST(queues_share_a_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
