/* SPDX-License-Identifier: MIT */
/* Prints docs/protocol.md from the message table: what the library speaks, and what it refuses. */
#include <stdio.h>

#include "vhost_user/messages.h"
#include "wire/spec.h"

static const char *need_text(int need, char *buf, size_t size)
{
	switch (need) {
	case NEED_NOTHING:
		return "";
	case NEED_PROTOCOL_FEATURES:
		return "F_PROTOCOL_FEATURES";
	case NEED_ACCESS_PLATFORM:
		return "F_ACCESS_PLATFORM";
	case NEED_GPU:
		return "a gpu device";
	default:
		snprintf(buf, size, "%s (%d)", wire_protocol_feature_name((unsigned int)need),
			 need);
		return buf;
	}
}

static const char *layout_text(enum wire_layout layout)
{
	return layout == WIRE_L_NONE ? "" : wire_layout_name(layout);
}

static const char *fds_text(const struct message *m, char *buf, size_t size)
{
	if (m->max_fds == 0)
		return "";
	if (m->request == WIRE_L_MEM_TABLE)
		return "one a region";
	if (m->request == WIRE_L_VRING_FD)
		return "1, none if the flag says so";
	if (m->min_fds == m->max_fds)
		snprintf(buf, size, "%u", m->min_fds);
	else
		snprintf(buf, size, "%u to %u", m->min_fds, m->max_fds);
	return buf;
}

static const char *reply_text(const struct message *m, char *buf, size_t size)
{
	const char *payload = layout_text(m->reply_layout);

	if (m->reply == REPLY_ACK)
		return "ack";
	if (m->reply == REPLY_ALWAYS_ACK)
		return "ack, always";
	snprintf(buf, size, "%s%s%s", payload, m->reply_fds && *payload ? ", " : "",
		 m->reply_fds ? "an fd" : "");
	return buf;
}

static void print_messages(const struct message *(*find)(uint32_t), uint32_t end,
			   const char *done_title)
{
	printf("| id | name | payload | fds | reply | needs | %s |\n", done_title);
	printf("|---:|------|---------|-----|-------|-------|---|\n");
	for (uint32_t id = 1; id < end; id++) {
		const struct message *m = find(id);
		char fds[32], reply[64], need[64];

		printf("| %u | %s | %s | %s | %s | %s | %s |\n", m->id, m->name,
		       layout_text(m->request), fds_text(m, fds, sizeof(fds)),
		       reply_text(m, reply, sizeof(reply)), need_text(m->need, need, sizeof(need)),
		       m->handler || m->is_sent ? "yes" : "no");
	}
	printf("\n");
}

static void print_features(void)
{
	uint64_t done = message_protocol_features();

	printf("| bit | name | implemented |\n|---:|------|---|\n");
	for (unsigned int bit = 0; bit < WIRE_PF_END; bit++)
		printf("| %u | %s | %s |\n", bit, wire_protocol_feature_name(bit),
		       done >> bit & 1 ? "yes" : "no");
}

int main(void)
{
	printf("# The protocol as libvu speaks it\n"
	       "\n"
	       "Printed from the message table (lib/vhost_user/messages.c) by tools/protocol-doc: "
	       "change "
	       "the "
	       "table, not\n"
	       "this page. Names and numbers are those of the vhost-user specification of QEMU "
	       "11.1.\n"
	       "\n"
	       "A message that breaks its row (payload, fds, or what has to be negotiated first) "
	       "ends "
	       "the session\n"
	       "with one line in the log; so does one that is not implemented, and its feature bit "
	       "is "
	       "not offered.\n"
	       "*ack* in the reply column: none of its own, answered by a 64-bit 0 or 1 if the "
	       "sender set\n"
	       "need_reply and REPLY_ACK was negotiated.\n"
	       "\n"
	       "## Front-end to back-end\n"
	       "\n");
	print_messages(message_find, WIRE_REQUEST_END, "implemented");
	printf("## Back-end to front-end\n\n");
	print_messages(message_find_backend, WIRE_BACKEND_REQUEST_END, "sent");
	printf("## Protocol features\n"
	       "\n"
	       "Implemented does not mean offered: a device offers what it needs.\n"
	       "\n");
	print_features();
	printf("\n"
	       "XEN_MMAP stays out. With it every memory region comes as grants or foreign pages "
	       "that\n"
	       "only Xen's own devices can map, often piece by piece and only while they are "
	       "used: another kind of\n"
	       "guest memory throughout, for a hypervisor that none of the tests can run.\n");
	return 0;
}
