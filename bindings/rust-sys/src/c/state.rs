// SPDX-License-Identifier: MIT
//! What `<libvu/state.h>` declares.
use crate::{vu_answer, vu_device};

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_state {
    _unused: [u8; 0],
}

/// for a device that has state to move; see vu_device_set_state_ops().
///
/// - `size`: sizeof(struct vu_state_ops).
/// - `version`: of what save writes, from 0; a state of a higher version is not loaded.  To be counted
/// up only when older devices would misunderstand a tag; what they only do not know needs
/// no new version, see vu_state_put().
/// - `max_size`: bytes of a state at most, both ways; 0 means 64 MiB.
/// - `save`: fill `state` by vu_state_put().  The device is suspended, and may go on afterwards as if
/// nothing had happened: migration may fail.  0, -errno (migration fails, the virtual machine
/// goes on here), or VU_LATER: `state` can be filled on any thread until vu_answer_give().
/// Device thread.
/// - `load`: take over what vu_state_get() finds in `state`.  It comes in one piece, and from another
/// host: its format was checked, and its content is the device's to check.  The device is
/// suspended; no features are negotiated yet, and there may be no guest memory.  0, -errno
/// (migration fails, after the source has let go of the virtual machine: be lenient), or
/// VU_LATER.  A record that load did not get, and that is not optional, is an error, too.
/// Device thread.
///
/// The last argument of each is the opaque pointer of vu_device_new(); the one before is for
/// VU_LATER.
///
/// vhost-user "Migrating back-end state".
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_state_ops {
    pub size: usize,
    pub version: u32,
    pub max_size: u64,
    pub save: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            state: *mut vu_state,
            answer: *mut vu_answer,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
    pub load: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            state: *mut vu_state,
            answer: *mut vu_answer,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
}
extern "C" {

    /// let the device's state be moved: offers DEVICE_STATE.
    ///
    /// - `ops`: copied; both callbacks are needed.  NULL: the device has none any more.
    ///
    /// Return: 0; -EBUSY while a front-end is attached; -EINVAL without a callback or for a size that
    /// cannot be; -E2BIG for a struct with an unknown non-zero tail.  A log line names what it was.
    /// Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_set_state_ops(
        dev: *mut vu_device,
        ops: *const vu_state_ops,
    ) -> crate::ffi::c_int;
}
pub const VU_STATE_OPTIONAL: vu_state_flags = 1;

/// of a record.
///
/// - `VU_STATE_OPTIONAL`: a device that does not know the tag may leave it out.
///
/// Since: 0.1
pub type vu_state_flags = crate::ffi::c_uint;
extern "C" {

    /// add a record to a state that is being saved.
    ///
    /// A tag may be used several times: vu_state_get() counts them.
    ///
    /// - `tag`: the device's choice, not 0.
    /// - `flags`: enum vu_state_flags.
    /// - `data`: `len` bytes, copied; in a byte order of the device's choice, which should be little-endian.
    ///
    /// Return: 0; -EINVAL for tag 0, an unknown flag, or a state that is loaded; -EFBIG beyond max_size
    /// or 65536 records; -ENOMEM.  A failure is kept: the state is not saved then, whatever save
    /// returns. Thread: that of save, or after VU_LATER any one at a time. Since: 0.1
    pub fn vu_state_put(
        state: *mut vu_state,
        tag: u32,
        flags: u32,
        data: *const crate::ffi::c_void,
        len: usize,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// add a record of one number, 8 bytes little-endian.
    ///
    /// Return: as vu_state_put().  Thread: as vu_state_put().
    /// Since: 0.1
    pub fn vu_state_put_u64(
        state: *mut vu_state,
        tag: u32,
        flags: u32,
        value: u64,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// find a record of a state that is being loaded.
    ///
    /// - `index`: 0 for the first with this tag, 1 for the second, and so on, in the order of saving.
    /// - `data, len`: receive where it is, aligned for any type, until load has answered.
    ///
    /// Return: 0; -ENOENT: there is none, or the state is being saved.
    /// Thread: that of load, or after VU_LATER any one at a time.
    /// Since: 0.1
    pub fn vu_state_get(
        state: *mut vu_state,
        tag: u32,
        index: u32,
        data: *mut *const crate::ffi::c_void,
        len: *mut usize,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// find a number that vu_state_put_u64() saved, the first with this tag.
    ///
    /// Return: 0; -ENOENT; -EBADMSG: the record has not 8 bytes.  Thread: as vu_state_get().
    /// Since: 0.1
    pub fn vu_state_get_u64(state: *mut vu_state, tag: u32, value: *mut u64) -> crate::ffi::c_int;
}
extern "C" {

    /// vu_state_ops.version of the device that saved it.
    ///
    /// Thread: as vu_state_get().
    /// Since: 0.1
    pub fn vu_state_version(state: *const vu_state) -> u32;
}
