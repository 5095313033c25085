// SPDX-License-Identifier: MIT
//! Requests: one in a callback, and one that was taken out of it.
//!
//! Invariant: `req` is outstanding as long as the value lives, and whatever consumes or drops the
//! value finishes it, once.
use std::{fmt, mem::ManuallyDrop, ops::Deref};

use libvu_sys as c;

use crate::{
    border::{caught, Within},
    buffers::{Buffers, Of},
    error::check,
    log::Level,
    queue::Queue,
    shared::Shared,
    Result,
};

/// A request of the driver's, in a callback of its queue.
///
/// It is finished once: by [`complete`](Request::complete), [`fail`](Request::fail) or
/// [`put_back`](Request::put_back), or, if it is merely dropped, as
/// [`Device::failed`](crate::Device::failed) says.  To finish it later, or on another thread, take it
/// out of the callback: [`later`](Request::later).
///
/// A second completion does not compile:
///
/// ```compile_fail,E0382
/// fn twice(req: libvu::Request<'_>) {
///     req.complete();
///     req.complete();
/// }
/// ```
///
/// Nor does keeping it beyond the callback, or giving it to another thread:
///
/// ```compile_fail
/// struct Keeps(std::sync::Mutex<Vec<libvu::Request<'static>>>);
/// impl Keeps {
///     fn keep(&self, req: libvu::Request<'_>) {
///         self.0.lock().unwrap().push(req);
///     }
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn elsewhere(req: libvu::Request<'_>) {
///     std::thread::scope(|scope| {
///         scope.spawn(move || req.complete());
///     });
/// }
/// ```
///
/// Nor does using its memory after its end:
///
/// ```compile_fail,E0505
/// fn too_late(req: libvu::Request<'_>) {
///     let bytes = req.readable();
///     req.complete();
///     let _ = bytes.to_vec(512);
/// }
/// ```
pub struct Request<'a> {
    buffers: Buffers<'a>,
}

impl<'a> Deref for Request<'a> {
    type Target = Buffers<'a>;

    fn deref(&self) -> &Buffers<'a> {
        &self.buffers
    }
}

impl<'a> Request<'a> {
    /// # Safety
    ///
    /// An outstanding request of that queue's that nobody else finishes, on the queue's thread.
    pub(crate) unsafe fn new(req: *mut c::vu_req, queue: &'a Queue<'_>) -> Request<'a> {
        let of = Of::Callback(queue.shared);
        Request { buffers: unsafe { Buffers::new(req, of, queue.index()) } }
    }

    /// Gives it back to the driver, with the bytes that were written.
    pub fn complete(self) {
        let this = ManuallyDrop::new(self);
        // Safety: outstanding, in a callback of its queue; never touched again.
        unsafe { finish(&this.buffers) };
    }

    /// Gives it back with at least so many bytes, which were written in another way than by this
    /// type; Err has the request, if it has no room for so many.
    pub fn complete_with(mut self, written: u64) -> Result<(), Request<'a>> {
        if written > self.writable_len() {
            return Err(self);
        }
        self.buffers.set_written(written);
        self.complete();
        Ok(())
    }

    /// Gives it back as failed: see [`Device::failed`](crate::Device::failed).
    pub fn fail(self) {
        let mut this = ManuallyDrop::new(self);
        // Safety: as of complete().
        unsafe { fail(&mut this.buffers) };
    }

    /// The driver will see it as never taken; Err has the request, if a newer one was taken
    /// meanwhile: then it has to be finished.
    pub fn put_back(self) -> Result<(), Request<'a>> {
        let this = ManuallyDrop::new(self);
        // Safety: outstanding, on its queue's thread.
        match unsafe { c::vu_req_put_back(this.buffers.req) } {
            0 => Ok(()),
            _ => Err(ManuallyDrop::into_inner(this)),
        }
    }

    /// Leaves it in the in-flight log for whoever serves the queue next, in
    /// [`Device::queue_stop`](crate::Device::queue_stop); Err has the request, where that cannot
    /// be: then it has to be finished.
    pub fn leave(self) -> Result<(), Request<'a>> {
        let this = ManuallyDrop::new(self);
        // Safety: as of put_back().
        match unsafe { c::vu_req_leave(this.buffers.req) } {
            0 => Ok(()),
            _ => Err(ManuallyDrop::into_inner(this)),
        }
    }

    /// How far the device got with it, as it said before it put it back; 0: it said nothing.
    pub fn progress(&self) -> u64 {
        // Safety: as of put_back().
        unsafe { c::vu_req_progress(self.buffers.req) }
    }

    /// Remembers how far it got, for when it is taken again after [`put_back`](Request::put_back).
    pub fn set_progress(&self, progress: u64) -> Result<()> {
        // Safety: as of put_back().
        check(unsafe { c::vu_req_set_progress(self.buffers.req, progress) }).map(drop)
    }

    /// Takes it out of the callback: what comes of it can be finished later, on any thread.
    pub fn later(self) -> LaterRequest {
        let this = ManuallyDrop::new(self);
        LaterRequest { buffers: this.buffers.anywhere() }
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let later = LaterRequest { buffers: self.buffers.anywhere() };
            return crate::border::fail_after_panic(later);
        }
        let line = format!("queue {}: a request was dropped", self.buffers.queue());
        // Safety: in a callback.
        unsafe { self.buffers.of.shared().log_peer(Level::Warning, &line) };
        // Safety: as of complete(); nobody has it any more.
        unsafe { fail(&mut self.buffers) };
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.buffers.fmt(f)
    }
}

/// A request that was taken out of its callback by [`Request::later`].
///
/// It may go to any thread, and is finished once, as a [`Request`] is.  While it is outstanding its
/// queue cannot stop, and the virtual machine waits: finish it soon after
/// [`Device::queue_stop`](crate::Device::queue_stop).  Once the device is freed it has no bytes any
/// more, and finishing it does nothing.
pub struct LaterRequest {
    buffers: Buffers<'static>,
}

// Safety: the C library lets any one thread at a time read, write and complete a request; each use
// is inside the device's gate.
unsafe impl Send for LaterRequest {}

impl Deref for LaterRequest {
    type Target = Buffers<'static>;

    fn deref(&self) -> &Buffers<'static> {
        &self.buffers
    }
}

impl LaterRequest {
    /// Gives it back to the driver, with the bytes that were written.
    pub fn complete(self) {
        let mut this = ManuallyDrop::new(self);
        // Safety: outstanding or its device gone; never touched again but to drop the reference.
        unsafe {
            finish(&this.buffers);
            std::ptr::drop_in_place(&mut this.buffers);
        }
    }

    /// As [`Request::complete_with`].
    pub fn complete_with(mut self, written: u64) -> Result<(), LaterRequest> {
        if written > self.writable_len() {
            return Err(self);
        }
        self.buffers.set_written(written);
        self.complete();
        Ok(())
    }

    /// Gives it back as failed: see [`Device::failed`](crate::Device::failed).
    pub fn fail(self) {
        let mut this = ManuallyDrop::new(self);
        // Safety: as of complete().
        unsafe {
            fail(&mut this.buffers);
            std::ptr::drop_in_place(&mut this.buffers);
        }
    }
}

impl Drop for LaterRequest {
    fn drop(&mut self) {
        // Safety: outstanding or its device gone; nobody has it any more.
        unsafe { fail(&mut self.buffers) };
    }
}

impl fmt::Debug for LaterRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.buffers.fmt(f)
    }
}

impl fmt::Debug for Buffers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("queue", &self.queue())
            .field("readable", &self.readable_len())
            .field("writable", &self.writable_len())
            .finish()
    }
}

/// # Safety
///
/// An outstanding request that nobody finishes after this.
unsafe fn finish(buffers: &Buffers<'_>) {
    let _inside = match buffers.enter() {
        Ok(inside) => inside,
        Err(_) => return, // the device is gone, and the request with it
    };
    let result = unsafe {
        match buffers.of {
            Of::Callback(_) => c::vu_req_complete(buffers.req, buffers.written()),
            Of::Anywhere(_) => c::vu_req_complete_remote(buffers.req, buffers.written()),
        }
    };
    if result < 0 {
        let line = format!("queue {}: a request was not completed: {result}", buffers.queue());
        unsafe { buffers.of.shared().log_peer(Level::Error, &line) };
    }
}

/// # Safety
///
/// As of finish().
unsafe fn fail(buffers: &mut Buffers<'_>) {
    let shared: *const Shared = &**buffers.of.shared();
    // The device is not freed while this is inside, nor in a callback.
    let inside = unsafe { (*shared).gate.enter() };
    let may = inside.is_some() || matches!(buffers.of, Of::Callback(_));
    // It may drop the device, and the end of that would wait for us.
    let within = Within::somewhere();
    // Safety: one of the two.
    if let Some(device) = if may { unsafe { (*shared).device() } } else { None } {
        if let Err(said) = caught(|| device.failed(buffers)) {
            let line = format!("failed() panicked: {said}");
            unsafe { (*shared).log_peer(Level::Error, &line) };
        }
    }
    drop(within);
    unsafe { finish(buffers) };
}
