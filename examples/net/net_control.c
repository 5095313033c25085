/* SPDX-License-Identifier: MIT */
/* The commands of vu-net.  Thread: the device's. */
#include "net.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

static int command_link(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct net *net = opaque;
	bool down = atomic_load_explicit(&net->down, memory_order_relaxed);
	uint16_t status;
	int ret = 0;

	if (n && strcmp(words[0], "up") && strcmp(words[0], "down"))
		return vu_script_fail(script, "up or down, please");
	if (!n) {
		vu_script_answer(script, down ? "down" : "up");
		return 0;
	}
	/* What a guest without buffers left in the socket came while it was down. */
	if (down && !net->threads && net->pairs[0].source)
		pair_receive(&net->pairs[0]);
	down = !strcmp(words[0], "down");
	atomic_store_explicit(&net->down, down, memory_order_relaxed);
	/* A file of packets has no descriptor to wake us. */
	if (!down && !net->threads)
		pair_receive(&net->pairs[0]);
	for (uint32_t i = 0; !ret && i < net->n_pairs; i++)
		ret = pair_tell_link(&net->pairs[i]);
	if (ret)
		return ret;
	status = htole16(down ? 0 : VIRTIO_NET_S_LINK_UP);
	return vu_config_set(net->dev, offsetof(struct virtio_net_config, status), &status,
			     sizeof(status));
}

static uint64_t count_of(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static int command_stats(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	const struct net *net = opaque;

	(void)n;
	(void)words;
	for (uint32_t i = 0; i < net->n_pairs; i++) {
		const struct net_counts *c = &net->pairs[i].counts;

		vu_script_answerf(script,
				  "pair %u sent %" PRIu64 " bytes %" PRIu64 " refused %" PRIu64
				  " lost %" PRIu64 " received %" PRIu64 " bytes %" PRIu64
				  " missed %" PRIu64,
				  i, count_of(&c->sent), count_of(&c->sent_bytes),
				  count_of(&c->refused), count_of(&c->lost), count_of(&c->received),
				  count_of(&c->received_bytes), count_of(&c->missed));
	}
	return 0;
}

const struct vu_command net_commands[] = {
	{"link", "[up|down]", "whether the wire is there; nothing passes while it is down", 0, 1,
	 command_link},
	{"stats", NULL,
	 "packets so far: sent by the guest, refused as malformed, lost; received by "
	 "it, missed",
	 0, 0, command_stats},
	{"switch", NULL,
	 "the ports of the switch: what of each was not passed on, and where which address is", 0,
	 0, net_switch_tell},
	{NULL, NULL, NULL, 0, 0, NULL},
};
