// SPDX-License-Identifier: MIT
//! What the C library libvu declares, as it is; the crate `libvu` is the safe one.
//!
//! Names and comments are those of the headers: `<libvu/vu.h>`, whose interface is promised, and
//! `<libvu/unstable.h>`, of which any release may change something.  Structs that begin with `size`
//! get their `size_of` there, and 0 in all that is not wanted, as of [`core::mem::zeroed`].
//!
//! ```
//! let version = unsafe { std::ffi::CStr::from_ptr(libvu_sys::vu_version()) };
//! assert!(version.to_str().unwrap().starts_with("0."));
//! ```
#![no_std]
#![allow(non_camel_case_types)]
#![warn(missing_docs)]

mod c;
pub mod ffi;
pub use c::*;

/// A piece of memory, as system calls take it (`struct iovec` of `<sys/uio.h>`).
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct iovec {
    /// Where it begins.
    pub iov_base: *mut ffi::c_void,
    /// Its bytes.
    pub iov_len: usize,
}
