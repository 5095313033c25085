/* SPDX-License-Identifier: MIT */
/* See state_bytes.h. */
#include "state_bytes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FS_ID = 26, FORMAT = 1 };

static void put(struct state_bytes *s, const void *data, size_t len)
{
	s->data = realloc(s->data, s->len + len + 8);
	if (!s->data)
		abort();
	if (len)
		memcpy(s->data + s->len, data, len);
	s->len += len;
}

/* Numbers are little-endian, as these tests' machines are. */
static void put_u32(struct state_bytes *s, uint32_t value)
{
	put(s, &value, sizeof(value));
}

static void put_u64(struct state_bytes *s, uint64_t value)
{
	put(s, &value, sizeof(value));
}

static void pad(struct state_bytes *s)
{
	static const unsigned char zeros[8];

	put(s, zeros, -s->len & 7);
}

static void end_record(struct state_bytes *s)
{
	uint64_t len = s->len - s->record - 16;

	if (!s->record)
		return;
	memcpy(s->data + s->record + 8, &len, sizeof(len));
	pad(s);
}

void state_begin(struct state_bytes *s, uint64_t init_flags)
{
	*s = (struct state_bytes){0};
	put(s, "vu-state", 8);
	put_u32(s, FORMAT);
	put_u32(s, FS_ID);
	put_u32(s, 0);
	put_u32(s, 0);
	state_record(s, STATE_MOUNT);
	put_u64(s, init_flags);
}

void state_record(struct state_bytes *s, uint32_t tag)
{
	end_record(s);
	s->record = s->len;
	put_u32(s, tag);
	put_u32(s, 0);
	put_u64(s, 0);
}

void state_add(struct state_bytes *s, const void *data, size_t len)
{
	put(s, data, len);
}

void state_add_node(struct state_bytes *s, const struct state_node *node)
{
	uint16_t path_len = (uint16_t)(node->path_len ? node->path_len
				       : node->path   ? strlen(node->path)
						      : 0);
	uint16_t handle_len = (uint16_t)node->handle_len;

	put_u64(s, node->id);
	put_u64(s, node->refs ? node->refs : 1);
	put_u64(s, node->ino);
	put_u64(s, (uint64_t)node->born_sec);
	put_u32(s, node->born_nsec);
	put_u32(s, node->type ? node->type : S_IFREG);
	put_u32(s, (uint32_t)node->handle_type);
	put(s, &path_len, sizeof(path_len));
	put(s, &handle_len, sizeof(handle_len));
	put(s, node->path, path_len);
	put(s, node->handle, handle_len);
	pad(s);
}

void state_add_file(struct state_bytes *s, uint64_t id, uint64_t nodeid, uint32_t open_flags,
		    uint32_t flags)
{
	put_u64(s, id);
	put_u64(s, nodeid);
	put_u32(s, open_flags);
	put_u32(s, flags);
}

void state_end(struct state_bytes *s)
{
	end_record(s);
	put_u64(s, 0);
	put_u64(s, 0);
	s->record = 0;
}

void state_free(struct state_bytes *s)
{
	free(s->data);
}
