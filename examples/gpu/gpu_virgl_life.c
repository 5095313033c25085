/* SPDX-License-Identifier: MIT */
/* See gpu_virgl.h: the renderer that there is, and the next one. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu_renderer.h"
#include "gpu_spawn.h"
#include "gpu_virgl.h"

#define SECOND UINT64_C(1000000000)

enum { STOP_SECONDS = 60 };
/* Beside what a guest may have there: Mesa, compiled shaders, what is on the way. */
#define RENDERER_BASE (UINT64_C(1) << 30)

/* --- the one that there is --- */

static void drop_renderer(struct virgl *v)
{
	if (v->fd < 0)
		return;
	if (v->source)
		vu_source_remove(v->source);
	v->source = NULL;
	close(v->fd);
	v->fd = -1;
	v->hello_len = 0;
}

/* If there is none, one is being made already, which nobody has asked for anything. */
static void another_renderer(struct virgl *v)
{
	if (v->fd < 0)
		return;
	drop_renderer(v);
	if (spawn_ask(v->spawner))
		v->dead = true;
}

/* Nothing is asked of it any more.  When there is another one the session ends: see on_spawner().
 */
void virgl_lose(struct virgl *v, const char *why)
{
	if (v->lost)
		return;
	v->lost = true;
	v->why = why;
	virgl_forget_messages(v);
	another_renderer(v);
}

/* --- events --- */

void virgl_flush(struct virgl *v)
{
	uint32_t events = EPOLLIN;
	int ret;

	if (v->fd < 0 || v->hello_len < sizeof(v->hello))
		return;
	ret = virgl_write(v);
	if (ret) {
		virgl_lose(v, "it ended");
		return;
	}
	if (v->out)
		events |= EPOLLOUT;
	if (events != v->events && v->source)
		vu_source_set_events(v->source, events);
	v->events = events;
}

/* Its first words; false: it has none that are good. */
static bool read_hello(struct virgl *v)
{
	ssize_t n = recv(v->fd, (unsigned char *)&v->hello + v->hello_len,
			 sizeof(v->hello) - v->hello_len, MSG_DONTWAIT);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	v->hello_len += (uint32_t)n;
	v->hello.error[sizeof(v->hello.error) - 1] = '\0';
	return v->hello_len < sizeof(v->hello) || !v->hello.error[0];
}

/* So many replies at once, and so many bytes of them: others have their turn. */
static void read_replies(struct virgl *v)
{
	enum { TURN = 64 };

	v->turn = VIRGL_TURN;
	for (uint32_t i = 0; i < TURN && !v->lost; i++) {
		int ret = virgl_read(v);

		if (!ret)
			return;
		if (ret < 0 || !virgl_on_reply(v)) {
			virgl_lose(v, ret == -ENOMEM ? "there is no memory for what it says"
				      : ret > 0 || ret == -EPROTO
					      ? "it says what it was not asked for"
					      : "it ended");
			return;
		}
		virgl_next(v);
	}
}

/* The first one worked: this machine has become another. */
static void give_up(struct virgl *v, const char *why)
{
	vu_device_logf(
		v->dev, VU_LOG_ERROR,
		"renderer: no other one can be had: %s: there is no 3D any more, start vu-gpu "
		"again",
		why);
	v->dead = true;
	v->lost = true;
	virgl_forget_messages(v);
	drop_renderer(v);
	/* If it was the spawner that ended, that would be told again and again. */
	vu_source_remove(v->spawner_source);
	v->spawner_source = NULL;
	vu_device_detach(v->dev);
}

static void on_renderer(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct virgl *v = opaque;

	(void)source;
	(void)fd;
	(void)events;
	if (v->hello_len == sizeof(v->hello))
		read_replies(v);
	else if (!read_hello(v))
		give_up(v, v->hello.error[0] ? v->hello.error : "it ended before it began");
	virgl_flush(v);
	v->progress(v->opaque);
}

static void watch_renderer(struct virgl *v)
{
	v->events = EPOLLIN;
	if (vu_group_add_fd(vu_device_group(v->dev), v->fd, EPOLLIN, on_renderer, v, &v->source))
		virgl_lose(v, "it cannot be watched");
	virgl_flush(v);
}

static void log_lost(struct virgl *v, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		vu_device_logf(v->dev, VU_LOG_ERROR,
			       "renderer: it was ended by signal %d (%s): the guest's session "
			       "ends, and the next one has another renderer",
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		vu_device_logf(v->dev, VU_LOG_ERROR,
			       "renderer: %s: the guest's session ends, and the next one has "
			       "another renderer",
			       v->why);
}

/* There is another one, and the one before is no more. */
static void on_spawner(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct virgl *v = opaque;
	struct spawn_answer what = {0};
	int renderer = spawn_answer(v->spawner, false, &what);

	(void)source;
	(void)fd;
	(void)events;
	if (renderer == -EAGAIN)
		return;
	if (v->why)
		log_lost(v, what.status);
	v->why = NULL;
	if (renderer < 0) {
		give_up(v, strerror(-renderer));
		return;
	}
	v->fd = renderer;
	v->pid = what.pid;
	if (v->lost)
		vu_device_detach(v->dev);
	v->lost = false;
	watch_renderer(v);
}

static void on_silence(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	struct virgl *v = opaque;

	(void)source;
	(void)fd;
	(void)expirations;
	if (v->stops)
		virgl_lose(v, "it has not answered for 60 seconds, and the virtual machine waits");
	v->stops = false;
}

/* --- life --- */

static void set_stopping(struct virgl *v, bool stops)
{
	if (stops || v->stops)
		vu_source_set_timer(v->stopping, stops ? STOP_SECONDS * SECOND : 0, 0);
	v->stops = stops;
}

void virgl_stop(struct virgl *v)
{
	virgl_stop_mapping(v);
	if (v->stopping)
		set_stopping(v, v->first || v->fenced);
}

void virgl_stop_answered(struct virgl *v)
{
	if (v->stops)
		set_stopping(v, v->first || v->fenced);
}

void virgl_go_on(struct virgl *v)
{
	set_stopping(v, false);
}

void virgl_end(struct virgl *v)
{
	if (v->spawner < 0)
		return;
	virgl_forget_messages(v);
	virgl_answer_all(v);
	v->failed = false;
	if (v->used && !v->lost)
		another_renderer(v);
	v->used = false;
	v->lost = v->dead;
}

/* Once, before anything is served: it may wait. */
static int first_renderer(struct virgl *v)
{
	struct spawn_answer what = {0};
	int ret = spawn_ask(v->spawner);

	if (!ret)
		v->fd = spawn_answer(v->spawner, true, &what);
	v->pid = what.pid;
	if (!ret && v->fd < 0)
		ret = v->fd;
	while (!ret && v->hello_len < sizeof(v->hello)) {
		ssize_t n = recv(v->fd, (unsigned char *)&v->hello + v->hello_len,
				 sizeof(v->hello) - v->hello_len, 0);

		if (n > 0)
			v->hello_len += (uint32_t)n;
		else if (!n || errno != EINTR)
			ret = n ? -errno : -ECONNRESET;
	}
	v->hello.error[sizeof(v->hello.error) - 1] = '\0';
	if (!ret && v->hello.error[0])
		ret = -ENODEV;
	return ret;
}

static void say(const struct spawn_limits *limits, const char *why)
{
	const char *options = limits->node     ? "--render-node="
			      : !limits->venus ? "--virgl"
			      : limits->virgl  ? "--virgl --venus"
					       : "--venus";

	fprintf(stderr, "vu-gpu: %s%s: %s\n", options, limits->node ? limits->node : "", why);
}

int virgl_start(struct virgl *v, struct card *card, uint64_t hostmem,
		const struct spawn_limits *wanted)
{
	struct spawn_limits limits = *wanted;
	int ret;

	limits.memory = 2 * hostmem + RENDERER_BASE;

	if (!renderer_is_there()) {
		say(&limits, "it was built without virglrenderer (Debian: libvirglrenderer-dev)");
		return -ENOTSUP;
	}
	v->card = card;
	v->spawner = spawn_start(&limits);
	ret = v->spawner < 0 ? v->spawner : first_renderer(v);
	if (ret) {
		say(&limits, v->hello.error[0]	  ? v->hello.error
			     : ret == -ECONNRESET ? "the renderer ended before it began"
						  : strerror(-ret));
		return ret;
	}
	memcpy(card->three.capsets, v->hello.capsets, sizeof(card->three.capsets));
	for (uint32_t i = 0; i < WIRE_CAPSETS; i++)
		if (card->three.capsets[i].size > WIRE_CAPSET_BYTES)
			card->three.capsets[i].size = 0;
	card->three.ask = virgl_ask;
	card->three.unmap = virgl_unmap;
	card->three.opaque = v;
	return 0;
}

int virgl_watch(struct virgl *v, struct vu_device *dev)
{
	struct vu_group *group = vu_device_group(dev);
	int ret;

	v->dev = dev;
	ret = vu_group_add_timer(group, on_silence, v, &v->stopping);
	if (!ret)
		ret = vu_group_add_fd(group, v->spawner, EPOLLIN, on_spawner, v,
				      &v->spawner_source);
	v->window.answered = virgl_mapped;
	v->window.opaque = v;
	v->card->three.window = v->window.len;
	if (!ret)
		watch_renderer(v);
	return ret;
}

void virgl_fini(struct virgl *v)
{
	if (v->spawner < 0)
		return;
	v->lost = true;
	virgl_forget_messages(v);
	virgl_answer_all(v);
	drop_renderer(v);
	if (v->spawner_source)
		vu_source_remove(v->spawner_source);
	close(v->spawner);
	v->spawner = -1;
}
