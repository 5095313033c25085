/* SPDX-License-Identifier: MIT */
/* vu-vsock and whoever does not answer, guest or host: what waits, and what ends by itself. */
#include "shortage.h"
#include "vsock_bench.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const rig_program = "VU_VSOCK";

/* Who listens there has room for one client that he has not accepted, and that one comes. */
static int listen_full(struct guest_end *guest, const char *path, struct line *first)
{
	int fd = client_listen_as(path, SOCK_STREAM, 0);

	*first = line_new(guest, STREAM, 5000, 1000);
	line_connect(first);
	return fd;
}

static void a_host_that_is_busy_is_asked_again_until_it_has_time(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "service", NULL);
	char forward[RIG_PATH + 40];
	const char *const args[] = {forward, NULL};
	struct guest_end guest;
	struct line first, second;
	int listener, hosts[2];

	snprintf(forward, sizeof(forward), "--forward=1000=unix:%s", path);
	vsock_start(rig, &guest, args);
	listener = listen_full(&guest, path, &first);
	second = line_new(&guest, STREAM, 5001, 1000);
	line_send(&second, REQUEST, 0);
	vsock_get_nothing(&guest);
	hosts[0] = client_accept(listener);
	line_get(&second, RESPONSE);
	hosts[1] = client_accept(listener);
	client_write(hosts[1], "at last", 7);
	shutdown(hosts[1], SHUT_WR);
	line_expect(&second, "at last");
	line_get_shutdown(&second, NO_SEND);
	for (int i = 0; i < 2; i++)
		close(hosts[i]);
	close(listener);
	rig_stop(rig);
}

static void a_guest_that_forgets_to_tell_of_its_credit_is_asked(void **state)
{
	struct rig *rig = *state;
	struct bench b;

	bench_listen(rig, &b, SOCK_STREAM, NULL);
	b.line.buf_alloc = 0;
	line_connect(&b.line);
	b.host = client_accept(b.listener);
	client_write(b.host, "hello", 5);
	for (int i = 0; i < 3; i++)
		line_get(&b.line, CREDIT_REQUEST);
	b.line.buf_alloc = 4096;
	line_send(&b.line, CREDIT_UPDATE, 0);
	line_expect(&b.line, "hello");
	bench_stop(rig, &b);
}

static void a_client_waits_while_no_descriptors_are_left(void **state)
{
	struct rig *rig = *state;
	const char *door = rig_file(rig, "door", NULL);
	char listens[RIG_PATH + 40];
	const char *const args[] = {listens, NULL};
	struct guest_end guest;
	struct line line;
	struct shortage shortage;
	int client;

	snprintf(listens, sizeof(listens), "--listen=22=unix:%s", door);
	vsock_start(rig, &guest, args);
	shortage_begin(&shortage, rig->program.pid);
	client = client_connect(door);
	vsock_get_nothing(&guest);
	shortage_is_sat_out(&shortage);
	shortage_end(&shortage);
	line = line_accept(&guest, STREAM, 22);
	line_write(&line, "here", 4, 0);
	client_expect(client, "here");
	close(client);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "a client waits: Too many open files"), 1);
}

/* All of them at once, for each takes its seconds: 2, 8, 10 and 10. */
static void what_is_not_answered_ends_by_itself(void **state)
{
	struct rig *rig = *state;
	const char *service = rig_file(rig, "service", NULL);
	const char *busy = rig_file(rig, "busy", NULL);
	const char *door = rig_file(rig, "door", NULL);
	const char *hybrid = rig_file(rig, "hybrid", NULL);
	char options[4][RIG_PATH + 40];
	const char *const args[] = {options[0], options[1], options[2], options[3], NULL};
	int full, client, silent, host, listener = client_listen_as(service, SOCK_STREAM, 8);
	struct guest_end guest;
	struct line first, waits, closed;
	uint32_t ended = 0;

	snprintf(options[0], sizeof(options[0]), "--forward=1000=unix:%s", busy);
	snprintf(options[1], sizeof(options[1]), "--forward=1001=unix:%s", service);
	snprintf(options[2], sizeof(options[2]), "--listen=22=unix:%s", door);
	snprintf(options[3], sizeof(options[3]), "--uds-path=%s", hybrid);
	vsock_start(rig, &guest, args);
	full = listen_full(&guest, busy, &first);
	closed = line_new(&guest, STREAM, 5002, 1001);
	line_connect(&closed);
	host = client_accept(listener);
	/* A client does not say where to; */
	silent = client_connect(hybrid);
	client_write(silent, "CONN", 4);
	/* the guest not whether it accepts, */
	client = client_connect(door);
	assert_int_equal(le16toh(vsock_get(&guest).header.op), REQUEST);
	/* nor that it is over for it, too; */
	close(host);
	line_get_shutdown(&closed, BOTH);
	/* and a host has no time. */
	waits = line_new(&guest, STREAM, 5001, 1000);
	line_send(&waits, REQUEST, 0);
	for (int i = 0; i < 3; i++) {
		struct got got = vsock_get(&guest);
		uint32_t port = le32toh(got.header.dst_port);

		assert_int_equal(le16toh(got.header.op), RST);
		assert_true(port == waits.port || port == closed.port || port == 22);
		ended |= port == waits.port ? 1 : port == closed.port ? 2 : 4;
	}
	assert_int_equal(ended, 7);
	client_expect_end(client);
	assert_true(client_read_some(silent, options[0], 1) <= 0); /* it had not been read */
	close(client);
	close(silent);
	close(full);
	close(listener);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_host_that_is_busy_is_asked_again_until_it_has_time),
		TEST(a_guest_that_forgets_to_tell_of_its_credit_is_asked),
		TEST(a_client_waits_while_no_descriptors_are_left),
		TEST(what_is_not_answered_ends_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
