/* SPDX-License-Identifier: MIT */
/*
 * See gpu_renderer.h.  Draws in software, without any display: EGL's surfaceless platform.
 *
 * virglrenderer keeps all its state in the process; so does this file, in one struct on its stack.
 */
#include "gpu_renderer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <virglrenderer.h>

#include "../common/sandbox.h"
#include "gpu_wire.h"

enum {
	CAPSET_VIRGL = 1,
	CAPSET_VIRGL2 = 2,
	/* virgl's capset 2: which things may be asked for, as bits. */
	CAPS_AT = 392,
	/* Commands that read a resource's memory themselves, which is not here. */
	CAP_TRANSFER = 1 << 17,
	CAP_COPY_TRANSFER = 1 << 26,
	FENCE_POLL_NS = 500000,
};

/*
 * Memory of a resource that the renderer writes to by itself, in words; the device is told which.
 * What nobody wrote to is random: so each write is seen, also of what was there before.
 */
struct shadow {
	struct shadow *next;
	uint32_t resource;
	size_t n_words;
	struct iovec iov;
	uint32_t *untouched;
};

struct renderer {
	int socket;
	uint32_t asked, done; /* fences */
	uint64_t random;      /* not 0 */
	struct shadow *shadows;
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

static void reply(const struct renderer *r, struct wire_reply head, const void *bytes)
{
	send_all(r, &head, sizeof(head));
	send_all(r, bytes, head.len);
}

static void *allocate(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	/* The session ends with it, as it does when Mesa finds none. */
	if (!memory)
		_exit(1);
	return memory;
}

/* --- shadows --- */

/* Marsaglia's xorshift. */
static uint32_t random_word(struct renderer *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return (uint32_t)(r->random >> 32);
}

static void untouch(struct renderer *r, struct shadow *s, size_t from, size_t to)
{
	uint32_t *words = s->iov.iov_base;

	for (size_t i = from; i < to; i++)
		words[i] = s->untouched[i] = random_word(r);
}

static void tell_shadow(struct renderer *r, struct shadow *s)
{
	const uint32_t *words = s->iov.iov_base;

	for (size_t i = 0, end; i < s->n_words; i = end + 1) {
		for (end = i; end < s->n_words && words[end] != s->untouched[end]; end++)
			;
		if (end == i)
			continue;
		reply(r,
		      (struct wire_reply){.kind = WIRE_WRITTEN,
					  .resource = s->resource,
					  .len = (uint32_t)((end - i) * sizeof(*words)),
					  .at = i * sizeof(*words)},
		      words + i);
		untouch(r, s, i, end);
	}
}

static void tell_shadows(struct renderer *r)
{
	for (struct shadow *s = r->shadows; s; s = s->next)
		tell_shadow(r, s);
}

static struct shadow **shadow_of(struct renderer *r, uint32_t resource)
{
	struct shadow **link = &r->shadows;

	while (*link && (*link)->resource != resource)
		link = &(*link)->next;
	return link;
}

static int unshadow(struct renderer *r, uint32_t resource)
{
	struct shadow **link = shadow_of(r, resource), *s = *link;

	if (!s)
		return 0;
	virgl_renderer_resource_detach_iov((int)resource, NULL, NULL);
	*link = s->next;
	free(s->iov.iov_base);
	free(s->untouched);
	free(s);
	return 0;
}

static int shadow(struct renderer *r, uint32_t resource, uint64_t size)
{
	struct shadow *s;
	int ret;

	if (size > WIRE_SHADOW_MAX || *shadow_of(r, resource))
		return EINVAL;
	s = allocate(sizeof(*s));
	s->resource = resource;
	s->n_words = size / sizeof(*s->untouched);
	s->iov = (struct iovec){allocate(size), size};
	s->untouched = allocate(size);
	s->next = r->shadows;
	r->shadows = s;
	ret = virgl_renderer_resource_attach_iov((int)resource, &s->iov, 1);
	if (ret)
		unshadow(r, resource);
	else
		untouch(r, s, 0, s->n_words); /* what it begins with is nobody's */
	return ret;
}

/* --- requests --- */

static int context_create(uint32_t id)
{
	static const char name[] = "guest";

	return virgl_renderer_context_create(id, sizeof(name) - 1, name);
}

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
	case WIRE_CONTEXT_CREATE:
		return context_create(q->context);
	case WIRE_CONTEXT_DESTROY:
		virgl_renderer_context_destroy(q->context);
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
		unshadow(r, q->resource);
		virgl_renderer_resource_unref(q->resource);
		return 0;
	case WIRE_SHADOW:
		return shadow(r, q->resource, q->size);
	case WIRE_UNSHADOW:
		return unshadow(r, q->resource);
	case WIRE_PUT:
	case WIRE_GET:
		return transfer(q, bytes);
	case WIRE_SUBMIT:
		return virgl_renderer_submit_cmd(bytes, (int)q->context, (int)(q->len / 4));
	default:
		return EINVAL;
	}
}

static void serve(struct renderer *r)
{
	struct wire_request q;
	unsigned char *bytes;
	uint32_t back;
	int ret;

	receive_all(r, &q, sizeof(q));
	back = q.kind == WIRE_GET ? (uint32_t)q.size : 0;
	bytes = allocate(back > q.len ? back : q.len);
	receive_all(r, bytes, q.len);
	ret = run(r, &q, bytes);
	tell_shadows(r);
	reply(r, (struct wire_reply){.kind = WIRE_DONE, .value = (uint32_t)ret, .len = back},
	      bytes);
	free(bytes);
	if (!q.fence)
		return;
	r->asked = q.fence;
	/* Without one all is done as far as anybody can tell. */
	if (virgl_renderer_create_fence((int)q.fence, 0))
		reply(r, (struct wire_reply){.kind = WIRE_FENCE, .value = q.fence}, NULL);
}

/* --- life --- */

static void write_fence(void *cookie, uint32_t fence)
{
	struct renderer *r = cookie;

	r->done = fence;
	tell_shadows(r);
	reply(r, (struct wire_reply){.kind = WIRE_FENCE, .value = fence}, NULL);
}

static void fill_capset(struct wire_capset *capset, uint32_t id)
{
	uint32_t bits;

	virgl_renderer_get_cap_set(id, &capset->version, &capset->size);
	if (capset->size > sizeof(capset->data))
		capset->size = 0;
	if (!capset->size)
		return;
	capset->id = id;
	virgl_renderer_fill_caps(id, capset->version, capset->data);
	if (id != CAPSET_VIRGL2 || capset->size < CAPS_AT + sizeof(bits))
		return;
	memcpy(&bits, capset->data + CAPS_AT, sizeof(bits));
	bits &= ~(uint32_t)(CAP_TRANSFER | CAP_COPY_TRANSFER);
	memcpy(capset->data + CAPS_AT, &bits, sizeof(bits));
}

static struct virgl_renderer_callbacks callbacks = {
	.version = 1,
	.write_fence = write_fence,
};

/* Lines of Mesa's and of virglrenderer's, as many as a guest likes, have no place in a log. */
static void be_quiet(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

static int begin(struct renderer *r, struct wire_hello *hello)
{
	int ret;

	/* No hardware: what its drivers need is not allowed here. */
	setenv("LIBGL_ALWAYS_SOFTWARE", "1", 1);
	setenv("GALLIUM_DRIVER", "llvmpipe", 0);
	setenv("EGL_PLATFORM", "surfaceless", 1);
	/* No files. */
	setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
	setenv("MESA_GLSL_CACHE_DISABLE", "true", 1);
	ret = virgl_renderer_init(r, VIRGL_RENDERER_USE_EGL | VIRGL_RENDERER_USE_SURFACELESS,
				  &callbacks);
	if (ret) {
		snprintf(hello->error, sizeof(hello->error),
			 "virglrenderer finds no EGL that draws without a display (Debian: "
			 "libegl1 libgl1-mesa-dri)");
		return ret;
	}
	fill_capset(&hello->capsets[0], CAPSET_VIRGL);
	fill_capset(&hello->capsets[1], CAPSET_VIRGL2);
	return 0;
}

static int shut_in(const struct spawn_limits *limits, struct wire_hello *hello)
{
	/* What works on paths, or makes processes: all that is needed is open. */
	static const int refused_to_renderer[] = {
		SYS_openat, SYS_newfstatat, SYS_unlinkat,   SYS_memfd_create,
		SYS_ioctl,  SYS_accept4,    SYS_readlinkat, SYS_faccessat,
#ifdef SYS_open
		SYS_open,   SYS_stat,	    SYS_lstat,	    SYS_unlink,
		SYS_access, SYS_readlink,   SYS_accept,
#endif
	};
	static const int more_of_renderer[] = {SYS_sysinfo,
					       SYS_uname,
					       SYS_getcpu,
					       SYS_getrusage,
					       SYS_sched_setscheduler,
					       SYS_sched_getscheduler,
					       SYS_sched_getparam,
					       SYS_clock_getres,
					       SYS_times};
	const struct sandbox_needs needs = {
		.program = "vu-gpu's renderer",
		.calls = more_of_renderer,
		.n_calls = sizeof(more_of_renderer) / sizeof(more_of_renderer[0]),
		.refused = refused_to_renderer,
		.n_refused = sizeof(refused_to_renderer) / sizeof(refused_to_renderer[0]),
		.threads = true,
		.alone = true,
	};
	const struct rlimit memory = {limits->memory, limits->memory};
	const char *failed = "limits";
	bool limited = limits->memory;
	int ret = 0;

#ifdef __SANITIZE_ADDRESS__
	limited = false; /* it maps terabytes */
#endif
	if (limited && setrlimit(RLIMIT_DATA, &memory) < 0)
		ret = -errno;
	if (!ret && limits->shut_in)
		ret = sandbox_give_up(&needs, &failed);
	if (ret)
		snprintf(hello->error, sizeof(hello->error), "sandbox: %s: %s", failed,
			 strerror(-ret));
	return ret;
}

_Noreturn static void serve_all(struct renderer *r)
{
	const struct timespec soon = {0, FENCE_POLL_NS};
	struct pollfd poll_fd = {.fd = r->socket, .events = POLLIN};

	for (;;) {
		int ready = ppoll(&poll_fd, 1, r->asked == r->done ? NULL : &soon, NULL);

		if (ready < 0 && errno != EINTR)
			_exit(1);
		if (ready > 0)
			serve(r);
		if (r->asked != r->done)
			virgl_renderer_poll();
	}
}

bool renderer_is_there(void)
{
	return true;
}

_Noreturn void renderer_run(int socket, const struct spawn_limits *limits)
{
	struct renderer r = {.socket = socket};
	struct wire_hello hello = {.error = ""};
	int ret;

	prctl(PR_SET_NAME, "vu-gpu-renderer");
	if (getrandom(&r.random, sizeof(r.random), 0) != sizeof(r.random) || !r.random)
		r.random = 1;
	be_quiet();
	ret = begin(&r, &hello);
	if (!ret)
		ret = shut_in(limits, &hello);
	send_all(&r, &hello, sizeof(hello));
	if (ret)
		_exit(1);
	serve_all(&r);
}
