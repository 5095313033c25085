/* SPDX-License-Identifier: MIT */
/*
 * What the specification does not allow, by the library's own message table.  One line each; the
 * message passes all the same.
 */
#include <stdio.h>
#include <string.h>

#include "dialog.h"

#define BIT(n) (UINT64_C(1) << (n))

enum { F_PROTOCOL_FEATURES = 30, F_ACCESS_PLATFORM = 33, KNOWN_FLAGS = 0xf };

const char *check_name(const struct message *row, uint32_t id, char *buf, size_t size)
{
	if (row)
		return row->name;
	snprintf(buf, size, "message %u", id);
	return buf;
}

/* vhost-user "SET_LOG_BASE": without LOG_SHMFD it is a number, which the library has no use for. */
static bool is_plain_log(const struct dialog *s, const struct passing *msg)
{
	return !msg->channel && msg->hdr->request == WIRE_SET_LOG_BASE &&
	       !dialog_has(s, WIRE_PF_LOG_SHMFD) && msg->hdr->size == sizeof(uint64_t);
}

/* What was not negotiated, or NULL. */
static const char *check_need(const struct dialog *s, const struct message *row)
{
	switch (row->need) {
	case NEED_NOTHING:
	case NEED_GPU:
		return NULL;
	case NEED_PROTOCOL_FEATURES:
		return s->knows_offered && !(s->offered & BIT(F_PROTOCOL_FEATURES))
			       ? "VHOST_USER_F_PROTOCOL_FEATURES"
			       : NULL;
	case NEED_ACCESS_PLATFORM:
		return s->features & BIT(F_ACCESS_PLATFORM) ? NULL : "VIRTIO_F_ACCESS_PLATFORM";
	default:
		return row->need < WIRE_PF_END && !dialog_has(s, (unsigned int)row->need)
			       ? wire_protocol_feature_name((unsigned int)row->need)
			       : NULL;
	}
}

/* How many descriptors may come; exact where the payload says so. */
static void check_fd_bounds(const struct message *row, const struct passing *msg, uint32_t *min,
			    uint32_t *max)
{
	*min = row->min_fds;
	*max = row->max_fds;
	if (row->request == WIRE_L_VRING_FD) {
		uint64_t ring;

		memcpy(&ring, msg->payload, sizeof(ring));
		*min = *max = ring & WIRE_VRING_NOFD ? 0 : 1;
	} else if (row->request == WIRE_L_MEM_TABLE) {
		memcpy(min, msg->payload, sizeof(*min)); /* num_regions */
		*max = *min;
	}
}

static void check_fds(struct dialog *s, const struct passing *msg, const struct message *row)
{
	uint32_t min, max;

	/* vhost-user "SET_MEM_TABLE" and "ADD_MEM_REG" in postcopy: an ack without a region. */
	if (!msg->channel && s->postcopy && msg->hdr->size == sizeof(uint64_t) && !msg->n_fds)
		return;
	check_fd_bounds(row, msg, &min, &max);
	if (is_plain_log(s, msg))
		min = max = 0;
	if (msg->n_fds >= min && msg->n_fds <= max)
		return;
	if (min == max)
		report_violation(s->report, s->number, msg->from,
				 "%s: %u descriptors, and %u belong to it", row->name, msg->n_fds,
				 min);
	else
		report_violation(s->report, s->number, msg->from,
				 "%s: %u descriptors, and %u to %u belong to it", row->name,
				 msg->n_fds, min, max);
}

static void check_flags(struct dialog *s, const struct passing *msg, const char *name)
{
	uint32_t flags = msg->hdr->flags;
	bool request = passing_is_request(msg);

	if ((flags & WIRE_VERSION_MASK) != WIRE_VERSION)
		report_violation(s->report, s->number, msg->from,
				 "%s: version %u in its flags, and there is only 1", name,
				 flags & WIRE_VERSION_MASK);
	if (flags & ~(uint32_t)KNOWN_FLAGS)
		report_violation(s->report, s->number, msg->from,
				 "%s: unknown bits in its flags 0x%x", name, flags);
	if (request && flags & WIRE_REPLY)
		report_violation(s->report, s->number, msg->from, "%s: the reply flag on a request",
				 name);
	if (!request && !(flags & WIRE_REPLY))
		report_violation(s->report, s->number, msg->from,
				 "%s: a reply without the reply flag", name);
}

/* Bits that are taken without having been offered. */
static void check_features(struct dialog *s, const struct passing *msg, const struct message *row)
{
	uint64_t bits, extra;

	if (msg->channel || row->request != WIRE_L_U64)
		return;
	memcpy(&bits, msg->payload, sizeof(bits));
	if (row->id == WIRE_SET_PROTOCOL_FEATURES && s->knows_offered_protocol) {
		extra = bits & ~s->offered_protocol;
		if (extra)
			report_violation(s->report, s->number, msg->from,
					 "SET_PROTOCOL_FEATURES: 0x%llx was not offered",
					 (unsigned long long)extra);
	}
	/* QEMU passes some on that the guest's driver took from QEMU itself. */
	if (row->id == WIRE_SET_FEATURES && s->knows_offered) {
		extra = bits & ~s->offered & ~BIT(26);
		if (extra)
			report_note(s->report, s->number, side_name(msg->from),
				    "SET_FEATURES: 0x%llx was not offered",
				    (unsigned long long)extra);
	}
}

void check_request(struct dialog *s, const struct passing *msg, const struct message *row,
		   bool fits)
{
	const char *need, *want;
	char buf[32];
	const char *name = check_name(row, msg->hdr->request, buf, sizeof(buf));

	check_flags(s, msg, name);
	if (!row) {
		report_violation(s->report, s->number, msg->from, "%s is not known", name);
		return;
	}
	need = is_plain_log(s, msg) ? NULL : check_need(s, row);
	if (need)
		report_violation(s->report, s->number, msg->from,
				 "%s needs %s, which was not negotiated", name, need);
	/* Xen's regions are longer than the table's. */
	if (!fits && !is_plain_log(s, msg) && !dialog_has(s, WIRE_PF_XEN_MMAP)) {
		wire_layout_fits(row->request, msg->payload, msg->hdr->size, &want);
		report_violation(s->report, s->number, msg->from,
				 "%s: payload of %u bytes, want %s", name, msg->hdr->size, want);
	}
	if (fits) {
		check_fds(s, msg, row);
		check_features(s, msg, row);
	}
	if (msg->channel && msg->n_fds && !dialog_has(s, WIRE_PF_BACKEND_SEND_FD))
		report_violation(s->report, s->number, msg->from,
				 "%s has a descriptor, but BACKEND_SEND_FD was not negotiated",
				 name);
	if (msg->hdr->flags & WIRE_NEED_REPLY && row->reply == REPLY_ACK &&
	    row->id != WIRE_SET_PROTOCOL_FEATURES && !dialog_has(s, WIRE_PF_REPLY_ACK))
		report_violation(s->report, s->number, msg->from,
				 "%s asks for a reply, but REPLY_ACK was not negotiated", name);
}

void check_reply(struct dialog *s, const struct passing *msg, const struct asked *asked, bool fits)
{
	const struct message *row = asked	   ? asked->row
				    : msg->channel ? message_find_backend(msg->hdr->request)
						   : message_find(msg->hdr->request);
	char buf[32];
	const char *name = check_name(row, msg->hdr->request, buf, sizeof(buf)), *want;

	if (!asked) {
		report_violation(s->report, s->number, msg->from,
				 "a reply to %s, which nobody asked for", name);
		return;
	}
	check_flags(s, msg, name);
	/* vhost-user "GET_CONFIG": a reply of no bytes is an error reply. */
	if (!fits && !(asked->layout == WIRE_L_CONFIG && !msg->hdr->size)) {
		wire_layout_fits(asked->layout, msg->payload, msg->hdr->size, &want);
		report_violation(s->report, s->number, msg->from, "%s: reply of %u bytes, want %s",
				 name, msg->hdr->size, want);
	}
	if (msg->n_fds > asked->max_fds)
		report_violation(s->report, s->number, msg->from,
				 "%s: %u descriptors with its reply, want at most %u", name,
				 msg->n_fds, asked->max_fds);
}

void check_passed_over(struct dialog *s, bool channel, const struct asked *asked)
{
	char name[32];

	report_violation(s->report, s->number, channel ? FRONT_END : BACK_END,
			 "%s was not answered before the next was",
			 check_name(asked->row, asked->id, name, sizeof(name)));
}
