/* SPDX-License-Identifier: MIT */
/*
 * The back-end channel, and a front-end that answers what nobody asked: replies out of order, of
 * any size, with descriptors or without, cut off anywhere.  Each request of the device's is heard
 * of exactly once, and the session lives.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "frontend/peer.h"
#include "fuzz.h"

enum { MAX_ASKED = 64 };

static struct vu_device *dev;
static struct peer *peer;
static uint32_t asked, heard;

static void pump(void *opaque)
{
	(void)opaque;
	while (vu_device_process(dev) & VU_PROCESS_MORE)
		;
}

static int get(struct vu_device *d, const uint8_t *uuid, struct vu_answer *answer, void *opaque)
{
	(void)d;
	(void)uuid;
	(void)answer;
	(void)opaque;
	return -ENOENT;
}

static void on_heard(struct vu_device *d, int result, void *opaque)
{
	(void)d;
	heard++;
	if (opaque && result >= 0)
		close(result);
}

static void ignore(void *opaque, enum vu_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void make(void)
{
	static const struct vu_shared_object_ops ops = {.size = sizeof(ops), .get = get};
	const struct vu_device_info info = {.size = sizeof(info),
					    .device_id = 42,
					    .n_queues = 1,
					    .config_size = 8,
					    .log_fn = ignore};
	const struct peer_config config = {.n_queues = 1, .pump = pump};

	if (vu_device_new(&info, NULL, NULL, &dev) || vu_device_set_shared_object_ops(dev, &ops) ||
	    peer_new(&config, &peer))
		abort();
}

static void ask(uint8_t what)
{
	static const uint8_t uuid[16] = {1};
	int err;

	if (asked == MAX_ASKED)
		return;
	if (what % 3 == 0)
		err = vu_device_share(dev, uuid, on_heard, NULL);
	else if (what % 3 == 1)
		err = vu_device_unshare(dev, uuid, on_heard, NULL);
	else
		err = vu_device_lookup(dev, uuid, on_heard, dev);
	asked += !err;
	pump(NULL);
}

/* A reply, more or less. */
static void answer(struct fuzz_input *in)
{
	struct {
		struct wire_header hdr;
		unsigned char payload[24];
	} msg = {.hdr = {fuzz_u8(in) % 12, fuzz_u8(in) % 16, fuzz_u8(in) % 32}};
	uint32_t n_fds = fuzz_u8(in) % 3, bytes = fuzz_u8(in) % sizeof(msg);
	int fds[2] = {STDERR_FILENO, peer->guest->regions[0].fd};

	/* The usual one, mostly. */
	if (fuzz_u8(in) % 2) {
		msg.hdr.flags = WIRE_VERSION | WIRE_REPLY;
		msg.hdr.size = 8;
		bytes = sizeof(msg.hdr) + 8;
		msg.payload[0] = fuzz_u8(in) % 2;
		n_fds = n_fds ? 1 : 0;
		fds[0] = fds[1];
	}
	if (peer->frontend.channel_fd >= 0)
		(void)frontend_io_send(&peer->frontend, peer->frontend.channel_fd, &msg, bytes, fds,
				       bytes ? n_fds : 0);
	pump(NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	uint64_t value = 0;
	int fd;

	if (!dev)
		make();
	asked = heard = 0;
	if (peer_open(peer, &fd) || vu_device_attach(dev, fd) || peer_start(peer))
		abort();
	while (in.at < in.end) {
		uint8_t what = fuzz_u8(&in);

		if (what % 4 == 0)
			answer(&in);
		else if (what % 4 == 1)
			ask(what / 4);
		else if (what % 16 == 2)
			(void)frontend_open_channel(&peer->frontend);
		else
			(void)vu_config_set(dev, 0, &what, 1);
	}
	/* Whatever came there, this side lives. */
	if (frontend_get_config(&peer->frontend, 0, &value, sizeof(value)))
		abort();
	peer_disconnect(peer);
	for (int i = 0; i < 100 && vu_device_is_attached(dev); i++)
		pump(NULL);
	if (heard != asked || vu_device_is_attached(dev))
		abort();
	return 0;
}
