/* SPDX-License-Identifier: MIT */
/* Guest memory behind requests: keeping it mapped beyond a request's end. */
#ifndef LIBVU_MEMORY_H
#define LIBVU_MEMORY_H

#include <libvu/types.h>

struct vu_req;

VU_BEGIN_DECLS

/**
 * vu_req_memory() - a reference on the mappings that a request's segments point into.
 *
 * An outstanding request keeps its memory mapped by itself.  Bindings, whose views may outlive
 * the request, take this reference first; the pages stay valid (though the guest owns them again)
 * until vu_memory_release().
 *
 * Return: the reference; never NULL.
 * Thread: any that owns the request.
 * Since: 0.1
 */
VU_API struct vu_memory *vu_req_memory(const struct vu_req *req);

/**
 * vu_memory_release() - give the reference back.  NULL is ignored.
 *
 * May be called after the device is freed.  Thread: any.
 * Since: 0.1
 */
VU_API void vu_memory_release(struct vu_memory *memory);

VU_END_DECLS

#endif
