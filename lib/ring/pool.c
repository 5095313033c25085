/* SPDX-License-Identifier: MIT */
/*
 * A ring's requests.  There is room for as many as the ring has entries, but most rings use few of
 * them, and drivers start rings as often as they like: the room is zero pages, and a request is
 * made of what lies there when it is first taken.  Queue thread.
 */
#include <errno.h>
#include <sys/mman.h>

#include "ring/ring.h"

enum { CACHE_LINE = 64, REQ_HEAD = (sizeof(struct req) + 15) / 16 * 16 };

int pool_new(struct ring *r)
{
	const struct ring_config *c = &r->config;
	size_t size = (REQ_HEAD + (size_t)c->priv_size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	void *reqs;

	/* An allocator would clear what it gives out a second time. */
	reqs = mmap(NULL, size * c->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reqs == MAP_FAILED)
		return -ENOMEM;
	r->reqs = reqs;
	r->req_size = (uint32_t)size;
	return 0;
}

void pool_free(struct ring *r)
{
	if (r->reqs)
		munmap(r->reqs, (size_t)r->req_size * r->size);
}

struct req *pool_begin(struct ring *r, uint32_t at)
{
	struct req *req = ring_req(r, at);

	req->ring = r;
	req->table = r->table;
	req->id = (uint16_t)at;
	req->slots = 1;
	req->state = REQ_FREE;
	req->pub.readable = req->segs;
	req->pub.priv = r->config.priv_size ? (unsigned char *)req + REQ_HEAD : NULL;
	req->begun_before = r->begun;
	r->begun = at + 1;
	return req;
}
