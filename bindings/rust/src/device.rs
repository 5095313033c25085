// SPDX-License-Identifier: MIT
//! The trait that a device implements.
use std::sync::Arc;

use crate::{Buffers, Control, Error, Queue, Request, Result};

/// A virtio device: what it does with requests and with what happens to it.
///
/// Everything has a default; [`request`](Device::request) is what nearly every device has.  Queues of
/// different groups are served in parallel, so all of it takes `&self`: what changes is in an atomic,
/// a `Mutex` and the like.
///
/// A panic in any of these is logged and ends here: the request in hand fails, the callback is one
/// that failed, and service goes on.  (Not so with `panic = "abort"`.)
pub trait Device: Send + Sync + 'static {
    /// Serves one request.  Queue thread.
    fn request(&self, req: Request<'_>) {
        req.fail();
    }

    /// The driver may have made requests available: takes them, or leaves them until they are
    /// wanted.  Called for each notification, and once when a ring starts or is enabled.  Queue
    /// thread.
    fn queue_ready(&self, queue: &Queue<'_>) {
        queue.each(|req| self.request(req));
    }

    /// The ring ends: finish what is outstanding soon, the virtual machine stands still meanwhile.
    /// Queue thread.
    fn queue_stop(&self, _queue: &Queue<'_>) {}

    /// A request fails: it was dropped, its function panicked, or [`Request::fail`] was called.
    /// Writes what the device type says, such as a status; it is completed after this.  Any thread.
    fn failed(&self, _buffers: &mut Buffers<'_>) {}

    /// A front-end connected; an error refuses it.  Device thread, as the following.
    fn session_begin(&self, _device: &Control<'_>) -> Result<()> {
        Ok(())
    }

    /// It is gone: None, it closed its socket, or [`Control::detach`] and the like were called.
    fn session_end(&self, _device: &Control<'_>, _why: Option<Error>) {}

    /// The driver's choice of features, bit n at `1 << n`; an error vetoes it.
    fn features_acked(&self, _device: &Control<'_>, _features: u128) -> Result<()> {
        Ok(())
    }

    /// The first ring of a suspended device is about to start; an error ends the session.
    fn started(&self, _device: &Control<'_>) -> Result<()> {
        Ok(())
    }

    /// The last ring stopped: nothing must be sent to the guest any more.
    fn stopped(&self, _device: &Control<'_>) {}

    /// Back to the initial state.
    fn reset(&self, _device: &Control<'_>) {}

    /// Fills in a part of the configuration space that depends on a selector; `bytes` has the
    /// library's copy of it.  Only for devices with a configuration space.
    fn config_read(&self, _device: &Control<'_>, _offset: u32, _bytes: &mut [u8]) -> Result<()> {
        Ok(())
    }

    /// The driver wrote to the configuration space; what it may write is in the library's copy.
    fn config_written(&self, _device: &Control<'_>, _offset: u32, _len: u32) -> Result<()> {
        Ok(())
    }

    /// Guest memory is another one now; only for devices with
    /// [`Setup::watch_memory`](crate::Setup::watch_memory).
    fn memory_changed(&self, _device: &Control<'_>) {}

    /// The driver took the shared memory regions' content away; see
    /// [`Setup::shared_memory`](crate::Setup::shared_memory).
    fn shared_memory_lost(&self, _device: &Control<'_>) {}
}

/// All methods but `request` and `queue_ready`, of a device that has another one.
macro_rules! others {
    (|$this:ident| $of:expr) => {
        fn queue_stop(&self, queue: &Queue<'_>) {
            let $this = self;
            $of.queue_stop(queue)
        }
        fn failed(&self, buffers: &mut Buffers<'_>) {
            let $this = self;
            $of.failed(buffers)
        }
        fn session_begin(&self, device: &Control<'_>) -> Result<()> {
            let $this = self;
            $of.session_begin(device)
        }
        fn session_end(&self, device: &Control<'_>, why: Option<Error>) {
            let $this = self;
            $of.session_end(device, why)
        }
        fn features_acked(&self, device: &Control<'_>, features: u128) -> Result<()> {
            let $this = self;
            $of.features_acked(device, features)
        }
        fn started(&self, device: &Control<'_>) -> Result<()> {
            let $this = self;
            $of.started(device)
        }
        fn stopped(&self, device: &Control<'_>) {
            let $this = self;
            $of.stopped(device)
        }
        fn reset(&self, device: &Control<'_>) {
            let $this = self;
            $of.reset(device)
        }
        fn config_read(&self, device: &Control<'_>, at: u32, bytes: &mut [u8]) -> Result<()> {
            let $this = self;
            $of.config_read(device, at, bytes)
        }
        fn config_written(&self, device: &Control<'_>, at: u32, len: u32) -> Result<()> {
            let $this = self;
            $of.config_written(device, at, len)
        }
        fn memory_changed(&self, device: &Control<'_>) {
            let $this = self;
            $of.memory_changed(device)
        }
        fn shared_memory_lost(&self, device: &Control<'_>) {
            let $this = self;
            $of.shared_memory_lost(device)
        }
    };
}
#[cfg(feature = "tokio")]
pub(crate) use others;

macro_rules! forward {
    ($($pointer:ident)*) => { $(
        impl<D: Device + ?Sized> Device for $pointer<D> {
            fn request(&self, req: Request<'_>) {
                (**self).request(req)
            }
            fn queue_ready(&self, queue: &Queue<'_>) {
                (**self).queue_ready(queue)
            }
            others! { |this| (**this) }
        }
    )* };
}
forward!(Arc Box);
