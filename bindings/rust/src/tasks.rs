// SPDX-License-Identifier: MIT
//! A device in tasks of tokio's (feature `tokio`): a runner that is awaited, and requests that are.
//!
//! ```no_run
//! use libvu::{tasks, Device, Runner, Setup};
//!
//! struct Rng;
//! impl Device for Rng {}
//!
//! async fn serve() -> libvu::Result<()> {
//!     let (device, mut requests) = tasks::requests(Rng);
//!     let mut runner = Runner::new()?;
//!     runner.listen(Setup::new(4).build(device)?, "/tmp/rng.sock")?;
//!     tokio::spawn(async move {
//!         while let Some(req) = requests.next().await {
//!             tokio::spawn(async move {
//!                 let bytes = vec![7; 64]; // some().await
//!                 let n = req.write_at(0, &bytes);
//!                 if n == 0 { req.fail() } else { req.complete() }
//!             });
//!         }
//!     });
//!     runner.serve_until(tasks::terminated()?).await
//! }
//! ```
//!
//! The task that awaits the runner is the device thread, on whichever thread of the runtime's it is
//! just polled.  Callbacks of the device run in it, and must not wait.
use std::{
    future::Future,
    os::unix::io::{AsRawFd, RawFd},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{unix::AsyncFd, Interest},
    runtime::Handle as Runtime,
    signal::unix::{signal, Signal, SignalKind},
    sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender},
    task::yield_now,
};

use crate::{
    device::others, Buffers, Control, Device, Error, LaterRequest, Queue, Request, Result, Runner,
};
use libvu_sys::ffi::{c_int, c_short, c_ulong};

/// Requests of a device, one after the other, for a task.  Dropped, they fail.
///
/// There are never more in it than the rings have room for.
pub struct Requests {
    receiver: UnboundedReceiver<LaterRequest>,
}

impl Requests {
    /// The next request; None when the device is gone.
    pub async fn next(&mut self) -> Option<LaterRequest> {
        self.receiver.recv().await
    }

    /// The same, for a stream: `futures::stream::poll_fn(move |cx| requests.poll_next(cx))`.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<LaterRequest>> {
        self.receiver.poll_recv(context)
    }
}

/// A device whose requests go to a [`Requests`]; all else goes to D.
pub struct Sends<D> {
    device: D,
    sender: UnboundedSender<LaterRequest>,
}

/// A device whose requests are awaited elsewhere.  `device` hears of everything but these: what a
/// request that failed says is in its [`Device::failed`].
pub fn requests<D: Device>(device: D) -> (Sends<D>, Requests) {
    let (sender, receiver) = unbounded_channel();
    (Sends { device, sender }, Requests { receiver })
}

impl<D: Device> Device for Sends<D> {
    fn request(&self, req: Request<'_>) {
        let _ = self.sender.send(req.later()); // without a receiver it comes back, is dropped, and fails
    }

    others! { |this| this.device }
}

/// A device whose requests are tasks; all else goes to D.
pub struct Spawns<D, F> {
    device: D,
    serve: F,
    runtime: Runtime,
}

/// A device with a task for each request, on the runtime that this is called in.  A task that
/// panics, or that the runtime's end drops, fails its request.
///
/// Error::Gone: there is no runtime.
pub fn spawned<D, F, T>(device: D, serve: F) -> Result<Spawns<D, F>>
where
    D: Device,
    F: Fn(LaterRequest) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let runtime = Runtime::try_current().map_err(|_| Error::Gone)?;
    Ok(Spawns { device, serve, runtime })
}

impl<D, F, T> Device for Spawns<D, F>
where
    D: Device,
    F: Fn(LaterRequest) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    fn request(&self, req: Request<'_>) {
        self.runtime.spawn((self.serve)(req.later()));
    }

    others! { |this| this.device }
}

impl Runner {
    /// As [`run`](Runner::run), in a task: serves until it is stopped, or with nothing left to
    /// serve.  [`Error::Gone`] outside of a runtime; panics in one without I/O.
    ///
    /// A future that is dropped leaves the runner as it is, to be served again or dropped.
    pub async fn serve(&mut self) -> Result<()> {
        self.serve_until(std::future::pending()).await
    }

    /// As [`serve`](Runner::serve), and stops as soon as `end` is ready: sessions end, for which
    /// requests that are out have a moment to be finished by their tasks.
    pub async fn serve_until(&mut self, end: impl Future<Output = ()>) -> Result<()> {
        Runtime::try_current().map_err(|_| Error::Gone)?;
        let fd = AsyncFd::with_interest(Borrowed(self.fd()?), Interest::READABLE)?;
        let stopper = self.stopper();
        let mut end = Box::pin(end);
        let mut ended = false;
        loop {
            let done = self.process()?;
            if done.ended {
                return Ok(());
            }
            if done.more || fd.get_ref().is_readable() {
                yield_now().await; // the other tasks' turn
                continue;
            }
            if !(Wait { end: (!ended).then_some(end.as_mut()), fd: &fd }).await? {
                ended = true;
                stopper.stop();
            }
        }
    }
}

/// The end of a program: ready at SIGTERM or SIGINT, for [`Runner::serve_until`].  From now on these
/// signals do nothing else.
pub fn terminated() -> Result<impl Future<Output = ()>> {
    Ok(Terminated([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?]))
}

struct Terminated([Signal; 2]);

impl Future for Terminated {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let [term, int] = &mut self.0;
        // Both are asked, so that both will wake it.
        let (term, int) = (term.poll_recv(context), int.poll_recv(context));
        if term.is_ready() || int.is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// Until the runner has something to do (true), or `end` is ready.
struct Wait<'a, E> {
    end: Option<Pin<&'a mut E>>,
    fd: &'a AsyncFd<Borrowed>,
}

impl<E: Future<Output = ()>> Future for Wait<'_, E> {
    type Output = Result<bool>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<bool>> {
        if let Some(end) = &mut self.end {
            if end.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(false));
            }
        }
        // Cleared before process(): what comes during that is heard of again.
        self.fd.poll_read_ready(context).map(|guard| {
            guard?.clear_ready();
            Ok(true)
        })
    }
}

/// The runner's, which owns it.
struct Borrowed(RawFd);

impl AsRawFd for Borrowed {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl Borrowed {
    /// Is it, now?  tokio hears of it only when it becomes so.
    fn is_readable(&self) -> bool {
        let mut poll_fd = PollFd { fd: self.0, events: POLLIN, revents: 0 };
        // Safety: one of them, of a descriptor that is there.
        unsafe { poll(&mut poll_fd, 1, 0) == 1 }
    }
}

/// `struct pollfd` of poll(2).
#[repr(C)]
struct PollFd {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

const POLLIN: c_short = 1;

extern "C" {
    fn poll(fds: *mut PollFd, n: c_ulong, milliseconds: c_int) -> c_int;
}
