// SPDX-License-Identifier: MIT
//! A request of the test's own: as the library would describe it, with memory that is no guest's.
use libvu_sys as c;
use std::{ptr, slice};

/// Frees what it points to at its end.  Everything is behind raw pointers, as guest memory is.
pub(crate) struct Made {
    pub(crate) req: *mut c::vu_req,
    parts: [*mut [c::iovec]; 2],
    /// Bytes it was completed with, once for each time.
    #[cfg(miri)]
    pub(crate) completed: *mut std::sync::Mutex<Vec<u64>>,
}

fn segments(texts: &[&[u8]]) -> *mut [c::iovec] {
    let all = texts.iter().map(|text| {
        let bytes = Box::into_raw(Box::<[u8]>::from(*text));
        c::iovec { iov_base: bytes.cast(), iov_len: text.len() }
    });
    Box::into_raw(all.collect())
}

impl Made {
    pub(crate) fn new(readable: &[&[u8]], writable: &[&[u8]]) -> Made {
        let parts = [segments(readable), segments(writable)];
        let total = |texts: &[&[u8]]| texts.iter().map(|text| text.len() as u64).sum();
        #[cfg(miri)]
        let completed: *mut std::sync::Mutex<Vec<u64>> = Box::into_raw(Box::default());
        let req = c::vu_req {
            readable: parts[0].cast(),
            writable: parts[1].cast(),
            n_readable: readable.len() as u32,
            n_writable: writable.len() as u32,
            readable_len: total(readable),
            writable_len: total(writable),
            #[cfg(miri)]
            priv_: completed.cast(),
            #[cfg(not(miri))]
            priv_: ptr::null_mut(),
            flags: 0,
        };
        Made {
            req: Box::into_raw(Box::new(req)),
            parts,
            #[cfg(miri)]
            completed,
        }
    }

    /// What the driver finds in the writable part.
    pub(crate) fn found(&self) -> Vec<u8> {
        // Safety: nobody writes to it now.
        unsafe {
            let segments = &*self.parts[1];
            let bytes = |s: &c::iovec| slice::from_raw_parts(s.iov_base.cast::<u8>(), s.iov_len);
            segments.iter().flat_map(bytes).copied().collect()
        }
    }

    /// What it was completed with, each time.
    #[cfg(miri)]
    pub(crate) fn completed(&self) -> Vec<u64> {
        // Safety: it lives as long as this.
        unsafe { &*self.completed }.lock().unwrap().clone()
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // Safety: made above by Box::into_raw().
        unsafe {
            #[cfg(miri)]
            drop(Box::from_raw(self.completed));
            drop(Box::from_raw(self.req));
            for part in self.parts {
                for segment in Box::from_raw(part).iter() {
                    let bytes = segment.iov_base.cast::<u8>();
                    drop(Box::from_raw(ptr::slice_from_raw_parts_mut(bytes, segment.iov_len)));
                }
            }
        }
    }
}
