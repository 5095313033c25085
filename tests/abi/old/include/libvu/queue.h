/* SPDX-License-Identifier: MIT */
/* Virtqueues and requests: the data path. */
#ifndef LIBVU_QUEUE_H
#define LIBVU_QUEUE_H

#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * enum vu_req_flags - values of vu_req.flags.
 *
 * @VU_REQ_RESUBMITTED: was in flight when an earlier back-end process died, and may have run
 *	already (docs/crash-recovery.md).
 * @VU_REQ_TOO_LONG: has more segments than max_segs, which a driver may not know of: fail it, as
 *the device type says.  Nothing of it is readable; of what is writable there are only the first
 *	segment and the last (with a max_segs of 1 the last alone), in which a status goes.  There
 *may be none.  Whatever it is completed with, the driver is told that 0 bytes were written.  A
 *device that does not look at the flag sees a request without its readable part, and has to be
 *ready for such anyway.  A chain of more than 4096 segments beyond max_segs breaks the ring.
 *
 * Since: 0.1
 */
enum vu_req_flags { VU_REQ_RESUBMITTED = 1, VU_REQ_TOO_LONG = 2 };

/**
 * struct vu_req - one request (virtio 1.3 §2.6: buffers of one descriptor chain).
 *
 * The library's: read-only, never copied, valid from vu_queue_next() to its completion or put-back.
 *
 * @readable: segments the driver filled, in order.
 * @writable: segments the device fills, in order.
 * @n_readable, @n_writable: their numbers.
 * @readable_len, @writable_len: their total bytes.
 * @priv: the device's priv_size bytes, zeroed, aligned to 16; NULL when priv_size is 0.
 * @flags: enum vu_req_flags.
 *
 * The guest can change the contents of any segment at any time: copy a header out
 * (vu_req_read()) before you check it, and never read it again.
 *
 * Since: 0.1
 */
struct vu_req {
	const struct iovec *readable;
	const struct iovec *writable;
	uint32_t n_readable;
	uint32_t n_writable;
	uint64_t readable_len;
	uint64_t writable_len;
	void *priv;
	uint32_t flags;
};

/**
 * vu_queue_next() - take the next request.
 *
 * @req: receives the request.
 *
 * When it returns 0 because the ring is empty, the driver has been asked to notify: queue_ready
 * comes when there is more.  It also returns 0 when the budget of this pass is used up, when
 * memory for long chains is in use, or while requests of an earlier session are outstanding;
 * queue_ready is then called again without a notification.
 *
 * Return: 1 and a request; 0 for none now; -ESHUTDOWN while the queue is stopped, stopping or
 * disabled; -EIO once the ring is broken (the log says why; the driver must reset it).
 * Thread: queue thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_queue_next(struct vu_queue *queue, struct vu_req **req);

/**
 * vu_queue_next_batch() - take up to @max requests at once; otherwise like vu_queue_next().
 *
 * Return: how many were stored in @reqs (1 to max), or vu_queue_next()'s 0 or -errno.
 * Thread: queue thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_queue_next_batch(struct vu_queue *queue, struct vu_req **reqs, uint32_t max);

/**
 * vu_req_complete() - finish a request; the driver can see it at once.
 *
 * @written: bytes written to the writable segments, from their start (virtio 1.3 §2.7.8).  It
 *covers every byte that was touched, also of a request that failed: where a status at the end was
 *	written, that is writable_len, whatever became of what lies before it.  While a virtual
 *	machine is moved, a page beyond is one that nobody copies again, and what was written there
 *	is lost.
 *
 * Any order.  The driver is notified by vu_queue_signal(), or by the library at the end of the
 * vu_device_process() or vu_group_process() call that this happens in.
 *
 * Return: 0; -ERANGE if @written exceeds writable_len (the request stays outstanding);
 * -EINVAL for a request that is not outstanding (found as long as its ring runs), and with
 * VU_DEVICE_DEBUG on another thread than the queue's.
 * Thread: queue thread.
 * Since: 0.1
 */
VU_API int vu_req_complete(struct vu_req *req, uint64_t written);

/**
 * vu_queue_complete_batch() - finish @n requests of this queue; published to the driver together.
 *
 * @written: bytes for each, as for vu_req_complete().
 *
 * Return: how many are finished, from the first on: @n, or fewer where one could not be; it and
 * those behind it are still outstanding, and a call that begins with it tells why.
 * vu_req_complete()'s error if that is the first. Thread: queue thread. Since: 0.1
 */
VU_API int vu_queue_complete_batch(struct vu_queue *queue, struct vu_req *const *reqs,
				   const uint64_t *written, uint32_t n);

/**
 * vu_req_complete_remote() - finish a request from any thread.
 *
 * The queue's thread is woken, publishes it and notifies the driver.  The group may be freed
 * meanwhile, but not the device: vu_device_free() begins when all such calls have returned.
 *
 * Return: 0; -ERANGE if @written exceeds writable_len; -EINVAL if it is on its way already.
 * Thread: any.
 * Since: 0.1
 */
VU_API int vu_req_complete_remote(struct vu_req *req, uint64_t written);

/**
 * vu_req_put_back() - un-take the newest request: the driver sees it as never taken.
 *
 * It may have been written to: where a virtual machine is moved, all that is writable is copied.
 *
 * What vu_req_set_progress() said of it is there again when it is taken again.
 *
 * Return: 0; -EINVAL if a newer request was taken and is still outstanding or completed: this one
 * is still outstanding, and has to be finished. Thread: queue thread. Since: 0.1
 */
VU_API VU_CHECK int vu_req_put_back(struct vu_req *req);

/**
 * vu_req_progress() - how far the device got with a request, as it said itself.
 *
 * Return: what vu_req_set_progress() was given for this request, also before it was put back; 0
 * before, and at most readable_len + writable_len.
 * Thread: queue thread.
 * Since: 0.1
 */
VU_API uint64_t vu_req_progress(const struct vu_req *req);

/**
 * vu_req_set_progress() - remember how far a request got, beyond a put-back.
 *
 * For a device that moves a part of a request's bytes, finds that there is no room for more, and
 * puts it back: vu_req_progress() then says where to go on.  It lasts as long as the ring runs; who
 * serves the queue after a stop begins anew.
 *
 * @progress: bytes, in the device's own way of counting.
 *
 * Return: 0; -ERANGE beyond readable_len + writable_len; -EINVAL for a request that is not
 * outstanding; -ENOMEM.  Thread: queue thread. Since: 0.1
 */
VU_API VU_CHECK int vu_req_set_progress(struct vu_req *req, uint64_t progress);

/**
 * vu_req_leave() - leave a request in the in-flight log instead of finishing it.
 *
 * For a queue that stops (queue_stop was called) while its requests would take long: their work is
 * cancelled, nothing of it may reach the guest's memory any more, and whoever serves the queue
 * next, perhaps another process on another machine, gets them again with VU_REQ_RESUBMITTED
 * (docs/crash-recovery.md).  No device needs it.
 *
 * Return: 0; -ENOTSUP unless the front-end gave an in-flight log and negotiated
 * GET_VRING_BASE_INFLIGHT: finish it instead; -EBUSY while the queue is not stopping; -EINVAL for a
 * request that is not outstanding.
 * Thread: queue thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_req_leave(struct vu_req *req);

/**
 * vu_queue_signal() - notify the driver now, if it wants to know, of what was completed.
 *
 * Only needed to notify before the end of a callback, or outside of callbacks.  One decision
 * for everything completed since the last one.  Never blocks.
 * Thread: queue thread.
 * Since: 0.1
 */
VU_API void vu_queue_signal(struct vu_queue *queue);

/**
 * vu_queue_available() - is a request waiting?
 *
 * Return: 1 if vu_queue_next() would find the ring non-empty, 0 if not or while stopped.
 * Thread: queue thread.
 * Since: 0.1
 */
VU_API int vu_queue_available(struct vu_queue *queue);

/**
 * vu_queue_outstanding() - requests handed out and not yet completed or put back.
 *
 * Thread: queue thread.
 * Since: 0.1
 */
VU_API uint32_t vu_queue_outstanding(const struct vu_queue *queue);

/**
 * vu_queue_index() - the queue's number in its device, from 0.  Thread: any.
 *
 * Since: 0.1
 */
VU_API uint32_t vu_queue_index(const struct vu_queue *queue);

/**
 * vu_queue_set_opaque() - remember a pointer of the device's for this queue.
 *
 * The callbacks still get that of vu_device_new(); vu_queue_opaque() is for what a device keeps for
 * each queue.
 *
 * Thread: any, before the queue is in use; then queue thread.
 * Since: 0.1
 */
VU_API void vu_queue_set_opaque(struct vu_queue *queue, void *opaque);

/**
 * vu_queue_opaque() - what vu_queue_set_opaque() was given; NULL before.  Thread: as that.
 *
 * Since: 0.1
 */
VU_API void *vu_queue_opaque(const struct vu_queue *queue);

/**
 * vu_queue_device() - the device a queue belongs to.  Thread: any.
 *
 * Since: 0.1
 */
VU_API struct vu_device *vu_queue_device(const struct vu_queue *queue);

/**
 * vu_req_queue() - the queue a request was taken from.  Thread: any.
 *
 * Since: 0.1
 */
VU_API struct vu_queue *vu_req_queue(const struct vu_req *req);

/**
 * vu_req_read() - copy from the readable segments, as if they were one piece.
 *
 * @offset: bytes from the start of the first one.
 *
 * Return: bytes copied: @len, or fewer (down to 0) where the request ends.
 * Thread: any that owns the request.
 * Since: 0.1
 */
VU_API size_t vu_req_read(const struct vu_req *req, uint64_t offset, void *buf, size_t len);

/**
 * vu_req_write() - copy to the writable segments, as if they were one piece.
 *
 * Return: bytes copied: @len, or fewer (down to 0) where the request ends.
 * Thread: any that owns the request.
 * Since: 0.1
 */
VU_API size_t vu_req_write(const struct vu_req *req, uint64_t offset, const void *buf, size_t len);

/**
 * vu_iov_slice() - describe @len bytes at @offset of a segment list by a new list.
 *
 * For example all writable bytes but the status byte at the end.
 *
 * @iov, @n: the list, such as req->writable and req->n_writable.
 * @out, @max: receives at most @max segments.
 *
 * Return: segments stored (0 for @len 0); -ERANGE if the list has fewer bytes than that; -ENOSPC
 * if @max is too small.  Thread: any.
 * Since: 0.1
 */
VU_API int vu_iov_slice(const struct iovec *iov, uint32_t n, uint64_t offset, uint64_t len,
			struct iovec *out, uint32_t max);

/**
 * struct vu_queue_info - settings of one queue that differ from its device's.
 *
 * @size: sizeof(struct vu_queue_info).
 * @max_size, @max_segs, @priv_size: as in struct vu_device_info; 0 keeps the device's.
 * @discard_when_disabled: what a started but disabled ring offers is completed with 0 bytes
 *	instead of kept (vhost-user "Ring states": for a network device's transmit queue).
 *
 * Since: 0.1
 */
struct vu_queue_info {
	size_t size;
	uint32_t max_size;
	uint32_t max_segs;
	uint32_t priv_size;
	uint32_t discard_when_disabled;
};

/**
 * vu_queue_configure() - set what is particular about one queue, before any session.
 *
 * Return: 0; -EINVAL for a field out of range; -E2BIG; -EBUSY while a front-end is attached.
 * Thread: device thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_queue_configure(struct vu_queue *queue, const struct vu_queue_info *info);

/**
 * struct vu_queue_counters - what a queue has done since the device was made.
 *
 * @size: sizeof(struct vu_queue_counters).
 * @requests: requests completed.
 * @readable_bytes: bytes that the driver sent with them.
 * @written_bytes: bytes that the device wrote.
 * @kicks: notifications received.
 * @signals: interrupts sent.
 * @signals_suppressed: times the driver wanted none.
 * @polls: passes that looked at the ring.
 * @batches: passes in which queue_ready took requests.
 * @outstanding: requests taken and not yet completed or put back.
 * @outstanding_ns: for how long there have been some and none was completed; 0: there are none, or
 *	it is busy completing them.
 *
 * The last two are as the queue's thread saw them when it last was about to sleep.  What a callback
 * has that never returns is not seen.
 *
 * Since: 0.1
 */
struct vu_queue_counters {
	size_t size;
	uint64_t requests;
	uint64_t readable_bytes;
	uint64_t written_bytes;
	uint64_t kicks;
	uint64_t signals;
	uint64_t signals_suppressed;
	uint64_t polls;
	uint64_t batches;
	uint64_t outstanding;
	uint64_t outstanding_ns;
};

/**
 * vu_queue_counters() - read a queue's counters while it runs.
 *
 * Each value is exact at some moment of the call; together they are no snapshot.
 *
 * @counters: size must be set; filled as far as that reaches.  Where the library knows fewer
 *counters than the caller, the others are 0 and size is set to what it filled.
 *
 * Return: 0; -EINVAL if size is less than that of 0.1, or more than 4096.  Thread: any; takes no
 *lock. Since: 0.1
 */
VU_API int vu_queue_counters(const struct vu_queue *queue, struct vu_queue_counters *counters);

VU_END_DECLS

#endif
