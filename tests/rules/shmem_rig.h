/* SPDX-License-Identifier: MIT */
/* A device with two shared memory regions, and the front-end's side of mapping into them. */
#ifndef RULES_SHMEM_RIG_H
#define RULES_SHMEM_RIG_H

#include <libvu/unstable.h>

#include "rules/rig.h"

enum { PAGE = 4096, FIRST = 1, SECOND = 4, FIRST_LEN = 12 * PAGE, SECOND_LEN = 4 * PAGE };

/* How a request of ours ended. */
struct asked {
	int result;
	uint32_t times;
};

/* How often the device was told that its pieces are lost. */
extern uint32_t shmem_lost;

int shmem_declare(struct rig *rig, const uint64_t *lens, uint32_t n);
/* The two regions. */
void shmem_declare_usual(struct rig *rig);
void shmem_open(struct rig *rig);

int file_of(uint64_t len);
struct vu_shmem_piece piece_of(uint32_t id, uint64_t page, uint64_t pages, int fd);
void on_asked(struct vu_device *dev, int result, void *asked);
/* Ask for pages of region id; the file is one of its own. */
int map(struct rig *rig, uint32_t id, uint64_t page, uint64_t pages, struct asked *asked);
int unmap(struct rig *rig, uint32_t id, uint64_t page, struct asked *asked);
/* Map, and have it answered. */
void map_well(struct rig *rig, uint32_t id, uint64_t page, uint64_t pages);
void assert_ended(const struct asked *asked, int result);

/* The front-end hears of it; not yet answered. */
void hear(struct rig *rig, uint32_t request, uint32_t id, uint64_t page, uint64_t pages,
	  struct frontend_msg *msg);
void hear_nothing(struct rig *rig);
void answer(struct rig *rig, const struct frontend_msg *msg, uint64_t value);

#endif
