// SPDX-License-Identifier: MIT
//! What `<libvu/net.h>` declares.
use crate::{vu_answer, vu_device};

/// for a network device; see vu_device_set_net_ops().
///
/// - `size`: sizeof(struct vu_net_ops).
/// - `set_mtu`: this MTU will be in the guest's configuration space.  0; -errno: it cannot be, and
/// the front-end hears so if it asked; or VU_LATER.  NULL: MTU is not offered.  Device thread.
/// - `send_rarp`: the virtual machine has moved here: announce `mac`, its address of 6 bytes, by a
/// broadcast RARP.  0, -errno or VU_LATER.  NULL: RARP is not offered.  Device thread.
///
/// The last argument of each is the opaque pointer of vu_device_new(); the one before is for
/// VU_LATER.
///
/// vhost-user NET_SET_MTU, SEND_RARP.
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_net_ops {
    pub size: usize,
    pub set_mtu: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            mtu: u16,
            answer: *mut vu_answer,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
    pub send_rarp: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            mac: *const u8,
            answer: *mut vu_answer,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
}
extern "C" {

    /// make it a network device: offers MTU and RARP as far as there are
    /// callbacks.
    ///
    /// - `ops`: copied.  NULL: it is none any more.
    ///
    /// Return: as vu_device_set_state_ops(), but no callback is needed.  Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_set_net_ops(dev: *mut vu_device, ops: *const vu_net_ops) -> crate::ffi::c_int;
}
