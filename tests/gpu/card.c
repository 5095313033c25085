/* SPDX-License-Identifier: MIT */
/* See card.h.  One card at a time: the state is of this file. */
#include "card.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../devices/client.h"

const char *const rig_program = "VU_GPU";

enum { COMMAND = 512, REPLY = 2048, MAX_LIST = 1 << 16 };

static struct rig *rig;
static struct rig_buffer out, in, list_memory;
static const char *shot_path;
static struct shot shot;

int gpu_setup(void **state)
{
	int ret = rig_setup(state);

	rig = *state;
	shot_path = NULL;
	list_memory.len = 0;
	return ret;
}

int gpu_teardown(void **state)
{
	free(shot.pixels);
	shot.pixels = NULL;
	/* From its sandbox the program cannot remove them. */
	unlink(rig->socket);
	unlink(rig->control);
	return rig_teardown(state);
}

void gpu_spawn(struct rig *r, const char *const *options)
{
	const char *args[RIG_MAX_ARGS + 1] = {"--control", r->control, "--dir", r->dir};
	uint32_t n = 4;

	for (uint32_t i = 0; options && options[i]; i++)
		args[n++] = options[i];
	r->config.n_queues = GPU_QUEUES;
	r->has_sandbox = true;
	if (!shot_path)
		shot_path = rig_file(r, "shot.png", NULL);
	rig_spawn(r, args);
}

void gpu_start_again(struct rig *r)
{
	rig_check(r, peer_stop(r->peer));
	for (uint32_t i = 0; i < GPU_QUEUES; i++) {
		rig_check(r, peer_start_queue(r->peer, i));
		rig_check(r, frontend_set_vring_enable(&r->peer->frontend, i, true));
	}
}

void gpu_begin(struct rig *r)
{
	rig_buffer(r, &out, COMMAND);
	rig_buffer(r, &in, REPLY);
}

void gpu_start(struct rig *r, const char *const *options)
{
	gpu_spawn(r, options);
	rig_connect(r);
	gpu_begin(r);
}

/* --- commands --- */

static uint32_t run(uint32_t queue, const void *command, uint32_t len, uint64_t list, uint32_t size,
		    void *reply, uint32_t reply_len)
{
	struct driver_seg segs[3] = {{.gpa = out.gpa, .len = len}};
	struct virtio_gpu_ctrl_hdr head;
	uint32_t n = 1, used;

	assert_true(len <= COMMAND && reply_len <= REPLY);
	if (reply_len < sizeof(head))
		reply_len = sizeof(head);
	memcpy(out.data, command, len);
	memset(in.data, RIG_UNTOUCHED, REPLY);
	if (size)
		segs[n++] = (struct driver_seg){.gpa = list, .len = size};
	segs[n++] = (struct driver_seg){.gpa = in.gpa, .len = reply_len, .write = true};
	used = rig_do(rig, queue, segs, n);
	assert_true(used >= sizeof(head) && used <= reply_len);
	/* Beyond what it says nothing was written. */
	for (uint32_t i = used; i < REPLY; i++)
		assert_int_equal(in.data[i], RIG_UNTOUCHED);
	memcpy(&head, in.data, sizeof(head));
	if (reply)
		memcpy(reply, in.data, reply_len);
	return le32toh(head.type);
}

uint32_t gpu_command(uint32_t queue, const void *command, uint32_t len, void *reply,
		     uint32_t reply_len)
{
	return run(queue, command, len, 0, 0, reply, reply_len);
}

uint32_t gpu_command_list(const void *command, uint32_t len,
			  const struct virtio_gpu_mem_entry *list, uint32_t n)
{
	uint32_t size = n * (uint32_t)sizeof(*list);

	if (size > list_memory.len)
		rig_buffer(rig, &list_memory, size);
	if (size)
		memcpy(list_memory.data, list, size);
	return run(GPU_CONTROL, command, len, list_memory.gpa, size, NULL, 0);
}

struct virtio_gpu_ctrl_hdr gpu_head(uint32_t type)
{
	return (struct virtio_gpu_ctrl_hdr){.type = htole32(type)};
}

struct virtio_gpu_rect gpu_rect(uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	return (struct virtio_gpu_rect){htole32(x), htole32(y), htole32(width), htole32(height)};
}

uint32_t gpu_try_create(uint32_t id, uint32_t format, uint32_t width, uint32_t height)
{
	const struct virtio_gpu_resource_create_2d c = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D),
		.resource_id = htole32(id),
		.format = htole32(format),
		.width = htole32(width),
		.height = htole32(height),
	};

	return gpu_command(GPU_CONTROL, &c, sizeof(c), NULL, 0);
}

uint32_t gpu_try_attach(uint32_t id, const struct virtio_gpu_mem_entry *list, uint32_t n)
{
	const struct virtio_gpu_resource_attach_backing c = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING),
		.resource_id = htole32(id),
		.nr_entries = htole32(n),
	};

	return gpu_command_list(&c, sizeof(c), list, n);
}

uint32_t gpu_try_blob(uint32_t id, uint64_t size, const struct virtio_gpu_mem_entry *list,
		      uint32_t n)
{
	const struct virtio_gpu_resource_create_blob c = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
		.resource_id = htole32(id),
		.blob_mem = htole32(VIRTIO_GPU_BLOB_MEM_GUEST),
		.nr_entries = htole32(n),
		.size = htole64(size),
	};

	return gpu_command_list(&c, sizeof(c), list, n);
}

uint32_t gpu_try_show(uint32_t output, uint32_t id, struct virtio_gpu_rect rect)
{
	const struct virtio_gpu_set_scanout c = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_SET_SCANOUT),
		.r = rect,
		.scanout_id = htole32(output),
		.resource_id = htole32(id),
	};

	return gpu_command(GPU_CONTROL, &c, sizeof(c), NULL, 0);
}

uint32_t gpu_try_show_blob(uint32_t output, uint32_t id, uint32_t width, uint32_t height,
			   uint32_t stride, uint32_t offset)
{
	const struct virtio_gpu_set_scanout_blob c = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB),
		.r = gpu_rect(0, 0, width, height),
		.scanout_id = htole32(output),
		.resource_id = htole32(id),
		.width = htole32(width),
		.height = htole32(height),
		.format = htole32(XRGB),
		.strides = {htole32(stride)},
		.offsets = {htole32(offset)},
	};

	return gpu_command(GPU_CONTROL, &c, sizeof(c), NULL, 0);
}

static struct virtio_gpu_transfer_to_host_2d transfer_of(uint32_t id, struct virtio_gpu_rect rect,
							 uint64_t offset)
{
	return (struct virtio_gpu_transfer_to_host_2d){
		.hdr = gpu_head(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D),
		.r = rect,
		.offset = htole64(offset),
		.resource_id = htole32(id),
	};
}

static struct virtio_gpu_resource_flush flush_of(uint32_t id, struct virtio_gpu_rect rect)
{
	return (struct virtio_gpu_resource_flush){
		.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_FLUSH),
		.r = rect,
		.resource_id = htole32(id),
	};
}

uint32_t gpu_try_transfer(uint32_t id, struct virtio_gpu_rect rect, uint64_t offset)
{
	const struct virtio_gpu_transfer_to_host_2d c = transfer_of(id, rect, offset);

	return gpu_command(GPU_CONTROL, &c, sizeof(c), NULL, 0);
}

uint32_t gpu_try_flush(uint32_t id, struct virtio_gpu_rect rect)
{
	const struct virtio_gpu_resource_flush c = flush_of(id, rect);

	return gpu_command(GPU_CONTROL, &c, sizeof(c), NULL, 0);
}

/* A place of its own for each in the buffers. */
static void add(uint32_t place, const void *command, uint32_t len)
{
	const uint32_t at = place * COMMAND / 2, answer = place * REPLY / 2;
	const struct driver_seg segs[2] = {
		{.gpa = out.gpa + at, .len = len},
		{.gpa = in.gpa + answer, .len = sizeof(struct virtio_gpu_ctrl_hdr), .write = true},
	};
	int id;

	memcpy(out.data + at, command, len);
	id = driver_add(rig->peer->queues[GPU_CONTROL], segs, 2, NULL);
	rig_check(rig, id < 0 ? id : 0);
}

struct gpu_answers gpu_try_at_once(uint32_t id, struct virtio_gpu_rect part, uint64_t offset,
				   uint32_t flushed, struct virtio_gpu_rect rect)
{
	const struct virtio_gpu_transfer_to_host_2d transfer = transfer_of(id, part, offset);
	const struct virtio_gpu_resource_flush flush = flush_of(flushed, rect);
	struct virtio_gpu_ctrl_hdr heads[2];

	add(0, &transfer, sizeof(transfer));
	add(1, &flush, sizeof(flush));
	rig_check(rig, driver_kick(rig->peer->queues[GPU_CONTROL]));
	rig_wait(rig, GPU_CONTROL, NULL);
	rig_wait(rig, GPU_CONTROL, NULL);
	memcpy(&heads[0], in.data, sizeof(heads[0]));
	memcpy(&heads[1], in.data + REPLY / 2, sizeof(heads[1]));
	return (struct gpu_answers){le32toh(heads[0].type), le32toh(heads[1].type)};
}

uint32_t gpu_try_id(uint32_t type, uint32_t id)
{
	const struct virtio_gpu_resource_unref c = {.hdr = gpu_head(type),
						    .resource_id = htole32(id)};

	return gpu_command(GPU_CONTROL, &c, sizeof(c), NULL, 0);
}

uint32_t gpu_try_cursor(uint32_t type, uint32_t output, uint32_t id, uint32_t x, uint32_t y)
{
	const struct virtio_gpu_update_cursor c = {
		.hdr = gpu_head(type),
		.pos = {htole32(output), htole32(x), htole32(y), 0},
		.resource_id = htole32(id),
		.hot_x = htole32(3),
		.hot_y = htole32(5),
	};

	return gpu_command(GPU_CURSOR, &c, sizeof(c), NULL, 0);
}

/* --- pictures --- */

void gpu_ok(uint32_t response)
{
	assert_int_equal(response, VIRTIO_GPU_RESP_OK_NODATA);
}

struct virtio_gpu_mem_entry gpu_entry(uint64_t gpa, uint32_t len)
{
	return (struct virtio_gpu_mem_entry){.addr = htole64(gpa), .length = htole32(len)};
}

void gpu_picture(struct rig_buffer *memory, uint32_t seed)
{
	rig_buffer(rig, memory, PICTURE_BYTES);
	fill(memory->data, PICTURE_BYTES, seed);
}

uint32_t gpu_pixel(const struct rig_buffer *memory, uint32_t index)
{
	const unsigned char *p = memory->data + 4 * index;

	return (uint32_t)(p[2] << 16 | p[1] << 8 | p[0]);
}

void gpu_create(uint32_t id, const struct rig_buffer *memory)
{
	const struct virtio_gpu_mem_entry entry = gpu_entry(memory->gpa, memory->len);

	gpu_ok(gpu_try_create(id, XRGB, PICTURE, PICTURE));
	gpu_ok(gpu_try_attach(id, &entry, 1));
}

void gpu_show(uint32_t output, uint32_t id)
{
	gpu_ok(gpu_try_show(output, id, gpu_rect(0, 0, PICTURE, PICTURE)));
}

void gpu_update(uint32_t id)
{
	gpu_ok(gpu_try_transfer(id, gpu_rect(0, 0, PICTURE, PICTURE), 0));
	gpu_ok(gpu_try_flush(id, gpu_rect(0, 0, PICTURE, PICTURE)));
}

/* --- what is shown --- */

static void read_shot(void)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	unsigned char *bytes;

	assert_true(png_image_begin_read_from_file(&image, shot_path));
	image.format = PNG_FORMAT_RGB;
	bytes = malloc(PNG_IMAGE_SIZE(image));
	assert_true(png_image_finish_read(&image, NULL, bytes, 0, NULL));
	shot.width = image.width;
	shot.height = image.height;
	free(shot.pixels);
	shot.pixels = malloc((size_t)image.width * image.height * sizeof(*shot.pixels));
	for (uint32_t i = 0; i < image.width * image.height; i++)
		shot.pixels[i] =
			(uint32_t)(bytes[3 * i] << 16 | bytes[3 * i + 1] << 8 | bytes[3 * i + 2]);
	free(bytes);
}

const struct shot *gpu_look(uint32_t output)
{
	char line[40];

	snprintf(line, sizeof(line), "screenshot shot.png %u", output);
	rig_say(rig, line);
	read_shot();
	return &shot;
}

void gpu_expect(uint32_t output, const struct rig_buffer *memory)
{
	const struct shot *s = gpu_look(output);

	assert_int_equal(s->width, PICTURE);
	assert_int_equal(s->height, PICTURE);
	for (uint32_t i = 0; i < PICTURE * PICTURE; i++)
		assert_int_equal(s->pixels[i], gpu_pixel(memory, i));
}

void gpu_expect_off(uint32_t output)
{
	char line[40];

	snprintf(line, sizeof(line), "screenshot shot.png %u", output);
	assert_string_equal(rig_say_refused(rig, line), "nothing is shown there");
}

void gpu_expect_state(uint32_t output, const char *words)
{
	char begin[16];
	const char *line;
	char *end;

	snprintf(begin, sizeof(begin), "output %u ", output);
	line = strstr(rig_say(rig, "state"), begin);
	assert_non_null(line);
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	if (!strstr(line, words))
		fail_msg("'%s' does not have '%s'", line, words);
}

void gpu_start_shown(struct rig *r, struct rig_buffer *memory, const char *const *options)
{
	gpu_start(r, options);
	gpu_picture(memory, 1);
	gpu_create(1, memory);
	gpu_show(0, 1);
	gpu_update(1);
}

void gpu_finish_shown(struct rig *r, const struct rig_buffer *memory)
{
	gpu_expect(0, memory);
	rig_stop(r);
}
