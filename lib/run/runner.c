/* SPDX-License-Identifier: MIT */
/*
 * The runner: a loop and its endpoints, one per device.  Uses the public headers of the core only.
 *
 * Owns the loop, the endpoints, the sockets and the workers; devices and groups stay the caller's.
 * Thread: the one that calls vu_runner_run() or vu_runner_process(); vu_runner_stop() any.
 */
#include "run/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/first_size.h"
#include "base/size_struct.h"
#include "run/endpoint.h"
#include "run/runner_workers.h"

int runner_take(const struct vu_runner_info *settings, void *to, size_t size, const void *from,
		size_t first_size, const char *name)
{
	static const struct vu_runner_info usual = {.size = sizeof(usual)};
	struct log log;

	if (!settings)
		settings = &usual;
	log_init(&log, "runner", settings->log_level, settings->log_fn, settings->log_opaque);
	return size_struct_take(&log, to, size, from, first_size, name);
}

/* A size that says that these members are not there leaves only the usual log. */
static int runner_take_info(struct vu_runner *runner, const struct vu_runner_info *info)
{
	bool has_log = info->size >= FIRST_RUNNER_INFO && info->size <= SIZE_STRUCT_MAX;

	return runner_take(has_log ? info : NULL, &runner->info, sizeof(*info), info,
			   FIRST_RUNNER_INFO, "struct vu_runner_info");
}

int vu_runner_new(const struct vu_runner_info *info, struct vu_runner **out)
{
	struct vu_runner *runner = calloc(1, sizeof(*runner));
	int ret = 0;

	if (!runner)
		return -ENOMEM;
	if (info)
		ret = runner_take_info(runner, info);
	if (!ret)
		ret = loop_init(&runner->loop);
	if (ret) {
		free(runner);
		return ret;
	}
	runner->last = &runner->endpoints;
	*out = runner;
	return 0;
}

static struct endpoint *runner_find(struct vu_runner *runner, const struct vu_device *dev)
{
	struct endpoint *ep = runner->endpoints;

	while (ep && ep->dev != dev)
		ep = ep->next;
	return ep;
}

static void runner_publish(struct vu_runner *runner, struct endpoint *ep)
{
	*runner->last = ep;
	runner->last = &ep->next;
	runner->n_serving++;
	endpoint_wait(ep);
	loop_announce(&runner->loop);
}

/* A device has one source of front-ends. */
static int runner_endpoint(struct vu_runner *runner, struct vu_device *dev, enum endpoint_kind kind,
			   struct endpoint **ep)
{
	return runner_find(runner, dev) ? -EBUSY : endpoint_new(runner, dev, kind, ep);
}

int vu_runner_listen(struct vu_runner *runner, struct vu_device *dev, const char *path,
		     const struct vu_socket_info *info)
{
	struct vu_socket_info how = {0};
	struct endpoint *ep;
	int ret;

	if (info) {
		ret = runner_take(&runner->info, &how, sizeof(how), info, FIRST_SOCKET_INFO,
				  "struct vu_socket_info");
		if (ret)
			return ret;
	}
	if (how.mode & ~0777U)
		return -EINVAL;
	ret = runner_endpoint(runner, dev, ENDPOINT_LISTEN, &ep);
	if (ret)
		return ret;
	ret = socket_file_listen(&ep->file, path, how.mode ? how.mode : 0600, how.group);
	if (ret < 0) {
		endpoint_free(ep);
		return ret;
	}
	ep->listen_fd = ret;
	ep->own_file = true;
	log_info(&ep->log, "listening on %s", path);
	runner_publish(runner, ep);
	return 0;
}

int vu_runner_connect(struct vu_runner *runner, struct vu_device *dev, const char *path)
{
	struct endpoint *ep;
	int ret = runner_endpoint(runner, dev, ENDPOINT_CONNECT, &ep);

	if (ret)
		return ret;
	ret = socket_file_address(&ep->file.address, path);
	if (ret) {
		endpoint_free(ep);
		return ret;
	}
	runner_publish(runner, ep);
	return 0;
}

/* Is it a Unix stream socket, and does it listen?  1, 0, or -errno. */
static int runner_classify_socket(int fd)
{
	int domain, type, listening;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)
		return -errno;
	if (domain != AF_UNIX || type != SOCK_STREAM)
		return -EINVAL;
	return listening != 0;
}

/* What nobody could set when the fd was made elsewhere. */
static int runner_prepare_socket(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* One session; when it is over, another may be adopted for the same device. */
static int runner_adopt_connected(struct vu_runner *runner, struct vu_device *dev, int fd)
{
	struct endpoint *ep = runner_find(runner, dev);
	struct endpoint *old = ep;
	int ret;

	if (old && !(old->done && old->kind == ENDPOINT_SESSION))
		return -EBUSY;
	if (!old) {
		ret = endpoint_new(runner, dev, ENDPOINT_SESSION, &ep);
		if (ret)
			return ret;
	}
	ret = vu_device_attach(dev, fd);
	if (!ret && !old) {
		runner_publish(runner, ep);
	} else if (!ret) {
		ep->done = false;
		runner->n_serving++;
	} else if (!old) {
		endpoint_free(ep);
	}
	return ret;
}

int vu_runner_adopt(struct vu_runner *runner, struct vu_device *dev, int fd)
{
	struct endpoint *ep;
	int listening = runner_classify_socket(fd);
	int ret;

	if (listening < 0)
		return listening;
	ret = runner_prepare_socket(fd);
	if (ret)
		return ret;
	if (!listening)
		return runner_adopt_connected(runner, dev, fd);
	ret = runner_endpoint(runner, dev, ENDPOINT_LISTEN, &ep);
	if (ret)
		return ret;
	ep->listen_fd = fd;
	runner_publish(runner, ep);
	return 0;
}

void runner_end_sessions(struct vu_runner *runner, unsigned int patience_ms)
{
	struct endpoint *ep, *first = runner->endpoints;
	uint64_t patience = patience_ms * UINT64_C(1000000), deadline = loop_now() + patience;

	runner->ending = true;
	/* First let requests finish: not every front-end can have them run again. */
	for (ep = first; ep && patience_ms; ep = ep->next)
		endpoint_close_session(ep);
	for (ep = first; ep && patience_ms; ep = ep->next)
		endpoint_await_end(ep, deadline);
	deadline = loop_now() + patience;
	for (ep = first; ep; ep = ep->next)
		endpoint_end_session(ep);
	for (ep = first; ep; ep = ep->next)
		if (!endpoint_await_end(ep, deadline))
			log_warn(&ep->log, "a queue thread does not let go of the front-end");
	runner->ending = false;
}

/*
 * The sessions end while the workers can still answer for their queues, so that queue_stop comes on
 * the queue thread.  A worker that is stuck in a callback is waited for, and what it has not
 * answered is answered in its place: whatever the caller frees next, nobody looks at it.
 */
static void runner_wind_up(struct vu_runner *runner)
{
	runner_end_sessions(runner, RUNNER_PATIENCE_MS);
	runner_stop_workers(runner);
	runner_end_sessions(runner, 0);
}

static int runner_begin(struct vu_runner *runner)
{
	runner->running = true;
	return runner_start_workers(runner);
}

static void runner_end(struct vu_runner *runner)
{
	runner->running = false;
	runner_wind_up(runner);
	runner_forget_workers(runner);
}

static void runner_complain(const struct vu_runner *runner, const char *what)
{
	struct log log;

	log_init(&log, "runner", runner->info.log_level, runner->info.log_fn,
		 runner->info.log_opaque);
	log_error(&log, "%s", what);
}

void vu_runner_free(struct vu_runner *runner)
{
	struct endpoint *ep, *next;

	if (!runner)
		return;
	if (runner->in_run || runner->in_process) {
		runner_complain(runner, "vu_runner_free() while it runs is ignored: "
					"vu_runner_stop() it, and free it when vu_runner_run() or "
					"vu_runner_process() has returned");
		return;
	}
	if (runner->running)
		runner_end(runner);
	runner_end_sessions(runner, RUNNER_PATIENCE_MS);
	runner_forget_workers(runner);
	for (ep = runner->endpoints; ep; ep = next) {
		next = ep->next;
		endpoint_free(ep);
	}
	loop_destroy(&runner->loop);
	free(runner);
}

int vu_runner_run(struct vu_runner *runner)
{
	int ret = 0;

	if (runner->running)
		return -EBUSY;
	if (!runner->n_serving) {
		runner_forget_workers(runner);
		return 0;
	}
	runner->in_run = true;
	ret = runner_begin(runner);
	if (!ret)
		ret = loop_run(&runner->loop);
	runner_end(runner);
	runner->in_run = false;
	return ret;
}

int vu_runner_fd(struct vu_runner *runner)
{
	return loop_fd(&runner->loop);
}

int vu_runner_process(struct vu_runner *runner)
{
	int ret = 0;

	if (runner->in_process)
		return -EDEADLK;
	runner->in_process = true;
	if (!runner->running && runner->n_serving) {
		ret = runner_begin(runner);
		loop_begin(&runner->loop);
	}
	if (!ret && runner->running)
		ret = loop_turn(&runner->loop);
	if (runner->running && (ret < 0 || loop_is_over(&runner->loop))) {
		loop_end(&runner->loop);
		runner_end(runner);
	}
	if (ret >= 0 && !runner->running)
		ret = VU_PROCESS_ENDED;
	runner->in_process = false;
	return ret;
}

int vu_runner_remove(struct vu_runner *runner, struct vu_device *dev)
{
	struct endpoint **link = &runner->endpoints, *ep;

	while ((ep = *link) && ep->dev != dev)
		link = &ep->next;
	if (!ep)
		return -ENOENT;
	if (runner->ending)
		return -EBUSY;
	/* Inside a callback of the device its session cannot end. */
	if (vu_device_process(dev) == -EDEADLK)
		return -EDEADLK;
	endpoint_finish(ep);
	endpoint_close_session(ep);
	endpoint_await_end(ep, loop_now() + RUNNER_PATIENCE_MS * UINT64_C(1000000));
	endpoint_end_session(ep);
	if (!endpoint_await_end(ep, loop_now() + RUNNER_PATIENCE_MS * UINT64_C(1000000)))
		log_warn(&ep->log, "a queue thread does not let go of the front-end");
	*link = ep->next;
	if (runner->last == &ep->next)
		runner->last = link;
	endpoint_free(ep);
	/* The next vu_runner_process() has something to say: that was the last one. */
	if (runner->running && !runner->in_run && !runner->in_process &&
	    loop_is_over(&runner->loop))
		loop_stop(&runner->loop);
	return 0;
}

void vu_runner_stop(struct vu_runner *runner)
{
	loop_stop(&runner->loop);
}

struct vu_device *runner_next_device(struct vu_runner *runner, struct endpoint **position)
{
	*position = *position ? (*position)->next : runner->endpoints;
	return *position ? (*position)->dev : NULL;
}
