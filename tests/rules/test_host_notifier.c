/* SPDX-License-Identifier: MIT */
/*
 * Rules: a queue whose driver notifies a page of the device's is served without a kick, and by
 * kicks again when that is over.
 */
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "kit/patience.h"
#include "rules/rig.h"

enum { PAGE = 4096 };

struct asked {
	int result;
	uint32_t times;
};

static void on_asked(struct vu_device *dev, int result, void *opaque)
{
	struct asked *asked = opaque;

	(void)dev;
	asked->result = result;
	asked->times++;
}

static void open_with_notifiers(struct rig *rig, const struct rig_config *config)
{
	rig_make(rig, config);
	assert_ok(vu_device_offer_host_notifiers(rig->dev));
	rig_connect(rig);
	assert_ok(peer_start(rig->peer));
}

static int page_file(void)
{
	int fd = memfd_create("doorbell", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_ok(ftruncate(fd, 2 * PAGE));
	return fd;
}

static int set(struct rig *rig, uint32_t q, struct asked *asked)
{
	int fd = page_file();
	int ret = vu_queue_set_host_notifier(rig->queues[q].queue, fd, PAGE, on_asked, asked);

	close(fd);
	return ret;
}

/* The front-end hears of it, and answers. */
static void hear(struct rig *rig, uint32_t q, bool has_page, uint64_t value)
{
	struct wire_vring_area area;
	struct frontend_msg msg;

	assert_ok(frontend_recv_backend(&rig->peer->frontend, &msg, 1000));
	assert_int_equal(msg.hdr.request, WIRE_BACKEND_VRING_HOST_NOTIFIER_MSG);
	assert_int_equal(msg.hdr.size, sizeof(area));
	memcpy(&area, msg.payload, sizeof(area));
	assert_true(area.index_flags == (has_page ? q : q | WIRE_VRING_NOFD));
	assert_int_equal(msg.n_fds, has_page);
	assert_true(!has_page || (area.size == PAGE && area.offset == PAGE));
	frontend_msg_close_fds(&msg);
	assert_ok(frontend_answer_backend(&rig->peer->frontend, &msg, value));
	rig_pump(rig);
}

static void map_well(struct rig *rig, uint32_t q)
{
	struct asked asked = {0};

	assert_ok(set(rig, q, &asked));
	hear(rig, q, true, 0);
	assert_int_equal(asked.times, 1);
	assert_int_equal(asked.result, 0);
}

/* As a driver whose notifications go to the page. */
static void submit_silently(struct rig *rig, uint32_t q, uint32_t n)
{
	while (n--)
		rig_add(rig, q);
	driver_publish(rig->peer->queues[q]);
}

/* Until they are served, however often the loop wakes; or until it sleeps for so long. */
static uint32_t served_without_kick(struct rig *rig, uint32_t q, uint32_t n, int ms)
{
	uint32_t got = 0;

	submit_silently(rig, q, n);
	while (got < n && poll(&(struct pollfd){vu_device_fd(rig->dev), POLLIN, 0}, 1, ms) > 0) {
		rig_pump(rig);
		got += rig_collect(rig, q);
	}
	return got;
}

static void a_queue_with_a_host_notifier_is_served_without_kicks(void **state)
{
	struct asked asked = {0};
	struct rig rig;

	(void)state;
	open_with_notifiers(&rig, NULL);
	assert_int_equal(served_without_kick(&rig, 0, 2, 100), 0);
	rig_submit(&rig, 0, 0);
	rig_wait_used(&rig, 0, 2);
	map_well(&rig, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(served_without_kick(&rig, 0, 4, 60000), 4);
	/* The other one has its kicks. */
	rig_roundtrip(&rig, 1, 2);
	/* Taken back. */
	assert_ok(vu_queue_set_host_notifier(rig.queues[0].queue, -1, 0, on_asked, &asked));
	hear(&rig, 0, false, 0);
	assert_int_equal(asked.times, 1);
	assert_int_equal(asked.result, 0);
	rig_assert_idle(&rig);
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

static void a_queue_of_another_thread_is_polled_there(void **state)
{
	const struct rig_config grouped = {.groups = true};
	struct rig rig;

	(void)state;
	open_with_notifiers(&rig, &grouped);
	map_well(&rig, 1);
	submit_silently(&rig, 1, 3);
	assert_true(poll(&(struct pollfd){vu_group_fd(rig.group), POLLIN, 0}, 1, HANG_MS) > 0);
	rig_wait_used(&rig, 1, 3);
	rig_close(&rig);
}

static void a_refusal_leaves_the_kicks(void **state)
{
	struct asked asked = {0};
	struct rig rig;

	(void)state;
	open_with_notifiers(&rig, NULL);
	assert_ok(set(&rig, 0, &asked));
	hear(&rig, 0, true, 1);
	assert_int_equal(asked.result, -EREMOTEIO);
	assert_int_equal(rig_logged(&rig, "page-per-vq=on"), 1);
	rig_assert_idle(&rig);
	rig_roundtrip(&rig, 0, 3);
	/* And one that replaces another leaves the page. */
	map_well(&rig, 0);
	assert_ok(set(&rig, 0, &asked));
	assert_int_equal(set(&rig, 0, &asked), -EBUSY);
	hear(&rig, 0, true, 1);
	assert_int_equal(served_without_kick(&rig, 0, 2, 60000), 2);
	rig_close(&rig);
}

static void a_stop_ends_it(void **state)
{
	struct asked asked = {0};
	struct rig rig;

	(void)state;
	open_with_notifiers(&rig, NULL);
	map_well(&rig, 0);
	assert_ok(set(&rig, 1, &asked));
	assert_ok(peer_stop(rig.peer));
	rig_assert_idle(&rig);
	hear(&rig, 1, true, 0);
	assert_int_equal(asked.times, 1);
	assert_int_equal(asked.result, -ECANCELED);
	assert_ok(set(&rig, 0, &asked));
	rig_pump(&rig);
	assert_int_equal(asked.times, 2);
	assert_int_equal(asked.result, -ECANCELED);
	assert_ok(peer_set_driver(rig.peer));
	rig_start_queue(&rig, 0);
	rig_assert_idle(&rig);
	rig_roundtrip(&rig, 0, 2);
	rig_close(&rig);
}

static void a_front_end_that_does_not_know_of_it_is_not_asked(void **state)
{
	const struct rig_config config = {.peer.protocol_features =
						  RIG_BIT(WIRE_PF_REPLY_ACK) |
						  RIG_BIT(WIRE_PF_BACKEND_REQ) |
						  RIG_BIT(WIRE_PF_BACKEND_SEND_FD)};
	struct frontend_msg msg;
	struct asked asked = {0};
	struct rig rig;

	(void)state;
	open_with_notifiers(&rig, &config);
	assert_ok(set(&rig, 0, &asked));
	rig_pump(&rig);
	assert_int_equal(asked.times, 1);
	assert_int_equal(asked.result, -EOPNOTSUPP);
	assert_int_equal(frontend_recv_backend(&rig.peer->frontend, &msg, 0), -EAGAIN);
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

static void what_cannot_be_is_not_even_sent(void **state)
{
	struct asked asked = {0};
	struct rig rig;
	int fd;

	(void)state;
	rig_open(&rig, NULL);
	assert_false(rig.peer->frontend.offered_protocol_features >> WIRE_PF_HOST_NOTIFIER & 1);
	assert_int_equal(set(&rig, 0, &asked), -EINVAL);
	assert_int_equal(vu_device_offer_host_notifiers(rig.dev), -EBUSY);
	rig_close(&rig);
	rig_make(&rig, NULL);
	assert_ok(vu_device_offer_host_notifiers(rig.dev));
	assert_int_equal(vu_device_offer_host_notifiers(rig.dev), -EEXIST);
	rig_close(&rig);
	open_with_notifiers(&rig, NULL);
	fd = page_file();
	assert_int_equal(vu_queue_set_host_notifier(rig.queues[0].queue, fd, 8, on_asked, &asked),
			 -EINVAL);
	close(fd);
	assert_int_equal(vu_queue_set_host_notifier(rig.queues[0].queue, fd, 0, on_asked, &asked),
			 -EBADF);
	assert_int_equal(asked.times, 0);
	rig_close(&rig);
}

static void a_front_end_may_go_at_any_moment(void **state)
{
	struct asked asked = {0};
	struct rig rig;

	(void)state;
	open_with_notifiers(&rig, NULL);
	map_well(&rig, 0);
	assert_ok(set(&rig, 1, &asked));
	rig_pump(&rig);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_int_equal(asked.times, 1);
	rig_assert_idle(&rig);
	rig_connect(&rig);
	assert_ok(peer_start(rig.peer));
	rig_roundtrip(&rig, 0, 2);
	map_well(&rig, 0);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_with_a_host_notifier_is_served_without_kicks),
		cmocka_unit_test(a_queue_of_another_thread_is_polled_there),
		cmocka_unit_test(a_refusal_leaves_the_kicks),
		cmocka_unit_test(a_stop_ends_it),
		cmocka_unit_test(a_front_end_that_does_not_know_of_it_is_not_asked),
		cmocka_unit_test(what_cannot_be_is_not_even_sent),
		cmocka_unit_test(a_front_end_may_go_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
