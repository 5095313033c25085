// SPDX-License-Identifier: MIT
//! What `<libvu/shared_object.h>` declares.
use crate::{vu_answer, vu_device};

/// for a device that shares; see vu_device_set_shared_object_ops().
///
/// - `size`: sizeof(struct vu_shared_object_ops).
/// - `get`: somebody wants the object with this `uuid`, of 16 bytes: a descriptor for it, which is the
/// library's from then on (give a duplicate); -errno: there is none; or VU_LATER.  Device
/// thread.
///
/// The last argument is the opaque pointer of vu_device_new(); the one before is for VU_LATER.
///
/// QEMU 10 and 11 ask without a UUID: that is answered with no object, with a line in the log.
///
/// vhost-user GET_SHARED_OBJECT.
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_shared_object_ops {
    pub size: usize,
    pub get: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            uuid: *const u8,
            answer: *mut vu_answer,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
}
extern "C" {

    /// let the device share objects: offers SHARED_OBJECT.
    ///
    /// - `ops`: copied; the callback is needed.  NULL: it shares none any more.
    ///
    /// Return: as vu_device_set_state_ops().  Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_set_shared_object_ops(
        dev: *mut vu_device,
        ops: *const vu_shared_object_ops,
    ) -> crate::ffi::c_int;
}

/// how vu_device_share() and the like went.
///
/// - `result`: 0; of vu_device_lookup() a descriptor, which is the caller's; or -errno: -ENOENT, the
/// front-end has no such object, or does not allow it; -EOPNOTSUPP, it does not know of shared
/// objects; -ESHUTDOWN, the device is suspended, and says nothing; -ENOTCONN, no front-end or
/// no back-end channel is there, or it went before it answered.
///
/// Thread: device thread; may be called inside vu_device_free().
/// Since: 0.1
pub type vu_shared_object_fn = ::core::option::Option<
    unsafe extern "C" fn(
        dev: *mut vu_device,
        result: crate::ffi::c_int,
        opaque: *mut crate::ffi::c_void,
    ),
>;
extern "C" {

    /// tell the front-end of an object, so that others may ask for it.
    ///
    /// It is forgotten with the session.
    ///
    /// - `uuid`: 16 bytes, copied.
    /// - `fn`: called once, after this has returned; may be NULL.
    ///
    /// Return: 0; -ENOMEM: `fn` is not called.  Thread: any.
    ///
    /// vhost-user SHARED_OBJECT_ADD.
    /// Since: 0.1
    pub fn vu_device_share(
        dev: *mut vu_device,
        uuid: *const u8,
        fn_: vu_shared_object_fn,
        opaque: *mut crate::ffi::c_void,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// take that back.
    ///
    /// Return: as vu_device_share().  Thread: any.
    ///
    /// vhost-user SHARED_OBJECT_REMOVE.
    /// Since: 0.1
    pub fn vu_device_unshare(
        dev: *mut vu_device,
        uuid: *const u8,
        fn_: vu_shared_object_fn,
        opaque: *mut crate::ffi::c_void,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// ask for an object of any device.
    ///
    /// The front-end may ask this device for it, by get, before it answers.  QEMU 10 and 11 find only
    /// those of their own virtio-gpu.
    ///
    /// - `fn`: needed.
    ///
    /// Return: as vu_device_share(); -EINVAL without `fn`.  Thread: any.
    ///
    /// vhost-user SHARED_OBJECT_LOOKUP.
    /// Since: 0.1
    pub fn vu_device_lookup(
        dev: *mut vu_device,
        uuid: *const u8,
        fn_: vu_shared_object_fn,
        opaque: *mut crate::ffi::c_void,
    ) -> crate::ffi::c_int;
}
