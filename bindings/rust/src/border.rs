// SPDX-License-Identifier: MIT
//! The border to C: panics end here, and a thread knows in whose callback it is.
use crate::LaterRequest;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    mem,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

thread_local! {
    /// Number of the group whose callback runs on this thread; 0: none does.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// A callback of a group runs on this thread.
pub(crate) struct Within(u64);

/// No group: a function of the program's that must not free or serve what calls it.
const ELSEWHERE: u64 = u64::MAX;

impl Within {
    /// In a function that is called inside the library, wherever that is.
    pub(crate) fn somewhere() -> Within {
        match current_group() {
            0 => Within::enter(ELSEWHERE),
            group => Within::enter(group),
        }
    }

    /// In a logger, which must do nothing with what it is of.
    pub(crate) fn logger() -> Within {
        Within::enter(ELSEWHERE)
    }

    pub(crate) fn enter(group: u64) -> Within {
        Within(CURRENT.with(|current| current.replace(group)))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}

/// The group whose callback this is; 0: it is none.
pub(crate) fn current_group() -> u64 {
    CURRENT.try_with(Cell::get).unwrap_or(0)
}

thread_local! {
    /// Requests that a panic dropped.
    static DROPPED: RefCell<Vec<LaterRequest>> = const { RefCell::new(Vec::new()) };
}

/// A panic under way dropped a request of a callback's: it fails when the panic has ended, as the
/// device's `failed` may panic, too, and a panic within a panic ends the process in old Rusts.
pub(crate) fn fail_after_panic(req: LaterRequest) {
    // Without the list (the thread ends) it fails here.
    let _ = DROPPED.try_with(move |dropped| match dropped.try_borrow_mut() {
        Ok(mut dropped) => dropped.push(req),
        Err(_) => drop(req),
    });
}

/// Runs what may panic; Err has what the panic said.
pub(crate) fn caught<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let said = said(payload);
        let dropped = DROPPED.try_with(|dropped| dropped.take());
        drop(dropped); // each fails now
        said
    })
}

fn said(payload: Box<dyn Any + Send>) -> String {
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_string(),
        (_, Some(text)) => text.clone(),
        _ => "a panic without a text".to_string(),
    };
    // A payload whose drop panics, and one whose drop's payload does, must not get out of here.
    let mut payload = payload;
    for _ in 0..8 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return text,
            Err(again) => payload = again,
        }
    }
    mem::forget(payload);
    text
}

/// Frees what must not be freed inside a callback: then another thread does it.
pub(crate) fn outside(free: impl FnOnce() + Send + 'static) {
    if current_group() == 0 {
        return free();
    }
    // Without a thread all of it stays, for C still uses what the closure has.
    let free = mem::ManuallyDrop::new(free);
    let thread = thread::Builder::new().name("libvu-free".into());
    if let Err(error) = thread.spawn(move || mem::ManuallyDrop::into_inner(free)()) {
        eprintln!("error: libvu: something is never freed: no thread: {error}");
    }
}

/// A lock that a panic does not spoil: what it guards is whole at any time.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
