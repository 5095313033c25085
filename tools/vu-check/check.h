/* SPDX-License-Identifier: MIT */
/*
 * vu-check: what a check is, and what it works with.  A check asks one thing of a back-end, from
 * outside: as a front-end, and as a driver of its rings.
 */
#ifndef VU_CHECK_CHECK_H
#define VU_CHECK_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/peer.h"

#define BIT(n) (UINT64_C(1) << (n))

/* virtio 1.3 §6, and the two of vhost-user. */
enum {
	F_LOG_ALL = 26,
	F_INDIRECT = 28,
	F_EVENT_IDX = 29,
	F_PROTOCOL = 30,
	F_VERSION_1 = 32,
	F_IOMMU = 33,
	F_PACKED = 34,
};

enum { CHECK_QUEUE_SIZE = 16, CHECK_QUIET_MS = 50 };

/* Protocol features that a front-end may accept without being asked for more. */
#define CHECK_USUAL                                                                                \
	(~(BIT(WIRE_PF_GPA_ADDRESSES) | BIT(WIRE_PF_INBAND_NOTIFICATIONS) |                        \
	   BIT(WIRE_PF_XEN_MMAP) | BIT(WIRE_PF_CROSS_ENDIAN) |                                     \
	   BIT(WIRE_PF_GET_VRING_BASE_INFLIGHT)))

enum verdict { CHECK_PASS, CHECK_FAIL, CHECK_NOT_OFFERED, CHECK_VERDICTS };

struct probe;

struct check {
	const char *name;
	const char *section; /* of the specification */
	const char *what;    /* has to be, in one line */
	enum verdict (*run)(struct probe *probe);
	/* What it needs: bits that the back-end offers, and a request that it can be given. */
	uint64_t features, protocol_features;
	bool request;
	const char *type; /* of device that it is about; NULL: any */
	bool packed;	  /* on packed rings */
	uint32_t variant;
};

extern const struct check checks[];
extern const uint32_t n_checks;

/* A request that a device of a type serves. */
struct request {
	struct driver_seg segs[8];
	uint32_t n;
	const unsigned char *answer; /* the first writable buffer */
	uint32_t writable;	     /* bytes in all */
};

struct request_type {
	const char *name;
	uint64_t features; /* of the device, that its driver accepts */
	uint32_t n_queues, queue;
	int (*make)(struct guest *guest, struct request *request);
	/* What is wrong with the answer, or NULL. */
	const char *(*flaw)(const struct request *request, uint32_t used_len);
};

/* NULL: there is none of the name. */
const struct request_type *request_type_find(const char *name);
/* Their names, for messages. */
const char *request_type_names(void);

struct child;

struct probe {
	const char *path;
	const struct request_type *type; /* NULL: not known */
	unsigned int timeout_ms;
	struct child *child; /* NULL: somebody else started the back-end */
	unsigned int silent; /* checks in a row before which it could not be asked */
	bool is_shy;	     /* the command was seen to hang up on who came next */
	/* What it offers: found out before each check. */
	uint64_t features, protocol_features;
	const struct check *check;
	struct peer *peer;
	char saw[240];
};

/* Verdicts, with what was seen. */
enum verdict probe_pass(struct probe *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
enum verdict probe_fail(struct probe *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
enum verdict probe_lacks(struct probe *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Failed with the peer's words; what is what was tried, such as "a request". */
enum verdict probe_failed(struct probe *p, const char *what);

/* Run one check, with what belongs to it. */
enum verdict probe_run(struct probe *p, const struct check *check);
/* Can the back-end be reached at all?  0 or -errno. */
int probe_reach(struct probe *p);

/*
 * A new connection with memory and rings of this peer, nothing said on it yet.  The config gives
 * regions and such; NULL: the usual.  What was open is closed.
 */
int probe_open(struct probe *p, const struct peer_config *config);
/* probe_open(), and rings that run. */
int probe_start(struct probe *p, const struct peer_config *config);
void probe_close(struct probe *p);
/* On a new connection all is as ever: the verdict on what was done to it. */
enum verdict probe_survived(struct probe *p);

static inline struct frontend *probe_frontend(struct probe *p)
{
	return &p->peer->frontend;
}

/* The ring of the type's queue. */
struct driver_ring *probe_ring(struct probe *p);
uint32_t probe_queue(const struct probe *p);

/* Put a request into the ring, not published yet: 0 or -errno.  It lives until its answer. */
int probe_add(struct probe *p, struct request *request);
/* The same with each of its buffers in two, or as a table. */
int probe_add_in_pieces(struct probe *p, struct request *request);
int probe_add_indirect(struct probe *p, struct request *request);
/* Publish them, and kick if the back-end wants it. */
int probe_kick(struct probe *p);
/* Wait for the answer to one of them, and look at it. */
int probe_await(struct probe *p);
/* Both. */
int probe_answer(struct probe *p);
/* n requests, one after the other. */
int probe_serve(struct probe *p, uint32_t n);
/*
 * Let the back-end look at its rings, however busy the machine is: who answers twice has been there
 * in between, and whoever does that elsewhere has a moment more.
 */
void probe_let_look(struct probe *p);
/* Nothing is used for a while. */
bool probe_is_quiet(struct probe *p);

#endif
