/* SPDX-License-Identifier: MIT */
/*
 * A session and handlers that record what is asked of them, in place of the library's own; and a
 * second list of the specification's messages, written from the specification, not from the table.
 */
#ifndef UNIT_RECORDER_H
#define UNIT_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "kit/log_book.h"
#include "kit/test.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

struct recorder {
	struct session session; /* first: the stubs find the rest from it */
	struct log log;
	uint64_t protocol_features;
	bool has_protocol_features;
	bool has_access_platform;
	bool has_gpu;

	int result;		 /* what the handlers return */
	uint64_t acks_while_run; /* protocol features that a handler negotiates */
	bool takes_fds;
	int reply_error;

	const char *ran; /* the handler that ran last */
	int runs;
	int replies;
	uint64_t reply; /* the last u64 */

	struct log_book logged;
};

enum { PROTO = NEED_PROTOCOL_FEATURES, PLAIN = NEED_NOTHING, IOMMU = NEED_ACCESS_PLATFORM };

/* size: that of a good payload. */
struct expected {
	const char *name;
	int need;
	uint32_t size;
	uint8_t min_fds, max_fds; /* with that payload */
	enum message_reply reply;
	uint32_t reply_size; /* of REPLY_OWN, fixed ones */
	const char *handler;
};

enum { N_FRONT_END = 44, N_BACK_END = 10 };

extern const struct expected front_end[N_FRONT_END];
extern const struct expected back_end[N_BACK_END];

/* A session in which everything was negotiated. */
struct recorder *recorder_new(void);
/* The message with a payload that is right for it (its size may be changed), and n_fds fds. */
struct wire_msg *good_message(uint32_t id, uint32_t n_fds);
/* Dispatch; afterwards none of the message's fds is open.  Frees the message. */
int dispatch(struct recorder *s, struct wire_msg *msg);
/* The same for a good message with these flags added. */
int dispatch_flags(struct recorder *s, uint32_t id, uint32_t flags);

#endif
