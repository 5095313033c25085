/* SPDX-License-Identifier: MIT */
/*
 * A device's state: its records, as the device sees them, and its bytes on their way to another
 * host.  What is loaded is a peer's: lengths are checked once, when all bytes are there, and nobody
 * else can reach the buffer.
 */
#include "core/state.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1, ALIGNMENT = 8, CHUNK = 65536, TAG_END = 0 };

static const char magic[8] = {'v', 'u', '-', 's', 't', 'a', 't', 'e'};

/* All little-endian; a head is followed by records, the last of which has TAG_END. */
struct head {
	char magic[8];
	uint32_t format;
	uint32_t device_id;
	uint32_t version;
	uint32_t reserved;
};

/* Followed by its data, and zeros up to a multiple of 8. */
struct record_head {
	uint32_t tag;
	uint32_t flags;
	uint64_t len;
};

_Static_assert(sizeof(struct head) == 24 && sizeof(struct record_head) == 16, "no padding");

struct record {
	uint32_t tag;
	bool is_optional;
	bool is_known; /* of the first with its tag: the device looked for them */
	size_t at, len;
};

struct vu_state {
	unsigned char *bytes;
	size_t len, room;
	uint64_t max;
	int error; /* the first one of saving */
	uint32_t version;
	bool is_saving, is_loaded;
	/* Of a loaded one, by tag, and those of a tag in their order. */
	struct record *records;
	uint32_t n_records;
};

static uint32_t le32(uint32_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap32(value);
#else
	return value;
#endif
}

static uint64_t le64(uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(value);
#else
	return value;
#endif
}

int state_new(uint64_t max, struct vu_state **out)
{
	struct vu_state *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->max = max;
	*out = s;
	return 0;
}

void state_free(struct vu_state *s)
{
	if (!s)
		return;
	free(s->records);
	free(s->bytes);
	free(s);
}

/* Room for n more bytes, and for as many as there are already. */
static int state_grow(struct vu_state *s, size_t n)
{
	size_t room = s->room;
	void *bytes;

	if (n > s->max || s->len > s->max - n)
		return -EFBIG;
	if (n <= room - s->len)
		return 0;
	while (room - s->len < n)
		room = room ? room * 2 : CHUNK;
	if (room > s->max)
		room = (size_t)s->max;
	bytes = realloc(s->bytes, room);
	if (!bytes)
		return -ENOMEM;
	s->bytes = bytes;
	s->room = room;
	return 0;
}

static size_t padded(size_t len)
{
	return (len + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static int state_fail(struct vu_state *s, int err)
{
	if (!s->error)
		s->error = err;
	return err;
}

static int state_append(struct vu_state *s, const void *data, size_t len)
{
	int err = s->error;

	if (!err)
		err = len > SIZE_MAX - ALIGNMENT ? -EFBIG : state_grow(s, padded(len));
	if (err)
		return state_fail(s, err);
	if (len)
		memcpy(s->bytes + s->len, data, len);
	memset(s->bytes + s->len + len, 0, padded(len) - len);
	s->len += padded(len);
	return 0;
}

static int state_append_record(struct vu_state *s, uint32_t tag, uint32_t flags, const void *data,
			       size_t len)
{
	const struct record_head head = {le32(tag), le32(flags), le64(len)};
	int err = state_append(s, &head, sizeof(head));

	return err ? err : state_append(s, data, len);
}

void state_begin(struct vu_state *s, uint32_t device_id, uint32_t version)
{
	struct head head = {
		.format = le32(FORMAT), .device_id = le32(device_id), .version = le32(version)};

	memcpy(head.magic, magic, sizeof(magic));
	s->version = version;
	s->is_saving = true;
	(void)state_append(s, &head, sizeof(head));
}

int vu_state_put(struct vu_state *s, uint32_t tag, uint32_t flags, const void *data, size_t len)
{
	if (tag == TAG_END || flags & ~(uint32_t)VU_STATE_OPTIONAL || !s->is_saving)
		return state_fail(s, -EINVAL);
	if (s->n_records == STATE_MAX_RECORDS)
		return state_fail(s, -EFBIG);
	s->n_records++;
	return state_append_record(s, tag, flags, data, len);
}

int vu_state_put_u64(struct vu_state *s, uint32_t tag, uint32_t flags, uint64_t value)
{
	value = le64(value);
	return vu_state_put(s, tag, flags, &value, sizeof(value));
}

int state_finish(struct vu_state *s, const void **bytes, size_t *len)
{
	int err = state_append_record(s, TAG_END, 0, NULL, 0);

	s->is_saving = false;
	*bytes = s->bytes;
	*len = s->len;
	return err;
}

int state_room(struct vu_state *s, void **at, size_t *len)
{
	uint64_t left = s->max - s->len;
	int err = state_grow(s, left < CHUNK && left ? (size_t)left : CHUNK);

	if (err)
		return err;
	*at = s->bytes + s->len;
	*len = s->room - s->len;
	return 0;
}

void state_filled(struct vu_state *s, size_t len)
{
	s->len += len;
}

/* One record at *at, which moves on.  1: the last one was there; 0; -EBADMSG. */
static int state_parse_record(struct vu_state *s, size_t *at, struct record *r)
{
	struct record_head head;
	uint64_t len;

	if (s->len - *at < sizeof(head))
		return -EBADMSG;
	memcpy(&head, s->bytes + *at, sizeof(head));
	*at += sizeof(head);
	len = le64(head.len);
	if (le32(head.flags) & ~(uint32_t)VU_STATE_OPTIONAL || len > s->len - *at ||
	    padded((size_t)len) > s->len - *at)
		return -EBADMSG;
	r->tag = le32(head.tag);
	if (r->tag == TAG_END)
		return len || head.flags ? -EBADMSG : 1;
	r->is_optional = le32(head.flags) & VU_STATE_OPTIONAL;
	r->is_known = false;
	r->at = *at;
	r->len = (size_t)len;
	*at += padded(r->len);
	return 0;
}

/* How many records there are, each of which is stored if records is not NULL.  -EBADMSG */
static int64_t state_scan(struct vu_state *s, struct record *records)
{
	size_t at = sizeof(struct head);
	struct record r;
	int64_t n = 0;
	int rc;

	while ((rc = state_parse_record(s, &at, records ? &records[n] : &r)) == 0)
		if (++n > STATE_MAX_RECORDS)
			return -EBADMSG;
	return rc < 0 || at != s->len ? -EBADMSG : n;
}

static int record_compare(const void *left, const void *right)
{
	const struct record *a = left, *b = right;

	if (a->tag != b->tag)
		return a->tag < b->tag ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

static int state_parse_head(struct vu_state *s, uint32_t device_id, uint32_t version,
			    const char **why)
{
	struct head head;

	*why = "it is empty: the source did not save one";
	if (!s->len)
		return -EBADMSG;
	*why = "it is no state of a libvu device";
	if (s->len < sizeof(head))
		return -EBADMSG;
	memcpy(&head, s->bytes, sizeof(head));
	if (memcmp(head.magic, magic, sizeof(magic)))
		return -EBADMSG;
	*why = "its format is newer than this library";
	if (le32(head.format) != FORMAT || head.reserved)
		return -ENOTSUP;
	*why = "it is of another type of device";
	if (le32(head.device_id) != device_id)
		return -ENODEV;
	*why = "it was saved by a newer version of the device";
	s->version = le32(head.version);
	return s->version > version ? -ENOTSUP : 0;
}

int state_parse(struct vu_state *s, uint32_t device_id, uint32_t version, const char **why)
{
	int err = state_parse_head(s, device_id, version, why);
	int64_t n;

	if (err)
		return err;
	*why = "it is cut off, or its records are not whole";
	n = state_scan(s, NULL);
	if (n < 0)
		return (int)n;
	*why = "out of memory";
	/* With one more, for the last that is none of the device's. */
	s->records = calloc((size_t)n + 1, sizeof(*s->records));
	if (!s->records)
		return -ENOMEM;
	s->n_records = (uint32_t)n;
	state_scan(s, s->records);
	qsort(s->records, s->n_records, sizeof(*s->records), record_compare);
	s->is_loaded = true;
	return 0;
}

/* The first record with this tag, or where it would be. */
static uint32_t state_find(const struct vu_state *s, uint32_t tag)
{
	uint32_t low = 0, high = s->n_records;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->records[middle].tag < tag)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int vu_state_get(struct vu_state *s, uint32_t tag, uint32_t index, const void **data, size_t *len)
{
	struct record *r;
	uint32_t at;

	if (!s->is_loaded)
		return -ENOENT;
	at = state_find(s, tag);
	if (index >= s->n_records - at || s->records[at + index].tag != tag)
		return -ENOENT;
	s->records[at].is_known = true;
	r = &s->records[at + index];
	*data = s->bytes + r->at;
	*len = r->len;
	return 0;
}

int vu_state_get_u64(struct vu_state *s, uint32_t tag, uint64_t *value)
{
	const void *data;
	size_t len;
	int err = vu_state_get(s, tag, 0, &data, &len);

	if (err)
		return err;
	if (len != sizeof(*value))
		return -EBADMSG;
	memcpy(value, data, sizeof(*value));
	*value = le64(*value);
	return 0;
}

uint32_t vu_state_version(const struct vu_state *s)
{
	return s->version;
}

uint32_t state_ignored(const struct vu_state *s)
{
	bool is_known = false;

	for (uint32_t i = 0; i < s->n_records; i++) {
		const struct record *r = &s->records[i];

		if (!i || r->tag != r[-1].tag)
			is_known = r->is_known;
		if (!is_known && !r->is_optional)
			return r->tag;
	}
	return 0;
}
