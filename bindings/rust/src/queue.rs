// SPDX-License-Identifier: MIT
//! A virtqueue, in a callback on its thread.
use std::{cell::Cell, marker::PhantomData, ptr, sync::Arc};

use libvu_sys as c;

use crate::{
    error::{EIO, ESHUTDOWN},
    shared::Shared,
    Error, Request, Result,
};

/// A virtqueue of a device's, in a callback on the thread that serves it.
pub struct Queue<'a> {
    queue: *mut c::vu_queue,
    pub(crate) shared: &'a Arc<Shared>,
    index: u32,
    /// Requests taken here.
    pub(crate) taken: Cell<u32>,
    _not_send: PhantomData<*mut ()>,
}

impl<'a> Queue<'a> {
    /// # Safety
    ///
    /// A queue of that device's, on its thread, for as long as 'a; inside the gate, if that is not
    /// a callback of the device's.
    pub(crate) unsafe fn new(queue: *mut c::vu_queue, shared: &'a Arc<Shared>) -> Queue<'a> {
        Queue {
            queue,
            shared,
            index: unsafe { c::vu_queue_index(queue) },
            taken: Cell::new(0),
            _not_send: PhantomData,
        }
    }

    /// Its number in the device, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Takes the next request; None if there is none now, or the queue does not run.
    ///
    /// When there is none, the driver has been asked to notify: [`Device::queue_ready`] comes again.
    ///
    /// [`Device::queue_ready`]: crate::Device::queue_ready
    #[allow(clippy::should_implement_trait)] // an Iterator's items could not borrow from it
    pub fn next(&self) -> Option<Request<'_>> {
        self.try_next().ok().flatten()
    }

    /// As [`next`](Queue::next), and says why there is none: [`Error::Stopped`] or
    /// [`Error::Broken`].
    pub fn try_next(&self) -> Result<Option<Request<'_>>> {
        let mut req = ptr::null_mut();
        // Safety: on the queue's thread.
        match unsafe { c::vu_queue_next(self.queue, &mut req) } {
            1 => {
                self.taken.set(self.taken.get().wrapping_add(1));
                // Safety: just taken.
                Ok(Some(unsafe { Request::new(req, self) }))
            }
            0 => Ok(None),
            error => Err(match -error {
                EIO => Error::Broken,
                ESHUTDOWN => Error::Stopped,
                other => Error::from_errno(other),
            }),
        }
    }

    /// Gives each request that is there to a function; one that panics fails its request alone.
    pub fn each(&self, mut serve: impl FnMut(Request<'_>)) {
        while let Some(req) = self.next() {
            if let Err(said) = crate::border::caught(|| serve(req)) {
                self.panicked("a request", &said);
            }
        }
    }

    pub(crate) fn panicked(&self, what: &str, said: &str) {
        let line = format!("queue {}: {what}: panic: {said}", self.index);
        // Safety: in a callback, or inside the gate.
        unsafe { self.shared.log_peer(crate::Level::Error, &line) };
    }

    /// Is a request waiting?
    pub fn available(&self) -> bool {
        // Safety: on the queue's thread.
        unsafe { c::vu_queue_available(self.queue) == 1 }
    }

    /// Requests that were taken and are not finished yet.
    pub fn outstanding(&self) -> u32 {
        // Safety: on the queue's thread.
        unsafe { c::vu_queue_outstanding(self.queue) }
    }

    /// Notifies the driver now of what was completed; the end of the callback does it, too.
    pub fn signal(&self) {
        // Safety: on the queue's thread.
        unsafe { c::vu_queue_signal(self.queue) }
    }
}
