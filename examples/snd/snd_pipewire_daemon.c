/* SPDX-License-Identifier: MIT */
/*
 * See snd_pipewire.h: the connection to the daemon.
 *
 * Made before the process is shut in, as the socket and PipeWire's libraries lie outside, and never
 * again. Threads of before would not be shut in: PipeWire's is stopped, and started again behind
 * that.
 */
#include "snd_pipewire.h"

#include <errno.h>
#include <spa/utils/names.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { ANSWER_NS = 1000000000, ANSWERS = 30 };

/* What PipeWire loads for a stream, and would not find from within a sandbox; held open. */
static const struct {
	const char *factory, *library;
} kept[] = {
	{SPA_NAME_AUDIO_CONVERT, "audioconvert/libspa-audioconvert"},
	{SPA_NAME_AUDIO_MIXER_DSP, "audiomixer/libspa-audiomixer"},
};

static void on_done(void *data, uint32_t id, int seq)
{
	struct pipewire *p = data;

	if (id == PW_ID_CORE && seq == p->sync)
		p->answered = true;
}

static void on_error(void *data, uint32_t id, int seq, int res, const char *message)
{
	struct pipewire *p = data;

	(void)seq;
	(void)message;
	if (id == PW_ID_CORE && !p->error)
		p->error = res < 0 ? res : -EPIPE;
}

static const struct pw_core_events core_events = {
	PW_VERSION_CORE_EVENTS,
	.done = on_done,
	.error = on_error,
};

/* --- the beginning --- */

static int complain(const char *what, int error)
{
	fprintf(stderr, "vu-snd: pipewire: %s: %s\n", what, strerror(error));
	return -error;
}

static int wait_for_answer(struct pipewire *p)
{
	uint64_t end = card_now() + (uint64_t)ANSWER_NS * ANSWERS;

	p->sync = pw_core_sync(p->core, PW_ID_CORE, 0);
	pw_loop_enter(p->loop);
	while (!p->answered && !p->error && card_now() < end)
		pw_loop_iterate(p->loop, 1000);
	pw_loop_leave(p->loop);
	if (p->answered)
		return 0;
	return complain("the daemon does not answer", p->error ? -p->error : ETIMEDOUT);
}

static int make_context(struct pipewire *p)
{
	struct pw_properties *properties =
		pw_properties_new("support.dbus", "false", "mem.allow-mlock", "false", NULL);

	p->loop = pw_loop_new(NULL);
	if (!p->loop || !properties)
		return complain("a loop", errno);
	p->context = pw_context_new(p->loop, properties, 0);
	if (!p->context)
		return complain("its configuration client.conf and modules", errno);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const struct spa_dict_item item = {SPA_KEY_LIBRARY_NAME, kept[i].library};
		const struct spa_dict dict = SPA_DICT_INIT(&item, 1);

		p->kept[i] = pw_context_load_spa_handle(p->context, kept[i].factory, &dict);
		if (!p->kept[i])
			return complain(kept[i].library, errno);
	}
	return 0;
}

int pipewire_connect(struct pipewire *p)
{
	int ret;

	pw_init(NULL, NULL);
	/* What matters is told here. */
	if (!getenv("PIPEWIRE_DEBUG"))
		pw_log_set_level(SPA_LOG_LEVEL_NONE);
	ret = make_context(p);
	if (ret)
		return ret;
	p->core = pw_context_connect(p->context, NULL, 0);
	if (!p->core)
		return complain("no daemon at PIPEWIRE_REMOTE (pipewire-0) in XDG_RUNTIME_DIR",
				errno);
	pw_core_add_listener(p->core, &p->core_hook, &core_events, p);
	ret = wait_for_answer(p);
	if (!ret)
		ret = pw_data_loop_stop(pw_context_get_data_loop(p->context));
	return ret;
}

/* --- while it runs --- */

static void lose(struct pipewire *p)
{
	vu_device_logf(p->stream->card->dev, VU_LOG_ERROR,
		       "stream %u: pipewire: the daemon is gone (%s): silence until vu-snd is "
		       "started again",
		       p->stream->id, strerror(-p->error));
	pipewire_sound_free(p);
	spa_hook_remove(&p->core_hook);
	pw_core_disconnect(p->core);
	p->core = NULL;
	vu_source_remove(p->source);
	p->source = NULL;
}

static void on_loop(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct pipewire *p = opaque;

	(void)source;
	(void)fd;
	(void)events;
	pw_loop_enter(p->loop);
	pw_loop_iterate(p->loop, 0);
	pw_loop_leave(p->loop);
	if (p->error)
		lose(p);
}

/* What was to be heard at the end of a sound has been. */
static void on_rest(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	(void)source;
	(void)fd;
	(void)expirations;
	pipewire_sound_free(opaque);
}

int pipewire_start(struct pipewire *p)
{
	struct vu_group *group = vu_device_group(p->stream->card->dev);
	int ret = vu_group_add_timer(group, on_rest, p, &p->rest);

	if (!ret)
		ret = vu_group_add_fd(group, pw_loop_get_fd(p->loop), EPOLLIN, on_loop, p,
				      &p->source);
	return ret ? ret : pw_data_loop_start(pw_context_get_data_loop(p->context));
}

void pipewire_disconnect(struct pipewire *p)
{
	pipewire_sound_free(p);
	if (p->core)
		pw_core_disconnect(p->core);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (p->kept[i])
			pw_unload_spa_handle(p->kept[i]);
	if (p->context)
		pw_context_destroy(p->context);
	if (p->loop)
		pw_loop_destroy(p->loop);
	p->core = NULL;
	p->context = NULL;
	p->loop = NULL;
}
