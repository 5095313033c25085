/* SPDX-License-Identifier: MIT */
/*
 * The state of a connection that can be seen from outside, and which reply belongs to which
 * request: on each socket replies come in the order of requests, and carry their id.
 */
#include "dialog.h"

#include <string.h>

#include "describe_fd.h"

#define BIT(n) (UINT64_C(1) << (n))

void dialog_init(struct dialog *s, struct report *report, uint32_t number)
{
	memset(s, 0, sizeof(*s));
	s->report = report;
	s->number = number;
}

bool dialog_has(const struct dialog *s, unsigned int protocol_feature)
{
	return s->protocol >> protocol_feature & 1;
}

bool passing_is_request(const struct passing *msg)
{
	return msg->from == (msg->channel ? BACK_END : FRONT_END);
}

static const struct message *dialog_row(bool channel, uint32_t id)
{
	return channel ? message_find_backend(id) : message_find(id);
}

static uint64_t payload_u64(const struct passing *msg)
{
	uint64_t v = 0;

	if (msg->hdr->size >= sizeof(v))
		memcpy(&v, msg->payload, sizeof(v));
	return v;
}

/* vhost-user "SET_MEM_TABLE" in postcopy: answered with a table, which the front-end then acks. */
static bool is_postcopy_ack(const struct passing *msg)
{
	uint32_t id = msg->hdr->request;

	return (id == WIRE_SET_MEM_TABLE || id == WIRE_ADD_MEM_REG) &&
	       msg->hdr->size == sizeof(uint64_t) && !payload_u64(msg);
}

static bool dialog_wants_ack(const struct dialog *s, const struct passing *msg)
{
	return (msg->hdr->flags & WIRE_NEED_REPLY) && dialog_has(s, WIRE_PF_REPLY_ACK);
}

/* Does this request get a reply, and which?  After dialog_learn(). */
static bool dialog_due(const struct dialog *s, const struct passing *msg, const struct message *row,
		       struct asked *asked)
{
	uint32_t id = msg->hdr->request;

	*asked = (struct asked){.row = row, .id = id, .at = msg->at, .layout = WIRE_L_U64};
	if (!msg->channel && s->postcopy && (id == WIRE_SET_MEM_TABLE || id == WIRE_ADD_MEM_REG)) {
		asked->layout = row->request;
		return !is_postcopy_ack(msg);
	}
	if (row && row->reply == REPLY_OWN &&
	    (msg->channel || id != WIRE_SET_LOG_BASE || dialog_has(s, WIRE_PF_LOG_SHMFD))) {
		asked->layout = row->reply_layout;
		asked->max_fds = row->reply_fds;
		return true;
	}
	asked->ack = true;
	return (row && row->reply == REPLY_ALWAYS_ACK) || dialog_wants_ack(s, msg);
}

static void lane_add(struct dialog *s, bool channel, const struct asked *asked)
{
	struct lane *lane = channel ? &s->channel : &s->main;

	if (lane->n == LANE_MOST) {
		memmove(lane->waiting, lane->waiting + 1,
			(LANE_MOST - 1) * sizeof(lane->waiting[0]));
		lane->n--;
	}
	lane->waiting[lane->n++] = *asked;
}

/* The request that a reply answers; those before it were passed over.  False: none. */
static bool lane_take(struct dialog *s, bool channel, uint32_t id, struct asked *asked)
{
	struct lane *lane = channel ? &s->channel : &s->main;
	uint32_t i = 0;

	while (i < lane->n && lane->waiting[i].id != id)
		i++;
	if (i == lane->n)
		return false;
	for (uint32_t k = 0; k < i; k++)
		check_passed_over(s, channel, &lane->waiting[k]);
	*asked = lane->waiting[i];
	lane->n -= i + 1;
	memmove(lane->waiting, lane->waiting + i + 1, lane->n * sizeof(lane->waiting[0]));
	return true;
}

/* What a request of the front-end changes. */
static void dialog_learn(struct dialog *s, const struct passing *msg)
{
	switch (msg->hdr->request) {
	case WIRE_SET_FEATURES:
		s->features = payload_u64(msg);
		break;
	case WIRE_SET_PROTOCOL_FEATURES:
		s->protocol = payload_u64(msg);
		break;
	case WIRE_POSTCOPY_LISTEN:
		s->postcopy = true;
		break;
	case WIRE_POSTCOPY_END:
		s->postcopy = false;
		break;
	case WIRE_SET_INFLIGHT_FD:
		s->has_inflight = true;
		break;
	default:
		break;
	}
}

static void dialog_learn_reply(struct dialog *s, const struct passing *msg)
{
	if (msg->hdr->request == WIRE_GET_FEATURES) {
		s->offered = payload_u64(msg);
		s->knows_offered = true;
	} else if (msg->hdr->request == WIRE_GET_PROTOCOL_FEATURES) {
		s->offered_protocol = payload_u64(msg);
		s->knows_offered_protocol = true;
	}
}

static bool payload_fits(enum wire_layout layout, const struct passing *msg)
{
	const char *want;

	return wire_layout_fits(layout, msg->payload, msg->hdr->size, &want);
}

static void line_init(struct message_line *line, const struct dialog *s, const struct passing *msg,
		      const struct message *row, enum wire_layout layout, bool fits)
{
	uint32_t n = msg->n_fds < REPORT_FDS ? msg->n_fds : REPORT_FDS;

	*line = (struct message_line){
		.at = msg->at,
		.session = s->number,
		.from = msg->from,
		.channel = msg->channel,
		.hdr = msg->hdr,
		.payload = msg->payload,
		.row = row,
		.layout = layout,
		.fits = fits,
		.n_fds = msg->n_fds,
		.type = s->type,
	};
	for (uint32_t i = 0; i < n; i++)
		describe_fd(msg->fds[i], &line->fds[i]);
}

static void dialog_request(struct dialog *s, const struct passing *msg)
{
	const struct message *row = dialog_row(msg->channel, msg->hdr->request);
	enum wire_layout layout = row ? row->request : WIRE_L_NONE;
	bool fits = row && (payload_fits(layout, msg) ||
			    (!msg->channel && s->postcopy && is_postcopy_ack(msg)));
	struct message_line line;
	struct asked asked;

	line_init(&line, s, msg, row, layout, row && payload_fits(layout, msg));
	report_message(s->report, &line);
	check_request(s, msg, row, fits);
	if (!msg->channel)
		dialog_learn(s, msg);
	if (dialog_due(s, msg, row, &asked))
		lane_add(s, msg->channel, &asked);
}

static void dialog_reply(struct dialog *s, const struct passing *msg)
{
	const struct message *row = dialog_row(msg->channel, msg->hdr->request);
	struct message_line line;
	struct asked asked;
	bool found = lane_take(s, msg->channel, msg->hdr->request, &asked);
	enum wire_layout layout = found ? asked.layout : row ? row->reply_layout : WIRE_L_NONE;
	bool fits = payload_fits(layout, msg);

	line_init(&line, s, msg, row, layout, fits);
	line.reply = true;
	line.matched = found;
	line.ack = found && asked.ack;
	line.took = found ? msg->at - asked.at : 0;
	report_message(s->report, &line);
	check_reply(s, msg, found ? &asked : NULL, fits);
	if (!msg->channel && found && fits)
		dialog_learn_reply(s, msg);
}

void dialog_message(struct dialog *s, const struct passing *msg)
{
	if (msg->late_fds)
		report_violation(s->report, s->number, msg->from,
				 "descriptors come after the first byte of a message");
	if (passing_is_request(msg))
		dialog_request(s, msg);
	else
		dialog_reply(s, msg);
}

void dialog_large(struct dialog *s, const struct passing *msg)
{
	const struct message *row = dialog_row(msg->channel, msg->hdr->request);
	struct asked asked;
	char name[32];

	report_violation(s->report, s->number, msg->from,
			 "%s: a payload of %u bytes is larger than any message's",
			 check_name(row, msg->hdr->request, name, sizeof(name)), msg->hdr->size);
	if (!passing_is_request(msg))
		lane_take(s, msg->channel, msg->hdr->request, &asked);
}

void dialog_cut(struct dialog *s, enum side by, bool channel)
{
	report_violation(s->report, s->number, by, "%s ends in the middle of a message",
			 channel ? "the back-end channel" : "the connection");
}

/* Whoever closed may have had a reason: nobody's fault. */
static void lane_end(struct dialog *s, struct lane *lane)
{
	char name[32];

	for (uint32_t i = 0; i < lane->n; i++)
		report_note(
			s->report, s->number, NULL, "%s was not answered when the connection ended",
			check_name(lane->waiting[i].row, lane->waiting[i].id, name, sizeof(name)));
	lane->n = 0;
}

void dialog_end(struct dialog *s)
{
	lane_end(s, &s->main);
	lane_end(s, &s->channel);
}
