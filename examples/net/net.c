/* SPDX-License-Identifier: MIT */
/*
 * vu-net: a network card (virtio 1.3 §5.1).
 *
 * Here: the command line, the device, its configuration space, and what a front-end tells it beside
 * virtio.  The control queue is the front-end's.
 */
#include "net.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NET_ID = 1, MIN_MTU = 68 };

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	(void)opaque;
	pair_queue_ready(vu_queue_opaque(queue), queue);
}

static int started(struct vu_device *dev, void *opaque)
{
	struct net *net = opaque;
	int ret = 0;

	for (uint32_t i = 0; !ret && i < net->n_pairs; i++)
		ret = pair_configure(&net->pairs[i], vu_device_features(dev));
	return ret;
}

static int net_use_mtu(struct net *net, uint16_t mtu)
{
	uint16_t little = htole16(mtu);

	atomic_store_explicit(&net->mtu, mtu, memory_order_relaxed);
	return vu_config_set(net->dev, offsetof(struct virtio_net_config, mtu), &little,
			     sizeof(little));
}

static int set_mtu(struct vu_device *dev, uint16_t mtu, struct vu_answer *answer, void *opaque)
{
	(void)dev;
	(void)answer;
	return mtu < MIN_MTU ? -EINVAL : net_use_mtu(opaque, mtu);
}

/* What a front-end said of the MTU goes with it. */
static void session_end(struct vu_device *dev, int why, void *opaque)
{
	struct net *net = opaque;

	(void)dev;
	(void)why;
	net_use_mtu(net, (uint16_t)net->settings->mtu);
}

/* "I am here now": a request of RFC 903, as QEMU's own announcements are. */
static int send_rarp(struct vu_device *dev, const uint8_t *mac, struct vu_answer *answer,
		     void *opaque)
{
	static const unsigned char between[] = {0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3};
	enum { LEN = 60, SENDER = 22, TARGET = 32 };
	struct net *net = opaque;
	struct net_end *end = &net->pairs[0].end;
	struct virtio_net_hdr_v1 header = {0};
	int ret;
	unsigned char frame[LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const struct iovec iov[] = {{&header, end->pair->header}, {frame, LEN}};

	(void)dev;
	(void)answer;
	memcpy(frame + NET_ADDRESS, mac, NET_ADDRESS);
	memcpy(frame + 2 * NET_ADDRESS, between, sizeof(between));
	memcpy(frame + SENDER, mac, NET_ADDRESS);
	memcpy(frame + TARGET, mac, NET_ADDRESS);
	if (!end->ops->announces || atomic_load_explicit(&net->down, memory_order_relaxed))
		return 0;
	ret = end->ops->send(end, iov, 2);
	if (end->ops->sent)
		end->ops->sent(end);
	return ret;
}

/* --- life --- */

/* Six times two digits of base 16, with a colon between. */
static int parse_mac(const char *text, uint8_t mac[NET_ADDRESS])
{
	static const char form[] = "xx:xx:xx:xx:xx:xx";
	unsigned int any = 0;

	if (strlen(text) != strlen(form))
		return -EINVAL;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == ':' ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return -EINVAL;
	for (int i = 0; i < NET_ADDRESS; i++)
		any |= mac[i] = (uint8_t)strtoul(text + 3 * i, NULL, 16);
	/* A group's is nobody's; Linux does not bring up a card of nothing but zeros. */
	return any && !(mac[0] & 1) ? 0 : -EINVAL;
}

/* The next device's is the next one. */
static int net_mac(struct net *net)
{
	uint32_t last;

	if (!net->settings->mac)
		return 0;
	if (parse_mac(net->settings->mac, net->mac)) {
		fprintf(stderr, "vu-net: --mac=%s: an address as 52:54:00:12:34:56, please\n",
			net->settings->mac);
		return -EINVAL;
	}
	memcpy(&last, net->mac + 2, sizeof(last));
	last = htobe32(be32toh(last) + net->index);
	memcpy(net->mac + 2, &last, sizeof(last));
	return 0;
}

static int net_make_device(struct net *net)
{
	const struct net_settings *s = net->settings;
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_end = session_end,
		.started = started,
		.queue_ready = queue_ready,
	};
	const struct vu_net_ops net_ops = {
		.size = sizeof(net_ops), .set_mtu = set_mtu, .send_rarp = send_rarp};
	struct virtio_net_config config = {
		.status = htole16(VIRTIO_NET_S_LINK_UP),
		.max_virtqueue_pairs = htole16((uint16_t)net->n_pairs),
		.mtu = htole16((uint16_t)s->mtu),
	};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = NET_ID,
		.n_queues = 2 * net->n_pairs,
		.features = NET_BIT(VIRTIO_NET_F_MRG_RXBUF) | NET_BIT(VIRTIO_NET_F_STATUS) |
			    (s->mac ? NET_BIT(VIRTIO_NET_F_MAC) : 0) |
			    (s->mtu ? NET_BIT(VIRTIO_NET_F_MTU) : 0) |
			    (s->announce ? NET_BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) : 0) |
			    (net->n_pairs > 1 ? NET_BIT(VIRTIO_NET_F_MQ) : 0) |
			    (s->in_order ? NET_BIT(VU_F_IN_ORDER) : 0) | net->offloads,
		.config = &config,
		.config_size = offsetof(struct virtio_net_config, speed),
		.max_queue_size = (uint32_t)s->queue_size,
		.max_segs = NET_MAX_SEGS,
		.flags = VU_DEVICE_LEGACY,
	};
	int ret;

	memcpy(config.mac, net->mac, NET_ADDRESS);
	ret = vu_program_add_device(net->program, &info, &ops, net, &net->dev);
	return ret ? ret : vu_device_set_net_ops(net->dev, &net_ops);
}

static int net_make_pair(struct net *net, struct net_pair *pair)
{
	const struct vu_queue_info sends = {.size = sizeof(sends), .discard_when_disabled = 1};
	int ret;

	pair->rx = vu_device_queue(net->dev, 2 * pair->index);
	pair->tx = vu_device_queue(net->dev, 2 * pair->index + 1);
	vu_queue_set_opaque(pair->rx, pair);
	vu_queue_set_opaque(pair->tx, pair);
	ret = vu_queue_configure(pair->tx, &sends);
	if (ret || !net->threads)
		return ret;
	ret = vu_group_new(&pair->own_group);
	if (!ret)
		ret = vu_queue_set_group(pair->rx, pair->own_group);
	if (!ret)
		ret = vu_queue_set_group(pair->tx, pair->own_group);
	return ret ? ret : vu_program_add_worker(net->program, pair->own_group);
}

static int net_make_pairs(struct net *net)
{
	int ret = 0;

	net->pairs = calloc(net->settings->pairs, sizeof(net->pairs[0]));
	if (!net->pairs)
		return -ENOMEM;
	for (; !ret && net->n_pairs < net->settings->pairs; net->n_pairs++)
		ret = pair_init(&net->pairs[net->n_pairs], net, net->n_pairs);
	return ret;
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	struct net *net = state;
	int ret;

	net->program = program;
	net->settings = vu_program_settings(program);
	net->index = index;
	atomic_init(&net->mtu, (unsigned int)net->settings->mtu);
	ret = net_mac(net);
	if (!ret)
		ret = net_make_pairs(net);
	if (!ret)
		ret = net_open_ends(net);
	if (!ret)
		ret = net_make_device(net);
	for (uint32_t i = 0; !ret && i < net->n_pairs; i++)
		ret = net_make_pair(net, &net->pairs[i]);
	if (!ret)
		ret = net_begin_ends(net);
	return ret ? ret : vu_program_add_control(program, NULL, net, NULL);
}

static void destroy(void *state)
{
	struct net *net = state;

	for (uint32_t i = 0; i < net->n_pairs; i++)
		pair_fini(&net->pairs[i]);
	free(net->pairs);
}

static int opened(struct vu_program *program, uint32_t index, void *state)
{
	struct net_settings *settings = vu_program_settings(program);
	struct shut_in *s = &settings->shut_in;
	const struct net *net = state;
	int ret = index ? 0 : net_switch_check(settings);

	if (ret)
		return ret;
	if (!strncmp(settings->backend, "tap:", strlen("tap:"))) {
		s->needs.ioctls = net_tap_ioctls;
		s->needs.n_ioctls = NET_TAP_IOCTLS;
	}
	if (!strncmp(settings->backend, "socket:", strlen("socket:")))
		s->needs.connects = true;
	if (!strncmp(settings->backend, "dgram:", strlen("dgram:"))) {
		s->needs.connects = true;
		s->needs.calls = net_dgram_calls;
		s->needs.n_calls = NET_DGRAM_CALLS;
	}
	return shut_in_enter(s, net->dev);
}

static const struct vu_option options[] = {
	{VU_OPTION_STRING("backend", "BACKEND",
			  "where packets go: null (default), echo, dgram:LOCAL,REMOTE, "
			  "pcap:FILE[,in=FILE], "
			  "socket:PATH, socket-listen:PATH, switch or tap:NAME",
			  struct net_settings, backend)},
	{VU_OPTION_NUMBER("queues", "N",
			  "pairs of queues (default 1); of tap, echo and null each is on a thread "
			  "of its own",
			  struct net_settings, pairs, 1, NET_MAX_PAIRS)},
	{VU_OPTION_STRING("mac", "ADDRESS",
			  "the guest's address, for front-ends that have none themselves",
			  struct net_settings, mac)},
	{VU_OPTION_NUMBER("mtu", "BYTES", "tell the guest; longer packets of its are refused",
			  struct net_settings, mtu, MIN_MTU, UINT16_MAX)},
	{VU_OPTION_FLAG("in-order", "offer VIRTIO_F_IN_ORDER: packets end in the order they came",
			struct net_settings, in_order)},
	{VU_OPTION_FLAG("guest-announce",
			"offer GUEST_ANNOUNCE: a guest says itself where it is after a migration; "
			"for front-ends with a control queue",
			struct net_settings, announce)},
	{VU_OPTION_NUMBER("queue-size", "N", "longest ring taken, in entries (default 1024)",
			  struct net_settings, queue_size, 2, 32768)},
	{VU_OPTION_STRING("switch-uplink", "tap:NAME",
			  "a port of the switch that leads to an interface of the host's",
			  struct net_settings, uplink)},
	{VU_OPTION_LIST("switch-rule", "WHO+WHO",
			"these and those reach each other, and nobody else whom no rule names: "
			"a port's number, FIRST-LAST, all or uplink",
			struct net_settings, rules, NET_MAX_RULES)},
	{VU_OPTION_FLAG("switch-pin",
			"guests of the switch send from the address of --mac, and nobody else does",
			struct net_settings, pin)},
	{SHUT_IN_OPTION(struct net_settings, shut_in)},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	struct net_switch *the_switch = NULL;
	struct net_settings settings = {
		.the_switch = &the_switch, .backend = "null", .pairs = 1, .queue_size = 1024};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-net", "net", "A vhost-user network card."),
		SHUT_IN_PROGRAM(options, &settings, net_commands, struct net, create, destroy,
				opened),
	};

	return shut_in_main(&settings.shut_in, &info, argc, argv);
}
