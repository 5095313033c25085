/* SPDX-License-Identifier: MIT */
/* The runner: an optional loop that serves devices on sockets, one front-end after another. */
#ifndef LIBVU_RUNNER_H
#define LIBVU_RUNNER_H

#include <libvu/log.h>
#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * struct vu_runner_info - settings of a runner; all but size may stay 0.
 *
 * @size: sizeof(struct vu_runner_info).
 * @log_level, @log_fn, @log_opaque: as in struct vu_device_info.
 * @once: vu_runner_run() returns when every device's first session has ended.
 *
 * Since: 0.1
 */
struct vu_runner_info {
	size_t size;
	uint32_t log_level;
	uint32_t once;
	vu_log_fn log_fn;
	void *log_opaque;
};

/**
 * vu_runner_new() - make a runner; @info NULL means all defaults.
 *
 * Return: 0; -E2BIG, -EINVAL, -ENOMEM, -EMFILE, -ENFILE.  Thread: any.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_runner_new(const struct vu_runner_info *info, struct vu_runner **runner);

/**
 * vu_runner_free() - close sockets, unlink socket files that are still ours, free the runner.
 *
 * Its devices are detached, not freed: they stay the caller's.  While it is in vu_runner_run() or
 * vu_runner_process(), nothing is freed, and an error line says so.  NULL is ignored.
 * Thread: any.
 * Since: 0.1
 */
VU_API void vu_runner_free(struct vu_runner *runner);

/**
 * struct vu_socket_info - how a socket file is made.
 *
 * @size: sizeof(struct vu_socket_info).
 * @mode: permission bits of the file; 0 means 0600.
 * @group: numeric group that shall own it; 0 keeps the process's.
 *
 * Since: 0.1
 */
struct vu_socket_info {
	size_t size;
	uint32_t mode;
	uint32_t group;
};

/**
 * vu_runner_listen() - serve a device on a socket file.
 *
 * A stale file (nobody answers connect()) is replaced.
 *
 * @info: NULL means defaults.
 *
 * A front-end that connects and leaves without a message is no session; the device's
 * session_begin is called with the first one.  One that stays without a message is disconnected
 * after the device's vu_device_message_timeout().
 *
 * Others wait until the front-end that is served has left.  But one that has
 * switched all rings off (vu_device_is_left()) gives way to a connection of its own process, by
 * SO_PEERCRED: User-mode Linux that reboots may never close the old one.
 *
 * Return: 0; -EADDRINUSE when someone is listening there; -EEXIST when the path is not a socket;
 * -ENAMETOOLONG beyond 107 bytes; -EINVAL for an empty path or a mode beyond 0777; -EBUSY when the
 * runner serves the device already; what socket(2), bind(2), chown(2) return.
 * Thread: the runner's, or any before vu_runner_run().
 * Since: 0.1
 */
VU_API VU_CHECK int vu_runner_listen(struct vu_runner *runner, struct vu_device *dev,
				     const char *path, const struct vu_socket_info *info);

/**
 * vu_runner_connect() - serve a device for a front-end that listens at @path.
 *
 * Tries until it succeeds, every 100 ms at first, then less often, at most every 3 s; again
 * after each session.
 *
 * Return: 0; -ENAMETOOLONG, -ENOMEM; -EBUSY when the runner serves the device already.
 * Thread: the runner's, or any before vu_runner_run().
 * Since: 0.1
 */
VU_API VU_CHECK int vu_runner_connect(struct vu_runner *runner, struct vu_device *dev,
				      const char *path);

/**
 * vu_runner_adopt() - serve a device on a socket somebody else made.
 *
 * @fd: connected (one session) or listening (SO_ACCEPTCONN says which); the runner owns it if the
 *	call succeeds.
 *
 * Return: 0; -EBADF, -ENOTSOCK, -EINVAL for another kind of fd; -EBUSY when the runner serves the
 * device already; vu_device_attach()'s errors.
 * Thread: the runner's, or any before vu_runner_run().
 * Since: 0.1
 */
VU_API VU_CHECK int vu_runner_adopt(struct vu_runner *runner, struct vu_device *dev, int fd);

/**
 * struct vu_worker_info - how a worker thread serves its group.
 *
 * @size: sizeof(struct vu_worker_info).
 * @poll_ns: longest time, in nanoseconds, to poll without a request before sleeping.  The time
 *	really used adapts between 0 and this; 0 never polls.
 * @pin: non-zero: run on @cpu only.
 * @cpu: number of a CPU, from 0.
 *
 * Since: 0.1
 */
struct vu_worker_info {
	size_t size;
	uint64_t poll_ns;
	uint32_t pin;
	uint32_t cpu;
};

/**
 * vu_runner_add_worker() - serve a group on a thread of its own while vu_runner_run() runs.
 *
 * The thread starts with vu_runner_run() (at once, if that is running) and has ended when it
 * returns.
 *
 * @group: stays the caller's, and may be freed at any time (vu_group_free()).
 * @info: NULL means defaults: no polling, any CPU.
 *
 * Return: 0; -EINVAL for a CPU that does not exist; -EEXIST if the group has a worker, this
 * runner's or another; -E2BIG, -ENOMEM, what pthread_create(3) returns.
 * Thread: the runner's, or any before vu_runner_run().
 * Since: 0.1
 */
VU_API VU_CHECK int vu_runner_add_worker(struct vu_runner *runner, struct vu_group *group,
					 const struct vu_worker_info *info);

/**
 * vu_runner_run() - serve until vu_runner_stop(), or with nothing left to serve.
 *
 * Return: 0; -errno when the loop itself failed; -EBUSY between calls of vu_runner_process().
 * Thread: one at a time: it is the device thread of every device served here. Since: 0.1
 */
VU_API int vu_runner_run(struct vu_runner *runner);

/**
 * vu_runner_fd() - the one descriptor to wait for, in a loop of the program's own.
 *
 * It polls readable whenever vu_runner_process() has something to do, also when that has just
 * returned VU_PROCESS_MORE: a loop may call once for each wake.  It stays the same for the runner's
 * life; the runner owns it.
 *
 * Return: the descriptor; -EMFILE, -ENFILE, -ENOMEM.  Thread: the runner's, or any before it
 * serves. Since: 0.1
 */
VU_API VU_CHECK int vu_runner_fd(struct vu_runner *runner);

/**
 * vu_runner_process() - a turn of vu_runner_run(), which does not wait.
 *
 * Devices, sockets and times are all seen to, one after the other, so nothing of the runner's needs
 * a thread.  The first call begins serving, and starts the workers.  Call it once before the first
 * wait.
 *
 * Return: bits of enum vu_process: VU_PROCESS_MORE, and VU_PROCESS_ENDED after vu_runner_stop() or
 * when nothing is left to serve: sessions and workers have ended as at the end of vu_runner_run(),
 * and the next call begins anew.  -errno when the loop itself failed, and it has ended; -EDEADLK
 * inside a callback. Thread: one at a time, as vu_runner_run(). Since: 0.1
 */
VU_API VU_CHECK int vu_runner_process(struct vu_runner *runner);

/**
 * vu_runner_remove() - serve a device no more, while others go on.
 *
 * Its socket is closed and its file unlinked.  Its session ends as at the end of a run: requests
 * have a moment to finish, then it is detached.  The device is not freed, and may be given to a
 * runner again. When the last one goes, the run ends.  Workers of its groups stay:
 * vu_runner_remove_worker().
 *
 * Return: 0; -ENOENT when the runner does not serve it; -EDEADLK inside a callback of the device;
 * -EBUSY while a run ends. Thread: the runner's, or any while it does not run. Since: 0.1
 */
VU_API int vu_runner_remove(struct vu_runner *runner, struct vu_device *dev);

/**
 * vu_runner_remove_worker() - end the thread that serves a group, and wait until it has ended.
 *
 * Then the group may be freed, or served by another thread.
 *
 * Return: 0; -ENOENT if the group has no worker here; -EDEADLK on that very thread.
 * Thread: the runner's, or any while it does not run.
 * Since: 0.1
 */
VU_API int vu_runner_remove_worker(struct vu_runner *runner, struct vu_group *group);

/**
 * vu_runner_stop() - make vu_runner_run() return soon, or vu_runner_process() say that it ended.
 * Thread: any; async-signal-safe.
 *
 * In a child of fork(), whose parent is in vu_runner_run(), it does nothing.
 *
 * Since: 0.1
 */
VU_API void vu_runner_stop(struct vu_runner *runner);

VU_END_DECLS

#endif
