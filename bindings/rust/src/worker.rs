// SPDX-License-Identifier: MIT
//! Workers: threads of the library's that serve groups.  Not promised yet.
use std::{ptr, sync::Mutex};

use libvu_sys as c;

use crate::{
    border::{lock, outside},
    error::check,
    group::{Group, Served},
    Error, Result, WorkerSetup,
};

/// A thread that serves groups, from now until it is dropped.
pub struct Worker {
    ptr: Raw,
    groups: Mutex<Vec<Served>>,
}

#[derive(Clone, Copy)]
struct Raw(*mut c::vu_worker);
// Safety: any thread may use it; its owner frees it.
unsafe impl Send for Raw {}
unsafe impl Sync for Raw {}

impl Worker {
    /// Starts a thread, which serves no groups at first.
    pub fn new(setup: WorkerSetup) -> Result<Worker> {
        let mut ptr = ptr::null_mut();
        // Safety: a struct of this version.
        check(unsafe { c::vu_worker_new(&setup.to_c(), &mut ptr) })?;
        Ok(Worker { ptr: Raw(ptr), groups: Mutex::default() })
    }

    /// Serves a group, too, from now on.
    pub fn add(&self, group: &Group) -> Result<()> {
        let mut groups = lock(&self.groups);
        let served = group.0.serve()?;
        // Safety: the group is kept until it is served no more.
        check(unsafe { c::vu_worker_add_group(self.ptr.0, group.0.ptr()) })?;
        groups.push(served);
        Ok(())
    }

    /// Serves a group no more, and waits until it does not.
    pub fn remove(&self, group: &Group) -> Result<()> {
        if crate::border::current_group() != 0 {
            return Err(Error::Deadlock);
        }
        let find = |groups: &[Served]| {
            groups.iter().position(|served| served.0.id == group.0.id).ok_or(Error::Gone)
        };
        find(&lock(&self.groups))?;
        // Safety: the worker is there.  Without the lock: a callback that this waits for may want it.
        check(unsafe { c::vu_worker_remove_group(self.ptr.0, group.0.ptr()) })?;
        let mut groups = lock(&self.groups);
        let at = find(&groups)?;
        groups.swap_remove(at);
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let (ptr, groups) = (self.ptr, std::mem::take(&mut *lock(&self.groups)));
        outside(move || {
            ptr.free();
            drop(groups);
        });
    }
}

impl Raw {
    fn free(self) {
        // Safety: nobody has it any more, and this is no callback.
        unsafe { c::vu_worker_free(self.0) }
    }
}
