/* SPDX-License-Identifier: MIT */
/* A service manager that keeps the state: what it is given, and what becomes of what it gives back.
 */
#include "client.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static const char *const kept_args[] = {"--state-fdstore", NULL};

struct manager {
	struct client client; /* first: the state of client_setup() and its kin */
	int fd;
	int kept; /* what was given to it, or -1 */
	struct spawn_setup setup;
};

static int setup(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval hang = {.tv_sec = HANG_MS / 1000};
	struct manager *m = calloc(1, sizeof(*m));

	client_open(&m->client, folder_quick());
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", m->client.rig.dir);
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(m->fd, (const struct sockaddr *)&address, sizeof(address)), errno);
	assert_ok(setsockopt(m->fd, SOL_SOCKET, SO_RCVTIMEO, &hang, sizeof(hang)));
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	m->kept = -1;
	m->setup.fd3 = -1;
	m->client.rig.setup = &m->setup;
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct manager *m = *state;

	unlink(getenv("NOTIFY_SOCKET"));
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_FDNAMES");
	close(m->fd);
	if (m->kept >= 0)
		close(m->kept);
	return client_teardown(state);
}

/* The next message is this one; the descriptor with it, or -1. */
static int expect_message(const struct manager *m, const char *expected)
{
	union {
		struct cmsghdr header;
		unsigned char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char text[256] = "";
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text) - 1};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd = -1;

	assert_true(recvmsg(m->fd, &msg, MSG_CMSG_CLOEXEC) >= 0);
	assert_string_equal(text, expected);
	if (CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* The program is started next as after an end of an earlier one. */
static void hand_on(struct manager *m, int fd, const char *name)
{
	m->setup.fd3 = fd;
	m->setup.listen_fds = "1";
	setenv("LISTEN_FDNAMES", name, 1);
}

static uint64_t begin(struct manager *m)
{
	struct client *c = &m->client;

	client_need_root("file handles are for root");
	client_make_file(c, "file", "hello");
	client_spawn(c, kept_args);
	m->kept = expect_message(m, "FDSTORE=1\nFDNAME=vu-fs-state");
	assert_true(m->kept >= 0);
	client_connect_logged(c, 1);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	return client_walk(c, "file");
}

static void what_a_manager_keeps_is_found_again_after_each_kill(void **state)
{
	struct manager *m = *state;
	uint64_t node = begin(m);

	hand_on(m, m->kept, "vu-fs-state");
	for (int i = 0; i < 3; i++) {
		client_kill(&m->client);
		client_spawn(&m->client, kept_args);
		client_reconnect(&m->client);
		assert_int_equal(client_getattr(&m->client, node, NULL), 0);
	}
	client_stop(&m->client);
	assert_int_equal(rig_logged(&m->client.rig, "1 of 1 inodes"), 1);
	/* It is not given what it has. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(expect_message(m, "READY=1"), -1);
}

static void a_file_of_another_name_is_not_taken_for_it(void **state)
{
	struct manager *m = *state;
	int other = memfd_create("other", MFD_CLOEXEC);
	uint64_t node = begin(m);
	struct stat st;

	expect_message(m, "READY=1");
	hand_on(m, other, "vu-fs-stat");
	client_kill(&m->client);
	client_spawn(&m->client, kept_args);
	client_reconnect(&m->client);
	assert_int_equal(client_getattr(&m->client, node, NULL), -EIO);
	client_stop(&m->client);
	assert_return_code(fstat(other, &st), errno);
	assert_int_equal(st.st_size, 0);
	close(other);
	close(expect_message(m, "FDSTORE=1\nFDNAME=vu-fs-state"));
}

static void expect_refusal(struct client *c, const char *option, const char *value,
			   const char *message)
{
	const char *argv[] = {getenv("VU_FS"), "--socket-path", c->rig.socket,
			      "--shared-dir",  c->share,	"--state-fdstore",
			      option,	       value,		NULL};

	spawn_expect(argv, 1, "", message);
}

static void without_a_manager_or_with_another_file_it_does_not_start(void **state)
{
	struct manager *m = *state;
	char *manager = strdup(getenv("NOTIFY_SOCKET"));

	expect_refusal(&m->client, "--state-fd", "3", "only one");
	expect_refusal(&m->client, "--state-file", "/nowhere", "only one");
	expect_refusal(&m->client, "--dax-window", "2M", "--dax-window and --state-fdstore");
	unsetenv("NOTIFY_SOCKET");
	expect_refusal(&m->client, NULL, NULL, "no service manager keeps it");
	setenv("NOTIFY_SOCKET", manager, 1);
	free(manager);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_a_manager_keeps_is_found_again_after_each_kill),
		CASE(a_file_of_another_name_is_not_taken_for_it),
		CASE(without_a_manager_or_with_another_file_it_does_not_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
