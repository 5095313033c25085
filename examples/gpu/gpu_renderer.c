/* SPDX-License-Identifier: MIT */
/*
 * See gpu_renderer.h.  Draws without any display: in software by EGL's surfaceless platform, or by
 * a render node, for which virglrenderer takes that of GBM.
 *
 * virglrenderer keeps all its state in the process; so does this file, in one struct on its stack.
 */
#define VIRGL_RENDERER_UNSTABLE_APIS

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <virglrenderer.h>

#include "gpu_renderer_part.h"

enum {
	/* virgl's capset 2: which things may be asked for, as bits. */
	CAPS_AT = 392,
	/* Commands that read a resource's memory themselves, which is not here. */
	CAP_TRANSFER = 1 << 17,
	CAP_COPY_TRANSFER = 1 << 26,
	CAPS_V2_AT = 688,
	/* It is for these only, but Mesa goes by it alone. */
	CAP_V2_COPY_BOTH_DIRECTIONS = 1 << 7,
	/* venus': that what it allocates by itself can be seen by the guest, as a word. */
	VENUS_BLOBS_AT = 16,
	FENCE_POLL_NS = 500000,
};

/* --- the socket --- */

static void send_all(const struct renderer *r, const void *data, size_t len)
{
	const char *from = data;

	while (len) {
		ssize_t n = send(r->socket, from, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			_exit(0); /* the device is gone */
		if (n > 0) {
			from += n;
			len -= (size_t)n;
		}
	}
}

static void receive_all(const struct renderer *r, void *data, size_t len)
{
	char *to = data;

	while (len) {
		ssize_t n = recv(r->socket, to, len, 0);

		if (!n || (n < 0 && errno != EINTR))
			_exit(0);
		if (n > 0) {
			to += n;
			len -= (size_t)n;
		}
	}
}

void renderer_reply(const struct renderer *r, const struct wire_reply *head, const void *bytes,
		    int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = ""};
	struct iovec iov = {(void *)(uintptr_t)head, sizeof(*head)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *rights;
	ssize_t n;

	if (fd < 0) {
		send_all(r, head, sizeof(*head));
		send_all(r, bytes, head->len);
		return;
	}
	message.msg_control = control.bytes;
	message.msg_controllen = sizeof(control.bytes);
	rights = CMSG_FIRSTHDR(&message);
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	do
		n = sendmsg(r->socket, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		_exit(0);
	/* It went with the first byte. */
	send_all(r, (const char *)head + n, sizeof(*head) - (size_t)n);
}

static void reply(const struct renderer *r, struct wire_reply head, const void *bytes)
{
	renderer_reply(r, &head, bytes, -1);
}

void *renderer_allocate(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	/* The session ends with it, as it does when Mesa finds none. */
	if (!memory)
		_exit(1);
	return memory;
}

/* --- requests --- */

static int create(uint32_t id, const struct wire_create *c)
{
	struct virgl_renderer_resource_create_args args = {
		.handle = id,
		.target = c->target,
		.format = c->format,
		.bind = c->bind,
		.width = c->width,
		.height = c->height,
		.depth = c->depth,
		.array_size = c->array_size,
		.last_level = c->last_level,
		.nr_samples = c->nr_samples,
		.flags = c->flags,
	};

	return virgl_renderer_resource_create(&args, NULL, 0);
}

/* virgl's box is the first six numbers of ours. */
static int transfer(struct wire_request *q, unsigned char *bytes)
{
	struct iovec iov = {bytes, q->kind == WIRE_PUT ? q->len : q->size};
	struct virgl_box *box = (struct virgl_box *)&q->box;

	if (q->kind == WIRE_GET)
		return virgl_renderer_transfer_read_iov(q->resource, q->context, q->box.level,
							q->box.stride, q->box.layer_stride, box, 0,
							&iov, 1);
	return virgl_renderer_transfer_write_iov(q->resource, q->context, (int)q->box.level,
						 q->box.stride, q->box.layer_stride, box, 0, &iov,
						 1);
}

static int run(struct renderer *r, struct wire_request *q, unsigned char *bytes)
{
	switch (q->kind) {
	case WIRE_FENCE_ONLY:
		return 0;
	case WIRE_DRAWN:
		virgl_renderer_force_ctx_0(); /* contexts are flushed when another one has its turn
					       */
		return 0;
	case WIRE_CONTEXT_CREATE:
		return renderer_context_create(q->context, q->capset);
	case WIRE_CONTEXT_DESTROY:
		virgl_renderer_context_destroy(q->context);
		venus_forget(r, q->context);
		return 0;
	case WIRE_CONTEXT_ATTACH:
		virgl_renderer_ctx_attach_resource((int)q->context, (int)q->resource);
		return 0;
	case WIRE_CONTEXT_DETACH:
		virgl_renderer_ctx_detach_resource((int)q->context, (int)q->resource);
		return 0;
	case WIRE_CREATE:
		return create(q->resource, &q->create);
	case WIRE_UNREF:
		renderer_unshadow(r, q->resource);
		virgl_renderer_resource_unref(q->resource);
		return 0;
	case WIRE_SHADOW:
		return renderer_shadow(r, q->resource, q->size);
	case WIRE_UNSHADOW:
		return renderer_unshadow(r, q->resource);
	case WIRE_PUT:
	case WIRE_GET:
		return transfer(q, bytes);
	case WIRE_CREATE_BLOB:
		return venus_create_blob(q);
	case WIRE_SUBMIT:
		return virgl_renderer_submit_cmd(bytes, (int)q->context, (int)(q->len / 4));
	default:
		return EINVAL;
	}
}

/* The guest is to see it: its descriptor goes along. */
static void answer_export(const struct renderer *r, uint32_t resource)
{
	struct wire_reply head = {.kind = WIRE_DONE};
	int fd = venus_export(resource, &head.at);

	if (fd < 0)
		head.value = EINVAL;
	renderer_reply(r, &head, NULL, fd);
	if (fd >= 0)
		close(fd);
}

/* A display is to see it. */
static void answer_picture(const struct renderer *r, uint32_t resource)
{
	struct wire_reply head = {.kind = WIRE_DONE};
	int fd = node_export(resource, &head);

	if (fd < 0)
		head.value = EINVAL;
	renderer_reply(r, &head, NULL, fd);
	if (fd >= 0)
		close(fd);
}

/* Without a fence all is done as far as anybody can tell. */
static void make_fence(struct renderer *r, const struct wire_request *q)
{
	bool made = false;

	if (q->ring != WIRE_RING_ALL) {
		made = venus_fence(r, q);
	} else {
		r->asked = q->fence;
		made = !virgl_renderer_create_fence((int)q->fence, 0);
		if (!made)
			r->done = q->fence;
	}
	if (!made)
		reply(r,
		      (struct wire_reply){.kind = WIRE_FENCE,
					  .value = q->fence,
					  .context = q->fence_context,
					  .ring = q->ring},
		      NULL);
}

static void serve(struct renderer *r)
{
	struct wire_request q;
	unsigned char *bytes;
	uint32_t back;
	int ret;

	receive_all(r, &q, sizeof(q));
	back = q.kind == WIRE_GET ? (uint32_t)q.size : 0;
	bytes = renderer_allocate(back > q.len ? back : q.len);
	receive_all(r, bytes, q.len);
	if (q.kind == WIRE_EXPORT) {
		answer_export(r, q.resource);
	} else if (q.kind == WIRE_EXPORT_PICTURE) {
		answer_picture(r, q.resource);
	} else {
		ret = run(r, &q, bytes);
		renderer_tell_shadows(r);
		reply(r,
		      (struct wire_reply){.kind = WIRE_DONE, .value = (uint32_t)ret, .len = back},
		      bytes);
	}
	free(bytes);
	if (q.fence)
		make_fence(r, &q);
}

/* --- life --- */

static void write_fence(void *cookie, uint32_t fence)
{
	struct renderer *r = cookie;

	r->done = fence;
	renderer_tell_shadows(r);
	reply(r, (struct wire_reply){.kind = WIRE_FENCE, .value = fence}, NULL);
}

static void clear_bits(struct wire_capset *capset, size_t at, uint32_t wrong)
{
	uint32_t bits;

	if (capset->size < at + sizeof(bits))
		return;
	memcpy(&bits, capset->data + at, sizeof(bits));
	bits &= ~wrong;
	memcpy(capset->data + at, &bits, sizeof(bits));
}

/* What a capset says of this renderer may be more, or less, than there is. */
static void correct(struct wire_capset *capset)
{
	const uint32_t yes = 1;

	if (capset->id == CAPSET_VIRGL2) {
		clear_bits(capset, CAPS_AT, CAP_TRANSFER | CAP_COPY_TRANSFER);
		clear_bits(capset, CAPS_V2_AT, CAP_V2_COPY_BOTH_DIRECTIONS);
	}
	/* venus_works() has tried it.  Otherwise Mesa takes memory of the guest's, which is not
	 * here. */
	if (capset->id == CAPSET_VENUS && capset->size >= VENUS_BLOBS_AT + sizeof(yes))
		memcpy(capset->data + VENUS_BLOBS_AT, &yes, sizeof(yes));
}

static void fill_capset(struct wire_capset *capset, uint32_t id)
{
	virgl_renderer_get_cap_set(id, &capset->version, &capset->size);
	if (capset->size > sizeof(capset->data))
		capset->size = 0;
	if (!capset->size)
		return;
	capset->id = id;
	virgl_renderer_fill_caps(id, capset->version, capset->data);
	correct(capset);
}

static int get_drm_fd(void *cookie)
{
	struct renderer *r = cookie;
	int node = r->node;

	r->node = -1; /* it is virglrenderer's now */
	return node;
}

static struct virgl_renderer_callbacks callbacks = {
#if VIRGL_RENDERER_CALLBACKS_VERSION >= 4
	.version = 4,
	.write_context_fence = venus_write_fence,
#else
	.version = 2,
#endif
	.get_drm_fd = get_drm_fd,
	.write_fence = write_fence,
};

static int flags_of(const struct spawn_limits *limits)
{
	int flags = limits->venus ? venus_flags() : 0;

	if (limits->virgl)
		return flags | VIRGL_RENDERER_USE_EGL |
		       (limits->node ? 0 : VIRGL_RENDERER_USE_SURFACELESS);
#ifdef VIRGL_RENDERER_NO_VIRGL
	flags |= VIRGL_RENDERER_NO_VIRGL;
#endif
	return flags;
}

static void set_environment(const struct spawn_limits *limits)
{
	if (limits->node) {
		unsetenv("LIBGL_ALWAYS_SOFTWARE");
		unsetenv("GALLIUM_DRIVER");
		unsetenv("EGL_PLATFORM");
	} else {
		/* No hardware: what its drivers need is not allowed here. */
		setenv("LIBGL_ALWAYS_SOFTWARE", "1", 1);
		setenv("GALLIUM_DRIVER", "llvmpipe", 0);
		setenv("EGL_PLATFORM", "surfaceless", 1);
	}
	/* No files. */
	setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
	setenv("MESA_GLSL_CACHE_DISABLE", "true", 1);
}

static bool begin(struct renderer *r, const struct spawn_limits *limits, struct wire_hello *hello)
{
	struct wire_capset *next = hello->capsets;

	set_environment(limits);
	if (limits->node && !node_open(r, limits->node, hello))
		return false;
	if (limits->venus &&
	    (!venus_find_driver(hello) || (limits->shut_in && renderer_shut_files(hello))))
		return false;
	if (limits->virgl && !renderer_finds_opengl(hello))
		return false;
	if (virgl_renderer_init(r, flags_of(limits), &callbacks)) {
		snprintf(hello->error, sizeof(hello->error),
			 "virglrenderer finds no EGL that draws %s (Debian: "
			 "libegl1 libgl1-mesa-dri)%s",
			 limits->node ? "by it" : "without a display",
			 limits->venus ? ", or has no Vulkan" : "");
		return false;
	}
	if (limits->node && !node_draws(r, hello))
		return false;
	if (limits->venus && !venus_works(hello))
		return false;
	if (limits->virgl) {
		fill_capset(next++, CAPSET_VIRGL);
		fill_capset(next++, CAPSET_VIRGL2);
	}
	if (limits->venus)
		fill_capset(next, CAPSET_VENUS);
	return true;
}

_Noreturn static void serve_all(struct renderer *r)
{
	const struct timespec soon = {0, FENCE_POLL_NS};
	struct pollfd poll_fd = {.fd = r->socket, .events = POLLIN};

	for (;;) {
		bool waits = r->asked != r->done || r->n_ring_fences;
		int ready = ppoll(&poll_fd, 1, waits ? &soon : NULL, NULL);

		if (ready < 0 && errno != EINTR)
			_exit(1);
		if (ready > 0)
			serve(r);
		if (r->asked != r->done || r->n_ring_fences)
			virgl_renderer_poll();
	}
}

bool renderer_is_there(void)
{
	return true;
}

_Noreturn void renderer_run(int socket, const struct spawn_limits *limits)
{
	struct renderer r = {.socket = socket, .node = -1};
	struct wire_hello hello = {.error = ""};
	bool there;

	prctl(PR_SET_NAME, "vu-gpu-renderer");
	if (getrandom(&r.random, sizeof(r.random), 0) != sizeof(r.random) || !r.random)
		r.random = 1;
	renderer_be_quiet();
	there = begin(&r, limits, &hello) && !renderer_shut_in(limits, &hello);
	send_all(&r, &hello, sizeof(hello));
	if (!there)
		_exit(1);
	serve_all(&r);
}
