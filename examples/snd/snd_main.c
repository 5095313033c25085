/* SPDX-License-Identifier: MIT */
/* vu-snd's command line. */
#include <errno.h>
#include <string.h>

#include "../common/sandbox.h"
#include "snd.h"

static const struct vu_option options[] = {
	{VU_OPTION_STRING("describe", "FILE", "what the card has: streams, jacks, channel maps",
			  struct card_settings, describe)},
	{VU_OPTION_STRING(
		"playback", "WHERE",
		"where the usual card plays: null (default), alsa=NAME, pipewire=NODE, file=PATH "
		"or wav=PATH",
		struct card_settings, playback)},
	{VU_OPTION_STRING("capture", "WHERE",
			  "what it records: null (default), alsa=NAME, pipewire=NODE, file=PATH, "
			  "wav=PATH, tone=HZ or loopback",
			  struct card_settings, capture)},
	{VU_OPTION_CHOICE("sandbox", "KIND",
			  "shut in by namespaces, chroot, landlock or none; auto (default): by the "
			  "first that can be had",
			  struct card_settings, sandbox, sandbox_names)},
	{.name = NULL},
};

static int create(struct vu_program *program, uint32_t index, void *state)
{
	struct card_settings *settings = vu_program_settings(program);

	if (settings->connects && sandbox_for_connecting("vu-snd", &settings->sandbox))
		return -EINVAL;
	return card_init(state, program, index);
}

static void destroy(void *state)
{
	card_fini(state);
}

static int opened(struct vu_program *program, uint32_t index, void *state)
{
	(void)program;
	(void)index;
	return card_opened(state);
}

int main(int argc, char **argv)
{
	struct card_settings settings = {0};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-snd", "snd", "A vhost-user sound card."),
		VU_PROGRAM_OPTIONS(options, &settings),
		VU_PROGRAM_COMMANDS(card_commands),
		VU_PROGRAM_STATE(struct card, create, destroy),
		.opened = opened,
	};

	/* A front-end that listens is looked for again and again. */
	settings.connects = sandbox_has_option(argc, argv, "--connect");
	return vu_program_main(&info, argc, argv);
}
