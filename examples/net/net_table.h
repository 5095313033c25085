/* SPDX-License-Identifier: MIT */
/*
 * Which address is at which place of a switch.  Each place has room for so many, and the oldest
 * makes room: whoever has ever new ones makes nobody else's be forgotten.  No I/O.
 */
#ifndef NET_TABLE_H
#define NET_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "net_header.h"

enum {
	NET_MAX_PORTS = 64,	    /* of guests, from 0 on */
	NET_UPLINK = NET_MAX_PORTS, /* and one for the uplink */
	NET_PLACES,
	NET_NOBODY = NET_PLACES,
	NET_PORT_ADDRESSES = 32,
	NET_UPLINK_ADDRESSES = 1024,
	NET_TABLE_ENTRIES = NET_MAX_PORTS * NET_PORT_ADDRESSES + NET_UPLINK_ADDRESSES,
	NET_TABLE_BUCKETS = 4096,
};

struct net_table_entry {
	uint64_t key;  /* 0: none */
	uint32_t next; /* in its bucket, + 1 */
};

struct net_table {
	uint64_t factor; /* nobody can know which addresses share a bucket */
	uint32_t buckets[NET_TABLE_BUCKETS];
	uint32_t oldest[NET_PLACES];
	struct net_table_entry entries[NET_TABLE_ENTRIES];
};

void net_table_init(struct net_table *t);
/* The place of an address, or NET_NOBODY. */
uint32_t net_table_find(const struct net_table *t, const unsigned char *address);
/* It is there, and nowhere else. */
void net_table_learn(struct net_table *t, uint32_t place, const unsigned char *address);
/* All of a place's. */
void net_table_forget(struct net_table *t, uint32_t place);
/* The i-th of a place's; false: there are no more. */
bool net_table_get(const struct net_table *t, uint32_t place, uint32_t i,
		   unsigned char address[NET_ADDRESS]);

#endif
