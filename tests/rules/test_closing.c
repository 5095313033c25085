/* SPDX-License-Identifier: MIT */
/*
 * Rule: whatever a front-end leaves to us, and wherever it hides it, nobody waits for its end.  A
 * device that closes one of these network sockets itself stands still until the test's alarm.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "rules/closing.h"
#include "rules/rig.h"

enum { FDS_OF_A_MESSAGE = 8, FDS_MOST = 32 };

/* The session and its device go, and what waits is let go after that. */
static void close_all(struct rig *rig, int peer)
{
	peer_disconnect(rig->peer);
	rig_pump(rig);
	/* Open, or being closed for as long as its peer is silent: both is fine. */
	close(peer);
	rig_close(rig);
}

/* The kernel closes those for which the receiver has no room. */
static void a_socket_after_more_descriptors_than_a_message_has(void **state)
{
	static const uint32_t places[] = {FDS_OF_A_MESSAGE, FDS_MOST - 1};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int fds[FDS_MOST], event = eventfd(0, EFD_CLOEXEC), peer;
		struct rig rig;

		rig_open(&rig, NULL);
		for (uint32_t k = 0; k < places[i]; k++)
			fds[k] = event;
		fds[places[i]] = lingering_socket(&peer);
		assert_ok(frontend_send(rig_front(&rig), WIRE_SET_OWNER, 0, NULL, 0, fds,
					places[i] + 1));
		close(fds[places[i]]);
		rig_pump(&rig);
		assert_int_equal(rig.ended, 1);
		rig_expect_errors(&rig, "has a network socket", 1);
		close_all(&rig, peer);
		close(event);
	}
}

static void send_fd(int to, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 0;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	assert_int_equal(sendmsg(to, &mh, MSG_NOSIGNAL), 1);
	close(fd);
}

/* A Unix socket whose last close closes a network socket. */
static int socket_with_a_socket(int type, int *peer)
{
	int pair[2];

	assert_ok(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair));
	send_fd(pair[0], lingering_socket(peer));
	close(pair[0]);
	return pair[1];
}

static int listener_with_a_socket(int type, int *peer)
{
	const struct sockaddr_un abstract = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un name;
	socklen_t len = sizeof(name);

	(void)type;
	assert_ok(bind(listener, (const struct sockaddr *)&abstract, sizeof(sa_family_t)));
	assert_ok(listen(listener, 1));
	assert_ok(getsockname(listener, (struct sockaddr *)&name, &len));
	assert_ok(connect(client, (struct sockaddr *)&name, len));
	send_fd(client, lingering_socket(peer));
	close(client);
	return listener;
}

static const uint64_t first_queue;
static const struct wire_mem_reg some_region = {
	.region = {.guest_addr = 1 << 30, .size = 4096, .user_addr = UINT64_C(0x7e0000000000)}};

static const struct {
	uint32_t request;
	const void *payload;
	uint32_t size;
} uses[] = {
	{WIRE_SET_VRING_CALL, &first_queue, sizeof(first_queue)},
	{WIRE_SET_VRING_KICK, &first_queue, sizeof(first_queue)},
	{WIRE_SET_BACKEND_REQ_FD, NULL, 0},
	{WIRE_ADD_MEM_REG, &some_region, sizeof(some_region)},
	{WIRE_SET_OWNER, NULL, 0},
};
enum { USES = sizeof(uses) / sizeof(uses[0]) };

static void a_socket_inside_a_socket(void **state)
{
	static const struct {
		int (*make)(int type, int *peer);
		int type;
	} makes[] = {{socket_with_a_socket, SOCK_STREAM},
		     {socket_with_a_socket, SOCK_SEQPACKET},
		     {socket_with_a_socket, SOCK_DGRAM},
		     {listener_with_a_socket, 0}};

	(void)state;
	for (uint32_t i = 0; i < USES * 4; i++) {
		struct rig rig;
		int peer, fd;

		rig_open(&rig, NULL);
		fd = makes[i % 4].make(makes[i % 4].type, &peer);
		assert_ok(frontend_send(rig_front(&rig), uses[i / 4].request, 0,
					uses[i / 4].payload, uses[i / 4].size, &fd, 1));
		/* Before the device does: it is the last one to hold it. */
		close(fd);
		rig_pump(&rig);
		peer_disconnect(rig.peer);
		rig_pump(&rig);
		assert_int_equal(rig.ended, 1);
		rig.errors_expected = rig_errors(&rig);
		close_all(&rig, peer);
	}
}

/* It is no call that anybody could put something into later. */
static void nothing_can_be_sent_to_a_call_socket(void **state)
{
	struct rig rig;
	int pair[2];

	(void)state;
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	rig_open(&rig, NULL);
	assert_ok(frontend_set_vring_call(rig_front(&rig), 0, pair[1]));
	assert_int_equal(send(pair[0], "", 1, MSG_NOSIGNAL), -1);
	rig_close(&rig);
	close(pair[0]);
	close(pair[1]);
}

/* Messages that nobody reads because the one before them ended the session. */
static void a_socket_in_a_message_that_nobody_reads(void **state)
{
	static const struct wire_header wrong = {.request = 9999, .flags = WIRE_VERSION};
	struct rig rig;
	int peer, fd;

	(void)state;
	rig_open(&rig, NULL);
	fd = lingering_socket(&peer);
	assert_ok(frontend_send_raw(rig_front(&rig), &wrong, NULL, 0, NULL, 0));
	assert_ok(frontend_send(rig_front(&rig), WIRE_SET_OWNER, 0, NULL, 0, NULL, 0));
	assert_ok(frontend_send(rig_front(&rig), WIRE_SET_OWNER, 0, NULL, 0, &fd, 1));
	close(fd);
	vu_device_detach(rig.dev);
	rig_pump(&rig);
	assert_int_equal(rig.ended, 1);
	rig.errors_expected = rig_errors(&rig);
	close_all(&rig, peer);
}

/* What a device has from the front-end, and closes itself. */
static void a_socket_that_the_device_closes(void **state)
{
	struct rig rig;
	int peer, fd;

	(void)state;
	rig_open(&rig, NULL);
	fd = lingering_socket(&peer);
	vu_device_close_fd(rig.dev, fd);
	rig_roundtrip(&rig, 0, 1);
	close_all(&rig, peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_after_more_descriptors_than_a_message_has),
		cmocka_unit_test(a_socket_inside_a_socket),
		cmocka_unit_test(nothing_can_be_sent_to_a_call_socket),
		cmocka_unit_test(a_socket_in_a_message_that_nobody_reads),
		cmocka_unit_test(a_socket_that_the_device_closes),
	};

	if (!closing_prepare())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
