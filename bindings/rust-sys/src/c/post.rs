// SPDX-License-Identifier: MIT
//! What `<libvu/post.h>` declares.
use crate::vu_group;

/// what vu_group_post() was asked to run.
///
/// Thread: queue thread of the group; of the device's own group, device thread.
/// Since: 0.1
pub type vu_post_fn = ::core::option::Option<unsafe extern "C" fn(opaque: *mut crate::ffi::c_void)>;
extern "C" {

    /// have a function run once on the group's thread, soon.
    ///
    /// The thread is woken.  Functions run in the order in which they were posted, in the group's next
    /// pass, as callbacks do: what is refused inside a callback is refused in them.  What is posted and
    /// has not run when the group is freed runs then, on the thread that frees it; the same holds for
    /// the device's own group (vu_device_group()) and vu_device_free().
    ///
    /// Return: 0; -EINVAL without `fn`; -ENOMEM.  Thread: any, while the group is not being freed.
    /// Since: 0.1
    pub fn vu_group_post(
        group: *mut vu_group,
        fn_: vu_post_fn,
        opaque: *mut crate::ffi::c_void,
    ) -> crate::ffi::c_int;
}
