/* SPDX-License-Identifier: MIT */
/* Messages: who is answered, with what, how often. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "checks.h"

enum { NO_QUEUE = 250 };

enum verdict check_get_features(struct probe *p)
{
	struct frontend_msg reply;
	struct frontend *f;
	int ret = probe_open(p, NULL);

	if (ret)
		return probe_failed(p, "connect");
	f = probe_frontend(p);
	ret = frontend_send(f, WIRE_GET_FEATURES, 0, NULL, 0, NULL, 0);
	if (!ret)
		ret = frontend_recv(f, &reply);
	if (ret)
		return probe_failed(p, "no reply");
	frontend_msg_close_fds(&reply);
	if (reply.hdr.request != WIRE_GET_FEATURES || reply.hdr.size != 8 || reply.n_fds ||
	    reply.hdr.flags != (WIRE_VERSION | WIRE_REPLY))
		return probe_fail(p,
				  "the reply has request %u, flags %#x, %u bytes, %u descriptors",
				  reply.hdr.request, reply.hdr.flags, reply.hdr.size, reply.n_fds);
	return probe_pass(p, "features %#llx", (unsigned long long)p->features);
}

enum verdict check_features_same(struct probe *p)
{
	uint64_t first = p->features, again;

	for (int i = 0; i < 2; i++) {
		if (probe_open(p, NULL) || frontend_set_owner(probe_frontend(p)) ||
		    frontend_get_features(probe_frontend(p), &again))
			return probe_failed(p, "asked again");
		if (again != first)
			return probe_fail(p, "%#llx, then %#llx", (unsigned long long)first,
					  (unsigned long long)again);
	}
	return probe_pass(p, "on three connections");
}

enum verdict check_modern(struct probe *p)
{
	return p->features & BIT(F_VERSION_1) ? probe_pass(p, "offered")
					      : probe_fail(p, "not offered");
}

enum verdict check_protocol_features_early(struct probe *p)
{
	uint64_t features;

	if (probe_open(p, NULL) || frontend_get_protocol_features(probe_frontend(p), &features))
		return probe_failed(p, "as the first message");
	return probe_pass(p, "%#llx", (unsigned long long)features);
}

enum verdict check_protocol_features_none(struct probe *p)
{
	const struct peer_config none = {.protocol_features = PEER_NONE};

	if (!p->type) {
		uint64_t features;
		struct frontend *f;

		if (probe_open(p, NULL))
			return probe_failed(p, "connect");
		f = probe_frontend(p);
		if (frontend_get_features(f, &features) || frontend_set_protocol_features(f, 0) ||
		    frontend_set_owner(f) || frontend_get_features(f, &features))
			return probe_failed(p, "with none accepted");
		return probe_pass(p, "messages are answered");
	}
	if (probe_start(p, &none) || probe_serve(p, 1))
		return probe_failed(p, "with none accepted");
	return probe_pass(p, "a request is served");
}

/* Negotiated, with these protocol features at most. */
static int open_negotiated(struct probe *p, uint64_t protocol_features)
{
	const struct peer_config config = {.protocol_features = protocol_features, .no_acks = true};
	int ret = probe_open(p, &config);

	return ret ? ret : peer_negotiate(p->peer);
}

/* What comes next on the socket; 0 or -errno. */
static int next_reply(struct probe *p, struct frontend_msg *reply)
{
	int ret = frontend_recv(probe_frontend(p), reply);

	if (!ret)
		frontend_msg_close_fds(reply);
	return ret;
}

static uint64_t reply_value(const struct frontend_msg *reply)
{
	uint64_t value;

	memcpy(&value, reply->payload, sizeof(value));
	return value;
}

enum verdict check_reply_ack(struct probe *p)
{
	const uint64_t features = p->features & (BIT(F_VERSION_1) | BIT(F_PROTOCOL));
	struct frontend_msg reply;

	if (open_negotiated(p, BIT(WIRE_PF_REPLY_ACK)) ||
	    frontend_send(probe_frontend(p), WIRE_SET_FEATURES, WIRE_NEED_REPLY, &features, 8, NULL,
			  0) ||
	    next_reply(p, &reply))
		return probe_failed(p, "SET_FEATURES with need_reply");
	if (reply.hdr.request != WIRE_SET_FEATURES || reply.hdr.size != 8 ||
	    !(reply.hdr.flags & WIRE_REPLY))
		return probe_fail(p, "the reply has request %u, flags %#x, %u bytes",
				  reply.hdr.request, reply.hdr.flags, reply.hdr.size);
	if (reply_value(&reply))
		return probe_fail(p, "answered with %llu", (unsigned long long)reply_value(&reply));
	return probe_pass(p, "SET_FEATURES was answered with 0");
}

/* A message, then GET_FEATURES: who is answered first? */
static enum verdict expect_first(struct probe *p, uint32_t expected)
{
	struct frontend_msg reply;
	struct frontend *f = probe_frontend(p);

	if (frontend_send(f, WIRE_GET_FEATURES, 0, NULL, 0, NULL, 0) || next_reply(p, &reply))
		return probe_failed(p, "GET_FEATURES behind it");
	if (reply.hdr.request != expected)
		return probe_fail(p, "%s was answered, too",
				  frontend_request_name(reply.hdr.request));
	return CHECK_PASS;
}

enum verdict check_no_reply_unasked(struct probe *p)
{
	const uint64_t features = p->features & (BIT(F_VERSION_1) | BIT(F_PROTOCOL));

	if (open_negotiated(p, BIT(WIRE_PF_REPLY_ACK)) ||
	    frontend_send(probe_frontend(p), WIRE_SET_FEATURES, 0, &features, 8, NULL, 0))
		return probe_failed(p, "SET_FEATURES");
	if (expect_first(p, WIRE_GET_FEATURES))
		return CHECK_FAIL;
	return probe_pass(p, "SET_FEATURES without need_reply was not answered");
}

enum verdict check_one_reply(struct probe *p)
{
	struct frontend_msg reply;

	if (open_negotiated(p, BIT(WIRE_PF_REPLY_ACK)) ||
	    frontend_send(probe_frontend(p), WIRE_GET_PROTOCOL_FEATURES, WIRE_NEED_REPLY, NULL, 0,
			  NULL, 0) ||
	    next_reply(p, &reply))
		return probe_failed(p, "GET_PROTOCOL_FEATURES with need_reply");
	if (expect_first(p, WIRE_GET_FEATURES))
		return CHECK_FAIL;
	return probe_pass(p, "GET_PROTOCOL_FEATURES with need_reply was answered once");
}

enum verdict check_ack_says_no(struct probe *p)
{
	const struct wire_vring_state state = {.index = NO_QUEUE, .num = 16};
	struct frontend_msg reply;
	int ret;

	if (open_negotiated(p, BIT(WIRE_PF_REPLY_ACK)) ||
	    frontend_send(probe_frontend(p), WIRE_SET_VRING_NUM, WIRE_NEED_REPLY, &state,
			  sizeof(state), NULL, 0))
		return probe_failed(p, "SET_VRING_NUM of queue 250");
	ret = next_reply(p, &reply);
	if (ret == -ECONNRESET)
		return probe_survived(p) == CHECK_PASS
			       ? probe_pass(p, "queue 250: the back-end hung up")
			       : CHECK_FAIL;
	if (ret)
		return probe_failed(p, "SET_VRING_NUM of queue 250");
	if (!reply_value(&reply))
		return probe_fail(p, "SET_VRING_NUM of queue 250, which there is not, was "
				     "acknowledged as good");
	return probe_pass(p, "queue 250: answered with %llu",
			  (unsigned long long)reply_value(&reply));
}

enum verdict check_queue_num(struct probe *p)
{
	uint64_t n;

	if (open_negotiated(p, BIT(WIRE_PF_MQ)) || frontend_get_queue_num(probe_frontend(p), &n))
		return probe_failed(p, "GET_QUEUE_NUM");
	return n && n <= 65535 ? probe_pass(p, "%llu queues", (unsigned long long)n)
			       : probe_fail(p, "%llu queues", (unsigned long long)n);
}

enum verdict check_max_mem_slots(struct probe *p)
{
	uint64_t n;

	if (open_negotiated(p, BIT(WIRE_PF_CONFIGURE_MEM_SLOTS)) ||
	    frontend_get_max_mem_slots(probe_frontend(p), &n))
		return probe_failed(p, "GET_MAX_MEM_SLOTS");
	return n ? probe_pass(p, "%llu slots", (unsigned long long)n)
		 : probe_fail(p, "no slots at all");
}

enum verdict check_split_message(struct probe *p)
{
	const struct wire_header header = {.request = WIRE_GET_FEATURES, .flags = WIRE_VERSION};
	struct frontend_msg reply;

	if (probe_open(p, NULL))
		return probe_failed(p, "connect");
	for (size_t i = 0; i < sizeof(header); i++) {
		if (frontend_send_bytes(probe_frontend(p), (const char *)&header + i, 1, NULL, 0))
			return probe_failed(p, "a byte of the header");
		/* Each is read by itself. */
		poll(NULL, 0, 2);
	}
	if (next_reply(p, &reply))
		return probe_failed(p, "GET_FEATURES, byte by byte");
	return probe_pass(p, "GET_FEATURES came byte by byte, and was answered");
}

enum verdict check_joined_messages(struct probe *p)
{
	const struct wire_header headers[] = {
		{.request = WIRE_SET_OWNER, .flags = WIRE_VERSION},
		{.request = WIRE_GET_FEATURES, .flags = WIRE_VERSION},
		{.request = WIRE_GET_FEATURES, .flags = WIRE_VERSION},
	};
	struct frontend_msg reply;

	if (probe_open(p, NULL) ||
	    frontend_send_bytes(probe_frontend(p), headers, sizeof(headers), NULL, 0))
		return probe_failed(p, "three messages");
	for (int i = 0; i < 2; i++)
		if (next_reply(p, &reply) || reply.hdr.request != WIRE_GET_FEATURES)
			return probe_failed(p, "a reply of two");
	return probe_pass(p, "three messages came at once, and both replies");
}
