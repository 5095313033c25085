/* SPDX-License-Identifier: MIT */
/*
 * vu_runner_listen(): who connects while a front-end is served waits, but for the same process when
 * that front-end's rings are off, as User-mode Linux's kernel does that reboots.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/peer.h"
#include "kit/child.h"
#include "kit/patience.h"
#include "kit/test.h"
#include "fixture.h"
#include "sockets.h"

enum { LOOK_MS = 50 };

static struct peer *new_peer(void)
{
	const struct peer_config config = {.n_queues = 1, .notifier = DRIVER_SOCKET};
	struct peer *peer;

	assert_int_equal(peer_new(&config, &peer), 0);
	return peer;
}

/* A runner that serves a front-end whose ring runs. */
static struct peer *serve(struct fixture *f)
{
	struct peer *peer = new_peer();

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	assert_int_equal(peer_connect(peer, f->path), 0);
	assert_int_equal(peer_start_uml(peer), 0);
	return peer;
}

static void come(struct frontend *fe, const struct fixture *f)
{
	frontend_init(fe, connect_to(f->path));
	assert_int_equal(frontend_send(fe, WIRE_GET_FEATURES, 0, NULL, 0, NULL, 0), 0);
}

static void expect_answer(const struct frontend *fe)
{
	struct pollfd pfd = {.fd = fe->fd, .events = POLLIN};

	assert_int_equal(poll(&pfd, 1, HANG_MS), 1);
	assert_false(pfd.revents & POLLHUP);
}

static void expect_to_wait(const struct frontend *fe)
{
	struct pollfd pfd = {.fd = fe->fd, .events = POLLIN};

	assert_int_equal(poll(&pfd, 1, LOOK_MS), 0);
}

/* The one that was there is served as before. */
static void expect_served(struct peer *peer)
{
	uint64_t features;

	assert_int_equal(frontend_get_features(&peer->frontend, &features), 0);
}

static void a_front_end_whose_rings_are_off_gives_way_to_its_own_process(void **state)
{
	struct fixture *f = *state;
	struct peer *old = serve(f);

	for (int i = 0; i < 20; i++) {
		struct peer *peer = new_peer();

		assert_int_equal(peer_stop_uml(old), 0);
		assert_int_equal(peer_connect(peer, f->path), 0);
		assert_int_equal(peer_start_uml(peer), 0);
		assert_int_equal(frontend_wait_closed(&old->frontend), 0);
		peer_free(old);
		old = peer;
	}
	peer_free(old);
	fixture_stop(f);
}

static void the_newcomer_may_have_come_before_the_rings_were_off(void **state)
{
	struct fixture *f = *state;
	struct peer *old = serve(f);
	struct frontend fe;

	come(&fe, f);
	expect_to_wait(&fe);
	expect_served(old);
	assert_int_equal(frontend_set_vring_enable(&old->frontend, 0, false), 0);
	expect_answer(&fe);
	assert_int_equal(frontend_wait_closed(&old->frontend), 0);
	peer_free(old);
	frontend_close(&fe);
	fixture_stop(f);
}

static void before_any_ring_was_on_others_wait(void **state)
{
	struct fixture *f = *state;
	struct peer *old = new_peer();
	struct frontend fe;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	assert_int_equal(peer_connect(old, f->path), 0);
	assert_int_equal(peer_negotiate(old), 0);
	come(&fe, f);
	expect_to_wait(&fe);
	expect_served(old);
	peer_free(old);
	expect_answer(&fe);
	frontend_close(&fe);
	fixture_stop(f);
}

static void who_only_looks_whether_somebody_listens_ends_nothing(void **state)
{
	struct fixture *f = *state;
	struct peer *old = serve(f);

	assert_int_equal(peer_stop_uml(old), 0);
	for (int i = 0; i < 20; i++) {
		close(connect_to(f->path));
		expect_served(old);
	}
	assert_int_equal(peer_start_uml(old), 0);
	peer_free(old);
	fixture_stop(f);
}

static void a_newcomer_that_speaks_when_the_rings_are_on_again_waits(void **state)
{
	struct fixture *f = *state;
	struct peer *old = serve(f);
	struct frontend fe;

	assert_int_equal(peer_stop_uml(old), 0);
	frontend_init(&fe, connect_to(f->path));
	expect_served(old);
	assert_int_equal(peer_start_uml(old), 0);
	assert_int_equal(frontend_send(&fe, WIRE_GET_FEATURES, 0, NULL, 0, NULL, 0), 0);
	expect_to_wait(&fe);
	expect_served(old);
	peer_free(old);
	expect_answer(&fe);
	frontend_close(&fe);
	fixture_stop(f);
}

static void a_newcomer_that_stays_and_says_nothing_makes_room(void **state)
{
	struct fixture *f = *state;
	struct peer *old;
	struct frontend fe;
	char byte;
	int fd;

	vu_device_set_message_timeout(f->dev, 500000000);
	old = serve(f);
	assert_int_equal(peer_stop_uml(old), 0);
	fd = connect_to(f->path);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	expect_served(old);
	come(&fe, f);
	expect_answer(&fe);
	peer_free(old);
	frontend_close(&fe);
	fixture_stop(f);
}

/* A child, without descriptors of the front-end that is served later: it comes when it is told. */
struct other {
	pid_t pid;
	int go[2], came[2];
};

static void other_new(struct other *o, const struct fixture *f)
{
	char byte;

	assert_return_code(pipe(o->go), errno);
	assert_return_code(pipe(o->came), errno);
	o->pid = child_fork();
	if (!o->pid) {
		struct frontend fe;

		if (read(o->go[0], &byte, 1) != 1)
			_exit(1);
		come(&fe, f);
		if (write(o->came[1], "", 1) != 1)
			_exit(1);
		expect_answer(&fe);
		_exit(0);
	}
}

static void other_comes(struct other *o)
{
	char byte;

	assert_int_equal(write(o->go[1], "", 1), 1);
	assert_int_equal(read(o->came[0], &byte, 1), 1);
	usleep(LOOK_MS * 1000);
}

/* Its exit status. */
static int other_ends(struct other *o)
{
	int status;

	assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
	for (int i = 0; i < 2; i++) {
		close(o->go[i]);
		close(o->came[i]);
	}
	return status;
}

static void another_process_waits_and_keeps_nobody_away_when_it_has_gone(void **state)
{
	struct fixture *f = *state;
	struct frontend fe;
	struct other other;
	struct peer *old;

	other_new(&other, f);
	old = serve(f);
	assert_int_equal(peer_stop_uml(old), 0);
	other_comes(&other);
	expect_served(old);
	come(&fe, f); /* behind it */
	expect_to_wait(&fe);
	expect_served(old);
	kill(other.pid, SIGKILL);
	other_ends(&other);
	expect_answer(&fe);
	assert_int_equal(frontend_wait_closed(&old->frontend), 0);
	peer_free(old);
	frontend_close(&fe);
	fixture_stop(f);
}

static void another_process_is_served_when_the_front_end_has_left(void **state)
{
	struct fixture *f = *state;
	struct other other;
	struct peer *old;

	other_new(&other, f);
	old = serve(f);
	assert_int_equal(peer_stop_uml(old), 0);
	other_comes(&other);
	expect_served(old);
	peer_free(old);
	assert_int_equal(other_ends(&other), 0);
	fixture_stop(f);
}

static void with_once_nobody_gives_way(void **state)
{
	struct fixture *f = *state;
	struct peer *old;
	struct frontend fe;

	vu_runner_free(f->runner);
	f->runner = new_runner(f, 1);
	old = serve(f);
	assert_int_equal(peer_stop_uml(old), 0);
	come(&fe, f);
	expect_to_wait(&fe);
	expect_served(old);
	peer_free(old);
	fixture_join(f);
	frontend_close(&fe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_front_end_whose_rings_are_off_gives_way_to_its_own_process),
		TEST(the_newcomer_may_have_come_before_the_rings_were_off),
		TEST(before_any_ring_was_on_others_wait),
		TEST(who_only_looks_whether_somebody_listens_ends_nothing),
		TEST(a_newcomer_that_speaks_when_the_rings_are_on_again_waits),
		TEST(a_newcomer_that_stays_and_says_nothing_makes_room),
		TEST(another_process_waits_and_keeps_nobody_away_when_it_has_gone),
		TEST(another_process_is_served_when_the_front_end_has_left),
		TEST(with_once_nobody_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
