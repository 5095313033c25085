/* SPDX-License-Identifier: MIT */
/* Split rings (virtio 1.3 §2.7), watched. */
#include <endian.h>
#include <stdatomic.h>

#include "vring.h"

enum { AVAIL_IDX = 2, AVAIL_RING = 4, USED_IDX = 2, USED_RING = 4, STEADY_TRIES = 4 };

struct used_elem {
	uint32_t id, len;
};

/* An index that its owner may just be writing: the same one twice is a whole one. */
static bool read_index(const struct vring *v, uint64_t addr, uint16_t *index)
{
	uint16_t first, second;

	if (!memory_read(v->memory, MEMORY_USER, addr, &first, sizeof(first)))
		return false;
	for (int i = 0; i < STEADY_TRIES; i++) {
		if (!memory_read(v->memory, MEMORY_USER, addr, &second, sizeof(second)))
			return false;
		if (first == second)
			break;
		first = second;
	}
	*index = le16toh(first);
	atomic_thread_fence(memory_order_seq_cst);
	return true;
}

static void split_walk(struct vring *v, struct seen *s, uint32_t head)
{
	uint32_t at = head;

	for (uint32_t steps = 0; steps < v->num && v->budget; steps++, v->budget--) {
		struct seen_desc d;
		uint16_t flags;

		if (!memory_read(v->memory, MEMORY_USER, v->desc + at * sizeof(d), &d, sizeof(d))) {
			s->flaw = "a descriptor cannot be read";
			return;
		}
		flags = le16toh(d.first);
		if (flags & SEEN_INDIRECT)
			seen_add_table(s, v->memory, le64toh(d.addr), le32toh(d.len), false,
				       &v->budget);
		else
			seen_add(s, le64toh(d.addr), le32toh(d.len), flags & SEEN_WRITE);
		if (!(flags & SEEN_NEXT))
			return;
		at = le16toh(d.second);
		if (at >= v->num) {
			s->flaw = "its chain leads beyond the descriptors";
			return;
		}
	}
	s->flaw = "its chain is a loop, or too long to be looked at";
}

static bool split_take(struct vring *v, bool late)
{
	struct seen s = {.late = late};
	uint16_t head;

	if (!memory_read(v->memory, MEMORY_USER,
			 v->avail + AVAIL_RING + UINT64_C(2) * (v->next_avail % v->num), &head,
			 sizeof(head))) {
		vring_stuck(v);
		return false;
	}
	v->next_avail++;
	head = le16toh(head);
	if (head >= v->num) {
		v->user.note(v->user.opaque, "guest", "a head beyond the descriptors is available");
		return true;
	}
	split_walk(v, &s, head);
	vring_available(v, head, &s);
	return true;
}

static bool split_complete(struct vring *v)
{
	struct used_elem e;

	if (!memory_read(v->memory, MEMORY_USER,
			 v->used + USED_RING + sizeof(e) * (v->next_used % v->num), &e,
			 sizeof(e))) {
		vring_stuck(v);
		return false;
	}
	v->next_used++;
	if (le32toh(e.id) >= v->num)
		v->user.note(v->user.opaque, "back-end", "a used id is beyond the descriptors");
	else
		vring_completed(v, le32toh(e.id), le32toh(e.len));
	return true;
}

/* How far an index is ahead; a ring that was not looked at in time skips what is gone. */
static uint16_t split_ahead(struct vring *v, uint16_t *next, uint16_t index, const char *by,
			    const char *text)
{
	uint16_t n = (uint16_t)(index - *next);

	if (n <= v->num)
		return n;
	if (n > 0x7fff) /* backwards, or a jump */
		v->user.note(v->user.opaque, by, text);
	else if (next == &v->next_avail)
		v->lost += n - v->num;
	*next = n > 0x7fff ? index : (uint16_t)(index - v->num);
	return (uint16_t)(index - *next);
}

bool vring_split_look(struct vring *v)
{
	uint16_t avail, used, n_avail, n_used, late;

	/* Used first: what is used was available before. */
	if (!read_index(v, v->used + USED_IDX, &used) ||
	    !read_index(v, v->avail + AVAIL_IDX, &avail)) {
		vring_stuck(v);
		return false;
	}
	n_used = split_ahead(v, &v->next_used, used, "back-end", "the used index jumps");
	n_avail = split_ahead(v, &v->next_avail, avail, "guest", "the available index jumps");
	/* So many of what is new must have been seen before now to be in time. */
	late = n_used > v->n_seen ? (uint16_t)(n_used - v->n_seen) : 0;
	for (uint16_t i = 0; i < n_avail; i++)
		if (!split_take(v, i < late))
			return true;
	for (uint16_t i = 0; i < n_used; i++)
		if (!split_complete(v))
			return true;
	return n_avail || n_used;
}
