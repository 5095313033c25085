/* SPDX-License-Identifier: MIT */
/*
 * See gpu_renderer_part.h: contexts of Vulkan (venus), memory of theirs that the guest is to see,
 * and fences of their rings.  virglrenderer decodes what Mesa in the guest encodes, and calls a
 * Vulkan driver in this process.
 */
#define VIRGL_RENDERER_UNSTABLE_APIS

#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#include <virglrenderer.h>

#include "gpu_renderer_part.h"

static const char name[] = "guest";

#if VIRGL_RENDERER_CALLBACKS_VERSION >= 4

enum { PROBE = 1, PROBE_BYTES = 4096 };

int venus_flags(void)
{
	return VIRGL_RENDERER_VENUS;
}

/* --- a driver --- */

/* As Vulkan 1.0 has them (§4.2): of what is asked for nothing is needed. */
struct vulkan_info {
	uint32_t type;
	const void *next;
	uint32_t flags;
	const void *application;
	uint32_t n_layers;
	const char *const *layers;
	uint32_t n_extensions;
	const char *const *extensions;
};

typedef int32_t (*vulkan_create)(const struct vulkan_info *info, const void *allocator,
				 void **instance);
typedef int32_t (*vulkan_enumerate)(void *instance, uint32_t *n, void **devices);

bool venus_find_driver(struct wire_hello *hello)
{
	const struct vulkan_info info = {.type = 1};
	void *library = dlopen("libvulkan.so.1", RTLD_NOW), *instance = NULL;
	vulkan_create create = NULL;
	vulkan_enumerate enumerate = NULL;
	uint32_t n = 0;

	if (library) {
		*(void **)&create = dlsym(library, "vkCreateInstance");
		*(void **)&enumerate = dlsym(library, "vkEnumeratePhysicalDevices");
	}
	/* The instance is kept: its driver's libraries are here when a guest makes one. */
	if (create && enumerate && !create(&info, NULL, &instance) &&
	    !enumerate(instance, &n, NULL) && n)
		return true;
	snprintf(hello->error, sizeof(hello->error),
		 "there is no Vulkan driver (Debian: mesa-vulkan-drivers)");
	return false;
}

/* --- memory --- */

static int context_create(uint32_t id, uint32_t capset)
{
	return virgl_renderer_context_create_with_flags(id, capset, sizeof(name) - 1, name);
}

int venus_create_blob(const struct wire_request *q)
{
	const struct virgl_renderer_resource_create_blob_args args = {
		.res_handle = q->resource,
		.ctx_id = q->context,
		.blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
		.blob_flags = q->blob.flags,
		.blob_id = q->blob.id,
		.size = q->size,
	};

	return virgl_renderer_resource_create_blob(&args);
}

int venus_export(uint32_t resource, uint64_t *caching)
{
	uint32_t type = 0, info = VIRGL_RENDERER_MAP_CACHE_CACHED;
	int fd = -1;

	if (virgl_renderer_resource_export_blob(resource, &type, &fd))
		return -1;
	/* Of memory for nobody but a driver, there may be no word. */
	virgl_renderer_resource_get_map_info(resource, &info);
	*caching = info;
	return fd;
}

bool venus_works(struct wire_hello *hello)
{
	const struct wire_request blob = {.resource = PROBE,
					  .context = PROBE,
					  .size = PROBE_BYTES,
					  .blob.flags = VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE};
	uint64_t caching;
	int fd = -1;

	if (!context_create(PROBE, CAPSET_VENUS)) {
		if (!venus_create_blob(&blob)) {
			fd = venus_export(PROBE, &caching);
			virgl_renderer_resource_unref(PROBE);
		}
		virgl_renderer_context_destroy(PROBE);
	}
	if (fd < 0)
		snprintf(hello->error, sizeof(hello->error),
			 "this virglrenderer has no Vulkan in its user's process (0.10 has; from "
			 "1.0 on it starts a server, which the sandbox does not allow)");
	else
		close(fd);
	return fd >= 0;
}

/* --- fences --- */

static struct ring_fences *fences_of(struct renderer *r, uint32_t context)
{
	struct ring_fences *room = NULL;

	for (uint32_t i = 0; i < THREE_CONTEXTS; i++) {
		if (r->rings[i].n && r->rings[i].context == context)
			return &r->rings[i];
		if (!r->rings[i].n)
			room = &r->rings[i];
	}
	if (room)
		room->context = context;
	return room;
}

bool venus_fence(struct renderer *r, const struct wire_request *q)
{
	struct ring_fences *fences = fences_of(r, q->fence_context);

	if (!fences)
		return false;
	/* First: it may be done before that comes back. */
	fences->n++;
	r->n_ring_fences++;
	if (!virgl_renderer_context_create_fence(q->fence_context, 0, q->ring - 1, q->fence))
		return true;
	fences->n--;
	r->n_ring_fences--;
	return false;
}

void venus_write_fence(void *cookie, uint32_t context, uint32_t ring, uint64_t fence)
{
	struct renderer *r = cookie;
	struct ring_fences *fences = fences_of(r, context);
	const struct wire_reply head = {
		.kind = WIRE_FENCE, .value = (uint32_t)fence, .context = context, .ring = ring + 1};

	if (fences && fences->n) {
		fences->n--;
		r->n_ring_fences--;
	}
	renderer_reply(r, &head, NULL, -1);
}

void venus_forget(struct renderer *r, uint32_t context)
{
	struct ring_fences *fences = fences_of(r, context);

	if (!fences)
		return;
	r->n_ring_fences -= fences->n;
	fences->n = 0;
}

#else

int venus_flags(void)
{
	return 0;
}

bool venus_find_driver(struct wire_hello *hello)
{
	snprintf(hello->error, sizeof(hello->error),
		 "it was built with a virglrenderer that is older than 0.10.4");
	return false;
}

bool venus_works(struct wire_hello *hello)
{
	return venus_find_driver(hello);
}

static int context_create(uint32_t id, uint32_t capset)
{
	(void)id;
	(void)capset;
	return -1;
}

int venus_create_blob(const struct wire_request *q)
{
	(void)q;
	return -1;
}

int venus_export(uint32_t resource, uint64_t *caching)
{
	(void)resource;
	(void)caching;
	return -1;
}

bool venus_fence(struct renderer *r, const struct wire_request *q)
{
	(void)r;
	(void)q;
	return false;
}

void venus_forget(struct renderer *r, uint32_t context)
{
	(void)r;
	(void)context;
}

#endif

int renderer_context_create(uint32_t id, uint32_t capset)
{
	return capset ? context_create(id, capset)
		      : virgl_renderer_context_create(id, sizeof(name) - 1, name);
}
