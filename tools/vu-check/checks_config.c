/* SPDX-License-Identifier: MIT */
/* Configuration space and status. */
#include <errno.h>
#include <string.h>

#include "checks.h"

enum { SOME = 4, HALF = 2, FAR = 4096 - 16 };

static int open_config(struct probe *p)
{
	int ret = probe_open(p, NULL);

	return ret ? ret : peer_negotiate(p->peer);
}

enum verdict check_config_read(struct probe *p)
{
	unsigned char bytes[SOME];

	if (open_config(p) || frontend_get_config(probe_frontend(p), 0, bytes, SOME))
		return probe_failed(p, "GET_CONFIG of 4 bytes");
	return probe_pass(p, "begins with %02x %02x %02x %02x", bytes[0], bytes[1], bytes[2],
			  bytes[3]);
}

enum verdict check_config_offset(struct probe *p)
{
	unsigned char whole[SOME], part[HALF];

	if (open_config(p) || frontend_get_config(probe_frontend(p), 0, whole, SOME) ||
	    frontend_get_config(probe_frontend(p), HALF, part, HALF))
		return probe_failed(p, "GET_CONFIG of 2 bytes at 2");
	if (memcmp(whole + HALF, part, HALF))
		return probe_fail(p, "%02x %02x, but of 4 bytes the last are %02x %02x", part[0],
				  part[1], whole[2], whole[3]);
	return probe_pass(p, "the same bytes");
}

enum verdict check_config_past_end(struct probe *p)
{
	const struct wire_config request = {.offset = FAR, .size = 16};
	unsigned char payload[sizeof(request) + 16] = {0};
	struct frontend_msg reply;
	uint64_t features;
	uint32_t size;
	int ret;

	memcpy(payload, &request, sizeof(request));
	if (open_config(p))
		return probe_failed(p, "negotiation");
	ret = frontend_ask_msg(probe_frontend(p), WIRE_GET_CONFIG, payload, sizeof(payload), NULL,
			       0, &reply);
	if (ret)
		return probe_failed(p, "GET_CONFIG of 16 bytes near the end of 4 KiB");
	size = reply.hdr.size;
	frontend_msg_close_fds(&reply);
	if (frontend_get_features(probe_frontend(p), &features))
		return probe_failed(p, "the message behind it");
	return probe_pass(p, "answered with %u bytes, and the session goes on", size);
}

enum verdict check_status(struct probe *p)
{
	struct frontend *f;
	uint64_t status;

	if (open_config(p))
		return probe_failed(p, "negotiation");
	f = probe_frontend(p);
	if (frontend_set_status(f, 0) || frontend_set_status(f, 3) ||
	    frontend_get_status(f, &status))
		return probe_failed(p, "SET_STATUS and GET_STATUS");
	if ((status & 0xff) != 3)
		return probe_fail(p, "3 was set, %#llx came back", (unsigned long long)status);
	return probe_pass(p, "3 was set and came back");
}
