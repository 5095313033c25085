// SPDX-License-Identifier: MIT
//! What `<libvu/version.h>` declares.
pub const VU_VERSION_MAJOR: u32 = 0;
pub const VU_VERSION_MINOR: u32 = 1;
pub const VU_VERSION_PATCH: u32 = 0;
pub const VU_VERSION: &[u8; 6usize] = b"0.1.0\0";
extern "C" {

    /// the version of the loaded library, as "major.minor.patch".
    ///
    /// Return: a static string.  Thread: any.
    /// Since: 0.1
    pub fn vu_version() -> *const crate::ffi::c_char;
}
