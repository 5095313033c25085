/* SPDX-License-Identifier: MIT */
/* vu-net's wire as a pair of Unix datagram sockets, as of QEMU's -netdev dgram. */
#include "net.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/child.h"
#include "kit/counts.h"
#include "kit/patience.h"

const char *const rig_program = "VU_NET";

enum { LEN = 100, BUFFER = 2000, LOCAL = 0, REMOTE = 1 };

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, path);
	return address;
}

/* As QEMU has it: whoever is at that path now is no more. */
static int remote_open(const struct rig *rig)
{
	const struct sockaddr_un address = address_of(rig->files[REMOTE]);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	unlink(address.sun_path);
	assert_true(fd >= 0);
	assert_return_code(bind(fd, (const struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

/* 0 or -errno. */
static int remote_try(const struct rig *rig, int fd, const void *data, size_t len)
{
	const struct sockaddr_un address = address_of(rig->files[LOCAL]);

	return sendto(fd, data, len, 0, (const struct sockaddr *)&address, sizeof(address)) < 0
		       ? -errno
		       : 0;
}

static void remote_send(const struct rig *rig, int fd, const void *data, size_t len)
{
	assert_int_equal(remote_try(rig, fd, data, len), 0);
}

static void remote_expect(int fd, const void *frame, uint32_t len)
{
	unsigned char got[BUFFER];

	assert_int_equal(client_read_some(fd, got, sizeof(got)), len);
	assert_memory_equal(got, frame, len);
}

static void start(struct rig *rig)
{
	const char *local = rig_file(rig, "local", NULL), *remote = rig_file(rig, "remote", NULL);
	char backend[2 * RIG_PATH + 20];

	snprintf(backend, sizeof(backend), "dgram:%s,%s", local, remote);
	net_start(rig, backend, NULL);
}

/* The remote says something, and the guest gets it; until it may: nobody else has been met yet. */
static void remote_hello(struct rig *rig, int fd)
{
	struct rig_buffer buffer;
	unsigned char frame[LEN];
	int ret, ms = 0;

	net_frame(frame, LEN, 77);
	net_give(rig, NET_RX, &buffer, BUFFER);
	while ((ret = remote_try(rig, fd, frame, LEN)) == -EPERM && ms++ < HANG_MS)
		usleep(1000);
	assert_int_equal(ret, 0);
	net_expect(rig, NET_RX, &buffer, frame, LEN);
}

/* The guest sends until one is not lost. */
static void guest_hello(struct rig *rig, int fd)
{
	unsigned char frame[LEN];
	uint64_t sent = net_stat(rig, "sent");

	net_frame(frame, LEN, 78);
	for (int ms = 0; net_stat(rig, "sent") == sent && ms < HANG_MS; ms++) {
		net_send(rig, NULL, frame, LEN);
		usleep(1000);
	}
	remote_expect(fd, frame, LEN);
}

static void frames_go_both_ways_as_datagrams(void **state)
{
	enum { N = 50 };
	struct rig *rig = *state;
	unsigned char frame[BUFFER];
	struct rig_buffer buffers[N];
	struct stat st;
	int fd;

	start(rig);
	assert_return_code(lstat(rig->files[LOCAL], &st), errno);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	fd = remote_open(rig);
	guest_hello(rig, fd);
	for (uint32_t i = 0; i < N; i++)
		net_give(rig, NET_RX, &buffers[i], BUFFER);
	for (uint32_t i = 0; i < N; i++) {
		net_frame(frame, 14 + 20 * i, i);
		net_send(rig, NULL, frame, 14 + 20 * i);
		remote_expect(fd, frame, 14 + 20 * i);
		remote_send(rig, fd, frame, 14 + 20 * i);
		net_expect(rig, NET_RX, &buffers[i], frame, 14 + 20 * i);
	}
	assert_int_equal(net_stat(rig, "missed"), 0);
	rig_stop(rig);
	assert_int_equal(lstat(rig->files[LOCAL], &st), -1);
	close(fd);
	unlink(rig->files[REMOTE]);
}

static void the_longest_frame_goes_both_ways(void **state)
{
	static unsigned char frame[NET_LONGEST], got[NET_LONGEST + 1];
	struct rig *rig = *state;
	struct rig_buffer buffer;
	int fd;

	start(rig);
	fd = remote_open(rig);
	guest_hello(rig, fd);
	net_frame(frame, NET_LONGEST, 4);
	net_send(rig, NULL, frame, NET_LONGEST);
	assert_int_equal(client_read_some(fd, got, sizeof(got)), NET_LONGEST);
	assert_memory_equal(got, frame, NET_LONGEST);
	net_give(rig, NET_RX, &buffer, NET_LONGEST + 100);
	remote_send(rig, fd, frame, NET_LONGEST);
	net_expect(rig, NET_RX, &buffer, frame, NET_LONGEST);
	rig_stop(rig);
	close(fd);
}

/* A guest that says nothing is reached by him nevertheless. */
static void whoever_comes_to_the_path_next_is_met(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LEN];
	int fd = -1, before = -1;

	start(rig);
	net_frame(frame, LEN, 1);
	net_send(rig, NULL, frame, LEN);
	assert_int_equal(net_stat(rig, "lost"), 1);
	for (int i = 0; i < 2; i++) {
		fd = remote_open(rig);
		guest_hello(rig, fd);
		close(fd); /* and says good-bye to nobody */
		fd = remote_open(rig);
		remote_hello(rig, fd);
		guest_hello(rig, fd);
		/* The one before still has his socket, without its file. */
		before = fd;
		fd = remote_open(rig);
		remote_hello(rig, fd);
		guest_hello(rig, fd);
		close(before);
		close(fd);
	}
	rig_stop(rig);
	assert_true(rig_logged(rig, "the other end of the wire is gone") > 0);
}

/* The guest's packets wait in the ring, and none is lost. */
static void offer(struct rig *rig, uint32_t n)
{
	enum { HEAD = sizeof(struct virtio_net_hdr_v1) };
	struct rig_buffer out;
	struct driver_seg seg;

	for (uint32_t i = 0; i < n; i++) {
		rig_buffer(rig, &out, HEAD + LEN);
		memset(out.data, 0, HEAD);
		net_frame(out.data + HEAD, LEN, i);
		seg = rig_read_seg(&out, out.len);
		rig_offer(rig, NET_TX, &seg, 1, out.data);
	}
}

static void who_does_not_read_is_waited_for(void **state)
{
	enum { N = 200 };
	struct rig *rig = *state;
	unsigned char frame[LEN];
	int fd;

	start(rig);
	fd = remote_open(rig);
	guest_hello(rig, fd);
	offer(rig, N);
	while (net_stat(rig, "sent") < 2) /* it is served meanwhile */
		continue;
	assert_in_range(net_stat(rig, "sent"), 2, N);
	for (uint32_t i = 0; i < N; i++) {
		net_frame(frame, LEN, i);
		remote_expect(fd, frame, LEN);
	}
	for (uint32_t i = 0; i < N; i++)
		rig_wait(rig, NET_TX, NULL);
	assert_int_equal(net_stat(rig, "sent"), N + 1);
	rig_stop(rig);
	close(fd);
}

/* What waits for him is lost with him. */
static void who_goes_while_he_is_waited_for_holds_up_nobody(void **state)
{
	enum { N = 200 };
	struct rig *rig = *state;
	uint64_t lost;
	int fd;

	start(rig);
	fd = remote_open(rig);
	guest_hello(rig, fd);
	lost = net_stat(rig, "lost");
	offer(rig, N);
	while (net_stat(rig, "sent") < 2)
		continue;
	close(fd);
	for (uint32_t i = 0; i < N; i++)
		rig_wait(rig, NET_TX, NULL);
	assert_true(net_stat(rig, "lost") > lost);
	fd = remote_open(rig);
	guest_hello(rig, fd);
	rig_stop(rig);
	close(fd);
}

static void somebody_elses_datagrams_do_not_come_in(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;
	unsigned char frame[LEN];
	int fd, other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	start(rig);
	fd = remote_open(rig);
	guest_hello(rig, fd);
	net_frame(frame, LEN, 1);
	assert_int_equal(remote_try(rig, other, frame, LEN), -EPERM);
	net_give(rig, NET_RX, &buffer, BUFFER);
	rig_expect_nothing(rig, NET_RX);
	rig_stop(rig);
	close(other);
	close(fd);
}

/* --- without manners --- */

/* A frame, and a descriptor that nobody asked for. */
static void send_descriptor(const struct rig *rig, int fd, const void *data, size_t len)
{
	struct sockaddr_un address = address_of(rig->files[LOCAL]);
	struct iovec iov = {(void *)(uintptr_t)data, len};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	const struct msghdr message = {.msg_name = &address,
				       .msg_namelen = sizeof(address),
				       .msg_iov = &iov,
				       .msg_iovlen = 1,
				       .msg_control = &control,
				       .msg_controllen = sizeof(control.room)};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	assert_int_equal(sendmsg(fd, &message, 0), len);
}

static void what_is_no_frame_is_missed(void **state)
{
	static const uint32_t lengths[] = {0, 1, 13, NET_LONGEST + 1, 150000};
	static unsigned char frame[150000];
	struct rig *rig = *state;
	struct rig_buffer buffer;
	int before;
	int fd;

	start(rig);
	fd = remote_open(rig);
	guest_hello(rig, fd);
	before = count_fds_of(rig->program.pid);
	net_frame(frame, sizeof(frame), 1);
	net_give(rig, NET_RX, &buffer, BUFFER);
	for (uint32_t i = 0; i < 5; i++)
		remote_send(rig, fd, frame, lengths[i]);
	send_descriptor(rig, fd, frame, LEN);
	net_expect(rig, NET_RX, &buffer, frame, LEN);
	assert_int_equal(net_stat(rig, "missed"), 5);
	assert_int_equal(count_fds_of(rig->program.pid), before);
	rig_stop(rig);
	close(fd);
	assert_int_equal(rig_logged(rig, "a datagram that is no frame came"), 1);
}

/* Empty datagrams, and frames that nobody has room for, until the other end is gone. */
static void flood(const struct rig *rig, int fd)
{
	static const unsigned char frame[LEN];

	while (!remote_try(rig, fd, frame, 0) && !remote_try(rig, fd, frame, LEN))
		continue;
	_exit(0);
}

static void a_flood_does_not_keep_the_thread(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;
	pid_t child;
	int fd;

	start(rig);
	fd = remote_open(rig);
	guest_hello(rig, fd);
	net_give(rig, NET_RX, &buffer, 20);
	setpriority(PRIO_PROCESS, (id_t)rig->program.pid, 19);
	child = child_fork();
	if (!child)
		flood(rig, fd);
	while (net_stat(rig, "missed") < 10)
		continue;
	for (int i = 0; i < 5; i++)
		rig_say(rig, "link");
	rig_check(rig, peer_stop(rig->peer));
	rig_stop(rig);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(fd);
}

/* --- files --- */

static void refused(struct rig *rig, const char *spec, const char *words)
{
	char option[3 * RIG_PATH + 40];
	const char *options = option;

	snprintf(option, sizeof(option), "--backend=dgram:%s", spec);
	rig_expect_refused(rig, &options, 1, words);
}

static void only_a_socket_that_nobody_has_is_replaced(void **state)
{
	struct rig *rig = *state;
	const char *local = rig_file(rig, "local", NULL), *remote = rig_file(rig, "remote", NULL);
	const struct sockaddr_un address = address_of(local);
	char spec[2 * RIG_PATH + 20];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), file;

	snprintf(spec, sizeof(spec), "%s,%s", local, remote);
	assert_return_code(bind(fd, (const struct sockaddr *)&address, sizeof(address)), errno);
	refused(rig, spec, "Address already in use");
	close(fd);
	unlink(local);
	fd = client_listen_as(local, SOCK_STREAM, 1);
	refused(rig, spec, "Address already in use");
	close(fd);
	unlink(local);
	file = open(local, O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0600);
	close(file);
	refused(rig, spec, "File exists");
	unlink(local);
	refused(rig, "/nowhere/local,/nowhere/remote", "No such file or directory");
	/* What a program that was killed has left. */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(fd, (const struct sockaddr *)&address, sizeof(address)), errno);
	close(fd);
	rig->n_files = 0;
	start(rig);
	fd = remote_open(rig);
	guest_hello(rig, fd);
	rig_stop(rig);
	close(fd);
}

static void two_paths_are_to_be_said(void **state)
{
	static const char *const bad[] = {"--backend=dgram:a", "--backend=dgram:a,",
					  "--backend=dgram:,a"};

	rig_expect_refused(*state, bad, 3, "two paths, please");
}

/* Of either socket, and where the limit is. */
static void a_path_that_no_socket_can_have_is_said(void **state)
{
	enum { TOO_LONG = 108 };
	char path[TOO_LONG + 1], spec[2 * TOO_LONG];

	memset(path, 'a', TOO_LONG);
	path[0] = '/';
	path[TOO_LONG] = '\0';
	snprintf(spec, sizeof(spec), "%s,/nowhere/remote", path);
	refused(*state, spec, "up to 107 bytes");
	snprintf(spec, sizeof(spec), "/nowhere/local,%s", path);
	refused(*state, spec, "up to 107 bytes");
	path[TOO_LONG - 1] = '\0';
	snprintf(spec, sizeof(spec), "/nowhere/local,%s", path);
	refused(*state, spec, "No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_go_both_ways_as_datagrams),
		TEST(the_longest_frame_goes_both_ways),
		TEST(whoever_comes_to_the_path_next_is_met),
		TEST(who_does_not_read_is_waited_for),
		TEST(who_goes_while_he_is_waited_for_holds_up_nobody),
		TEST(somebody_elses_datagrams_do_not_come_in),
		TEST(what_is_no_frame_is_missed),
		TEST(a_flood_does_not_keep_the_thread),
		TEST(only_a_socket_that_nobody_has_is_replaced),
		TEST(two_paths_are_to_be_said),
		TEST(a_path_that_no_socket_can_have_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
