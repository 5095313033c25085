/* SPDX-License-Identifier: MIT */
/*
 * The list of a device's guest memory mappings, readable from a signal handler.
 *
 * Shared by the device and by every region mapped for it (a region may outlive the device when a
 * request or binding still refers to it), so it counts references.
 */
#ifndef MEM_MAPPINGS_H
#define MEM_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mappings;
struct mapping;

/* NULL when out of memory. */
struct mappings *mappings_new(void);
struct mappings *mappings_ref(struct mappings *m);
void mappings_unref(struct mappings *m);

/*
 * All of a device's mappings together may have so many bytes, also those that only requests of an
 * older table refer to: one front-end must not use up the addresses that the process has.  Any
 * thread.
 */
void mappings_set_limit(struct mappings *m, uint64_t bytes);
/* Before something is mapped; false if it would be too much.  And after it is unmapped. */
bool mappings_reserve(struct mappings *m, size_t len);
void mappings_release(struct mappings *m, size_t len);
/* What is reserved; the limit. */
uint64_t mappings_bytes(const struct mappings *m);
uint64_t mappings_limit(const struct mappings *m);

/*
 * Before n runs of it are mapped once more (mem/mirror.h), each a mapping of the kernel's, of which
 * a process has a limited number; false if the device has too many.  And after they are unmapped.
 */
bool mappings_reserve_runs(struct mappings *m, uint32_t n);
void mappings_release_runs(struct mappings *m, uint32_t n);

/* Note that [base, base + len) is mapped.  NULL when out of memory.  Any thread. */
struct mapping *mappings_add(struct mappings *m, void *base, size_t len);
/* Forget it, before it is unmapped.  Any thread. */
void mappings_remove(struct mapping *mapping);

/*
 * Replace the mapping that contains addr by zero pages.  Returns 1, or 0 if there is none.  Any
 * thread; async-signal-safe.
 */
int mappings_fault(struct mappings *m, const void *addr);

#endif
