// SPDX-License-Identifier: MIT
//! What `<libvu/notifier.h>` declares.
use crate::{vu_asked_fn, vu_device, vu_queue};

extern "C" {

    /// offer VHOST_USER_PROTOCOL_F_HOST_NOTIFIER, once, before
    /// serving.
    ///
    /// Return: 0; -EBUSY while a front-end is attached; -EEXIST the second time; -ENOMEM.
    /// Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_offer_host_notifiers(dev: *mut vu_device) -> crate::ffi::c_int;
}
extern "C" {

    /// let the driver notify a queue by writing into a page of a file.
    ///
    /// The driver's writes land in the page and nowhere else: kicks come no more.  For doorbells of
    /// hardware, or a page that a thread of yours looks at.  The library polls such a queue from
    /// the call on, every 1 to 16 ms while its thread sleeps, and as always while a worker polls
    /// (vu_worker_info).  A stop of the device ends it.  QEMU has this with page-per-vq=on, and refuses
    /// otherwise.
    ///
    /// - `fd`: what holds the page, of the host's page size; it stays the caller's and may be closed at
    /// once. -1: kicks are to come again.
    /// - `offset`: of the page in it; a multiple of the page size.
    /// - `done`: told how it ended; may be NULL.
    /// - `asked`: for `done`.
    ///
    /// Return: 0, and `done` is called; -EINVAL: not offered, or `offset`; -EBUSY: the last call for this
    /// queue was not answered yet; -EBADF, -ENOMEM, -EMFILE.
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_queue_set_host_notifier(
        queue: *mut vu_queue,
        fd: crate::ffi::c_int,
        offset: u64,
        done: vu_asked_fn,
        asked: *mut crate::ffi::c_void,
    ) -> crate::ffi::c_int;
}
