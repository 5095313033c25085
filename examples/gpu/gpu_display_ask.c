/* SPDX-License-Identifier: MIT */
/*
 * See gpu_display.h: questions, and who answers them.
 *
 * The front-end replies in order, but not to all: QEMU says nothing to a GET_EDID of an output that
 * it does not have.  So a reply to a later question is none to an earlier one of another kind, and
 * behind such a GET_EDID there is always a later one.
 */
#include "gpu_display.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ASKS = 64 }; /* beyond that the card answers */

struct ask {
	struct ask *next;
	uint32_t request;
	struct vu_req *req; /* of the guest's; NULL: nobody waits for it */
	struct command command;
};

static struct ask *ask_new(struct display *d, uint32_t request)
{
	struct ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return NULL;
	ask->request = request;
	if (d->last)
		d->last->next = ask;
	else
		d->first = ask;
	d->last = ask;
	if (!d->unsent)
		d->unsent = ask;
	d->n_asks++;
	return ask;
}

static void ask_answer(struct ask *ask, uint32_t response)
{
	vu_req_complete(ask->req, command_answer(&ask->command, response));
	ask->req = NULL;
}

static void answer_by_card(struct display *d, struct ask *ask)
{
	if (ask->req)
		ask_answer(ask, command_run(&ask->command, d->card));
}

static void drop_first(struct display *d)
{
	struct ask *ask = d->first;

	answer_by_card(d, ask);
	d->first = ask->next;
	if (!d->first)
		d->last = NULL;
	if (d->unsent == ask)
		d->unsent = ask->next;
	d->n_asks--;
	free(ask);
}

/* --- from the guest --- */

static uint32_t request_of(const struct command *command)
{
	return command->type == VIRTIO_GPU_CMD_GET_DISPLAY_INFO ? DISPLAY_GET_DISPLAY_INFO
	       : command->type == VIRTIO_GPU_CMD_GET_EDID	? DISPLAY_GET_EDID
								: 0;
}

bool display_ask(struct display *d, struct vu_req *req, const struct command *command)
{
	uint32_t request = request_of(command);
	struct ask *ask;

	if (d->fd < 0 || !command->row || !request || d->n_asks >= MAX_ASKS)
		return false;
	if (request == DISPLAY_GET_EDID && d->ready && !(d->features & DISPLAY_F_EDID))
		return false;
	ask = ask_new(d, request);
	if (!ask)
		return false;
	ask->req = req;
	ask->command = *command;
	/* See above; an output 0 there always is. */
	if (request == DISPLAY_GET_EDID && command->in.get_edid.scanout)
		(void)!ask_new(d, DISPLAY_GET_DISPLAY_INFO);
	return true;
}

int display_ask_own(struct display *d, uint32_t request)
{
	return ask_new(d, request) ? 0 : -ENOMEM;
}

/* --- to the front-end --- */

bool display_next_ask(struct display *d)
{
	struct ask *ask = d->unsent;
	uint32_t scanout;

	/* The card has answered it. */
	while (d->ready && ask && ask->request == DISPLAY_GET_EDID &&
	       !(d->features & DISPLAY_F_EDID))
		ask = ask->next;
	d->unsent = ask;
	if (!ask || (!d->ready && ask->request != DISPLAY_GET_PROTOCOL_FEATURES))
		return false;
	d->unsent = ask->next;
	if (ask->request == DISPLAY_GET_EDID) {
		scanout = le32toh(ask->command.in.get_edid.scanout);
		memcpy(display_message(d, ask->request, sizeof(scanout)), &scanout,
		       sizeof(scanout));
	} else {
		display_message(d, ask->request, 0);
	}
	return true;
}

/* --- and back --- */

static uint32_t reply_size(uint32_t request)
{
	switch (request) {
	case DISPLAY_GET_PROTOCOL_FEATURES:
		return sizeof(uint64_t);
	case DISPLAY_GET_DISPLAY_INFO:
		return sizeof(struct virtio_gpu_resp_display_info);
	default:
		return sizeof(struct virtio_gpu_resp_edid);
	}
}

static void take_features(struct display *d, const void *payload)
{
	memcpy(&d->features, payload, sizeof(d->features));
	d->ready = d->owes_features = true;
	for (struct ask *ask = d->first->next; ask; ask = ask->next)
		if (ask->request == DISPLAY_GET_EDID && !(d->features & DISPLAY_F_EDID))
			answer_by_card(d, ask);
}

/* The card's outputs are as the display says, for whoever asks the card. */
static void take_outputs(struct card *card, const struct virtio_gpu_resp_display_info *info)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++) {
		const struct virtio_gpu_display_one *mode = &info->pmodes[i];
		uint32_t width = le32toh(mode->r.width), height = le32toh(mode->r.height);

		card->outputs[i].plugged = mode->enabled;
		if (width && height && width <= CARD_MAX_SIZE && height <= CARD_MAX_SIZE) {
			card->outputs[i].width = width;
			card->outputs[i].height = height;
		}
	}
}

static void take_reply(struct display *d, struct ask *ask, const void *payload)
{
	union command_out *out = &ask->command.out;

	switch (ask->request) {
	case DISPLAY_GET_PROTOCOL_FEATURES:
		take_features(d, payload);
		break;
	case DISPLAY_GET_DISPLAY_INFO:
		memcpy(&out->display_info, payload, sizeof(out->display_info));
		take_outputs(d->card, &out->display_info);
		if (ask->req)
			ask_answer(ask, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
		break;
	case DISPLAY_GET_EDID:
		memcpy(&out->edid, payload, sizeof(out->edid));
		if (ask->req)
			ask_answer(ask, VIRTIO_GPU_RESP_OK_EDID);
		break;
	}
}

bool display_answered(struct display *d, const struct display_header *header, const void *payload)
{
	struct ask *ask = d->first;

	while (ask && ask != d->unsent && ask->request != header->request)
		ask = ask->next;
	if (!ask || ask == d->unsent || header->size != reply_size(ask->request))
		return false;
	while (d->first != ask)
		drop_first(d); /* never answered */
	take_reply(d, ask, payload);
	drop_first(d);
	return true;
}

void display_answer_all(struct display *d, bool forget)
{
	for (struct ask *ask = d->first; ask; ask = ask->next)
		answer_by_card(d, ask);
	while (forget && d->first)
		drop_first(d);
}
