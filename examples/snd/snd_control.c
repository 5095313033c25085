/* SPDX-License-Identifier: MIT */
/* What --control takes and tells: what the streams do, jacks, control elements. */
#include <stdio.h>
#include <string.h>

#include "snd_backend.h"

enum { LINE = 256 };

static const char *const states[] = {
	[SND_IDLE] = "idle",	   [SND_SET] = "set",	      [SND_PREPARED] = "prepared",
	[SND_RUNNING] = "running", [SND_STOPPED] = "stopped",
};

/* Its number, name and values, as a line. */
static const char *ctl_text(const struct card *card, uint32_t id, char text[LINE])
{
	const struct card_ctl *c = &card->ctls[id];
	size_t at = (size_t)snprintf(text, LINE, "control %u \"%s\"", id, c->name);

	for (uint32_t i = 0; i < c->count && at < LINE; i++)
		at += c->kind == SND_CHOICE
			      ? (size_t)snprintf(text + at, LINE - at, " %s",
						 c->items[c->values[i]])
			      : (size_t)snprintf(text + at, LINE - at, " %u", c->values[i]);
	return text;
}

void card_ctl_written(struct card *card, uint32_t id)
{
	char text[LINE];

	vu_script_say(card->script, ctl_text(card, id, text));
}

static int list(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	const struct card *card = opaque;

	(void)n;
	(void)words;
	for (uint32_t i = 0; i < card->n_streams; i++) {
		const struct card_stream *s = &card->streams[i];
		const struct card_params *p = &s->params;

		vu_script_answerf(script, "stream %u %s %s %s %s %u %u", i,
				  s->direction == VIRTIO_SND_D_OUTPUT ? "playback" : "capture",
				  s->backend->name, states[s->state],
				  s->state ? card_formats[p->format].name : "-",
				  s->state ? card_rates[p->rate] : 0, s->state ? p->channels : 0);
	}
	for (uint32_t i = 0; i < card->n_jacks; i++)
		vu_script_answerf(script, "jack %u %s %s", i, card_jack_kinds[card->jacks[i].kind],
				  card->jacks[i].connected ? "plugged" : "unplugged");
	for (uint32_t i = 0; i < card->n_ctls; i++) {
		char text[LINE];

		vu_script_answer(script, ctl_text(card, i, text));
	}
	return 0;
}

static int counters(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	const struct card *card = opaque;

	(void)n;
	(void)words;
	for (uint32_t i = 0; i < card->n_streams; i++) {
		const struct card_stream *s = &card->streams[i];

		vu_script_answerf(script,
				  "stream %u frames %llu messages %llu xruns %u slips %u errors %u",
				  i, (unsigned long long)s->frames, (unsigned long long)s->messages,
				  s->n_xruns, s->n_slips, s->n_errors);
	}
	return 0;
}

static int set_jack(struct vu_script *script, const char *word, struct card *card, bool connected)
{
	struct card_jack *j;
	uint64_t id;

	if (!card->n_jacks || vu_number_parse(word, 0, card->n_jacks - 1, &id))
		return vu_script_fail(script, "which jack?  Its number, from 0");
	j = &card->jacks[id];
	if (j->connected != connected)
		j->owed = true;
	j->connected = connected;
	card_send_events(card);
	return 0;
}

static int plug(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	(void)n;
	return set_jack(script, words[0], opaque, true);
}

static int unplug(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	(void)n;
	return set_jack(script, words[0], opaque, false);
}

/* A number, or what a choice calls it. */
static int ctl_value(const struct card_ctl *c, const char *word, uint32_t *value)
{
	uint64_t number;

	for (uint32_t i = 0; i < c->n_items; i++)
		if (!strcmp(c->items[i], word)) {
			*value = i;
			return 0;
		}
	if (vu_number_parse(word, 0, card_ctl_max(c), &number))
		return -1;
	*value = (uint32_t)number;
	return 0;
}

/* One value is for all channels. */
static int set(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	uint32_t values[SND_CTL_CHANNELS];
	struct card *card = opaque;
	struct card_ctl *c;
	uint64_t id;

	if (!card->n_ctls || vu_number_parse(words[0], 0, card->n_ctls - 1, &id))
		return vu_script_fail(script, "which control?  Its number, from 0");
	c = &card->ctls[id];
	if (n != 2 && n != 1u + c->count)
		return vu_script_failf(script, "one value, or %u", c->count);
	for (uint32_t i = 0; i < c->count; i++)
		if (ctl_value(c, words[n == 2 ? 1 : 1 + i], &values[i]))
			return vu_script_failf(script, "values are 0 to %u", card_ctl_max(c));
	if (card_ctl_set(c, values) > 0)
		c->owed = card->has_ctls;
	card_send_events(card);
	return 0;
}

const struct vu_command card_commands[] = {
	{"list", NULL, "streams and what they do; jacks; controls", 0, 0, list},
	{"counters", NULL, "what went through each stream, and what went wrong", 0, 0, counters},
	{"plug", "JACK", "something is connected to a jack", 1, 1, plug},
	{"unplug", "JACK", "it is taken away", 1, 1, unplug},
	{"set", "CONTROL VALUE...", "a volume, a switch, a choice; of all channels, or of each", 2,
	 1 + SND_CTL_CHANNELS, set},
	{NULL, NULL, NULL, 0, 0, NULL},
};
