/* SPDX-License-Identifier: MIT */
/*
 * Signals of a program.  They are blocked and read from a signalfd, so that they are events of the
 * loop like any other; threads started later inherit the mask.
 * Thread: main, before others are started.
 */
#include "run/signals.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int signals_on_ready(struct watch *watch, uint32_t events)
{
	struct signals *s = (struct signals *)((char *)watch - offsetof(struct signals, watch));
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR1)
		s->request((int)info.ssi_signo, s->opaque);
	else
		vu_runner_stop(s->runner);
	return 0;
}

/* What would end the process with its socket files left behind; who handles it, keeps it. */
static bool signals_would_kill(int signal_number)
{
	struct sigaction now;

	return !sigaction(signal_number, NULL, &now) && now.sa_handler == SIG_DFL;
}

int signals_enter(struct signals *s, struct vu_runner *runner, signals_fn *request, void *opaque)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t ours;
	int ret;

	s->runner = runner;
	s->request = request;
	s->opaque = opaque;
	watch_init(&s->watch, signals_on_ready);
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGUSR1);
	if (signals_would_kill(SIGQUIT))
		sigaddset(&ours, SIGQUIT);
	if (signals_would_kill(SIGUSR2))
		sigaddset(&ours, SIGUSR2);
	ret = pthread_sigmask(SIG_BLOCK, &ours, &s->old_mask);
	if (ret)
		return -ret;
	s->fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	ret = s->fd < 0 ? -errno : loop_watch(&runner->loop, &s->watch, s->fd);
	if (ret) {
		if (s->fd >= 0)
			close(s->fd);
		pthread_sigmask(SIG_SETMASK, &s->old_mask, NULL);
		return ret;
	}
	/* Whoever read our log may be gone: that is no reason to take the guest's device away. */
	sigaction(SIGPIPE, &ignore, &s->old_pipe);
	/* A file that is as long as it may be is an error of a write (EFBIG). */
	sigaction(SIGXFSZ, &ignore, &s->old_xfsz);
	return 0;
}

void signals_leave(struct signals *s)
{
	struct signalfd_siginfo info;

	/* What came while we were ending has been obeyed. */
	while (read(s->fd, &info, sizeof(info)) == sizeof(info))
		continue;
	close(s->fd);
	sigaction(SIGXFSZ, &s->old_xfsz, NULL);
	sigaction(SIGPIPE, &s->old_pipe, NULL);
	pthread_sigmask(SIG_SETMASK, &s->old_mask, NULL);
}
