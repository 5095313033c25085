/* SPDX-License-Identifier: MIT */
/* See cases.h. */
#include "cases.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void *args_of(struct slot *slot)
{
	return slot->out + sizeof(struct fuse_in_header);
}

static uint32_t random_below(struct slot *slot, uint32_t n)
{
	slot->seed = slot->seed * 1103515245 + 12345;
	return (slot->seed >> 8) % n;
}

static uint64_t random_offset(struct slot *slot, uint32_t size)
{
	return (uint64_t)random_below(slot, FILE_BYTES / size) * size;
}

static bool ask_getattr(struct slot *slot, const struct targets *t, struct request *r)
{
	if (slot->step++)
		return false;
	memset(args_of(slot), 0, sizeof(struct fuse_getattr_in));
	*r = (struct request){
		FUSE_GETATTR, t->file, sizeof(struct fuse_getattr_in), sizeof(struct fuse_attr_out),
		false,	      0};
	return true;
}

static bool ask_lookup(struct slot *slot, const struct targets *t, struct request *r)
{
	(void)t;
	if (slot->step++)
		return false;
	memcpy(args_of(slot), "file", 5);
	*r = (struct request){
		FUSE_LOOKUP, FUSE_ROOT_ID, 5, sizeof(struct fuse_entry_out), false, 0};
	return true;
}

static void ask_to_release(struct slot *slot, uint32_t opcode, uint64_t node, struct request *r)
{
	struct fuse_release_in in = {.fh = slot->fh};

	memcpy(args_of(slot), &in, sizeof(in));
	*r = (struct request){opcode, node, sizeof(in), 0, false, 0};
}

static bool ask_open_of(struct slot *slot, uint64_t node, uint32_t flags, struct request *r)
{
	struct fuse_open_in in = {.flags = flags};

	switch (slot->step++) {
	case 0:
		memcpy(args_of(slot), &in, sizeof(in));
		*r = (struct request){FUSE_OPEN, node, sizeof(in), sizeof(struct fuse_open_out),
				      false,	 0};
		return true;
	case 1:
		ask_to_release(slot, FUSE_RELEASE, node, r);
		return true;
	default:
		return false;
	}
}

/* One file again and again. */
static bool ask_open(struct slot *slot, const struct targets *t, struct request *r)
{
	return ask_open_of(slot, t->file, O_RDONLY, r);
}

static bool ask_open_to_write(struct slot *slot, const struct targets *t, struct request *r)
{
	return ask_open_of(slot, t->file, O_RDWR, r);
}

/* A thousand files by turns. */
static bool ask_open_others(struct slot *slot, const struct targets *t, struct request *r)
{
	if (!slot->step)
		slot->kind = slot->kind % TREE_FILES + 1;
	return ask_open_of(slot, t->others[(slot->kind + slot->index * 61) % TREE_FILES], O_RDONLY,
			   r);
}

static void take_open(struct slot *slot, const void *reply, uint32_t len)
{
	struct fuse_open_out out;

	if (slot->step == 1 && len == sizeof(out)) {
		memcpy(&out, reply, sizeof(out));
		slot->fh = out.fh;
	}
}

static uint32_t put_name(struct slot *slot, uint32_t at)
{
	return at + 1 +
	       (uint32_t)sprintf((char *)args_of(slot) + at, "new-%u-%u", slot->index, slot->queue);
}

static bool ask_create(struct slot *slot, const struct targets *t, struct request *r)
{
	struct fuse_create_in in = {.flags = O_RDWR | O_CREAT | O_EXCL, .mode = S_IFREG | 0600};
	struct fuse_forget_in forget = {.nlookup = 1};

	switch (slot->step++) {
	case 0:
		memcpy(args_of(slot), &in, sizeof(in));
		*r = (struct request){FUSE_CREATE,
				      t->dir,
				      put_name(slot, sizeof(in)),
				      sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out),
				      false,
				      0};
		return true;
	case 1:
		ask_to_release(slot, FUSE_RELEASE, slot->node, r);
		return true;
	case 2:
		*r = (struct request){FUSE_UNLINK, t->dir, put_name(slot, 0), 0, false, 0};
		return true;
	case 3:
		memcpy(args_of(slot), &forget, sizeof(forget));
		*r = (struct request){FUSE_FORGET, slot->node, sizeof(forget), 0, true, 0};
		return true;
	default:
		return false;
	}
}

static void take_create(struct slot *slot, const void *reply, uint32_t len)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;

	if (slot->step == 1 && len == sizeof(out)) {
		memcpy(&out, reply, sizeof(out));
		slot->node = out.entry.nodeid;
		slot->fh = out.open.fh;
	}
}

static bool ask_read(struct slot *slot, const struct targets *t, struct request *r, uint32_t size)
{
	struct fuse_read_in in = {
		.fh = t->file_fh, .offset = random_offset(slot, size), .size = size};

	if (slot->step++)
		return false;
	memcpy(args_of(slot), &in, sizeof(in));
	*r = (struct request){FUSE_READ, t->file, sizeof(in), size, false, 0};
	return true;
}

static bool ask_write(struct slot *slot, const struct targets *t, struct request *r, uint32_t size)
{
	struct fuse_write_in in = {
		.fh = t->file_fh, .offset = random_offset(slot, size), .size = size};

	if (slot->step++)
		return false;
	memcpy(args_of(slot), &in, sizeof(in));
	*r = (struct request){FUSE_WRITE, t->file, sizeof(in), sizeof(struct fuse_write_out),
			      false,	  size};
	return true;
}

static bool ask_read_4k(struct slot *slot, const struct targets *t, struct request *r)
{
	return ask_read(slot, t, r, 4096);
}

static bool ask_write_4k(struct slot *slot, const struct targets *t, struct request *r)
{
	return ask_write(slot, t, r, 4096);
}

static bool ask_read_1m(struct slot *slot, const struct targets *t, struct request *r)
{
	return ask_read(slot, t, r, DATA);
}

static bool ask_write_1m(struct slot *slot, const struct targets *t, struct request *r)
{
	return ask_write(slot, t, r, DATA);
}

/* The whole of a directory, 32 KiB at a time. */
static bool ask_list(struct slot *slot, const struct targets *t, struct request *r)
{
	struct fuse_open_in open = {.flags = O_DIRECTORY};
	struct fuse_read_in in = {.fh = slot->fh, .offset = slot->offset, .size = 32 << 10};

	if (slot->step == 0) {
		slot->offset = 0;
		slot->step = 1;
		memcpy(args_of(slot), &open, sizeof(open));
		*r = (struct request){
			FUSE_OPENDIR, t->dir, sizeof(open), sizeof(struct fuse_open_out), false, 0};
	} else if (slot->step == 2) {
		memcpy(args_of(slot), &in, sizeof(in));
		*r = (struct request){FUSE_READDIRPLUS, t->dir, sizeof(in), in.size, false, 0};
	} else if (slot->step == 3) {
		slot->step = 4;
		ask_to_release(slot, FUSE_RELEASEDIR, t->dir, r);
	} else {
		return false;
	}
	return true;
}

static void take_list(struct slot *slot, const void *reply, uint32_t len)
{
	struct fuse_open_out out;

	if (slot->step == 1) {
		memcpy(&out, reply, sizeof(out));
		slot->fh = out.fh;
		slot->step = 2;
	} else if (slot->step == 2) {
		for (uint32_t at = 0; at < len;) {
			const struct fuse_direntplus *p =
				(const void *)((const unsigned char *)reply + at);

			slot->offset = p->dirent.off;
			at += (uint32_t)FUSE_DIRENTPLUS_SIZE(p);
		}
		slot->step = len ? 2 : 3;
	}
}

/* Of ten turns of a program at work: four, two, two, one and one. */
static bool ask_mixed(struct slot *slot, const struct targets *t, struct request *r)
{
	static bool (*const kinds[])(struct slot *, const struct targets *, struct request *) = {
		ask_getattr, ask_getattr, ask_getattr, ask_getattr,  ask_lookup,
		ask_lookup,  ask_read_4k, ask_read_4k, ask_write_4k, ask_open,
	};

	if (!slot->step)
		slot->kind = random_below(slot, sizeof(kinds) / sizeof(kinds[0]));
	return kinds[slot->kind](slot, t, r);
}

static void take_mixed(struct slot *slot, const void *reply, uint32_t len)
{
	take_open(slot, reply, len); /* what no open has is as long as its reply */
}

/* One of a hundred thousand, by its path, and its attributes.  Nothing is forgotten. */
static bool ask_tree(struct slot *slot, const struct targets *t, struct request *r)
{
	const uint32_t n = random_below(slot, slot->step ? TREE_FILES : TREE_FOLDERS);
	uint32_t len = (uint32_t)sprintf((char *)args_of(slot), "%u", n) + 1;

	switch (slot->step++) {
	case 0:
		*r = (struct request){FUSE_LOOKUP, t->tree, len, sizeof(struct fuse_entry_out),
				      false,	   0};
		return true;
	case 1:
		*r = (struct request){FUSE_LOOKUP, slot->node, len, sizeof(struct fuse_entry_out),
				      false,	   0};
		return true;
	case 2:
		memset(args_of(slot), 0, sizeof(struct fuse_getattr_in));
		*r = (struct request){FUSE_GETATTR,
				      slot->node,
				      sizeof(struct fuse_getattr_in),
				      sizeof(struct fuse_attr_out),
				      false,
				      0};
		return true;
	default:
		return false;
	}
}

static void take_tree(struct slot *slot, const void *reply, uint32_t len)
{
	struct fuse_entry_out entry;

	if (len != sizeof(entry))
		return;
	memcpy(&entry, reply, sizeof(entry));
	slot->node = entry.nodeid;
}

const struct bench_case bench_fs_cases[] = {
	{"GETATTR", 0, ask_getattr, NULL},
	{"LOOKUP", 0, ask_lookup, NULL},
	{"OPEN+RELEASE", 0, ask_open, take_open},
	{"OPEN+RELEASE-MANY", 0, ask_open_others, take_open},
	{"OPEN+RELEASE-RDWR", 0, ask_open_to_write, take_open},
	{"CREATE..UNLINK", 0, ask_create, take_create},
	{"READ-4K", 0, ask_read_4k, NULL},
	{"WRITE-4K", 0, ask_write_4k, NULL},
	{"READ-1M", DATA, ask_read_1m, NULL},
	{"WRITE-1M", DATA, ask_write_1m, NULL},
	{"READDIRPLUS-10000", 0, ask_list, take_list},
	{"MIX", 0, ask_mixed, take_mixed},
	{"TREE-100000", 0, ask_tree, take_tree},
	{NULL, 0, NULL, NULL},
};
