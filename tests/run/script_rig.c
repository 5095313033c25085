/* SPDX-License-Identifier: MIT */
/* See script_rig.h. */
#include "script_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "kit/folder.h"
#include "sockets.h"

/* note WORDS... */
static int note(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct script_rig *rig = opaque;

	(void)script;
	for (uint32_t i = 0; i < n; i++)
		snprintf(rig->ran + strlen(rig->ran), sizeof(rig->ran) - strlen(rig->ran), "%s%s",
			 words[i], i + 1 < n ? "," : ";");
	return 0;
}

/* repeat N TEXT: N answers */
static int repeat(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	uint64_t times;
	int ret = vu_number_parse(words[0], 0, 1 << 20, &times);

	(void)n;
	(void)opaque;
	for (uint64_t i = 0; !ret && i < times; i++)
		vu_script_answer(script, words[1]);
	return ret;
}

/* say TEXT: to all */
static int say(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	(void)n;
	(void)opaque;
	vu_script_say(script, words[0]);
	return 0;
}

/* fail [REASON] */
static int fail_so(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	(void)opaque;
	return n ? vu_script_fail(script, words[0]) : -ENODEV;
}

static const struct vu_command commands[] = {
	{"note", "WORD...", "remember words", 1, 63, note},
	{"repeat", "N TEXT", "answer N times", 2, 2, repeat},
	{"say", "TEXT", "tell all", 1, 1, say},
	{"fail", "[REASON]", NULL, 0, 1, fail_so},
	{"line:", "TEXT", "remember a line", 1, VU_COMMAND_LINE, note},
	{"nothing", NULL, "takes nothing", 0, 0, note},
	{NULL, NULL, NULL, 0, 0, NULL},
};

int script_setup(void **state)
{
	struct script_rig *rig = calloc(1, sizeof(*rig));
	const struct vu_device_info info = {.size = sizeof(info),
					    .device_id = 4,
					    .n_queues = 1,
					    .log_fn = log_book_write,
					    .log_opaque = &rig->log};

	log_book_open(&rig->log);
	folder_make(rig->dir, "vu-script");
	snprintf(rig->path, sizeof(rig->path), "%s/control", rig->dir);
	rig->fds = count_fds();
	assert_int_equal(vu_device_new(&info, NULL, NULL, &rig->dev), 0);
	rig->info = (struct vu_script_info){.size = sizeof(rig->info),
					    .commands = commands,
					    .command_size = sizeof(commands[0]),
					    .opaque = rig,
					    .log_level = VU_LOG_INFO,
					    .log_fn = log_book_write,
					    .log_opaque = &rig->log};
	*state = rig;
	return 0;
}

int script_teardown(void **state)
{
	struct script_rig *rig = *state;
	int fds;
	int ret;

	vu_script_free(rig->script);
	vu_device_free(rig->dev);
	fds = count_fds();
	if (fds != rig->fds)
		print_error("%d fds were open, now %d\n", rig->fds, fds);
	ret = folder_remove(rig->dir);
	ret |= fds != rig->fds;
	free(rig);
	return ret;
}

void script_serve(struct script_rig *rig)
{
	assert_int_equal(
		vu_script_serve(vu_device_group(rig->dev), &rig->info, rig->path, 0, &rig->script),
		0);
}

void script_pass(struct script_rig *rig)
{
	struct pollfd pfd = {.fd = vu_device_fd(rig->dev), .events = POLLIN};

	do
		while (vu_device_process(rig->dev) > 0)
			;
	while (poll(&pfd, 1, 0) > 0);
}

int script_connect(const struct script_rig *rig)
{
	return connect_to(rig->path);
}

void script_write(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

const char *script_read(struct script_rig *rig, int fd)
{
	size_t len = 0;
	int waiting;

	for (;;) {
		ssize_t n;

		script_pass(rig);
		assert_return_code(ioctl(fd, FIONREAD, &waiting), errno);
		if (!waiting)
			break;
		n = read(fd, rig->text + len, sizeof(rig->text) - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	rig->text[len] = '\0';
	return rig->text;
}

const char *script_ask(struct script_rig *rig, int fd, const char *text)
{
	script_write(fd, text);
	return script_read(rig, fd);
}

bool script_is_closed(struct script_rig *rig, int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char byte;

	script_read(rig, fd);
	return poll(&pfd, 1, 0) == 1 && read(fd, &byte, 1) <= 0;
}
