/* SPDX-License-Identifier: MIT */
/* Requests about control elements; see snd_ctl.h. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "snd.h"

enum { ROLE_VOLUME = 1, ROLE_MUTE = 2 };
enum { TYPE_BOOLEAN = 0, TYPE_INTEGER = 1, TYPE_ENUMERATED = 3 };
enum { ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_TLV_READ = 16 };
enum { VALUE_BYTES = 512 }; /* of struct virtio_snd_ctl_value */
/* ALSA's: decibels grow with the value by steps, both in hundredths; the lowest value is silence.
 */
enum { TLV_DB_SCALE = 1, TLV_MUTE = 0x10000, DB_STEP = 60, DB_MIN = -DB_STEP * SND_CTL_LOUDEST };

struct request {
	struct virtio_snd_hdr hdr;
	uint32_t id;
};

struct info {
	struct virtio_snd_info hdr;
	uint32_t role, type, access, count, index;
	char name[SND_CTL_NAME];
};

/*
 * What follows has 64-bit members in the specification's union, but no padding before it.  Linux's
 * has both, and so 96 bytes in place of 92.
 */
enum { UNION_BYTES = 24, INFO_BYTES = sizeof(struct info) + UNION_BYTES };

static const struct {
	uint32_t role, type, access;
} kinds[] = {
	[SND_VOLUME] = {ROLE_VOLUME, TYPE_INTEGER, ACCESS_READ | ACCESS_WRITE | ACCESS_TLV_READ},
	[SND_SWITCH] = {ROLE_MUTE, TYPE_BOOLEAN, ACCESS_READ | ACCESS_WRITE},
	[SND_CHOICE] = {0, TYPE_ENUMERATED, ACCESS_READ | ACCESS_WRITE},
};

uint32_t card_ctl_max(const struct card_ctl *c)
{
	return c->kind == SND_VOLUME   ? SND_CTL_LOUDEST
	       : c->kind == SND_SWITCH ? 1
				       : c->n_items - 1u;
}

int card_ctl_set(struct card_ctl *c, const uint32_t *values)
{
	bool changes = memcmp(c->values, values, c->count * sizeof(*values));

	for (uint32_t i = 0; i < c->count; i++)
		if (values[i] > card_ctl_max(c))
			return -EINVAL;
	memcpy(c->values, values, c->count * sizeof(*values));
	return changes;
}

static void ctl_fill(const struct card *card, uint32_t id, void *to, size_t size)
{
	const struct card_ctl *c = &card->ctls[id];
	size_t at = size < INFO_BYTES + 4 ? sizeof(struct info) : sizeof(struct info) + 4;
	uint32_t role = kinds[c->kind].role;
	struct info info = {
		.hdr.hda_fn_nid = htole32(c->device),
		.role = htole32(role ? role << 1 | c->direction : 0),
		.type = htole32(kinds[c->kind].type),
		.access = htole32(kinds[c->kind].access),
		.count = htole32(c->count),
	};
	uint32_t range[] = {0, htole32(card_ctl_max(c)), htole32(1)};

	memcpy(info.name, c->name, sizeof(info.name));
	if (c->kind == SND_CHOICE) {
		range[0] = htole32(c->n_items);
		range[1] = range[2] = 0;
	}
	memcpy(to, &info, sizeof(info));
	memcpy((char *)to + at, range, sizeof(range));
}

uint32_t card_ctl_info(struct card_ask *ask)
{
	if (!ask->card->has_ctls)
		return VIRTIO_SND_S_NOT_SUPP;
	return card_query(ask, ask->card->n_ctls, INFO_BYTES, ctl_fill);
}

/* The element that is meant; NULL: there is none. */
static struct card_ctl *ctl_asked(const struct card_ask *ask)
{
	struct request request;
	uint32_t id;

	memcpy(&request, ask->in, sizeof(request));
	id = le32toh(request.id);
	return ask->card->has_ctls && id < ask->card->n_ctls ? &ask->card->ctls[id] : NULL;
}

uint32_t card_ctl_enum_items(struct card_ask *ask)
{
	const struct card_ctl *c = ctl_asked(ask);

	if (!c || c->kind != SND_CHOICE || ask->room < (size_t)c->n_items * SND_CTL_ITEM)
		return VIRTIO_SND_S_BAD_MSG;
	ask->used = (size_t)c->n_items * SND_CTL_ITEM;
	memcpy(ask->out, c->items, ask->used);
	return VIRTIO_SND_S_OK;
}

uint32_t card_ctl_read(struct card_ask *ask)
{
	const struct card_ctl *c = ctl_asked(ask);

	if (!c || ask->room < VALUE_BYTES)
		return VIRTIO_SND_S_BAD_MSG;
	memset(ask->out, 0, VALUE_BYTES);
	for (uint32_t i = 0; i < c->count; i++) {
		uint32_t value = htole32(c->values[i]);

		memcpy(ask->out + i * sizeof(value), &value, sizeof(value));
	}
	ask->used = VALUE_BYTES;
	return VIRTIO_SND_S_OK;
}

uint32_t card_ctl_write(struct card_ask *ask)
{
	struct card_ctl *c = ctl_asked(ask);
	uint32_t values[SND_CTL_CHANNELS];
	int ret;

	if (!c || ask->len < sizeof(struct request) + c->count * sizeof(values[0]))
		return VIRTIO_SND_S_BAD_MSG;
	memcpy(values, ask->in + sizeof(struct request), c->count * sizeof(values[0]));
	for (uint32_t i = 0; i < c->count; i++)
		values[i] = le32toh(values[i]);
	ret = card_ctl_set(c, values);
	if (ret > 0)
		card_ctl_written(ask->card, (uint32_t)(c - ask->card->ctls));
	return ret < 0 ? (uint32_t)VIRTIO_SND_S_BAD_MSG : (uint32_t)VIRTIO_SND_S_OK;
}

uint32_t card_ctl_tlv_read(struct card_ask *ask)
{
	const uint32_t scale[] = {htole32(TLV_DB_SCALE), htole32(2 * sizeof(uint32_t)),
				  htole32((uint32_t)DB_MIN), htole32(DB_STEP | TLV_MUTE)};
	const struct card_ctl *c = ctl_asked(ask);

	if (!c || c->kind != SND_VOLUME)
		return VIRTIO_SND_S_BAD_MSG;
	ask->used = ask->room < sizeof(scale) ? ask->room : sizeof(scale);
	memcpy(ask->out, scale, ask->used);
	return VIRTIO_SND_S_OK;
}
