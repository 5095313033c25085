/* SPDX-License-Identifier: MIT */
/* Ends without anything of the host's: null and echo; and which end it is to be. */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- null: what the guest sends is gone, and nothing comes --- */

static int null_send(struct net_end *end, const struct iovec *iov, int n)
{
	(void)end;
	(void)iov;
	(void)n;
	return 0;
}

static ssize_t null_receive(struct net_end *end, const struct iovec *iov, int n)
{
	(void)end;
	(void)iov;
	(void)n;
	return -EAGAIN;
}

static void end_free(struct net_end *end)
{
	free(end->own);
}

static const struct net_end_ops null_ops = {
	.send = null_send,
	.receive = null_receive,
	.free = end_free,
};

/* --- echo: what the guest sends comes back, from where it was sent to --- */

struct echo {
	size_t len; /* 0: none */
	unsigned char frame[NET_MAX_FRAME];
};

/* Without a buffer of the guest's at hand it is lost, as on a wire. */
static int echo_send(struct net_end *end, const struct iovec *iov, int n)
{
	enum { ADDRESS = 6 };
	struct echo *echo = end->own;
	unsigned char to[ADDRESS];

	echo->len = net_gather(iov, n, iov[0].iov_len, echo->frame, sizeof(echo->frame));
	memcpy(to, echo->frame, ADDRESS);
	memcpy(echo->frame, echo->frame + ADDRESS, ADDRESS);
	memcpy(echo->frame + ADDRESS, to, ADDRESS);
	pair_receive(end->pair);
	if (echo->len)
		net_count(&end->pair->counts.missed, 1);
	echo->len = 0;
	return 0;
}

static ssize_t echo_receive(struct net_end *end, const struct iovec *iov, int n)
{
	static const struct virtio_net_hdr_v1 plain;
	struct echo *echo = end->own;
	size_t header = end->pair->header, len = echo->len;

	if (!len)
		return -EAGAIN;
	echo->len = 0;
	net_scatter(iov, n, 0, &plain, header);
	net_scatter(iov, n, header, echo->frame, len);
	return (ssize_t)(header + len);
}

static const struct net_end_ops echo_ops = {
	.send = echo_send,
	.receive = echo_receive,
	.free = end_free,
};

/* --- which one --- */

static int open_null(struct net *net, const char *spec)
{
	(void)spec;
	for (uint32_t i = 0; i < net->n_pairs; i++)
		net->pairs[i].end.ops = &null_ops;
	return 0;
}

static int open_echo(struct net *net, const char *spec)
{
	(void)spec;
	for (uint32_t i = 0; i < net->n_pairs; i++) {
		struct net_end *end = &net->pairs[i].end;

		end->own = calloc(1, sizeof(struct echo));
		if (!end->own)
			return -ENOMEM;
		end->ops = &echo_ops;
	}
	return 0;
}

static const struct {
	const char *name;
	int (*open)(struct net *net, const char *spec);
	bool with_spec, many; /* "NAME:SPEC"; several pairs */
} kinds[] = {
	{"null", open_null, false, true},
	{"echo", open_echo, false, true},
	{"dgram", net_dgram_open, true, false},
	{"pcap", net_pcap_open, true, false},
	{"socket", net_socket_connect, true, false},
	{"socket-listen", net_socket_listen, true, false},
	{"switch", net_switch_open, false, false},
	{"tap", net_tap_open, true, true},
};

int net_open_ends(struct net *net)
{
	const char *text = net->settings->backend;
	size_t len = strcspn(text, ":");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strlen(kinds[i].name) != len || strncmp(kinds[i].name, text, len) ||
		    kinds[i].with_spec != (text[len] == ':') ||
		    (kinds[i].with_spec && !text[len + 1]))
			continue;
		if (net->n_pairs > 1 && !kinds[i].many) {
			fprintf(stderr,
				"vu-net: %s has one pair of queues; --queues is for tap, echo "
				"and null\n",
				kinds[i].name);
			return -EINVAL;
		}
		return kinds[i].open(net, text + len + kinds[i].with_spec);
	}
	fprintf(stderr,
		"vu-net: --backend=%s: null, echo, dgram:LOCAL,REMOTE, pcap:FILE, socket:PATH, "
		"socket-listen:PATH, switch or tap:NAME, please\n",
		text);
	return -EINVAL;
}

int net_begin_ends(struct net *net)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < net->n_pairs; i++) {
		struct net_end *end = &net->pairs[i].end;

		if (end->ops->begin)
			ret = end->ops->begin(end);
	}
	return ret;
}
