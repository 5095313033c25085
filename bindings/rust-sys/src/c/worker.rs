// SPDX-License-Identifier: MIT
//! What `<libvu/worker.h>` declares.
use crate::{vu_group, vu_worker, vu_worker_info};

extern "C" {

    /// start a thread that serves groups; none at first.
    ///
    /// It takes no signals but those that a thread causes itself.
    ///
    /// - `info`: NULL means defaults: no polling, any CPU.
    ///
    /// Return: 0; -EINVAL for a CPU that does not exist; -E2BIG, -ENOMEM, -EMFILE, -ENFILE, what
    /// pthread_create(3) returns.  Thread: any.
    /// Since: 0.1
    pub fn vu_worker_new(
        info: *const vu_worker_info,
        worker: *mut *mut vu_worker,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// end the thread, and wait until it has ended.
    ///
    /// Its groups have no thread then: give them to another worker, or free them.  In a callback of one
    /// of its groups it returns at once, and the thread ends after the callback.  NULL is ignored.
    /// Thread: any, while no other uses the worker.
    /// Since: 0.1
    pub fn vu_worker_free(worker: *mut vu_worker);
}
extern "C" {

    /// have it serve a group, too, from now on.
    ///
    /// Its groups take turns: each has a pass of vu_group_process().
    ///
    /// - `group`: stays the caller's.  The worker holds it (vu_group_hold()): it may be freed at any time,
    /// and the worker then drops it.
    ///
    /// Return: 0; -EBUSY if somebody serves the group already; -EINVAL for a device's own group;
    /// -ENOMEM, -ENOSPC.  Thread: any. Since: 0.1
    pub fn vu_worker_add_group(worker: *mut vu_worker, group: *mut vu_group) -> crate::ffi::c_int;
}
extern "C" {

    /// have it serve a group no more, and wait until it does not.
    ///
    /// Return: 0; -ENOENT if it does not serve it; -EDEADLK in a callback of that very group.
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_worker_remove_group(
        worker: *mut vu_worker,
        group: *mut vu_group,
    ) -> crate::ffi::c_int;
}
