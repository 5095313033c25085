/* SPDX-License-Identifier: MIT */
/* Shared objects: who asks us gets one, and what we ask is answered once, whatever happens. */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "rules/rig.h"

static const uint8_t known[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t unknown[16] = {0xff};

struct sharer {
	struct rig rig; /* first: the callbacks' opaque */
	int file;	/* the known object */
	struct vu_answer *answer;
	bool later;
	uint32_t asked;
	/* Of what it asks. */
	uint32_t heard;
	int result;
	const uint8_t *ask_again; /* in the callback */
};

static int get(struct vu_device *dev, const uint8_t *uuid, struct vu_answer *answer, void *opaque)
{
	struct sharer *s = opaque;

	(void)dev;
	s->asked++;
	s->answer = answer;
	if (s->later)
		return VU_LATER;
	return memcmp(uuid, known, 16) ? -ENOENT : dup(s->file);
}

static void make(struct sharer *s)
{
	static const struct vu_shared_object_ops ops = {.size = sizeof(ops), .get = get};

	*s = (struct sharer){.file = -1};
	rig_make(&s->rig, NULL);
	assert_ok(vu_device_set_shared_object_ops(s->rig.dev, &ops));
	s->file = memfd_create("object", MFD_CLOEXEC);
}

static void open_sharer(struct sharer *s)
{
	make(s);
	rig_connect(&s->rig);
	assert_ok(peer_start(s->rig.peer));
}

static void close_sharer(struct sharer *s)
{
	close(s->file);
	rig_close(&s->rig);
}

static void heard(struct vu_device *dev, int result, void *opaque)
{
	struct sharer *s = opaque;

	assert_ptr_equal(dev, s->rig.dev);
	s->heard++;
	s->result = result;
	if (s->ask_again)
		assert_ok(vu_device_share(dev, s->ask_again, heard, s));
}

static void expect_same_file(int fd, int file)
{
	struct stat a, b;

	assert_ok(fstat(fd, &a));
	assert_ok(fstat(file, &b));
	assert_true(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

/* --- the front-end asks --- */

static int ask_for(struct sharer *s, const uint8_t *uuid, uint32_t size)
{
	struct frontend_msg reply;

	if (frontend_ask_msg(&s->rig.peer->frontend, WIRE_GET_SHARED_OBJECT, uuid, size, NULL, 0,
			     &reply))
		fail_msg("%s\n%s", s->rig.peer->frontend.error, s->rig.log.text);
	assert_int_equal(reply.hdr.size, 0);
	return frontend_msg_take_fd(&reply);
}

static void who_asks_gets_the_object(void **state)
{
	struct sharer s;
	int fd;

	(void)state;
	open_sharer(&s);
	fd = ask_for(&s, known, 16);
	expect_same_file(fd, s.file);
	close(fd);
	assert_int_equal(ask_for(&s, unknown, 16), -1);
	rig_roundtrip(&s.rig, 0, 1);
	close_sharer(&s);
}

static void qemus_question_without_a_uuid_gets_none(void **state)
{
	struct sharer s;

	(void)state;
	open_sharer(&s);
	assert_int_equal(ask_for(&s, NULL, 0), -1);
	assert_int_equal(s.asked, 0);
	assert_int_equal(rig_logged(&s.rig, "GET_SHARED_OBJECT says not which one"), 1);
	rig_roundtrip(&s.rig, 0, 1);
	close_sharer(&s);
}

static void who_does_not_get_one_after_another_gets_no_more(void **state)
{
	enum { MOST = 256 };
	static struct vu_answer *answers[MOST];
	struct sharer s;

	(void)state;
	make(&s);
	s.later = true;
	for (int i = 0; i < MOST; i++) {
		rig_connect(&s.rig);
		assert_ok(peer_negotiate(s.rig.peer));
		rig_send(&s.rig, WIRE_GET_SHARED_OBJECT, known, 16, NULL, 0);
		rig_pump(&s.rig);
		assert_int_equal(s.asked, i + 1);
		answers[i] = s.answer;
		peer_disconnect(s.rig.peer);
		rig_pump(&s.rig);
	}
	rig_connect(&s.rig);
	assert_ok(peer_negotiate(s.rig.peer));
	assert_int_equal(ask_for(&s, known, 16), -1);
	assert_int_equal(s.asked, MOST);
	rig_expect_errors(&s.rig, "256 answers to earlier sessions are not given yet", 1);
	for (int i = 0; i < MOST; i++)
		assert_int_equal(vu_answer_give(answers[i], -ENOENT), -ESTALE);
	close_sharer(&s);
}

static void an_object_may_be_found_later_or_too_late(void **state)
{
	struct frontend_msg reply;
	struct sharer s;
	int fd;

	(void)state;
	open_sharer(&s);
	s.later = true;
	rig_send(&s.rig, WIRE_GET_SHARED_OBJECT, known, 16, NULL, 0);
	rig_assert_no_reply(&s.rig);
	assert_int_equal(vu_answer_give(s.answer, dup(s.file)), 0);
	assert_ok(frontend_recv(&s.rig.peer->frontend, &reply));
	fd = frontend_msg_take_fd(&reply);
	expect_same_file(fd, s.file);
	close(fd);
	/* What nobody gets is closed: by the device's thread, or without a device by who gives it.
	 */
	rig_send(&s.rig, WIRE_GET_SHARED_OBJECT, known, 16, NULL, 0);
	peer_disconnect(s.rig.peer);
	rig_pump(&s.rig);
	assert_int_equal(vu_answer_give(s.answer, dup(s.file)), -ESTALE);
	rig_pump(&s.rig);
	rig_connect(&s.rig);
	assert_ok(peer_negotiate(s.rig.peer));
	rig_send(&s.rig, WIRE_GET_SHARED_OBJECT, known, 16, NULL, 0);
	close_sharer(&s);
	fd = memfd_create("object", MFD_CLOEXEC);
	assert_int_equal(vu_answer_give(s.answer, fd), -ESTALE);
	assert_int_equal(count_fds(), s.rig.fds);
}

/* --- the device asks --- */

static void answer(struct sharer *s, uint32_t request, const uint8_t *uuid, uint64_t value,
		   const int *fds, uint32_t n_fds)
{
	struct {
		struct wire_header hdr;
		char value[sizeof(value)];
	} reply = {.hdr = {request, WIRE_VERSION | WIRE_REPLY, sizeof(value)}};
	struct frontend *f = &s->rig.peer->frontend;
	struct frontend_msg msg;

	rig_pump(&s->rig);
	assert_ok(frontend_recv_backend(f, &msg, 1000));
	assert_int_equal(msg.hdr.request, request);
	assert_int_equal(msg.hdr.size, 16);
	assert_true(msg.hdr.flags & WIRE_NEED_REPLY);
	assert_memory_equal(msg.payload, uuid, 16);
	memcpy(reply.value, &value, sizeof(value));
	assert_ok(frontend_io_send(f, f->channel_fd, &reply, sizeof(reply), fds, n_fds));
	rig_pump(&s->rig);
}

static void objects_are_announced_and_taken_back(void **state)
{
	struct sharer s;

	(void)state;
	open_sharer(&s);
	assert_ok(vu_device_share(s.rig.dev, known, heard, &s));
	assert_int_equal(s.heard, 0);
	answer(&s, WIRE_BACKEND_SHARED_OBJECT_ADD, known, 0, NULL, 0);
	assert_int_equal(s.heard, 1);
	assert_int_equal(s.result, 0);
	assert_ok(vu_device_unshare(s.rig.dev, known, heard, &s));
	answer(&s, WIRE_BACKEND_SHARED_OBJECT_REMOVE, known, 1, NULL, 0);
	assert_int_equal(s.heard, 2);
	assert_int_equal(s.result, -ENOENT);
	/* Who does not want to know. */
	assert_ok(vu_device_unshare(s.rig.dev, known, NULL, NULL));
	answer(&s, WIRE_BACKEND_SHARED_OBJECT_REMOVE, known, 0, NULL, 0);
	close_sharer(&s);
}

static void a_lookup_brings_a_descriptor_that_is_the_devices(void **state)
{
	struct sharer s;

	(void)state;
	open_sharer(&s);
	assert_int_equal(vu_device_lookup(s.rig.dev, known, NULL, NULL), -EINVAL);
	assert_ok(vu_device_lookup(s.rig.dev, known, heard, &s));
	answer(&s, WIRE_BACKEND_SHARED_OBJECT_LOOKUP, known, 0, &s.file, 1);
	assert_int_equal(s.heard, 1);
	expect_same_file(s.result, s.file);
	close(s.result);
	/* As QEMU: 0, and nothing with it. */
	assert_ok(vu_device_lookup(s.rig.dev, known, heard, &s));
	answer(&s, WIRE_BACKEND_SHARED_OBJECT_LOOKUP, known, 0, NULL, 0);
	assert_int_equal(s.result, -ENOENT);
	/* No, but with a descriptor. */
	assert_ok(vu_device_lookup(s.rig.dev, unknown, heard, &s));
	answer(&s, WIRE_BACKEND_SHARED_OBJECT_LOOKUP, unknown, (uint64_t)-EINVAL, &s.file, 1);
	assert_int_equal(s.result, -ENOENT);
	assert_int_equal(s.heard, 3);
	close_sharer(&s);
}

static void the_front_end_may_ask_back_before_it_answers(void **state)
{
	struct sharer s;
	int fd;

	(void)state;
	open_sharer(&s);
	assert_ok(vu_device_lookup(s.rig.dev, known, heard, &s));
	rig_pump(&s.rig);
	fd = ask_for(&s, known, 16);
	answer(&s, WIRE_BACKEND_SHARED_OBJECT_LOOKUP, known, 0, &fd, 1);
	expect_same_file(s.result, s.file);
	close(s.result);
	close(fd);
	close_sharer(&s);
}

static void what_cannot_be_asked_is_heard_of_at_once(void **state)
{
	struct sharer s;

	(void)state;
	make(&s);
	/* No front-end. */
	assert_ok(vu_device_share(s.rig.dev, known, heard, &s));
	rig_pump(&s.rig);
	assert_int_equal(s.result, -ENOTCONN);
	/* Not started. */
	rig_connect(&s.rig);
	assert_ok(peer_negotiate(s.rig.peer));
	assert_ok(vu_device_share(s.rig.dev, known, heard, &s));
	rig_pump(&s.rig);
	assert_int_equal(s.result, -ESHUTDOWN);
	/* It does not know of them. */
	peer_disconnect(s.rig.peer);
	s.rig.peer->config.protocol_features = ~RIG_BIT(WIRE_PF_SHARED_OBJECT);
	rig_pump(&s.rig);
	rig_connect(&s.rig);
	assert_ok(peer_start(s.rig.peer));
	assert_ok(vu_device_lookup(s.rig.dev, known, heard, &s));
	rig_pump(&s.rig);
	assert_int_equal(s.result, -EOPNOTSUPP);
	assert_int_equal(s.heard, 3);
	/* The device is freed. */
	assert_ok(vu_device_share(s.rig.dev, known, heard, &s));
	s.ask_again = NULL;
	close_sharer(&s);
	assert_int_equal(s.heard, 4);
}

static void what_is_not_answered_is_heard_of_when_the_channel_closes(void **state)
{
	struct sharer s;

	(void)state;
	for (int whole = 0; whole < 2; whole++) {
		open_sharer(&s);
		for (int i = 0; i < 100; i++)
			assert_ok(vu_device_lookup(s.rig.dev, known, heard, &s));
		rig_pump(&s.rig);
		assert_int_equal(s.heard, 0);
		if (whole) {
			peer_disconnect(s.rig.peer);
		} else {
			rig_lose_channel(&s.rig);
		}
		rig_pump(&s.rig);
		assert_int_equal(s.heard, 100);
		assert_int_equal(s.result, -ENOTCONN);
		close_sharer(&s);
	}
}

static void an_answer_may_ask_again(void **state)
{
	struct sharer s;

	(void)state;
	open_sharer(&s);
	s.ask_again = unknown;
	assert_ok(vu_device_share(s.rig.dev, known, heard, &s));
	answer(&s, WIRE_BACKEND_SHARED_OBJECT_ADD, known, 0, NULL, 0);
	s.ask_again = NULL;
	answer(&s, WIRE_BACKEND_SHARED_OBJECT_ADD, unknown, 0, NULL, 0);
	assert_int_equal(s.heard, 2);
	close_sharer(&s);
}

static void *share_many(void *opaque)
{
	struct sharer *s = opaque;

	for (int i = 0; i < 500; i++)
		assert_ok(vu_device_share(s->rig.dev, known, heard, s));
	return NULL;
}

static void any_thread_may_ask(void **state)
{
	struct frontend_msg msg;
	pthread_t threads[2];
	struct sharer s;

	(void)state;
	open_sharer(&s);
	for (int i = 0; i < 2; i++)
		assert_ok(pthread_create(&threads[i], NULL, share_many, &s));
	while (s.heard < 1000) {
		rig_pump(&s.rig);
		if (!frontend_recv_backend(&s.rig.peer->frontend, &msg, 0))
			assert_ok(frontend_answer_backend(&s.rig.peer->frontend, &msg, 0));
	}
	for (int i = 0; i < 2; i++)
		assert_ok(pthread_join(threads[i], NULL));
	rig_assert_idle(&s.rig);
	close_sharer(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_asks_gets_the_object),
		cmocka_unit_test(qemus_question_without_a_uuid_gets_none),
		cmocka_unit_test(who_does_not_get_one_after_another_gets_no_more),
		cmocka_unit_test(an_object_may_be_found_later_or_too_late),
		cmocka_unit_test(objects_are_announced_and_taken_back),
		cmocka_unit_test(a_lookup_brings_a_descriptor_that_is_the_devices),
		cmocka_unit_test(the_front_end_may_ask_back_before_it_answers),
		cmocka_unit_test(what_cannot_be_asked_is_heard_of_at_once),
		cmocka_unit_test(what_is_not_answered_is_heard_of_when_the_channel_closes),
		cmocka_unit_test(an_answer_may_ask_again),
		cmocka_unit_test(any_thread_may_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
