/* SPDX-License-Identifier: MIT */
/*
 * The split layout in big-endian order: rings of legacy drivers (virtio 1.3 §1.4.1, "guest native")
 * whose front-end said so.  The same functions as in split.h, never inlined: the slow way.
 */
#ifndef RING_SPLIT_BIG_H
#define RING_SPLIT_BIG_H

#include <stdbool.h>
#include <stdint.h>

struct req;
struct ring;
struct vu_req;

void split_big_begin(struct ring *ring);
int split_big_take(struct ring *ring, struct vu_req **reqs, uint32_t max);
int split_big_take_head(struct ring *ring, uint16_t head, struct req **req);
int split_big_refresh(struct ring *ring);
void split_big_push(struct ring *ring, const struct req *req, uint32_t written);
void split_big_publish(struct ring *ring);
bool split_big_wants_signal(struct ring *ring, uint32_t from);
bool split_big_arm(struct ring *ring);
void split_big_disarm(struct ring *ring);

#endif
