/* SPDX-License-Identifier: MIT */
/* Lines of a description that are about control elements, docs/devices/snd.md. */
#include "snd_describe.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static struct card_ctl *ctl_new(struct vu_script *script, struct card *card, const char *name)
{
	struct card_ctl *c = &card->ctls[card->n_ctls];
	bool fine = name[0] && strlen(name) < sizeof(c->name);

	for (const char *at = name; *at; at++)
		fine = fine && isprint((unsigned char)*at);
	if (!fine) {
		vu_script_fail(script, "a name has 1 to 43 characters of ASCII");
		return NULL;
	}
	for (uint32_t i = 0; i < card->n_ctls; i++)
		if (!strcmp(card->ctls[i].name, name)) {
			vu_script_fail(script, "another control has this name");
			return NULL;
		}
	if (card->n_ctls == SND_MAX_ITEMS) {
		vu_script_fail(script, "there are 64 controls at most");
		return NULL;
	}
	*c = (struct card_ctl){.count = 1};
	strcpy(c->name, name);
	return c;
}

static int level_word(struct card_ctl *c, const char *word, uint64_t *value)
{
	uint64_t channels;

	if (!strncmp(word, "device=", 7))
		return card_describe_device(word + 7, &c->device);
	if (!strncmp(word, "value=", 6))
		return vu_number_parse(word + 6, 0, card_ctl_max(c), value);
	if (strncmp(word, "channels=", 9) ||
	    vu_number_parse(word + 9, 1, SND_CTL_CHANNELS, &channels))
		return -1;
	c->count = (uint8_t)channels;
	return 0;
}

static int describe_level(struct vu_script *script, struct card *card, uint8_t kind, uint32_t n,
			  const char *const *words)
{
	struct card_ctl *c = ctl_new(script, card, words[0]);
	uint64_t value;

	if (!c)
		return -EINVAL;
	c->kind = kind;
	c->count = 2;
	value = card_ctl_max(c);
	c->direction = strcmp(words[1], "capture") ? VIRTIO_SND_D_OUTPUT : VIRTIO_SND_D_INPUT;
	if (c->direction == VIRTIO_SND_D_OUTPUT && strcmp(words[1], "playback"))
		return vu_script_fail(script, "a name, and playback or capture");
	for (uint32_t i = 2; i < n; i++)
		if (level_word(c, words[i], &value))
			return vu_script_failf(script,
					       "'%.64s' is no value= up to %u, channels= up to 8 "
					       "or device=",
					       words[i], card_ctl_max(c));
	for (uint32_t i = 0; i < c->count; i++)
		c->values[i] = (uint32_t)value;
	card->n_ctls++;
	return 0;
}

int card_describe_volume(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	return describe_level(script, opaque, SND_VOLUME, n, words);
}

int card_describe_switch(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	return describe_level(script, opaque, SND_SWITCH, n, words);
}

int card_describe_choice(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	struct card *card = opaque;
	struct card_ctl *c = ctl_new(script, card, words[0]);

	if (!c)
		return -EINVAL;
	c->kind = SND_CHOICE;
	for (uint32_t i = 1; i < n; i++) {
		if (!words[i][0] || strlen(words[i]) >= SND_CTL_ITEM)
			return vu_script_fail(script, "an item has 1 to 63 characters");
		for (uint32_t j = 1; j < i; j++)
			if (!strcmp(words[i], words[j]))
				return vu_script_failf(script, "there is '%.64s' twice", words[i]);
		strcpy(c->items[c->n_items++], words[i]);
	}
	card->n_ctls++;
	return 0;
}
