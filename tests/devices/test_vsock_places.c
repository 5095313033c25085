/* SPDX-License-Identifier: MIT */
/* vu-vsock's rules: where guests and the host's programs find each other, and nowhere else. */
#include "vsock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const rig_program = "VU_VSOCK";

/* An option with a file's path at the end. */
struct option {
	char text[RIG_PATH + 40];
};

static const char *option(struct option *o, const char *before, const char *path)
{
	snprintf(o->text, sizeof(o->text), "%s%s", before, path);
	return o->text;
}

/* vu-vsock with this option and a new path behind it, which it returns. */
static const char *start_at(struct rig *rig, struct guest_end *guest, const char *before)
{
	char name[16];
	struct option o;
	const char *const args[] = {o.text, NULL};
	const char *path;

	snprintf(name, sizeof(name), "at-%u", rig->n_files);
	path = rig_file(rig, name, NULL);
	option(&o, before, path);
	vsock_start(rig, guest, args);
	return path;
}

static void the_host_reaches_the_guest_where_a_rule_says(void **state)
{
	struct rig *rig = *state;
	const char *stream = rig_file(rig, "stream", NULL);
	const char *seqpacket = rig_file(rig, "seqpacket", NULL);
	struct option one, two;
	const char *const args[] = {option(&one, "--listen=22=unix:", stream),
				    option(&two, "--listen=23=seqpacket:", seqpacket), NULL};
	struct guest_end guest;
	struct line line;
	char got[8] = "";
	int client;

	vsock_start(rig, &guest, args);
	client = client_connect(stream);
	client_write(client, "early", 5);
	line = line_accept(&guest, STREAM, 22);
	assert_true(line.peer_port >= 0x40000000);
	line_expect(&line, "early");
	line_write(&line, "late", 4, 0);
	client_expect(client, "late");
	close(client);
	line_get_shutdown(&line, BOTH);
	line_send(&line, RST, 0);

	client = client_connect_as(seqpacket, SOCK_SEQPACKET);
	line = line_accept(&guest, SEQPACKET, 23);
	client_write(client, "a", 1);
	client_write(client, "b", 1);
	line_expect(&line, "a");
	line_write(&line, "c", 1, EOM);
	line_write(&line, "d", 1, EOM);
	assert_int_equal(client_read_some(client, got, sizeof(got)), 1);
	close(client);
	rig_stop(rig);
}

static void a_client_that_the_guest_refuses_sees_the_end(void **state)
{
	struct rig *rig = *state;
	struct guest_end guest;
	struct line line;
	struct got got;
	int client = client_connect(start_at(rig, &guest, "--listen=22=unix:"));

	got = vsock_get(&guest);
	line = line_new(&guest, STREAM, 22, le32toh(got.header.src_port));
	line_send(&line, RST, 0);
	client_expect_end(client);
	close(client);
	rig_stop(rig);
}

/* Before the guest has accepted, that is: what it said, and that no more comes, arrive all the
 * same. */
static void a_client_may_have_said_all_before_it_is_accepted(void **state)
{
	static const struct {
		const char *option;
		int socket_type;
		uint16_t type;
	} kinds[] = {
		{"--listen=22=unix:", SOCK_STREAM, STREAM},
		{"--listen=22=seqpacket:", SOCK_SEQPACKET, SEQPACKET},
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct guest_end guest;
		struct line line;
		struct got got;
		int client;

		client = client_connect_as(start_at(rig, &guest, kinds[i].option),
					   kinds[i].socket_type);
		got = vsock_get(&guest);
		line = line_new(&guest, kinds[i].type, 22, le32toh(got.header.src_port));
		client_write(client, "all", 3);
		shutdown(client, SHUT_WR);
		vsock_get_nothing(&guest); /* the device has seen both */
		line_send(&line, RESPONSE, 0);
		line_expect(&line, "all");
		line_get_shutdown(&line, NO_SEND);
		line_write(&line, "heard", 5, EOM);
		client_expect(client, "heard");
		close(client);
		rig_stop(rig);
	}
}

static void without_a_driver_a_client_sees_the_end_at_once(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "stream", NULL);
	struct option one;
	const char *const args[] = {option(&one, "--listen=22=unix:", path), NULL};
	int client;

	vsock_spawn(rig, args);
	client = client_connect(path);
	client_expect_end(client);
	close(client);
	rig_stop(rig);
}

/* A TCP socket that listens at a port of its own: its port. */
static int tcp_listen(uint32_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(fd, 8), errno);
	assert_ok(getsockname(fd, (struct sockaddr *)&address, &len));
	*port = ntohs(address.sin_port);
	return fd;
}

static void ports_lead_to_tcp_on_the_loopback_interface(void **state)
{
	struct rig *rig = *state;
	char one[64], two[64];
	const char *const args[] = {one, two, NULL};
	struct guest_end guest;
	uint32_t port;
	struct line line;
	int listener = tcp_listen(&port), host;

	snprintf(one, sizeof(one), "--forward=80-81=tcp:%u", port);
	snprintf(two, sizeof(two), "--forward=82=tcp:127.0.0.1:%u", port);
	vsock_start(rig, &guest, args);
	for (uint32_t p = 80; p < 83; p++) {
		line = line_new(&guest, STREAM, 5000, p);
		line_connect(&line);
		host = client_accept(listener);
		client_write(host, "hello", 5);
		line_expect(&line, "hello");
		line_write(&line, "yes", 3, 0);
		client_expect(host, "yes");
		line_send(&line, SHUTDOWN, BOTH);
		line_get(&line, RST);
		client_expect_end(host);
		close(host);
	}
	/* Nobody listens any more: refused, not ignored. */
	close(listener);
	line_expect_refused(&line);
	rig_stop(rig);
}

static void the_host_reaches_the_guest_by_tcp(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char one[64];
	const char *const args[] = {one, NULL};
	struct guest_end guest;
	struct line line;
	uint32_t port;
	int client;

	close(tcp_listen(&port)); /* so it is free */
	snprintf(one, sizeof(one), "--listen=22=tcp:%u", port);
	vsock_start(rig, &guest, args);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sin_port = htons((uint16_t)port);
	assert_return_code(connect(client, (struct sockaddr *)&address, sizeof(address)), errno);
	line = line_accept(&guest, STREAM, 22);
	client_write(client, "hello", 5);
	line_expect(&line, "hello");
	/* TCP's end says only that no more comes. */
	shutdown(client, SHUT_WR);
	line_get_shutdown(&line, NO_SEND);
	close(client);
	rig_stop(rig);
}

static void a_port_can_be_a_programs_standard_input_and_output(void **state)
{
	struct rig *rig = *state;
	const char *const args[] = {"--forward=5=exec:tr a-z A-Z", "--forward=6=exec:exit 3", NULL};
	struct guest_end guest;
	struct line line;

	vsock_start(rig, &guest, args);
	for (int i = 0; i < 3; i++) {
		line = line_new(&guest, STREAM, 5000, 5);
		line_connect(&line);
		line_write(&line, "hello", 5, 0);
		line_send(&line, SHUTDOWN, NO_SEND);
		line_expect(&line, "HELLO");
		line_get_shutdown(&line, BOTH);
		line_send(&line, RST, 0);
	}
	line = line_new(&guest, STREAM, 5000, 6);
	line_connect(&line);
	line_get_shutdown(&line, BOTH);
	rig_stop(rig);
}

static void firecrackers_clients_say_which_port_they_want(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "fc", NULL), *of_port = rig_file(rig, "fc_52", NULL);
	struct option one;
	const char *const args[] = {option(&one, "--uds-path=", path), NULL};
	struct guest_end guest;
	struct line line;
	char ok[32];
	int client, listener = client_listen_as(of_port, SOCK_STREAM, 8);

	vsock_start(rig, &guest, args);
	client = client_connect(path);
	client_write(client, "CONN", 4);
	vsock_get_nothing(&guest);
	client_write(client, "ECT 7000\nand more", 17);
	line = line_accept(&guest, STREAM, 7000);
	line_expect(&line, "and more");
	line_write(&line, "answer", 6, 0);
	snprintf(ok, sizeof(ok), "OK %u\nanswer", line.peer_port);
	client_expect(client, ok);
	close(client);
	line_get_shutdown(&line, BOTH);
	line_send(&line, RST, 0);

	/* Refused: no OK. */
	client = client_connect(path);
	client_write(client, "CONNECT 7001\n", 13);
	line = line_new(&guest, STREAM, 7001, line.peer_port + 1);
	line_get(&line, REQUEST);
	line_send(&line, RST, 0);
	client_expect_end(client);
	close(client);

	/* The other way. */
	line = line_new(&guest, STREAM, 5000, 52);
	line_connect(&line);
	client = client_accept(listener);
	line_write(&line, "in", 2, 0);
	client_expect(client, "in");
	line.peer_port = 53;
	line_expect_refused(&line);
	close(client);
	close(listener);
	rig_stop(rig);
}

static void firecrackers_clients_that_say_something_else_are_sent_away(void **state)
{
	enum { TOO_LONG = 32, N_LINES = 9 };
	static const char *const lines[N_LINES] = {
		"CONNECT 111111111111111111111111",
		"GET / HTTP/1.1\n",
		"CONNECT \n",
		"CONNECT x\n",
		"CONNECT 4294967296\n",
		"CONNECT 12 13\n",
		"\n",
		"CONNECT 1111111111111",
		"CONNECT 1                      2\n",
	};
	struct rig *rig = *state;
	struct guest_end guest;
	const char *path = start_at(rig, &guest, "--uds-path=");
	int client;

	for (size_t i = 0; i < N_LINES; i++) {
		client = client_connect(path);
		client_write(client, lines[i], strlen(lines[i]));
		if (!strchr(lines[i], '\n') && strlen(lines[i]) < TOO_LONG)
			shutdown(client, SHUT_WR); /* and no more comes */
		/* What was not read makes the end an error. */
		assert_true(client_read_some(client, &guest.n_pieces, 1) <= 0);
		close(client);
		guest.n_pieces = 0;
	}
	vsock_get_nothing(&guest);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "did not begin with CONNECT PORT"), N_LINES);
}

static void a_rule_can_be_for_one_guest_only(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "service", NULL);
	struct option one, two;
	const char *const args[] = {option(&one, "--forward=4/1000=unix:", path),
				    option(&two, "--socket-path=", rig_file(rig, "guest-4", NULL)),
				    NULL};
	int listener = client_listen_as(path, SOCK_STREAM, 8);
	struct guest_end guest;
	struct line line;

	vsock_start(rig, &guest, args); /* CID 3 */
	line = line_new(&guest, STREAM, 5000, 1000);
	line_expect_refused(&line);
	close(listener);
	rig_stop(rig);
}

static void options_that_cannot_be_are_refused_with_what_is_wrong(void **state)
{
	static const struct {
		const char *option, *says;
	} wrong[] = {
		{"--guest-cid=2", "a number from 3 to 4294967294"},
		{"--guest-cid=4294967295", "a number from 3 to 4294967294"},
		{"--forward=1000", "PORT=PLACE, please"},
		{"--forward=x=unix:/a", "a port, FIRST-LAST or *"},
		{"--forward=9-8=unix:/a", "a port, FIRST-LAST or *"},
		{"--forward=1=http:/a", "exec:COMMAND or hairpin, please"},
		{"--forward=1=unix:", "a path of 1 to 107 bytes"},
		{"--forward=1=tcp:0", "a port of 1 to 65535"},
		{"--forward=1=tcp:10.0.0.1:80", "of the loopback interface"},
		{"--forward=1=tcp:example.org:80", "of the loopback interface"},
		{"--forward=1=vsock:80", "CID:PORT, please"},
		{"--forward=1=exec:", "a command, please"},
		{"--forward=2/1=unix:/a", "the CID in front of /"},
		{"--listen=*=unix:/a", "one port in front of ="},
		{"--listen=1=tcp:0", "a port of 1 to 65535"},
		{"--listen=1=hairpin", "hairpin is for --forward"},
		{"--listen=1=exec:true", "a program cannot be connected from"},
		{"--sibling=a", "a port, FIRST-LAST or *"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *const argv[] = {getenv(rig_program), "--socket-path=/nonexistent/s",
					    wrong[i].option, NULL};

		spawn_expect(argv, 2, "", wrong[i].says);
	}
}

static void two_guests_cannot_have_one_address(void **state)
{
	const char *const argv[] = {getenv(rig_program), "--socket-path=/nonexistent/a",
				    "--socket-path=/nonexistent/b", "--guest-cid=4",
				    NULL}; /* the second's would be 4, too */

	(void)state;
	spawn_expect(argv, 1, "", "two guests would have CID 4; --guest-cid says which");
}

/* One more of an option than there can be. */
static void one_too_many(const char *before, uint32_t first, uint32_t n, int status,
			 const char *says)
{
	enum { MAX = 257 };
	static char texts[MAX][40];
	const char *argv[MAX + 3] = {getenv(rig_program), "--socket-path=/nonexistent/s"};

	for (uint32_t i = 0; i < n; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%s%u", before, first + i);
		argv[i + 2] = texts[i];
	}
	spawn_expect(argv, status, "", says);
}

static void there_are_limits_to_what_can_be_named(void **state)
{
	(void)state;
	one_too_many("--guest-cid=", 3, 33, 2, "'guest-cid' is given too often");
	one_too_many("--sibling=", 0, 257, 2, "'sibling' is given too often");
	one_too_many("--socket-path=/nonexistent/", 0, 32, 1, "32 guests at most");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_host_reaches_the_guest_where_a_rule_says),
		TEST(a_client_that_the_guest_refuses_sees_the_end),
		TEST(a_client_may_have_said_all_before_it_is_accepted),
		TEST(without_a_driver_a_client_sees_the_end_at_once),
		TEST(ports_lead_to_tcp_on_the_loopback_interface),
		TEST(the_host_reaches_the_guest_by_tcp),
		TEST(a_port_can_be_a_programs_standard_input_and_output),
		TEST(firecrackers_clients_say_which_port_they_want),
		TEST(firecrackers_clients_that_say_something_else_are_sent_away),
		TEST(a_rule_can_be_for_one_guest_only),
		cmocka_unit_test(options_that_cannot_be_are_refused_with_what_is_wrong),
		cmocka_unit_test(two_guests_cannot_have_one_address),
		cmocka_unit_test(there_are_limits_to_what_can_be_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
