/* SPDX-License-Identifier: MIT */
/* Requests on the control queue (virtio 1.3 §5.14.6): which there are, and what all INFO share. */
#include "snd.h"

#include <endian.h>
#include <string.h>

enum { CTL_REQUEST = 8 }; /* a number, and an element's */

static const struct {
	uint32_t code;
	uint32_t len; /* at least */
	uint32_t (*answer)(struct card_ask *ask);
} requests[] = {
	{VIRTIO_SND_R_JACK_INFO, sizeof(struct virtio_snd_query_info), card_jack_info},
	{VIRTIO_SND_R_JACK_REMAP, sizeof(struct virtio_snd_jack_remap), card_jack_remap},
	{VIRTIO_SND_R_PCM_INFO, sizeof(struct virtio_snd_query_info), card_pcm_info},
	{VIRTIO_SND_R_PCM_SET_PARAMS, sizeof(struct virtio_snd_pcm_set_params),
	 card_pcm_set_params},
	{VIRTIO_SND_R_PCM_PREPARE, sizeof(struct virtio_snd_pcm_hdr), card_pcm_prepare},
	{VIRTIO_SND_R_PCM_RELEASE, sizeof(struct virtio_snd_pcm_hdr), card_pcm_release},
	{VIRTIO_SND_R_PCM_START, sizeof(struct virtio_snd_pcm_hdr), card_pcm_start},
	{VIRTIO_SND_R_PCM_STOP, sizeof(struct virtio_snd_pcm_hdr), card_pcm_stop},
	{VIRTIO_SND_R_CHMAP_INFO, sizeof(struct virtio_snd_query_info), card_chmap_info},
	{SND_R_CTL_INFO, sizeof(struct virtio_snd_query_info), card_ctl_info},
	{SND_R_CTL_ENUM_ITEMS, CTL_REQUEST, card_ctl_enum_items},
	{SND_R_CTL_READ, CTL_REQUEST, card_ctl_read},
	{SND_R_CTL_WRITE, CTL_REQUEST, card_ctl_write},
	{SND_R_CTL_TLV_READ, CTL_REQUEST, card_ctl_tlv_read},
	/* No element has metadata that can be written. */
};

uint32_t card_query(struct card_ask *ask, uint32_t n, size_t size,
		    void (*fill)(const struct card *card, uint32_t id, void *info, size_t size))
{
	struct virtio_snd_query_info query;
	uint32_t start, count, each;

	memcpy(&query, ask->in, sizeof(query));
	start = le32toh(query.start_id);
	count = le32toh(query.count);
	each = le32toh(query.size);
	if (start > n || count > n - start || each < size || each > SND_MAX_INFO ||
	    ask->room / each < count)
		return VIRTIO_SND_S_BAD_MSG;
	/* A driver that knows more of an item than we do finds zeroes. */
	memset(ask->out, 0, (size_t)count * each);
	for (uint32_t i = 0; i < count; i++)
		fill(ask->card, start + i, ask->out + (size_t)i * each, each);
	ask->used = (size_t)count * each;
	return VIRTIO_SND_S_OK;
}

static uint32_t serve(struct card_ask *ask)
{
	struct virtio_snd_hdr head;

	if (ask->len < sizeof(head))
		return VIRTIO_SND_S_BAD_MSG;
	memcpy(&head, ask->in, sizeof(head));
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].code == le32toh(head.code))
			return ask->len < requests[i].len ? (uint32_t)VIRTIO_SND_S_BAD_MSG
							  : requests[i].answer(ask);
	return VIRTIO_SND_S_NOT_SUPP;
}

size_t card_answer(struct card *card, uint64_t now, const unsigned char *in, size_t len,
		   unsigned char *out, size_t room)
{
	struct card_ask ask = {.card = card, .in = in, .len = len, .now = now};
	struct virtio_snd_hdr head;
	uint32_t status;

	if (room < sizeof(head)) {
		card_complain(card, "a control request without room for a status");
		return 0;
	}
	ask.out = out + sizeof(head);
	ask.room = room - sizeof(head);
	status = serve(&ask);
	if (status == VIRTIO_SND_S_BAD_MSG)
		card_complain(card, "a control request that is malformed, or not for this moment");
	head.code = htole32(status);
	memcpy(out, &head, sizeof(head));
	return sizeof(head) + ask.used;
}
