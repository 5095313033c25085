/* SPDX-License-Identifier: MIT */
/*
 * Inodes by what they are: a hash in shards, each with a lock of its own, which whoever looks, adds
 * or takes away holds.
 */
#include "fs_node.h"

#include <stdlib.h>

enum { FIRST_BUCKETS = 64 };

static uint64_t fs_hash(const struct fs_node *key)
{
	return (key->ino ^ key->dev << 40) * UINT64_C(0x9e3779b97f4a7c15);
}

struct fs_shard *fs_shard_of(struct fs *fs, const struct fs_node *key)
{
	return &fs->shards[fs_hash(key) >> 58];
}

static struct fs_node **fs_bucket(const struct fs_shard *shard, const struct fs_node *key)
{
	return &shard->buckets[(fs_hash(key) >> 20) & (shard->n_buckets - 1)];
}

static void fs_shard_grow(struct fs_shard *shard)
{
	uint32_t n = shard->n_buckets ? shard->n_buckets * 2 : FIRST_BUCKETS;
	struct fs_shard larger = {.buckets = calloc(n, sizeof(*larger.buckets)), .n_buckets = n};

	if (!larger.buckets)
		return; /* longer chains, then */
	for (uint32_t i = 0; i < shard->n_buckets; i++)
		for (struct fs_node *node = shard->buckets[i], *next; node; node = next) {
			struct fs_node **to = fs_bucket(&larger, node);

			next = node->next;
			node->next = *to;
			*to = node;
		}
	free(shard->buckets);
	shard->buckets = larger.buckets;
	shard->n_buckets = n;
}

void fs_unhash(struct fs_shard *shard, struct fs_node *node)
{
	struct fs_node **at;

	if (!node->hashed)
		return;
	at = fs_bucket(shard, node);
	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	node->hashed = false;
	shard->n--;
}

bool fs_node_is(const struct fs_node *node, const struct fs_node *key)
{
	return node->ino == key->ino && node->dev == key->dev && node->type == key->type &&
	       node->born_sec == key->born_sec && node->born_nsec == key->born_nsec;
}

struct fs_node *fs_find_hashed(struct fs_shard *shard, const struct fs_node *key)
{
	struct fs_node *node;

	if (!shard->n_buckets)
		return NULL;
	node = *fs_bucket(shard, key);
	while (node && !fs_node_is(node, key))
		node = node->next;
	return node;
}

bool fs_hash_in(struct fs_shard *shard, struct fs_node *node)
{
	struct fs_node **bucket;

	if (shard->n >= shard->n_buckets)
		fs_shard_grow(shard);
	if (!shard->n_buckets)
		return false;
	bucket = fs_bucket(shard, node);
	node->next = *bucket;
	*bucket = node;
	node->hashed = true;
	shard->n++;
	return true;
}

void fs_shards_init(struct fs *fs)
{
	for (uint32_t i = 0; i < FS_SHARDS; i++)
		pthread_mutex_init(&fs->shards[i].lock, NULL);
}

void fs_shards_fini(struct fs *fs)
{
	for (uint32_t i = 0; i < FS_SHARDS; i++) {
		free(fs->shards[i].buckets);
		pthread_mutex_destroy(&fs->shards[i].lock);
	}
}
