// SPDX-License-Identifier: MIT
//! The runner: sockets, reconnection, and the loop that serves devices.
use std::{
    cell::Cell,
    ffi::CString,
    marker::PhantomData,
    os::unix::{
        ffi::OsStrExt,
        io::{AsRawFd, IntoRawFd, OwnedFd, RawFd},
    },
    path::Path,
    ptr,
    sync::Arc,
    time::Duration,
};

use libvu_sys as c;

use crate::{
    backend::Processed,
    border::outside,
    error::check,
    gate::Gate,
    group::{Group, Served},
    log::{Level, Sink},
    Backend, Error, Result,
};

/// Serves devices on sockets, one front-end after another.
///
/// It owns its devices and keeps its groups; the thread that runs it is their device thread.
pub struct Runner {
    shared: Arc<RunnerShared>,
    devices: Vec<Option<Backend>>,
    workers: Vec<Served>,
    _sink: Box<Sink>,
    _not_sync: PhantomData<Cell<()>>,
}

struct RunnerShared {
    gate: Gate,
    ptr: *mut c::vu_runner,
}
// Safety: only vu_runner_stop() is called elsewhere than by the owner, inside the gate.
unsafe impl Send for RunnerShared {}
unsafe impl Sync for RunnerShared {}

/// Settings of a runner.
#[derive(Clone)]
pub struct RunnerSetup {
    level: Level,
    once: bool,
    sink: Sink,
}

impl Default for RunnerSetup {
    fn default() -> RunnerSetup {
        RunnerSetup { level: Level::Warning, once: false, sink: Sink::Default }
    }
}

impl RunnerSetup {
    /// [`Runner::run`] returns when every device's first session has ended.
    pub fn once(mut self) -> RunnerSetup {
        self.once = true;
        self
    }

    /// Lines up to this level are logged.
    pub fn log_level(mut self, level: Level) -> RunnerSetup {
        self.level = level;
        self
    }

    /// Where log lines go; as [`Setup::logger`](crate::Setup::logger).
    pub fn logger(mut self, logger: impl Fn(Level, &str) + Send + Sync + 'static) -> RunnerSetup {
        self.sink = Sink::Function(Arc::new(logger));
        self
    }

    /// Makes the runner.
    pub fn build(self) -> Result<Runner> {
        let sink = Box::new(self.sink);
        let (log_fn, log_opaque) = sink.to_c();
        let info = c::vu_runner_info {
            size: std::mem::size_of::<c::vu_runner_info>(),
            log_level: self.level.to_c(),
            once: self.once.into(),
            log_fn,
            log_opaque,
        };
        let mut ptr = ptr::null_mut();
        // Safety: a struct of this version, and a sink that outlives the runner.
        check(unsafe { c::vu_runner_new(&info, &mut ptr) })?;
        Ok(Runner {
            shared: Arc::new(RunnerShared { gate: Gate::new(), ptr }),
            devices: Vec::new(),
            workers: Vec::new(),
            _sink: sink,
            _not_sync: PhantomData,
        })
    }
}

/// Which device of a runner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceId(usize);

/// How a socket file is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct SocketSetup {
    /// Permission bits; 0 means 0600.
    pub mode: u32,
    /// Numeric group that shall own it; 0 keeps the process's.
    pub group: u32,
}

/// How a worker serves its group.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkerSetup {
    /// Longest time to poll without a request before sleeping.
    pub poll: Duration,
    /// Run on this CPU only.
    pub cpu: Option<u32>,
}

impl WorkerSetup {
    pub(crate) fn to_c(self) -> c::vu_worker_info {
        c::vu_worker_info {
            size: std::mem::size_of::<c::vu_worker_info>(),
            poll_ns: u64::try_from(self.poll.as_nanos()).unwrap_or(u64::MAX),
            pin: self.cpu.is_some().into(),
            cpu: self.cpu.unwrap_or(0),
        }
    }
}

/// Ends a run, from any thread.
#[derive(Clone)]
pub struct Stopper(Arc<RunnerShared>);

impl Stopper {
    /// Makes [`Runner::run`] return soon.
    pub fn stop(&self) {
        if let Some(_inside) = self.0.gate.enter() {
            // Safety: the runner is there while this is inside.
            unsafe { c::vu_runner_stop(self.0.ptr) }
        }
    }
}

fn c_path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

impl Runner {
    /// A runner with all defaults.
    pub fn new() -> Result<Runner> {
        RunnerSetup::default().build()
    }

    fn keep(&mut self, device: Backend) -> DeviceId {
        self.devices.push(Some(device));
        DeviceId(self.devices.len() - 1)
    }

    /// Serves a device on a socket file; a stale one is replaced.
    pub fn listen(&mut self, device: Backend, path: impl AsRef<Path>) -> Result<DeviceId> {
        self.listen_with(device, path, SocketSetup::default())
    }

    /// The same, with settings of the file.
    pub fn listen_with(
        &mut self,
        device: Backend,
        path: impl AsRef<Path>,
        setup: SocketSetup,
    ) -> Result<DeviceId> {
        let path = c_path(path.as_ref())?;
        let info = c::vu_socket_info {
            size: std::mem::size_of::<c::vu_socket_info>(),
            mode: setup.mode,
            group: setup.group,
        };
        // Safety: the device lives longer than the runner.
        check(unsafe { c::vu_runner_listen(self.shared.ptr, device.dev(), path.as_ptr(), &info) })?;
        Ok(self.keep(device))
    }

    /// Serves a device for a front-end that listens at a path; tries again and again.
    pub fn connect(&mut self, device: Backend, path: impl AsRef<Path>) -> Result<DeviceId> {
        let path = c_path(path.as_ref())?;
        // Safety: as of listen().
        check(unsafe { c::vu_runner_connect(self.shared.ptr, device.dev(), path.as_ptr()) })?;
        Ok(self.keep(device))
    }

    /// Serves a device on a socket that somebody else made, connected or listening.
    pub fn adopt(&mut self, device: Backend, socket: impl Into<OwnedFd>) -> Result<DeviceId> {
        let fd = socket.into();
        // Safety: as of listen(); the descriptor is the runner's if that succeeds.
        check(unsafe { c::vu_runner_adopt(self.shared.ptr, device.dev(), fd.as_raw_fd()) })?;
        let _ = fd.into_raw_fd();
        Ok(self.keep(device))
    }

    /// A device that it serves.
    pub fn device(&self, id: DeviceId) -> Option<&Backend> {
        self.devices.get(id.0)?.as_ref()
    }

    /// Serves a device no more; its session ends.
    pub fn remove(&mut self, id: DeviceId) -> Result<Backend> {
        let place = self.devices.get_mut(id.0).ok_or(Error::Gone)?;
        let dev = place.as_ref().ok_or(Error::Gone)?.dev();
        // Safety: this thread has the runner.
        match unsafe { c::vu_runner_remove(self.shared.ptr, dev) } {
            0 | -2 => place.take().ok_or(Error::Gone), // ENOENT: it let go of it by itself
            error => Err(Error::from_errno(error)),
        }
    }

    /// Serves a group on a thread of its own, during [`run`](Runner::run).
    pub fn add_worker(&mut self, group: &Group, setup: WorkerSetup) -> Result<()> {
        let served = group.0.serve()?;
        // Safety: the group lives longer than the runner.
        check(unsafe { c::vu_runner_add_worker(self.shared.ptr, group.0.ptr(), &setup.to_c()) })?;
        self.workers.push(served);
        Ok(())
    }

    /// Ends the thread that serves a group.
    pub fn remove_worker(&mut self, group: &Group) -> Result<()> {
        let at = self.workers.iter().position(|served| served.0.id == group.0.id);
        let at = at.ok_or(Error::Gone)?;
        // Safety: this thread has the runner.
        match unsafe { c::vu_runner_remove_worker(self.shared.ptr, group.0.ptr()) } {
            0 | -2 => {} // ENOENT: after a run it has forgotten its groups
            error => return Err(Error::from_errno(error)),
        }
        self.workers.swap_remove(at);
        Ok(())
    }

    /// Ends a run, from other threads and from callbacks.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.shared))
    }

    /// Serves until it is stopped, or with nothing left to serve.  Workers are to be added again
    /// for another run.
    pub fn run(&mut self) -> Result<()> {
        // Safety: this thread has the runner and its devices.
        let result = unsafe { c::vu_runner_run(self.shared.ptr) };
        if result == 0 {
            self.workers.clear(); // the runner has forgotten their groups
        }
        check(result).map(drop)
    }

    /// A turn of [`run`](Runner::run), which does not wait: for a loop of the program's own.  Call it
    /// once before the first wait.
    pub fn process(&mut self) -> Result<Processed> {
        // Safety: as of run().
        let done = Processed::from_c(unsafe { c::vu_runner_process(self.shared.ptr) });
        if matches!(done, Ok(Processed { ended: true, .. })) {
            self.workers.clear();
        }
        done
    }

    /// Polls readable when [`process`](Runner::process) has something to do.
    pub fn fd(&mut self) -> Result<RawFd> {
        // Safety: as of run().
        check(unsafe { c::vu_runner_fd(self.shared.ptr) })
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        let kept = (
            std::mem::take(&mut self.devices),
            std::mem::take(&mut self.workers),
            std::mem::replace(&mut self._sink, Box::new(Sink::Default)),
        );
        outside(move || {
            shared.gate.close();
            // Safety: nobody has it any more; what it serves is still there.
            unsafe { c::vu_runner_free(shared.ptr) };
            drop(kept);
        });
    }
}
