/* SPDX-License-Identifier: MIT */
/*
 * Who may be connected to: what is not named here is not there.
 *
 *	--forward [CID/]PORTS=PLACE	the guest's connections to these ports of the host
 *	--listen [CID/]PORT=PLACE	a place on the host that leads to a port of the guest's
 *	--sibling PORTS			ports of a guest that the process's other guests may use
 *	--uds-path PATH			Firecracker's way: ports of the host are PATH_PORT, and who
 *					connects to PATH says "CONNECT PORT" first
 *
 * PORTS is a number, FIRST-LAST, or * for all.  CID/ says for which guest; without it, for each.
 */
#ifndef VSOCK_RULES_H
#define VSOCK_RULES_H

#include "vsock_address.h"
#include "vsock_conn.h"

struct rule {
	uint64_t cid; /* 0: of every guest */
	uint32_t first_port, last_port;
	struct address address;
};

enum { RULES_MAX = 256 };

struct rules {
	struct rule forward[RULES_MAX], listen[RULES_MAX], sibling[RULES_MAX];
	uint32_t n_forward, n_listen, n_sibling;
	const char *uds_path;
	int spawner; /* a socket to who runs programs, -1: nobody does */
};

/* Where a rule leads. */
struct far_place {
	struct guest *guest;	/* or */
	struct address address; /* a copy */
	uint32_t program;	/* of ADDRESS_EXEC: the rule's index */
	const char *text;
};

/* Of an option.  0, or an error as setters of options return it, after a line. */
int rules_add_forward(struct rules *r, const char *text);
int rules_add_listen(struct rules *r, const char *text);
int rules_add_sibling(struct rules *r, const char *text);

/* Is there a guest for each rule?  0, or -EINVAL after a line. */
int rules_check(const struct rules *r, const struct vsock *v);
/* May this guest connect there?  Then place is where. */
bool rules_find(struct guest *g, const struct tuple *tuple, struct far_place *place);
/* The hybrid socket's path of this guest: 0 or -ENAMETOOLONG. */
int rules_uds_path(const struct guest *g, char *path, size_t size);

#endif
