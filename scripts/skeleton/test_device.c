/* SPDX-License-Identifier: MIT */
/*
 * vu-@NAME@'s first tests: test_@WORD@ PROGRAM
 *
 * The driver is libvu-testing's, on split rings and on packed ones; <libvu-testing/testing.h> says
 * what else it can do.  Everyone's tests hold for any device: they stay.  The template's go when
 * the device does something else.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libvu-testing/testing.h>

enum { TIMES = 600, TEXT = 256, ROOM = 4096, PROTOCOL_CONFIG = 9 };

static struct {
	const char *program, *name;
	char folder[64], socket[80], control[80];
	pid_t pid;
	struct vut_peer *peer;
	bool packed;
} test;

static void clear(void)
{
	if (test.pid > 0) {
		kill(test.pid, SIGKILL);
		waitpid(test.pid, NULL, 0);
	}
	vut_peer_free(test.peer);
	unlink(test.socket);
	unlink(test.control);
	rmdir(test.folder);
	test.pid = 0;
	test.peer = NULL;
}

__attribute__((format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list args;

	printf("%s, %s rings: ", test.name, test.packed ? "packed" : "split");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	clear();
	exit(1);
}

/* What a function of libvu-testing returned. */
static int good(int ret)
{
	if (ret < 0)
		fail("%s", vut_error(test.peer));
	return ret;
}

static void is(long got, long wanted, const char *what)
{
	if (got != wanted)
		fail("%s: %ld, not %ld", what, got, wanted);
}

/* --- the program, and a driver of it --- */

static void start_program(bool has_control)
{
	char socket[TEXT + 16], control[TEXT + 16];

	snprintf(socket, sizeof(socket), "--socket-path=%s", test.socket);
	snprintf(control, sizeof(control), "--control=%s", test.control);
	test.pid = fork();
	if (test.pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl(test.program, test.program, socket, has_control ? control : NULL, NULL);
	_exit(127);
}

static void begin(const char *name, bool has_control)
{
	const struct vut_options options = {.all_queues = true, .packed = test.packed};

	test.name = name;
	strcpy(test.folder, "/tmp/vu-test.XXXXXX");
	if (!mkdtemp(test.folder))
		fail("%s: %s", test.folder, strerror(errno));
	snprintf(test.socket, sizeof(test.socket), "%s/s", test.folder);
	snprintf(test.control, sizeof(test.control), "%s/c", test.folder);
	start_program(has_control);
	is(vut_peer_new(&options, &test.peer), 0, "a peer");
	good(vut_connect(test.peer, test.socket));
	good(vut_start(test.peer));
}

/* Offered and not waited for. */
static void offer(uint32_t queue, const char *text, uint32_t readable, uint32_t writable)
{
	struct vut_buffer buffers[2];
	uint64_t at = vut_alloc(test.peer, 2 * ROOM, ROOM);
	uint32_t n = 0;

	if (at == VUT_NOWHERE)
		fail("the guest has no memory left");
	memcpy(vut_at(test.peer, at, ROOM), text, strlen(text));
	if (readable)
		buffers[n++] = (struct vut_buffer){at, readable, false};
	if (writable)
		buffers[n++] = (struct vut_buffer){at + ROOM, writable, true};
	good(vut_add(test.peer, queue, buffers, n, NULL));
	good(vut_kick(test.peer, queue));
}

/* SIGTERM: it ends well, and leaves nothing. */
static void end(void)
{
	int status;

	kill(test.pid, SIGTERM);
	is(waitpid(test.pid, &status, 0), test.pid, "its process");
	test.pid = 0;
	is(status, 0, "its status");
	is(access(test.socket, F_OK), -1, "its socket is still there");
	clear();
}

/* --- everyone's --- */

static void a_driver_starts_all_queues_and_reads_the_configuration_space(void)
{
	static const uint32_t sizes[] = {1, 4, 256};
	unsigned char bytes[256];

	begin(__func__, false);
	if (!vut_n_queues(test.peer))
		fail("it has no queue");
	for (int i = 0; i < 3 && vut_protocol_features(test.peer) >> PROTOCOL_CONFIG & 1; i++) {
		int ret = vut_get_config(test.peer, 0, bytes, sizes[i]);

		if (ret && ret != -EREMOTEIO) /* the space does not reach so far */
			fail("%s", vut_error(test.peer));
	}
	end();
}

static void requests_without_a_meaning_do_it_no_harm(void)
{
	begin(__func__, false);
	for (uint32_t q = 0; q < vut_n_queues(test.peer); q++) {
		offer(q, "?", 1, 0);
		offer(q, "", 0, 1);
		offer(q, "??????????", ROOM, ROOM);
		offer(q, "", 16, 1);
	}
	good(vut_stop(test.peer));
	end();
}

static void it_serves_one_driver_after_the_other(void)
{
	uint32_t n;

	begin(__func__, false);
	n = vut_n_queues(test.peer);
	offer(0, "", 16, 16);
	vut_disconnect(test.peer);
	vut_forget(test.peer);
	good(vut_connect(test.peer, test.socket));
	good(vut_start(test.peer));
	is(vut_backend_queues(test.peer), n, "queues for the second driver");
	end();
}

static void it_ends_in_peace_while_a_driver_waits(void)
{
	begin(__func__, false);
	offer(0, "", 16, 16);
	end();
}

/* --- the template's --- */

/* Is it still that?  Then its help says so. */
static bool is_the_template(void)
{
	static const char words[] = "pages to be given";
	FILE *file = fopen(test.program, "rb");
	size_t same = 0;
	int c;

	while (file && same < sizeof(words) - 1 && (c = getc(file)) != EOF)
		same = c == words[same] ? same + 1 : c == words[0];
	if (file)
		fclose(file);
	return same == sizeof(words) - 1;
}

/* A line on the control socket, and the line with which it is answered. */
static void say(const char *line, const char *wanted)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char got[TEXT] = "", next[TEXT];
	FILE *lines = fdopen(fd, "r");

	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", test.control);
	if (!lines || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("%s: %s", test.control, strerror(errno));
	dprintf(fd, "%s\n", line);
	/* An answer ends with ok; lines with a star are what the device says by itself. */
	while (fgets(next, sizeof(next), lines) && strcmp(next, "ok\n")) {
		if (!strncmp(next, "error:", 6))
			fail("%s: %s", line, next);
		if (next[0] != '*')
			memcpy(got, next, sizeof(got));
	}
	fclose(lines);
	got[strcspn(got, "\n")] = 0;
	if (strcmp(got, wanted))
		fail("%s: it answers \"%s\", not \"%s\"", line, got, wanted);
}

static void config_is(uint32_t target, uint32_t actual)
{
	unsigned char got[8];

	good(vut_get_config(test.peer, 0, got, sizeof(got)));
	is(got[0] | got[1] << 8, target, "target");
	is(got[4] | got[5] << 8, actual, "actual");
}

static void a_target_reaches_the_driver(void)
{
	begin(__func__, true);
	config_is(0, 0);
	say("target 5", "target 5 actual 0 given 0 taken 0");
	good(vut_wait_config_change(test.peer));
	config_is(5, 0);
	end();
}

static void what_the_driver_writes_reaches_the_device(void)
{
	static const unsigned char three[4] = {3};

	begin(__func__, true);
	good(vut_set_config(test.peer, 4, three, sizeof(three)));
	config_is(0, 3);
	say("target", "target 0 actual 3 given 0 taken 0");
	end();
}

static void requests_of_both_queues_are_completed(void)
{
	static const unsigned char pages[8];
	char wanted[TEXT];

	begin(__func__, true);
	for (int i = 0; i < TIMES; i++)
		is(good(vut_request(test.peer, 0, pages, 8, NULL, 0)), 0, "bytes written");
	is(good(vut_request(test.peer, 1, pages, 4, NULL, 0)), 0, "bytes written");
	snprintf(wanted, sizeof(wanted), "target 0 actual 0 given %d taken 1", 2 * TIMES);
	say("target", wanted);
	end();
}

static void a_malformed_request_is_answered_and_not_counted(void)
{
	begin(__func__, true);
	is(good(vut_request(test.peer, 0, "abc", 3, NULL, 0)), 0, "bytes written");
	say("target", "target 0 actual 0 given 0 taken 0");
	end();
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s PROGRAM\n", argv[0]);
		return 2;
	}
	test.program = argv[1];
	for (int packed = 0; packed < 2; packed++) {
		test.packed = packed;
		a_driver_starts_all_queues_and_reads_the_configuration_space();
		requests_without_a_meaning_do_it_no_harm();
		it_serves_one_driver_after_the_other();
		it_ends_in_peace_while_a_driver_waits();
		if (!is_the_template())
			continue; /* tests of its own belong here */
		a_target_reaches_the_driver();
		what_the_driver_writes_reaches_the_device();
		requests_of_both_queues_are_completed();
		a_malformed_request_is_answered_and_not_counted();
	}
	printf("all is well\n");
	return 0;
}
