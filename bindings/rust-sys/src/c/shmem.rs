// SPDX-License-Identifier: MIT
//! What `<libvu/shmem.h>` declares.
use crate::{vu_asked_fn, vu_device};

/// the driver stopped or reset the device: nothing is mapped any more.
///
/// Called before `stopped`, if something was mapped.  A front-end takes the mappings away at a reset
/// and does not say so.  Whether a stop was one cannot be told, so count with both: map
/// anew what is asked for anew; what a front-end has kept, and is in the way, is then taken away.
///
/// Thread: device thread.
/// Since: 0.1
pub type vu_shmem_lost_fn = ::core::option::Option<
    unsafe extern "C" fn(dev: *mut vu_device, opaque: *mut crate::ffi::c_void),
>;

/// a device's shared memory regions.
///
/// - `size`: sizeof(struct vu_shmem_info).
/// - `lens`: bytes of region 0, 1 and so on, each a multiple of the page size; 0: there is no region of
/// that id.  Their sum must be a power of two: QEMU puts all into one PCI BAR, and aborts at
/// any other sum.  A region more that stays empty fills it up.
/// - `n_lens`: how many `lens` has, at most 256.
/// - `lost`: may be NULL.  Its last argument is the opaque pointer of vu_device_new().
///
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_shmem_info {
    pub size: usize,
    pub lens: *const u64,
    pub n_lens: u32,
    pub lost: vu_shmem_lost_fn,
}
extern "C" {

    /// give a device shared memory regions, which the guest then sees.
    ///
    /// Offers VHOST_USER_PROTOCOL_F_SHMEM_MAP and BACKEND_SEND_FD.  Once for a device, before a
    /// front-end is attached.
    ///
    /// - `info`: copied.
    ///
    /// Return: 0; -EINVAL: a length or a sum that cannot be, or a size (a log line says what to do);
    /// -E2BIG; -EBUSY while a front-end is attached; -EEXIST the second time; -ENOMEM.
    /// Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_set_shmem(
        dev: *mut vu_device,
        info: *const vu_shmem_info,
    ) -> crate::ffi::c_int;
}
pub const VU_SHMEM_WRITE: vu_shmem_flags = 1;

/// of struct vu_shmem_piece.
///
/// - `VU_SHMEM_WRITE`: the guest may write to it.  Without, it should not; QEMU 11 lets it all the
/// same.
///
/// Since: 0.1
pub type vu_shmem_flags = crate::ffi::c_uint;

/// a piece of a file, and where the guest shall see it.
///
/// - `size`: sizeof(struct vu_shmem_piece).
/// - `id`: the region.
/// - `flags`: enum vu_shmem_flags.
/// - `offset`: where in the region; a multiple of the page size, as `len` and `fd_offset`.
/// - `len`: bytes.  The file must reach so far, and stay so long: whoever touches what was cut off gets
/// SIGBUS (vu_device_guard()).
/// - `fd_offset`: where in the file.
/// - `fd`: a memfd or file, open for reading and writing: QEMU 11 maps no other.  It stays the caller's
/// and may be closed at once.  The front-end hands it back as guest memory, so files on
/// file systems that VU_DEVICE_ANY_MEMORY is for are refused without that.
///
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_shmem_piece {
    pub size: usize,
    pub id: u32,
    pub flags: u32,
    pub offset: u64,
    pub len: u64,
    pub fd_offset: u64,
    pub fd: crate::ffi::c_int,
}
extern "C" {

    /// let the guest see a piece of a file in a shared memory region.
    ///
    /// Between `started` and `stopped` only.  Pieces must not overlap; one that is being unmapped is no
    /// hindrance, as the front-end hears of everything in the order of the calls.  Guests and front-ends
    /// like few large pieces better than many small ones: each is a region of guest memory, too.
    ///
    /// - `piece`: copied.
    /// - `done`: told when the front-end has done it; may be NULL.
    /// - `asked`: for `done`.
    ///
    /// Return: 0, and `done` is called; or, with a line in the log, -EINVAL: no such region, outside of
    /// it or of the file, not whole pages, unknown flags, or a size that cannot be; -EEXIST: something
    /// is mapped there; -EBADF, -EACCES: not open for both; -EPERM: a file system that may block;
    /// -E2BIG; -ENOMEM, -EMFILE.
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_device_map_shmem(
        dev: *mut vu_device,
        piece: *const vu_shmem_piece,
        done: vu_asked_fn,
        asked: *mut crate::ffi::c_void,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// take a piece away again, whole.
    ///
    /// - `id, offset`: as it was mapped.
    /// - `done`: told when the guest does not see it any more; may be NULL.
    /// - `asked`: for `done`.
    ///
    /// Return: 0, and `done` is called; -ENOENT: nothing was mapped that begins there; -EBUSY: its
    /// mapping was not answered yet; -EALREADY: it is being unmapped.
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_device_unmap_shmem(
        dev: *mut vu_device,
        id: u32,
        offset: u64,
        done: vu_asked_fn,
        asked: *mut crate::ffi::c_void,
    ) -> crate::ffi::c_int;
}
