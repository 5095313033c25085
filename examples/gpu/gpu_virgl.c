/* SPDX-License-Identifier: MIT */
/* See gpu_virgl.h: which requests wait for what. */
#include "gpu_udmabuf.h"
#include "gpu_virgl.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct virgl_job {
	struct virgl_job *next;
	struct vu_req *req; /* NULL: it is a part of a command, or nobody waits for it */
	struct command command;
	uint32_t response;
	uint32_t fence, context, ring; /* and whose */
	uint32_t kind, id, about;      /* of what was asked: a resource, a context */
	uint64_t serial;	       /* of the resource, or of its mapping */
	bool late;		       /* nobody would map what comes now */
	uint64_t size;		       /* bytes that are to come */
	struct three_rows rows;
};

/* --- asking --- */

static void append(struct virgl_job **first, struct virgl_job **last, struct virgl_job *job)
{
	job->next = NULL;
	if (*first)
		(*last)->next = job;
	else
		*first = job;
	*last = job;
}

static struct virgl_job *take(struct virgl_job **first, struct virgl_job **last)
{
	struct virgl_job *job = *first;

	if (job) {
		*first = job->next;
		if (!*first)
			*last = NULL;
	}
	return job;
}

void virgl_ask(void *opaque, const struct wire_request *request, void *bytes,
	       const struct three_rows *rows)
{
	struct virgl *v = opaque;
	struct virgl_job *job;

	if (v->lost) {
		free(bytes);
		return;
	}
	v->used = true;
	job = calloc(1, sizeof(*job));
	if (!job || !virgl_send(v, request, bytes)) {
		if (!job)
			free(bytes);
		free(job);
		virgl_lose(v, "there is no memory for what the guest asks of it");
		return;
	}
	job->kind = request->kind;
	job->id = request->resource;
	job->about = request->context;
	if (request->kind == WIRE_CREATE || request->kind == WIRE_CREATE_BLOB ||
	    request->kind == WIRE_EXPORT_PICTURE)
		job->serial = card_look(v->card, job->id)->serial;
	else if (request->kind == WIRE_EXPORT)
		job->serial = card_look(v->card, job->id)->mapping;
	job->size = request->kind == WIRE_GET ? request->size : 0;
	if (rows)
		job->rows = *rows;
	append(&v->first, &v->last, job);
	v->n_asked++;
}

static bool is_fenced(const struct command *c)
{
	return le32toh(c->in.hdr.flags) & VIRTIO_GPU_FLAG_FENCE;
}

void virgl_begin(struct virgl *v)
{
	v->n_asked = 0;
}

/* §5.7.6.7: of which ring of a context's; or of all that there is. */
static void set_fence(struct virgl *v, const struct command *c)
{
	const struct virtio_gpu_ctrl_hdr *in = &c->in.hdr;
	bool of_ring = v->card->three.kinds && le32toh(in->flags) & VIRTIO_GPU_FLAG_INFO_RING_IDX;

	v->fences = v->fences == UINT32_MAX ? 1 : v->fences + 1;
	v->last->fence = v->fences;
	v->last->context = of_ring ? le32toh(in->ctx_id) : 0;
	v->last->ring = of_ring ? in->ring_idx + 1U : WIRE_RING_ALL;
	virgl_fence_last(v, v->fences, v->last->context, v->last->ring);
}

bool virgl_keep(struct virgl *v, struct vu_req *req, const struct command *c, uint32_t response)
{
	const struct wire_request nothing = {.kind = WIRE_FENCE_ONLY};
	bool asked = v->n_asked;

	if (!asked && is_fenced(c) && (v->first || v->fenced)) {
		virgl_ask(v, &nothing, NULL, NULL);
		asked = v->n_asked;
	}
	if (!asked || v->lost)
		return false;
	v->last->req = req;
	v->last->command = *c;
	v->last->response = response;
	/* The front-end is still to do it: see virgl_mapped(). */
	if (is_fenced(c) && v->last->kind != WIRE_EXPORT)
		set_fence(v, c);
	virgl_flush(v);
	return true;
}

bool virgl_is_full(const struct virgl *v)
{
	/* Of a session that ends nothing more is taken. */
	return (v->lost && !v->dead) || v->waiting > VIRGL_WAITING;
}

/* --- answering --- */

/* If somebody waits for it. */
static void answer(struct virgl *v, struct virgl_job *job)
{
	if (job->req) {
		job->command.req = job->req;
		if (!v->hold(v->opaque, job->req, &job->command, job->response))
			vu_req_complete(job->req, command_answer(&job->command, job->response));
	}
	free(job);
	virgl_stop_answered(v);
}

static void log_refusal(struct virgl *v, const struct virgl_job *job)
{
	vu_device_log_peerf(v->dev, VU_LOG_WARNING,
			    "%s: resource %u: context %u: the renderer refuses it",
			    command_name(&job->command), command_resource(&job->command),
			    le32toh(job->command.in.hdr.ctx_id));
}

static void settle(struct virgl *v, struct virgl_job *job)
{
	if (job->fence)
		append(&v->fenced, &v->fenced_last, job);
	else
		answer(v, job);
}

/* Its memory came: it is the front-end's turn.  False: it is not. */
static bool map(struct virgl *v, struct virgl_job *job)
{
	const struct resource *r = card_look(v->card, job->id);
	uint32_t caching = v->head.at & VIRTIO_GPU_MAP_CACHE_MASK;
	int ret;

	if (job->late || !r || r->mapping != job->serial)
		return false; /* it went meanwhile, and may be about to be mapped elsewhere */
	/* It is memory; what else could be said is slower, and never wrong. */
	if (caching != VIRTIO_GPU_MAP_CACHE_UNCACHED && caching != VIRTIO_GPU_MAP_CACHE_WC)
		caching = VIRTIO_GPU_MAP_CACHE_CACHED;
	job->command.out.map_info.map_info = htole32(caching);
	ret = window_map(&v->window, r->mapping, r->at, r->size, v->in_fd, job);
	if (!ret)
		return true;
	vu_device_log_peerf(v->dev, VU_LOG_WARNING,
			    "RESOURCE_MAP_BLOB: resource %u: its memory cannot be mapped: %s",
			    job->id, strerror(-ret));
	return false;
}

/* Its fence is one of all before it, as that of a command that asks the renderer for nothing. */
void virgl_mapped(void *opaque, void *waiting, uint64_t serial, int result)
{
	struct virgl *v = opaque;
	struct virgl_job *job = waiting;

	if (!job)
		return;
	if (!result)
		job->response = VIRTIO_GPU_RESP_OK_MAP_INFO;
	else
		three_not_mapped(v->card, job->id, serial);
	virgl_begin(v);
	if (!is_fenced(&job->command) || !virgl_keep(v, job->req, &job->command, job->response))
		answer(v, job);
	else
		free(job);
}

void virgl_unmap(void *opaque, const struct resource *r)
{
	struct virgl *v = opaque;

	window_unmap(&v->window, r->mapping);
}

static void let_go(void *opaque, void *waiting)
{
	struct virgl *v = opaque;
	struct virgl_job *job = waiting;

	three_not_mapped(v->card, job->id, job->serial);
	window_unmap(&v->window, job->serial);
	answer(v, job);
}

void virgl_stop_mapping(struct virgl *v)
{
	for (struct virgl_job *job = v->first; job; job = job->next)
		job->late = true;
	window_let_go(&v->window, let_go);
}

/* What was asked for is there: what the command is for can be done, if that is still there. */
static void finish(struct virgl *v, struct virgl_job *job)
{
	const struct resource *r = card_look(v->card, job->id);

	if (job->kind == WIRE_EXPORT) {
		/* Until the front-end has done it. */
		job->response = VIRTIO_GPU_RESP_ERR_UNSPEC;
		if (!v->failed && map(v, job))
			return;
		three_not_mapped(v->card, job->id, job->serial);
	}
	if (v->failed) {
		job->response = VIRTIO_GPU_RESP_ERR_UNSPEC;
		log_refusal(v, job);
	} else if (job->command.twice && r && r->serial == job->rows.serial) {
		job->response = command_run(&job->command, v->card);
	}
	v->failed = false;
	settle(v, job);
}

/* Those whose fences are done, in their order; the others stay where they are. */
static void answer_fenced(struct virgl *v,
			  bool (*is_done)(const struct virgl_job *job, const struct wire_reply *by),
			  const struct wire_reply *by)
{
	struct virgl_job *job, *all = v->fenced, *done = NULL, *last = NULL;

	v->fenced = v->fenced_last = NULL;
	while ((job = all)) {
		all = job->next;
		if (is_done(job, by))
			append(&done, &last, job);
		else
			append(&v->fenced, &v->fenced_last, job);
	}
	while ((job = take(&done, &last)))
		answer(v, job);
}

static bool is_of_context(const struct virgl_job *job, const struct wire_reply *by)
{
	return job->ring != WIRE_RING_ALL && job->context == by->context;
}

/* What a context had to do it never will. */
static void context_gone(struct virgl *v, uint32_t context)
{
	answer_fenced(v, is_of_context, &(struct wire_reply){.context = context});
}

/* A command that waits for it has nothing to do with how that went. */
static void exported(struct virgl *v, const struct virgl_job *job)
{
	const struct share share = {
		.stride = v->head.stride, .fourcc = v->head.fourcc, .modifier = v->head.modifier};

	if (v->in_fd < 0 || !udmabuf_is_one(v->in_fd)) {
		share_exported(v->card, job->id, job->serial, &share, -1);
		return;
	}
	share_exported(v->card, job->id, job->serial, &share, v->in_fd);
	v->in_fd = -1; /* it was taken over */
}

static bool on_done(struct virgl *v)
{
	struct virgl_job *job = take(&v->first, &v->last);

	if (job->kind == WIRE_EXPORT_PICTURE) {
		exported(v, job);
	} else if (v->head.value) {
		v->failed = true;
		if (job->kind == WIRE_CREATE || job->kind == WIRE_CREATE_BLOB)
			three_refused(v->card, job->id, job->serial);
	} else if (job->size && !three_arrived(v->card, &job->rows, v->in, v->head.len)) {
		job->response = VIRTIO_GPU_RESP_ERR_UNSPEC;
		answer(v, job);
		return false;
	}
	if (job->kind == WIRE_CONTEXT_DESTROY)
		context_gone(v, job->about);
	if (job->req)
		finish(v, job);
	else
		answer(v, job);
	return true;
}

static bool is_before(const struct virgl_job *job, const struct wire_reply *by)
{
	return job->context == by->context && job->ring == by->ring &&
	       (int32_t)(by->value - job->fence) >= 0;
}

static bool is_export(const struct virgl_job *job)
{
	return job->kind == WIRE_EXPORT || job->kind == WIRE_EXPORT_PICTURE;
}

bool virgl_is_asked_for(const struct virgl *v)
{
	switch (v->head.kind) {
	case WIRE_DONE:
		return v->first && v->head.len == v->first->size &&
		       (v->in_fd >= 0) == (is_export(v->first) && !v->head.value);
	case WIRE_FENCE:
		return !v->head.len && v->in_fd < 0;
	case WIRE_WRITTEN:
		return v->head.len <= WIRE_SHADOW_MAX && v->in_fd < 0;
	default:
		return false;
	}
}

bool virgl_on_reply(struct virgl *v)
{
	switch (v->head.kind) {
	case WIRE_DONE:
		return on_done(v);
	case WIRE_FENCE:
		answer_fenced(v, is_before, &v->head);
		return true;
	default:
		three_written(v->card, v->head.resource, v->head.at, v->in, v->head.len);
		return true;
	}
}

/* Everybody that waits, with an error: a session ends, or the renderer is no more. */
void virgl_answer_all(struct virgl *v)
{
	struct virgl_job *job;

	virgl_stop_mapping(v);
	while ((job = take(&v->fenced, &v->fenced_last)) || (job = take(&v->first, &v->last))) {
		job->response = VIRTIO_GPU_RESP_ERR_UNSPEC;
		answer(v, job);
	}
}
