/* SPDX-License-Identifier: MIT */
/* Receiving: what arrives in pieces, with fds, too large, or not to its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit/test.h"
#include "wire_peer.h"

static void assert_message(const struct wire_msg *msg, uint32_t request, uint32_t size,
			   unsigned char seed)
{
	assert_int_equal(msg->hdr.request, request);
	assert_int_equal(msg->hdr.flags, WIRE_VERSION);
	assert_int_equal(msg->hdr.size, size);
	for (uint32_t i = 0; i < size; i++)
		assert_int_equal(msg->payload[i], (unsigned char)(seed + i));
}

static struct wire_msg *recv_message(struct fixture *f)
{
	struct wire_msg *msg = NULL;
	const char *why;

	assert_int_equal(wire_conn_recv(f->conn, &msg, &why), 1);
	assert_non_null(msg);
	return msg;
}

static void assert_nothing_yet(struct fixture *f)
{
	struct wire_msg *msg;
	const char *why;

	assert_int_equal(wire_conn_recv(f->conn, &msg, &why), 0);
	assert_null(why);
}

/* recv fails, says so in why, and fails the same way when called again. */
static void assert_broken(struct fixture *f, int error, const char *part_of_why)
{
	for (int i = 0; i < 2; i++) {
		struct wire_msg *msg;
		const char *why;

		assert_int_equal(wire_conn_recv(f->conn, &msg, &why), error);
		if (part_of_why) {
			assert_non_null(why);
			assert_non_null(strstr(why, part_of_why));
		}
	}
}

static void a_new_connection_is_non_blocking_and_close_on_exec(void **state)
{
	struct fixture *f = *state;
	int fd = wire_conn_fd(f->conn);

	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_nothing_yet(f);
}

static void what_is_no_stream_socket_is_refused_and_stays_open(void **state)
{
	struct wire_conn *conn = NULL;
	int event = eventfd(0, 0);
	int dgram = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	assert_int_equal(wire_conn_new(event, NULL, &conn), -ENOTSOCK);
	assert_int_equal(wire_conn_new(dgram, NULL, &conn), -EPROTOTYPE);
	assert_int_equal(wire_conn_new(-1, NULL, &conn), -EBADF);
	assert_null(conn);
	assert_int_equal(close(event), 0);
	assert_int_equal(close(dgram), 0);
}

static void a_message_may_arrive_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[64];
	size_t len = make_message(bytes, 8, 40, 3);
	struct wire_msg *msg;

	peer_write_fds(f, bytes, 1, 2);
	for (size_t i = 1; i < len; i++) {
		assert_nothing_yet(f);
		peer_write(f, bytes + i, 1);
	}
	msg = recv_message(f);
	assert_message(msg, 8, 40, 3);
	assert_int_equal(msg->n_fds, 2);
	assert_nothing_yet(f);
}

static void messages_in_one_write_come_one_at_a_time(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[256];
	size_t len = 0;

	for (unsigned char i = 0; i < 5; i++)
		len += make_message(bytes + len, 10U + i, i * 8U, i);
	peer_write(f, bytes, len);
	for (unsigned char i = 0; i < 5; i++)
		assert_message(recv_message(f), 10U + i, i * 8U, i);
	assert_nothing_yet(f);
}

static void fds_stay_with_their_message(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[64];

	for (unsigned int i = 0; i < 3; i++)
		peer_write_fds(f, bytes, make_message(bytes, 1 + i, 8, 0), 1 + i);
	peer_write(f, bytes, make_message(bytes, 4, 8, 0));
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(recv_message(f)->n_fds, 1 + i);
	assert_int_equal(recv_message(f)->n_fds, 0);
}

static void taken_fds_are_in_order_close_on_exec_and_the_callers(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[64];
	struct wire_msg *msg;
	int fds[WIRE_MAX_FDS];

	peer_write_fds(f, bytes, make_message(bytes, 5, 8, 0), WIRE_MAX_FDS);
	msg = recv_message(f);
	assert_int_equal(msg->n_fds, WIRE_MAX_FDS);
	for (unsigned int i = 0; i < WIRE_MAX_FDS; i++) {
		fds[i] = wire_msg_take_fd(msg);
		assert_true(fds[i] >= 0);
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
	}
	assert_int_equal(wire_msg_take_fd(msg), -1);
	assert_nothing_yet(f);
	for (uint64_t i = 0; i < WIRE_MAX_FDS; i++) {
		uint64_t value = 0;

		/* The sender gave number i the value i; reading 0 would block. */
		if (i) {
			assert_int_equal(read(fds[i], &value, sizeof(value)), sizeof(value));
			assert_int_equal(value, i);
		}
		assert_int_equal(close(fds[i]), 0);
	}
}

static void fds_that_nobody_takes_are_closed_by_the_next_call(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[64];
	struct wire_msg *msg;
	int before = count_fds();
	int taken;

	peer_write_fds(f, bytes, make_message(bytes, 5, 8, 0), 3);
	msg = recv_message(f);
	assert_int_equal(count_fds(), before + 3);
	taken = wire_msg_take_fd(msg);
	assert_nothing_yet(f);
	assert_int_equal(count_fds(), before + 1);
	close(taken);
}

static void fds_of_a_message_that_was_not_finished_are_closed_at_the_end(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[64];

	make_message(bytes, 5, 8, 0);
	peer_write_fds(f, bytes, 5, 4);
	assert_nothing_yet(f);
	/* teardown counts. */
}

static void more_than_eight_fds_end_the_connection(void **state)
{
	for (unsigned int n = WIRE_MAX_FDS + 1; n <= MANY_FDS; n++) {
		struct fixture *f;
		unsigned char bytes[64];
		int before;

		setup(state);
		f = *state;
		before = count_fds();
		peer_write_fds(f, bytes, make_message(bytes, 5, 8, 0), n);
		assert_broken(f, -EPROTO, "more than 8");
		assert_int_equal(count_fds(), before);
		teardown(state);
	}
}

static void fds_after_the_first_byte_end_the_connection(void **state)
{
	/* Within the header, at its end, and within the payload. */
	static const size_t cuts[] = {1, 11, 12, 15};

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		struct fixture *f;
		unsigned char bytes[64];
		size_t len = make_message(bytes, 5, 8, 0);
		int before;

		setup(state);
		f = *state;
		before = count_fds();
		peer_write_fds(f, bytes, cuts[i], 1);
		assert_nothing_yet(f);
		peer_write_fds(f, bytes + cuts[i], len - cuts[i], 1);
		assert_broken(f, -EPROTO, "after its start");
		assert_int_equal(count_fds(), before);
		teardown(state);
	}
}

/* valgrind keeps a new limit to itself. */
static bool kernel_has_fd_limit(rlim_t limit)
{
	FILE *file = fopen("/proc/self/limits", "r");
	unsigned long long soft = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Max open files %llu", &soft) == 1)
			break;
	if (file)
		fclose(file);
	return soft == limit;
}

static void fds_that_do_not_fit_this_process_end_the_connection(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, low;
	unsigned char bytes[64];
	struct wire_msg *msg;
	const char *why = NULL;
	int rc = 0, before = count_fds();
	bool is_limited;
	int top;

	peer_write_fds(f, bytes, make_message(bytes, 5, 8, 0), 4);
	top = dup(f->peer);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)top + 2; /* room for one more */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	is_limited = kernel_has_fd_limit(low.rlim_cur);
	if (is_limited)
		rc = wire_conn_recv(f->conn, &msg, &why);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	close(top);
	if (!is_limited) {
		print_message("[  SKIP  ] no limit on descriptors is enforced here\n");
		skip();
	}
	assert_int_equal(rc, -EPROTO);
	assert_non_null(strstr(why, "lost"));
	assert_int_equal(count_fds(), before);
}

static void the_end_at_every_byte_is_told_from_the_end_between_messages(void **state)
{
	unsigned char bytes[128];
	size_t first = make_message(bytes, 1, 8, 0);
	size_t len = first + make_message(bytes + first, 2, 20, 0);

	for (size_t cut = 0; cut <= len; cut++) {
		bool is_boundary = cut == 0 || cut == first || cut == len;
		struct fixture *f;

		setup(state);
		f = *state;
		if (cut)
			peer_write_fds(f, bytes, cut, 1);
		peer_close(f);
		for (size_t whole = first; whole <= cut; whole = whole == first ? len : len + 1)
			recv_message(f);
		assert_broken(f, is_boundary ? -ECONNRESET : -EPROTO,
			      is_boundary ? NULL : "ends in the middle");
		teardown(state);
	}
}

static void a_version_other_than_one_ends_the_connection(void **state)
{
	static const uint32_t flags[] = {0, 2, 3, WIRE_NEED_REPLY, WIRE_REPLY | 2};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct wire_header hdr = {.request = 1, .flags = flags[i], .size = 0};

		setup(state);
		peer_write_fds(*state, &hdr, sizeof(hdr), 2);
		assert_broken(*state, -EPROTO, "version");
		teardown(state);
	}
}

static void the_largest_payload_passes_and_a_larger_one_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	unsigned char *bytes = malloc(sizeof(struct wire_header) + WIRE_MAX_PAYLOAD + 1);

	peer_write(f, bytes, make_message(bytes, 24, WIRE_MAX_PAYLOAD, 1));
	assert_message(recv_message(f), 24, WIRE_MAX_PAYLOAD, 1);
	/* The header alone is enough: nothing is read that has no place. */
	make_message(bytes, 24, WIRE_MAX_PAYLOAD + 1, 1);
	peer_write(f, bytes, sizeof(struct wire_header));
	assert_broken(f, -EPROTO, "larger");
	free(bytes);
}

static void the_largest_number_as_a_size_ends_the_connection(void **state)
{
	struct wire_header hdr = {.request = 1, .flags = WIRE_VERSION, .size = UINT32_MAX};

	peer_write(*state, &hdr, sizeof(hdr));
	assert_broken(*state, -EPROTO, "larger");
}

#define CASE(fn)  cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define ALONE(fn) cmocka_unit_test(fn)

/* Who made the socket may want to know who is there: that is no descriptor. */
static void credentials_that_come_along_are_no_matter(void **state)
{
	struct fixture *f = *state;
	unsigned char text[64];
	const int on = 1;
	size_t len = make_message(text, 3, 8, 1);
	struct wire_msg *msg;

	assert_int_equal(
		setsockopt(wire_conn_fd(f->conn), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	peer_write_fds(f, text, len, 2);
	msg = recv_message(f);
	assert_message(msg, 3, 8, 1);
	assert_int_equal(msg->n_fds, 2);
	assert_nothing_yet(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_new_connection_is_non_blocking_and_close_on_exec),
		ALONE(what_is_no_stream_socket_is_refused_and_stays_open),
		CASE(a_message_may_arrive_byte_by_byte),
		CASE(messages_in_one_write_come_one_at_a_time),
		CASE(fds_stay_with_their_message),
		CASE(credentials_that_come_along_are_no_matter),
		CASE(taken_fds_are_in_order_close_on_exec_and_the_callers),
		CASE(fds_that_nobody_takes_are_closed_by_the_next_call),
		CASE(fds_of_a_message_that_was_not_finished_are_closed_at_the_end),
		ALONE(more_than_eight_fds_end_the_connection),
		ALONE(fds_after_the_first_byte_end_the_connection),
		CASE(fds_that_do_not_fit_this_process_end_the_connection),
		ALONE(the_end_at_every_byte_is_told_from_the_end_between_messages),
		ALONE(a_version_other_than_one_ends_the_connection),
		CASE(the_largest_payload_passes_and_a_larger_one_ends_the_connection),
		CASE(the_largest_number_as_a_size_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
