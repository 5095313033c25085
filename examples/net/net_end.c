/* SPDX-License-Identifier: MIT */
/* The end that is none, null; and which end it is to be. */
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

/* --- which one --- */

static int open_null(struct net *net, const char *spec)
{
	(void)spec;
	for (uint32_t i = 0; i < net->n_pairs; i++)
		net->pairs[i].end.ops = &null_ops;
	return 0;
}

static const struct {
	const char *name;
	int (*open)(struct net *net, const char *spec);
	bool with_spec, many; /* "NAME:SPEC"; several pairs, on threads of their own */
} kinds[] = {
	{"null", open_null, false, true},
	{"echo", net_echo_open, false, true},
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
		net->threads = kinds[i].many;
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
