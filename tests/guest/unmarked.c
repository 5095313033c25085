/* SPDX-License-Identifier: MIT */
/*
 * One kind of mark in the dirty log is left out: the linker puts what is called so in the place of
 * what ring/marks.h has of that kind.  In vu-blk, for dirty.py, and in tests/unit, for unmarked.sh.
 */
#include "ring/marks.h"

void __wrap_marks_request(struct ring *ring, const struct req *req, uint64_t written);
void __wrap_marks_pushed(struct ring *ring);
void __wrap_marks_published(struct ring *ring);
void __wrap_marks_armed(struct ring *ring);

void __wrap_marks_request(struct ring *ring, const struct req *req, uint64_t written)
{
}

void __wrap_marks_pushed(struct ring *ring)
{
}

void __wrap_marks_published(struct ring *ring)
{
}

void __wrap_marks_armed(struct ring *ring)
{
}
