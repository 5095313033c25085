// SPDX-License-Identifier: MIT
//! What `<libvu/log.h>` declares.
pub const VU_LOG_ERROR: vu_log_level = 0;
pub const VU_LOG_WARNING: vu_log_level = 1;
pub const VU_LOG_INFO: vu_log_level = 2;
pub const VU_LOG_DEBUG: vu_log_level = 3;

/// how much a log line matters.
///
/// - `VU_LOG_ERROR`: a session or queue ended, or a call failed, because of what the line says.
/// - `VU_LOG_WARNING`: the front-end or driver did something odd; service goes on.
/// - `VU_LOG_INFO`: connections come and go, queues start and stop.
/// - `VU_LOG_DEBUG`: every message with its values.
///
/// Since: 0.1
pub type vu_log_level = crate::ffi::c_uint;

/// receives one finished line, without a newline.
///
/// - `opaque`: log_opaque of the object the line is about.
/// - `level`: its level; lines above the configured level are not formatted at all.
/// - `line`: valid during the call; names the object first ("rng0: queue 0: ...").  It is UTF-8
/// without control characters: those of files and peers are written as \\x1b.
///
/// Thread: any that uses the object, several at once.  Must not call back into the library.
/// Since: 0.1
pub type vu_log_fn = ::core::option::Option<
    unsafe extern "C" fn(
        opaque: *mut crate::ffi::c_void,
        level: vu_log_level,
        line: *const crate::ffi::c_char,
    ),
>;
extern "C" {

    /// a vu_log_fn that writes "level: line" to standard error in one write.
    ///
    /// The default where a log_fn is NULL.  `opaque` is ignored.
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_log_stderr(
        opaque: *mut crate::ffi::c_void,
        level: vu_log_level,
        line: *const crate::ffi::c_char,
    );
}
