/* SPDX-License-Identifier: MIT */
/*
 * A program that asks the host's Vulkan, by the kernel's own interface and the protocol of
 * VK_MESA_venus; runs in guests.
 *
 *	guest-venus
 *
 * It maps memory of the host's, writes a question there, has the host carry it out, and says what
 * the host answered there: which Vulkan it has.  Then again for each line that it reads, until
 * one begins with e.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <virtgpu_drm.h>

/* Of Linux 5.16, later than Debian 12's header. */
#ifndef VIRTGPU_BLOB_MEM_HOST3D
enum { VIRTGPU_BLOB_MEM_HOST3D = 2, VIRTGPU_BLOB_FLAG_USE_MAPPABLE = 1 };

struct drm_virtgpu_resource_create_blob {
	uint32_t blob_mem, blob_flags, bo_handle, res_handle;
	uint64_t size;
	uint32_t pad, cmd_size;
	uint64_t cmd, blob_id;
};

#define DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB                                                     \
	DRM_IOWR(DRM_COMMAND_BASE + 0x0a, struct drm_virtgpu_resource_create_blob)
#endif
#ifndef VIRTGPU_CONTEXT_PARAM_CAPSET_ID
enum { VIRTGPU_CONTEXT_PARAM_CAPSET_ID = 1 };

struct drm_virtgpu_context_set_param {
	uint64_t param, value;
};

struct drm_virtgpu_context_init {
	uint32_t num_params, pad;
	uint64_t ctx_set_params;
};

#define DRM_IOCTL_VIRTGPU_CONTEXT_INIT                                                             \
	DRM_IOWR(DRM_COMMAND_BASE + 0x0b, struct drm_virtgpu_context_init)
#endif

enum {
	CAPSET_VENUS = 4,
	ENUMERATE_INSTANCE_VERSION = 137,
	SET_REPLY_STREAM = 178,
	EXECUTE_STREAMS = 180,
	WITH_REPLY = 1,
	BYTES = 8192,
	REPLY_AT = 64,
	QUESTION_AT = 4096,
	UNTOUCHED = 0x5a,
};

struct words {
	uint32_t n, words[64];
};

static void check(int ret, const char *what)
{
	if (ret >= 0)
		return;
	perror(what);
	exit(1);
}

static void add(struct words *w, uint32_t word)
{
	w->words[w->n++] = word;
}

static void add_long(struct words *w, uint64_t value)
{
	add(w, (uint32_t)value);
	add(w, (uint32_t)(value >> 32));
}

/* A piece of the host's memory. */
static void add_stream(struct words *w, uint32_t resource, uint64_t at, uint64_t len)
{
	add_long(w, 1); /* one of them */
	add(w, resource);
	add_long(w, at);
	add_long(w, len);
}

static void run(int fd, uint32_t resource, uint32_t handle, uint64_t question_len)
{
	struct words w = {.n = 0};
	struct drm_virtgpu_execbuffer exec = {
		.command = (uintptr_t)w.words,
		.bo_handles = (uintptr_t)&handle,
		.num_bo_handles = 1,
		.fence_fd = -1,
	};
	struct drm_virtgpu_3d_wait wait = {.handle = handle};

	add(&w, SET_REPLY_STREAM);
	add(&w, 0);
	add_stream(&w, resource, REPLY_AT, QUESTION_AT - REPLY_AT);
	add(&w, EXECUTE_STREAMS);
	add(&w, 0);
	add(&w, 1);
	add_stream(&w, resource, QUESTION_AT, question_len);
	add_long(&w, 0); /* no places of replies, */
	add(&w, 0);	 /* no dependencies, */
	add_long(&w, 0);
	add(&w, 0); /* no flags */
	exec.size = w.n * (uint32_t)sizeof(w.words[0]);
	check(ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &exec), "EXECBUFFER");
	check(ioctl(fd, DRM_IOCTL_VIRTGPU_WAIT, &wait), "WAIT");
}

static void ask(int fd, uint32_t resource, uint32_t handle, unsigned char *memory, int number)
{
	const volatile uint32_t *reply = (const volatile uint32_t *)(void *)(memory + REPLY_AT);
	struct words question = {.n = 0};

	memset(memory, UNTOUCHED, BYTES);
	add(&question, ENUMERATE_INSTANCE_VERSION);
	add(&question, WITH_REPLY);
	add_long(&question, 1);
	memcpy(memory + QUESTION_AT, question.words, question.n * sizeof(question.words[0]));
	run(fd, resource, handle, question.n * sizeof(question.words[0]));
	/* The command, how it went, a pointer, and what it points to. */
	if (reply[0] == ENUMERATE_INSTANCE_VERSION && !reply[1] && reply[2] == 1)
		printf("%d: vulkan %u.%u\n", number, reply[4] >> 22, reply[4] >> 12 & 0x3ff);
	else
		printf("%d: no answer: %08x %08x\n", number, reply[0], reply[1]);
	fflush(stdout);
}

int main(void)
{
	struct drm_virtgpu_context_set_param kind = {VIRTGPU_CONTEXT_PARAM_CAPSET_ID, CAPSET_VENUS};
	struct drm_virtgpu_context_init init = {.num_params = 1,
						.ctx_set_params = (uintptr_t)&kind};
	struct drm_virtgpu_resource_create_blob blob = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
		.size = BYTES,
	};
	int fd = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
	struct drm_virtgpu_map map = {0};
	char line[16];
	void *memory;

	check(fd, "/dev/dri/renderD128");
	check(ioctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init), "CONTEXT_INIT");
	check(ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &blob), "RESOURCE_CREATE_BLOB");
	map.handle = blob.bo_handle;
	check(ioctl(fd, DRM_IOCTL_VIRTGPU_MAP, &map), "MAP");
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.offset);
	check(memory == MAP_FAILED ? -1 : 0, "mmap");
	ask(fd, blob.res_handle, blob.bo_handle, memory, 0);
	for (int i = 1; fgets(line, sizeof(line), stdin) && line[0] != 'e'; i++)
		ask(fd, blob.res_handle, blob.bo_handle, memory, i);
	return 0;
}
