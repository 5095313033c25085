/* SPDX-License-Identifier: MIT */
/*
 * stdio: standard input and output of the program.
 *
 * A terminal is made raw until the end, so that the guest gets every key but Ctrl-], which sends
 * SIGINT to the program; and the guest's console has the terminal's size, also when that changes.
 */
#include "console_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { STDIO_QUIT_KEY = 0x1d /* Ctrl-] */ };

struct stdio {
	bool is_terminal;
	struct termios before;
	int flags[2]; /* of fds 0 and 1, to be put back; -1: not changed */
	int winch;    /* signalfd, -1 */
	sigset_t mask;
	struct vu_source *resized;
};

/*
 * The fd must not block, but O_NONBLOCK belongs to the open file, which others share: so it is
 * opened once more where that is possible.
 */
static int stdio_fd(struct stdio *stdio, int fd)
{
	struct stat st;
	char path[32];
	int again;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode)) /* shares its position, too */
		goto dup;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, (fd ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (again >= 0)
		return again;
	stdio->flags[fd] = fcntl(fd, F_GETFL);
	if (stdio->flags[fd] < 0 || fcntl(fd, F_SETFL, stdio->flags[fd] | O_NONBLOCK) < 0)
		return -errno;
dup:
	again = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return again < 0 ? -errno : again;
}

static void stdio_measure(struct backend *b)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	b->cols = size.ws_col;
	b->rows = size.ws_row;
}

static void stdio_on_resize(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct backend *b = opaque;
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) > 0)
		;
	stdio_measure(b);
	b->changed(b->opaque);
}

static int stdio_take_terminal(struct backend *b, struct stdio *stdio)
{
	struct termios raw;
	sigset_t winch;

	if (tcgetattr(STDIN_FILENO, &stdio->before) < 0)
		return 0; /* none */
	raw = stdio->before;
	cfmakeraw(&raw);
	raw.c_lflag |= ISIG;
	for (int i = 0; i < NCCS; i++)
		raw.c_cc[i] = _POSIX_VDISABLE;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	raw.c_cc[VINTR] = STDIO_QUIT_KEY;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return -errno;
	stdio->is_terminal = true;
	fprintf(stderr, "vu-console: Ctrl-] ends the program\r\n");
	stdio_measure(b);
	sigemptyset(&winch);
	sigaddset(&winch, SIGWINCH);
	sigprocmask(SIG_BLOCK, &winch, &stdio->mask);
	stdio->winch = signalfd(-1, &winch, SFD_CLOEXEC | SFD_NONBLOCK);
	if (stdio->winch < 0)
		return -errno;
	return vu_group_add_fd(b->group, stdio->winch, EPOLLIN, stdio_on_resize, b,
			       &stdio->resized);
}

static int stdio_open(struct backend *b)
{
	struct stdio *stdio = calloc(1, sizeof(*stdio));

	if (!stdio)
		return -ENOMEM;
	b->state = stdio;
	stdio->flags[0] = stdio->flags[1] = -1;
	stdio->winch = -1;
	if (b->index) /* there is one only */
		return -EBUSY;
	b->fd_in = stdio_fd(stdio, STDIN_FILENO);
	if (b->fd_in < 0)
		return b->fd_in;
	b->fd_out = stdio_fd(stdio, STDOUT_FILENO);
	if (b->fd_out < 0)
		return b->fd_out;
	b->connected = true;
	return backend_watch(b) ? -EIO : stdio_take_terminal(b, stdio);
}

static void stdio_close(struct backend *b)
{
	struct stdio *stdio = b->state;

	if (!stdio)
		return;
	vu_source_remove(stdio->resized);
	if (stdio->winch >= 0)
		close(stdio->winch);
	if (stdio->is_terminal) {
		tcsetattr(STDIN_FILENO, TCSANOW, &stdio->before);
		sigprocmask(SIG_SETMASK, &stdio->mask, NULL);
	}
	for (int fd = 0; fd < 2; fd++)
		if (stdio->flags[fd] >= 0)
			fcntl(fd, F_SETFL, stdio->flags[fd]);
	if (b->fd_in >= 0)
		close(b->fd_in);
	if (b->fd_out >= 0)
		close(b->fd_out);
	free(stdio);
}

const struct backend_kind backend_stdio = {
	.name = "stdio",
	.argument = BACKEND_NO_ARGUMENT,
	.open = stdio_open,
	.close = stdio_close,
};
