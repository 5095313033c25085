// SPDX-License-Identifier: MIT
//! What a device asks of its front-end; how it went is told to a closure, on the device thread.
//! Not promised yet: any release may change it.
use std::os::unix::io::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use libvu_sys as c;

use crate::{
    border::{caught, Within},
    error::check,
    Error, Handle, Result,
};
use c::ffi::{c_int, c_void};

/// A piece of a file, and where in a shared memory region the guest shall see it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Piece {
    /// The region.
    pub region: u32,
    /// Where in the region; a multiple of the page size, as the following.
    pub offset: u64,
    /// Its bytes; the file must reach so far, and stay so long.
    pub len: u64,
    /// Where in the file.
    pub fd_offset: u64,
    /// The guest may write to it.
    pub writable: bool,
}

struct Asked {
    group: u64,
    done: Box<dyn FnOnce(Result<c_int>) + Send>,
}

impl Handle {
    fn asked(&self, done: impl FnOnce(Result<c_int>) + Send + 'static) -> *mut Asked {
        Box::into_raw(Box::new(Asked { group: self.0.own.id, done: Box::new(done) }))
    }

    /// Calls C, which tells `done` if it returns 0.
    fn ask(
        &self,
        done: impl FnOnce(Result<c_int>) + Send + 'static,
        call: impl FnOnce(*mut c::vu_device, *mut c_void) -> c_int,
    ) -> Result<()> {
        let (_inside, dev) = self.0.enter()?;
        let asked = self.asked(done);
        let result = call(dev, asked.cast());
        if result < 0 {
            // Safety: nobody else has it.
            drop(unsafe { Box::from_raw(asked) });
        }
        check(result).map(drop)
    }

    /// Lets the guest see a piece of a file, which may be closed at once.
    pub fn map_shared_memory(
        &self,
        fd: &impl AsFd,
        piece: Piece,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        let raw = c::vu_shmem_piece {
            size: std::mem::size_of::<c::vu_shmem_piece>(),
            id: piece.region,
            flags: if piece.writable { c::VU_SHMEM_WRITE } else { 0 },
            offset: piece.offset,
            len: piece.len,
            fd_offset: piece.fd_offset,
            fd: fd.as_fd().as_raw_fd(),
        };
        let done = |result: Result<c_int>| done(result.map(drop));
        self.ask(done, |dev, asked| unsafe { c::vu_device_map_shmem(dev, &raw, Some(told), asked) })
    }

    /// Takes a piece away again, whole.
    pub fn unmap_shared_memory(
        &self,
        region: u32,
        offset: u64,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        let done = |result: Result<c_int>| done(result.map(drop));
        self.ask(done, |dev, asked| unsafe {
            c::vu_device_unmap_shmem(dev, region, offset, Some(told), asked)
        })
    }

    /// The driver's notifications of a queue go to a page of a file; None: no more.
    pub fn set_host_notifier(
        &self,
        queue: u32,
        page: Option<(&OwnedFd, u64)>,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        let (fd, offset) = page.map_or((-1, 0), |(fd, offset)| (fd.as_raw_fd(), offset));
        let done = |result: Result<c_int>| done(result.map(drop));
        self.ask(done, |dev, asked| unsafe {
            let queue = c::vu_device_queue(dev, queue);
            if queue.is_null() {
                return -crate::error::EINVAL;
            }
            c::vu_queue_set_host_notifier(queue, fd, offset, Some(told), asked)
        })
    }

    /// Tells the front-end of an object, so that others may ask for it.
    pub fn share(
        &self,
        uuid: [u8; 16],
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        let done = |result: Result<c_int>| done(result.map(drop));
        self.ask(done, |dev, asked| unsafe {
            c::vu_device_share(dev, uuid.as_ptr(), Some(told), asked)
        })
    }

    /// Takes that back.
    pub fn unshare(
        &self,
        uuid: [u8; 16],
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        let done = |result: Result<c_int>| done(result.map(drop));
        self.ask(done, |dev, asked| unsafe {
            c::vu_device_unshare(dev, uuid.as_ptr(), Some(told), asked)
        })
    }

    /// Asks for an object of any device.
    pub fn look_up(
        &self,
        uuid: [u8; 16],
        done: impl FnOnce(Result<OwnedFd>) + Send + 'static,
    ) -> Result<()> {
        // Safety: the descriptor is the caller's.
        let done =
            |result: Result<c_int>| done(result.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        self.ask(done, |dev, asked| unsafe {
            c::vu_device_lookup(dev, uuid.as_ptr(), Some(told), asked)
        })
    }
}

/// How it ended, once.
unsafe extern "C" fn told(_: *mut c::vu_device, result: c_int, asked: *mut c_void) {
    // Safety: what ask() gave.
    let asked = unsafe { Box::from_raw(asked.cast::<Asked>()) };
    let Asked { group, done } = *asked;
    let _within = Within::enter(group);
    let result = if result < 0 { Err(Error::from_errno(result)) } else { Ok(result) };
    if let Err(said) = caught(|| done(result)) {
        eprintln!("error: libvu: what was to be told of an answer panicked: {said}");
    }
}
