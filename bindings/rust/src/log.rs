// SPDX-License-Identifier: MIT
//! Where log lines go.
use std::{
    ffi::{CStr, CString},
    sync::Arc,
};

use libvu_sys as c;

use crate::border::{caught, Within};

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A session or queue ended, or a call failed, because of what the line says.
    Error,
    /// The front-end or driver did something odd; service goes on.
    Warning,
    /// Connections come and go, queues start and stop.
    Info,
    /// Every message with its values.
    Debug,
}

impl Level {
    pub(crate) fn to_c(self) -> c::vu_log_level {
        match self {
            Level::Error => c::VU_LOG_ERROR,
            Level::Warning => c::VU_LOG_WARNING,
            Level::Info => c::VU_LOG_INFO,
            Level::Debug => c::VU_LOG_DEBUG,
        }
    }

    fn from_c(level: c::vu_log_level) -> Level {
        match level {
            c::VU_LOG_ERROR => Level::Error,
            c::VU_LOG_WARNING => Level::Warning,
            c::VU_LOG_INFO => Level::Info,
            _ => Level::Debug,
        }
    }
}

type Function = dyn Fn(Level, &str) + Send + Sync;

/// Takes the lines of a device or runner.
#[derive(Clone)]
pub(crate) enum Sink {
    /// Standard error, or the crate `log` with that feature.
    Default,
    Function(Arc<Function>),
}

impl Sink {
    /// For log_fn and log_opaque; the sink must stay where it is.
    pub(crate) fn to_c(&self) -> (c::vu_log_fn, *mut c::ffi::c_void) {
        let plain = matches!(self, Sink::Default) && cfg!(not(feature = "log"));
        let function: c::vu_log_fn = if plain { None } else { Some(take) };
        (function, self as *const Sink as *mut c::ffi::c_void)
    }

    fn write(&self, level: Level, line: &str) {
        match self {
            Sink::Function(function) => function(level, line),
            Sink::Default => to_log(level, line),
        }
    }
}

#[cfg(feature = "log")]
fn to_log(level: Level, line: &str) {
    let level = match level {
        Level::Error => log::Level::Error,
        Level::Warning => log::Level::Warn,
        Level::Info => log::Level::Info,
        Level::Debug => log::Level::Debug,
    };
    log::log!(target: "libvu", level, "{line}");
}

#[cfg(not(feature = "log"))]
fn to_log(_: Level, _: &str) {}

unsafe extern "C" fn take(
    opaque: *mut c::ffi::c_void,
    level: c::vu_log_level,
    line: *const c::ffi::c_char,
) {
    // Safety: what to_c() gave, and a text that is valid during the call.
    let (sink, line) = unsafe { (&*opaque.cast::<Sink>(), CStr::from_ptr(line)) };
    let _within = Within::logger();
    // A panic in a logger has nowhere to be logged.
    let _ = caught(|| sink.write(Level::from_c(level), &line.to_string_lossy()));
}

/// A text for C; what is behind a zero byte is left out.
pub(crate) fn text(line: &str) -> CString {
    let end = line.find('\0').unwrap_or(line.len());
    CString::new(&line[..end]).unwrap_or_default()
}
