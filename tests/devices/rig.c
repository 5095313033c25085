/* SPDX-License-Identifier: MIT */
/* See rig.h. */
#include "rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { RIG_SETTLE = 3 * 64, RIG_INDIRECT = 128 };

int rig_open(struct rig *rig, const char *where)
{
	if (folder_new(rig->dir, where, "vu-device"))
		return -1;
	snprintf(rig->socket, sizeof(rig->socket), "%s/sock", rig->dir);
	snprintf(rig->control, sizeof(rig->control), "%s/control", rig->dir);
	rig->config.n_queues = 1;
	rig->answers.fd = rig->events.fd = -1;
	return 0;
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	*state = rig;
	return rig_open(rig, "/tmp");
}

static void rig_lines_close(struct rig_lines *lines)
{
	if (lines->fd >= 0)
		close(lines->fd);
	lines->fd = -1;
	lines->len = 0;
}

int rig_close(struct rig *rig)
{
	rig_lines_close(&rig->answers);
	rig_lines_close(&rig->events);
	peer_free(rig->peer);
	if (rig->program.pid > 0) { /* the test failed */
		kill(rig->program.pid, SIGKILL);
		spawn_wait(&rig->program);
		fputs(rig->program.err, stderr); /* print_error() cuts it */
		unlink(rig->socket);
		unlink(rig->control);
	}
	if (rig->program.err)
		spawn_free(&rig->program);
	for (uint32_t i = 0; i < rig->n_files; i++)
		unlink(rig->files[i]);
	return folder_remove(rig->dir);
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;
	int ret = rig_close(rig);

	free(rig);
	return ret;
}

const char *rig_file(struct rig *rig, const char *name, const char *text)
{
	char *path;
	int fd;

	assert_true(rig->n_files < RIG_MAX_FILES);
	path = rig->files[rig->n_files++];
	assert_true(strlen(rig->dir) + strlen(name) + 2 <= RIG_PATH);
	stpcpy(stpcpy(stpcpy(path, rig->dir), "/"), name);
	if (!text)
		return path;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

/* --- the program and its driver --- */

static int rig_connect_control(const struct rig *rig)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->control);
	assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

static uint32_t rig_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)now.tv_sec;
}

/*
 * At its end the address sanitizer looks for leaks, with calls and in files that no sandbox leaves.
 * So its builds are tested without one; only where ASAN_OPTIONS says not to look for leaks, as what
 * tests the sandbox does, there is one.  Nor could a program write down which lines it ran.
 */
const char *rig_sandbox(void)
{
#if defined(VU_COVERAGE)
	return "--sandbox=none";
#elif defined(__SANITIZE_ADDRESS__)
	const char *options = getenv("ASAN_OPTIONS");

	if (!options || !strstr(options, "detect_leaks=0"))
		return "--sandbox=none";
#endif
	return NULL;
}

/* How many of the arguments say which sandbox it is to have. */
static int rig_count_sandbox(const char *const *args)
{
	if (strncmp(args[0], "--sandbox", strlen("--sandbox")))
		return 0;
	return strcmp(args[0], "--sandbox") || !args[1] ? 1 : 2;
}

void rig_spawn(struct rig *rig, const char *const *args)
{
	const char *argv[RIG_MAX_ARGS + 5] = {getenv(rig_program), "--socket-path", rig->socket};
	const char *none = rig->has_sandbox ? rig_sandbox() : NULL;
	int n = 3;

	while (args && *args) {
		int skipped = none ? rig_count_sandbox(args) : 0;

		assert_true(n < RIG_MAX_ARGS + 3);
		if (!skipped)
			argv[n++] = *args;
		args += skipped ? skipped : 1;
	}
	argv[n] = none;
	if (rig->program.err) /* of the one before */
		spawn_free(&rig->program);
	rig->started = rig_seconds();
	spawn_start(&rig->program, argv, rig->setup);
	spawn_wait_up(&rig->program, rig->socket);
	if (access(rig->control, F_OK) == 0) {
		rig->answers.fd = rig_connect_control(rig);
		rig->events.fd = rig_connect_control(rig);
		/* An answer says that it was accepted: what comes is heard. */
		rig_say(rig, "help");
	}
}

void rig_check(struct rig *rig, int ret)
{
	if (ret < 0)
		fail_msg("%s: %s", strerror(-ret), rig->peer->frontend.error);
}

void rig_expect_refused(struct rig *rig, const char *const *options, size_t n, const char *words)
{
	const char *argv[] = {getenv(rig_program), "--socket-path", rig->socket, NULL, NULL};

	for (size_t i = 0; i < n; i++) {
		argv[3] = options[i];
		spawn_expect(argv, 1, "", words);
	}
}

void rig_connect(struct rig *rig)
{
	if (!rig->config.max_indirect)
		rig->config.max_indirect = RIG_INDIRECT;
	peer_free(rig->peer);
	rig->peer = NULL;
	assert_int_equal(peer_new(&rig->config, &rig->peer), 0);
	rig_check(rig, peer_connect(rig->peer, rig->socket));
	rig_check(rig, peer_start(rig->peer));
}

void rig_start(struct rig *rig, const char *const *args)
{
	rig_spawn(rig, args);
	rig_connect(rig);
}

void rig_stop(struct rig *rig)
{
	if (rig->peer)
		peer_disconnect(rig->peer);
	spawn_stop(&rig->program);
	rig->program.pid = 0;
	rig_lines_close(&rig->answers);
	rig_lines_close(&rig->events);
	if (rig->program.status || strstr(rig->program.err, "sandbox: the system call"))
		fputs(rig->program.err, stderr); /* print_error() cuts it */
	assert_int_equal(rig->program.status, 0);
	/* No device needs what its sandbox refuses (common/sandbox_notice.c). */
	assert_null(strstr(rig->program.err, "sandbox: the system call"));
}

uint32_t rig_logged(const struct rig *rig, const char *words)
{
	uint32_t n = 0;

	for (const char *at = rig->program.err; (at = strstr(at, words)); at += strlen(words))
		n++;
	return n;
}

uint32_t rig_log_limit(const struct rig *rig)
{
	return RIG_LOG_BURST + rig_seconds() - rig->started + 1;
}

void rig_get_config(struct rig *rig, uint32_t offset, void *data, uint32_t len)
{
	rig_check(rig, frontend_get_config(&rig->peer->frontend, offset, data, len));
}

void rig_set_config(struct rig *rig, uint32_t offset, const void *data, uint32_t len)
{
	rig_check(rig, frontend_set_config(&rig->peer->frontend, offset, data, len, 0));
}

/* --- requests --- */

void rig_buffer(struct rig *rig, struct rig_buffer *buffer, uint32_t len)
{
	buffer->len = len;
	buffer->gpa = guest_alloc(rig->peer->guest, len, 16);
	assert_true(buffer->gpa != GUEST_NONE);
	buffer->data = guest_ptr(rig->peer->guest, buffer->gpa, len);
	assert_non_null(buffer->data);
	memset(buffer->data, RIG_UNTOUCHED, len);
}

struct driver_seg rig_read_seg(const struct rig_buffer *buffer, uint32_t len)
{
	return (struct driver_seg){.gpa = buffer->gpa, .len = len};
}

struct driver_seg rig_write_seg(const struct rig_buffer *buffer, uint32_t len)
{
	return (struct driver_seg){.gpa = buffer->gpa, .len = len, .write = true};
}

void rig_offer(struct rig *rig, uint32_t queue, const struct driver_seg *segs, uint32_t n,
	       void *cookie)
{
	rig_check(rig, driver_add(rig->peer->queues[queue], segs, n, cookie));
	rig_check(rig, driver_kick(rig->peer->queues[queue]));
}

void *rig_wait(struct rig *rig, uint32_t queue, uint32_t *len)
{
	struct driver_used used = {0};

	rig_check(rig, peer_wait_used(rig->peer, queue, &used));
	if (len)
		*len = used.len;
	return used.cookie;
}

/*
 * A device on one thread looks for kicks in each pass, before or after it reads messages, of which
 * it reads up to 64 in a pass if they come fast enough.  So what was kicked before the first of
 * these has been served before the last is answered.
 */
static void rig_settle(struct rig *rig)
{
	uint64_t features;

	for (int i = 0; i < RIG_SETTLE; i++)
		rig_check(rig, frontend_get_features(&rig->peer->frontend, &features));
}

void rig_expect_nothing(struct rig *rig, uint32_t queue)
{
	rig_settle(rig);
	assert_false(driver_has_used(rig->peer->queues[queue]));
}

uint32_t rig_do(struct rig *rig, uint32_t queue, const struct driver_seg *segs, uint32_t n)
{
	uint32_t len;

	rig_offer(rig, queue, segs, n, rig);
	assert_ptr_equal(rig_wait(rig, queue, &len), rig);
	return len;
}

uint32_t rig_ask(struct rig *rig, uint32_t queue, const void *out, uint32_t out_len, void *in,
		 uint32_t in_len)
{
	struct driver_seg segs[2];
	struct rig_buffer readable, writable;
	uint32_t n = 0, used;

	if (out_len) {
		rig_buffer(rig, &readable, out_len);
		memcpy(readable.data, out, out_len);
		segs[n++] = rig_read_seg(&readable, out_len);
	}
	if (in_len) {
		rig_buffer(rig, &writable, in_len);
		segs[n++] = rig_write_seg(&writable, in_len);
	}
	used = rig_do(rig, queue, segs, n);
	assert_true(used <= in_len);
	if (in_len)
		memcpy(in, writable.data, in_len);
	return used;
}

/* --- the control socket --- */

/* The next line, into rig->line. */
static const char *rig_read_line(struct rig *rig, struct rig_lines *lines)
{
	struct pollfd pfd = {.fd = lines->fd, .events = POLLIN};
	uint32_t len;
	char *end;

	assert_true(lines->fd >= 0); /* was the program started with --control and rig->control? */
	while (!(end = memchr(lines->held, '\n', lines->len))) {
		ssize_t n;

		assert_true(lines->len < sizeof(lines->held));
		if (poll(&pfd, 1, HANG_MS) != 1)
			fail_msg("no line from the control socket");
		n = recv(lines->fd, lines->held + lines->len, sizeof(lines->held) - lines->len, 0);
		if (n <= 0)
			fail_msg("the control socket was closed");
		lines->len += (uint32_t)n;
	}
	len = (uint32_t)(end - lines->held);
	assert_true(len < sizeof(rig->line));
	memcpy(rig->line, lines->held, len);
	rig->line[len] = '\0';
	lines->len -= len + 1;
	memmove(lines->held, end + 1, lines->len);
	return rig->line;
}

static void rig_send_line(struct rig *rig, const char *line)
{
	char text[4200];
	int n = snprintf(text, sizeof(text), "%s\n", line);

	assert_true(rig->answers.fd >= 0 && n < (int)sizeof(text));
	assert_int_equal(send(rig->answers.fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

static bool rig_is_event(const char *line)
{
	return !strncmp(line, "* ", 2);
}

/* What was answered, into rig->answer; true: "ok" was behind it, else the error is in rig->line. */
static bool rig_read_answer(struct rig *rig)
{
	size_t len = 0;

	rig->answer[0] = '\0';
	for (;;) {
		const char *line = rig_read_line(rig, &rig->answers);

		if (rig_is_event(line)) /* rig_hear() has it, too */
			continue;
		if (!strcmp(line, "ok"))
			return true;
		if (!strncmp(line, "error: ", 7))
			return false;
		assert_true(len + strlen(line) + 2 < sizeof(rig->answer));
		len += (size_t)sprintf(rig->answer + len, "%s%s", len ? "\n" : "", line);
	}
}

const char *rig_say(struct rig *rig, const char *line)
{
	rig_send_line(rig, line);
	if (!rig_read_answer(rig))
		fail_msg("'%s': %s", line, rig->line);
	return rig->answer;
}

const char *rig_say_refused(struct rig *rig, const char *line)
{
	rig_send_line(rig, line);
	if (rig_read_answer(rig))
		fail_msg("'%s' was not refused: %s", line, rig->answer);
	return rig->line + strlen("error: ");
}

const char *rig_hear(struct rig *rig)
{
	const char *line = rig_read_line(rig, &rig->events);

	assert_true(rig_is_event(line));
	return line + 2;
}
