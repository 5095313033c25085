/* SPDX-License-Identifier: MIT */
/* Sending: at once, in parts, later, in order, or not at all. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit/test.h"
#include "wire_peer.h"

static int send_numbered(struct fixture *f, uint32_t number, uint32_t size, const int *fds,
			 unsigned int n_fds)
{
	unsigned char bytes[sizeof(struct wire_header) + WIRE_MAX_PAYLOAD];
	struct wire_header hdr;

	make_message(bytes, number, size, (unsigned char)number);
	memcpy(&hdr, bytes, sizeof(hdr));
	return wire_conn_send(f->conn, &hdr, size ? bytes + sizeof(hdr) : NULL, fds, n_fds);
}

static unsigned int peer_read_numbered(struct fixture *f, uint32_t number, uint32_t size)
{
	unsigned char want[sizeof(struct wire_header) + WIRE_MAX_PAYLOAD];
	size_t len = make_message(want, number, size, (unsigned char)number);
	unsigned char *got = malloc(len);
	unsigned int n_fds = peer_read(f, got, len);

	assert_memory_equal(got, want, len);
	free(got);
	return n_fds;
}

static void a_message_with_fds_is_sent_at_once(void **state)
{
	struct fixture *f = *state;
	int fds[2] = {eventfd(0, 0), eventfd(0, 0)};

	assert_int_equal(send_numbered(f, 1, 0, NULL, 0), 0);
	assert_int_equal(send_numbered(f, 2, 100, fds, 2), 0);
	assert_false(wire_conn_is_sending(f->conn));
	assert_int_equal(peer_read_numbered(f, 1, 0), 0);
	assert_int_equal(peer_read_numbered(f, 2, 100), 2);
	close(fds[0]);
	close(fds[1]);
}

static void a_full_socket_makes_messages_wait_in_order_with_their_fds(void **state)
{
	struct fixture *f = *state;
	int event = eventfd(0, 0);
	int small = 4096;
	uint32_t n = 0, waiting = 0;
	int before;

	setsockopt(wire_conn_fd(f->conn), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while (waiting < 20) {
		assert_int_equal(send_numbered(f, n, n * 37 % 2048, &event, n % 3 == 0), 0);
		n++;
		if (wire_conn_is_sending(f->conn))
			waiting++;
	}
	/* Those that wait hold copies: the caller may close its own. */
	close(event);
	before = count_fds();
	assert_int_equal(wire_conn_flush(f->conn), 1);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(peer_read_numbered(f, i, i * 37 % 2048), i % 3 == 0);
	assert_int_equal(wire_conn_flush(f->conn), 0);
	assert_false(wire_conn_is_sending(f->conn));
	assert_true(count_fds() < before);
}

/* Largest messages until one waits.  Was one cut?  Then the peer has a broken number of bytes. */
static bool send_until_cut(struct fixture *f, int sndbuf, int event, uint32_t *n)
{
	int readable = 0;

	setsockopt(wire_conn_fd(f->conn), SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	do {
		assert_int_equal(send_numbered(f, (*n)++, WIRE_MAX_PAYLOAD, &event, 1), 0);
	} while (!wire_conn_is_sending(f->conn));
	assert_int_equal(ioctl(f->peer, FIONREAD, &readable), 0);
	return readable % (int)(sizeof(struct wire_header) + WIRE_MAX_PAYLOAD) != 0;
}

static void a_message_that_goes_out_in_parts_has_its_fds_once(void **state)
{
	int event = eventfd(0, 0);
	unsigned int n_cut = 0;

	/* Where the kernel cuts depends on the buffer. */
	for (int sndbuf = 3072; sndbuf <= 5120; sndbuf += 256) {
		struct fixture *f;
		uint32_t n = 0;

		setup(state);
		f = *state;
		n_cut += send_until_cut(f, sndbuf, event, &n);
		/* These may be cut when they are flushed. */
		for (int more = 0; more < 8; more++, n++)
			assert_int_equal(send_numbered(f, n, WIRE_MAX_PAYLOAD - 4 * n, &event, 1),
					 0);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(peer_read_numbered(f, i,
							    i + 8 < n ? WIRE_MAX_PAYLOAD
								      : WIRE_MAX_PAYLOAD - 4 * i),
					 1);
		assert_false(wire_conn_is_sending(f->conn));
		teardown(state);
	}
	assert_true(n_cut > 0);
	close(event);
}

static void what_waits_is_bounded_and_the_rest_still_goes_out(void **state)
{
	struct fixture *f = *state;
	size_t waiting = 0;
	uint32_t n = 0, more;
	int rc;

	while ((rc = send_numbered(f, n, 1000, NULL, 0)) == 0) {
		n++;
		if (wire_conn_is_sending(f->conn))
			waiting += 1012;
		assert_true(waiting <= 256 * 1024);
	}
	assert_int_equal(rc, -ENOBUFS);
	assert_true(waiting > 200 * 1024);
	assert_true(wire_conn_is_sending(f->conn));
	for (uint32_t i = 0; i < n; i++)
		peer_read_numbered(f, i, 1000);
	/* The refused one left no trace, and sending works again. */
	more = n + 1;
	assert_int_equal(send_numbered(f, more, 8, NULL, 0), 0);
	peer_read_numbered(f, more, 8);
	assert_false(wire_conn_is_sending(f->conn));
}

static void messages_that_wait_are_released_with_the_connection(void **state)
{
	struct fixture *f = *state;
	int event = eventfd(0, 0);

	for (uint32_t n = 0; !wire_conn_is_sending(f->conn) || n % 8; n++)
		assert_int_equal(send_numbered(f, n, 1000, &event, 1), 0);
	close(event);
	/* teardown counts the copies. */
}

static void a_peer_that_is_gone_raises_no_signal(void **state)
{
	struct fixture *f = *state;
	int rc;

	/* SIGPIPE has its default action here: it would end this program. */
	peer_close(f);
	rc = send_numbered(f, 1, 8, NULL, 0);
	assert_true(rc == -EPIPE || rc == -ECONNRESET);
	assert_int_equal(send_numbered(f, 2, 8, NULL, 0), rc);
	assert_int_equal(wire_conn_flush(f->conn), rc);
}

static void a_peer_that_goes_while_messages_wait_is_found_by_flush(void **state)
{
	struct fixture *f = *state;
	int event = eventfd(0, 0);
	int rc;

	for (uint32_t n = 0; !wire_conn_is_sending(f->conn); n++)
		assert_int_equal(send_numbered(f, n, 1000, &event, 1), 0);
	close(event);
	peer_close(f);
	rc = wire_conn_flush(f->conn);
	assert_true(rc == -EPIPE || rc == -ECONNRESET);
	assert_false(wire_conn_is_sending(f->conn));
}

static void what_no_receiver_would_take_is_not_sent(void **state)
{
	struct fixture *f = *state;
	struct wire_header hdr = {1, WIRE_VERSION, WIRE_MAX_PAYLOAD + 1};
	int fds[WIRE_MAX_FDS + 1];
	unsigned char byte;

	for (int i = 0; i <= WIRE_MAX_FDS; i++)
		fds[i] = f->peer;
	assert_int_equal(wire_conn_send(f->conn, &hdr, &hdr, NULL, 0), -EINVAL);
	hdr.size = 0;
	assert_int_equal(wire_conn_send(f->conn, &hdr, NULL, fds, WIRE_MAX_FDS + 1), -EINVAL);
	assert_int_equal(recv(f->peer, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void freeing_no_connection_is_allowed(void **state)
{
	(void)state;
	wire_conn_free(NULL);
}

#define CASE(fn)  cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define ALONE(fn) cmocka_unit_test(fn)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_message_with_fds_is_sent_at_once),
		CASE(a_full_socket_makes_messages_wait_in_order_with_their_fds),
		ALONE(a_message_that_goes_out_in_parts_has_its_fds_once),
		CASE(what_waits_is_bounded_and_the_rest_still_goes_out),
		CASE(messages_that_wait_are_released_with_the_connection),
		CASE(a_peer_that_is_gone_raises_no_signal),
		CASE(a_peer_that_goes_while_messages_wait_is_found_by_flush),
		CASE(what_no_receiver_would_take_is_not_sent),
		ALONE(freeing_no_connection_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
