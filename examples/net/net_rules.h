/* SPDX-License-Identifier: MIT */
/* Who may reach whom through a switch: --switch-rule.  No I/O. */
#ifndef NET_RULES_H
#define NET_RULES_H

#include "net_table.h"

struct net_rules {
	bool reach[NET_PLACES][NET_PLACES]; /* both ways are always the same */
	uint32_t ports;			    /* the highest one that a rule names, + 1 */
	bool uplink;			    /* a rule names it */
};

/*
 * Rules "WHO+WHO", where WHO is a port, FIRST-LAST, all (ports of guests) or uplink: each of these
 * and each of those reach each other, and nobody reaches anybody else.  n 0: all reach all.
 *
 * NULL, or the rule that is none.
 */
const char *net_rules_parse(struct net_rules *rules, const char *const *texts, uint32_t n);

#endif
