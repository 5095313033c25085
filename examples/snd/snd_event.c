/* SPDX-License-Identifier: MIT */
/*
 * The event queue (virtio 1.3 §5.14.6.5 and 5.14.6.7).
 *
 * Each part of the card remembers that there is something to tell of it, once: what happens again
 * before the driver has a buffer for it is told as it is then, and nothing piles up.
 */
#include "snd.h"

#include <endian.h>

/* The next thing to tell; false: there is none. */
static bool next_event(struct card *card, struct virtio_snd_event *event, bool **owed)
{
	uint32_t code = 0, data = 0;

	*owed = NULL;
	for (uint32_t i = 0; i < card->n_streams && !*owed; i++)
		if (card->streams[i].xrun_owed) {
			*owed = &card->streams[i].xrun_owed;
			code = VIRTIO_SND_EVT_PCM_XRUN;
			data = i;
		}
	for (uint32_t i = 0; i < card->n_jacks && !*owed; i++)
		if (card->jacks[i].owed) {
			*owed = &card->jacks[i].owed;
			code = card->jacks[i].connected ? VIRTIO_SND_EVT_JACK_CONNECTED
							: VIRTIO_SND_EVT_JACK_DISCONNECTED;
			data = i;
		}
	for (uint32_t i = 0; i < card->n_ctls && card->has_ctls && !*owed; i++)
		if (card->ctls[i].owed) {
			*owed = &card->ctls[i].owed;
			code = SND_EVT_CTL_NOTIFY;
			data = i | SND_CTL_VALUE_CHANGED << 16; /* le16 each */
		}
	*event = (struct virtio_snd_event){.hdr.code = htole32(code), .data = htole32(data)};
	return *owed;
}

void card_send_events(struct card *card)
{
	struct virtio_snd_event event;
	struct vu_req *req;
	bool *owed;

	while (next_event(card, &event, &owed) && vu_queue_next(card->events, &req) == 1) {
		if (req->writable_len < sizeof(event)) {
			card_complain(card, "a buffer for events that is too small for one");
			vu_req_complete(req, 0);
			continue;
		}
		*owed = false;
		vu_req_complete(req, vu_req_write(req, 0, &event, sizeof(event)));
	}
}
