/* SPDX-License-Identifier: MIT */
/* vu-fs with a DAX window: the front-end's side of it. */
#ifndef FS_WINDOW_H
#define FS_WINDOW_H

#include "client.h"

enum {
	PAGE = 4096,
	RANGE = 2 << 20,
	WINDOW = 8 << 20,
	PIECES = 256, /* that can be mapped at a time */
	WRITE_TOO = 1,
	READ_IT = 2,
};

#define DAX_FLAGS (CLIENT_ALL_FLAGS | FUSE_MAP_ALIGNMENT)

/* The program, two request queues, and INIT. */
void start_with_window(struct client *c);
/* A file of this length with a text at one place; its node. */
uint64_t file_of(struct client *c, const char *name, uint64_t len, uint64_t at, const char *text);
struct fuse_setupmapping_in setup_in(uint64_t file_at, uint64_t len, uint64_t at);
/* SETUPMAPPING, to be waited for, */
void offer_map(struct client *c, uint32_t queue, uint64_t node, uint64_t file_at, uint64_t len,
	       uint64_t at);
/* or of which the front-end does not hear; */
int map_unheard(struct client *c, uint64_t node, uint64_t file_at, uint64_t len, uint64_t at);
/* What the front-end is asked for next, which it has to answer. */
void hear(struct client *c, uint32_t request, uint64_t at, uint64_t len, struct frontend_msg *msg);
void answer(struct client *c, struct frontend_msg *msg, uint64_t value);
void hear_and_answer(struct client *c, uint32_t request, uint64_t at, uint64_t len, uint64_t value);
/* Everything that was asked of the program so far has been done, and nothing of the front-end. */
void hear_nothing(struct client *c);
/* or which it answers with value; or well. */
int map_answered(struct client *c, uint64_t node, uint64_t file_at, uint64_t len, uint64_t at,
		 uint64_t value);
void map_well(struct client *c, uint64_t node, uint64_t file_at, uint64_t len, uint64_t at);
void offer_unmap(struct client *c, const struct fuse_removemapping_one *ranges, uint32_t count);
int unmap_unheard(struct client *c, uint64_t at, uint64_t len);

#endif
