/* SPDX-License-Identifier: MIT */
/* See fs_ids.h.  Filled before anything is served, and not changed after that: any thread. */
#include "fs_ids.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *word;
	bool to_host, to_guest;
	enum fs_id_kind kind;
} forms[] = {
	{"map", true, true, FS_ID_EACH},
	{"guest", true, false, FS_ID_EACH},
	{"host", false, true, FS_ID_EACH},
	{"squash-guest", true, false, FS_ID_SQUASH},
	{"squash-host", false, true, FS_ID_SQUASH},
	{"forbid-guest", true, false, FS_ID_FORBID},
};

/* Numbers behind colons, and nothing else. */
static bool ids_parse(const char *at, uint32_t n, uint32_t numbers[])
{
	for (uint32_t i = 0; i < n; i++) {
		unsigned long long number;
		char *end;

		if (*at != ':' || at[1] < '0' || at[1] > '9')
			return false;
		number = strtoull(at + 1, &end, 10);
		if (number > UINT32_MAX)
			return false;
		numbers[i] = (uint32_t)number;
		at = end;
	}
	return !*at;
}

/* The last id is nobody's: (uid_t)-1. */
static bool range_fits(uint32_t from, uint32_t count)
{
	return count <= UINT32_MAX - from;
}

static int map_check(const struct fs_id_map *map, const struct fs_id_range *range)
{
	if (!range->count || !range_fits(range->from, range->count) ||
	    !range_fits(range->to, range->kind == FS_ID_EACH ? range->count : 1))
		return -EINVAL;
	for (uint32_t i = 0; i < map->n; i++)
		if (range->from < map->ranges[i].from + map->ranges[i].count &&
		    map->ranges[i].from < range->from + range->count)
			return -EEXIST;
	return map->n < FS_ID_RANGES ? 0 : -E2BIG;
}

static int ids_put(struct fs_ids *ids, const struct fs_id_range *range, bool to_host, bool to_guest)
{
	struct fs_id_range back = *range;
	int ret = 0;

	/* A range in both directions has its other side first in this one. */
	if (to_host) {
		back.from = range->to;
		back.to = range->from;
		ret = map_check(&ids->to_host, range);
	}
	if (!ret && to_guest)
		ret = map_check(&ids->to_guest, &back);
	if (ret)
		return ret;
	if (to_host)
		ids->to_host.ranges[ids->to_host.n++] = *range;
	if (to_guest)
		ids->to_guest.ranges[ids->to_guest.n++] = back;
	return 0;
}

int fs_ids_add(struct fs_ids *ids, const char *text)
{
	size_t len = strcspn(text, ":");

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		bool forbids = forms[i].kind == FS_ID_FORBID;
		uint32_t numbers[3] = {0};

		if (strlen(forms[i].word) != len || strncmp(text, forms[i].word, len) != 0)
			continue;
		if (!ids_parse(text + len, forbids ? 2 : 3, numbers))
			return -EINVAL;
		return ids_put(ids,
			       &(struct fs_id_range){.from = numbers[0],
						     .to = forbids ? 0 : numbers[1],
						     .count = numbers[forbids ? 1 : 2],
						     .kind = forms[i].kind},
			       forms[i].to_host, forms[i].to_guest);
	}
	return -EINVAL;
}

static const struct fs_id_range *map_find(const struct fs_id_map *map, uint32_t id)
{
	for (uint32_t i = 0; i < map->n; i++)
		if (id >= map->ranges[i].from && id - map->ranges[i].from < map->ranges[i].count)
			return &map->ranges[i];
	return NULL;
}

static uint32_t range_take(const struct fs_id_range *range, uint32_t id)
{
	return range->kind == FS_ID_SQUASH ? range->to : range->to + (id - range->from);
}

int fs_id_to_host(const struct fs_ids *ids, uint32_t guest, uint32_t *host)
{
	const struct fs_id_range *range = map_find(&ids->to_host, guest);

	if (range && range->kind == FS_ID_FORBID)
		return -EPERM;
	*host = range ? range_take(range, guest) : guest;
	return 0;
}

uint32_t fs_id_to_guest(const struct fs_ids *ids, uint32_t host)
{
	const struct fs_id_range *range = map_find(&ids->to_guest, host);

	return range ? range_take(range, host) : host;
}
