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

uint64_t card_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SND_NS + (uint64_t)t.tv_nsec;
}

void card_complain(const struct card *card, const char *what)
{
	vu_device_log_peer(card->dev, VU_LOG_WARNING, what);
}

/* --- time --- */

/* What is played first can be recorded by a loopback. */
static void advance(struct card *card, uint8_t direction, uint64_t now)
{
	for (uint32_t i = 0; i < card->n_streams; i++)
		if (card->streams[i].direction == direction)
			card_stream_advance(&card->streams[i], now);
}

bool card_catch_up(struct card *card, uint64_t now)
{
	bool left = card_take(card, card->tx, now);

	left = card_take(card, card->rx, now) || left;
	advance(card, VIRTIO_SND_D_OUTPUT, now);
	advance(card, VIRTIO_SND_D_INPUT, now);
	return left;
}

void card_plan(struct card *card, uint64_t now)
{
	uint64_t wake = 0;

	for (uint32_t i = 0; i < card->n_streams; i++)
		if (card->streams[i].wake && (!wake || card->streams[i].wake < wake))
			wake = card->streams[i].wake;
	card_send_events(card);
	if (wake)
		wake = wake > now + MIN_SLEEP ? wake - now : MIN_SLEEP;
	vu_source_set_timer(card->timer, wake, 0);
}

static void on_timer(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	uint64_t now = card_now();

	(void)source;
	(void)fd;
	(void)expirations;
	card_catch_up(opaque, now);
	card_plan(opaque, now);
}

/* --- queues --- */

static bool is_release(const unsigned char *in, size_t len)
{
	struct virtio_snd_hdr head;

	memcpy(&head, in, sizeof(head));
	return len >= sizeof(head) && le32toh(head.code) == VIRTIO_SND_R_PCM_RELEASE;
}

/* left: messages are still in a ring, maybe of the stream that is to be released. */
static void answer(struct card *card, struct vu_req *req, uint64_t now, bool left)
{
	unsigned char in[SND_MAX_REQUEST] = {0};
	size_t len = vu_req_read(req, 0, in, sizeof(in));
	uint64_t room = req->writable_len < SND_MAX_ANSWER ? req->writable_len : SND_MAX_ANSWER;

	/* With their turn comes that of this one. */
	if (left && is_release(in, len) && !vu_req_put_back(req)) {
		card->postponed = true;
		return;
	}
	len = card_answer(card, now, in, len, card->answer, (size_t)room);
	/* RELEASE is answered behind the messages that it ends. */
	vu_queue_signal(card->tx);
	vu_queue_signal(card->rx);
	vu_req_complete(req, vu_req_write(req, 0, card->answer, len));
}

static void serve_control(struct card *card, uint64_t now, bool left)
{
	struct vu_req *req;

	card->postponed = false;
	while (!card->postponed && vu_queue_next(card->control, &req) == 1)
		answer(card, req, now, left);
}

static void thaw(struct card *card, uint8_t direction, uint64_t now)
{
	for (uint32_t i = 0; i < card->n_streams; i++)
		if (card->streams[i].frozen && card->streams[i].direction == direction)
			card_stream_thaw(&card->streams[i], now);
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct card *card = opaque;
	uint64_t now = card_now();
	bool left;

	if (queue == card->tx)
		thaw(card, VIRTIO_SND_D_OUTPUT, now);
	if (queue == card->rx)
		thaw(card, VIRTIO_SND_D_INPUT, now);
	/* A driver sends messages before the request that they are for. */
	left = card_catch_up(card, now);
	if (queue == card->control || card->postponed)
		serve_control(card, now, left);
	card_plan(card, now);
}

static void queue_stop(struct vu_queue *queue, void *opaque)
{
	struct card *card = opaque;
	uint64_t now = card_now();

	if (queue != card->tx && queue != card->rx)
		return;
	advance(card, queue == card->tx ? VIRTIO_SND_D_OUTPUT : VIRTIO_SND_D_INPUT, now);
	for (uint32_t i = 0; i < card->n_streams; i++)
		if ((card->streams[i].direction == VIRTIO_SND_D_OUTPUT) == (queue == card->tx))
			card_stream_freeze(&card->streams[i]);
	card_put_back(card, queue);
	card_plan(card, now);
}

static int started(struct vu_device *dev, void *opaque)
{
	struct card *card = opaque;

	card->has_ctls = vu_device_features(dev) & 1 << SND_F_CTLS;
	return 0;
}

/*
 * Only here everything is forgotten: a front-end that pauses its guest stops the rings, and may
 * reset the device, as one does whose guest reboots.  See card_pcm_info() for the latter.
 */
static void session_end(struct vu_device *dev, int why, void *opaque)
{
	struct card *card = opaque;

	(void)dev;
	(void)why;
	for (uint32_t i = 0; i < card->n_streams; i++)
		card_stream_reset(&card->streams[i]);
	for (uint32_t i = 0; i < card->n_jacks; i++)
		card->jacks[i].owed = false; /* the next driver asks */
	for (uint32_t i = 0; i < card->n_ctls; i++)
		card->ctls[i].owed = false;
	vu_source_set_timer(card->timer, 0, 0);
}

/* --- what the process gives up --- */

/* What kind of file a front-end sent (memory on a disk) is read in /proc. */
static const int calls[] = {
	SYS_openat,   SYS_statx, SYS_readlinkat,
#ifdef SYS_readlink
	SYS_readlink,
#endif
	SYS_ioctl, /* the last: of sound cards */
};

static size_t n_calls(const struct card *card)
{
	size_t n = sizeof(calls) / sizeof(calls[0]) - 1;

	for (uint32_t i = 0; i < card->n_streams; i++)
		if (card->streams[i].backend == &card_alsa)
			return n + 1;
	return n;
}

static int shut_in(const struct card *card, struct sandbox *sandbox)
{
	const struct card_settings *settings = card->settings;
	const struct sandbox_needs needs = {
		.program = "vu-snd",
		.calls = calls,
		.n_calls = n_calls(card),
		.connects = settings->connects,
	};
	int ret = sandbox_enter(sandbox);

	if (ret || settings->sandbox == SANDBOX_NONE)
		return ret;
	return sandbox_give_up(&needs, &sandbox->failed);
}

static int enter(struct card *card)
{
	struct card_settings *settings = card->settings;
	/* Where there is nothing to be had. */
	struct sandbox sandbox = {.kind = settings->sandbox, .dir = "/proc/self/fdinfo"};
	int ret;

	if (settings->shut_in)
		return 0;
	ret = shut_in(card, &sandbox);
	if (sandbox.proc_fd >= 0)
		close(sandbox.proc_fd);
	if (ret) {
		vu_device_logf(card->dev, VU_LOG_ERROR,
			       "sandbox: %s: %s; --sandbox=none does without", sandbox.failed,
			       strerror(-ret));
		return ret;
	}
	settings->shut_in = true;
	vu_device_logf(card->dev, VU_LOG_INFO, "sandbox: %s", sandbox_names[sandbox.kind]);
	return 0;
}

int card_opened(struct card *card)
{
	int ret = enter(card);

	for (uint32_t i = 0; i < card->n_streams && !ret; i++)
		if (card->streams[i].backend->opened)
			ret = card->streams[i].backend->opened(&card->streams[i]);
	return ret;
}

/* --- life --- */

static int make_device(struct card *card)
{
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_end = session_end,
		.started = started,
		.queue_ready = queue_ready,
		.queue_stop = queue_stop,
	};
	const struct config config = {
		.jacks = htole32(card->n_jacks),
		.streams = htole32(card->n_streams),
		.chmaps = htole32(card->n_chmaps),
		.controls = htole32(card->n_ctls),
	};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = SND_ID,
		.n_queues = VIRTIO_SND_VQ_MAX,
		.features = card->n_ctls ? 1 << SND_F_CTLS : 0,
		.config = &config,
		.config_size = sizeof(config),
		.max_queue_size = MAX_QUEUE_SIZE,
		.priv_size = sizeof(struct card_msg),
	};
	int ret = vu_program_add_device(card->program, &info, &ops, card, &card->dev);

	if (ret)
		return ret;
	card->control = vu_device_queue(card->dev, VIRTIO_SND_VQ_CONTROL);
	card->events = vu_device_queue(card->dev, VIRTIO_SND_VQ_EVENT);
	card->tx = vu_device_queue(card->dev, VIRTIO_SND_VQ_TX);
	card->rx = vu_device_queue(card->dev, VIRTIO_SND_VQ_RX);
	return vu_group_add_timer(vu_device_group(card->dev), on_timer, card, &card->timer);
}

int card_init(struct card *card, struct vu_program *program, uint32_t index)
{
	int ret;

	card->settings = vu_program_settings(program);
	card->program = program;
	card->index = index;
	ret = card_describe(card);
	if (!ret)
		ret = make_device(card);
	return ret ? ret : vu_program_add_control(program, NULL, card, &card->script);
}

void card_fini(struct card *card)
{
	for (uint32_t i = 0; i < card->n_streams; i++)
		if (card->streams[i].backend->close)
			card->streams[i].backend->close(&card->streams[i]);
}
