// SPDX-License-Identifier: MIT
//! C's types; `core::ffi` has most of them only since Rust 1.64.
#![allow(missing_docs)]

pub use core::ffi::c_void;

pub type c_schar = i8;
pub type c_uchar = u8;
pub type c_short = i16;
pub type c_ushort = u16;
pub type c_int = i32;
pub type c_uint = u32;
pub type c_longlong = i64;
pub type c_ulonglong = u64;

#[cfg(target_pointer_width = "64")]
mod long {
    pub type c_long = i64;
    pub type c_ulong = u64;
}
#[cfg(not(target_pointer_width = "64"))]
mod long {
    pub type c_long = i32;
    pub type c_ulong = u32;
}
pub use long::*;

// Linux: signed on x86, MIPS, SPARC and LoongArch, unsigned elsewhere.
#[cfg(not(any(
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "riscv32",
    target_arch = "riscv64",
    target_arch = "s390x"
)))]
pub type c_char = i8;
#[cfg(any(
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "riscv32",
    target_arch = "riscv64",
    target_arch = "s390x"
))]
pub type c_char = u8;
