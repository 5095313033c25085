/* SPDX-License-Identifier: MIT */
/*
 * Back-end file with --register-memory: the guest's memory as registered buffers of a ring, so that
 * the kernel need not look up and pin a request's pages each time.  They are pinned all along.
 *
 * A piece is registered when it is first used.  Registrations are of one state of guest memory,
 * which is kept mapped by a reference: no address in it can come to mean something else.  The first
 * request of another state ends them all, and so does the end of the session.  The kernel keeps
 * what is in flight pinned.  Queue thread.
 */
#include "disk_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIXED_PIECES = 256 };
#define FIXED_PIECE (UINT64_C(1) << 30) /* the kernel takes no larger ones */

struct fixed_piece {
	uintptr_t start, end;
	bool registered; /* false: the kernel did not want to */
};

struct fixed {
	const char *program;
	struct io_uring *ring;
	struct vu_memory *memory; /* of which the pieces are; NULL without any */
	uint32_t n, last;	  /* pieces; the one that was found last */
	struct fixed_piece pieces[FIXED_PIECES];
	atomic_bool expired;
	bool told;
};

/* Where the region begins and ends that has an address of ours.  False: there is none. */
static bool fixed_find_region(const struct fixed *f, uintptr_t addr, uintptr_t *start,
			      uintptr_t *end)
{
	struct vu_region region = {.size = sizeof(region)};

	for (uint32_t i = 0; !vu_memory_region(f->memory, i, &region); i++) {
		*start = (uintptr_t)region.host;
		*end = *start + region.len;
		if (addr >= *start && addr < *end)
			return true;
	}
	return false;
}

static void fixed_tell(struct fixed *f, int error)
{
	if (f->told)
		return;
	f->told = true;
	fprintf(stderr, "%s: --register-memory: %s%s; going on without\n", f->program,
		strerror(-error), error == -ENOMEM ? " (is RLIMIT_MEMLOCK too low?)" : "");
}

/* A new piece, around addr.  NULL: no room. */
static const struct fixed_piece *fixed_learn(struct fixed *f, uintptr_t addr)
{
	struct fixed_piece *piece = &f->pieces[f->n];
	struct iovec iov;
	__u64 tag = 0;
	int ret;

	if (f->n == FIXED_PIECES || !fixed_find_region(f, addr, &piece->start, &piece->end))
		return NULL;
	piece->start += (addr - piece->start) & ~(FIXED_PIECE - 1);
	if (piece->end - piece->start > FIXED_PIECE)
		piece->end = piece->start + FIXED_PIECE;
	iov.iov_base = (void *)piece->start;
	iov.iov_len = piece->end - piece->start;
	ret = io_uring_register_buffers_update_tag(f->ring, f->n, &iov, &tag, 1);
	piece->registered = ret == 1;
	if (ret < 0)
		fixed_tell(f, ret);
	f->last = f->n++;
	return piece;
}

static const struct fixed_piece *fixed_piece_of(struct fixed *f, uintptr_t addr)
{
	for (uint32_t i = 0; i < f->n; i++) {
		uint32_t at = (f->last + i) % f->n;

		if (addr >= f->pieces[at].start && addr < f->pieces[at].end) {
			f->last = at;
			return &f->pieces[at];
		}
	}
	return fixed_learn(f, addr);
}

int fixed_find(struct fixed *f, const struct vu_req *req, const struct iovec *iov)
{
	struct vu_memory *memory = vu_req_memory(req);
	uintptr_t addr = (uintptr_t)iov->iov_base;
	const struct fixed_piece *piece;

	if (memory == f->memory) {
		vu_memory_release(memory);
	} else {
		fixed_forget(f);
		f->memory = memory;
	}
	piece = fixed_piece_of(f, addr);
	if (!piece || !piece->registered || iov->iov_len > piece->end - addr)
		return -1;
	return (int)(piece - f->pieces);
}

void fixed_forget(struct fixed *f)
{
	static const struct iovec none[FIXED_PIECES];
	static const __u64 tags[FIXED_PIECES];

	if (f->n)
		io_uring_register_buffers_update_tag(f->ring, 0, none, tags, f->n);
	f->n = f->last = 0;
	vu_memory_release(f->memory);
	f->memory = NULL;
}

void fixed_expire(struct fixed *f)
{
	atomic_store(&f->expired, true);
}

bool fixed_is_expired(struct fixed *f)
{
	return atomic_load_explicit(&f->expired, memory_order_relaxed) &&
	       atomic_exchange(&f->expired, false);
}

struct fixed *fixed_new(struct io_uring *ring, const char *program)
{
	struct fixed *f = calloc(1, sizeof(*f));
	int ret;

	if (!f)
		return NULL;
	f->ring = ring;
	f->program = program;
	ret = io_uring_register_buffers_sparse(ring, FIXED_PIECES);
	if (!ret)
		return f;
	fixed_tell(f, ret);
	free(f);
	return NULL;
}

void fixed_free(struct fixed *f)
{
	if (f)
		fixed_forget(f);
	free(f);
}
