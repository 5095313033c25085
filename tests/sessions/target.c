/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/peer.h"
#include "kit/child.h"

/* Sanitizers and valgrind on a busy machine are slow; only what hangs takes that long. */
enum { STEP_MS = 2, LOG_TAIL = 4000, ARGUMENTS = 30, DISK_BYTES = 16 << 20 };

__attribute__((format(printf, 2, 3))) static int target_fail(struct target *t, const char *format,
							     ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(t->fault, sizeof(t->fault), format, args);
	va_end(args);
	return -1;
}

/* Does it live?  Its status goes into the fault. */
static int target_lives(struct target *t)
{
	int status;

	if (waitpid(t->pid, &status, WNOHANG) != t->pid)
		return 0;
	t->pid = -1;
	if (WIFSIGNALED(status))
		return target_fail(t, "the program died of signal %d", WTERMSIG(status));
	return target_fail(t, "the program ended with status %d", WEXITSTATUS(status));
}

static int count_fds(pid_t pid)
{
	char path[64];
	struct dirent *e;
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

/* Of memory that came from us. */
static int count_mappings(pid_t pid)
{
	char path[64], line[512];
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, "/memfd:") != NULL;
	if (f)
		fclose(f);
	return n;
}

/* A front-end as it should be: everything up to running rings, and their stop. */
static int target_serves(struct target *t)
{
	struct peer_config config = {.n_queues = t->queues, .queue_size = 64};
	struct peer *peer;
	int err;

	if (peer_new(&config, &peer))
		return target_fail(t, "no memory for a front-end");
	err = peer_connect(peer, t->socket);
	for (int waited = 0; err && waited < FRONTEND_TIMEOUT_MS && !target_lives(t);
	     waited += STEP_MS) {
		poll(NULL, 0, STEP_MS);
		err = peer_connect(peer, t->socket);
	}
	if (!err)
		err = peer_start(peer);
	if (!err)
		err = peer_stop(peer);
	if (err && t->pid > 0 && !target_lives(t))
		target_fail(t, "a front-end that does nothing wrong is not served: %s",
			    peer->frontend.error);
	peer_free(peer);
	return err ? -1 : 0;
}

/* Sessions end a little after their sockets: wait for it. */
static int target_is_clean(struct target *t)
{
	int fds = 0, mappings = 0;

	for (int waited = 0; waited < FRONTEND_TIMEOUT_MS; waited += STEP_MS) {
		fds = count_fds(t->pid);
		mappings = count_mappings(t->pid);
		if (fds <= t->fds && mappings <= t->mappings)
			return 0;
		poll(NULL, 0, STEP_MS);
	}
	return target_fail(t,
			   "%d descriptors and %d mappings of guest memory without a session; "
			   "there were %d and %d",
			   fds, mappings, t->fds, t->mappings);
}

int target_check(struct target *t)
{
	if (target_lives(t) || target_serves(t))
		return -1;
	return target_is_clean(t);
}

/* An argument may end in the name of a path of the target's own. */
static char *target_argument(const struct target *t, char *arg)
{
	char *disk = strstr(arg, "{disk}"), *share = strstr(arg, "{share}"), *full;
	char *at = disk ? disk : share;

	if (!at)
		return arg;
	return asprintf(&full, "%.*s%s", (int)(at - arg), arg, disk ? t->disk : t->share) < 0
		       ? arg
		       : full;
}

__attribute__((noreturn)) static void target_exec(const struct target *t, char *const *argv)
{
	char option[128];
	char *all[ARGUMENTS + 2] = {0};
	int n;

	snprintf(option, sizeof(option), "--socket-path=%s", t->socket);
	for (n = 0; argv[n] && n < ARGUMENTS; n++)
		all[n] = target_argument(t, argv[n]);
	all[n] = option;
	dup2(t->log_fd, STDOUT_FILENO);
	dup2(t->log_fd, STDERR_FILENO);
	execv(all[0], all);
	perror(all[0]);
	_exit(127);
}

/* How many queues has it?  It says so to whoever asks. */
static int target_ask(struct target *t)
{
	struct peer_config config = {0};
	struct peer *peer;
	int err;

	if (peer_new(&config, &peer))
		return target_fail(t, "no memory for a front-end");
	do {
		poll(NULL, 0, STEP_MS);
		err = peer_connect(peer, t->socket);
	} while (err && !target_lives(t));
	if (!err)
		err = peer_negotiate(peer);
	t->queues = peer->backend_queues < PEER_MAX_QUEUES ? (uint32_t)peer->backend_queues : 1;
	if (err && t->pid > 0)
		target_fail(t, "the program does not negotiate: %s", peer->frontend.error);
	peer_free(peer);
	return err ? -1 : 0;
}

/*
 * A descriptor that may block who closes it: from the first one on there is an io_uring for that,
 * where there can be one (docs/decisions/0007), which is not left of a session.
 */
static int target_have_one_put_aside(struct target *t)
{
	struct peer_config config = {.timeout_ms = FRONTEND_TIMEOUT_MS};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err;
	struct peer *peer;

	if (fd < 0)
		return 0; /* a machine without such sockets has none to send */
	if (peer_new(&config, &peer)) {
		close(fd);
		return target_fail(t, "no memory for a front-end");
	}
	err = peer_connect(peer, t->socket);
	if (!err)
		err = peer_negotiate(peer);
	if (err)
		target_fail(t, "the program does not negotiate: %s", peer->frontend.error);
	else
		frontend_set_vring_call(&peer->frontend, 0, fd); /* which ends the session */
	peer_free(peer);
	close(fd);
	return err ? -1 : 0;
}

static int target_make_disk(const struct target *t)
{
	int fd = open(t->disk, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int err = fd < 0 || ftruncate(fd, DISK_BYTES) < 0;

	if (fd >= 0)
		close(fd);
	return err;
}

int target_start(struct target *t, char *const *argv, bool is_shut_in)
{
	memset(t, 0, sizeof(*t));
	t->is_shut_in = is_shut_in;
	t->log_fd = memfd_create("log", MFD_CLOEXEC);
	if (folder_new(t->folder, "/tmp", "vu-sessions") || t->log_fd < 0)
		return target_fail(t, "no folder: %s", strerror(errno));
	snprintf(t->socket, sizeof(t->socket), "%s/socket", t->folder);
	snprintf(t->disk, sizeof(t->disk), "%s/disk", t->folder);
	snprintf(t->share, sizeof(t->share), "%s/share", t->folder);
	if (target_make_disk(t) || mkdir(t->share, 0755))
		return target_fail(t, "no disk: %s", strerror(errno));
	t->pid = child_fork();
	if (!t->pid)
		target_exec(t, argv);
	if (t->pid < 0 || target_ask(t) || (!t->is_shut_in && target_have_one_put_aside(t)) ||
	    target_serves(t))
		return -1;
	/* The session just ended may not be gone yet: what stays for a while is what is always
	 * there. */
	t->fds = t->mappings = 1 << 20;
	for (int still = 0; still < 50; still++) {
		int fds = count_fds(t->pid), mappings = count_mappings(t->pid);

		if (fds < t->fds || mappings < t->mappings)
			still = 0;
		t->fds = fds;
		t->mappings = mappings;
		poll(NULL, 0, STEP_MS);
	}
	return 0;
}

int target_stop(struct target *t)
{
	int status = 0, waited = 0;

	if (t->pid > 0) {
		kill(t->pid, SIGTERM);
		while (waitpid(t->pid, &status, WNOHANG) == 0 && waited < FRONTEND_TIMEOUT_MS) {
			poll(NULL, 0, STEP_MS);
			waited += STEP_MS;
		}
		if (waited >= FRONTEND_TIMEOUT_MS) {
			target_fail(t, "SIGTERM does not end it");
			kill(t->pid, SIGKILL);
			waitpid(t->pid, NULL, 0);
		} else if (status) {
			target_fail(t, "after SIGTERM its wait status was %#x",
				    (unsigned int)status);
		}
	}
	unlink(t->socket);
	unlink(t->disk);
	rmdir(t->share);
	folder_remove(t->folder);
	return t->fault[0] ? -1 : 0;
}

void target_show_log(const struct target *t)
{
	static char text[LOG_TAIL + 1];
	struct stat st;
	off_t start;
	ssize_t n;

	if (fstat(t->log_fd, &st))
		return;
	start = st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0;
	n = pread(t->log_fd, text, LOG_TAIL, start);
	fprintf(stderr, "--- the end of its log:\n%.*s\n---\n", n > 0 ? (int)n : 0, text);
}
