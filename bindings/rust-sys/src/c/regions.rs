// SPDX-License-Identifier: MIT
//! What `<libvu/regions.h>` declares.
use crate::{iovec, vu_device, vu_memory};

/// a run of guest memory, as vu_memory_region() describes it.
///
/// - `size`: sizeof(struct vu_region).
/// - `guest_addr`: where it begins for the guest.
/// - `len`: its bytes.
/// - `host`: where it begins in this process.
///
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_region {
    pub size: usize,
    pub guest_addr: u64,
    pub len: u64,
    pub host: *mut crate::ffi::c_void,
}
extern "C" {

    /// a reference on guest memory as it is now.
    ///
    /// What it describes does not change, and stays mapped until vu_memory_release(), also when the
    /// front-end removes or replaces it: let go of it when vu_memory_fn is called, for the guest may
    /// have taken the memory away.  Most devices need none: requests come with their segments.
    ///
    /// Return: the reference; NULL while there is no guest memory.  Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_memory(dev: *mut vu_device) -> *mut vu_memory;
}

/// guest memory is another one now: see vu_device_memory().
///
/// Called before the front-end hears that the change is done, but for the end of a session, which
/// session_end tells.  Requests that were handed out keep what they point into.
///
/// Thread: device thread.
/// Since: 0.1
pub type vu_memory_fn = ::core::option::Option<
    unsafe extern "C" fn(dev: *mut vu_device, opaque: *mut crate::ffi::c_void),
>;
extern "C" {

    /// have a function called for each change of guest memory.
    ///
    /// - `fn`: takes the place of the one before; NULL: none.
    ///
    /// Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_watch_memory(
        dev: *mut vu_device,
        fn_: vu_memory_fn,
        opaque: *mut crate::ffi::c_void,
    );
}
extern "C" {

    /// describe one of the regions, which are in the order of their guest
    /// addresses.
    ///
    /// - `index`: from 0.
    /// - `region`: size must be set; filled as far as that reaches, the rest with 0; size is set to what
    /// was filled.
    ///
    /// Return: 0; -ENOENT for an index behind the last one; -EINVAL for a size that cannot be.
    /// Thread: any that has a reference.
    /// Since: 0.1
    pub fn vu_memory_region(
        memory: *const vu_memory,
        index: u32,
        region: *mut vu_region,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// where a range of guest addresses is in this process.
    ///
    /// The pointers are good as long as the reference is held.  The guest can change what they point to
    /// at any time, and its front-end may truncate it: vu_device_guard().
    ///
    /// - `iov, max`: receives at most `max` segments, one for each region that the range touches.
    ///
    /// Return: segments stored (0 for `len` 0); -EFAULT if a part of it is no guest memory; -ENOSPC if
    /// `max` is too small.
    ///
    /// Thread: any that has a reference.
    /// Since: 0.1
    pub fn vu_memory_map(
        memory: *const vu_memory,
        guest_addr: u64,
        len: u64,
        iov: *mut iovec,
        max: u32,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// have the files of guest memory kept open: see vu_memory_file().
    ///
    /// For devices that hand pieces of guest memory to somebody else, as udmabuf does for a display.
    /// One descriptor for each region, as long as there is a reference on it.
    ///
    /// - `keep`: 0 or 1, for memory that the front-end sends from now on: set it before one is there.
    ///
    /// Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_keep_memory_files(dev: *mut vu_device, keep: crate::ffi::c_int);
}
extern "C" {

    /// the file that has a piece of guest memory.
    ///
    /// What is behind `guest_addr` in its region is behind `offset` in the file.  The front-end has the
    /// file, too, and may seal it, make it longer or shorter, and unmap it, at any time.
    ///
    /// - `offset`: receives where in the file that is; in bytes.
    ///
    /// Return: a descriptor, which stays the reference's: duplicate it to have it longer.  -ENOENT: no
    /// guest memory, or a file that was not kept: vu_device_keep_memory_files() was not called, there
    /// was no room for a descriptor, or the file is of no local file system.
    ///
    /// Thread: any that has a reference.
    /// Since: 0.1
    pub fn vu_memory_file(
        memory: *const vu_memory,
        guest_addr: u64,
        offset: *mut u64,
    ) -> crate::ffi::c_int;
}
