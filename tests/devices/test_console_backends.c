/* SPDX-License-Identifier: MIT */
/* vu-console's back-ends: pseudo-terminals, socket files, files, FIFOs, standard input and output.
 */
#include "console.h"
#include "shortage.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

const char *const rig_program = "VU_CONSOLE";

enum { QUIT_KEY = 0x1d, ALL_BYTES = 256 };

static const char *const name[] = {"data"};

/* Port 1, "data", with this back-end; host_open: a mask of ports. */
static void start_port(struct rig *rig, uint32_t host_open, const char *format, const char *path)
{
	char option[2 * RIG_PATH + 16] = "--port=data=";

	snprintf(option + strlen(option), sizeof(option) - strlen(option), format, path);
	console_start(rig, 2, (const char *const[]){option, NULL});
	console_begin(rig, 2, name, host_open);
}

static void read_file(const char *path, char *got, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t n;

	assert_non_null(file);
	n = fread(got, 1, size - 1, file);
	got[n] = '\0';
	fclose(file);
}

/* --- pty --- */

static int open_terminal(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_return_code(fd, errno);
	return fd;
}

static void a_terminal_carries_every_byte_both_ways(void **state)
{
	struct rig *rig = *state;
	const char *link = rig_file(rig, "link", NULL);
	unsigned char all[ALL_BYTES], got[ALL_BYTES];
	struct stat st;
	int fd;

	for (int i = 0; i < ALL_BYTES; i++)
		all[i] = (unsigned char)i;
	start_port(rig, 1, "pty:%s", link);
	fd = open_terminal(link);
	console_hear(rig, 1, OPEN, 1);
	console_write(rig, 1, all, sizeof(all));
	client_read(fd, got, sizeof(got));
	assert_memory_equal(all, got, sizeof(all));
	client_write(fd, all, sizeof(all));
	console_read(rig, 1, got, sizeof(got));
	assert_memory_equal(all, got, sizeof(all));
	close(fd);
	console_hear(rig, 1, OPEN, 0);
	rig_stop(rig);
	assert_int_equal(lstat(link, &st), -1);
}

static void a_terminal_is_opened_again_and_again(void **state)
{
	struct rig *rig = *state;
	const char *link = rig_file(rig, "link", NULL);

	start_port(rig, 1, "pty:%s", link);
	for (int i = 0; i < 5; i++) {
		int fd = open_terminal(link);

		console_hear(rig, 1, OPEN, 1);
		client_write(fd, "ping", 4);
		console_expect(rig, 1, "ping");
		console_write(rig, 1, "pong", 4);
		client_expect(fd, "pong");
		close(fd);
		console_hear(rig, 1, OPEN, 0);
		console_write(rig, 1, "nobody is there", 15);
	}
	/* What is written and closed at once arrives, too. */
	for (int i = 0; i < 5; i++) {
		int fd = open_terminal(link);

		client_write(fd, "hello", 5);
		close(fd);
		console_hear(rig, 1, OPEN, 1);
		console_expect(rig, 1, "hello");
		console_hear(rig, 1, OPEN, 0);
	}
	console_hear_nothing(rig);
	rig_stop(rig);
}

static void a_terminal_that_nobody_reads_leaves_output_in_the_ring(void **state)
{
	enum { CHUNK = 20000, MANY = 50, MUCH = CHUNK * MANY };
	struct rig *rig = *state;
	const char *link = rig_file(rig, "link", NULL);
	unsigned char *sent = malloc(MUCH), *got = malloc(MUCH);
	struct chunk chunks[MANY];
	int fd;

	fill(sent, MUCH, 1);
	start_port(rig, 1, "pty:%s", link);
	fd = open_terminal(link);
	console_hear(rig, 1, OPEN, 1);
	for (uint32_t i = 0; i < MANY; i++)
		console_offer_output(rig, 1, &chunks[i], sent + i * CHUNK, CHUNK);
	console_write(rig, 0, "hello", 5);
	console_expect(rig, 0, "hello");
	client_read(fd, got, MUCH);
	assert_memory_equal(sent, got, MUCH);
	for (uint32_t i = 0; i < MANY; i++)
		assert_ptr_equal(rig_wait(rig, tx_of(1), NULL), &chunks[i]);
	free(sent);
	free(got);
	close(fd);
	rig_stop(rig);
}

static void a_link_replaces_a_link_but_nothing_else(void **state)
{
	struct rig *rig = *state;
	const char *link = rig_file(rig, "link", NULL), *file = rig_file(rig, "file", "precious");
	const char *argv[] = {
		getenv(rig_program), "--socket-path", rig->socket, "--console", NULL, NULL};
	char option[RIG_PATH + 8], got[16];

	assert_return_code(symlink("/dev/pts/99999", link), errno);
	start_port(rig, 1, "pty:%s", link);
	close(open_terminal(link));
	rig_stop(rig);
	snprintf(option, sizeof(option), "pty:%s", file);
	argv[4] = option;
	spawn_free(&rig->program);
	spawn_run(&rig->program, argv);
	assert_int_equal(rig->program.status, 1);
	read_file(file, got, sizeof(got));
	assert_string_equal(got, "precious");
	rig->program.pid = 0;
}

/* --- sockets --- */

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(fd, 1), errno);
	return fd;
}

static void a_stale_socket_is_replaced_a_live_one_and_a_file_are_not(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "client", NULL), *file = rig_file(rig, "file", "precious");
	const char *argv[] = {
		getenv(rig_program), "--socket-path", rig->socket, "--console", NULL, NULL};
	char option[RIG_PATH + 8], got[16];
	struct stat st;
	int fd = listen_at(path);

	argv[4] = option;
	snprintf(option, sizeof(option), "socket:%s", path);
	spawn_run(&rig->program, argv);
	assert_int_equal(rig->program.status, 1);
	assert_non_null(strstr(rig->program.err, "Address already in use"));
	spawn_free(&rig->program);
	snprintf(option, sizeof(option), "socket:%s", file);
	spawn_run(&rig->program, argv);
	assert_int_equal(rig->program.status, 1);
	read_file(file, got, sizeof(got));
	assert_string_equal(got, "precious");
	spawn_free(&rig->program);
	memset(&rig->program, 0, sizeof(rig->program));

	close(fd);
	assert_int_equal(lstat(path, &st), 0);
	start_port(rig, 1, "socket:%s", path);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = client_connect(path);
	console_hear(rig, 1, OPEN, 1);
	rig_stop(rig);
	client_expect_end(fd);
	close(fd);
	assert_int_equal(lstat(path, &st), -1);
}

static void a_client_waits_while_no_descriptors_are_left(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "client", NULL);
	struct shortage shortage;
	int fd;

	start_port(rig, 1, "socket:%s", path);
	shortage_begin(&shortage, rig->program.pid);
	fd = client_connect(path);
	shortage_is_sat_out(&shortage);
	shortage_end(&shortage);
	console_hear(rig, 1, OPEN, 1);
	console_write(rig, 1, "here", 4);
	client_expect(fd, "here");
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "a client waits: Too many open files"), 1);
}

static void a_second_device_has_sockets_of_its_own(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "client", NULL), *path1 = rig_file(rig, "client.1", NULL);
	const char *other = rig_file(rig, "sock1", NULL);
	char option[RIG_PATH + 16];
	struct stat st;

	snprintf(option, sizeof(option), "--console=socket:%s", path);
	rig_spawn(rig, (const char *const[]){option, "--socket-path", other, NULL});
	spawn_wait_listening(other);
	close(client_connect(path));
	close(client_connect(path1));
	rig_stop(rig);
	assert_int_equal(lstat(path1, &st), -1);
}

/* --- files --- */

static void a_file_is_appended_to_and_another_is_read(void **state)
{
	struct rig *rig = *state;
	const char *out = rig_file(rig, "out", "old "), *in = rig_file(rig, "in", "input");
	char format[RIG_PATH + 16], got[32];

	snprintf(format, sizeof(format), "file:%%s,in=%s", in);
	start_port(rig, 3, format, out);
	console_expect(rig, 1, "input");
	console_write(rig, 1, "new", 3);
	rig_stop(rig);
	read_file(out, got, sizeof(got));
	assert_string_equal(got, "old new");
}

static void a_fifo_that_nobody_reads_leaves_output_in_the_ring(void **state)
{
	enum { MUCH = 300000 };
	struct rig *rig = *state;
	const char *path = rig_file(rig, "fifo", NULL);
	unsigned char *sent = malloc(MUCH), *got = malloc(MUCH);
	struct driver_seg seg;
	struct chunk chunk;
	int fd;

	fill(sent, MUCH, 5);
	assert_return_code(mkfifo(path, 0600), errno);
	start_port(rig, 3, "file:%s", path);
	console_offer_output(rig, 1, &chunk, sent, MUCH);
	rig_expect_nothing(rig, tx_of(1));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	client_read(fd, got, MUCH);
	assert_memory_equal(sent, got, MUCH);
	assert_ptr_equal(rig_wait(rig, tx_of(1), NULL), &chunk);
	/* The same buffer once more is not the one that was written in part. */
	fill(chunk.buffer.data, MUCH, 6);
	memcpy(sent, chunk.buffer.data, MUCH);
	seg = rig_read_seg(&chunk.buffer, MUCH);
	rig_offer(rig, tx_of(1), &seg, 1, &chunk);
	client_read(fd, got, MUCH);
	assert_memory_equal(sent, got, MUCH);
	assert_ptr_equal(rig_wait(rig, tx_of(1), NULL), &chunk);
	free(sent);
	free(got);
	close(fd);
	rig_stop(rig);
}

static void a_full_disk_leaves_output_in_the_ring_and_is_logged_once(void **state)
{
	struct rig *rig = *state;
	struct chunk chunk;
	const char *found;

	start_port(rig, 3, "file:%s", "/dev/full");
	console_offer_output(rig, 1, &chunk, "hello", 5);
	rig_expect_nothing(rig, tx_of(1));
	rig_stop(rig);
	found = strstr(rig->program.err, "No space left on device");
	assert_non_null(found);
	assert_null(strstr(found + 1, "No space left on device"));
}

/* --- standard input and output --- */

static void pipes_as_standard_input_and_output(void **state)
{
	struct rig *rig = *state;
	int before = dup(STDIN_FILENO), fds[2];

	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	assert_return_code(dup2(fds[0], STDIN_FILENO), errno);
	console_start(rig, 1, (const char *const[]){"--console=stdio", NULL});
	dup2(before, STDIN_FILENO);
	close(before);
	console_begin(rig, 1, NULL, 1);
	client_write(fds[1], "input", 5);
	console_expect(rig, 0, "input");
	console_write(rig, 0, "output", 6);
	close(fds[1]); /* the end of input is not the end of all */
	console_write(rig, 0, " goes on", 8);
	/* Whoever else has the pipe does not find it changed. */
	assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	close(fds[0]);
	rig_stop(rig);
	assert_string_equal(rig->program.out, "output goes on");
}

/* vu-console on a terminal: the pid, and the terminal's master. */
static pid_t start_on_terminal(struct rig *rig, int *master, const struct winsize *size)
{
	pid_t pid = forkpty(master, NULL, NULL, size);

	assert_true(pid >= 0);
	if (!pid) {
		execl(getenv(rig_program), "vu-console", "--socket-path", rig->socket,
		      "--console=stdio", (char *)NULL);
		_exit(127);
	}
	spawn_wait_listening(rig->socket);
	return pid;
}

static void a_terminal_is_raw_until_the_end_and_gives_its_size(void **state)
{
	const struct winsize first = {.ws_col = 100, .ws_row = 40};
	const struct winsize second = {.ws_col = 90, .ws_row = 20};
	struct rig *rig = *state;
	struct termios before, during, after;
	unsigned char config[4];
	struct rig_buffer message;
	struct driver_seg seg;
	int master, status, tty;
	pid_t pid;

	assert_int_equal(openpty(&master, &tty, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(tty, &before), 0); /* as every new one */
	close(tty);
	close(master);
	pid = start_on_terminal(rig, &master, &first);
	rig->config.n_queues = 4;
	rig_connect(rig);
	rig_get_config(rig, 0, config, sizeof(config));
	assert_memory_equal(config, "\x64\0\x28\0", 4);
	assert_int_equal(tcgetattr(master, &during), 0);
	assert_false(during.c_lflag & (ICANON | ECHO));
	console_tell(rig, 0, READY, 1);
	console_hear(rig, 0, ADD, 0);
	console_tell(rig, 0, PORT_READY, 1);
	console_hear(rig, 0, CONSOLE, 1);
	console_hear_more(rig, 0, RESIZE, 0, "\x64\0\x28\0", 4);
	console_hear(rig, 0, OPEN, 1);
	console_tell(rig, 0, OPEN, 1);
	client_write(master, "\3\4\032\034", 4); /* keys that a terminal would keep to itself */
	console_expect(rig, 0, "\3\4\032\034");
	rig_buffer(rig, &message, CONTROL_ROOM);
	seg = rig_write_seg(&message, message.len);
	rig_offer(rig, CONTROL_RX, &seg, 1, rig);
	assert_int_equal(ioctl(master, TIOCSWINSZ, &second), 0);
	assert_ptr_equal(rig_wait(rig, CONTROL_RX, NULL), rig);
	assert_memory_equal(message.data, "\0\0\0\0\5\0\0\0\x5a\0\x14\0", 12);

	tty = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC); /* it outlives the program */
	client_write(master, (char[]){QUIT_KEY}, 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(tcgetattr(tty, &after), 0);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(after.c_iflag, before.c_iflag);
	assert_int_equal(after.c_oflag, before.c_oflag);
	assert_memory_equal(after.c_cc, before.c_cc, sizeof(after.c_cc));
	close(tty);
	close(master);
}

static void settings_given_twice_are_refused(void **state)
{
	static const char *const twice[][2] = {
		{"--console=echo", "--console=pty"},
		{"--size=80x25", "--size=100x40"},
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
		const char *argv[] = {getenv(rig_program), "--socket-path", rig->socket,
				      twice[i][0],	   twice[i][1],	    NULL};
		char line[80];
		struct spawned s;

		snprintf(line, sizeof(line), "vu-console: option '%s' is given twice; try --help\n",
			 twice[i][1]);
		spawn_run(&s, argv);
		assert_int_equal(s.status, 2);
		assert_string_equal(s.err, line);
		spawn_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_terminal_carries_every_byte_both_ways),
		TEST(a_terminal_is_opened_again_and_again),
		TEST(a_terminal_that_nobody_reads_leaves_output_in_the_ring),
		TEST(a_link_replaces_a_link_but_nothing_else),
		TEST(a_stale_socket_is_replaced_a_live_one_and_a_file_are_not),
		TEST(a_client_waits_while_no_descriptors_are_left),
		TEST(a_second_device_has_sockets_of_its_own),
		TEST(a_file_is_appended_to_and_another_is_read),
		TEST(a_fifo_that_nobody_reads_leaves_output_in_the_ring),
		TEST(a_full_disk_leaves_output_in_the_ring_and_is_logged_once),
		TEST(pipes_as_standard_input_and_output),
		TEST(a_terminal_is_raw_until_the_end_and_gives_its_size),
		TEST(settings_given_twice_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
