// SPDX-License-Identifier: MIT
//! A device with its owner: whoever has this value is the device thread.
use std::{
    cell::Cell,
    marker::PhantomData,
    os::unix::io::{AsRawFd, IntoRawFd, OwnedFd, RawFd},
    ptr,
    sync::Arc,
};

use libvu_sys as c;

use crate::{
    border::{current_group, outside},
    callbacks,
    error::check,
    group::{Group, GroupInner},
    setup::Setup,
    shared::Shared,
    Device, Error, Handle, Result,
};

/// A device that was made: served by a [`Runner`](crate::Runner), or by a loop of the program's that
/// waits for its descriptor and calls [`process`](Backend::process).
///
/// It may move to another thread, but is used by one at a time: that is the device thread.
///
/// ```compile_fail,E0277
/// fn both(device: libvu::Backend) {
///     std::thread::scope(|scope| {
///         scope.spawn(|| device.process());
///         device.process();
///     });
/// }
/// ```
pub struct Backend {
    shared: Arc<Shared>,
    _not_sync: PhantomData<Cell<()>>,
}

/// What [`Backend::process`] and [`Runner::process`](crate::Runner::process) tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Processed {
    /// There is more to do at once.
    pub more: bool,
    /// A session ended; of a runner: nothing is left to serve.
    pub ended: bool,
}

impl Processed {
    pub(crate) fn from_c(result: c::ffi::c_int) -> Result<Processed> {
        let bits = check(result)? as u32;
        Ok(Processed {
            more: bits & c::VU_PROCESS_MORE != 0,
            ended: bits & c::VU_PROCESS_ENDED != 0,
        })
    }
}

impl Backend {
    pub(crate) fn new(setup: Setup, device: Box<dyn Device>) -> Result<Backend> {
        let mut writable = Vec::new();
        let classes = setup.classes.clone();
        let shared = Shared::new(device, classes, setup.sink.clone(), setup.raw.n_queues);
        let mut info = setup.to_c(&mut writable);
        (info.log_fn, info.log_opaque) = shared.sink.to_c();
        let ops = callbacks::ops(setup.has_config());
        let mut dev = ptr::null_mut();
        // Safety: structs of this version, and an opaque pointer that outlives the device.
        check(unsafe { c::vu_device_new(&info, &ops, shared.opaque(), &mut dev) })?;
        shared.made(dev);
        let backend = Backend { shared, _not_sync: PhantomData };
        // Safety: on the device thread, before any session.
        unsafe { finish(dev, &setup, &backend.shared) }?;
        Ok(backend)
    }

    pub(crate) fn dev(&self) -> *mut c::vu_device {
        self.shared.dev()
    }

    pub(crate) fn own(&self) -> &Arc<GroupInner> {
        &self.shared.own
    }

    /// The device, for other threads.
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.shared))
    }

    /// Gives it a connected front-end: a stream socket of AF_UNIX.
    pub fn attach(&self, socket: impl Into<OwnedFd>) -> Result<()> {
        let fd = socket.into();
        // Safety: the device thread; the descriptor is the device's if that succeeds.
        check(unsafe { c::vu_device_attach(self.dev(), fd.as_raw_fd()) })?;
        let _ = fd.into_raw_fd();
        Ok(())
    }

    /// Ends the session, as if the front-end had closed the socket.
    pub fn detach(&self) {
        // Safety: the device thread.
        unsafe { c::vu_device_detach(self.dev()) }
    }

    /// Ends the session when all that was taken is finished.
    pub fn drain(&self) {
        // Safety: the device thread.
        unsafe { c::vu_device_drain(self.dev()) }
    }

    /// Is a front-end attached?
    pub fn is_attached(&self) -> bool {
        // Safety: the device thread.
        unsafe { c::vu_device_is_attached(self.dev()) == 1 }
    }

    /// Has the front-end switched off all rings that it let the driver use?
    pub fn is_left(&self) -> bool {
        // Safety: the device thread.
        unsafe { c::vu_device_is_left(self.dev()) == 1 }
    }

    /// Handles what is there; never waits.  [`Error::Deadlock`] in a callback.
    pub fn process(&self) -> Result<Processed> {
        // Safety: the device thread.
        Processed::from_c(unsafe { c::vu_device_process(self.dev()) })
    }

    /// Lets a group serve a queue; once, before any session.
    pub fn set_group(&self, queue: u32, group: &Group) -> Result<()> {
        if current_group() != 0 {
            return Err(Error::Deadlock);
        }
        let own = self.shared.own.id;
        match self.shared.group_of(queue) {
            0 => return Err(Error::Os(crate::error::EINVAL)),
            id if id != own => return Err(Error::Busy),
            _ => {}
        }
        // Safety: the device thread; the queue is there.
        check(unsafe {
            c::vu_queue_set_group(c::vu_device_queue(self.dev(), queue), group.0.ptr())
        })?;
        self.shared.set_group(queue, group.0.id);
        group.0.joined(&self.shared, queue);
        Ok(())
    }
}

/// What a new device still needs.
///
/// # Safety
///
/// On the device thread, before any session; `shared` is the device's.
pub(crate) unsafe fn finish(
    dev: *mut c::vu_device,
    setup: &Setup,
    shared: &Arc<Shared>,
) -> Result<()> {
    let extras = &setup.extras;
    unsafe {
        check(c::vu_device_guard(dev))?;
        for (index, info) in &setup.queues {
            let queue = c::vu_device_queue(dev, *index);
            if queue.is_null() {
                return Err(Error::Os(crate::error::EINVAL));
            }
            check(c::vu_queue_configure(queue, info))?;
        }
        if extras.postcopy {
            check(c::vu_device_allow_postcopy(dev))?;
        }
        if extras.host_notifiers {
            check(c::vu_device_offer_host_notifiers(dev))?;
        }
        if extras.watch_memory {
            c::vu_device_watch_memory(dev, Some(callbacks::memory_changed), shared.opaque());
        }
        if let Some(timeout) = extras.message_timeout {
            let ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            c::vu_device_set_message_timeout(dev, ns);
        }
        if !extras.shared_memory.is_empty() {
            let info = c::vu_shmem_info {
                size: std::mem::size_of::<c::vu_shmem_info>(),
                lens: extras.shared_memory.as_ptr(),
                n_lens: extras.shared_memory.len() as u32,
                lost: Some(callbacks::shmem_lost),
            };
            check(c::vu_device_set_shmem(dev, &info))?;
        }
        setup.classes.offer(dev)
    }
}

impl AsRawFd for Backend {
    /// Polls readable when [`process`](Backend::process) has something to do.
    fn as_raw_fd(&self) -> RawFd {
        // Safety: the device is there.
        unsafe { c::vu_device_fd(self.dev()) }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        outside(move || {
            let dev = shared.dev();
            // Safety: nobody else has the device, so this is its thread; requests may still be
            // finished until the gate is closed.
            unsafe {
                c::vu_device_detach(dev);
                shared.own.clear();
                shared.own.close();
                shared.gate.close();
                c::vu_device_free(dev);
                shared.bury();
            }
        });
    }
}
