/* SPDX-License-Identifier: MIT */
/* Commands for the control socket: what there is, and how it can be ended. */
#include "vsock.h"

#include <errno.h>
#include <string.h>

static const char *const state_names[] = {
	[CONN_GREETING] = "greeting", [CONN_ASKING] = "asking", [CONN_CONNECTING] = "connecting",
	[CONN_OPEN] = "open",	      [CONN_RESET] = "reset",	[CONN_DRAINING] = "draining",
};

static int list(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	const struct vsock_device *d = opaque;

	(void)n;
	(void)words;
	for (const struct conn *c = d->guest.conns; c; c = c->next)
		vu_script_answerf(
			script, "%u %llu:%u %s %s sent %u received %u held %u", c->tuple.local_port,
			(unsigned long long)c->tuple.peer_cid, c->tuple.peer_port,
			c->tuple.type == VIRTIO_VSOCK_TYPE_SEQPACKET ? "seqpacket" : "stream",
			state_names[c->state], c->credit.tx_cnt, c->credit.rx_cnt,
			c->in.len + c->out.len);
	return 0;
}

static int counters(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	const struct vsock_device *d = opaque;
	const struct guest *g = &d->guest;

	(void)n;
	(void)words;
	vu_script_answerf(script, "cid %llu connections %u opened %llu refused %llu reset %llu",
			  (unsigned long long)g->cid, g->n_conns, (unsigned long long)g->n_opened,
			  (unsigned long long)g->n_refused, (unsigned long long)g->n_reset);
	return 0;
}

static int reset(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct vsock_device *d = opaque;
	struct conn *next;
	uint64_t port = 0;
	uint32_t done = 0;

	if (n && vu_number_parse(words[0], 0, UINT32_MAX, &port))
		return vu_script_fail(script, "a port of the guest's, please");
	for (struct conn *c = d->guest.conns; c; c = next) {
		next = c->next;
		if ((n && c->tuple.local_port != port) || c->state == CONN_RESET)
			continue;
		conn_reset(c, NULL);
		done++;
	}
	vsock_pump(d->guest.vsock, NULL);
	vu_script_answerf(script, "%u", done);
	return 0;
}

const struct vu_command vsock_commands[] = {
	{"list", NULL, "connections: the guest's port, the other end, and what went through", 0, 0,
	 list},
	{"counters", NULL, "how many there are and were", 0, 0, counters},
	{"reset", "[PORT]", "end all connections, or those of a port of the guest's", 0, 1, reset},
	{NULL, NULL, NULL, 0, 0, NULL},
};
