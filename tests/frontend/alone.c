/* SPDX-License-Identifier: MIT */
/*
 * A program of somebody else's that uses the test peer and nothing else of this project: it asks a
 * back-end of a few lines for its features, and puts a chain into a ring.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/peer.h"

static void answer(void *opaque)
{
	const int *fd = opaque;
	struct {
		struct wire_header hdr;
		uint64_t value;
	} __attribute__((packed)) reply = {.value = 1};

	if (recv(*fd, &reply.hdr, sizeof(reply.hdr), MSG_DONTWAIT) != sizeof(reply.hdr))
		return;
	reply.hdr.flags = WIRE_VERSION | WIRE_REPLY;
	reply.hdr.size = sizeof(reply.value);
	if (write(*fd, &reply, sizeof(reply)) != sizeof(reply))
		perror("write");
}

static int ask(void)
{
	struct frontend f;
	uint64_t features = 0;
	int backend, ret = frontend_init_pair(&f, &backend);

	if (ret < 0)
		return ret;
	f.pump = answer;
	f.pump_opaque = &backend;
	ret = frontend_get_features(&f, &features);
	if (ret < 0)
		fprintf(stderr, "%s\n", f.error);
	frontend_close(&f);
	close(backend);
	return ret < 0 ? ret : features == 1 ? 0 : -EBADMSG;
}

static int offer(bool packed)
{
	struct peer_config config = {.n_queues = 1, .packed = packed};
	struct driver_seg seg = {.len = 8, .write = true};
	struct peer *peer;
	int ret = peer_new(&config, &peer);

	if (ret < 0)
		return ret;
	seg.gpa = guest_alloc(peer->guest, 8, 8);
	ret = driver_add(peer->queues[0], &seg, 1, NULL);
	if (ret >= 0)
		ret = driver_kick_always(peer->queues[0]);
	peer_free(peer);
	return ret;
}

int main(void)
{
	int ret = ask();

	for (int packed = 0; !ret && packed < 2; packed++)
		ret = offer(packed);
	if (ret)
		fprintf(stderr, "%s\n", strerror(-ret));
	return ret != 0;
}
