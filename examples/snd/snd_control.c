/* SPDX-License-Identifier: MIT */
/* What --control takes: what the streams do, and jacks. */
#include "snd_backend.h"

static const char *const states[] = {
	[SND_IDLE] = "idle",	   [SND_SET] = "set",	      [SND_PREPARED] = "prepared",
	[SND_RUNNING] = "running", [SND_STOPPED] = "stopped",
};

static int list(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	const struct snd *snd = opaque;

	(void)n;
	(void)words;
	for (uint32_t i = 0; i < snd->n_streams; i++) {
		const struct snd_stream *s = &snd->streams[i];
		const struct snd_params *p = &s->params;

		vu_script_answerf(script, "stream %u %s %s %s %s %u %u", i,
				  s->direction == VIRTIO_SND_D_OUTPUT ? "playback" : "capture",
				  s->backend->name, states[s->state],
				  s->state ? snd_formats[p->format].name : "-",
				  s->state ? snd_rates[p->rate] : 0, s->state ? p->channels : 0);
	}
	for (uint32_t i = 0; i < snd->n_jacks; i++)
		vu_script_answerf(script, "jack %u %s %s", i, snd_jack_kinds[snd->jacks[i].kind],
				  snd->jacks[i].connected ? "plugged" : "unplugged");
	return 0;
}

static int counters(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	const struct snd *snd = opaque;

	(void)n;
	(void)words;
	for (uint32_t i = 0; i < snd->n_streams; i++) {
		const struct snd_stream *s = &snd->streams[i];

		vu_script_answerf(script,
				  "stream %u frames %llu messages %llu xruns %u slips %u errors %u",
				  i, (unsigned long long)s->frames, (unsigned long long)s->messages,
				  s->n_xruns, s->n_slips, s->n_errors);
	}
	return 0;
}

static int set_jack(struct vu_script *script, const char *word, struct snd *snd, bool connected)
{
	struct snd_jack *j;
	uint64_t id;

	if (!snd->n_jacks || vu_number_parse(word, 0, snd->n_jacks - 1, &id))
		return vu_script_fail(script, "which jack?  Its number, from 0");
	j = &snd->jacks[id];
	if (j->connected != connected)
		j->owed = true;
	j->connected = connected;
	snd_send_events(snd);
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

const struct vu_command snd_commands[] = {
	{"list", NULL, "streams and what they do; jacks", 0, 0, list},
	{"counters", NULL, "what went through each stream, and what went wrong", 0, 0, counters},
	{"plug", "JACK", "something is connected to a jack", 1, 1, plug},
	{"unplug", "JACK", "it is taken away", 1, 1, unplug},
	{NULL, NULL, NULL, 0, 0, NULL},
};
