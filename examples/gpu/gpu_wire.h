/* SPDX-License-Identifier: MIT */
/*
 * What a device and its renderer, a process of its own, say to each other over a stream socket.
 *
 * Both are the same program, so numbers are as this machine has them.  The device sends requests,
 * each a struct wire_request and the bytes it says; the renderer does them in order and answers
 * each with WIRE_DONE.  In between it tells of fences and of what was written to a resource's
 * memory.  It never has any of the guest's memory: bytes go over the socket.  With the answer to
 * WIRE_EXPORT comes a descriptor, of memory that the guest is to see, and with that to
 * WIRE_EXPORT_PICTURE one that a display is to have.  The renderer may be the guest's by now: the
 * device believes nothing of what it says.
 */
#ifndef GPU_WIRE_H
#define GPU_WIRE_H

#include <stdint.h>

enum {
	WIRE_CAPSETS = 3,
	WIRE_CAPSET_BYTES = 2048,
	WIRE_BAND = 4 << 20,	   /* bytes of a picture that are asked for at once */
	WIRE_SUBMIT_MAX = 4 << 20, /* bytes of commands in one request */
	WIRE_SHADOW_MAX = 1 << 16, /* bytes of memory that the renderer itself writes to */
};

enum wire_kind {
	WIRE_FENCE_ONLY,
	WIRE_CONTEXT_CREATE,
	WIRE_CONTEXT_DESTROY,
	WIRE_CONTEXT_ATTACH,
	WIRE_CONTEXT_DETACH,
	WIRE_CREATE,
	WIRE_UNREF,
	WIRE_SHADOW,   /* the resource has memory now, of so many bytes */
	WIRE_UNSHADOW, /* and no more */
	WIRE_PUT,      /* bytes into a resource, rows without gaps */
	WIRE_GET,      /* and out of one */
	WIRE_SUBMIT,
	WIRE_CREATE_BLOB,
	WIRE_EXPORT,	     /* a blob's memory */
	WIRE_EXPORT_PICTURE, /* a dma-buf of a resource */
	WIRE_DRAWN,	     /* what contexts drew is on its way to the hardware */
};

struct wire_create {
	uint32_t target, format, bind, width, height, depth, array_size, last_level, nr_samples,
		flags;
};

struct wire_box {
	uint32_t x, y, z, w, h, d;
	uint32_t level, stride, layer_stride;
};

struct wire_blob {
	uint64_t id;
	uint32_t flags;
};

/* Fences of a context's ring are done in their order, whatever the others do. */
enum { WIRE_RING_ALL = 0, WIRE_RINGS = 256 };

struct wire_request {
	uint32_t kind;
	uint32_t fence; /* tell when all up to here is done; 0: do not */
	uint32_t context, resource;
	uint64_t len;  /* bytes that follow */
	uint64_t size; /* of a shadow, of a blob, or of what is to be got */
	/* Of the fence: WIRE_RING_ALL, or one more than the ring's of that context, which need not
	 * be the request's. */
	uint32_t ring, fence_context;
	union {
		uint32_t capset; /* of a context that is created; 0: virgl's */
		struct wire_create create;
		struct wire_box box;
		struct wire_blob blob;
	};
};

enum wire_answer { WIRE_DONE, WIRE_FENCE, WIRE_WRITTEN };

struct wire_reply {
	uint32_t kind;
	uint32_t value; /* WIRE_DONE: 0, or what went wrong; WIRE_FENCE: which */
	uint32_t resource;
	uint32_t len; /* bytes that follow */
	uint64_t at;  /* WIRE_WRITTEN: where in the resource's memory; of an export: its caching */
	/* WIRE_FENCE: of which */
	uint32_t context, ring;
	/* Of a picture that is exported. */
	uint32_t stride, fourcc;
	uint64_t modifier;
};

/* The first that a renderer says. */
struct wire_capset {
	uint32_t id, version, size;
	unsigned char data[WIRE_CAPSET_BYTES];
};

struct wire_hello {
	char error[160]; /* why there is no 3D; empty: there is */
	struct wire_capset capsets[WIRE_CAPSETS];
};

#endif
