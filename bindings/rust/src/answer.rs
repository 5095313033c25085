// SPDX-License-Identifier: MIT
//! The answer to a front-end: given once, now or later, on any thread.
use std::{
    marker::PhantomData,
    mem::ManuallyDrop,
    os::unix::io::{IntoRawFd, OwnedFd},
};

use libvu_sys as c;

use crate::{Error, Result};

/// What a message of a front-end's is answered with.  Dropped, it is "no".
///
/// The front-end waits for it, and the virtual machine mostly stands still until then.
#[must_use = "dropped, it says no"]
pub struct Answer<T: Value> {
    answer: *mut c::vu_answer,
    _value: PhantomData<fn(T)>,
}

// Safety: any thread may give it.
unsafe impl<T: Value> Send for Answer<T> {}

/// What can be in an answer.
pub trait Value: sealed::Sealed {
    #[doc(hidden)]
    fn into_number(self) -> i64;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl Sealed for u64 {}
    impl Sealed for std::os::unix::io::OwnedFd {}
}

impl Value for () {
    fn into_number(self) -> i64 {
        0
    }
}

impl Value for u64 {
    /// What cannot be said is an error.
    fn into_number(self) -> i64 {
        i64::try_from(self).unwrap_or(i64::from(Error::Os(crate::error::ERANGE).to_c()))
    }
}

impl Value for OwnedFd {
    fn into_number(self) -> i64 {
        i64::from(self.into_raw_fd())
    }
}

impl<T: Value> Answer<T> {
    /// # Safety
    ///
    /// The answer of a callback that returns VU_LATER.
    pub(crate) unsafe fn new(answer: *mut c::vu_answer) -> Answer<T> {
        Answer { answer, _value: PhantomData }
    }

    /// Gives it; false: the session has ended, and nobody hears it.
    pub fn give(self, result: Result<T>) -> bool {
        let this = ManuallyDrop::new(self);
        let number = result.map_or_else(|error| i64::from(error.to_c()), T::into_number);
        // Safety: given once.  A descriptor is the library's.
        unsafe { c::vu_answer_give(this.answer, number) == 0 }
    }
}

impl<T: Value> Drop for Answer<T> {
    fn drop(&mut self) {
        // Safety: not given yet.
        unsafe { c::vu_answer_give(self.answer, i64::from(Error::Os(crate::error::EIO).to_c())) };
    }
}
