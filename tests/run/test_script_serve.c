/* SPDX-License-Identifier: MIT */
/* Scripts over a socket and over standard input. */
#include "script_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "sockets.h"

enum { CLIENTS = 8, KEPT = 262144 };

static int serve_at(struct script_rig *rig, const char *where, uint32_t index)
{
	return vu_script_serve(vu_device_group(rig->dev), &rig->info, where, index, &rig->script);
}

static void each_line_gets_its_answers_and_ok_or_an_error(void **state)
{
	struct script_rig *rig = *state;
	struct stat st;
	int fd;

	script_serve(rig);
	assert_return_code(stat(rig->path, &st), errno);
	assert_int_equal(st.st_mode & 07777, 0600);
	fd = script_connect(rig);
	assert_string_equal(script_ask(rig, fd, "note a \"b c\"\n"), "ok\n");
	assert_string_equal(rig->ran, "a,b c;");
	assert_string_equal(script_ask(rig, fd, "repeat 2 x\n\n# y\n"), "x\nx\nok\nok\nok\n");
	assert_string_equal(script_ask(rig, fd, "unknown\n"),
			    "error: there is no command 'unknown'; try help\n");
	assert_string_equal(script_ask(rig, fd, "note\n"),
			    "error: 'note' wants more words; it is used so: note WORD...\n");
	assert_string_equal(script_ask(rig, fd, "fail\nfail \"too hot\"\n"),
			    "error: No such device\nerror: too hot\n");
	close(fd);
}

static void help_lists_the_commands(void **state)
{
	struct script_rig *rig = *state;
	int fd;

	script_serve(rig);
	fd = script_connect(rig);
	assert_string_equal(script_ask(rig, fd, "help\n"),
			    "note WORD...                remember words\n"
			    "repeat N TEXT               answer N times\n"
			    "say TEXT                    tell all\n"
			    "fail [REASON]               \n"
			    "line: TEXT                  remember a line\n"
			    "nothing                     takes nothing\n"
			    "ok\n");
	close(fd);
}

static void lines_may_come_in_pieces_and_many_together(void **state)
{
	struct script_rig *rig = *state;
	int fd;

	script_serve(rig);
	fd = script_connect(rig);
	assert_string_equal(script_ask(rig, fd, "no"), "");
	assert_string_equal(script_ask(rig, fd, "te a\nnote b\nno"), "ok\nok\n");
	assert_string_equal(script_ask(rig, fd, "te c\n"), "ok\n");
	assert_string_equal(rig->ran, "a;b;c;");
	close(fd);
}

static void an_overlong_line_is_refused_and_the_next_one_is_not(void **state)
{
	struct script_rig *rig = *state;
	char *text = malloc(100000);
	int fd;

	memset(text, 'x', 100000);
	memcpy(text, "note ", 5);
	text[99999] = '\0';
	script_serve(rig);
	fd = script_connect(rig);
	assert_string_equal(script_ask(rig, fd, text), "");
	assert_string_equal(script_ask(rig, fd, "\nnote a\n"), "error: the line is too long\nok\n");
	assert_string_equal(rig->ran, "a;");
	free(text);
	close(fd);
}

static void what_is_said_goes_to_every_client_and_answers_to_one(void **state)
{
	struct script_rig *rig = *state;
	int a, b;

	script_serve(rig);
	vu_script_say(rig->script, "to nobody");
	vu_script_say(NULL, "to nobody");
	a = script_connect(rig);
	b = script_connect(rig);
	assert_string_equal(script_ask(rig, a, "repeat 1 x\n"), "x\nok\n");
	assert_string_equal(script_read(rig, b), "");
	vu_script_say(rig->script, "line 3 is high");
	assert_string_equal(script_read(rig, a), "* line 3 is high\n");
	assert_string_equal(script_read(rig, b), "* line 3 is high\n");
	assert_string_equal(script_ask(rig, b, "say y\n"), "* y\nok\n");
	assert_string_equal(script_read(rig, a), "* y\n");
	/* A name from elsewhere cannot pretend to be two lines, nor tell a terminal what to do. */
	vu_script_say(rig->script, "port\nok");
	assert_string_equal(script_read(rig, a), "* port\\x0aok\n");
	close(a);
	assert_string_equal(script_ask(rig, b, "say z\n"), "* port\\x0aok\n* z\nok\n");
	close(b);
}

static void a_line_that_is_cut_is_not_run(void **state)
{
	struct script_rig *rig = *state;
	int a, b;

	script_serve(rig);
	a = script_connect(rig);
	b = script_connect(rig);
	script_write(a, "note a\nnote b");
	close(a);
	assert_string_equal(script_ask(rig, b, "note c\n"), "ok\n");
	assert_null(strchr(rig->ran, 'b'));
	assert_non_null(strstr(rig->ran, "a;"));
	assert_non_null(strstr(rig->ran, "c;"));
	close(b);
}

static void a_client_that_only_sends_gets_its_answers_and_the_end(void **state)
{
	struct script_rig *rig = *state;
	int fd;

	script_serve(rig);
	fd = script_connect(rig);
	script_write(fd, "repeat 2 x\nnote a");
	assert_return_code(shutdown(fd, SHUT_WR), errno);
	assert_true(script_is_closed(rig, fd));
	assert_string_equal(rig->text, "x\nx\nok\n");
	assert_string_equal(rig->ran, "");
	close(fd);
}

static void a_client_that_does_not_read_is_disconnected(void **state)
{
	struct script_rig *rig = *state;
	char line[1000];
	int slow, good;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	script_serve(rig);
	slow = script_connect(rig);
	good = script_connect(rig);
	assert_string_equal(script_ask(rig, slow, "note a\n"), "ok\n");
	/* Far more than its socket and we hold. */
	for (int i = 0; i < 2000 && !strstr(rig->log.text, "does not read"); i++) {
		vu_script_say(rig->script, line);
		assert_int_equal(strlen(script_read(rig, good)), 2 + sizeof(line));
	}
	assert_non_null(strstr(rig->log.text, "a client that does not read what it is told"));
	assert_true(script_is_closed(rig, slow));
	assert_string_equal(script_ask(rig, good, "note b\n"), "ok\n");
	close(slow);
	close(good);
}

/* Its answers alone don't end it: its next lines wait until it reads. */
static void a_client_may_send_much_before_it_reads(void **state)
{
	enum { LINES = 3000, ANSWER = 4003 };
	struct script_rig *rig = *state;
	int fd, sent = 0;
	ssize_t n;
	size_t got = 0;

	script_serve(rig);
	fd = script_connect(rig);
	assert_return_code(fcntl(fd, F_SETFL, O_NONBLOCK), errno);
	while (sent < LINES && write(fd, "repeat 400 abcdefghi\n", 21) == 21) {
		sent++;
		script_pass(rig);
	}
	assert_true(sent * ANSWER > 2 * KEPT);
	while ((n = read(fd, rig->text, sizeof(rig->text))) > 0) {
		got += (size_t)n;
		script_pass(rig);
	}
	assert_int_equal(got, sent * ANSWER);
	assert_string_equal(rig->log.text, "");
	close(fd);
}

static void a_huge_answer_ends_a_client_that_does_not_read_it(void **state)
{
	struct script_rig *rig = *state;
	int fd;

	script_serve(rig);
	fd = script_connect(rig);
	script_write(fd, "repeat 1M abcdefghi\nnote a\n");
	script_pass(rig);
	assert_true(script_is_closed(rig, fd));
	assert_string_equal(rig->ran, "");
	close(fd);
}

static void the_ninth_client_is_refused(void **state)
{
	struct script_rig *rig = *state;
	int fds[CLIENTS], ninth;

	script_serve(rig);
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = script_connect(rig);
	for (int i = 0; i < CLIENTS; i++)
		assert_string_equal(script_ask(rig, fds[i], "note a\n"), "ok\n");
	ninth = script_connect(rig);
	assert_true(script_is_closed(rig, ninth));
	assert_string_equal(rig->text, "error: there are too many clients\n");
	close(ninth);
	close(fds[0]);
	script_pass(rig);
	fds[0] = script_connect(rig);
	assert_string_equal(script_ask(rig, fds[0], "note a\n"), "ok\n");
	for (int i = 0; i < CLIENTS; i++)
		close(fds[i]);
}

/* The fds of this process run out, and come back. */
static void without_fds_clients_wait(void **state)
{
	struct script_rig *rig = *state;
	struct rlimit old, none = {0, 0};
	int fd;

	script_serve(rig);
	fd = script_connect(rig);
	script_write(fd, "note a\n");
	assert_return_code(getrlimit(RLIMIT_NOFILE, &old), errno);
	none.rlim_max = old.rlim_max;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
	script_pass(rig);
	script_pass(rig);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &old), errno);
	assert_string_equal(rig->log.text,
			    "script: client not accepted: Too many open files; trying again\n");
	while (!strlen(script_read(rig, fd)))
		poll(NULL, 0, 1);
	assert_string_equal(rig->text, "ok\n");
	close(fd);
}

static void a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	struct script_rig *rig = *state;
	int fd, live;

	close(socket_at(rig->path, SOCK_STREAM, 1));
	script_serve(rig);
	fd = script_connect(rig);
	assert_string_equal(script_ask(rig, fd, "note a\n"), "ok\n");
	close(fd);
	vu_script_free(rig->script);
	rig->script = NULL;
	assert_int_equal(access(rig->path, F_OK), -1);

	live = socket_at(rig->path, SOCK_STREAM, 1);
	assert_int_equal(serve_at(rig, rig->path, 0), -EADDRINUSE);
	assert_non_null(strstr(rig->log.text, "control: Address already in use\n"));
	close(live);
	unlink(rig->path);
	assert_return_code(mkdir(rig->path, 0700), errno);
	assert_int_equal(serve_at(rig, rig->path, 0), -EEXIST);
	rmdir(rig->path);
	assert_int_equal(serve_at(rig, "", 0), -EINVAL);
	memset(rig->text, 'x', 200);
	rig->text[200] = '\0';
	assert_int_equal(serve_at(rig, rig->text, 0), -ENAMETOOLONG);
	assert_null(rig->script);
}

static void other_devices_listen_at_a_numbered_path(void **state)
{
	struct script_rig *rig = *state;
	int fd;

	assert_int_equal(serve_at(rig, rig->path, 3), 0);
	strcat(rig->path, ".3");
	fd = script_connect(rig);
	assert_string_equal(script_ask(rig, fd, "note a\n"), "ok\n");
	close(fd);
}

/* --- standard input and output --- */

struct stdio {
	int old[2];
	int in, out; /* our ends; -1: files */
};

/* fd becomes n of 0 and 1; it is closed. */
static void replace(struct stdio *s, int n, int fd)
{
	fflush(NULL);
	s->old[n] = fcntl(n, F_DUPFD_CLOEXEC, 3);
	assert_return_code(dup2(fd, n), errno);
	close(fd);
}

static void restore(struct stdio *s)
{
	for (int n = 0; n < 2; n++) {
		assert_return_code(dup2(s->old[n], n), errno);
		close(s->old[n]);
	}
}

static int file_of(const char *text)
{
	int fd = memfd_create("stdin", MFD_CLOEXEC);

	script_write(fd, text);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void expect_text(int fd, const char *want)
{
	char text[256];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_string_equal(text, want);
}

static void standard_input_may_be_a_file(void **state)
{
	struct script_rig *rig = *state;
	int out = memfd_create("stdout", MFD_CLOEXEC), ret;
	struct stdio s;

	replace(&s, 0, file_of("note a\nrepeat 2 x\nnote b"));
	replace(&s, 1, dup(out));
	ret = serve_at(rig, "-", 0);
	if (!ret) {
		script_pass(rig);
		vu_script_say(rig->script,
			      "said"); /* the output is there when the input has ended */
	}
	restore(&s);
	assert_int_equal(ret, 0);
	assert_string_equal(rig->ran, "a;b;");
	expect_text(out, "ok\nx\nx\nok\nok\n* said\n");
	close(out);
}

static void standard_input_may_be_nothing(void **state)
{
	struct script_rig *rig = *state;
	struct stdio s;
	int ret;

	replace(&s, 0, open("/dev/null", O_RDONLY | O_CLOEXEC));
	replace(&s, 1, open("/dev/null", O_WRONLY | O_CLOEXEC));
	ret = serve_at(rig, "-", 0);
	script_pass(rig); /* and comes to an end */
	restore(&s);
	assert_int_equal(ret, 0);
	assert_string_equal(rig->ran, "");
}

static void standard_input_and_output_may_be_pipes(void **state)
{
	struct script_rig *rig = *state;
	int in[2], out[2], ret, flags;
	char line[1000];
	struct stdio s;

	assert_return_code(pipe2(in, O_CLOEXEC), errno);
	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	replace(&s, 0, in[0]);
	replace(&s, 1, out[1]);
	ret = serve_at(rig, "-", 0);
	flags = fcntl(0, F_GETFL) | fcntl(1, F_GETFL);
	script_ask(rig, in[1], "note a\nnote");
	script_write(in[1], " b");
	close(in[1]); /* the end of the line, too */
	script_pass(rig);
	/* The pipe fills, and nothing waits for it. */
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 100; i++)
		vu_script_say(rig->script, line);
	script_read(rig, out[0]);
	restore(&s);
	assert_int_equal(ret, 0);
	assert_false(flags & O_NONBLOCK); /* they may be others', too */
	assert_string_equal(rig->ran, "a;b;");
	assert_int_equal(strlen(rig->text), 6 + 100 * (2 + sizeof(line)));
	assert_string_equal(rig->log.text, "");
	close(out[0]);
}

static void a_closed_output_kills_nobody(void **state)
{
	struct script_rig *rig = *state;
	int out[2], ret;
	struct stdio s;

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	replace(&s, 0, open("/dev/null", O_RDONLY | O_CLOEXEC));
	replace(&s, 1, out[1]);
	close(out[0]);
	signal(SIGPIPE, SIG_DFL);
	ret = serve_at(rig, "-", 0);
	script_pass(rig);
	vu_script_say(rig->script, "x");
	vu_script_say(rig->script, "y");
	script_pass(rig);
	restore(&s);
	assert_int_equal(ret, 0);
	assert_string_equal(rig->log.text, "script: a client has gone before it was answered\n");
}

static void only_the_first_device_has_standard_input(void **state)
{
	struct script_rig *rig = *state;

	assert_int_equal(serve_at(rig, "-", 1), -EINVAL);
	assert_non_null(strstr(rig->log.text, "only one device can have standard input"));
}

/* The script goes with all that is going on. */
static void a_script_may_be_freed_at_any_moment(void **state)
{
	struct script_rig *rig = *state;
	char line[1000];
	int a, b, before, waiting = 0;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	script_serve(rig);
	a = script_connect(rig);
	b = script_connect(rig);
	script_write(a, "note half");
	script_pass(rig);
	do { /* until the socket takes no more, and it is kept */
		before = waiting;
		vu_script_say(rig->script, line);
		assert_return_code(ioctl(a, FIONREAD, &waiting), errno);
	} while (waiting > before);
	script_write(b, "note whole\n");
	vu_script_free(rig->script);
	rig->script = NULL;
	script_pass(rig);
	assert_string_equal(rig->ran, "");
	assert_true(script_is_closed(rig, a));
	close(a);
	close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_line_gets_its_answers_and_ok_or_an_error),
		TEST(help_lists_the_commands),
		TEST(lines_may_come_in_pieces_and_many_together),
		TEST(an_overlong_line_is_refused_and_the_next_one_is_not),
		TEST(what_is_said_goes_to_every_client_and_answers_to_one),
		TEST(a_line_that_is_cut_is_not_run),
		TEST(a_client_that_only_sends_gets_its_answers_and_the_end),
		TEST(a_client_that_does_not_read_is_disconnected),
		TEST(a_client_may_send_much_before_it_reads),
		TEST(a_huge_answer_ends_a_client_that_does_not_read_it),
		TEST(the_ninth_client_is_refused),
		TEST(without_fds_clients_wait),
		TEST(a_stale_socket_is_replaced_and_a_live_one_is_not),
		TEST(other_devices_listen_at_a_numbered_path),
		TEST(standard_input_may_be_a_file),
		TEST(standard_input_may_be_nothing),
		TEST(standard_input_and_output_may_be_pipes),
		TEST(a_closed_output_kills_nobody),
		TEST(only_the_first_device_has_standard_input),
		TEST(a_script_may_be_freed_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
