/* SPDX-License-Identifier: MIT */
/* See display.h. */
#include "display.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../devices/client.h"

int display_give(struct rig *rig)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	rig_check(rig,
		  frontend_tell(&rig->peer->frontend, WIRE_GPU_SET_SOCKET, NULL, 0, &pair[1], 1));
	close(pair[1]);
	return pair[0];
}

int display_begin(struct rig *rig, uint64_t features)
{
	int fd = display_give(rig);
	struct told told = display_expect(fd, GET_PROTOCOL_FEATURES, NULL);
	uint64_t used;

	assert_int_equal(told.size, 0);
	display_send(fd, GET_PROTOCOL_FEATURES, REPLY, &features, sizeof(features));
	told = display_expect(fd, SET_PROTOCOL_FEATURES, NULL);
	memcpy(&used, told.words, sizeof(used));
	assert_true(used == (features & 1));
	return fd;
}

static void read_pixels(int fd, const uint32_t *words, uint32_t size, struct shown *shown)
{
	uint32_t x = words[1], y = words[2], width = words[3], height = words[4];
	uint32_t line[DISPLAY_SIZE];

	assert_true(width && height && width <= DISPLAY_SIZE && height <= DISPLAY_SIZE);
	assert_int_equal(size, 20 + 4 * width * height);
	assert_true(!shown || (x + width <= shown->width && y + height <= shown->height));
	for (uint32_t i = 0; i < height; i++) {
		client_read(fd, line, 4 * (size_t)width);
		if (shown)
			memcpy(shown->pixels + (y + i) * DISPLAY_SIZE + x, line, 4 * (size_t)width);
	}
}

struct told display_next_of(int fd, struct shown *first, struct shown *second)
{
	struct shown *shown = first;
	struct told told = {0};
	uint32_t header[3], pixels[64 * 64];

	client_read(fd, header, sizeof(header));
	assert_int_equal(header[1], 0);
	told.request = header[0];
	told.size = header[2];
	if (told.request == UPDATE || told.request == CURSOR_UPDATE) {
		client_read(fd, told.words, 20);
		shown = told.words[0] ? second : first;
		if (told.request == UPDATE)
			read_pixels(fd, told.words, told.size, shown);
		else
			client_read(fd, pixels, sizeof(pixels));
		if (told.request == CURSOR_UPDATE) /* the first and the last */
			told.words[5] = pixels[0], told.words[6] = pixels[64 * 64 - 1];
	} else {
		assert_true(told.size <= sizeof(told.words));
		if (told.size)
			client_read(fd, told.words, told.size);
	}
	if (told.request == SCANOUT)
		shown = told.words[0] ? second : first;
	if (told.request == SCANOUT && shown) {
		shown->width = told.words[1];
		shown->height = told.words[2];
		memset(shown->pixels, 0xee, sizeof(shown->pixels));
	}
	return told;
}

struct told display_next(int fd, struct shown *shown)
{
	return display_next_of(fd, shown, shown);
}

struct told display_expect(int fd, uint32_t request, struct shown *shown)
{
	struct told told = display_next(fd, shown);

	assert_int_equal(told.request, request);
	return told;
}

struct told display_until(int fd, uint32_t request, struct shown *shown)
{
	struct told told;

	do
		told = display_next(fd, shown);
	while (told.request != request);
	return told;
}

void display_send(int fd, uint32_t request, uint32_t flags, const void *payload, uint32_t size)
{
	const uint32_t header[3] = {request, flags, size};

	client_write(fd, header, sizeof(header));
	if (size)
		client_write(fd, payload, size);
}

void display_expect_nothing(struct rig *rig, int fd)
{
	int n = -1;

	/* What was asked of the device so far is done. */
	rig_expect_nothing(rig, GPU_CONTROL);
	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	assert_int_equal(n, 0);
}

void display_is(const struct shown *shown, const struct rig_buffer *memory)
{
	for (uint32_t i = 0; i < PICTURE * PICTURE; i++)
		assert_int_equal(shown->pixels[i / PICTURE * DISPLAY_SIZE + i % PICTURE] & 0xffffff,
				 gpu_pixel(memory, i));
}
