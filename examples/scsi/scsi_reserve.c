/* SPDX-License-Identifier: MIT */
/*
 * Persistent reservations (SPC-4 5.13): who has registered, who holds the reservation, and what
 * that keeps others from.  They belong to initiators, which are sockets, in the order of the
 * command line; they outlast sessions, and with APTPL the process.  Queue thread.
 */
#include "scsi_command.h"

#include <string.h>

enum {
	WRITE_EXCLUSIVE = 1,
	EXCLUSIVE = 3,
	WRITE_EXCLUSIVE_REGISTRANTS = 5,
	EXCLUSIVE_REGISTRANTS = 6,
	WRITE_EXCLUSIVE_ALL = 7,
	EXCLUSIVE_ALL = 8,
};

enum {
	REGISTER,
	RESERVE,
	RELEASE,
	CLEAR,
	PREEMPT,
	PREEMPT_AND_ABORT,
	REGISTER_IGNORING,
	REGISTER_AND_MOVE,
};
enum { READ_KEYS, READ_RESERVATION, REPORT_CAPABILITIES, READ_FULL_STATUS };
enum {
	PARAMETERS = 24,
	TRANSPORT_ID = 24,
	MAX_TRANSPORT_ID = 256,
	SAS = 6,
	APTPL = 1,
	UNREGISTER = 2
};

#define TYPES                                                                                      \
	(1 << WRITE_EXCLUSIVE | 1 << EXCLUSIVE | 1 << WRITE_EXCLUSIVE_REGISTRANTS |                \
	 1 << EXCLUSIVE_REGISTRANTS | 1 << WRITE_EXCLUSIVE_ALL | 1 << EXCLUSIVE_ALL)

_Static_assert(TYPES == (int)SCSI_RESERVATION_TYPES &&
		       (int)WRITE_EXCLUSIVE_ALL == (int)SCSI_RESERVATION_OF_ALL,
	       "what a file may have");

static bool type_is_of_all(uint32_t type)
{
	return type == WRITE_EXCLUSIVE_ALL || type == EXCLUSIVE_ALL;
}

static bool type_has_registrants(uint32_t type)
{
	return type >= WRITE_EXCLUSIVE_REGISTRANTS;
}

static struct scsi_registration *reserve_find(struct scsi_reservations *r, uint32_t initiator)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->entries[i].initiator == initiator)
			return &r->entries[i];
	return NULL;
}

static bool reserve_holds(struct scsi_reservations *r, uint32_t initiator)
{
	if (!r->type || !reserve_find(r, initiator))
		return false;
	return type_is_of_all(r->type) || r->holder == initiator;
}

bool scsi_reserve_allows(struct scsi_lun *lun, uint32_t initiator, uint32_t flags)
{
	struct scsi_reservations *r = &lun->reservations;
	bool allowed;
	uint32_t type;

	pthread_mutex_lock(&lun->lock);
	type = r->type;
	allowed = !type || (type_has_registrants(type) ? reserve_find(r, initiator) != NULL
						       : reserve_holds(r, initiator));
	pthread_mutex_unlock(&lun->lock);
	if (allowed)
		return true;
	if (type == WRITE_EXCLUSIVE || type == WRITE_EXCLUSIVE_REGISTRANTS ||
	    type == WRITE_EXCLUSIVE_ALL)
		return !(flags & SCSI_CHANGES);
	return !(flags & (SCSI_CHANGES | SCSI_LOOKS));
}

/* --- PERSISTENT RESERVE OUT --- */

/* What one command does, and whom the others are to be told of. */
struct change {
	struct scsi_cmd *cmd;
	struct scsi_reservations *r;
	struct scsi_registration *own;
	uint32_t self, type;
	uint64_t key, action_key;
	uint32_t to;	   /* REGISTER AND MOVE: an initiator, or one that cannot be, */
	bool leaves;	   /* and that it is not registered itself any more */
	bool keeps;	   /* APTPL, */
	uint32_t keeps_at; /* which was at this byte */
	uint32_t released, unregistered, preempted; /* initiators, by bit */
};

static uint32_t reserve_others(const struct change *c)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < c->r->n; i++)
		mask |= 1u << c->r->entries[i].initiator;
	return mask & ~(1u << c->self);
}

static void reserve_remove(struct change *c, struct scsi_registration *entry)
{
	struct scsi_reservations *r = c->r;
	bool held = r->type && !type_is_of_all(r->type) && r->holder == entry->initiator;

	r->n--;
	memmove(entry, entry + 1, (size_t)(r->entries + r->n - entry) * sizeof(*entry));
	if (held && type_has_registrants(r->type))
		c->released |= reserve_others(c);
	if (held || !r->n)
		r->type = 0;
}

static int reserve_register(struct change *c, bool ignoring)
{
	struct scsi_reservations *r = c->r;

	if (!ignoring && c->key != (c->own ? c->own->key : 0))
		return SCSI_CONFLICT;
	if (!c->action_key) {
		if (c->own)
			reserve_remove(c, c->own);
	} else if (c->own) {
		c->own->key = c->action_key;
	} else {
		if (r->n == SCSI_REGISTRATIONS)
			return SENSE_NO_REGISTRATIONS;
		r->entries[r->n++] = (struct scsi_registration){c->action_key, (uint8_t)c->self};
	}
	r->generation++;
	return SCSI_GOOD;
}

static int reserve_reserve(struct change *c)
{
	struct scsi_reservations *r = c->r;

	if (r->type)
		return reserve_holds(r, c->self) && r->type == c->type ? SCSI_GOOD : SCSI_CONFLICT;
	r->holder = (uint8_t)c->self;
	r->type = (uint8_t)c->type;
	return SCSI_GOOD;
}

static int reserve_release(struct change *c)
{
	struct scsi_reservations *r = c->r;

	if (!reserve_holds(r, c->self))
		return SCSI_GOOD;
	if (r->type != c->type)
		return SENSE_INVALID_RELEASE;
	if (type_has_registrants(r->type))
		c->released |= reserve_others(c);
	r->type = 0;
	return SCSI_GOOD;
}

static int reserve_clear(struct change *c)
{
	c->preempted |= reserve_others(c);
	c->r->n = 0;
	c->r->type = 0;
	c->r->generation++;
	return SCSI_GOOD;
}

/* Remove those with this key, or all but our own: how many there were. */
static uint32_t reserve_remove_key(struct change *c, uint64_t key, bool all)
{
	struct scsi_reservations *r = c->r;
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n;) {
		struct scsi_registration *entry = &r->entries[i];

		if (entry->initiator == c->self || (!all && entry->key != key)) {
			n += entry->initiator == c->self && !all && entry->key == key;
			i++;
			continue;
		}
		c->unregistered |= 1u << entry->initiator;
		memmove(entry, entry + 1, (size_t)(r->entries + r->n - 1 - entry) * sizeof(*entry));
		r->n--;
		n++;
	}
	return n;
}

static int reserve_preempt(struct change *c)
{
	struct scsi_reservations *r = c->r;
	struct scsi_registration *holder = r->type ? reserve_find(r, r->holder) : NULL;
	uint32_t type = r->type;
	bool takes = type && (type_is_of_all(type) ? !c->action_key
						   : holder && holder->key == c->action_key);

	if (!c->action_key && !(type && type_is_of_all(type)))
		return scsi_bad_parameter(c->cmd, 8);
	if (!reserve_remove_key(c, c->action_key, takes && type_is_of_all(type)) && !takes)
		return SCSI_CONFLICT;
	if (takes) {
		if (type != c->type && type_has_registrants(type))
			c->released |= reserve_others(c);
		r->holder = (uint8_t)c->self;
		r->type = (uint8_t)c->type;
	}
	r->generation++;
	return SCSI_GOOD;
}

/* SPC-4 5.13.8: who holds it makes another one the holder, whom it registers if need be. */
static int reserve_move(struct change *c)
{
	struct scsi_reservations *r = c->r;
	struct scsi_registration *to = reserve_find(r, c->to);

	if (r->type && type_is_of_all(r->type))
		return SCSI_CONFLICT;
	if (!reserve_holds(r, c->self))
		return SCSI_CONFLICT;
	if (!c->action_key)
		return scsi_bad_parameter(c->cmd, 8);
	if (c->to >= SCSI_INITIATORS || c->to == c->self || !c->cmd->lun->host->initiators[c->to])
		return scsi_bad_parameter(c->cmd, PARAMETERS);
	if (!to && r->n == SCSI_REGISTRATIONS)
		return SENSE_NO_REGISTRATIONS;
	if (!to)
		to = &r->entries[r->n++];
	*to = (struct scsi_registration){c->action_key, (uint8_t)c->to};
	r->holder = (uint8_t)c->to;
	if (c->leaves)
		reserve_remove(c, c->own);
	r->generation++;
	return SCSI_GOOD;
}

/* An earlier process may have moved it already. */
static bool reserve_was_moved(struct change *c)
{
	struct scsi_registration *to = reserve_find(c->r, c->to);

	return c->cmd->req->flags & VU_REQ_RESUBMITTED && c->r->type && c->r->holder == c->to &&
	       to && to->key == c->action_key;
}

/* The key was looked at; false: what the command did, an earlier process may have done already. */
static int reserve_change(struct change *c, uint32_t action)
{
	bool again = c->cmd->req->flags & VU_REQ_RESUBMITTED;

	if (action == REGISTER || action == REGISTER_IGNORING) {
		if (again && c->own && c->own->key == c->action_key)
			return SCSI_GOOD;
		if (again && !c->own && !c->action_key)
			return SCSI_GOOD;
		return reserve_register(c, action == REGISTER_IGNORING);
	}
	if (!c->own && again && action == CLEAR)
		return SCSI_GOOD;
	if (action == REGISTER_AND_MOVE && reserve_was_moved(c))
		return SCSI_GOOD;
	if (!c->own || c->own->key != c->key)
		return SCSI_CONFLICT;
	switch (action) {
	case RESERVE:
		return reserve_reserve(c);
	case RELEASE:
		return reserve_release(c);
	case CLEAR:
		return reserve_clear(c);
	case REGISTER_AND_MOVE:
		return reserve_move(c);
	default:
		return reserve_preempt(c);
	}
}

static void reserve_tell(const struct change *c)
{
	struct scsi_lun *lun = c->cmd->lun;

	scsi_attention_mask(lun, c->released & ~c->unregistered, ATTENTION_RELEASED);
	scsi_attention_mask(lun, c->unregistered, ATTENTION_UNREGISTERED);
	scsi_attention_mask(lun, c->preempted, ATTENTION_PREEMPTED);
}

/* Whom a transport ID of ours names (reserve_transport()); SCSI_INITIATORS: nobody. */
static uint32_t reserve_named(const uint8_t *id)
{
	uint64_t number = get64(id + 4) - (UINT64_C(3) << 60) - 1;

	return id[0] == SAS && number < SCSI_INITIATORS ? (uint32_t)number : SCSI_INITIATORS;
}

/* The parameters of REGISTER AND MOVE, but for keys. */
static int reserve_take_move(struct change *c)
{
	uint8_t p[PARAMETERS + MAX_TRANSPORT_ID];
	uint32_t len = get32(c->cmd->cdb + 5), id = 0;

	if (len < PARAMETERS + TRANSPORT_ID || len > sizeof(p))
		return SENSE_PARAMETER_LENGTH;
	if (scsi_take(c->cmd, p, len))
		return SCSI_OVERRUN;
	id = get32(p + 20);
	if (id != len - PARAMETERS || id % 4)
		return scsi_bad_parameter(c->cmd, 20);
	if (p[17] & ~(APTPL | UNREGISTER))
		return scsi_bad_parameter(c->cmd, 17);
	c->key = get64(p);
	c->action_key = get64(p + 8);
	c->leaves = p[17] & UNREGISTER;
	c->keeps = p[17] & APTPL;
	c->keeps_at = 17;
	c->to = reserve_named(p + PARAMETERS);
	return SCSI_GOOD;
}

static int reserve_take(struct change *c)
{
	uint8_t p[PARAMETERS];

	if (get32(c->cmd->cdb + 5) != PARAMETERS)
		return SENSE_PARAMETER_LENGTH;
	if (scsi_take(c->cmd, p, sizeof(p)))
		return SCSI_OVERRUN;
	if (p[20] & ~APTPL) /* other initiators, all ports */
		return scsi_bad_parameter(c->cmd, 20);
	c->key = get64(p);
	c->action_key = get64(p + 8);
	c->keeps = p[20] & APTPL;
	c->keeps_at = 20;
	return SCSI_GOOD;
}

static int reserve_check(const struct change *c, uint32_t action)
{
	bool typed = action != REGISTER && action != REGISTER_IGNORING && action != CLEAR &&
		     action != REGISTER_AND_MOVE;

	if (typed && (c->cmd->cdb[2] >> 4 || !(TYPES >> c->type & 1)))
		return scsi_bad_cdb(c->cmd, 2);
	if (c->keeps && !scsi_reserve_can_keep(c->cmd->lun->host))
		return scsi_bad_parameter(c->cmd, c->keeps_at);
	return SCSI_GOOD;
}

/* On a copy: a change that cannot be kept is none. */
static int reserve_do(struct change *c, uint32_t action)
{
	struct scsi_reservations next;
	struct scsi_lun *lun = c->cmd->lun;
	int result, error = 0;

	pthread_mutex_lock(&lun->lock);
	next = lun->reservations;
	c->r = &next;
	c->own = reserve_find(c->r, c->self);
	result = reserve_change(c, action);
	if (!result &&
	    (action == REGISTER || action == REGISTER_IGNORING || action == REGISTER_AND_MOVE))
		next.keep = c->keeps;
	if (!result)
		error = scsi_reserve_save(lun, &next);
	pthread_mutex_unlock(&lun->lock);
	if (!result && !error)
		reserve_tell(c);
	if (!error)
		return result;
	vu_device_log_peerf(c->cmd->queue->scsi->dev, VU_LOG_WARNING,
			    "%u:%u: reservations stay as they are, for a change cannot be kept: %s",
			    lun->target, lun->number, strerror(-error));
	return SENSE_FAILURE;
}

int scsi_reserve_out(struct scsi_cmd *cmd)
{
	uint32_t action = cmd->cdb[1] & 0x1f;
	struct change c = {
		.cmd = cmd,
		.self = scsi_initiator(cmd),
		.type = cmd->cdb[2] & 0xf,
	};
	struct scsi_tmf *abort = NULL;
	int result = action == REGISTER_AND_MOVE ? reserve_take_move(&c) : reserve_take(&c);

	if (!result)
		result = reserve_check(&c, action);
	if (result)
		return result;
	if (action == PREEMPT_AND_ABORT) {
		abort = scsi_abort_new(cmd);
		if (!abort)
			return SCSI_BUSY;
	}
	result = reserve_do(&c, action);
	if (abort && !result && c.unregistered)
		return scsi_abort_start(abort, cmd, c.unregistered);
	scsi_abort_free(abort);
	return result;
}

/* --- PERSISTENT RESERVE IN --- */

/* A SAS address, with the initiator's number at its end (SPC-4 7.6.4.7). */
static void reserve_transport(uint8_t *p, uint32_t initiator)
{
	p[0] = SAS;
	put64(p + 4, UINT64_C(3) << 60 | (initiator + 1));
}

static uint32_t reserve_full_status(struct scsi_reservations *r, uint8_t *p)
{
	uint32_t len = 8;

	for (uint32_t i = 0; i < r->n; i++, len += 24 + TRANSPORT_ID) {
		bool holds = reserve_holds(r, r->entries[i].initiator);

		put64(p + len, r->entries[i].key);
		p[len + 12] = holds;
		p[len + 13] = holds ? r->type : 0;
		put16(p + len + 18, 1);
		put32(p + len + 20, TRANSPORT_ID);
		reserve_transport(p + len + 24, r->entries[i].initiator);
	}
	return len;
}

static uint32_t reserve_reservation(struct scsi_reservations *r, uint8_t *p)
{
	const struct scsi_registration *holder = reserve_find(r, r->holder);

	if (!r->type)
		return 8;
	if (!type_is_of_all(r->type) && holder)
		put64(p + 8, holder->key);
	p[21] = r->type;
	return 24;
}

static uint32_t reserve_capabilities(const struct scsi_cmd *cmd, uint8_t *p)
{
	put16(p, 8);
	p[2] = scsi_reserve_can_keep(cmd->lun->host); /* PTPL_C */
	p[3] = (uint8_t)(0x80 | cmd->lun->reservations.keep);
	p[4] = 0xea;
	p[5] = 0x01;
	return 8;
}

int scsi_reserve_in(struct scsi_cmd *cmd)
{
	struct scsi_reservations *r = &cmd->lun->reservations;
	uint32_t action = cmd->cdb[1] & 0x1f, len = 8;
	uint8_t *p = scsi_paper(cmd);

	pthread_mutex_lock(&cmd->lun->lock);
	switch (action) {
	case READ_KEYS:
		for (uint32_t i = 0; i < r->n; i++, len += 8)
			put64(p + len, r->entries[i].key);
		break;
	case READ_RESERVATION:
		len = reserve_reservation(r, p);
		break;
	case READ_FULL_STATUS:
		len = reserve_full_status(r, p);
		break;
	default:
		len = reserve_capabilities(cmd, p);
		break;
	}
	if (action != REPORT_CAPABILITIES) {
		put32(p, r->generation);
		put32(p + 4, len - 8);
	}
	pthread_mutex_unlock(&cmd->lun->lock);
	return scsi_reply(cmd, p, len, get16(cmd->cdb + 7));
}
