/* SPDX-License-Identifier: MIT */
/*
 * A device's whole life, which a test lives again and again with another call of the library's
 * failing each time.
 *
 * However it goes: nothing crashes, no descriptor and no mapping is left (nor memory: the
 * sanitizers look), and who does not get what was asked for is told, by an error or by a line in
 * the log.
 */
#ifndef FAULTS_LIFE_H
#define FAULTS_LIFE_H

#include <libvu/unstable.h>

#include "fault.h"
#include "frontend/peer.h"
#include "kit/log_book.h"
#include "kit/test.h"

enum { LIFE_QUEUES = 2 };

struct life;

struct life_kind {
	/* What the device has besides; faults are on: 0 or -errno.  May be NULL. */
	int (*make)(struct life *l);
	/* What a front-end does with a device that works; faults are off, but while it pumps. */
	bool (*session)(struct life *l);
	void (*ready)(struct life *l, struct vu_queue *queue);
};

struct life {
	const struct life_kind *kind;
	struct vu_device *dev;
	struct vu_group *group;
	struct peer *peer;
	uint32_t refused;  /* calls of ours that returned an error */
	uint32_t served;   /* requests */
	uint32_t kept;	   /* descriptors that stay open as nobody may close them */
	bool spared;	   /* what it pumps now is another test's */
	bool went_through; /* everything that was to be done was done */
	struct log_book log;
};

/* Its front-end waits patience_ms for each answer. */
void life_open(struct life *l, const struct life_kind *kind, unsigned int patience_ms);
/* A device without a session yet; attached. */
bool life_make(struct life *l);
bool life_attach(struct life *l);
/* Requests on each queue. */
bool life_requests(struct life *l);
/* Counts an error of a call of ours. */
bool life_refused(struct life *l, int err);
void life_end(struct life *l);
/* Fails each call in its turn, or all from it on; each of these n functions has to be among them.
 */
void life_with_each(const struct life_kind *kind, bool all, const char *const *names, uint32_t n);

#endif
