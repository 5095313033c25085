/* SPDX-License-Identifier: MIT */
/* All rings of a connection: see watch.h.  Owns the queues and what is known of guest memory. */
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#include "types.h"
#include "watch_queue.h"

enum { QUEUES = 256, F_ACCESS_PLATFORM = 33, BUSY_MS = 1, IDLE_MS = 20, BUSY_FOR_MS = 100 };

struct watch {
	struct dialog *dialog;
	bool knows_type; /* it was said, or guessed before */
	uint64_t busy_at;
	struct watch_queue *queues[QUEUES];
	struct memory memory;
};

struct watch *watch_new(struct dialog *dialog, bool knows_type)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->dialog = dialog;
	w->knows_type = knows_type;
	memory_init(&w->memory);
	return w;
}

void watch_end(struct watch *w)
{
	for (uint32_t i = 0; i < QUEUES; i++) {
		queue_free(w->queues[i]);
		w->queues[i] = NULL;
	}
	memory_clear(&w->memory);
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	watch_end(w);
	free(w);
}

static struct watch_queue *watch_queue(struct watch *w, uint64_t index)
{
	if (index >= QUEUES)
		return NULL;
	if (!w->queues[index])
		w->queues[index] = queue_new(w->dialog, (uint32_t)index);
	return w->queues[index];
}

static void watch_look(struct watch *w)
{
	for (uint32_t i = 0; i < QUEUES; i++)
		if (w->queues[i] && queue_look(w->queues[i]))
			w->busy_at = trace_now();
}

void watch_before(struct watch *w)
{
	watch_look(w);
}

static void watch_table(struct watch *w, const struct passing *msg)
{
	struct wire_mem_table table = {0};
	bool ok = true;

	memcpy(&table, msg->payload,
	       msg->hdr->size < sizeof(table) ? msg->hdr->size : sizeof(table));
	/* vhost-user "SET_MEM_TABLE" in postcopy: the ack of the one before. */
	if (!table.n_regions)
		return;
	memory_clear(&w->memory);
	for (uint32_t i = 0; i < table.n_regions && i < msg->n_fds && i < WIRE_TABLE_REGIONS; i++)
		ok = memory_add(&w->memory, &table.regions[i], msg->fds[i]) && ok;
	if (!ok)
		report_note(w->dialog->report, w->dialog->number, NULL,
			    "some of guest memory cannot be looked at");
}

static void watch_region(struct watch *w, const struct passing *msg)
{
	struct wire_mem_reg reg;

	if (msg->hdr->size < sizeof(reg))
		return;
	memcpy(&reg, msg->payload, sizeof(reg));
	if (msg->hdr->request == WIRE_REM_MEM_REG)
		memory_remove(&w->memory, &reg.region);
	else if (msg->n_fds && !memory_add(&w->memory, &reg.region, msg->fds[0]))
		report_note(w->dialog->report, w->dialog->number, NULL,
			    "some of guest memory cannot be looked at");
}

static void watch_iotlb(struct watch *w, const struct passing *msg)
{
	struct wire_iotlb iotlb;

	if (msg->hdr->size < sizeof(iotlb))
		return;
	memcpy(&iotlb, msg->payload, sizeof(iotlb));
	memory_translate(&w->memory, &iotlb);
}

static void watch_state(struct watch *w, const struct passing *msg)
{
	struct wire_vring_state state;
	struct watch_queue *q;

	if (msg->hdr->size < sizeof(state))
		return;
	memcpy(&state, msg->payload, sizeof(state));
	q = watch_queue(w, state.index);
	if (!q)
		return;
	switch (msg->hdr->request) {
	case WIRE_SET_VRING_NUM:
		q->num = state.num;
		q->fresh = true;
		break;
	case WIRE_SET_VRING_BASE:
		q->base = state.num;
		q->fresh = true;
		break;
	case WIRE_GET_VRING_BASE:
		queue_pause(q);
		break;
	default: /* VRING_KICK, SET_VRING_ENABLE: with in-band notifications they start it */
		if (dialog_has(w->dialog, WIRE_PF_INBAND_NOTIFICATIONS) && !q->ring)
			queue_start(q, &w->memory);
		break;
	}
}

static void watch_endian(const struct watch *w, const struct passing *msg)
{
	struct wire_vring_state state;

	if (msg->hdr->size < sizeof(state))
		return;
	memcpy(&state, msg->payload, sizeof(state));
	if (state.num)
		report_note(w->dialog->report, w->dialog->number, NULL,
			    "queue %u: big-endian rings are not understood here", state.index);
}

static void watch_addr(struct watch *w, const struct passing *msg)
{
	struct wire_vring_addr addr;
	struct watch_queue *q;

	if (msg->hdr->size < sizeof(addr))
		return;
	memcpy(&addr, msg->payload, sizeof(addr));
	q = watch_queue(w, addr.index);
	if (!q)
		return;
	/* Only whether it is logged may change while it runs. */
	if (!q->has_addr || q->addr.desc != addr.desc || q->addr.used != addr.used ||
	    q->addr.avail != addr.avail)
		q->fresh = true;
	q->addr = addr;
	q->has_addr = true;
}

static void watch_vring_fd(struct watch *w, const struct passing *msg, int *fds)
{
	uint64_t ring;
	struct watch_queue *q;

	if (msg->hdr->size < sizeof(ring))
		return;
	memcpy(&ring, msg->payload, sizeof(ring));
	q = watch_queue(w, ring & WIRE_VRING_INDEX_MASK);
	if (!q)
		return;
	if (msg->hdr->request == WIRE_SET_VRING_CALL) {
		queue_set_call(q, fds, msg->n_fds);
		return;
	}
	queue_set_kick(q, fds, msg->n_fds);
	queue_start(q, &w->memory);
}

static void watch_stop_all(struct watch *w)
{
	for (uint32_t i = 0; i < QUEUES; i++)
		if (w->queues[i])
			queue_stop(w->queues[i]);
}

static void watch_features(struct watch *w, const struct passing *msg)
{
	uint64_t features;

	if (msg->hdr->size < sizeof(features))
		return;
	memcpy(&features, msg->payload, sizeof(features));
	w->memory.iommu = features >> F_ACCESS_PLATFORM & 1;
}

static void watch_config(struct watch *w, const struct passing *msg)
{
	const struct type *type;
	struct wire_config config;

	if (w->knows_type || msg->hdr->size < sizeof(config))
		return;
	memcpy(&config, msg->payload, sizeof(config));
	type = type_of_config(config.offset, config.size);
	if (!type)
		return;
	w->knows_type = true;
	w->dialog->type = type->name;
	report_session(w->dialog->report, w->dialog->number,
		       "device type %s, by the size of its configuration space (--type overrides)",
		       type->name);
}

static void watch_request(struct watch *w, const struct passing *msg, int *fds)
{
	uint64_t status = 1;

	switch (msg->hdr->request) {
	case WIRE_SET_FEATURES:
		watch_features(w, msg);
		break;
	case WIRE_SET_MEM_TABLE:
		watch_table(w, msg);
		break;
	case WIRE_ADD_MEM_REG:
	case WIRE_REM_MEM_REG:
		watch_region(w, msg);
		break;
	case WIRE_IOTLB_MSG:
		watch_iotlb(w, msg);
		break;
	case WIRE_SET_VRING_ADDR:
		watch_addr(w, msg);
		break;
	case WIRE_SET_VRING_KICK:
	case WIRE_SET_VRING_CALL:
		watch_vring_fd(w, msg, fds);
		break;
	case WIRE_GET_CONFIG:
		watch_config(w, msg);
		break;
	case WIRE_SET_STATUS:
		if (msg->hdr->size >= sizeof(status))
			memcpy(&status, msg->payload, sizeof(status));
		if (!status)
			watch_stop_all(w);
		break;
	case WIRE_RESET_DEVICE:
	case WIRE_RESET_OWNER:
		watch_stop_all(w);
		break;
	case WIRE_SET_VRING_ENDIAN:
		watch_endian(w, msg);
		break;
	case WIRE_SET_VRING_NUM:
	case WIRE_SET_VRING_BASE:
	case WIRE_GET_VRING_BASE:
	case WIRE_SET_VRING_ENABLE:
	case WIRE_VRING_KICK:
		watch_state(w, msg);
		break;
	default:
		break;
	}
}

void watch_message(struct watch *w, const struct passing *msg, int *fds)
{
	if (msg->channel)
		return;
	if (msg->from == FRONT_END) {
		watch_request(w, msg, fds);
	} else if (msg->hdr->request == WIRE_GET_VRING_BASE &&
		   msg->hdr->size >= sizeof(struct wire_vring_state)) {
		struct wire_vring_state state;

		memcpy(&state, msg->payload, sizeof(state));
		if (state.index < QUEUES && w->queues[state.index])
			queue_stop(w->queues[state.index]);
	}
}

void watch_poll(struct watch *w, struct poller *p)
{
	bool runs = false;

	for (uint32_t i = 0; i < QUEUES; i++) {
		if (!w->queues[i])
			continue;
		queue_poll(w->queues[i], p);
		runs = runs || w->queues[i]->ring;
	}
	/* Drivers and devices that are busy tell each other nothing. */
	if (runs)
		poller_in(p, trace_now() - w->busy_at < BUSY_FOR_MS * UINT64_C(1000000) ? BUSY_MS
											: IDLE_MS);
}

void watch_tick(struct watch *w)
{
	watch_look(w);
}
