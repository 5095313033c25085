/* SPDX-License-Identifier: MIT */
/*
 * The description of a card: a line for each part, docs/devices/snd.md; and the card that there is
 * without one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "snd_backend.h"
#include "snd_describe.h"

#define FORMAT(name) (UINT64_C(1) << VIRTIO_SND_PCM_FMT_##name)
#define RATE(hz)     (UINT64_C(1) << VIRTIO_SND_PCM_RATE_##hz)

enum { REASON = 200, WORD = 32 };

static const struct card_backend *const backends[] = {
	&card_null, &card_file, &card_wav, &card_alsa, &card_pipewire, &card_tone, &card_loopback};

enum { BACKENDS = sizeof(backends) / sizeof(backends[0]) };

const struct card_backend *card_backend_find(const char *text, const char **value)
{
	size_t len = strcspn(text, "=");

	*value = text[len] ? text + len + 1 : NULL;
	for (size_t i = 0; i < BACKENDS; i++)
		if (strlen(backends[i]->name) == len && !strncmp(backends[i]->name, text, len))
			return backends[i];
	return NULL;
}

/* What is wrong with a place that is none for this direction, and which are, of those that were
 * built. */
static const char *no_backend(const char *text, uint8_t direction, char why[REASON])
{
	const char *does = direction == VIRTIO_SND_D_OUTPUT ? "play" : "record";
	const struct card_backend *b, *last = NULL;
	int at = snprintf(why, REASON, "'%.64s' does not %s (valid: ", text, does);

	for (size_t i = 0; i < BACKENDS; i++)
		if (backends[i]->directions & 1u << direction && !backends[i]->missing)
			last = backends[i];
	for (size_t i = 0; i < BACKENDS; i++) {
		b = backends[i];
		if (b->directions & 1u << direction && !b->missing)
			at += snprintf(why + at, (size_t)(REASON - at), "%s%s",
				       b == &card_null ? ""
				       : b == last     ? " or "
						       : ", ",
				       b->name);
	}
	snprintf(why + at, (size_t)(REASON - at), ")");
	return why;
}

/* --- streams --- */

/* The next one; it counts once its back-end is open. */
static struct card_stream *stream_new(struct card *card, uint8_t direction)
{
	struct card_stream *s = &card->streams[card->n_streams];

	if (card->n_streams == SND_MAX_ITEMS)
		return NULL;
	card_stream_init(s, card, card->n_streams);
	s->direction = direction;
	s->channels_min = 1;
	s->channels_max = 2;
	s->formats = FORMAT(S16) | FORMAT(S24) | FORMAT(S32) | FORMAT(FLOAT);
	s->rates = RATE(44100) | RATE(48000) | RATE(96000);
	s->backend = &card_null;
	return s;
}

/* Of the usual formats those that it can have; false: it does not go that way. */
static bool stream_choose(struct card_stream *s, const char *text, const char **value)
{
	const struct card_backend *backend = card_backend_find(text, value);

	if (!backend || !(backend->directions & 1u << s->direction))
		return false;
	s->backend = backend;
	if (backend->formats)
		s->formats &= backend->formats();
	return true;
}

static int stream_open(struct card_stream *s, const char *value)
{
	int ret;

	if (s->backend->missing) {
		fprintf(stderr, "vu-snd: %s: built without %s\n", s->backend->name,
			s->backend->missing);
		return -ENOTSUP;
	}
	ret = s->backend->open ? s->backend->open(s, value) : 0;
	if (!ret && s->backend->formats && s->formats & ~s->backend->formats()) {
		fprintf(stderr, "vu-snd: %s: not in each of the formats\n", s->backend->name);
		ret = -EINVAL;
	}
	if (ret && s->backend->close)
		s->backend->close(s);
	if (!ret)
		s->card->n_streams++;
	return ret;
}

/* Each word between commas; -1: one is wrong. */
static int each_word(const char *text, int (*find)(const char *word, uint64_t *to), uint64_t *to)
{
	char word[WORD];

	*to = 0;
	for (;; text++) {
		size_t len = strcspn(text, ",");

		if (len >= sizeof(word))
			return -1;
		memcpy(word, text, len);
		word[len] = '\0';
		if (find(word, to))
			return -1;
		text += len;
		if (!*text)
			return 0;
	}
}

static int find_format(const char *word, uint64_t *to)
{
	int format = card_format_find(word);

	if (format >= 0)
		*to |= UINT64_C(1) << format;
	return format < 0;
}

static int find_rate(const char *word, uint64_t *to)
{
	uint64_t hz;
	int rate;

	if (vu_number_parse(word, 1, UINT32_MAX, &hz))
		return -1;
	rate = card_rate_find(hz);
	if (rate >= 0)
		*to |= UINT64_C(1) << rate;
	return rate < 0;
}

static int set_formats(struct card_stream *s, const char *value)
{
	if (strcmp(value, "all"))
		return each_word(value, find_format, &s->formats);
	s->formats = s->backend->formats ? s->backend->formats() : (UINT64_C(1) << SND_FORMATS) - 1;
	return 0;
}

static int set_rates(struct card_stream *s, const char *value)
{
	if (strcmp(value, "all"))
		return each_word(value, find_rate, &s->rates);
	s->rates = (UINT64_C(1) << SND_RATES) - 1;
	return 0;
}

static int set_channels(struct card_stream *s, const char *value)
{
	size_t len = strcspn(value, "-");
	const char *dash = value[len] ? value + len : NULL;
	uint64_t min, max;
	char word[WORD];

	if (len >= sizeof(word))
		return -1;
	memcpy(word, value, len);
	word[len] = '\0';
	if (vu_number_parse(word, 1, SND_MAX_CHANNELS, &min))
		return -1;
	max = min;
	if (dash && vu_number_parse(dash + 1, min, SND_MAX_CHANNELS, &max))
		return -1;
	s->channels_min = (uint8_t)min;
	s->channels_max = (uint8_t)max;
	return 0;
}

int card_describe_device(const char *value, uint32_t *device)
{
	uint64_t number;

	if (vu_number_parse(value, 0, SND_MAX_ITEMS - 1, &number))
		return -1;
	*device = (uint32_t)number;
	return 0;
}

static int set_device(struct card_stream *s, const char *value)
{
	return card_describe_device(value, &s->device);
}

static const struct {
	const char *key, *wants;
	int (*set)(struct card_stream *s, const char *value);
} keys[] = {
	{"formats=", "all, or names with commas between, such as S16,FLOAT", set_formats},
	{"rates=", "all, or rates in Hz with commas between, such as 44100,48000", set_rates},
	{"channels=", "a number, or MIN-MAX, up to 64", set_channels},
	{"device=", "a number below 64", set_device},
};

static int stream_word(struct vu_script *script, struct card_stream *s, const char *word)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t len = strlen(keys[i].key);

		if (strncmp(word, keys[i].key, len))
			continue;
		return keys[i].set(s, word + len) ? vu_script_failf(script, "%s %s is wanted",
								    keys[i].key, keys[i].wants)
						  : 0;
	}
	return vu_script_failf(script,
			       "'%.64s' is no formats=, rates=, channels= or device=", word);
}

static int describe_stream(struct vu_script *script, struct card *card, uint8_t direction,
			   uint32_t n, const char *const *words)
{
	struct card_stream *s = stream_new(card, direction);
	const char *value = NULL;
	char why[REASON];
	int ret;

	if (!s)
		return vu_script_fail(script, "there are 64 streams at most");
	if (!stream_choose(s, words[0], &value))
		return vu_script_fail(script, no_backend(words[0], direction, why));
	for (uint32_t i = 1; i < n; i++) {
		ret = stream_word(script, s, words[i]);
		if (ret)
			return ret;
	}
	ret = stream_open(s, value);
	return ret ? vu_script_failf(script, "%.64s cannot be had", words[0]) : 0;
}

static int playback(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	return describe_stream(script, opaque, VIRTIO_SND_D_OUTPUT, n, words);
}

static int capture(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	return describe_stream(script, opaque, VIRTIO_SND_D_INPUT, n, words);
}

/* --- jacks, channel maps --- */

static int find_word(const char *const *table, const char *word)
{
	for (int i = 0; table[i]; i++)
		if (!strcmp(table[i], word))
			return i;
	return -1;
}

static int jack(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct card *card = opaque;
	struct card_jack j = {.connected = true};
	int kind = find_word(card_jack_kinds, words[0]);

	if (kind < 0)
		return vu_script_fail(script,
				      "kinds: line-out speaker headphone cd spdif-out digital-out "
				      "modem-line handset line-in aux mic telephony spdif-in "
				      "digital-in");
	j.kind = (uint8_t)kind;
	for (uint32_t i = 1; i < n; i++)
		if (!strcmp(words[i], "unplugged"))
			j.connected = false;
		else if (strncmp(words[i], "device=", 7) ||
			 card_describe_device(words[i] + 7, &j.device))
			return vu_script_failf(script, "'%.64s' is no unplugged or device=N",
					       words[i]);
	if (card->n_jacks == SND_MAX_ITEMS)
		return vu_script_fail(script, "there are 64 jacks at most");
	card->jacks[card->n_jacks++] = j;
	return 0;
}

static int chmap(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct card *card = opaque;
	struct card_chmap c = {.direction = VIRTIO_SND_D_OUTPUT};

	if (!strcmp(words[0], "capture"))
		c.direction = VIRTIO_SND_D_INPUT;
	else if (strcmp(words[0], "playback"))
		return vu_script_fail(script, "playback or capture, and then positions");
	for (uint32_t i = 1; i < n; i++) {
		int position = find_word(card_positions, words[i]);

		if (!strncmp(words[i], "device=", 7) &&
		    !card_describe_device(words[i] + 7, &c.device))
			continue;
		if (position < 0 || c.channels == VIRTIO_SND_CHMAP_MAX_SIZE)
			return vu_script_failf(script,
					       "'%.64s' is no position, such as FL, or the 19th",
					       words[i]);
		c.positions[c.channels++] = (uint8_t)position;
	}
	if (!c.channels)
		return vu_script_fail(script, "a channel map has 1 to 18 positions, such as FL FR");
	if (card->n_chmaps == SND_MAX_ITEMS)
		return vu_script_fail(script, "there are 64 channel maps at most");
	card->chmaps[card->n_chmaps++] = c;
	return 0;
}

static const struct vu_command lines[] = {
	{"playback", "WHERE [KEY=VALUE...]", "a stream that the driver plays", 1, 8, playback},
	{"capture", "WHERE [KEY=VALUE...]", "a stream that the driver records", 1, 8, capture},
	{"jack", "KIND [unplugged] [device=N]", "a jack", 1, 3, jack},
	{"chmap", "playback|capture POSITION... [device=N]", "where channels are", 2, 20, chmap},
	{"volume", "NAME playback|capture [KEY=VALUE...]", "how loud, from 0 to 100", 2, 5,
	 card_describe_volume},
	{"switch", "NAME playback|capture [KEY=VALUE...]", "sound or silence", 2, 5,
	 card_describe_switch},
	{"choice", "NAME ITEM...", "one of several, for the control socket", 2, 1 + SND_CTL_ITEMS,
	 card_describe_choice},
	{NULL, NULL, NULL, 0, 0, NULL},
};

/* --- the card --- */

static int usual_stream(struct card *card, uint8_t direction, const char *where)
{
	struct card_stream *s = stream_new(card, direction);
	const char *value = NULL;
	char why[REASON];

	if (stream_choose(s, where ? where : "null", &value))
		return stream_open(s, value);
	fprintf(stderr, "vu-snd: %s\n", no_backend(where, direction, why));
	return -EINVAL;
}

static int usual_card(struct card *card)
{
	static const struct card_chmap stereo = {
		.channels = 2,
		.positions = {VIRTIO_SND_CHMAP_FL, VIRTIO_SND_CHMAP_FR},
	};
	static const struct card_ctl ctls[] = {
		{.name = "Master Playback Volume",
		 .kind = SND_VOLUME,
		 .count = 2,
		 .values = {SND_CTL_LOUDEST, SND_CTL_LOUDEST}},
		{.name = "Master Playback Switch",
		 .kind = SND_SWITCH,
		 .count = 2,
		 .values = {1, 1}},
		{.name = "Capture Volume",
		 .kind = SND_VOLUME,
		 .direction = VIRTIO_SND_D_INPUT,
		 .count = 2,
		 .values = {SND_CTL_LOUDEST, SND_CTL_LOUDEST}},
		{.name = "Capture Switch",
		 .kind = SND_SWITCH,
		 .direction = VIRTIO_SND_D_INPUT,
		 .count = 2,
		 .values = {1, 1}},
	};
	int ret = usual_stream(card, VIRTIO_SND_D_OUTPUT, card->settings->playback);

	if (!ret)
		ret = usual_stream(card, VIRTIO_SND_D_INPUT, card->settings->capture);
	card->chmaps[0] = card->chmaps[1] = stereo;
	card->chmaps[1].direction = VIRTIO_SND_D_INPUT;
	card->n_chmaps = 2;
	card->jacks[0] = (struct card_jack){.kind = (uint8_t)find_word(card_jack_kinds, "line-out"),
					    .connected = true};
	card->jacks[1] = (struct card_jack){.kind = (uint8_t)find_word(card_jack_kinds, "mic"),
					    .connected = true};
	card->n_jacks = 2;
	memcpy(card->ctls, ctls, sizeof(ctls));
	card->n_ctls = sizeof(ctls) / sizeof(ctls[0]);
	return ret;
}

int card_describe(struct card *card)
{
	const struct card_settings *settings = card->settings;
	const struct vu_script_info info = {
		.size = sizeof(info),
		.name = "vu-snd",
		.commands = lines,
		.command_size = sizeof(lines[0]),
		.opaque = card,
		.log_level = VU_LOG_WARNING,
	};

	if (!settings->describe)
		return usual_card(card);
	if (!settings->playback && !settings->capture)
		return vu_script_run_file(&info, settings->describe);
	fprintf(stderr, "vu-snd: --playback and --capture are for a card without --describe\n");
	return -EINVAL;
}
