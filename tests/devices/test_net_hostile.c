/* SPDX-License-Identifier: MIT */
/* vu-net's ends against peers without manners, full disks, and front-ends that change. */
#include "net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/child.h"

const char *const rig_program = "VU_NET";

enum { LEN = 100, BUFFER = 2000, SHORT = 20, FILE_HEAD = 24, RECORD_HEAD = 16 };

/* --- a peer that sends as fast as it can --- */

/* Frames of 14 bytes until the other end is gone. */
static void flood(const char *path)
{
	enum { FRAME = 14, N = 4096 };
	static unsigned char block[N * (4 + FRAME)];
	uint32_t prefix = htonl(FRAME);
	int fd = client_connect(path);

	for (uint32_t i = 0; i < N; i++)
		memcpy(block + i * (4 + FRAME), &prefix, sizeof(prefix));
	signal(SIGPIPE, SIG_IGN);
	for (size_t at = 0;;) {
		ssize_t put = write(fd, block + at, sizeof(block) - at);

		if (put < 0)
			_exit(0);
		at = (at + (size_t)put) % sizeof(block);
	}
}

/* Nothing of it fits, so the buffer is put back again and again: there is an end to that, too. */
static void a_flood_that_fits_nowhere_does_not_keep_the_thread(void **state)
{
	char backend[RIG_PATH + 20];
	struct rig *rig = *state;
	struct rig_buffer buffer;
	pid_t child;

	snprintf(backend, sizeof(backend), "socket-listen:%s", rig_file(rig, "wire", NULL));
	net_start(rig, backend, NULL);
	net_give(rig, NET_RX, &buffer, SHORT);
	/* It is to be the slower one. */
	setpriority(PRIO_PROCESS, (id_t)rig->program.pid, 19);
	child = child_fork();
	if (!child)
		flood(rig->files[0]);
	while (!net_stat(rig, "missed"))
		continue;
	for (int i = 0; i < 5; i++)
		rig_say(rig, "link");
	rig_check(rig, peer_stop(rig->peer));
	rig_stop(rig);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void who_comes_and_goes_does_not_fill_the_log(void **state)
{
	char backend[RIG_PATH + 20];
	struct rig *rig = *state;
	struct rig_buffer buffer;

	snprintf(backend, sizeof(backend), "socket-listen:%s", rig_file(rig, "wire", NULL));
	net_start(rig, backend, NULL);
	net_give(rig, NET_RX, &buffer, BUFFER);
	for (int i = 0; i < 300; i++) {
		int fd = client_connect(rig->files[0]);

		client_write(fd, "\377\377\377\377", 4);
		client_expect_end(fd);
		close(fd);
	}
	rig_stop(rig);
	assert_in_range(rig_logged(rig, "the other end of the wire is"), 1, rig_log_limit(rig));
}

/* --- files --- */

static void put(int fd, const void *data, size_t len)
{
	assert_int_equal(write(fd, data, len), len);
}

/* The guest has given all the buffers that it has, and will not say so again. */
static void a_file_goes_on_when_the_link_is_up_again(void **state)
{
	enum { N = 200 };
	const uint32_t head[] = {0xa1b2c3d4, 0, 0, 0, 0, 1}, record[] = {0, 0, LEN, LEN};
	struct rig *rig = *state;
	const char *in = rig_file(rig, "in", "");
	struct rig_buffer buffer;
	char backend[2 * RIG_PATH];
	unsigned char frame[LEN];
	int fd = open(in, O_WRONLY | O_CLOEXEC);

	snprintf(backend, sizeof(backend), "pcap:%s,in=%s", rig_file(rig, "out", NULL), in);
	put(fd, head, sizeof(head));
	net_frame(frame, LEN, 1);
	for (uint32_t i = 0; i < N; i++) {
		put(fd, record, sizeof(record));
		put(fd, frame, LEN);
	}
	close(fd);
	net_start(rig, backend, NULL);
	rig_say(rig, "link down");
	net_give(rig, NET_RX, &buffer, BUFFER);
	rig_expect_nothing(rig, NET_RX);
	assert_in_range(net_stat(rig, "missed"), 1, N - 1);
	rig_say(rig, "link up");
	net_expect(rig, NET_RX, &buffer, frame, LEN);
	rig_stop(rig);
}

static void limit_files(const struct rig *rig, rlim_t bytes)
{
	const struct rlimit limit = {bytes, RLIM_INFINITY};

	assert_return_code(prlimit(rig->program.pid, RLIMIT_FSIZE, &limit, NULL), errno);
}

/* A packet of which the disk takes a part, or nothing, is lost, and leaves no trace. */
static void what_the_disk_does_not_take_leaves_no_hole(void **state)
{
	enum { RECORD = RECORD_HEAD + LEN };
	static const rlim_t limits[] = {FILE_HEAD + RECORD + 50, FILE_HEAD + RECORD};
	struct rig *rig = *state;
	const char *path = rig_file(rig, "out", NULL);
	unsigned char frame[LEN], got[FILE_HEAD + 2 * RECORD];
	char backend[RIG_PATH + 8];
	int fd;

	snprintf(backend, sizeof(backend), "pcap:%s", path);
	net_start(rig, backend, NULL);
	net_frame(frame, LEN, 1);
	net_send(rig, NULL, frame, LEN);
	for (uint32_t i = 0; i < 2; i++) {
		limit_files(rig, limits[i]);
		net_send(rig, NULL, frame, LEN);
		net_send(rig, NULL, frame, LEN);
		assert_int_equal(net_stat(rig, "lost"), 2 * (i + 1));
	}
	limit_files(rig, RLIM_INFINITY);
	net_send(rig, NULL, frame, LEN);
	rig_stop(rig);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, got, sizeof(got)), sizeof(got));
	assert_int_equal(lseek(fd, 0, SEEK_END), sizeof(got));
	close(fd);
	for (uint32_t i = 1; i <= 2; i++)
		assert_memory_equal(got + FILE_HEAD + i * RECORD - LEN, frame, LEN);
}

/* --- front-ends --- */

/* What one front-end said of the network is not true of the next one's. */
static void an_mtu_goes_with_who_set_it(void **state)
{
	static const char *const more[] = {"--mtu=1500", NULL};
	struct virtio_net_config config;
	struct rig *rig = *state;
	unsigned char frame[1000];
	uint64_t mtu = 500;

	net_start(rig, "null", more);
	rig_check(rig, frontend_tell(&rig->peer->frontend, WIRE_NET_SET_MTU, &mtu, sizeof(mtu),
				     NULL, 0));
	net_frame(frame, sizeof(frame), 1);
	net_send(rig, NULL, frame, sizeof(frame));
	assert_int_equal(net_stat(rig, "refused"), 1);
	rig_connect(rig);
	net_send(rig, NULL, frame, sizeof(frame));
	assert_int_equal(net_stat(rig, "refused"), 1);
	rig_get_config(rig, 0, &config, offsetof(struct virtio_net_config, speed));
	assert_int_equal(le16toh(config.mtu), 1500);
	rig_stop(rig);
}

/* A driver without a control queue would fail: the option is for front-ends that have one. */
static void who_announces_a_guest_is_as_the_option_says(void **state)
{
	static const char *const more[] = {"--guest-announce", NULL};
	const uint64_t announces = UINT64_C(1) << VIRTIO_NET_F_GUEST_ANNOUNCE;
	struct rig *rig = *state;

	net_start(rig, "null", NULL);
	assert_int_equal(rig->peer->frontend.offered_features & announces, 0);
	rig_stop(rig);
	net_start(rig, "null", more);
	assert_int_equal(rig->peer->frontend.offered_features & announces, announces);
	rig_stop(rig);
}

/* A wire that is not there carries no announcement, either. */
static void nothing_is_announced_while_the_link_is_down(void **state)
{
	unsigned char mac[8] = {2, 0, 0, 0, 0, 7};
	struct rig *rig = *state;
	const char *path = rig_file(rig, "out", NULL);
	char backend[RIG_PATH + 8];
	struct stat st;

	snprintf(backend, sizeof(backend), "pcap:%s", path);
	net_start(rig, backend, NULL);
	rig_say(rig, "link down");
	rig_check(rig,
		  frontend_tell(&rig->peer->frontend, WIRE_SEND_RARP, mac, sizeof(mac), NULL, 0));
	rig_stop(rig);
	assert_return_code(stat(path, &st), errno);
	assert_int_equal(st.st_size, FILE_HEAD);
}

/* Each pair is on a thread of its own, and what is said to the device on another one. */
static void commands_and_messages_do_not_disturb_pairs(void **state)
{
	enum { PAIRS = 4, N = 400 };
	static const char *const more[] = {"--queues=4", NULL};
	static const char *const commands[] = {"link down", "stats", "link up", "stats"};
	unsigned char frame[LEN], mac[8] = {2, 0, 0, 0, 0, 7};
	struct rig *rig = *state;
	struct rig_buffer in[PAIRS], out;
	struct driver_seg seg;

	rig->config.n_queues = 2 * PAIRS;
	net_start(rig, "echo", more);
	rig_buffer(rig, &out, sizeof(struct virtio_net_hdr_v1) + LEN);
	memset(out.data, 0, out.len);
	net_frame(frame, LEN, 1);
	memcpy(out.data + out.len - LEN, frame, LEN);
	seg = rig_read_seg(&out, out.len);
	for (uint32_t i = 0; i < PAIRS; i++)
		net_give(rig, 2 * i, &in[i], BUFFER);
	for (uint32_t i = 0; i < N; i++) {
		uint64_t mtu = 1000 + i;

		for (uint32_t pair = 0; pair < PAIRS; pair++)
			rig_offer(rig, 2 * pair + 1, &seg, 1, &out);
		rig_say(rig, commands[i % 4]);
		rig_check(rig, frontend_tell(&rig->peer->frontend, WIRE_NET_SET_MTU, &mtu,
					     sizeof(mtu), NULL, 0));
		rig_check(rig, frontend_tell(&rig->peer->frontend, WIRE_SEND_RARP, mac, sizeof(mac),
					     NULL, 0));
		for (uint32_t pair = 0; pair < PAIRS; pair++)
			assert_ptr_equal(rig_wait(rig, 2 * pair + 1, NULL), &out);
	}
	rig_stop(rig);
}

/* Features that need others (virtio 1.3 §5.1.3.1) without those: no reason not to serve it. */
static void a_driver_that_takes_segments_without_checksums_gets_none(void **state)
{
	static const uint64_t lone[] = {
		UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO4 | UINT64_C(1) << VIRTIO_NET_F_GUEST_ECN,
		UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM | UINT64_C(1) << VIRTIO_NET_F_GUEST_ECN,
		UINT64_C(3) << 54, /* USO */
	};
	struct rig *rig = *state;
	unsigned char frame[LEN];

	net_need_tap();
	net_frame(frame, LEN, 1);
	for (uint32_t i = 0; i < 3; i++) {
		rig->config.features = UINT64_C(1) << 32 | UINT64_C(1) << 30 | lone[i];
		if (i)
			rig_connect(rig);
		else
			net_start(rig, "tap:vutap", NULL);
		net_send(rig, NULL, frame, LEN);
		assert_int_equal(net_stat(rig, "lost"), i + 1); /* the tap is down */
	}
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "offloads"), 0);
}

/* A file, a path or a name that is empty is none. */
static void what_names_nothing_is_refused(void **state)
{
	static const char *const bad[] = {"--backend=tap:", "--backend=pcap:", "--backend=socket:",
					  "--backend=socket-listen:"};
	static const char *const too_long = "--backend=tap:a-name-of-many-letters";
	/* Of nobody, of a group, and what is no address. */
	static const char *const macs[] = {"--mac=00:00:00:00:00:00",
					   "--mac=01:00:00:00:00:00",
					   "--mac=2:0:0:0:0:1",
					   "--mac=0x:00:00:00:00:01",
					   "--mac=02:-1:00:00:00:01",
					   "--mac=02:+1:00:00:00:01",
					   "--mac= 2:00:00:00:00:01",
					   "--mac=02: 1:00:00:00:01",
					   "--mac=02:00:00:00:00:0g",
					   "--mac=02:00:00:00:00:01:",
					   "--mac=02-00-00-00-00-01",
					   "--mac=020000000001",
					   "--mac="};
	/* There is no such key, or nothing behind it, or before it. */
	static const char *const files[] = {
		"--backend=pcap:/dev/null,out=x",
		"--backend=pcap:/dev/null,in=", "--backend=pcap:/dev/null,",
		"--backend=pcap:,in=/dev/null", "--backend=pcap:/dev/null,out=x,in=/dev/null"};

	rig_expect_refused(*state, bad, sizeof(bad) / sizeof(*bad), ", please");
	rig_expect_refused(*state, &too_long, 1, "up to 15 characters");
	rig_expect_refused(*state, macs, sizeof(macs) / sizeof(*macs),
			   "an address as 52:54:00:12:34:56, please");
	rig_expect_refused(*state, files, sizeof(files) / sizeof(*files),
			   "pcap:FILE or pcap:FILE,in=FILE, please");
}

static void no_fifo(struct rig *rig, const char *format, const char *fifo)
{
	char option[2 * RIG_PATH];
	const char *options = option;

	snprintf(option, sizeof(option), format, fifo);
	rig_expect_refused(rig, &options, 1, "no regular file");
}

/* It would keep the thread until somebody reads. */
static void a_file_of_packets_is_no_fifo(void **state)
{
	struct rig *rig = *state;
	const char *fifo = rig_file(rig, "fifo", NULL);
	int reader;

	assert_return_code(mkfifo(fifo, 0600), errno);
	no_fifo(rig, "--backend=pcap:%s", fifo);
	reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_return_code(reader, errno);
	no_fifo(rig, "--backend=pcap:%s", fifo);
	close(reader);
	no_fifo(rig, "--backend=pcap:/dev/null,in=%s", fifo);
	net_start(rig, "pcap:/dev/null", NULL);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flood_that_fits_nowhere_does_not_keep_the_thread),
		TEST(who_comes_and_goes_does_not_fill_the_log),
		TEST(a_file_goes_on_when_the_link_is_up_again),
		TEST(what_the_disk_does_not_take_leaves_no_hole),
		TEST(an_mtu_goes_with_who_set_it),
		TEST(who_announces_a_guest_is_as_the_option_says),
		TEST(nothing_is_announced_while_the_link_is_down),
		TEST(commands_and_messages_do_not_disturb_pairs),
		TEST(a_driver_that_takes_segments_without_checksums_gets_none),
		TEST(what_names_nothing_is_refused),
		TEST(a_file_of_packets_is_no_fifo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
