/* SPDX-License-Identifier: MIT */
/*
 * vu-blk with one kind of mark in the dirty log left out, for dirty.py: the linker puts these in
 * the place of what ring/marks.h has of that kind.
 */
#include "ring/marks.h"

void __wrap_marks_request(struct ring *ring, const struct req *req, uint64_t written);
void __wrap_marks_pushed(struct ring *ring);
void __wrap_marks_published(struct ring *ring);

void __wrap_marks_request(struct ring *ring, const struct req *req, uint64_t written)
{
}

void __wrap_marks_pushed(struct ring *ring)
{
}

void __wrap_marks_published(struct ring *ring)
{
}
