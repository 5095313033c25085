// SPDX-License-Identifier: MIT
//! What can go wrong, as one enum.
use std::{ffi::NulError, fmt, io};

use libvu_sys::ffi::c_int;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The device, group or runner is gone.
    Gone,
    /// Only the thread that serves it may do that, and only in a callback.
    WrongThread,
    /// That would wait for itself: it was done inside a callback.
    Deadlock,
    /// A front-end is attached, or somebody serves it already.
    Busy,
    /// The request has fewer bytes than that.
    Short,
    /// The driver broke the ring, and has to reset it.
    Broken,
    /// The queue is stopped, stopping or disabled.
    Stopped,
    /// A text has a zero byte, which C cannot have in it.
    ZeroByte,
    /// A callback panicked.
    Panicked,
    /// What libvu or the system returned: an errno, without its sign.
    Os(i32),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

// Linux: the same numbers on every architecture that libvu has been built for.
pub(crate) const EIO: i32 = 5;
pub(crate) const E2BIG: i32 = 7;
pub(crate) const EINTR: i32 = 4;
pub(crate) const EBUSY: i32 = 16;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const ERANGE: i32 = 34;
pub(crate) const EDEADLK: i32 = 35;
pub(crate) const EBADMSG: i32 = 74;
pub(crate) const ESHUTDOWN: i32 = 108;

impl Error {
    /// The errno that says the same to C, without its sign.
    pub fn errno(self) -> i32 {
        match self {
            Error::Gone => 19, // ENODEV
            Error::WrongThread | Error::ZeroByte => EINVAL,
            Error::Deadlock => EDEADLK,
            Error::Busy => EBUSY,
            Error::Short => EBADMSG,
            Error::Broken | Error::Panicked => EIO,
            Error::Stopped => ESHUTDOWN,
            Error::Os(0) => EIO, // 0 would be success
            Error::Os(errno) => errno,
        }
    }

    /// An error of a number as C functions return it; its sign does not matter.
    pub fn from_errno(errno: i32) -> Error {
        match errno.checked_abs().unwrap_or(EIO) {
            EBUSY => Error::Busy,
            EDEADLK => Error::Deadlock,
            other => Error::Os(other),
        }
    }

    /// What a callback returns to C.
    pub(crate) fn to_c(self) -> c_int {
        -self.errno().checked_abs().unwrap_or(EIO)
    }
}

/// The value of a C function that returns -errno or a number.
pub(crate) fn check(result: c_int) -> Result<c_int> {
    if result < 0 {
        Err(Error::from_errno(result))
    } else {
        Ok(result)
    }
}

/// What a callback returns to C for a result.
pub(crate) fn to_c(result: Result<()>) -> c_int {
    result.map_or_else(Error::to_c, |()| 0)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Gone => "it is gone",
            Error::WrongThread => "not the thread that serves it",
            Error::Deadlock => "not inside a callback",
            Error::Busy => "it is in use",
            Error::Short => "the request is shorter than that",
            Error::Broken => "the driver broke the ring",
            Error::Stopped => "the queue is stopped",
            Error::ZeroByte => "a text with a zero byte",
            Error::Panicked => "a callback panicked",
            Error::Os(errno) => return io::Error::from_raw_os_error(*errno).fmt(f),
        })
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::from_errno(error.raw_os_error().unwrap_or(EIO))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::from_raw_os_error(error.errno())
    }
}

// It is in std::ffi since 1.0; clippy takes the crate that it moved to.
#[allow(clippy::incompatible_msrv)]
impl From<NulError> for Error {
    fn from(_: NulError) -> Error {
        Error::ZeroByte
    }
}
