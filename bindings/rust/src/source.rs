// SPDX-License-Identifier: MIT
//! Sources: file descriptors, timers and polls of a group, as closures.
//!
//! Invariant: the opaque pointer of a C source is an Arc that its group keeps until the C source is
//! removed, which happens on the group's thread; a callback under way has a reference of its own.
use std::{
    cell::{RefCell, UnsafeCell},
    marker::PhantomData,
    mem::{self, ManuallyDrop},
    os::unix::io::{AsFd, AsRawFd},
    ptr,
    sync::{
        atomic::{AtomicBool, AtomicPtr, Ordering},
        Arc, Weak,
    },
    time::Duration,
};

use libvu_sys as c;

use crate::{
    border::{caught, Within},
    error::check,
    group::{outlast, Group, GroupInner, Kept},
    shared::Shared,
    Backend, Handle, Queue, Result,
};
use c::ffi::{c_int, c_void};

type Function = Box<dyn FnMut(&Turn<'_>, u32) -> bool + Send>;

struct SourceInner {
    ptr: AtomicPtr<c::vu_source>,
    group: Weak<GroupInner>,
    busy: AtomicBool,
    function: UnsafeCell<Function>,
}

// Safety: the function is Send, and runs on one thread at a time (`busy`).
unsafe impl Send for SourceInner {}
unsafe impl Sync for SourceInner {}

impl Kept for SourceInner {
    unsafe fn remove(&self) {
        let ptr = self.ptr.swap(ptr::null_mut(), Ordering::AcqRel);
        unsafe { c::vu_source_remove(ptr) }; // which ignores NULL
    }
}

/// What to watch a file descriptor for, as of `epoll_ctl`(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events(pub u32);

impl Events {
    /// There is something to read.
    pub const IN: Events = Events(1);
    /// There is room to write.
    pub const OUT: Events = Events(4);
}

impl std::ops::BitOr for Events {
    type Output = Events;

    fn bitor(self, other: Events) -> Events {
        Events(self.0 | other.0)
    }
}

/// A callback of a source's: what it may do on its thread.
pub struct Turn<'a> {
    group: &'a Arc<GroupInner>,
    /// None: it is one of a script's.
    source: Option<&'a Arc<SourceInner>>,
    /// Devices whose gate it is inside of until its end: a queue that the closure forgets, as
    /// `mem::forget` does, must not keep the gate for ever.
    inside: RefCell<Vec<Arc<Shared>>>,
    _not_send: PhantomData<*mut ()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        for shared in self.inside.get_mut() {
            shared.gate.leave();
        }
    }
}

impl<'a> Turn<'a> {
    fn new(group: &'a Arc<GroupInner>, source: Option<&'a Arc<SourceInner>>) -> Turn<'a> {
        Turn { group, source, inside: RefCell::default(), _not_send: PhantomData }
    }

    pub(crate) fn of_script(group: &'a Arc<GroupInner>) -> Turn<'a> {
        Turn::new(group, None)
    }

    /// Inside of the device's gate until the end of the turn.
    fn enter(&self, shared: &Arc<Shared>) -> Result<*mut c::vu_device> {
        let (inside, dev) = shared.enter()?;
        let mut all = self.inside.borrow_mut();
        if !all.iter().any(|other| Arc::ptr_eq(other, shared)) {
            all.push(Arc::clone(shared));
            mem::forget(inside);
        }
        Ok(dev)
    }

    /// A queue that this group serves; None if it does not, or the device is gone.
    pub fn queue<'t>(&'t self, device: &'t Handle, index: u32) -> Option<Queue<'t>> {
        if device.0.group_of(index) != self.group.id {
            return None;
        }
        let dev = self.enter(&device.0).ok()?;
        // Safety: on the thread of the queue's group, inside the gate.
        unsafe {
            let queue = c::vu_device_queue(dev, index);
            (!queue.is_null()).then(|| Queue::new(queue, &device.0))
        }
    }

    /// This source, for later.
    pub fn source(&self) -> Source {
        Source { inner: self.source.map_or_else(Weak::new, Arc::downgrade) }
    }
}

/// A watch, timer or poll, for any thread; dropping it leaves it there.
#[derive(Clone)]
pub struct Source {
    inner: Weak<SourceInner>,
}

impl Source {
    fn soon(&self, call: impl FnOnce(*mut c::vu_source) -> c_int + Send + 'static) -> Result<()> {
        let source = self.inner.upgrade().ok_or(crate::Error::Gone)?;
        let group = source.group.upgrade().ok_or(crate::Error::Gone)?;
        let weak = self.inner.clone();
        drop(source);
        group.soon(move || {
            let source = weak.upgrade().ok_or(crate::Error::Gone)?;
            match source.ptr.load(Ordering::Acquire) {
                ptr if ptr.is_null() => Err(crate::Error::Gone),
                ptr => check(call(ptr)).map(drop),
            }
        })
    }

    /// Starts, changes or (with [`Duration::ZERO`] as `first`) stops a timer.
    ///
    /// `first` is when it first expires, from now; `period` is the time between later ones, or
    /// zero.  Elsewhere than on its thread this takes effect soon.
    pub fn set_timer(&self, first: Duration, period: Duration) -> Result<()> {
        let nanoseconds = |t: Duration| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX);
        let (first, period) = (nanoseconds(first), nanoseconds(period));
        self.soon(move |source| unsafe { c::vu_source_set_timer(source, first, period) })
    }

    /// Changes what is watched; `Events(0)` pauses.
    pub fn set_events(&self, events: Events) -> Result<()> {
        self.soon(move |source| unsafe { c::vu_source_set_events(source, events.0) })
    }

    /// Removes it, now or soon: what its closure holds is dropped then.
    pub fn remove(&self) {
        if let Some(group) = self.inner.upgrade().and_then(|source| source.group.upgrade()) {
            group.remove(self.inner.as_ptr().cast(), true);
        }
    }
}

/// Runs a source's closure; what it returns.
///
/// # Safety
///
/// In a callback of C's, with the opaque pointer of a source.
unsafe fn run(opaque: *mut c_void, events: u32) -> bool {
    // Kept by the group; a reference of our own, as it may be removed meanwhile.
    let source =
        Arc::clone(&ManuallyDrop::new(unsafe { Arc::from_raw(opaque as *const SourceInner) }));
    let group = match source.group.upgrade() {
        Some(group) => group,
        None => return false,
    };
    if source.busy.swap(true, Ordering::Acquire) {
        return false;
    }
    let _within = Within::enter(group.id);
    let turn = Turn::new(&group, Some(&source));
    // Safety: busy was not set, so nobody else runs it.
    let result = caught(|| unsafe { (*source.function.get())(&turn, events) });
    source.busy.store(false, Ordering::Release);
    drop(turn);
    outlast(source);
    result.unwrap_or_else(|said| {
        eprintln!("error: libvu: a source panicked: {said}");
        false
    })
}

unsafe extern "C" fn ready(_: *mut c::vu_source, _: c_int, events: u32, opaque: *mut c_void) {
    unsafe { run(opaque, events) };
}

unsafe extern "C" fn poll(opaque: *mut c_void) -> c_int {
    c_int::from(unsafe { run(opaque, 0) })
}

enum Kind {
    Fd(c_int, Events),
    Timer,
    Poll,
}

fn add(
    group: &Arc<GroupInner>,
    device_thread: bool,
    kind: Kind,
    function: Function,
) -> Result<Source> {
    let source = Arc::new(SourceInner {
        ptr: AtomicPtr::new(ptr::null_mut()),
        group: Arc::downgrade(group),
        busy: AtomicBool::new(false),
        function: UnsafeCell::new(function),
    });
    let opaque = Arc::as_ptr(&source) as *mut c_void;
    let mut raw = ptr::null_mut();
    let at = group.ptr();
    // Safety: on the group's thread, or nobody serves it.
    let result = group.directly(device_thread, || unsafe {
        match kind {
            Kind::Fd(fd, events) => {
                c::vu_group_add_fd(at, fd, events.0, Some(ready), opaque, &mut raw)
            }
            Kind::Timer => c::vu_group_add_timer(at, Some(ready), opaque, &mut raw),
            Kind::Poll => c::vu_group_add_poll(at, Some(poll), opaque, &mut raw),
        }
    })?;
    check(result)?;
    source.ptr.store(raw, Ordering::Release);
    let handle = Source { inner: Arc::downgrade(&source) };
    group.keep(source);
    Ok(handle)
}

macro_rules! sources {
    ($($(#[$place:meta])* $owner:ident $group:path, $device_thread:expr;)*) => { $(
        impl $owner {
            /// Watches a file descriptor, which it keeps until the source is removed; the closure
            /// gets what is ready.
            ///
            $(#[$place])*
            pub fn watch<F: AsFd + Send + 'static>(
                &self,
                fd: F,
                events: Events,
                mut ready: impl FnMut(&Turn<'_>, &mut F, Events) + Send + 'static,
            ) -> Result<Source> {
                let raw = fd.as_fd().as_raw_fd();
                let mut fd = fd;
                let function: Function = Box::new(move |turn, events| {
                    ready(turn, &mut fd, Events(events));
                    true
                });
                add($group(self), $device_thread, Kind::Fd(raw, events), function)
            }

            /// A timer, which [`Source::set_timer`] starts; the closure gets how often it expired
            /// since the last call.
            ///
            $(#[$place])*
            pub fn timer(
                &self,
                mut expired: impl FnMut(&Turn<'_>, u32) + Send + 'static,
            ) -> Result<Source> {
                let function: Function = Box::new(move |turn, times| {
                    expired(turn, times);
                    true
                });
                add($group(self), $device_thread, Kind::Timer, function)
            }

            /// Calls a closure in every pass, which says whether there was something to do: for
            /// threads that poll.
            ///
            $(#[$place])*
            pub fn poll(
                &self,
                mut look: impl FnMut(&Turn<'_>) -> bool + Send + 'static,
            ) -> Result<Source> {
                let function: Function = Box::new(move |turn, _| look(turn));
                add($group(self), $device_thread, Kind::Poll, function)
            }
        }
    )* };
}

sources! {
    /// Before the group is served, or in a callback of it; elsewhere it is
    /// [`Error::WrongThread`](crate::Error::WrongThread).
    Group Group::inner, false;
    /// On the device's own group, in a callback of the device's on its thread; elsewhere it is
    /// [`Error::WrongThread`](crate::Error::WrongThread).
    Handle Handle::own_group, false;
    /// On the device thread, which this is.
    Backend Backend::own, true;
}
