// SPDX-License-Identifier: MIT
//! What `<libvu/answer.h>` declares.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_answer {
    _unused: [u8; 0],
}
pub const VU_LATER: vu_answer_when = -2147483647;

/// what a callback returns that does not know its answer yet.
///
/// - `VU_LATER`: the answer comes by vu_answer_give().  No further message of the front-end is looked
/// at until then, as answers have to keep their order, and the virtual machine mostly stands
/// still: after a second and then every ten a line in the log names what is waited for.
///
/// Since: 0.1
pub type vu_answer_when = crate::ffi::c_int;
extern "C" {

    /// give the answer that a callback left open by VU_LATER.
    ///
    /// To be called exactly once for each VU_LATER, whatever became of the front-end; it may be called
    /// before the callback has returned.  The answer is gone then.  What a callback answers at once it
    /// returns, and leaves the handle alone.
    ///
    /// - `value`: what the callback would have returned: 0 or a value, or -errno.
    ///
    /// Return: 0: it goes to the front-end, unless that goes first; -ESTALE: the session has ended, or
    /// the device was freed, and nobody hears it.  A descriptor that was the value is closed then.
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_answer_give(answer: *mut vu_answer, value: i64) -> crate::ffi::c_int;
}
