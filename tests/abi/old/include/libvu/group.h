/* SPDX-License-Identifier: MIT */
/* Groups: the queues, fds and timers that one thread serves. */
#ifndef LIBVU_GROUP_H
#define LIBVU_GROUP_H

#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * vu_group_new() - make a group of queues, of one device or of several, for one thread.
 *
 * Queues are given to it by vu_queue_set_group(), and it is served by a worker, or by a thread of
 * the caller's.  A device's control functions run on one thread at a time.  A queue and its
 * requests belong to the thread of its group; different groups run in parallel without locks.
 * Stopping a queue is the one hand-over: a message to the group and back, for which the device
 * thread does not block.
 *
 * A thread's loop:
 *
 *   while (!end) {
 *       while (vu_group_process(g, 0) > 0) ;
 *       if (vu_group_arm(g) == 0)
 *           vu_group_wait(g, -1);
 *   }
 *
 * Return: 0; -ENOMEM, -EMFILE, -ENFILE.  Thread: any.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_group_new(struct vu_group **group);

/**
 * vu_group_free() - free a group; its queues go back to their devices' own groups.
 *
 * While a worker serves it, that may be done at any time, in a callback, too: the worker frees it
 * when the pass is over.  A group that nobody serves is freed at once, with its fds and timers.
 * Sessions and requests go on, or end, on the devices' threads: what other threads complete by
 * vu_req_complete_remote() meanwhile finds its way.  Devices may be freed before or after.
 *
 * While a thread of the caller's is in vu_group_process() or vu_group_wait(), nothing is freed, and
 * an error line says so: that thread has to end first.  NULL is ignored.  Thread: any.
 * Since: 0.1
 */
VU_API void vu_group_free(struct vu_group *group);

/**
 * vu_device_group() - the group served by vu_device_process() itself.
 *
 * For vu_group_add_fd() and timers on the device thread; not for vu_group_process().
 * Thread: any.
 * Since: 0.1
 */
VU_API struct vu_group *vu_device_group(struct vu_device *dev);

/**
 * vu_queue_set_group() - let a group serve this queue.
 *
 * @queue: NULL, as of an index that is not there, is -EINVAL.
 * @group: NULL means the device's own.
 *
 * Return: 0; -EINVAL for another device's own group; -EBUSY while a front-end is
 * attached, requests are outstanding, or a thread is about to look at the queue for the last time.
 * Thread: device thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_queue_set_group(struct vu_queue *queue, struct vu_group *group);

/**
 * vu_group_fd() - polls readable when vu_group_process() has something to do.
 *
 * That holds when vu_group_process() returned 1, and after vu_group_arm(), whatever it returned: a
 * loop may call the two once for each wake.  Not for a thread that sleeps in vu_group_wait(), which
 * knows by itself.  The group owns it.  Thread: any.
 *
 * Since: 0.1
 */
VU_API int vu_group_fd(const struct vu_group *group);

/**
 * vu_group_process() - serve the group's queues, fds and timers once.  Never blocks.
 *
 * @budget: requests to hand out per queue in a turn; 0 means 1024.
 *
 * Each queue has one turn in a call.  What it hands out from one turn to the next is limited,
 * whoever takes it (its own queue_ready, another queue's, a timer or an fd): to the budget, and,
 * where requests are completed as they are taken, to about 1 MiB of their bytes; this is looked at
 * every 64 requests.  vu_queue_next() then returns 0, and the rest is come back for.  One large
 * request is the device's to bound.
 *
 * After vu_group_arm() it asks the kernel for ready fds; without that, in a loop that polls, only
 * in every 32nd call.
 *
 * Return: 1 when there is more to do at once, 0 when not; -EDEADLK inside a callback; -ESHUTDOWN
 * when the group was freed by its maker while somebody holds it (vu_group_hold()).  Poll loops
 * call it again and again; the driver is not asked to notify until vu_group_arm(). Thread: queue
 * thread. Since: 0.1
 */
VU_API int vu_group_process(struct vu_group *group, uint32_t budget);

/**
 * vu_group_activity() - a number that changes when a pass hands out requests or finds an fd ready.
 *
 * For loops that poll: while it stays the same there is nothing to do.
 *
 * Thread: queue thread.
 * Since: 0.1
 */
VU_API uint64_t vu_group_activity(const struct vu_group *group);

/**
 * vu_group_arm() - ask the drivers to notify, before sleeping on vu_group_fd().
 *
 * Return: 0: sleep; 1: something arrived meanwhile, or vu_group_wake() was called since the last
 * arming: look at what the thread is to do (end?), then call vu_group_process() first.
 * Thread: queue thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_group_arm(struct vu_group *group);

/**
 * vu_group_wait() - sleep until vu_group_process() has something to do.
 *
 * For threads that wait for nothing else; others poll vu_group_fd().  Call it when vu_group_arm()
 * returned 0.  The callbacks of fds and timers that are ready are called here, queues are served by
 * the vu_group_process() that follows: so this saves the system call by which that would find out.
 *
 * @timeout_ns: nanoseconds; 0 only looks, -1 waits without a limit.  It may take a millisecond
 * longer.
 *
 * Return: 1: something is ready; 0: the time is over, or a signal came; -EINVAL for a timeout below
 * -1; -EDEADLK inside a callback.
 * Thread: queue thread.
 * Since: 0.1
 */
VU_API int vu_group_wait(struct vu_group *group, int64_t timeout_ns);

/**
 * vu_group_wake() - let the group's thread not sleep, or wake it.  Thread: any; async-signal-safe.
 *
 * vu_group_fd() becomes readable once; if the thread is at work, the next vu_group_arm() returns 1.
 * So a thread that looks at a flag before each vu_group_process() misses no wake.
 *
 * Since: 0.1
 */
VU_API void vu_group_wake(struct vu_group *group);

/**
 * typedef vu_fd_fn - an fd is ready, or a timer expired.
 *
 * @fd: the fd; -1 for a timer.
 * @events: EPOLL* bits of the fd; for a timer the number of expirations since the last call.
 *
 * Thread: queue thread of the group.
 * Since: 0.1
 */
typedef void (*vu_fd_fn)(struct vu_source *source, int fd, uint32_t events, void *opaque);

/**
 * vu_group_add_fd() - watch an fd of the device's own: an io_uring eventfd, a tap, a socket.
 *
 * @fd: stays the caller's; remove the source before closing it.
 * @events: EPOLLIN, EPOLLOUT, EPOLLET, ...
 * @source: receives the watch, freed by vu_source_remove() or with the group.
 *
 * Return: 0; -EINVAL, -EEXIST, -EPERM as epoll_ctl(2); -ENOMEM.
 * Thread: queue thread, or any before the group is in use.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_group_add_fd(struct vu_group *group, int fd, uint32_t events, vu_fd_fn fn,
				    void *opaque, struct vu_source **source);

/**
 * vu_group_add_timer() - a timer on the group's thread, not yet running.
 *
 * @source: receives the timer, freed by vu_source_remove() or with the group.
 *
 * Return: 0; -EINVAL without @fn; -ENOMEM, -EMFILE, -ENFILE.
 * Thread: queue thread, or any before the group is in use.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_group_add_timer(struct vu_group *group, vu_fd_fn fn, void *opaque,
				       struct vu_source **source);

/**
 * typedef vu_poll_fn - look whether there is something to do, without a system call if possible.
 *
 * Return: 1 if there was, 0 if not.  Thread: queue thread of the group.
 * Since: 0.1
 */
typedef int (*vu_poll_fn)(void *opaque);

/**
 * vu_group_add_poll() - call @fn in every pass of vu_group_process(), before the queues.
 *
 * For completion queues in memory (io_uring's) on threads that poll, which look at fds only now and
 * then; add the fd, too, for threads that sleep.
 *
 * @source: receives it, freed by vu_source_remove() or with the group.
 *
 * Return: 0; -EINVAL without @fn; -ENOMEM.
 * Thread: queue thread, or any before the group is in use.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_group_add_poll(struct vu_group *group, vu_poll_fn fn, void *opaque,
				      struct vu_source **source);

/**
 * vu_source_set_timer() - start, change or (with @first 0) stop a timer.
 *
 * @first: nanoseconds until it first expires.
 * @period: nanoseconds between later expirations; 0 means only once.
 *
 * Return: 0; -EINVAL if it is no timer.  Thread: queue thread.
 * Since: 0.1
 */
VU_API int vu_source_set_timer(struct vu_source *source, uint64_t first, uint64_t period);

/**
 * vu_source_set_events() - change what is watched; 0 pauses.
 *
 * Return: 0; -EINVAL for a timer; as epoll_ctl(2).  Thread: queue thread.
 * Since: 0.1
 */
VU_API int vu_source_set_events(struct vu_source *source, uint32_t events);

/**
 * vu_source_remove() - stop watching and free the source; its callback is not called again.
 *
 * May be called from a callback, also its own.  NULL is ignored.  Thread: queue thread.
 * Since: 0.1
 */
VU_API void vu_source_remove(struct vu_source *source);

VU_END_DECLS

#endif
