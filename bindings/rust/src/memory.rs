// SPDX-License-Identifier: MIT
//! Guest memory by address, for devices whose requests name addresses.
use std::sync::Arc;

use libvu_sys as c;

use crate::{error::check, shared::Shared, Error, Pod, Result};

/// A reference on guest memory as it was; what it describes stays mapped.
///
/// Let go of it when [`Device::memory_changed`](crate::Device::memory_changed) is called: the guest
/// may have taken the memory away.  Not promised yet.
pub struct Memory {
    memory: *mut c::vu_memory,
    shared: Arc<Shared>,
}

// Safety: any thread that has a reference may use and release it.
unsafe impl Send for Memory {}
unsafe impl Sync for Memory {}

/// A run of guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Region {
    /// Where it begins for the guest.
    pub guest_addr: u64,
    /// Its bytes.
    pub len: u64,
}

impl Memory {
    /// # Safety
    ///
    /// A reference, or null, which is this value's from now on.
    pub(crate) unsafe fn new(memory: *mut c::vu_memory, of: &Arc<Shared>) -> Option<Memory> {
        if memory.is_null() {
            return None;
        }
        Some(Memory { memory, shared: Arc::clone(of) })
    }

    /// Its regions, in the order of their guest addresses.
    pub fn regions(&self) -> Vec<Region> {
        let mut all = Vec::new();
        loop {
            // Safety: a struct of numbers and a pointer.
            let mut raw: c::vu_region = unsafe { std::mem::zeroed() };
            raw.size = std::mem::size_of::<c::vu_region>();
            // Safety: a reference is held.
            if unsafe { c::vu_memory_region(self.memory, all.len() as u32, &mut raw) } != 0 {
                return all;
            }
            all.push(Region { guest_addr: raw.guest_addr, len: raw.len });
        }
    }

    /// Copies from a range of guest addresses; an error, with less copied, where a part of it is no
    /// guest memory.
    pub fn read(&self, guest_addr: u64, into: &mut [u8]) -> Result<()> {
        let len = into.len();
        let mut at = into.as_mut_ptr();
        self.pieces(guest_addr, len, |piece| {
            // Safety: `piece` is mapped, and the pieces are as long as `into`.
            unsafe {
                copy(at, piece.iov_base.cast(), piece.iov_len);
                at = at.add(piece.iov_len);
            }
        })
    }

    /// Copies to a range of guest addresses.
    ///
    /// Where a virtual machine is being moved the front-end does not hear of it: for what a request
    /// gave, write to the request.
    pub fn write(&self, guest_addr: u64, from: &[u8]) -> Result<()> {
        let mut at = from.as_ptr();
        self.pieces(guest_addr, from.len(), |piece| {
            // Safety: as of read().
            unsafe {
                copy(piece.iov_base.cast(), at, piece.iov_len);
                at = at.add(piece.iov_len);
            }
        })
    }

    /// Copies a struct from a guest address, once: check the copy, and use the copy.
    pub fn read_obj<T: Pod>(&self, guest_addr: u64) -> Result<T> {
        let mut object = T::zeroed();
        self.read(guest_addr, object.as_bytes_mut())?;
        Ok(object)
    }

    fn pieces(&self, addr: u64, len: usize, mut each: impl FnMut(&c::iovec)) -> Result<()> {
        // While the device is there it is guarded against memory that its front-end cuts off.
        let _inside = self.shared.gate.enter().ok_or(Error::Gone)?;
        let mut pieces = [c::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; 8];
        let max = pieces.len() as u32;
        // Safety: a reference is held.
        let n = check(unsafe {
            c::vu_memory_map(self.memory, addr, len as u64, pieces.as_mut_ptr(), max)
        })?;
        pieces[..n as usize].iter().for_each(&mut each);
        Ok(())
    }
}

// Not a copy of Rust's own: what the guest changes meanwhile is no matter of the compiler's.
extern "C" {
    #[link_name = "memmove"]
    fn copy(into: *mut u8, from: *const u8, len: usize) -> *mut u8;
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Safety: the reference is this value's; also after the device is freed.
        unsafe { c::vu_memory_release(self.memory) }
    }
}
