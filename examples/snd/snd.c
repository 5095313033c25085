/* SPDX-License-Identifier: MIT */
/*
 * vu-snd: a sound card (virtio 1.3 §5.14).
 *
 * Here: the virtio device, its four queues, its one timer, and what the process gives up.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../common/sandbox.h"
#include "snd_backend.h"

/* Periods of a frame each would keep this thread from the cards beside. */
enum { MIN_SLEEP = 200000 /* ns */ };
enum { SND_ID = 25, MAX_QUEUE_SIZE = 1024 };

/* Debian 12's header ends before controls. */
struct config {
	uint32_t jacks, streams, chmaps, controls;
};

uint64_t snd_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SND_NS + (uint64_t)t.tv_nsec;
}

void snd_complain(const struct snd *snd, const char *what)
{
	vu_device_log_peer(snd->dev, VU_LOG_WARNING, what);
}

/* --- time --- */

/* What is played first can be recorded by a loopback. */
static void advance(struct snd *snd, uint8_t direction, uint64_t now)
{
	for (uint32_t i = 0; i < snd->n_streams; i++)
		if (snd->streams[i].direction == direction)
			snd_stream_advance(&snd->streams[i], now);
}

bool snd_catch_up(struct snd *snd, uint64_t now)
{
	bool left = snd_take(snd, snd->tx, now);

	left = snd_take(snd, snd->rx, now) || left;
	advance(snd, VIRTIO_SND_D_OUTPUT, now);
	advance(snd, VIRTIO_SND_D_INPUT, now);
	return left;
}

void snd_plan(struct snd *snd, uint64_t now)
{
	uint64_t wake = 0;

	for (uint32_t i = 0; i < snd->n_streams; i++)
		if (snd->streams[i].wake && (!wake || snd->streams[i].wake < wake))
			wake = snd->streams[i].wake;
	snd_send_events(snd);
	if (wake)
		wake = wake > now + MIN_SLEEP ? wake - now : MIN_SLEEP;
	vu_source_set_timer(snd->timer, wake, 0);
}

static void on_timer(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	uint64_t now = snd_now();

	(void)source;
	(void)fd;
	(void)expirations;
	snd_catch_up(opaque, now);
	snd_plan(opaque, now);
}

/* --- queues --- */

static bool is_release(const unsigned char *in, size_t len)
{
	struct virtio_snd_hdr head;

	memcpy(&head, in, sizeof(head));
	return len >= sizeof(head) && le32toh(head.code) == VIRTIO_SND_R_PCM_RELEASE;
}

/* left: messages are still in a ring, maybe of the stream that is to be released. */
static void answer(struct snd *snd, struct vu_req *req, uint64_t now, bool left)
{
	unsigned char in[SND_MAX_REQUEST] = {0};
	size_t len = vu_req_read(req, 0, in, sizeof(in));
	uint64_t room = req->writable_len < SND_MAX_ANSWER ? req->writable_len : SND_MAX_ANSWER;

	/* With their turn comes that of this one. */
	if (left && is_release(in, len) && !vu_req_put_back(req)) {
		snd->postponed = true;
		return;
	}
	len = snd_answer(snd, now, in, len, snd->answer, (size_t)room);
	/* RELEASE is answered behind the messages that it ends. */
	vu_queue_signal(snd->tx);
	vu_queue_signal(snd->rx);
	vu_req_complete(req, vu_req_write(req, 0, snd->answer, len));
}

static void serve_control(struct snd *snd, uint64_t now, bool left)
{
	struct vu_req *req;

	snd->postponed = false;
	while (!snd->postponed && vu_queue_next(snd->control, &req) == 1)
		answer(snd, req, now, left);
}

static void thaw(struct snd *snd, uint8_t direction, uint64_t now)
{
	for (uint32_t i = 0; i < snd->n_streams; i++)
		if (snd->streams[i].frozen && snd->streams[i].direction == direction)
			snd_stream_thaw(&snd->streams[i], now);
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct snd *snd = opaque;
	uint64_t now = snd_now();
	bool left;

	if (queue == snd->tx)
		thaw(snd, VIRTIO_SND_D_OUTPUT, now);
	if (queue == snd->rx)
		thaw(snd, VIRTIO_SND_D_INPUT, now);
	/* A driver sends messages before the request that they are for. */
	left = snd_catch_up(snd, now);
	if (queue == snd->control || snd->postponed)
		serve_control(snd, now, left);
	snd_plan(snd, now);
}

static void queue_stop(struct vu_queue *queue, void *opaque)
{
	struct snd *snd = opaque;
	uint64_t now = snd_now();

	if (queue != snd->tx && queue != snd->rx)
		return;
	advance(snd, queue == snd->tx ? VIRTIO_SND_D_OUTPUT : VIRTIO_SND_D_INPUT, now);
	for (uint32_t i = 0; i < snd->n_streams; i++)
		if ((snd->streams[i].direction == VIRTIO_SND_D_OUTPUT) == (queue == snd->tx))
			snd_stream_freeze(&snd->streams[i]);
	snd_put_back(snd, queue);
	snd_plan(snd, now);
}

static int started(struct vu_device *dev, void *opaque)
{
	struct snd *snd = opaque;

	snd->has_ctls = vu_device_features(dev) & 1 << SND_F_CTLS;
	return 0;
}

/*
 * Only here everything is forgotten: a front-end that pauses its guest stops the rings, and may
 * reset the device, as one does whose guest reboots.  See snd_pcm_info() for the latter.
 */
static void session_end(struct vu_device *dev, int why, void *opaque)
{
	struct snd *snd = opaque;

	(void)dev;
	(void)why;
	for (uint32_t i = 0; i < snd->n_streams; i++)
		snd_stream_reset(&snd->streams[i]);
	for (uint32_t i = 0; i < snd->n_jacks; i++)
		snd->jacks[i].owed = false; /* the next driver asks */
	for (uint32_t i = 0; i < snd->n_ctls; i++)
		snd->ctls[i].owed = false;
	vu_source_set_timer(snd->timer, 0, 0);
}

/* --- what the process gives up --- */

/* What kind of file a front-end sent (memory on a disk) is read in /proc. */
static const int calls[] = {
	SYS_openat,
	SYS_statx,
	SYS_readlinkat,
#ifdef SYS_readlink
	SYS_readlink,
#endif
};

static int shut_in(const struct snd_settings *settings, struct sandbox *sandbox)
{
	const struct sandbox_needs needs = {
		.calls = calls,
		.n_calls = sizeof(calls) / sizeof(calls[0]),
		.network = settings->connects,
	};
	int ret = sandbox_enter(sandbox);

	if (ret || settings->sandbox == SANDBOX_NONE)
		return ret;
	return sandbox_give_up(&needs, &sandbox->failed);
}

int snd_opened(struct snd *snd)
{
	struct snd_settings *settings = snd->settings;
	/* Where there is nothing to be had. */
	struct sandbox sandbox = {.kind = settings->sandbox, .dir = "/proc/self/fdinfo"};
	int ret;

	if (settings->shut_in)
		return 0;
	ret = shut_in(settings, &sandbox);
	if (sandbox.proc_fd >= 0)
		close(sandbox.proc_fd);
	if (ret) {
		vu_device_logf(snd->dev, VU_LOG_ERROR,
			       "sandbox: %s: %s; --sandbox=none does without", sandbox.failed,
			       strerror(-ret));
		return ret;
	}
	settings->shut_in = true;
	vu_device_logf(snd->dev, VU_LOG_INFO, "sandbox: %s", sandbox_names[sandbox.kind]);
	return 0;
}

/* --- life --- */

static int make_device(struct snd *snd)
{
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_end = session_end,
		.started = started,
		.queue_ready = queue_ready,
		.queue_stop = queue_stop,
	};
	const struct config config = {
		.jacks = htole32(snd->n_jacks),
		.streams = htole32(snd->n_streams),
		.chmaps = htole32(snd->n_chmaps),
		.controls = htole32(snd->n_ctls),
	};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = SND_ID,
		.n_queues = VIRTIO_SND_VQ_MAX,
		.features = snd->n_ctls ? 1 << SND_F_CTLS : 0,
		.config = &config,
		.config_size = sizeof(config),
		.max_queue_size = MAX_QUEUE_SIZE,
		.priv_size = sizeof(struct snd_msg),
	};
	int ret = vu_program_add_device(snd->program, &info, &ops, snd, &snd->dev);

	if (ret)
		return ret;
	snd->control = vu_device_queue(snd->dev, VIRTIO_SND_VQ_CONTROL);
	snd->events = vu_device_queue(snd->dev, VIRTIO_SND_VQ_EVENT);
	snd->tx = vu_device_queue(snd->dev, VIRTIO_SND_VQ_TX);
	snd->rx = vu_device_queue(snd->dev, VIRTIO_SND_VQ_RX);
	return vu_group_add_timer(vu_device_group(snd->dev), on_timer, snd, &snd->timer);
}

int snd_init(struct snd *snd, struct vu_program *program, uint32_t index)
{
	int ret;

	snd->settings = vu_program_settings(program);
	snd->program = program;
	snd->index = index;
	ret = snd_describe(snd);
	if (!ret)
		ret = make_device(snd);
	return ret ? ret : vu_program_add_control(program, NULL, snd, &snd->script);
}

void snd_fini(struct snd *snd)
{
	for (uint32_t i = 0; i < snd->n_streams; i++)
		if (snd->streams[i].backend->close)
			snd->streams[i].backend->close(&snd->streams[i]);
}
