/* SPDX-License-Identifier: MIT */
/* The loop: see run.h.  Owns the listening sockets and the connections. */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stats.h"

enum { SECOND_MS = 1000, LINGER_MS = 1000, SHORT_MS = 20 };

static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};

static int run_open_gates(struct run *run)
{
	mode_t mask = umask(0);

	umask(mask);
	for (uint32_t i = 0; i < run->n_gates; i++) {
		struct gate *gate = &run->gates[i];

		gate->fd =
			socket_file_listen(&gate->file, gate->listen, 0777 & ~mask, (uint32_t)-1);
		if (gate->fd < 0) {
			fprintf(stderr, "vu-trace: cannot listen at %s: %s\n", gate->listen,
				strerror(-gate->fd));
			return gate->fd;
		}
	}
	return 0;
}

static void run_close_gates(struct run *run)
{
	for (uint32_t i = 0; i < run->n_gates; i++) {
		if (run->gates[i].fd < 0)
			continue;
		close(run->gates[i].fd);
		socket_file_remove(&run->gates[i].file);
		run->gates[i].fd = -1;
	}
}

/* Connections have a moment to end by themselves. */
static void run_quit(struct run *run)
{
	if (!run->quit)
		run->quit_at = trace_now();
	run->quit = true;
}

static void run_accept(struct run *run, struct gate *gate)
{
	int fd = accept4(gate->fd, NULL, NULL, SOCK_CLOEXEC);
	struct proxy *proxy;

	if (fd < 0) {
		/* Out of descriptors: later. */
		run->accept_at = trace_now() + SECOND_MS / 10 * UINT64_C(1000000);
		return;
	}
	proxy = proxy_new(&gate->config, run->report, ++run->n_sessions, fd);
	if (proxy)
		run->proxies[run->n_proxies++] = proxy;
}

static void run_gate_ready(void *opaque, int fd, short events)
{
	struct run *run = opaque;

	(void)events;
	for (uint32_t i = 0; i < run->n_gates && run->n_proxies < RUN_PROXIES; i++)
		if (run->gates[i].fd == fd)
			run_accept(run, &run->gates[i]);
}

static void run_signal(struct run *run, const struct signalfd_siginfo *info)
{
	int number = (int)info->ssi_signo;

	if (number == SIGCHLD)
		return;
	if (number == SIGUSR1 && (run->report->summary || !run->program)) {
		report_summary(run->report);
		return;
	}
	if (run->program && run->program->pid) {
		/* A terminal sends to both of us. */
		if (info->ssi_code != SI_KERNEL)
			kill(run->program->pid, number);
		return;
	}
	if (number != SIGUSR2)
		run_quit(run);
}

static void run_signals_ready(void *opaque, int fd, short events)
{
	struct run *run = opaque;
	struct signalfd_siginfo info;

	(void)events;
	while (read(fd, &info, sizeof(info)) == sizeof(info))
		run_signal(run, &info);
	if (run->program && program_ended(run->program))
		run_quit(run);
}

static void run_live(struct run *run)
{
	uint64_t since = (trace_now() - run->report->stats->live_at) / 1000000;

	if (!run->live)
		return;
	if (since >= SECOND_MS) {
		stats_live(run->report->stats, stderr);
		since = 0;
	}
	poller_in(&run->poller, (int)(SECOND_MS - since));
}

static void run_poll_gates(struct run *run)
{
	if (trace_now() < run->accept_at) {
		poller_in(&run->poller, SECOND_MS / 10);
		return;
	}
	for (uint32_t i = 0; i < run->n_gates && run->n_proxies < RUN_PROXIES; i++)
		if (run->gates[i].fd >= 0)
			poller_add(&run->poller, run->gates[i].fd, POLLIN, run_gate_ready, run);
}

static void run_wait(struct run *run)
{
	struct poller *p = &run->poller;

	poller_reset(p);
	poller_add(p, run->signals, POLLIN, run_signals_ready, run);
	run_poll_gates(run);
	for (uint32_t i = 0; i < run->n_proxies; i++)
		proxy_poll(run->proxies[i], p);
	run_live(run);
	if (run->quit)
		poller_in(p, SHORT_MS);
	poller_wait(p);
}

static void run_tick(struct run *run)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < run->n_proxies; i++) {
		struct proxy *proxy = run->proxies[i];

		proxy_tick(proxy);
		if (proxy->ended)
			proxy_free(proxy);
		else
			run->proxies[kept++] = proxy;
	}
	run->n_proxies = kept;
}

/* A program that ended has closed its sockets: what it sent has to arrive. */
static bool run_is_over(const struct run *run)
{
	if (!run->quit)
		return false;
	return !run->program || !run->n_proxies ||
	       trace_now() - run->quit_at > LINGER_MS * UINT64_C(1000000);
}

/* Each connection holds some, and what passes may hold many. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int run_start(struct run *run)
{
	sigset_t set, before;
	int ret;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, &before);
	signal(SIGPIPE, SIG_IGN);
	run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->signals < 0)
		return -errno;
	ret = run_open_gates(run);
	if (ret == 0 && run->program) {
		ret = program_start(run->program, &before);
		if (ret < 0)
			fprintf(stderr, "vu-trace: cannot run %s: %s\n", run->program->argv[0],
				strerror(-ret));
	}
	/* The program keeps its own limits. */
	raise_limit();
	return ret;
}

int run(struct run *run)
{
	int ret;

	for (uint32_t i = 0; i < run->n_gates; i++)
		run->gates[i].fd = -1;
	ret = run_start(run);
	while (ret == 0 && !run_is_over(run)) {
		run_wait(run);
		run_tick(run);
		report_flush(run->report);
	}
	run_close_gates(run);
	for (uint32_t i = 0; i < run->n_proxies; i++)
		proxy_free(run->proxies[i]);
	poller_fini(&run->poller);
	if (ret == 0 && run->report->summary)
		report_summary(run->report);
	report_flush(run->report);
	return ret;
}
