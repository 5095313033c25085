/* SPDX-License-Identifier: MIT */
/* vu-vsock: what a guest can have of the host is limited, and a command line that says nonsense is
 * told. */
#include "vsock_bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const rig_program = "VU_VSOCK";

/* A port that leads to a program which says hello, and ends when it can read a line from a FIFO. */
static const char *program_start(struct rig *rig, struct guest_end *guest)
{
	static char forward[2 * RIG_PATH];
	const char *fifo = rig_file(rig, "fifo", NULL);
	const char *const args[] = {forward, "--max-connections=4", NULL};

	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(forward, sizeof(forward), "--forward=5=exec:echo hello; read x <%s", fifo);
	vsock_start(rig, guest, args);
	return fifo;
}

/* The next packet for a port; of connections before it there may be some on their way. */
static uint16_t next_for(struct guest_end *guest, uint32_t port)
{
	struct got got;

	do
		got = vsock_get(guest);
	while (le32toh(got.header.dst_port) != port);
	return le16toh(got.header.op);
}

/* The guest has one run, and forgets it at once.  true: it ran. */
static bool run_program(struct guest_end *guest, uint32_t port)
{
	struct line line = line_new(guest, STREAM, port, 5);
	uint16_t what;

	line_send(&line, REQUEST, 0);
	assert_int_equal(next_for(guest, port), RESPONSE);
	what = next_for(guest, port);
	assert_true(what == RW || what == SHUTDOWN);
	line_send(&line, RST, 0);
	return what == RW;
}

static void a_guest_that_leaves_programs_behind_gets_no_more_of_them_than_connections(void **state)
{
	enum { MOST = 4, LINES = 1000 };
	struct rig *rig = *state;
	struct guest_end guest;
	const char *fifo = program_start(rig, &guest);
	uint32_t port = 7000;
	int fd;

	for (uint32_t i = 0; i < MOST; i++)
		assert_true(run_program(&guest, 5000 + i));
	for (uint32_t i = 0; i < 20; i++)
		assert_false(run_program(&guest, 6000 + i));
	/* As soon as they have ended there are others; these end at once. */
	fd = open(fifo, O_RDWR);
	assert_true(fd >= 0);
	for (uint32_t i = 0; i < LINES; i++)
		assert_int_equal(write(fd, "\n", 1), 1);
	while (!run_program(&guest, port++))
		usleep(10000);
	rig_stop(rig);
	close(fd);
	assert_int_equal(rig_logged(rig, "4 programs of the guest with CID 3 are running"), 1);
}

static void a_receive_buffer_may_be_in_more_pieces_than_one_read_takes(void **state)
{
	enum { PIECES = 200, PIECE = VSOCK_BUFFER / PIECES, BYTES = 3000 };
	struct driver_seg segs[PIECES];
	unsigned char sent[BYTES], got[BYTES];
	struct rig *rig = *state;
	struct bench b;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	line_use_up(&b.line, VSOCK_BUFFERS - 1); /* one was for RESPONSE */
	for (uint32_t i = 0; i < PIECES; i++)
		segs[i] = (struct driver_seg){.gpa = b.guest.rx[0].gpa + (uint64_t)i * PIECE,
					      .len = PIECE,
					      .write = true};
	memset(b.guest.rx[0].data, RIG_UNTOUCHED, VSOCK_BUFFER);
	rig_offer(rig, VSOCK_RX, segs, PIECES, &b.guest.rx[0]);
	fill(sent, BYTES, 1);
	client_write(b.host, sent, BYTES);
	line_read(&b.line, got, BYTES);
	assert_memory_equal(got, sent, BYTES);
	bench_stop(rig, &b);
}

static const uint32_t allocs[] = {0, 1, 1023, 1024, 65536, 256 << 10, 1u << 31, UINT32_MAX};

/* Also of what it has not read, and what was not sent. */
static void say_anything_of_credit(struct line *line, uint16_t op, unsigned int *seed)
{
	struct virtio_vsock_hdr header;

	line->buf_alloc = allocs[(unsigned int)rand_r(seed) % (sizeof(allocs) / sizeof(*allocs))];
	header = line_header(line, op, 0, 0);
	if (rand_r(seed) % 2)
		header.fwd_cnt = htole32((uint32_t)rand_r(seed) * 2654435761u);
	vsock_send_raw(line->guest, &header, NULL, 0);
}

static void whatever_a_guest_says_of_credit_it_is_told_once_for_each_question(void **state)
{
	unsigned int seed = 1;
	struct bench b;

	bench_start(*state, &b, SOCK_STREAM, NULL);
	for (int i = 0; i < 1000; i++) {
		bool asks = rand_r(&seed) % 2;

		say_anything_of_credit(&b.line, asks ? CREDIT_REQUEST : CREDIT_UPDATE, &seed);
		if (asks)
			assert_int_equal(le16toh(vsock_get(&b.guest).header.op), CREDIT_UPDATE);
	}
	vsock_get_nothing(&b.guest);
	bench_check(&b);
	bench_stop(*state, &b);
}

/* Only what it never said that it read is to come. */
static void whatever_a_guest_says_of_credit_no_byte_is_lost(void **state)
{
	enum { LEN = 30000 };
	static unsigned char data[LEN], got[LEN];
	unsigned int seed = 2;
	uint32_t at = 0;
	struct bench b;

	for (uint32_t i = 0; i < LEN; i++)
		data[i] = (unsigned char)(i * 7 + i / 251);
	bench_start(*state, &b, SOCK_STREAM, NULL);
	b.line.buf_alloc = 0;
	line_send(&b.line, CREDIT_UPDATE, 0);
	assert_int_equal(write(b.host, data, LEN), LEN);
	for (int i = 0; i < 200; i++)
		say_anything_of_credit(&b.line, CREDIT_UPDATE, &seed);
	while (at < LEN) {
		struct got part;

		b.line.buf_alloc = 256 << 10;
		b.line.fwd_cnt = at;
		line_send(&b.line, CREDIT_UPDATE, 0);
		part = vsock_get(&b.guest);
		if (le16toh(part.header.op) != RW) {
			assert_int_equal(le16toh(part.header.op), CREDIT_REQUEST);
			continue;
		}
		assert_true(le32toh(part.header.len) <= LEN - at);
		memcpy(got + at, part.data, le32toh(part.header.len));
		at += le32toh(part.header.len);
	}
	assert_memory_equal(got, data, LEN);
	b.line.fwd_cnt = at;
	bench_check(&b);
	bench_stop(*state, &b);
}

/* The process that starts programs. */
static pid_t find_starter(pid_t pid)
{
	char path[64], text[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "r");
	if (!file)
		skip();
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	return (pid_t)atoi(text);
}

/* It stands still, but not for longer than this test runs. */
static void hold(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(uintptr_t)PTRACE_O_EXITKILL))
		skip();
	assert_ok(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL));
	assert_int_equal(waitpid(pid, NULL, __WALL), pid);
}

/* Whoever starts them has no more time for now: another guest may have kept it busy. */
static void a_program_that_has_to_wait_for_its_turn_is_started_then(void **state)
{
	enum { MOST = 1000 };
	const char *const args[] = {"--forward=3=exec:cat", NULL};
	struct rig *rig = *state;
	uint32_t all = 0, opened = 0;
	struct guest_end guest;
	struct line line;
	pid_t starter;

	vsock_start(rig, &guest, args);
	starter = find_starter(rig->program.pid);
	hold(starter);
	while (all == opened) {
		assert_true(all < MOST);
		line = line_new(&guest, STREAM, 5000 + all, 3);
		line_send(&line, REQUEST, 0);
		assert_int_equal(sscanf(rig_say(rig, "counters"),
					"cid %*u connections %u opened %u", &all, &opened),
				 2);
		if (all == opened)
			line_get(&line, RESPONSE);
	}
	assert_ok(ptrace(PTRACE_DETACH, starter, NULL, NULL));
	line_get(&line, RESPONSE);
	line_write(&line, "late", 4, 0);
	line_expect(&line, "late");
	rig_stop(rig);
}

static void what_would_never_work_is_refused_at_the_start(void **state)
{
	static const struct {
		const char *option, *says;
	} wrong[] = {
		{"--forward=9/1=hairpin", "a rule is for CID 9 (hairpin), and no guest has that"},
		{"--listen=9/1=unix:/nonexistent/a", "a rule is for CID 9 (unix:/nonexistent/a)"},
		{"--guest-cid=4", "there are 2 of --guest-cid and 1 of --socket-path"},
		{"--max-buffered=4096", "--max-buffered is less than --buffer-size"},
		{"--uds-path=", "--uds-path: a path, please"},
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *const argv[] = {getenv(rig_program), "--socket-path", rig->socket,
					    "--guest-cid=3",	 wrong[i].option, NULL};

		spawn_expect(argv, 1, "", wrong[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_guest_that_leaves_programs_behind_gets_no_more_of_them_than_connections),
		TEST(a_receive_buffer_may_be_in_more_pieces_than_one_read_takes),
		TEST(whatever_a_guest_says_of_credit_it_is_told_once_for_each_question),
		TEST(whatever_a_guest_says_of_credit_no_byte_is_lost),
		TEST(a_program_that_has_to_wait_for_its_turn_is_started_then),
		TEST(what_would_never_work_is_refused_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
