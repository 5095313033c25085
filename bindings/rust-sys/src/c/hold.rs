// SPDX-License-Identifier: MIT
//! What `<libvu/hold.h>` declares.
use crate::{vu_device, vu_group};

extern "C" {

    /// this group is served by one who says so.
    ///
    /// From then until vu_group_release() somebody serves the group: what is freed elsewhere asks that
    /// thread, and waits for it, where it would do the thread's work itself in a group that is not held.
    /// A group that is held lives, freed or not; once its maker has freed it, vu_group_process() returns
    /// -ESHUTDOWN, and it is to be released.
    ///
    /// Return: 0; -EBUSY if it is held by another; -EINVAL for a device's own group.
    /// Thread: any, while no thread serves the group.
    /// Since: 0.1
    pub fn vu_group_hold(group: *mut vu_group) -> crate::ffi::c_int;
}
extern "C" {

    /// nobody serves the group any more.
    ///
    /// If it was freed meanwhile, it goes now.
    ///
    /// Return: 0; -EINVAL if it is not held; -EDEADLK inside a callback of the group.
    /// Thread: that which served it, or any once that has ended.
    /// Since: 0.1
    pub fn vu_group_release(group: *mut vu_group) -> crate::ffi::c_int;
}
extern "C" {

    /// this device is served by one who says so.
    ///
    /// While it is held, vu_device_free() frees nothing and logs an error.  Several may hold it.
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_device_hold(dev: *mut vu_device);
}
extern "C" {

    /// the end of a vu_device_hold().  Thread: any.
    /// Since: 0.1
    pub fn vu_device_release(dev: *mut vu_device);
}
