/* SPDX-License-Identifier: MIT */
/* vu-gpu: parts transferred and flushed at random, on two screens and a display. */
#include "display.h"

#include <unistd.h>

enum {
	W = 300,
	H = 90,
	BYTES = W * H * 4,
	SECOND_X = 37,
	SECOND_Y = 11,
	SECOND_W = 200,
	SECOND_H = 60
};

static struct shown shown;

struct model {
	uint32_t picture[W * H]; /* as it was transferred */
	uint32_t screen[W * H];	 /* as it was flushed */
	uint32_t seed;
};

static uint32_t roll(struct model *m, uint32_t below)
{
	m->seed = m->seed * 1664525u + 1013904223u;
	return (m->seed >> 8) % below;
}

static void roll_box(struct model *m, uint32_t box[4])
{
	box[0] = roll(m, W);
	box[1] = roll(m, H);
	box[2] = 1 + roll(m, W - box[0]);
	box[3] = 1 + roll(m, H - box[1]);
}

static void copy_box(uint32_t *to, const uint32_t *from, const uint32_t box[4])
{
	for (uint32_t y = box[1]; y < box[1] + box[3]; y++)
		memcpy(to + y * W + box[0], from + y * W + box[0], box[2] * 4);
}

/* One behind the other, or, more often, both at once. */
static void transfer_and_flush(struct virtio_gpu_rect part, uint64_t offset,
			       struct virtio_gpu_rect rect, uint32_t at_once)
{
	struct gpu_answers answers;

	if (!at_once) {
		gpu_ok(gpu_try_transfer(1, part, offset));
		gpu_ok(gpu_try_flush(1, rect));
		return;
	}
	answers = gpu_try_at_once(1, part, offset, 1, rect);
	gpu_ok(answers.transfer);
	gpu_ok(answers.flush);
}

static void step(struct model *m, struct rig_buffer *memory)
{
	uint32_t box[4], n = roll(m, 40);
	struct virtio_gpu_rect part;
	uint64_t offset;

	for (uint32_t i = 0; i < n; i++)
		memory->data[roll(m, BYTES)] = (unsigned char)roll(m, 256);
	roll_box(m, box);
	part = gpu_rect(box[0], box[1], box[2], box[3]);
	offset = 4 * (uint64_t)(box[1] * W + box[0]);
	copy_box(m->picture, (uint32_t *)(void *)memory->data, box);
	/* Also just that, or all. */
	n = roll(m, 3);
	if (n == 0)
		roll_box(m, box);
	else if (n == 1)
		memcpy(box, (uint32_t[]){0, 0, W, H}, sizeof(box));
	transfer_and_flush(part, offset, gpu_rect(box[0], box[1], box[2], box[3]), roll(m, 4));
	copy_box(m->screen, m->picture, box);
}

/* Of the same picture, and not all the time. */
static bool second_shows(uint32_t round)
{
	return round % 4 < 2;
}

static void change_screens(struct model *m, struct rig_buffer *memory, uint32_t round)
{
	const struct virtio_gpu_rect all = gpu_rect(0, 0, W, H),
				     part = gpu_rect(SECOND_X, SECOND_Y, SECOND_W, SECOND_H);

	if (round % 4 == 0) { /* it is drawn as it was transferred, so the first one is, too */
		gpu_ok(gpu_try_flush(1, all));
		memcpy(m->screen, m->picture, sizeof(m->screen));
	}
	if (round % 2 == 0)
		gpu_ok(gpu_try_show(1, second_shows(round) ? 1 : 0, part));
	if (round % 8 == 6) {
		for (uint32_t i = 0; i < BYTES; i += 7)
			memory->data[i] = (unsigned char)roll(m, 256);
		gpu_ok(gpu_try_transfer(1, all, 0));
		gpu_ok(gpu_try_flush(1, all));
		memcpy(m->picture, memory->data, sizeof(m->picture));
		gpu_ok(gpu_try_show(0, 0, all));
		gpu_ok(gpu_try_show(0, 1, all));
		memcpy(m->screen, m->picture, sizeof(m->screen));
	}
}

/* The second screen shows a part of the first one's. */
static void expect_screens(const struct model *m, bool second)
{
	const struct shot *shot = gpu_look(0);

	for (uint32_t i = 0; i < W * H; i++)
		assert_int_equal(shot->pixels[i], m->screen[i] & 0xffffff);
	if (!second) {
		gpu_expect_off(1);
		return;
	}
	shot = gpu_look(1);
	for (uint32_t i = 0; i < SECOND_W * SECOND_H; i++)
		assert_int_equal(
			shot->pixels[i],
			m->screen[(SECOND_Y + i / SECOND_W) * W + SECOND_X + i % SECOND_W] &
				0xffffff);
}

/* What the display makes of its messages, once it has the last: of the first screen. */
static void expect_display(int fd, const struct model *m)
{
	static struct shown other;
	bool same = false;

	while (!same) {
		struct told told = display_next_of(fd, &shown, &other);

		assert_true(told.request == UPDATE || told.request == SCANOUT);
		same = shown.width == W;
		for (uint32_t i = 0; i < W * H && same; i++)
			same = !((shown.pixels[i / W * DISPLAY_SIZE + i % W] ^ m->screen[i]) &
				 0xffffff);
	}
}

static void whatever_is_transferred_and_flushed_is_what_is_shown(void **state)
{
	static const char *const options[] = {"--max-outputs=2", NULL};
	static struct model m = {.seed = 1};
	struct virtio_gpu_mem_entry entry[2];
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd;

	gpu_start(rig, options);
	fd = display_begin(rig, 3);
	rig_buffer(rig, &memory, BYTES);
	/* Cut within a line. */
	entry[0] = gpu_entry(memory.gpa, 5003);
	entry[1] = gpu_entry(memory.gpa + 5003, BYTES - 5003);
	gpu_ok(gpu_try_create(1, XRGB, W, H));
	gpu_ok(gpu_try_attach(1, entry, 2));
	gpu_ok(gpu_try_show(0, 1, gpu_rect(0, 0, W, H)));
	for (uint32_t i = 0; i < 40; i++) {
		change_screens(&m, &memory, i);
		for (uint32_t j = 0; j < 25; j++)
			step(&m, &memory);
		expect_screens(&m, second_shows(i));
		memory.data[0]++; /* so that there is something new */
		gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, 1, 1), 0));
		gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, 1, 1)));
		memcpy(m.picture, memory.data, 4);
		m.screen[0] = m.picture[0];
		expect_display(fd, &m);
	}
	close(fd);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(whatever_is_transferred_and_flushed_is_what_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
