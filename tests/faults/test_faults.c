/* SPDX-License-Identifier: MIT */
/*
 * A device's whole life, again and again, with another call of the library's failing each time.
 *
 * However it goes: nothing crashes, no descriptor and no mapping is left (nor memory: the
 * sanitizers look), and who does not get what was asked for is told, by an error or by a line in
 * the log.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libvu/vu.h>

#include "core/device.h"
#include "fault.h"
#include "frontend/peer.h"
#include "kit/counts.h"
#include "kit/log_book.h"
#include "kit/test.h"

enum { PASSES = 1000, QUEUES = 2, LINES = 64, ENOUGH = 2000 };

struct life {
	struct vu_device *dev;
	struct vu_group *group;
	struct peer *peer;
	uint32_t refused;  /* calls of ours that returned an error */
	uint32_t served;   /* requests */
	uint32_t kept;	   /* descriptors that stay open as nobody may close them */
	bool went_through; /* everything that was to be done was done */
	struct log_book log;
};

static void life_ready(struct vu_queue *queue, void *opaque)
{
	struct life *l = opaque;
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		vu_req_complete(req, vu_req_write(req, 0, "x", 1));
		l->served++;
	}
}

static void life_pump(void *opaque)
{
	struct life *l = opaque;
	int more = 1;

	fault_on();
	for (int i = 0; more > 0 && i < PASSES; i++) {
		more = vu_device_process(l->dev);
		more |= vu_group_process(l->group, 0);
		if (!more)
			more = vu_group_arm(l->group);
	}
	fault_off();
}

static bool life_refused(struct life *l, int err)
{
	l->refused += err < 0;
	return err < 0;
}

static bool life_make(struct life *l)
{
	static const unsigned char config[8];
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = life_ready};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.name = "life",
		.device_id = 4,
		.n_queues = QUEUES,
		.config_size = sizeof(config),
		.config = config,
		.log_level = VU_LOG_WARNING,
		.log_fn = log_book_write,
		.log_opaque = &l->log,
	};
	int err;

	fault_on();
	err = vu_device_new(&info, &ops, l, &l->dev);
	if (!err)
		err = vu_group_new(&l->group);
	if (!err)
		err = vu_queue_set_group(vu_device_queue(l->dev, 1), l->group);
	fault_off();
	return !life_refused(l, err);
}

static bool life_attach(struct life *l)
{
	int fd, err;

	assert_ok(peer_open(l->peer, &fd));
	fault_on();
	err = vu_device_attach(l->dev, fd);
	fault_off();
	if (err)
		close(fd);
	return !life_refused(l, err);
}

static bool life_requests(struct life *l)
{
	for (uint32_t q = 0; q < QUEUES; q++) {
		const struct driver_seg seg = {guest_alloc(l->peer->guest, 64, 8), 64, true};
		struct driver_used used;

		if (driver_add(l->peer->queues[q], &seg, 1, NULL) < 0 ||
		    peer_wait_used(l->peer, q, &used))
			return false;
	}
	return true;
}

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

/* The error descriptor of a queue was signalled. */
static bool life_is_broken(struct life *l, uint32_t q)
{
	struct pollfd pfd = {.fd = l->peer->queues[q]->err.driver, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
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

static void life_end(struct life *l)
{
	fault_on();
	if (l->dev)
		vu_device_detach(l->dev);
	vu_group_free(l->group);
	if (l->dev)
		l->kept = l->dev->closer.kept;
	vu_device_free(l->dev);
	fault_off();
}

static void life_open(struct life *l)
{
	static const struct guest_region regions[] = {
		{.gpa = 0, .size = 4 << 20, .uva = 0x7f0000000000},
		{.gpa = 4 << 20, .size = 1 << 20, .uva = 0x7f0000400000},
	};
	const struct peer_config config = {
		.n_queues = QUEUES,
		.n_regions = 2,
		.regions = regions,
		.timeout_ms = 500,
		.pump = life_pump,
		.pump_opaque = l,
	};

	memset(l, 0, sizeof(*l));
	log_book_open(&l->log);
	fault_order(0, false);
	assert_ok(peer_new(&config, &l->peer));
}

/* One life; how many calls it took. */
static uint32_t life_live(struct life *l, uint32_t nth, bool all)
{
	life_open(l);
	fault_order(nth, all);
	l->went_through = life_make(l) && life_attach(l) && life_session(l);
	life_end(l);
	peer_free(l->peer);
	return fault_calls();
}

/* By these names the C library knows them: calls of other names would never fail. */
static const char *const expected[] = {
	"calloc",    "mmap64",	  "memfd_create", "ftruncate64", "epoll_create1",
	"epoll_ctl", "eventfd",	  "recvmsg",	  "sendmsg",	 "getsockopt",
	"fstat64",   "fstatfs64", "fcntl64",	  "malloc",
};

enum { EXPECTED = sizeof(expected) / sizeof(expected[0]) };

static void live_with_each(bool all)
{
	bool failed[EXPECTED] = {false};
	int fds = count_fds(), mappings = count_guest_mappings();
	struct life l;
	uint32_t calls = life_live(&l, 0, false), survived = 0, wrong = 0;

	if (!l.went_through)
		fail_msg("without a failure: %s", l.log.text);
	assert_int_equal(log_book_complaints(&l.log), 0);
	for (uint32_t nth = 1; nth <= calls && nth < ENOUGH; nth++) {
		life_live(&l, nth, all);
		if (!l.went_through && !log_book_complaints(&l.log) && !l.refused) {
			print_error("call %u, %s(), failed, and nobody was told\n", nth,
				    fault_failed());
			wrong++;
		}
		fds += (int)l.kept;
		if (count_fds() != fds || count_guest_mappings() != mappings)
			fail_msg("call %u, %s(), failed: %d descriptors and %d mappings are left",
				 nth, fault_failed(), count_fds() - fds,
				 count_guest_mappings() - mappings);
		survived += l.went_through;
		for (int i = 0; i < EXPECTED; i++)
			failed[i] |= fault_failed() && !strcmp(fault_failed(), expected[i]);
	}
	for (int i = 0; i < EXPECTED; i++)
		if (!failed[i])
			fail_msg("%s() was never asked", expected[i]);
	assert_int_equal(wrong, 0);
	printf("%u calls, each failed once%s; %u lives went through all the same\n", calls,
	       all ? " with all that followed" : "", survived);
}

static void any_one_call_may_fail(void **state)
{
	(void)state;
	live_with_each(false);
}

static void all_calls_may_fail_from_any_on(void **state)
{
	(void)state;
	live_with_each(true);
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

		life_open(&l);
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
