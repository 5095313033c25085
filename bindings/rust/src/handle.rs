// SPDX-License-Identifier: MIT
//! A device from anywhere: what any thread may do, and what its own callbacks may do besides.
use std::{
    ffi::{c_void, CStr},
    marker::PhantomData,
    mem::{size_of, ManuallyDrop},
    ops::Deref,
    os::unix::io::{IntoRawFd, OwnedFd},
    sync::Arc,
};

use libvu_sys as c;

use crate::{
    border::{caught, Within},
    error::check,
    group::GroupInner,
    log::{text, Level},
    shared::Shared,
    Error, Pod, Queue, Result,
};

/// A device, for any thread; it does not keep the device alive.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

/// A device in one of its own callbacks, on the device thread.
pub struct Control<'a> {
    handle: &'a Handle,
    _not_send: PhantomData<*mut ()>,
}

/// What a queue has done since the device was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Requests completed.
    pub requests: u64,
    /// Bytes that the driver sent with them.
    pub readable_bytes: u64,
    /// Bytes that the device wrote.
    pub written_bytes: u64,
    /// Notifications received.
    pub kicks: u64,
    /// Interrupts sent.
    pub signals: u64,
    /// Times the driver wanted none.
    pub signals_suppressed: u64,
    /// Passes that looked at the ring.
    pub polls: u64,
    /// Passes in which requests were taken.
    pub batches: u64,
    /// Requests taken and not finished.
    pub outstanding: u64,
    /// For how long there have been some of which none was finished, in nanoseconds.
    pub outstanding_ns: u64,
}

impl Handle {
    pub(crate) fn own_group(&self) -> &Arc<GroupInner> {
        &self.0.own
    }

    /// The name in log lines.
    pub fn name(&self) -> Result<String> {
        let (_inside, dev) = self.0.enter()?;
        // Safety: a text that lives as long as the device.
        let name = unsafe { CStr::from_ptr(c::vu_device_name(dev)) };
        Ok(name.to_string_lossy().into_owned())
    }

    /// The features offered that the driver accepted, bits 0 to 63; none before it did.
    pub fn features(&self) -> u64 {
        self.0.enter().map_or(0, |(_inside, dev)| unsafe { c::vu_device_features(dev) })
    }

    /// Did the driver accept this bit, of 0 to 127?
    pub fn has_feature(&self, bit: u32) -> bool {
        self.0
            .enter()
            .map_or(false, |(_in, dev)| unsafe { c::vu_device_has_feature(dev, bit) == 1 })
    }

    /// Writes a line to the device's log, for what no guest or front-end can repeat at will.
    pub fn log(&self, level: Level, line: &str) {
        let line = text(line);
        if let Ok((_inside, dev)) = self.0.enter() {
            unsafe { c::vu_device_log(dev, level.to_c(), line.as_ptr()) }
        }
    }

    /// Writes a line that a guest or front-end can cause, unless there are too many.
    pub fn log_peer(&self, level: Level, line: &str) {
        let line = text(line);
        if let Ok((_inside, dev)) = self.0.enter() {
            unsafe { c::vu_device_log_peer(dev, level.to_c(), line.as_ptr()) }
        }
    }

    /// Reads the configuration space, from its start.
    pub fn config<T: Pod>(&self) -> Result<T> {
        let mut config = T::zeroed();
        self.config_get(0, config.as_bytes_mut())?;
        Ok(config)
    }

    /// Changes the configuration space, from its start; the driver is told if it really changed.
    pub fn set_config<T: Pod>(&self, config: &T) -> Result<()> {
        self.config_set(0, config.as_bytes())
    }

    /// Reads a part of the configuration space.
    pub fn config_get(&self, offset: u32, into: &mut [u8]) -> Result<()> {
        let (_inside, dev) = self.0.enter()?;
        let len = length(into.len())?;
        check(unsafe { c::vu_config_get(dev, offset, into.as_mut_ptr().cast(), len) }).map(drop)
    }

    /// Changes a part of the configuration space; the driver is told if it really changed.
    pub fn config_set(&self, offset: u32, from: &[u8]) -> Result<()> {
        let (_inside, dev) = self.0.enter()?;
        let len = length(from.len())?;
        check(unsafe { c::vu_config_set(dev, offset, from.as_ptr().cast(), len) }).map(drop)
    }

    /// What a queue has done.
    pub fn counters(&self, queue: u32) -> Result<Counters> {
        let (_inside, dev) = self.0.enter()?;
        // Safety: a struct of numbers.
        let mut raw: c::vu_queue_counters = unsafe { std::mem::zeroed() };
        raw.size = size_of::<c::vu_queue_counters>();
        let queue = unsafe { c::vu_device_queue(dev, queue) };
        if queue.is_null() {
            return Err(Error::Os(crate::error::EINVAL));
        }
        check(unsafe { c::vu_queue_counters(queue, &mut raw) })?;
        Ok(Counters {
            requests: raw.requests,
            readable_bytes: raw.readable_bytes,
            written_bytes: raw.written_bytes,
            kicks: raw.kicks,
            signals: raw.signals,
            signals_suppressed: raw.signals_suppressed,
            polls: raw.polls,
            batches: raw.batches,
            outstanding: raw.outstanding,
            outstanding_ns: raw.outstanding_ns,
        })
    }

    /// Runs a function on the device thread, soon: as a callback of the device's.
    pub fn run(&self, function: impl FnOnce(&Control<'_>) + Send + 'static) -> Result<()> {
        let (_inside, dev) = self.0.enter()?;
        let post = Box::into_raw(Box::new(Post {
            shared: Arc::as_ptr(&self.0),
            function: Box::new(function),
        }));
        // Safety: posted functions run before the device is gone.
        let result = unsafe {
            c::vu_group_post(c::vu_device_group(dev), Some(run_post), post.cast::<c_void>())
        };
        if result < 0 {
            // Safety: nobody else has it.
            drop(unsafe { Box::from_raw(post) });
        }
        check(result).map(drop)
    }
}

struct Post {
    shared: *const Shared,
    function: Box<dyn FnOnce(&Control<'_>) + Send>,
}

unsafe extern "C" fn run_post(opaque: *mut c_void) {
    // Safety: what run() posted, once; the device is there.
    unsafe {
        let post = Box::from_raw(opaque.cast::<Post>());
        let Post { shared, function } = *post;
        Control::with(shared, |control, shared| {
            if let Err(said) = caught(|| function(control)) {
                shared.log_peer(Level::Error, &format!("panic: {said}"));
            }
        });
    }
}

fn length(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Error::Os(crate::error::ERANGE))
}

impl Deref for Control<'_> {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        self.handle
    }
}

impl Control<'_> {
    /// Runs something as a callback of the device's.
    ///
    /// # Safety
    ///
    /// On the device thread, and `shared` is the one of a device that is there.
    pub(crate) unsafe fn with<R>(
        shared: *const Shared,
        run: impl FnOnce(&Control<'_>, &Arc<Shared>) -> R,
    ) -> R {
        // Borrowed: its owner keeps it.
        let handle = ManuallyDrop::new(Handle(unsafe { Arc::from_raw(shared) }));
        let _within = Within::enter(handle.0.own.id);
        run(&Control { handle: &handle, _not_send: PhantomData }, &handle.0)
    }

    /// Ends the session, after this callback.
    pub fn detach(&self) {
        // Safety: in a callback, on the device thread.
        unsafe { c::vu_device_detach(self.handle.0.dev()) }
    }

    /// Ends the session when all that was taken is finished.
    pub fn drain(&self) {
        // Safety: as above.
        unsafe { c::vu_device_drain(self.handle.0.dev()) }
    }

    /// Closes a descriptor that the front-end made, which dropping it may wait for, and never
    /// waits: one that came with [`Gpu::set_socket`](crate::Gpu::set_socket), or over that socket.
    /// What came over a socket and was not received is lost, for all who hold it.
    pub fn close_fd(&self, fd: impl Into<OwnedFd>) {
        // Safety: as above, and the descriptor is nobody else's.
        unsafe { c::vu_device_close_fd(self.handle.0.dev(), fd.into().into_raw_fd()) }
    }

    /// A queue that the device thread serves: one that was given to no group.
    pub fn queue(&self, index: u32) -> Option<Queue<'_>> {
        let shared = &self.handle.0;
        if shared.group_of(index) != shared.own.id {
            return None;
        }
        // Safety: in a callback, on the device thread, which is the queue's.
        unsafe {
            let queue = c::vu_device_queue(shared.dev(), index);
            (!queue.is_null()).then(|| Queue::new(queue, shared))
        }
    }

    /// Guest memory as it is now; None while there is none.
    pub fn memory(&self) -> Option<crate::Memory> {
        // Safety: as above.
        unsafe { crate::Memory::new(c::vu_device_memory(self.handle.0.dev()), &self.handle.0) }
    }
}
