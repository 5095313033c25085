// SPDX-License-Identifier: MIT
//! Groups: the queues, file descriptors and timers that one thread serves.
//!
//! Invariants: who serves a group keeps it (an Arc), so the last reference goes where nobody serves
//! it; what only its thread may do is done in its callbacks, or under `state` while nobody serves it.
use std::{
    ptr,
    sync::{
        atomic::{AtomicPtr, AtomicU64, Ordering},
        Arc, Mutex, Weak,
    },
};

use libvu_sys as c;

use crate::{
    border::{caught, current_group, lock, outside, Within},
    error::check,
    gate::Gate,
    shared::Shared,
    Error, Result,
};
use c::ffi::c_void;

/// What a group keeps until it is removed on its thread: sources, scripts.
pub(crate) trait Kept: Send + Sync {
    /// # Safety
    ///
    /// On the group's thread, or where nobody serves it.
    unsafe fn remove(&self);
}

/// Drops what may be the last reference to a closure, whose values' drop may panic.
pub(crate) fn outlast<T: ?Sized>(kept: Arc<T>) {
    if let Err(said) = caught(|| drop(kept)) {
        eprintln!("error: libvu: dropping a closure panicked: {said}");
    }
}

pub(crate) struct GroupInner {
    /// Never used again; 0 is no group.
    pub(crate) id: u64,
    ptr: AtomicPtr<c::vu_group>,
    /// For posts, which must not come while it is freed.
    gate: Gate,
    /// A device's own: it goes with the device, and the device thread serves it.
    own: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    served: bool,
    kept: Vec<Arc<dyn Kept>>,
    /// Queues that were given to it.
    queues: Vec<(Weak<Shared>, u32)>,
}

fn next_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

impl GroupInner {
    fn new(ptr: *mut c::vu_group, own: bool) -> Arc<GroupInner> {
        Arc::new(GroupInner {
            id: next_id(),
            ptr: AtomicPtr::new(ptr),
            gate: Gate::new(),
            own,
            state: Mutex::default(),
        })
    }

    /// A device's own; set_ptr() follows.
    pub(crate) fn of_device() -> Arc<GroupInner> {
        GroupInner::new(ptr::null_mut(), true)
    }

    pub(crate) fn set_ptr(&self, ptr: *mut c::vu_group) {
        self.ptr.store(ptr, Ordering::Release);
    }

    pub(crate) fn ptr(&self) -> *mut c::vu_group {
        self.ptr.load(Ordering::Acquire)
    }

    /// From now on somebody serves it, until the value is dropped.
    pub(crate) fn serve(self: &Arc<GroupInner>) -> Result<Served> {
        let mut state = lock(&self.state);
        if std::mem::replace(&mut state.served, true) {
            return Err(Error::Busy);
        }
        Ok(Served(Arc::clone(self)))
    }

    /// Calls C where only the group's thread may: in its callbacks, while nobody serves it, or, of
    /// a device's own group, where the caller says that this is the device thread.
    pub(crate) fn directly<R>(&self, device_thread: bool, call: impl FnOnce() -> R) -> Result<R> {
        if current_group() == self.id || (self.own && device_thread) {
            return Ok(call());
        }
        let state = lock(&self.state);
        if self.own || state.served {
            return Err(Error::WrongThread);
        }
        Ok(call())
    }

    /// Does something on the group's thread: now where it may be, else soon.
    pub(crate) fn soon(
        self: &Arc<GroupInner>,
        call: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let mut call = Some(call);
        match self.directly(false, || call.take().map_or(Ok(()), |call| call())) {
            Err(Error::WrongThread) => {}
            done => return done?,
        }
        match call {
            Some(call) => self.post(move || {
                let _ = call(); // who asked is not there any more
            }),
            None => Ok(()),
        }
    }

    pub(crate) fn post(
        self: &Arc<GroupInner>,
        function: impl FnOnce() + Send + 'static,
    ) -> Result<()> {
        let _inside = self.gate.enter().ok_or(Error::Gone)?;
        let post = Box::into_raw(Box::new(Post { group: self.id, function: Box::new(function) }));
        // Safety: the group is not freed while this is inside; what is posted runs once.
        let result = unsafe { c::vu_group_post(self.ptr(), Some(run_post), post.cast()) };
        if result < 0 {
            // Safety: nobody else has it.
            drop(unsafe { Box::from_raw(post) });
        }
        check(result).map(drop)
    }

    pub(crate) fn keep(&self, kept: Arc<dyn Kept>) {
        lock(&self.state).kept.push(kept);
    }

    /// Its owner's reference, if it was not removed yet.
    fn let_go(&self, which: *const ()) -> Option<Arc<dyn Kept>> {
        let kept = &mut lock(&self.state).kept;
        let at = kept.iter().position(|one| Arc::as_ptr(one).cast::<()>() == which)?;
        Some(kept.swap_remove(at))
    }

    /// Removes one of those that it keeps: now where it may be, unless `now` is false, or soon.
    pub(crate) fn remove(self: &Arc<GroupInner>, which: *const (), now: bool) {
        let kept = match self.let_go(which) {
            Some(kept) => kept,
            None => return, // somebody did it already
        };
        // Safety: on the group's thread, or nobody serves it; the same for the post.
        if now && self.directly(false, || unsafe { kept.remove() }).is_ok() {
            return outlast(kept);
        }
        let again = Arc::clone(&kept);
        let posted = self.post(move || {
            unsafe { kept.remove() };
            outlast(kept);
        });
        if posted.is_err() {
            self.keep(again); // without memory, or while the group ends: it goes with the group
        }
    }

    pub(crate) fn joined(&self, shared: &Arc<Shared>, queue: u32) {
        lock(&self.state).queues.push((Arc::downgrade(shared), queue));
    }

    /// Removes all that it keeps.
    ///
    /// # Safety
    ///
    /// On its thread, or where nobody serves it.
    pub(crate) unsafe fn clear(&self) {
        let kept = std::mem::take(&mut lock(&self.state).kept);
        for one in kept {
            unsafe { one.remove() };
            outlast(one);
        }
    }

    pub(crate) fn close(&self) {
        self.gate.close();
    }
}

impl Drop for GroupInner {
    fn drop(&mut self) {
        let state = std::mem::take(&mut *lock(&self.state));
        for (shared, queue) in state.queues {
            if let Some(shared) = shared.upgrade() {
                shared.set_group(queue, shared.own.id);
            }
        }
        if self.own {
            return; // the device has it, and what it kept went with it
        }
        let (ptr, kept) = (Freed(self.ptr()), state.kept);
        outside(move || {
            for one in kept {
                // Safety: nobody serves it.
                unsafe { one.remove() };
                outlast(one);
            }
            ptr.free();
        });
    }
}

struct Freed(*mut c::vu_group);
// Safety: any thread may free it.
unsafe impl Send for Freed {}

impl Freed {
    fn free(self) {
        // Safety: nobody has it any more.
        unsafe { c::vu_group_free(self.0) }
    }
}

/// Somebody serves a group, and keeps it.
pub(crate) struct Served(pub(crate) Arc<GroupInner>);

impl Drop for Served {
    fn drop(&mut self) {
        lock(&self.0.state).served = false;
    }
}

struct Post {
    group: u64,
    function: Box<dyn FnOnce() + Send>,
}

unsafe extern "C" fn run_post(opaque: *mut c_void) {
    // Safety: what post() gave, once.
    let post = unsafe { Box::from_raw(opaque.cast::<Post>()) };
    let Post { group, function } = *post;
    let _within = Within::enter(group);
    if let Err(said) = caught(function) {
        eprintln!("error: libvu: a group's function panicked: {said}");
    }
}

/// Queues, of one device or of several, that one thread serves, with file descriptors and timers.
///
/// Queues are given to it by [`Backend::set_group`](crate::Backend::set_group).  A
/// [`Runner`](crate::Runner), a [`Worker`](crate::Worker) or a thread of the program's
/// ([`serve`](Group::serve)) serves it.  It lives as long as one of these, or of its clones, does.
#[derive(Clone)]
pub struct Group(pub(crate) Arc<GroupInner>);

impl Group {
    /// A group without queues.
    pub fn new() -> Result<Group> {
        let mut ptr = ptr::null_mut();
        // Safety: receives the group.
        check(unsafe { c::vu_group_new(&mut ptr) })?;
        Ok(Group(GroupInner::new(ptr, false)))
    }

    pub(crate) fn inner(&self) -> &Arc<GroupInner> {
        &self.0
    }

    /// Runs a function on the group's thread, soon.
    pub fn run(&self, function: impl FnOnce() + Send + 'static) -> Result<()> {
        self.0.post(function)
    }

    /// Lets the group's thread not sleep, or wakes it: [`serve`](Group::serve) asks again whether to
    /// go on.
    pub fn wake(&self) {
        // Safety: the group lives; any thread.
        unsafe { c::vu_group_wake(self.0.ptr()) }
    }

    /// Serves the group on this thread, as long as `go_on` says: it is asked before each pass.
    ///
    /// [`Error::Busy`] if somebody serves it already, [`Error::Deadlock`] in a callback.
    pub fn serve(&self, mut go_on: impl FnMut() -> bool) -> Result<()> {
        if current_group() != 0 {
            return Err(Error::Deadlock);
        }
        let hold = Hold::new(self.0.serve()?)?;
        let ptr = hold.0 .0.ptr();
        while go_on() {
            // Safety: this thread serves the group, and nobody else.
            unsafe {
                if c::vu_group_process(ptr, 0) > 0 {
                    continue;
                }
                if c::vu_group_arm(ptr) == 0 {
                    check(c::vu_group_wait(ptr, -1))?;
                }
            }
        }
        Ok(())
    }
}

/// The group knows that this thread serves it.
struct Hold(Served);

impl Hold {
    fn new(served: Served) -> Result<Hold> {
        // Safety: nobody serves it.
        check(unsafe { c::vu_group_hold(served.0.ptr()) })?;
        Ok(Hold(served))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Safety: this thread held it, and serves it no more.
        unsafe { c::vu_group_release(self.0 .0.ptr()) };
    }
}
