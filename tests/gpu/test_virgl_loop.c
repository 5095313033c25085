/* SPDX-License-Identifier: MIT */
/*
 * vu-gpu and a shader that loops: how often, a number of the guest's says, so that no compiler
 * knows.  Mesa's software renderer ends a loop after 65535 turns, for each few pixels anew: with a
 * large picture it computes for a quarter of an hour.  That is the renderer's time, and nobody
 * else's.
 */
#include "three.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	CREATE_OBJECT = 1,
	BIND_OBJECT = 2,
	SET_VIEWPORT = 4,
	SET_FRAMEBUFFER = 5,
	DRAW_VBO = 8,
	SET_CONSTANTS = 12,
	BIND_SHADER = 31,
	BLEND = 1,
	RASTERIZER = 2,
	DEPTH = 3,
	SHADER = 4,
	VERTEX_ELEMENTS = 5,
	SURFACE = 8,
	VERTEX = 0,
	FRAGMENT = 1,
	TRIANGLES = 4,
	TOKENS = 300,
	ALL_COLOURS = 15 << 27,
	HALF_PIXEL_CENTRE = 1 << 29,
};
enum { SMALL = 5, LARGE = 6, LARGE_SIZE = 8192, STATES = 20, CORNERS = 30, LOOP = 31 };
enum { GREEN = 0x00ff00 };

/* Three corners of a triangle that everything lies in, by their numbers. */
static const char corners[] = "VERT\n"
			      "DCL SV[0], VERTEXID\n"
			      "DCL OUT[0], POSITION\n"
			      "DCL TEMP[0..1]\n"
			      "IMM[0] UINT32 {1, 1, 1, 1}\n"
			      "IMM[1] FLT32 {4.0, -1.0, 0.0, 1.0}\n"
			      "0: AND TEMP[0].x, SV[0].xxxx, IMM[0].xxxx\n"
			      "1: USHR TEMP[0].y, SV[0].xxxx, IMM[0].xxxx\n"
			      "2: U2F TEMP[1].xy, TEMP[0].xyyy\n"
			      "3: MAD OUT[0].xy, TEMP[1].xyyy, IMM[1].xxxx, IMM[1].yyyy\n"
			      "4: MOV OUT[0].zw, IMM[1].zzzw\n"
			      "5: END\n";

/* Green, once a count from 0 is the guest's number; what does not need the count does not count. */
static const char loop[] = "FRAG\n"
			   "DCL OUT[0], COLOR\n"
			   "DCL CONST[0]\n"
			   "DCL TEMP[0..1]\n"
			   "IMM[0] FLT32 {0.0, 1.0, 0.0, 0.0}\n"
			   "0: MOV TEMP[0].x, IMM[0].xxxx\n"
			   "1: BGNLOOP\n"
			   "2: SEQ TEMP[1].x, TEMP[0].xxxx, CONST[0].xxxx\n"
			   "3: IF TEMP[1].xxxx\n"
			   "4: BRK\n"
			   "5: ENDIF\n"
			   "6: ADD TEMP[0].x, TEMP[0].xxxx, IMM[0].yyyy\n"
			   "7: ENDLOOP\n"
			   "8: MOV OUT[0], IMM[0].xyxy\n"
			   "9: MIN OUT[0].y, TEMP[0].xxxx, IMM[0].yyyy\n"
			   "10: END\n";

static void shader(uint32_t id, uint32_t type, const char *text)
{
	uint32_t bytes = (uint32_t)strlen(text) + 1, words = (bytes + 3) / 4;
	struct stream stream = {.n = 0};

	three_command(&stream, CREATE_OBJECT, SHADER, 5 + words);
	three_word(&stream, id);
	three_word(&stream, type);
	three_word(&stream, bytes);
	three_word(&stream, TOKENS);
	three_word(&stream, 0); /* outputs that are kept */
	for (uint32_t i = 0; i < words; i++) {
		uint32_t word = 0, left = bytes - 4 * i;

		memcpy(&word, text + 4 * i, left < sizeof(word) ? left : sizeof(word));
		three_word(&stream, word);
	}
	three_command(&stream, BIND_SHADER, 0, 2);
	three_word(&stream, id);
	three_word(&stream, type);
	three_submit(1, &stream);
}

/* An object of so many words, most of them 0, is made and used. */
static void object(uint32_t kind, uint32_t n, uint32_t at, uint32_t value)
{
	struct stream stream = {.n = 0};

	three_command(&stream, CREATE_OBJECT, kind, n);
	three_word(&stream, STATES + kind);
	for (uint32_t i = 1; i < n; i++)
		three_word(&stream, i == at ? value : 0);
	three_command(&stream, BIND_OBJECT, kind, 1);
	three_word(&stream, STATES + kind);
	three_submit(1, &stream);
}

static void prepare(void)
{
	object(BLEND, 11, 3, ALL_COLOURS);
	object(RASTERIZER, 9, 1, HALF_PIXEL_CENTRE);
	object(DEPTH, 5, 0, 0);
	object(VERTEX_ELEMENTS, 1, 0, 0);
	shader(CORNERS, VERTEX, corners);
	shader(LOOP, FRAGMENT, loop);
}

/* All of a square picture, in a loop of so many turns. */
static void add_draw(struct stream *stream, uint32_t id, uint32_t size, float turns)
{
	static const uint32_t draw[] = {0, 3, TRIANGLES, 0, 1, 0, 0, 0, 0, 0, 2, 0};
	const float half = (float)size / 2, viewport[] = {half, half, 0.5F, half, half, 0.5F};

	three_command(stream, CREATE_OBJECT, SURFACE, 5);
	three_word(stream, 100 + id);
	three_word(stream, id);
	three_word(stream, FORMAT_BGRX);
	three_word(stream, 0); /* level */
	three_word(stream, 0); /* layers */
	three_command(stream, SET_FRAMEBUFFER, 0, 3);
	three_word(stream, 1); /* picture */
	three_word(stream, 0); /* without depth */
	three_word(stream, 100 + id);
	three_command(stream, SET_VIEWPORT, 0, 7);
	three_word(stream, 0);
	for (int i = 0; i < 6; i++)
		three_float(stream, viewport[i]);
	three_command(stream, SET_CONSTANTS, 0, 6);
	three_word(stream, FRAGMENT);
	three_word(stream, 0);
	three_float(stream, turns);
	for (int i = 0; i < 3; i++)
		three_float(stream, 0);
	three_command(stream, DRAW_VBO, 0, 12);
	for (int i = 0; i < 12; i++)
		three_word(stream, draw[i]);
}

/* With a fence, which is not waited for. */
static void offer_draw(struct rig *rig, const struct stream *stream)
{
	struct {
		struct virtio_gpu_cmd_submit submit;
		uint32_t words[96];
	} c = {.submit = {.hdr = {.type = htole32(VIRTIO_GPU_CMD_SUBMIT_3D),
				  .flags = htole32(VIRTIO_GPU_FLAG_FENCE),
				  .fence_id = htole64(1),
				  .ctx_id = htole32(1)},
			  .size = htole32(4 * stream->n)}};
	uint32_t len = (uint32_t)sizeof(c.submit) + 4 * stream->n;
	struct rig_buffer out, in;
	struct driver_seg segs[2];

	memcpy(c.words, stream->words, sizeof(c.words));
	rig_buffer(rig, &out, len);
	rig_buffer(rig, &in, 64);
	memcpy(out.data, &c, len);
	segs[0] = rig_read_seg(&out, len);
	segs[1] = rig_write_seg(&in, 64);
	rig_offer(rig, GPU_CONTROL, segs, 2, NULL);
}

/* What a process has computed, in clock ticks. */
static unsigned long ticks_of(int pid)
{
	unsigned long user = 0, system = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				&user, &system),
			 2);
	fclose(file);
	return user + system;
}

static void start(struct rig *rig, struct rig_buffer *memory)
{
	gpu_picture(memory, 1);
	three_context(1);
	three_picture(1, SMALL, memory);
	gpu_ok(three_try_create(
		LARGE, (struct virtio_gpu_resource_create_3d){.target = TARGET_2D,
							      .width = htole32(LARGE_SIZE),
							      .height = htole32(LARGE_SIZE)}));
	gpu_ok(three_try_resource(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, LARGE));
	prepare();
	(void)rig;
}

/* A loop that ends draws; so the one that does not is what is drawn, too. */
static void expect_it_draws(struct rig_buffer *memory)
{
	struct stream stream = {.n = 0};

	add_draw(&stream, SMALL, PICTURE, 7);
	three_submit(1, &stream);
	gpu_ok(three_try_transfer(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, 1, SMALL, three_all(), 0,
				  0));
	for (uint32_t i = 0; i < PICTURE * PICTURE; i++)
		assert_int_equal(gpu_pixel(memory, i), GREEN);
}

static void a_shader_that_loops_holds_up_3d_alone(void **state)
{
	struct stream stream = {.n = 0};
	struct rig *rig = *state;
	struct rig_buffer memory, flat;
	unsigned long before;
	int pid;

	three_start(rig, NULL);
	start(rig, &memory);
	expect_it_draws(&memory);
	pid = three_renderer(rig, 0);
	before = ticks_of(pid);
	add_draw(&stream, LARGE, LARGE_SIZE, -1);
	offer_draw(rig, &stream);
	/* The console's commands, the pointer's queue and --control go on: a picture each time. */
	gpu_picture(&flat, 2);
	gpu_create(1, &flat);
	gpu_show(0, 1);
	for (uint32_t i = 0; ticks_of(pid) - before < (unsigned long)sysconf(_SC_CLK_TCK); i++) {
		flat.data[i % PICTURE_BYTES] ^= 0x55;
		gpu_update(1);
		gpu_expect(0, &flat);
		gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 0, i % PICTURE, 0));
		rig_expect_nothing(rig, GPU_CONTROL);
	}
	/* The guest may go at any time, and what it left behind is ended. */
	peer_disconnect(rig->peer);
	assert_true(three_renderer(rig, pid) != pid);
	assert_int_equal(kill(pid, 0), -1);
	rig_connect(rig);
	gpu_begin(rig);
	start(rig, &memory);
	expect_it_draws(&memory);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: "), 0);
}

/* VU_GPU_LONG: a minute. */
static void a_machine_that_is_to_stop_while_a_shader_loops_ends_the_session(void **state)
{
	enum { TEN_MINUTES_MS = 600000 };
	struct stream stream = {.n = 0};
	struct rig *rig = *state;
	struct rig_buffer memory;
	int pid;

	three_start(rig, NULL);
	start(rig, &memory);
	pid = three_renderer(rig, 0);
	add_draw(&stream, LARGE, LARGE_SIZE, -1);
	offer_draw(rig, &stream);
	rig_expect_nothing(rig, GPU_CONTROL);
	rig->peer->frontend.timeout_ms = TEN_MINUTES_MS;
	assert_int_equal(peer_stop(rig->peer), -ECONNRESET);
	assert_int_equal(kill(pid, 0), -1);
	rig_connect(rig);
	gpu_begin(rig);
	start(rig, &memory);
	expect_it_draws(&memory);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: it has not answered for 60 seconds"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(a_shader_that_loops_holds_up_3d_alone),
	};
	const struct CMUnitTest waits[] = {
		GPU_TEST(a_machine_that_is_to_stop_while_a_shader_loops_ends_the_session),
	};

	if (!three_can_be_tested())
		return 77;
	return getenv("VU_GPU_LONG") ? cmocka_run_group_tests(waits, NULL, NULL)
				     : cmocka_run_group_tests(tests, NULL, NULL);
}
