// SPDX-License-Identifier: MIT
//! The records of a device's state.
use std::{marker::PhantomData, ptr};

use libvu_sys as c;

use crate::{error::check, Pod, Result};

/// A state that is being saved.
pub struct StateWriter<'a> {
    state: *mut c::vu_state,
    _callback: PhantomData<&'a mut c::vu_state>,
}

/// A state that is being loaded.
pub struct StateReader<'a> {
    state: *mut c::vu_state,
    _callback: PhantomData<&'a c::vu_state>,
}

impl StateWriter<'_> {
    /// # Safety
    ///
    /// In a callback that saves this.
    pub(crate) unsafe fn new(state: *mut c::vu_state) -> Self {
        StateWriter { state, _callback: PhantomData }
    }

    fn record(&mut self, tag: u32, flags: u32, data: &[u8]) -> Result<()> {
        // Safety: the data is copied.
        check(unsafe { c::vu_state_put(self.state, tag, flags, data.as_ptr().cast(), data.len()) })
            .map(drop)
    }

    /// Adds a record; a tag, which is not 0, may be used several times.
    pub fn put(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.record(tag, 0, data)
    }

    /// Adds a record that a device which does not know the tag may leave out.
    pub fn put_optional(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.record(tag, c::VU_STATE_OPTIONAL, data)
    }

    /// Adds a record of one number.
    pub fn put_u64(&mut self, tag: u32, value: u64) -> Result<()> {
        check(unsafe { c::vu_state_put_u64(self.state, tag, 0, value) }).map(drop)
    }

    /// Adds a record of a struct.
    pub fn put_obj<T: Pod>(&mut self, tag: u32, object: &T) -> Result<()> {
        self.put(tag, object.as_bytes())
    }
}

impl StateReader<'_> {
    /// # Safety
    ///
    /// In a callback that loads this.
    pub(crate) unsafe fn new(state: *mut c::vu_state) -> Self {
        StateReader { state, _callback: PhantomData }
    }

    /// The version of the device that saved it.
    pub fn version(&self) -> u32 {
        unsafe { c::vu_state_version(self.state) }
    }

    /// The record with this tag and number among those, from 0; None if there is none.
    pub fn get(&self, tag: u32, index: u32) -> Option<&[u8]> {
        let (mut data, mut len) = (ptr::null(), 0);
        // Safety: valid until load has answered, and the borrow of self ends before.
        unsafe {
            if c::vu_state_get(self.state, tag, index, &mut data, &mut len) != 0 {
                return None;
            }
            Some(if len == 0 { &[] } else { std::slice::from_raw_parts(data.cast(), len) })
        }
    }

    /// The number with this tag.
    pub fn get_u64(&self, tag: u32) -> Result<u64> {
        let mut value = 0;
        check(unsafe { c::vu_state_get_u64(self.state, tag, &mut value) })?;
        Ok(value)
    }

    /// The struct with this tag; None if there is none of that size.
    pub fn get_obj<T: Pod>(&self, tag: u32) -> Option<T> {
        let mut object = T::zeroed();
        let data = self.get(tag, 0).filter(|data| data.len() == object.as_bytes().len())?;
        object.as_bytes_mut().copy_from_slice(data);
        Some(object)
    }
}
