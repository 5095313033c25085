/* SPDX-License-Identifier: MIT */
/* Guest memory mapped once more.  See mirror.h. */
#include "mem/mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/guarded.h"
#include "mem/mappings.h"

struct mirror {
	struct mappings *mappings;
	struct mapping *slot;
	unsigned char *map;
	size_t map_len;
	unsigned char *host;
	uint32_t n;
	struct mirror_run runs[];
};

/* The bytes of a run's first page that are before it. */
static size_t run_lead(const struct mirror_run *run, size_t page)
{
	return (uintptr_t)run->host & (page - 1);
}

/* Its whole pages. */
static size_t run_pages(const struct mirror_run *run, size_t page)
{
	return (run_lead(run, page) + (size_t)run->len + page - 1) & ~(page - 1);
}

static bool runs_are_pages(const struct mirror_run *runs, uint32_t n, size_t page)
{
	for (uint32_t i = 0; i < n; i++)
		if ((i && run_lead(&runs[i], page)) ||
		    (i + 1 < n && ((uintptr_t)runs[i].host + runs[i].len) & (page - 1)))
			return false;
	return true;
}

/*
 * Map its pages a second time: mremap(2) with an old size of 0 does that to a shared mapping.
 * Faults of the copy are no userfaultfd's, so during a postcopy pages have to come through the
 * region.  MAP_FAILED with errno.
 */
static void *run_copy(const struct mirror_run *run, size_t page)
{
	unsigned char *from = run->host - run_lead(run, page);
	size_t len = run_pages(run, page);

	for (size_t i = 0; i < len; i += page)
		(void)*(volatile unsigned char *)(from + i);
	return mremap(from, 0, len, MREMAP_MAYMOVE);
}

static int mirror_put(struct mirror *m, const struct mirror_run *run, unsigned char *at,
		      size_t page)
{
	size_t len = run_pages(run, page);
	void *copy = run_copy(run, page);
	int err = errno;

	if (copy == MAP_FAILED) {
		guarded_unmap(m->map, m->map_len);
		return -err;
	}
	if (mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) != MAP_FAILED)
		return 0;
	err = errno;
	munmap(copy, len);
	/* The kernel has made room for it first: another thread may have mapped something there. */
	guarded_unmap_but(m->map, m->map_len, at, len);
	return -err;
}

static int mirror_map(struct mirror *m, size_t page)
{
	unsigned char *at;

	m->map = guarded_reserve(m->map_len);
	if (m->map == MAP_FAILED)
		return -errno;
	at = m->map;
	for (uint32_t i = 0; i < m->n; i++) {
		int err = mirror_put(m, &m->runs[i], at, page);

		if (err)
			return err;
		at += run_pages(&m->runs[i], page);
	}
	m->host = m->map + run_lead(&m->runs[0], page);
	m->slot = mappings_add(m->mappings, m->map, m->map_len);
	if (m->slot)
		return 0;
	guarded_unmap(m->map, m->map_len);
	return -ENOMEM;
}

int mirror_new(struct mappings *mappings, const struct mirror_run *runs, uint32_t n,
	       struct mirror **out)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct mirror *m;
	int err;

	if (!runs_are_pages(runs, n, page))
		return -EINVAL;
	m = calloc(1, sizeof(*m) + n * sizeof(*runs));
	if (!m)
		return -ENOMEM;
	m->mappings = mappings;
	m->n = n;
	memcpy(m->runs, runs, n * sizeof(*runs));
	for (uint32_t i = 0; i < n; i++)
		m->map_len += run_pages(&runs[i], page);
	err = mappings_reserve_runs(mappings, n) ? mirror_map(m, page) : -EDQUOT;
	if (err) {
		if (err != -EDQUOT)
			mappings_release_runs(mappings, n);
		free(m);
		return err;
	}
	mappings_ref(mappings);
	*out = m;
	return 0;
}

void mirror_free(struct mirror *m)
{
	if (!m)
		return;
	mappings_remove(m->slot);
	guarded_unmap(m->map, m->map_len);
	mappings_release_runs(m->mappings, m->n);
	mappings_unref(m->mappings);
	free(m);
}

bool mirror_shows(const struct mirror *m, const struct mirror_run *runs, uint32_t n)
{
	if (!m || m->n != n)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (m->runs[i].host != runs[i].host || m->runs[i].len != runs[i].len)
			return false;
	return true;
}

void *mirror_host(const struct mirror *m)
{
	return m->host;
}

const void *mirror_origin(const struct mirror *m, const void *host, uint64_t *len)
{
	uint64_t offset = (uint64_t)((const unsigned char *)host - m->host);
	uint32_t i = 0;

	while (i + 1 < m->n && offset >= m->runs[i].len)
		offset -= m->runs[i++].len;
	*len = m->runs[i].len - offset;
	return m->runs[i].host + offset;
}
