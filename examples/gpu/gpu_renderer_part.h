/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a renderer share.  gpu_renderer.c has requests, gpu_renderer_shadow.c memory
 * that it writes to by itself, gpu_renderer_venus.c what is Vulkan's, gpu_renderer_node.c the
 * host's graphics hardware, gpu_renderer_libraries.c what is opened late, gpu_renderer_shut.c what
 * the process gives up.
 */
#ifndef GPU_RENDERER_PART_H
#define GPU_RENDERER_PART_H

#include <stddef.h>

#include "gpu_3d.h"
#include "gpu_renderer.h"
#include "gpu_wire.h"

struct shadow;

struct renderer {
	int socket;
	int node;	      /* of the host's graphics hardware, until virglrenderer has it; -1 */
	char driver[32];      /* the kernel's, of that node */
	uint32_t asked, done; /* fences of all */
	uint64_t random;      /* not 0 */
	struct shadow *shadows;
	/* Fences of contexts' rings that are not done. */
	struct ring_fences {
		uint32_t context, n;
	} rings[THREE_CONTEXTS];
	uint32_t n_ring_fences;
};

/* --- gpu_renderer.c --- */

/* fd: one that goes with it; -1. */
void renderer_reply(const struct renderer *r, const struct wire_reply *head, const void *bytes,
		    int fd);

/* Zeroed; the process ends where there is none. */
void *renderer_allocate(size_t size);

/* --- gpu_renderer_shadow.c --- */

int renderer_shadow(struct renderer *r, uint32_t resource, uint64_t size);
int renderer_unshadow(struct renderer *r, uint32_t resource);
/* What was written there since. */
void renderer_tell_shadows(struct renderer *r);

/* --- gpu_renderer_venus.c --- */

/* virgl_renderer_init()'s. */
int venus_flags(void);
/* There is a Vulkan driver, which stays loaded; before there are threads.  False: hello says why.
 */
bool venus_find_driver(struct wire_hello *hello);
/* After virgl_renderer_init(): contexts work, and memory of theirs can be had. */
bool venus_works(struct wire_hello *hello);
/* capset 0: virgl's. */
int renderer_context_create(uint32_t id, uint32_t capset);
int venus_create_blob(const struct wire_request *q);
/* A descriptor; -1. */
int venus_export(uint32_t resource, uint64_t *caching);
/* False: it is done as far as anybody can tell. */
bool venus_fence(struct renderer *r, const struct wire_request *q);
void venus_write_fence(void *cookie, uint32_t context, uint32_t ring, uint64_t fence);
/* It is no more, and none of its fences comes. */
void venus_forget(struct renderer *r, uint32_t context);

/* --- gpu_renderer_node.c --- */

/* r->node; false: hello says why not. */
bool node_open(struct renderer *r, const char *path, struct wire_hello *hello);
/* After virgl_renderer_init(): it is that hardware which draws.  False: hello says what does. */
bool node_draws(const struct renderer *r, struct wire_hello *hello);
/* A dma-buf of a picture, and in the answer what it is like; -1. */
int node_export(uint32_t resource, struct wire_reply *answer);

/* --- gpu_renderer_libraries.c --- */

/* Before virgl_renderer_init() of OpenGL; false: hello says what is not there. */
bool renderer_finds_opengl(struct wire_hello *hello);

/* --- gpu_renderer_shut.c --- */

/* Lines of Mesa's and of virglrenderer's, as many as a guest likes, have no place in a log. */
void renderer_be_quiet(void);
/* Only what a Vulkan driver is found by can be read; before there are threads. */
int renderer_shut_files(struct wire_hello *hello);
int renderer_shut_in(const struct spawn_limits *limits, struct wire_hello *hello);

#endif
