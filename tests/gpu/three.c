/* SPDX-License-Identifier: MIT */
/* See three.h. */
#include "three.h"

#include <stdio.h>
#include <stdlib.h>

enum { COMMAND_MAX = 512, FENCE = 7 };
/* virgl's. */
enum { CREATE_OBJECT = 1, SET_FRAMEBUFFER = 5, CLEAR = 7, SURFACE = 8, CLEAR_COLOUR = 4 };

/* tests/guest/gpu_render_node.py's: the tests of 3D, drawn by a card that there is. */
static const char *node_option(void)
{
	static char option[128];
	const char *node = getenv("VU_GPU_NODE");

	snprintf(option, sizeof(option), "--render-node=%s", node ? node : "");
	return node ? option : NULL;
}

void three_start(struct rig *rig, const char *const *options)
{
	const char *all[RIG_MAX_ARGS] = {"--virgl", node_option()};
	uint32_t n = all[1] ? 2 : 1;

	for (uint32_t i = 0; options && options[i]; i++)
		all[n++] = options[i];
	gpu_start(rig, all);
}

/* It says why there is no 3D before it says that this is no socket. */
bool three_can_be_tested(void)
{
	char command[512], line[512] = "";
	FILE *said;

	snprintf(command, sizeof(command), "'%s' --virgl %s --fd=0 </dev/null 2>&1",
		 getenv(rig_program), node_option() ? node_option() : "");
	said = popen(command, "r");
	if (!said)
		return false;
	while (fgets(line, sizeof(line), said))
		if (strstr(line, ": --"))
			break;
	pclose(said);
	if (!strstr(line, ": --"))
		return true;
	printf("skipped: %s", line);
	return false;
}

int three_renderer(struct rig *rig, int but)
{
	int pid = 0;

	while (!pid || pid == but) {
		const char *at = strstr(rig_say(rig, "state"), " renderer ");

		assert_non_null(at);
		pid = atoi(at + strlen(" renderer "));
	}
	return pid;
}

static struct virtio_gpu_ctrl_hdr head(uint32_t type, uint32_t context)
{
	return (struct virtio_gpu_ctrl_hdr){.type = htole32(type),
					    .flags = htole32(VIRTIO_GPU_FLAG_FENCE),
					    .fence_id = htole64(FENCE),
					    .ctx_id = htole32(context)};
}

static uint32_t run(const void *command, uint32_t len)
{
	struct virtio_gpu_ctrl_hdr reply;
	uint32_t response = gpu_command(GPU_CONTROL, command, len, &reply, sizeof(reply));

	assert_int_equal(le32toh(reply.flags), VIRTIO_GPU_FLAG_FENCE);
	assert_int_equal(le64toh(reply.fence_id), FENCE);
	return response;
}

uint32_t three_try_context(uint32_t type, uint32_t context)
{
	const struct virtio_gpu_ctx_create c = {
		.hdr = head(type, context), .nlen = htole32(4), .debug_name = "test"};

	return run(&c, sizeof(c));
}

uint32_t three_try_resource(uint32_t type, uint32_t context, uint32_t id)
{
	const struct virtio_gpu_ctx_resource c = {.hdr = head(type, context),
						  .resource_id = htole32(id)};

	return run(&c, sizeof(c));
}

static uint32_t or_else(uint32_t value, uint32_t other)
{
	return htole32(value ? value : other);
}

uint32_t three_try_create(uint32_t id, struct virtio_gpu_resource_create_3d create)
{
	create.hdr = head(VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, 0);
	create.resource_id = htole32(id);
	create.target = htole32(create.target);
	create.format = or_else(create.format, FORMAT_BGRX);
	create.bind = or_else(create.bind, BIND_TARGET | BIND_SAMPLER | BIND_SCANOUT);
	create.width = or_else(create.width, PICTURE);
	create.height = or_else(create.height, create.target ? PICTURE : 1);
	create.depth = or_else(create.depth, 1);
	create.array_size = or_else(create.array_size, 1);
	create.last_level = htole32(create.last_level);
	create.nr_samples = htole32(create.nr_samples);
	create.flags = htole32(create.flags);
	return run(&create, sizeof(create));
}

uint32_t three_try_transfer(uint32_t type, uint32_t context, uint32_t id, struct virtio_gpu_box box,
			    uint64_t offset, uint32_t stride)
{
	const struct virtio_gpu_transfer_host_3d c = {
		.hdr = head(type, context),
		.box = {htole32(box.x), htole32(box.y), htole32(box.z), htole32(box.w),
			htole32(box.h), htole32(box.d)},
		.offset = htole64(offset),
		.resource_id = htole32(id),
		.stride = htole32(stride),
	};

	return run(&c, sizeof(c));
}

uint32_t three_try_submit(uint32_t context, const struct stream *stream, uint32_t size)
{
	unsigned char bytes[COMMAND_MAX];
	const struct virtio_gpu_cmd_submit c = {.hdr = head(VIRTIO_GPU_CMD_SUBMIT_3D, context),
						.size = htole32(size)};
	uint32_t len = stream->n * (uint32_t)sizeof(stream->words[0]);

	memcpy(bytes, &c, sizeof(c));
	memcpy(bytes + sizeof(c), stream->words, len);
	return run(bytes, (uint32_t)sizeof(c) + len);
}

/* --- what is needed most --- */

void three_context(uint32_t context)
{
	gpu_ok(three_try_context(VIRTIO_GPU_CMD_CTX_CREATE, context));
}

void three_picture(uint32_t context, uint32_t id, const struct rig_buffer *memory)
{
	const struct virtio_gpu_mem_entry entry = gpu_entry(memory->gpa, memory->len);

	gpu_ok(three_try_create(id, (struct virtio_gpu_resource_create_3d){.target = TARGET_2D}));
	gpu_ok(gpu_try_attach(id, &entry, 1));
	gpu_ok(three_try_resource(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, context, id));
}

void three_show_picture(struct rig_buffer *memory)
{
	gpu_picture(memory, 1);
	three_context(1);
	three_picture(1, 5, memory);
	gpu_show(0, 5);
}

void three_start_shown(struct rig *rig, struct rig_buffer *memory)
{
	three_start(rig, NULL);
	three_show_picture(memory);
}

struct virtio_gpu_box three_all(void)
{
	return (struct virtio_gpu_box){0, 0, 0, PICTURE, PICTURE, 1};
}

/* --- streams --- */

void three_word(struct stream *stream, uint32_t word)
{
	assert_true(stream->n < sizeof(stream->words) / sizeof(stream->words[0]));
	stream->words[stream->n++] = word;
}

void three_float(struct stream *stream, float value)
{
	uint32_t word;

	memcpy(&word, &value, sizeof(word));
	three_word(stream, word);
}

void three_command(struct stream *stream, uint32_t command, uint32_t object, uint32_t n)
{
	three_word(stream, command | object << 8 | n << 16);
}

void three_clear(struct stream *stream, uint32_t surface, uint32_t id, const float rgba[4])
{
	three_command(stream, CREATE_OBJECT, SURFACE, 5);
	three_word(stream, surface);
	three_word(stream, id);
	three_word(stream, FORMAT_BGRX);
	three_word(stream, 0); /* level */
	three_word(stream, 0); /* layers */
	three_command(stream, SET_FRAMEBUFFER, 0, 3);
	three_word(stream, 1); /* picture */
	three_word(stream, 0); /* without depth */
	three_word(stream, surface);
	three_command(stream, CLEAR, 0, 8);
	three_word(stream, CLEAR_COLOUR);
	for (int i = 0; i < 4; i++)
		three_float(stream, rgba[i]);
	for (int i = 0; i < 3; i++)
		three_word(stream, 0); /* depth and stencil */
}

void three_submit(uint32_t context, const struct stream *stream)
{
	gpu_ok(three_try_submit(context, stream, stream->n * (uint32_t)sizeof(stream->words[0])));
}
