/* SPDX-License-Identifier: MIT */
/* vu-gpu and the front-end's display: what the guest asks it, and displays that answer nonsense. */
#include "display.h"

#include <sys/socket.h>
#include <unistd.h>

#include "../devices/client.h"

/* A question that waits for the display. */
struct question {
	struct rig_buffer out, in;
	uint32_t reply_len;
};

static void ask(struct rig *rig, struct question *q, uint32_t type, uint32_t scanout)
{
	const struct virtio_gpu_cmd_get_edid c = {.hdr = {.type = htole32(type),
							  .flags = htole32(VIRTIO_GPU_FLAG_FENCE),
							  .fence_id = htole64(99)},
						  .scanout = htole32(scanout)};
	struct driver_seg segs[2];

	rig_buffer(rig, &q->out, sizeof(c));
	rig_buffer(rig, &q->in, sizeof(struct virtio_gpu_resp_edid));
	memcpy(q->out.data, &c, sizeof(c));
	segs[0] = rig_read_seg(&q->out, sizeof(c));
	segs[1] = rig_write_seg(&q->in, q->in.len);
	rig_offer(rig, GPU_CONTROL, segs, 2, q);
}

static void get_answer(struct rig *rig, struct question *q, uint32_t type)
{
	struct virtio_gpu_ctrl_hdr head;

	assert_ptr_equal(rig_wait(rig, GPU_CONTROL, &q->reply_len), q);
	memcpy(&head, q->in.data, sizeof(head));
	assert_int_equal(le32toh(head.type), type);
	assert_int_equal(le32toh(head.flags), VIRTIO_GPU_FLAG_FENCE);
	assert_int_equal(le64toh(head.fence_id), 99);
}

static void ask_info(struct rig *rig, struct question *q)
{
	ask(rig, q, VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 0);
}

static void get_info(struct rig *rig, struct question *q, uint32_t width)
{
	struct virtio_gpu_resp_display_info info;

	get_answer(rig, q, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	memcpy(&info, q->in.data, sizeof(info));
	assert_int_equal(q->reply_len, sizeof(info));
	assert_int_equal(le32toh(info.pmodes[0].r.width), width);
}

/* The display's answer: one of this width. */
static void say_info(int fd, uint32_t width)
{
	struct virtio_gpu_resp_display_info info = {.hdr.type = htole32(0x1101)};

	info.pmodes[0].enabled = htole32(1);
	info.pmodes[0].r.width = htole32(width);
	info.pmodes[0].r.height = htole32(600);
	display_send(fd, GET_DISPLAY_INFO, REPLY, &info, sizeof(info));
}

static void say_edid(int fd, unsigned char byte)
{
	struct virtio_gpu_resp_edid edid = {.size = htole32(128)};

	memset(edid.edid, byte, 128);
	display_send(fd, GET_EDID, REPLY, &edid, sizeof(edid));
}

static void the_display_says_which_monitors_there_are(void **state)
{
	struct rig *rig = *state;
	struct question q, e;
	struct told told;
	int fd;

	gpu_start(rig, NULL);
	fd = display_begin(rig, 3);
	ask_info(rig, &q);
	display_expect(fd, GET_DISPLAY_INFO, NULL);
	rig_expect_nothing(rig, GPU_CONTROL);
	/* Other commands are served meanwhile. */
	ask(rig, &e, VIRTIO_GPU_CMD_GET_CAPSET_INFO, 0);
	get_answer(rig, &e, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	say_info(fd, 777);
	get_info(rig, &q, 777);
	gpu_expect_state(0, "plugged 777x600");
	ask(rig, &e, VIRTIO_GPU_CMD_GET_EDID, 0);
	told = display_expect(fd, GET_EDID, NULL);
	assert_int_equal(told.size, 4);
	say_edid(fd, 0x42);
	get_answer(rig, &e, VIRTIO_GPU_RESP_OK_EDID);
	assert_int_equal(e.in.data[sizeof(struct virtio_gpu_ctrl_hdr) + 8 + 127], 0x42);
	/* Nobody else says so meanwhile. */
	assert_non_null(
		strstr(rig_say_refused(rig, "resize 0 800x600"), "the front-end's display"));
	close(fd);
	rig_stop(rig);
}

static void what_a_display_does_not_know_the_card_answers(void **state)
{
	struct rig *rig = *state;
	struct question q;
	int fd;

	gpu_start(rig, NULL);
	fd = display_begin(rig, 0);
	ask(rig, &q, VIRTIO_GPU_CMD_GET_EDID, 0);
	get_answer(rig, &q, VIRTIO_GPU_RESP_OK_EDID);
	assert_int_equal(q.in.data[sizeof(struct virtio_gpu_ctrl_hdr) + 8 + 1], 0xff);
	display_expect_nothing(rig, fd);
	close(fd);
	rig_stop(rig);
}

/* QEMU says nothing to a GET_EDID of an output beyond its own. */
static void a_question_that_is_never_answered_holds_up_no_other(void **state)
{
	struct rig *rig = *state;
	struct question lost, q;
	int fd;

	gpu_start(rig, NULL);
	fd = display_begin(rig, 3);
	ask(rig, &lost, VIRTIO_GPU_CMD_GET_EDID, 5);
	display_expect(fd, GET_EDID, NULL);
	display_expect(fd, GET_DISPLAY_INFO, NULL);
	say_info(fd, 800);
	get_answer(rig, &lost, VIRTIO_GPU_RESP_OK_EDID);
	ask_info(rig, &q);
	display_expect(fd, GET_DISPLAY_INFO, NULL);
	say_info(fd, 900);
	get_info(rig, &q, 900);
	close(fd);
	rig_stop(rig);
}

static void questions_are_answered_when_the_queue_stops_or_the_display_goes(void **state)
{
	struct rig *rig = *state;
	struct question q[3];
	int fd;

	gpu_start(rig, NULL);
	fd = display_begin(rig, 3);
	ask_info(rig, &q[0]);
	display_expect(fd, GET_DISPLAY_INFO, NULL);
	rig_check(rig, peer_stop(rig->peer));
	get_info(rig, &q[0], 1280);
	for (uint32_t i = 0; i < GPU_QUEUES; i++) {
		rig_check(rig, peer_start_queue(rig->peer, i));
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, i, true));
	}
	ask_info(rig, &q[1]);
	display_expect(fd, GET_DISPLAY_INFO, NULL);
	/* The first reply is to the first question, for which nobody waits. */
	say_info(fd, 1000);
	rig_expect_nothing(rig, GPU_CONTROL);
	say_info(fd, 1001);
	get_info(rig, &q[1], 1001);
	ask_info(rig, &q[1]);
	ask(rig, &q[2], VIRTIO_GPU_CMD_GET_EDID, 1);
	display_expect(fd, GET_DISPLAY_INFO, NULL);
	close(fd);
	get_info(rig, &q[1], 1001);
	get_answer(rig, &q[2], VIRTIO_GPU_RESP_OK_EDID);
	/* And when all of it goes. */
	fd = display_begin(rig, 3);
	ask_info(rig, &q[0]);
	display_expect(fd, GET_DISPLAY_INFO, NULL);
	rig_stop(rig);
	client_expect_end(fd);
	close(fd);
}

static void a_guest_may_ask_more_than_the_display_answers(void **state)
{
	enum { N = 100 };
	struct rig *rig = *state;
	struct question q[N];
	uint32_t n = 0;
	int fd;

	gpu_start(rig, NULL);
	fd = display_begin(rig, 3);
	for (uint32_t i = 0; i < N; i++)
		ask_info(rig, &q[i]);
	/* The card answers those that are too many. */
	for (; n < N - 64; n++)
		rig_wait(rig, GPU_CONTROL, NULL);
	rig_expect_nothing(rig, GPU_CONTROL);
	for (uint32_t i = 0; i < 64; i++)
		say_info(fd, 800);
	for (; n < N; n++)
		rig_wait(rig, GPU_CONTROL, NULL);
	close(fd);
	rig_stop(rig);
}

static void a_display_that_answers_nonsense_is_let_go(void **state)
{
	static const struct {
		uint32_t request, flags, size;
	} nonsense[] = {
		{GET_DISPLAY_INFO, 0, 408},
		{GET_DISPLAY_INFO, REPLY, 407},
		{GET_DISPLAY_INFO, REPLY, 0},
		{GET_DISPLAY_INFO, REPLY, 0xffffffff},
		{GET_DISPLAY_INFO, REPLY, 0x7fffffff},
		{GET_EDID, REPLY, 1056},
		{GET_PROTOCOL_FEATURES, REPLY, 8},
		{0, REPLY, 0},
		{UPDATE, REPLY, 0},
		{GET_DISPLAY_INFO, REPLY, 1057},
	};
	char bytes[2048 + 12] = "";
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct question q;
	int fd;

	gpu_start(rig, NULL);
	gpu_picture(&memory, 1);
	gpu_create(1, &memory);
	gpu_show(0, 1);
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		const uint32_t header[3] = {nonsense[i].request, nonsense[i].flags,
					    nonsense[i].size};

		fd = display_begin(rig, 3);
		display_expect(fd, SCANOUT, NULL);
		display_expect(fd, UPDATE, NULL);
		ask_info(rig, &q);
		display_expect(fd, GET_DISPLAY_INFO, NULL);
		memcpy(bytes, header, sizeof(header));
		/* At once: it may be closed after the header. */
		client_write(fd, bytes,
			     sizeof(header) + (nonsense[i].size <= 2048 ? nonsense[i].size : 0));
		get_info(rig, &q, 1280);
		/* What it did not read makes that an error here. */
		assert_true(recv(fd, bytes, 1, 0) <= 0);
		close(fd);
	}
	/* Without a question. */
	fd = display_begin(rig, 3);
	display_expect(fd, SCANOUT, NULL);
	display_expect(fd, UPDATE, NULL);
	say_info(fd, 900);
	client_expect_end(fd);
	close(fd);
	gpu_update(1);
	gpu_expect(0, &memory);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(the_display_says_which_monitors_there_are),
		GPU_TEST(what_a_display_does_not_know_the_card_answers),
		GPU_TEST(a_question_that_is_never_answered_holds_up_no_other),
		GPU_TEST(questions_are_answered_when_the_queue_stops_or_the_display_goes),
		GPU_TEST(a_guest_may_ask_more_than_the_display_answers),
		GPU_TEST(a_display_that_answers_nonsense_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
