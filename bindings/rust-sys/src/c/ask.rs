// SPDX-License-Identifier: MIT
//! What `<libvu/ask.h>` declares.
use crate::vu_device;

/// how something ended that a device asked of its front-end.
///
/// Called once for each time that the asking function returned 0.  The front-end takes its time, and
/// nothing waits for it.
///
/// - `result`: 0: it is done.  -EREMOTEIO: the front-end refused.  -ECANCELED: the driver stopped or
/// reset the device before.  -ENOTCONN: there is no front-end, it has no back-end channel, or
/// it went without an answer.  -EOPNOTSUPP: it did not negotiate what is needed.
/// - `asked`: as it was given to the function that asked.
///
/// Thread: device thread.
/// Since: 0.1
pub type vu_asked_fn = ::core::option::Option<
    unsafe extern "C" fn(
        dev: *mut vu_device,
        result: crate::ffi::c_int,
        asked: *mut crate::ffi::c_void,
    ),
>;
