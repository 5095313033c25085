/* SPDX-License-Identifier: MIT */
/* vu-gpu and the front-end's display: what it is told. */
#include "display.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../devices/client.h"

static struct shown shown;

/* What has not come is not on its way. */
static const char *const at_once[] = {"--max-fps=0", NULL};

static void begin(struct rig *rig, struct rig_buffer *memory, const char *const *options)
{
	gpu_start(rig, options);
	gpu_picture(memory, 1);
	gpu_create(1, memory);
}

static void a_display_is_told_the_size_and_then_the_picture(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct told told;
	int fd;

	begin(rig, &memory, at_once);
	fd = display_begin(rig, 3);
	gpu_show(0, 1);
	told = display_expect(fd, SCANOUT, &shown);
	assert_int_equal(told.words[0], 0);
	assert_int_equal(shown.width, PICTURE);
	assert_int_equal(shown.height, PICTURE);
	display_expect(fd, UPDATE, &shown);
	gpu_update(1);
	display_expect(fd, UPDATE, &shown);
	display_is(&shown, &memory);
	gpu_ok(gpu_try_show(0, 0, gpu_rect(0, 0, 0, 0)));
	told = display_expect(fd, SCANOUT, NULL);
	assert_true(!told.words[1] && !told.words[2]);
	display_expect_nothing(rig, fd);
	close(fd);
	rig_stop(rig);
}

static void only_what_changed_is_sent(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct told told;
	int fd;

	begin(rig, &memory, at_once);
	gpu_show(0, 1);
	gpu_update(1);
	fd = display_begin(rig, 3);
	display_expect(fd, SCANOUT, &shown);
	display_expect(fd, UPDATE, &shown);
	display_is(&shown, &memory);
	/* Linux's console flushes all of it. */
	gpu_update(1);
	display_expect_nothing(rig, fd);
	memory.data[4 * (PICTURE * 7 + 3)] ^= 0xff;
	gpu_update(1);
	told = display_expect(fd, UPDATE, &shown);
	assert_int_equal(told.words[2], 7);
	assert_int_equal(told.words[4], 1);
	display_is(&shown, &memory);
	/* A picture that is the same in another place is none, either. */
	gpu_create(2, &memory);
	gpu_ok(gpu_try_transfer(2, gpu_rect(0, 0, PICTURE, PICTURE), 0));
	gpu_show(0, 2);
	gpu_update(2);
	display_expect_nothing(rig, fd);
	close(fd);
	rig_stop(rig);
}

/* A hundred pictures of 1 MiB: the guest is served at once, and the display gets the last. */
static void a_display_that_does_not_read_misses_pictures_but_the_last(void **state)
{
	enum { W = DISPLAY_SIZE, FRAMES = 100, BYTES = W * W * 4 };
	struct virtio_gpu_mem_entry entry;
	struct rig *rig = *state;
	struct rig_buffer memory;
	const struct shot *shot;
	uint32_t n = 0;
	bool same;
	int fd;

	gpu_start(rig, at_once);
	rig_buffer(rig, &memory, BYTES);
	entry = gpu_entry(memory.gpa, BYTES);
	gpu_ok(gpu_try_create(1, XRGB, W, W));
	gpu_ok(gpu_try_attach(1, &entry, 1));
	gpu_ok(gpu_try_show(0, 1, gpu_rect(0, 0, W, W)));
	fd = display_begin(rig, 3);
	for (uint32_t i = 0; i < FRAMES; i++) {
		fill(memory.data, BYTES, i + 1);
		gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, W, W), 0));
		gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, W, W)));
	}
	shot = gpu_look(0);
	display_expect(fd, SCANOUT, &shown);
	do {
		same = true;
		display_expect(fd, UPDATE, &shown);
		for (uint32_t i = 0; i < W * W && same; i++)
			same = (shown.pixels[i] & 0xffffff) == shot->pixels[i];
		n++;
	} while (!same);
	/* What was in the socket, what was begun, and one whole picture. */
	assert_in_range(n, 1, 10);
	display_expect_nothing(rig, fd);
	close(fd);
	rig_stop(rig);
}

/* The limit is that of a second, however long this takes. */
static void a_display_is_told_no_more_pictures_a_second_than_it_may(void **state)
{
	static const char *const options[] = {"--max-fps=2", NULL};
	enum { FRAMES = 200 };
	struct rig *rig = *state;
	struct rig_buffer memory;
	time_t began = time(NULL);
	uint32_t n = 0, last;
	int fd;

	begin(rig, &memory, options);
	fd = display_begin(rig, 3);
	gpu_show(0, 1);
	display_expect(fd, SCANOUT, &shown);
	for (uint32_t i = 1; i <= FRAMES; i++) {
		memory.data[0] = (unsigned char)i;
		gpu_update(1);
	}
	last = gpu_pixel(&memory, 0);
	do {
		display_expect(fd, UPDATE, &shown);
		n++;
	} while ((shown.pixels[0] & 0xffffff) != last);
	assert_in_range(n, 1, 2 + 2 * (uint32_t)(time(NULL) - began + 1));
	/* Pointers do not wait for that. */
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 0, 1, 1));
	display_expect(fd, CURSOR_POS_HIDE, NULL);
	close(fd);
	rig_stop(rig);
}

/* A display, and a picture 1 that can be a pointer, with memory. */
static int begin_pointer(struct rig *rig, struct rig_buffer *memory)
{
	struct virtio_gpu_mem_entry entry;
	int fd;

	gpu_start(rig, at_once);
	fd = display_begin(rig, 3);
	rig_buffer(rig, memory, 64 * 64 * 4);
	entry = gpu_entry(memory->gpa, memory->len);
	gpu_ok(gpu_try_create(1, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64, 64));
	gpu_ok(gpu_try_attach(1, &entry, 1));
	return fd;
}

static void a_display_is_told_of_pointers(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct told told;
	int fd = begin_pointer(rig, &memory);

	memset(memory.data, 0x12, memory.len);
	memory.data[3] = 0x77;
	gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, 64, 64), 0));
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 2, 1, 100, 200));
	told = display_expect(fd, CURSOR_UPDATE, NULL);
	assert_int_equal(told.size, 20 + 64 * 64 * 4);
	assert_int_equal(told.words[0], 2);
	assert_int_equal(told.words[1], 100);
	assert_int_equal(told.words[2], 200);
	assert_int_equal(told.words[3], 3);
	assert_int_equal(told.words[4], 5);
	assert_int_equal(told.words[5], 0x77121212);
	assert_int_equal(told.words[6], 0x12121212);
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 2, 1, 0xffffffff, 7));
	told = display_expect(fd, CURSOR_POS, NULL);
	assert_int_equal(told.words[1], 0xffffffff);
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 2, 0, 1, 2));
	told = display_expect(fd, CURSOR_POS_HIDE, NULL);
	assert_int_equal(told.words[2], 2);
	display_expect_nothing(rig, fd);
	close(fd);
	rig_stop(rig);
}

static void a_pointer_may_be_a_picture_that_is_shown(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct told told;
	int fd = begin_pointer(rig, &memory);

	gpu_ok(gpu_try_show(0, 1, gpu_rect(0, 0, 64, 64)));
	for (int i = 1; i < 4; i++) {
		memset(memory.data, i, memory.len);
		gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, 64, 64), 0));
		gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, 64, 64)));
	}
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 2, 1, 0, 0));
	told = display_until(fd, CURSOR_UPDATE, NULL);
	assert_int_equal(told.words[5], 0x03030303);
	assert_int_equal(told.words[6], 0x03030303);
	close(fd);
	rig_stop(rig);
}

static void a_pointer_that_was_hidden_meanwhile_is_hidden_once(void **state)
{
	const uint64_t features = 3;
	struct rig *rig = *state;
	int fd;

	gpu_start(rig, at_once);
	fd = display_give(rig);
	gpu_ok(gpu_try_create(1, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64, 64));
	display_expect(fd, GET_PROTOCOL_FEATURES, NULL);
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 1, 1));
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 0, 2, 2));
	display_send(fd, GET_PROTOCOL_FEATURES, REPLY, &features, sizeof(features));
	display_expect(fd, SET_PROTOCOL_FEATURES, NULL);
	display_expect(fd, CURSOR_POS_HIDE, NULL);
	display_expect_nothing(rig, fd);
	/* It was not drawn yet. */
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 1, 3, 3));
	display_expect(fd, CURSOR_UPDATE, NULL);
	display_expect_nothing(rig, fd);
	close(fd);
	rig_stop(rig);
}

static void the_guest_goes_on_without_its_display_and_another_is_told_all(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd, again;

	begin(rig, &memory, at_once);
	fd = display_begin(rig, 3);
	gpu_show(0, 1);
	gpu_update(1);
	close(fd);
	memory.data[5] ^= 0xff;
	gpu_update(1);
	gpu_expect(0, &memory);
	/* One takes the other's place. */
	fd = display_begin(rig, 1);
	display_expect(fd, SCANOUT, &shown);
	display_expect(fd, UPDATE, &shown);
	display_is(&shown, &memory);
	again = display_begin(rig, 0);
	client_expect_end(fd);
	display_expect(again, SCANOUT, &shown);
	display_expect(again, UPDATE, &shown);
	display_is(&shown, &memory);
	close(fd);
	close(again);
	rig_stop(rig);
	assert_in_range(rig_logged(rig, "the display is no more"), 1, 2);
}

static void a_display_that_goes_in_the_middle_of_a_picture_does_no_harm(void **state)
{
	enum { W = DISPLAY_SIZE };
	struct rig *rig = *state;
	struct rig_buffer memory;
	char some[100000];

	begin(rig, &memory, at_once);
	gpu_ok(gpu_try_create(2, XRGB, W, W));
	gpu_ok(gpu_try_show(0, 2, gpu_rect(0, 0, W, W)));
	for (uint32_t i = 0; i < 20; i++) {
		int fd = display_begin(rig, 3);

		display_expect(fd, SCANOUT, NULL);
		client_read(fd, some, 1 + i * 5000);
		close(fd);
		gpu_ok(gpu_try_flush(2, gpu_rect(0, 0, W, W)));
	}
	gpu_show(0, 1);
	gpu_update(1);
	gpu_expect(0, &memory);
	rig_stop(rig);
}

static void nothing_is_told_before_the_display_said_what_it_can(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	const uint64_t all = UINT64_MAX;
	int fd;

	begin(rig, &memory, at_once);
	fd = display_give(rig);
	gpu_show(0, 1);
	gpu_update(1);
	display_expect(fd, GET_PROTOCOL_FEATURES, NULL);
	display_expect_nothing(rig, fd);
	display_send(fd, GET_PROTOCOL_FEATURES, REPLY, &all, sizeof(all));
	display_expect(fd, SET_PROTOCOL_FEATURES, NULL);
	display_expect(fd, SCANOUT, &shown);
	display_expect(fd, UPDATE, &shown);
	display_is(&shown, &memory);
	close(fd);
	rig_stop(rig);
}

/* A network socket that its last close keeps waiting for hours. */
static int lingering_socket(int *listens)
{
	const struct sockaddr_in any = {.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct linger hours = {1, 36000};
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	static char bytes[1 << 16];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*listens = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(*listens, (const struct sockaddr *)&any, sizeof(any)), errno);
	assert_return_code(listen(*listens, 1), errno);
	assert_return_code(getsockname(*listens, (struct sockaddr *)&address, &len), errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hours, sizeof(hours)), errno);
	assert_return_code(connect(fd, (struct sockaddr *)&address, len), errno);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return fd;
}

/* From here on only the device has it. */
static void give_away(int display, int fd, const void *bytes, size_t len)
{
	union {
		struct cmsghdr head;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec iov = {(void *)(uintptr_t)bytes, len};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf)};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	assert_int_equal(sendmsg(display, &mh, 0), len);
	close(fd);
}

static void descriptors_that_take_long_to_close_hold_nothing_up(void **state)
{
	static const uint32_t nonsense[1024] = {99, REPLY, 0};
	struct rig *rig = *state;
	struct rig_buffer memory;

	begin(rig, &memory, NULL);
	gpu_show(0, 1);
	for (int behind = 0; behind < 2; behind++) {
		int fd = display_begin(rig, 3), listens, slow = lingering_socket(&listens);

		/* All of it is there before anything is read. */
		assert_return_code(kill(rig->program.pid, SIGSTOP), errno);
		if (behind) /* it is never received: the socket is closed before */
			client_write(fd, nonsense, sizeof(nonsense));
		give_away(fd, slow, nonsense, 12);
		assert_return_code(kill(rig->program.pid, SIGCONT), errno);
		while (recv(fd, (char[64]){0}, 64, 0) > 0)
			;
		gpu_update(1);
		gpu_expect(0, &memory);
		close(fd);
		close(listens);
	}
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "it sent file descriptors"), 1);
	assert_int_equal(rig_logged(rig, "it sent what is no reply"), 1);
}

static void without_a_display_the_socket_is_closed(void **state)
{
	static const char *const options[] = {"--headless", NULL};
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd;

	begin(rig, &memory, options);
	fd = display_give(rig);
	client_expect_end(fd);
	gpu_show(0, 1);
	gpu_update(1);
	gpu_expect(0, &memory);
	rig_say(rig, "resize 0 800x600");
	close(fd);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(a_display_is_told_the_size_and_then_the_picture),
		GPU_TEST(only_what_changed_is_sent),
		GPU_TEST(a_display_that_does_not_read_misses_pictures_but_the_last),
		GPU_TEST(a_display_is_told_no_more_pictures_a_second_than_it_may),
		GPU_TEST(a_display_is_told_of_pointers),
		GPU_TEST(a_pointer_may_be_a_picture_that_is_shown),
		GPU_TEST(a_pointer_that_was_hidden_meanwhile_is_hidden_once),
		GPU_TEST(the_guest_goes_on_without_its_display_and_another_is_told_all),
		GPU_TEST(a_display_that_goes_in_the_middle_of_a_picture_does_no_harm),
		GPU_TEST(nothing_is_told_before_the_display_said_what_it_can),
		GPU_TEST(descriptors_that_take_long_to_close_hold_nothing_up),
		GPU_TEST(without_a_display_the_socket_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
