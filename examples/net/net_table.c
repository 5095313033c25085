/* SPDX-License-Identifier: MIT */
/*
 * See net_table.h.  An array in which each place has a part that it goes around in, and lists of
 * those with the same hash.  Thread: any, one at a time.
 */
#include "net_table.h"

#include <string.h>
#include <sys/random.h>

/* More than any address, so that none is 0. */
static const uint64_t used = UINT64_C(1) << 48;

static uint64_t table_key(const unsigned char *address)
{
	uint64_t key = 0;

	for (int i = 0; i < NET_ADDRESS; i++)
		key = key << 8 | address[i];
	return key | used;
}

static uint32_t table_room(uint32_t place)
{
	return place == NET_UPLINK ? NET_UPLINK_ADDRESSES : NET_PORT_ADDRESSES;
}

/* Its bucket's number. */
static uint32_t table_hash(const struct net_table *t, uint64_t key)
{
	return (key * t->factor) >> 32 & (NET_TABLE_BUCKETS - 1);
}

void net_table_init(struct net_table *t)
{
	memset(t, 0, sizeof(*t));
	if (getrandom(&t->factor, sizeof(t->factor), GRND_NONBLOCK) < 0)
		t->factor = (uint64_t)(uintptr_t)t; /* early at boot: better than nothing */
	t->factor |= 1;
}

/* Its number + 1; 0: it is not there. */
static uint32_t table_look(const struct net_table *t, uint64_t key)
{
	uint32_t at = t->buckets[table_hash(t, key)];

	while (at && t->entries[at - 1].key != key)
		at = t->entries[at - 1].next;
	return at;
}

static uint32_t table_place(uint32_t at)
{
	uint32_t place = (at - 1) / NET_PORT_ADDRESSES;

	return place < NET_UPLINK ? place : NET_UPLINK;
}

uint32_t net_table_find(const struct net_table *t, const unsigned char *address)
{
	uint32_t at = table_look(t, table_key(address));

	return at ? table_place(at) : NET_NOBODY;
}

static void table_remove(struct net_table *t, uint32_t at)
{
	struct net_table_entry *entry = &t->entries[at - 1];
	uint32_t *link = &t->buckets[table_hash(t, entry->key)];

	if (!entry->key)
		return;
	while (*link != at)
		link = &t->entries[*link - 1].next;
	*link = entry->next;
	*entry = (struct net_table_entry){0};
}

void net_table_learn(struct net_table *t, uint32_t place, const unsigned char *address)
{
	uint64_t key = table_key(address);
	uint32_t at = table_look(t, key), *bucket;

	if (at && table_place(at) == place)
		return;
	if (at)
		table_remove(t, at);
	at = place * NET_PORT_ADDRESSES + t->oldest[place] + 1;
	t->oldest[place] = (t->oldest[place] + 1) % table_room(place);
	table_remove(t, at);
	bucket = &t->buckets[table_hash(t, key)];
	t->entries[at - 1] = (struct net_table_entry){key, *bucket};
	*bucket = at;
}

void net_table_forget(struct net_table *t, uint32_t place)
{
	for (uint32_t i = 0; i < table_room(place); i++)
		table_remove(t, place * NET_PORT_ADDRESSES + i + 1);
	t->oldest[place] = 0;
}

bool net_table_get(const struct net_table *t, uint32_t place, uint32_t i,
		   unsigned char address[NET_ADDRESS])
{
	const struct net_table_entry *entry = &t->entries[place * NET_PORT_ADDRESSES];
	const struct net_table_entry *end = entry + table_room(place);

	for (; entry < end; entry++) {
		if (!entry->key || i--)
			continue;
		for (int k = 0; k < NET_ADDRESS; k++)
			address[k] = (unsigned char)(entry->key >> (8 * (NET_ADDRESS - 1 - k)));
		return true;
	}
	return false;
}
