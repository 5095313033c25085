/* SPDX-License-Identifier: MIT */
/* One connection of a front-end with a back-end, its back-end channels, and what is known of it. */
#ifndef TRACE_PROXY_H
#define TRACE_PROXY_H

#include "link.h"
#include "dialog.h"
#include "watch.h"

enum { PROXY_CHANNELS = 16 };

struct proxy_config {
	const char *name;     /* of it, for lines */
	const char *connect;  /* path */
	uint32_t patience_ms; /* how long to try */
	bool reversed;	      /* the back-end connects, and the front-end listens */
	bool requests;	      /* watch rings */
	const char *type;     /* of the device, or NULL */
	const char *type_by;  /* how that is known, or NULL: it was said */
};

struct proxy {
	const struct proxy_config *config;
	struct dialog dialog;
	struct watch *watch; /* NULL: rings are not watched */
	int accepted;	     /* until the other side is there; -1 then */
	uint64_t since;
	struct link *main;
	struct link *channels[PROXY_CHANNELS];
	bool told;  /* that the connection is over; channels may go on */
	bool ended; /* may be freed */
};

/* Takes over accepted. */
struct proxy *proxy_new(const struct proxy_config *config, struct report *report, uint32_t number,
			int accepted);
/* The other side is there: its socket, which is taken over.  False: it ended. */
bool proxy_join(struct proxy *proxy, int other);
void proxy_free(struct proxy *proxy);
void proxy_poll(struct proxy *proxy, struct poller *p);
/* After each wait. */
void proxy_tick(struct proxy *proxy);

#endif
