/* SPDX-License-Identifier: MIT */
/* What a device of any kind does: memory, rings, in-flight log, configuration (life.h). */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "kit/patience.h"
#include "life.h"

enum { QUEUES = LIFE_QUEUES };

static bool life_inflight(struct life *l)
{
	struct wire_inflight inflight = {.n_queues = QUEUES, .queue_size = PEER_QUEUE_SIZE};
	int fd = -1, err = frontend_get_inflight_fd(&l->peer->frontend, &inflight, &fd);

	if (!err)
		err = frontend_set_inflight_fd(&l->peer->frontend, &inflight, fd);
	if (fd >= 0)
		close(fd);
	return !err;
}

/* What a front-end does with a device that works. */
static bool life_session(struct life *l)
{
	struct frontend *f = &l->peer->frontend;
	struct frontend_msg msg;
	unsigned char config[8];
	uint32_t base;

	if (peer_negotiate(l->peer) || peer_set_driver(l->peer) || !life_inflight(l) ||
	    peer_start_rings(l->peer) || !life_requests(l) ||
	    frontend_get_config(f, 0, config, sizeof(config)))
		return false;
	if (life_refused(l, vu_config_set(l->dev, 0, "changed", 8)) ||
	    frontend_expect_backend(f, WIRE_BACKEND_CONFIG_CHANGE_MSG, &msg))
		return false;
	/* Other memory, new rings. */
	if (frontend_rem_mem_reg(f, &l->peer->guest->regions[1]) ||
	    frontend_add_mem_reg(f, &l->peer->guest->regions[1]) ||
	    frontend_get_vring_base(f, 0, &base))
		return false;
	l->peer->queues[0]->base = base;
	return !peer_start_queue(l->peer, 0) && life_requests(l) && !peer_stop(l->peer);
}

static const struct life_kind plain = {.session = life_session};

/* By these names the C library knows them: calls of other names would never fail. */
static const char *const expected[] = {
	"calloc",    "mmap64",	  "memfd_create", "ftruncate64", "epoll_create1",
	"epoll_ctl", "eventfd",	  "recvmsg",	  "sendmsg",	 "getsockopt",
	"fstat64",   "fstatfs64", "fcntl64",	  "malloc",
};

enum { EXPECTED = sizeof(expected) / sizeof(expected[0]) };

/* The error descriptor of a queue was signalled. */
static bool life_is_broken(struct life *l, uint32_t q)
{
	struct pollfd pfd = {.fd = l->peer->queues[q]->err.driver, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

static void any_one_call_may_fail(void **state)
{
	(void)state;
	life_with_each(&plain, false, expected, EXPECTED);
}

static void all_calls_may_fail_from_any_on(void **state)
{
	(void)state;
	life_with_each(&plain, true, expected, EXPECTED);
}

/* One line says so; a stop and a start mend it. */
static void assert_mended(struct life *l, uint32_t q)
{
	struct vu_req *req;
	uint32_t base;

	assert_int_equal(log_book_complaints(&l->log), 1);
	assert_int_equal(log_book_count(&l->log, "broken: its kick descriptor"), 1);
	assert_int_equal(vu_queue_next(vu_device_queue(l->dev, q), &req), -EIO);
	assert_ok(frontend_get_vring_base(&l->peer->frontend, q, &base));
	assert_ok(peer_start_queue(l->peer, q));
}

/* Its driver would wait for ever.  Each call of a start fails in its turn; some end the session. */
static void a_queue_whose_kick_cannot_be_watched_is_broken(void **state)
{
	uint32_t broken = 0, calls = 1;
	struct life l;

	(void)state;
	for (uint32_t nth = 1; nth <= calls; nth++) {
		bool started;

		life_open(&l, &plain, HANG_MS);
		assert_true(life_make(&l) && life_attach(&l));
		assert_ok(peer_negotiate(l.peer));
		assert_ok(peer_set_driver(l.peer));
		fault_order_of("epoll_ctl", nth);
		started = !peer_start_rings(l.peer);
		calls = fault_calls();
		fault_order(0, false);
		for (uint32_t q = 0; started && q < QUEUES; q++) {
			if (life_is_broken(&l, q)) {
				broken++;
				assert_mended(&l, q);
			}
		}
		assert_true(started ? life_requests(&l) : log_book_complaints(&l.log) > 0);
		life_end(&l);
		peer_free(l.peer);
	}
	assert_int_equal(broken, QUEUES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_one_call_may_fail),
		cmocka_unit_test(all_calls_may_fail_from_any_on),
		cmocka_unit_test(a_queue_whose_kick_cannot_be_watched_is_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
