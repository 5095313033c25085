// SPDX-License-Identifier: MIT
//! The bytes of a request, which are the guest's memory: copied in and out, never borrowed.
//!
//! The guest may write to them at any time, and they may overlap.  So there is no `&[u8]` of them;
//! whoever copies is libvu or the kernel, of whose accesses the compiler knows nothing.
use std::{
    cell::Cell,
    marker::PhantomData,
    mem::size_of,
    os::unix::io::{AsFd, AsRawFd},
};

use libvu_sys as c;

use crate::{
    error::EINTR,
    gate::Inside,
    shared::Shared,
    slice::{Readable, Writable},
    Error, Pod, Result,
};
use std::sync::Arc;

/// Who vouches for the C device behind a request.
pub(crate) enum Of<'a> {
    /// A callback, during which it is not freed.
    Callback(&'a Arc<Shared>),
    /// Nobody: each use goes through the gate.
    Anywhere(Arc<Shared>),
}

impl Of<'_> {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        match self {
            Of::Callback(shared) => shared,
            Of::Anywhere(shared) => shared,
        }
    }
}

/// The readable and the writable part of a request; each behaves as if it were one piece.
///
/// The highest byte that was written is remembered: it is what completing the request reports.
pub struct Buffers<'a> {
    pub(crate) req: *mut c::vu_req,
    pub(crate) of: Of<'a>,
    readable_len: u64,
    writable_len: u64,
    index: u32,
    flags: u32,
    written: Cell<u64>,
    _not_sync: PhantomData<*mut ()>,
}

impl<'a> Buffers<'a> {
    /// # Safety
    ///
    /// An outstanding request of that device's.
    pub(crate) unsafe fn new(req: *mut c::vu_req, of: Of<'a>, index: u32) -> Buffers<'a> {
        let (readable_len, writable_len, flags) =
            unsafe { ((*req).readable_len, (*req).writable_len, (*req).flags) };
        let written = Cell::new(0);
        let _not_sync = PhantomData;
        Buffers { req, of, readable_len, writable_len, index, flags, written, _not_sync }
    }

    /// The same request elsewhere.
    pub(crate) fn anywhere(&self) -> Buffers<'static> {
        Buffers {
            req: self.req,
            of: Of::Anywhere(Arc::clone(self.of.shared())),
            readable_len: self.readable_len,
            writable_len: self.writable_len,
            index: self.index,
            flags: self.flags,
            written: Cell::new(self.written.get()),
            _not_sync: PhantomData,
        }
    }

    /// For a use of `req`; Gone if the device is.
    pub(crate) fn enter(&self) -> Result<Option<Inside<'_>>> {
        match &self.of {
            Of::Callback(_) => Ok(None),
            Of::Anywhere(shared) => Ok(Some(shared.gate.enter().ok_or(Error::Gone)?)),
        }
    }

    /// The number of the queue it came from.
    pub fn queue(&self) -> u32 {
        self.index
    }

    /// It was in flight when an earlier back-end process died, and may have run already.
    pub fn is_resubmitted(&self) -> bool {
        self.flags & c::VU_REQ_RESUBMITTED != 0
    }

    /// It has more segments than the device takes: fail it, as the device type says.  Nothing of
    /// it is readable, and of what is writable there are only the first and the last segment.
    pub fn is_too_long(&self) -> bool {
        self.flags & c::VU_REQ_TOO_LONG != 0
    }

    /// Bytes that the driver sent.
    pub fn readable_len(&self) -> u64 {
        self.readable_len
    }

    /// Bytes that the device may write.
    pub fn writable_len(&self) -> u64 {
        self.writable_len
    }

    /// The readable part.
    pub fn readable(&self) -> Readable<'_> {
        Readable::new(self, 0, self.readable_len)
    }

    /// The writable part.
    pub fn writable(&self) -> Writable<'_> {
        Writable::new(self, 0, self.writable_len)
    }

    /// How many bytes completing it will report: up to the last one that was written.
    pub fn written(&self) -> u64 {
        self.written.get()
    }

    /// As if so many bytes had been written, from the start of the writable part.
    pub fn set_written(&mut self, bytes: u64) {
        self.wrote(bytes);
    }

    pub(crate) fn wrote(&self, end: u64) {
        self.written.set(self.written.get().max(end.min(self.writable_len)));
    }

    /// Copies from the readable part: fewer bytes than `into` has where it ends, down to 0.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> usize {
        match self.enter() {
            // Safety: an outstanding request, of a device that is there.
            Ok(_inside) => unsafe {
                c::vu_req_read(self.req, offset, into.as_mut_ptr().cast(), into.len())
            },
            Err(_) => 0,
        }
    }

    /// Copies to the writable part: fewer bytes than `from` has where it ends, down to 0.
    pub fn write_at(&self, offset: u64, from: &[u8]) -> usize {
        let n = match self.enter() {
            // Safety: as above.
            Ok(_inside) => unsafe {
                c::vu_req_write(self.req, offset, from.as_ptr().cast(), from.len())
            },
            Err(_) => 0,
        };
        if n != 0 {
            self.wrote(offset + n as u64);
        }
        n
    }

    /// Copies a struct from the readable part, once: check the copy, and use the copy.
    pub fn read_obj<T: Pod>(&self, offset: u64) -> Result<T> {
        let mut object = T::zeroed();
        self.readable().slice(offset, size_of::<T>() as u64)?.copy_to(object.as_bytes_mut())?;
        Ok(object)
    }

    /// Copies a struct to the writable part.
    pub fn write_obj<T: Pod>(&self, offset: u64, object: &T) -> Result<()> {
        self.writable().slice(offset, size_of::<T>() as u64)?.copy_from(object.as_bytes())
    }

    /// Calls the kernel for pieces of one part until `len` bytes went, or it has no more.
    pub(crate) fn transfer(
        &self,
        part: Part,
        offset: u64,
        len: u64,
        fd: &impl AsFd,
        mut position: Option<u64>,
    ) -> Result<u64> {
        let fd = fd.as_fd().as_raw_fd();
        let mut done = 0;
        while done < len {
            let _inside = self.enter()?;
            let mut pieces = [c::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; PIECES];
            let n = self.pieces(part, offset + done, len - done, &mut pieces)?;
            // Safety: pieces of the request's memory, which stays mapped while it is outstanding.
            let moved = unsafe { part.call(fd, &pieces[..n], position) };
            if moved < 0 {
                let error = std::io::Error::last_os_error();
                if error.raw_os_error() == Some(EINTR) {
                    continue;
                }
                return if done != 0 { Ok(done) } else { Err(error.into()) };
            }
            if moved == 0 {
                break;
            }
            done += moved as u64;
            position = position.map(|p| p + moved as u64);
        }
        Ok(done)
    }

    /// Up to PIECES segments at `offset`; the request must be there.
    fn pieces(&self, part: Part, offset: u64, len: u64, out: &mut [c::iovec]) -> Result<usize> {
        // Safety: the caller is inside; segments do not change.
        let (mut iov, mut n) = unsafe {
            match part {
                Part::Readable => ((*self.req).readable, (*self.req).n_readable),
                Part::Writable => ((*self.req).writable, (*self.req).n_writable),
            }
        };
        let mut skip = offset;
        // Safety: n segments are there.
        while n != 0 && skip >= unsafe { (*iov).iov_len } as u64 {
            skip -= unsafe { (*iov).iov_len } as u64;
            iov = unsafe { iov.add(1) };
            n -= 1;
        }
        let mut left = len;
        let mut used = 0;
        while n != 0 && left != 0 && used < out.len() {
            // Safety: as above, and skip is inside of the first one.
            let segment = unsafe { *iov };
            let bytes = (segment.iov_len as u64 - skip).min(left);
            out[used] = c::iovec {
                iov_base: unsafe { segment.iov_base.cast::<u8>().add(skip as usize) }.cast(),
                iov_len: bytes as usize,
            };
            (skip, left, used, n) = (0, left - bytes, used + 1, n - 1);
            iov = unsafe { iov.add(1) };
        }
        if used == 0 {
            return Err(Error::Short);
        }
        Ok(used)
    }

    /// All segments of a range.
    pub(crate) fn segments(&self, part: Part, offset: u64, len: u64) -> Result<Vec<c::iovec>> {
        let _inside = self.enter()?;
        let mut all = Vec::new();
        let mut done = 0;
        while done < len {
            let mut pieces = [c::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; PIECES];
            let n = self.pieces(part, offset + done, len - done, &mut pieces)?;
            done += pieces[..n].iter().map(|piece| piece.iov_len as u64).sum::<u64>();
            all.extend_from_slice(&pieces[..n]);
        }
        Ok(all)
    }
}

const PIECES: usize = 32;

/// Which half of a request.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Readable,
    Writable,
}

// Whoever links std has the C library.
extern "C" {
    fn readv(fd: c::ffi::c_int, iov: *const c::iovec, n: c::ffi::c_int) -> isize;
    fn writev(fd: c::ffi::c_int, iov: *const c::iovec, n: c::ffi::c_int) -> isize;
    fn preadv64(fd: c::ffi::c_int, iov: *const c::iovec, n: c::ffi::c_int, at: i64) -> isize;
    fn pwritev64(fd: c::ffi::c_int, iov: *const c::iovec, n: c::ffi::c_int, at: i64) -> isize;
}

impl Part {
    unsafe fn call(self, fd: c::ffi::c_int, pieces: &[c::iovec], at: Option<u64>) -> isize {
        let (iov, n) = (pieces.as_ptr(), pieces.len() as c::ffi::c_int);
        unsafe {
            match (self, at) {
                (Part::Readable, None) => writev(fd, iov, n),
                (Part::Readable, Some(at)) => pwritev64(fd, iov, n, at as i64),
                (Part::Writable, None) => readv(fd, iov, n),
                (Part::Writable, Some(at)) => preadv64(fd, iov, n, at as i64),
            }
        }
    }
}
