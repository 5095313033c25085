/* SPDX-License-Identifier: MIT */
/* See fs_slots.h.  References in bits 0 to 47 of the count, pins in 48 to 62; bit 63: closed. */
#include "fs_slots.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define PIN    (UINT64_C(1) << 48)
#define CLOSED (UINT64_C(1) << 63)
#define REFS   (PIN - 1)

int slots_init(struct slots *slots, size_t item_size)
{
	slots->item_size = (item_size + 15) & ~(size_t)15;
	slots->n = 1; /* index 0 is nobody's */
	return -pthread_mutex_init(&slots->lock, NULL);
}

void slots_fini(struct slots *slots)
{
	if (!slots->item_size)
		return;
	for (uint32_t i = 0; i < SLOTS_PAGES; i++)
		free(atomic_load(&slots->pages[i]));
	pthread_mutex_destroy(&slots->lock);
}

void *slots_at(struct slots *slots, uint32_t index)
{
	unsigned char *page;

	if (index / SLOTS_PAGE >= SLOTS_PAGES)
		return NULL;
	page = atomic_load_explicit(&slots->pages[index / SLOTS_PAGE], memory_order_acquire);
	return page ? page + (index % SLOTS_PAGE) * slots->item_size : NULL;
}

/* The page of an index, made if there is none; with the lock held.  False: no memory. */
static bool slots_page(struct slots *slots, uint32_t index)
{
	uint32_t first = index - index % SLOTS_PAGE;
	unsigned char *page;

	if (index / SLOTS_PAGE >= SLOTS_PAGES)
		return false;
	if (slots_at(slots, index))
		return true;
	page = calloc(SLOTS_PAGE, slots->item_size);
	if (!page)
		return false;
	for (uint32_t i = 0; i < SLOTS_PAGE; i++) {
		struct slot *slot = (struct slot *)(page + i * slots->item_size);

		slot->index = first + i;
		atomic_init(&slot->gen, slots->first_gen);
	}
	/* Pairs with slots_at(). */
	atomic_store_explicit(&slots->pages[index / SLOTS_PAGE], page, memory_order_release);
	if (first + SLOTS_PAGE > atomic_load(&slots->end))
		atomic_store(&slots->end, first + SLOTS_PAGE);
	return true;
}

/* With the lock held. */
static struct slot *slots_extend(struct slots *slots)
{
	/* Pages of slots_restored() have no index that was never given out. */
	while (slots->n % SLOTS_PAGE == 0 && slots_at(slots, slots->n))
		slots->n += SLOTS_PAGE;
	return slots_page(slots, slots->n) ? slots_at(slots, slots->n++) : NULL;
}

void *slots_new(struct slots *slots)
{
	struct slot *slot;

	pthread_mutex_lock(&slots->lock);
	if (slots->free) {
		slot = slots_at(slots, slots->free);
		slots->free = slot->next_free;
	} else {
		slot = slots_extend(slots);
	}
	pthread_mutex_unlock(&slots->lock);
	if (slot)
		memset(slot + 1, 0, slots->item_size - sizeof(*slot));
	return slot;
}

int slots_restore(struct slots *slots, uint64_t id, void *item)
{
	uint32_t index = (uint32_t)id;
	struct slot *slot = NULL;
	int ret = 0;

	if (!index || index / SLOTS_PAGE >= SLOTS_PAGES)
		return -EINVAL;
	pthread_mutex_lock(&slots->lock);
	if (slots_page(slots, index))
		slot = slots_at(slots, index);
	if (!slot)
		ret = -ENOMEM;
	else if (!slots_unused(slot))
		ret = -EEXIST;
	pthread_mutex_unlock(&slots->lock);
	if (ret)
		return ret;
	memset(slot + 1, 0, slots->item_size - sizeof(*slot));
	atomic_store(&slot->gen, (uint32_t)(id >> 32));
	*(void **)item = slot;
	return 0;
}

void slots_restored(struct slots *slots, uint32_t first_gen)
{
	uint32_t end = atomic_load(&slots->end);
	struct slot *slot;

	pthread_mutex_lock(&slots->lock);
	slots->first_gen = first_gen;
	slots->free = 0;
	slots->n = SLOTS_PAGE;
	for (uint32_t i = end - 1; end && i; i--) {
		slot = slots_at(slots, i);
		if (!slot || !slots_unused(slot))
			continue;
		atomic_store(&slot->gen, first_gen);
		slot->next_free = slots->free;
		slots->free = i;
	}
	if (!end) /* not even a page */
		slots->n = 1;
	pthread_mutex_unlock(&slots->lock);
}

void slots_publish(struct slot *slot, uint64_t refs)
{
	atomic_store_explicit(&slot->count, PIN | refs, memory_order_release);
}

void slots_free(struct slots *slots, struct slot *slot)
{
	atomic_fetch_add(&slot->gen, 1);
	pthread_mutex_lock(&slots->lock);
	slot->next_free = slots->free;
	slots->free = slot->index;
	pthread_mutex_unlock(&slots->lock);
}

uint64_t slots_id(const struct slot *slot)
{
	return (uint64_t)atomic_load(&slot->gen) << 32 | slot->index;
}

bool slots_pin(struct slot *slot)
{
	uint64_t count = atomic_load_explicit(&slot->count, memory_order_relaxed);

	for (;;) {
		if (count & CLOSED) { /* for as long as a close(2) of a path takes */
			sched_yield();
			count = atomic_load_explicit(&slot->count, memory_order_relaxed);
			continue;
		}
		if (!(count & REFS))
			return false;
		if (atomic_compare_exchange_weak_explicit(&slot->count, &count, count + PIN,
							  memory_order_acquire,
							  memory_order_relaxed))
			return true;
	}
}

void *slots_get(struct slots *slots, uint64_t id)
{
	struct slot *slot = slots_at(slots, (uint32_t)id);

	if (!slot || atomic_load(&slot->gen) != id >> 32 || !slots_pin(slot))
		return NULL;
	/* It may have been given out anew meanwhile: to be asked again, now that it stays. */
	return slot;
}

void slots_hold(struct slot *slot, uint64_t refs)
{
	uint64_t count = atomic_load(&slot->count);

	for (;;) {
		if (count & CLOSED) {
			sched_yield();
			count = atomic_load(&slot->count);
			continue;
		}
		if (atomic_compare_exchange_weak(&slot->count, &count, count + PIN + refs))
			return;
	}
}

uint64_t slots_drop(struct slot *slot, uint64_t refs)
{
	uint64_t count = atomic_load(&slot->count), less;

	do
		less = refs < (count & REFS) ? refs : count & REFS;
	while (!atomic_compare_exchange_weak(&slot->count, &count, count - less));
	return less;
}

bool slots_put(struct slot *slot)
{
	return atomic_fetch_sub_explicit(&slot->count, PIN, memory_order_acq_rel) == PIN;
}

bool slots_unused(const struct slot *slot)
{
	return !atomic_load(&slot->count);
}

uint64_t slots_refs(const struct slot *slot)
{
	return atomic_load(&slot->count) & REFS;
}

bool slots_close(struct slot *slot)
{
	uint64_t count = atomic_load(&slot->count);

	/* Without references it is about to be freed by somebody else. */
	return count && !(count & ~REFS) &&
	       atomic_compare_exchange_strong(&slot->count, &count, count | CLOSED);
}

void slots_open(struct slot *slot)
{
	atomic_fetch_and(&slot->count, ~CLOSED);
}
