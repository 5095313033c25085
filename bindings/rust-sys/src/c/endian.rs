// SPDX-License-Identifier: MIT
//! What `<libvu/endian.h>` declares.
use crate::{vu_device, vu_queue};

extern "C" {

    /// serve legacy drivers of big-endian guests, too: offers
    /// CROSS_ENDIAN.
    ///
    /// A legacy driver's rings, requests and configuration space are in the guest's byte order (virtio
    /// 1.3, the sections "Legacy Interface"), of which the front-end tells.  Rings are the library's
    /// matter; requests and configuration space are the device's, which asks vu_queue_is_big_endian().
    /// Drivers that accepted VERSION_1 are little-endian, whatever the front-end says.
    ///
    /// - `on`: 0 takes it back.
    ///
    /// Return: 0; -EBUSY while a front-end is attached; -EINVAL for a device without VU_DEVICE_LEGACY. A
    /// log line says so.  Thread: device thread.
    ///
    /// vhost-user SET_VRING_ENDIAN.
    /// Since: 0.1
    pub fn vu_device_set_cross_endian(
        dev: *mut vu_device,
        on: crate::ffi::c_int,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// is the driver's byte order big-endian?
    ///
    /// Of a ring that is started; good from queue_ready on until it stops.
    ///
    /// Return: 1 or 0.  Thread: queue thread.
    /// Since: 0.1
    pub fn vu_queue_is_big_endian(queue: *const vu_queue) -> crate::ffi::c_int;
}
