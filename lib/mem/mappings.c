/* SPDX-License-Identifier: MIT */
/*
 * Mappings in chunks of slots.  Chunks are only ever added, so that the signal handler can walk
 * them without a lock; a slot is published by its length and freed by setting that to 0.
 *
 * The handler can only meet a mapping that the faulting thread is using, and who uses one holds a
 * reference on its region: it is not unmapped meanwhile.
 */
#include "mem/mappings.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
	CHUNK_SLOTS = 30,
	/* Rings of 1024 entries, all of whose pages are apart, have 7 runs. */
	RUNS_MAX = 4096,
};

struct mapping {
	_Atomic(uintptr_t) base;
	_Atomic(size_t) len; /* 0: nothing is mapped there */
	atomic_bool is_taken;
};

struct chunk {
	_Atomic(struct chunk *) next;
	struct mapping slots[CHUNK_SLOTS];
};

struct mappings {
	atomic_uint refs;
	_Atomic uint64_t bytes;
	_Atomic uint64_t limit;
	_Atomic uint32_t runs;
	struct chunk first;
};

struct mappings *mappings_new(void)
{
	struct mappings *m = calloc(1, sizeof(*m));

	if (m) {
		atomic_init(&m->refs, 1);
		atomic_init(&m->limit, UINT64_MAX);
	}
	return m;
}

void mappings_set_limit(struct mappings *m, uint64_t bytes)
{
	atomic_store(&m->limit, bytes);
}

bool mappings_reserve(struct mappings *m, size_t len)
{
	uint64_t before = atomic_fetch_add(&m->bytes, len);
	uint64_t limit = atomic_load(&m->limit);

	if (before <= limit && len <= limit - before)
		return true;
	atomic_fetch_sub(&m->bytes, len);
	return false;
}

void mappings_release(struct mappings *m, size_t len)
{
	atomic_fetch_sub(&m->bytes, len);
}

uint64_t mappings_bytes(const struct mappings *m)
{
	return atomic_load(&m->bytes);
}

uint64_t mappings_limit(const struct mappings *m)
{
	return atomic_load(&m->limit);
}

struct mappings *mappings_ref(struct mappings *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void mappings_unref(struct mappings *m)
{
	struct chunk *chunk, *next;

	if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (chunk = atomic_load(&m->first.next); chunk; chunk = next) {
		next = atomic_load(&chunk->next);
		free(chunk);
	}
	free(m);
}

bool mappings_reserve_runs(struct mappings *m, uint32_t n)
{
	if (atomic_fetch_add(&m->runs, n) + n <= RUNS_MAX)
		return true;
	atomic_fetch_sub(&m->runs, n);
	return false;
}

void mappings_release_runs(struct mappings *m, uint32_t n)
{
	atomic_fetch_sub(&m->runs, n);
}

/* The chunk behind this one; NULL: out of memory. */
static struct chunk *chunk_next(struct chunk *chunk)
{
	struct chunk *next = atomic_load_explicit(&chunk->next, memory_order_acquire), *made;

	if (next)
		return next;
	made = calloc(1, sizeof(*made));
	/* Release pairs with the handler's acquire. */
	if (!made || atomic_compare_exchange_strong_explicit(
			     &chunk->next, &next, made, memory_order_acq_rel, memory_order_acquire))
		return made;
	/* Another thread was faster. */
	free(made);
	return next;
}

static struct mapping *mappings_free_slot(struct mappings *m)
{
	for (struct chunk *chunk = &m->first; chunk; chunk = chunk_next(chunk))
		for (int i = 0; i < CHUNK_SLOTS; i++)
			/* Acquire pairs with mappings_remove(). */
			if (!atomic_exchange_explicit(&chunk->slots[i].is_taken, true,
						      memory_order_acquire))
				return &chunk->slots[i];
	return NULL;
}

struct mapping *mappings_add(struct mappings *m, void *base, size_t len)
{
	struct mapping *slot = mappings_free_slot(m);

	if (!slot)
		return NULL;
	/* Release pairs with the acquire in mappings_fault(): it sees that the slot was free. */
	atomic_store_explicit(&slot->base, (uintptr_t)base, memory_order_release);
	atomic_store_explicit(&slot->len, len, memory_order_release);
	return slot;
}

void mappings_remove(struct mapping *mapping)
{
	atomic_store_explicit(&mapping->len, 0, memory_order_release);
	atomic_store_explicit(&mapping->is_taken, false, memory_order_release);
}

int mappings_fault(struct mappings *m, const void *addr)
{
	const struct chunk *chunk = &m->first;

	for (; chunk; chunk = atomic_load_explicit(&chunk->next, memory_order_acquire)) {
		for (int i = 0; i < CHUNK_SLOTS; i++) {
			const struct mapping *slot = &chunk->slots[i];
			size_t len = atomic_load_explicit(&slot->len, memory_order_acquire);
			uintptr_t base = atomic_load_explicit(&slot->base, memory_order_acquire);
			void *zero;

			/* Of a free slot nothing is that near. */
			if ((uintptr_t)addr - base >= len)
				continue;
			/* The slot of another mapping may just have become a third one's. */
			if (atomic_load_explicit(&slot->len, memory_order_relaxed) != len)
				continue;
			zero = mmap((void *)base, len, PROT_READ | PROT_WRITE,
				    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
			return zero != MAP_FAILED;
		}
	}
	return 0;
}
