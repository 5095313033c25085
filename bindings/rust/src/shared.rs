// SPDX-License-Identifier: MIT
//! What a device's callbacks, handles and requests share: the C device and the Rust one.
//!
//! Invariants: the opaque pointer of the C device is an `Arc<Shared>` that `Owner` keeps; `device` is
//! there from before vu_device_new() until after vu_device_free(); who uses `dev` elsewhere than in
//! a callback or through the owner is inside the gate.
use std::{
    cell::UnsafeCell,
    ptr,
    sync::{
        atomic::{AtomicPtr, AtomicU64, Ordering},
        Arc,
    },
};

use libvu_sys as c;

use crate::{
    class::Classes,
    device::Device,
    gate::{Gate, Inside},
    group::GroupInner,
    log::{text, Level, Sink},
    Error, Result,
};

pub(crate) struct Shared {
    pub(crate) gate: Gate,
    dev: AtomicPtr<c::vu_device>,
    device: UnsafeCell<Option<Box<dyn Device>>>,
    pub(crate) classes: UnsafeCell<Classes>,
    pub(crate) sink: Sink,
    /// The group of each queue, by number.
    groups: Box<[AtomicU64]>,
    /// The device's own group.
    pub(crate) own: Arc<GroupInner>,
}

// Safety: `device` and `classes` are Send and Sync, and change only where nobody else is: before the
// C device is made, and after it is gone.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new(
        device: Box<dyn Device>,
        classes: Classes,
        sink: Sink,
        queues: u32,
    ) -> Arc<Shared> {
        let own = GroupInner::of_device();
        Arc::new(Shared {
            gate: Gate::new(),
            dev: AtomicPtr::new(ptr::null_mut()),
            device: UnsafeCell::new(Some(device)),
            classes: UnsafeCell::new(classes),
            sink,
            groups: (0..queues).map(|_| AtomicU64::new(own.id)).collect(),
            own,
        })
    }

    /// The C device was made.
    pub(crate) fn made(&self, dev: *mut c::vu_device) {
        self.dev.store(dev, Ordering::Release);
        // Safety: just made.
        self.own.set_ptr(unsafe { c::vu_device_group(dev) });
    }

    /// The C device; null before it was made.
    pub(crate) fn dev(&self) -> *mut c::vu_device {
        self.dev.load(Ordering::Acquire)
    }

    /// Gets in, for a call on the C device.
    pub(crate) fn enter(&self) -> Result<(Inside<'_>, *mut c::vu_device)> {
        let inside = self.gate.enter().ok_or(Error::Gone)?;
        match self.dev() {
            dev if dev.is_null() => Err(Error::Gone),
            dev => Ok((inside, dev)),
        }
    }

    /// # Safety
    ///
    /// In a callback of the device, or inside the gate.
    pub(crate) unsafe fn device(&self) -> Option<&dyn Device> {
        unsafe { (*self.device.get()).as_deref() }
    }

    /// # Safety
    ///
    /// As of device().
    pub(crate) unsafe fn classes(&self) -> &Classes {
        unsafe { &*self.classes.get() }
    }

    /// The C device is gone, or was never made: nobody calls the Rust one any more.
    ///
    /// # Safety
    ///
    /// The gate is closed, and vu_device_free() has returned.
    pub(crate) unsafe fn bury(&self) {
        let (device, classes) =
            unsafe { ((*self.device.get()).take(), std::mem::take(&mut *self.classes.get())) };
        // What they hold may come back here: a handle, a request.
        if let Err(said) = crate::border::caught(|| drop((device, classes))) {
            eprintln!("error: libvu: a device's drop panicked: {said}");
        }
    }

    /// The number of a queue's group.
    pub(crate) fn group_of(&self, index: u32) -> u64 {
        self.groups.get(index as usize).map_or(0, |group| group.load(Ordering::Acquire))
    }

    pub(crate) fn set_group(&self, index: u32, id: u64) {
        if let Some(group) = self.groups.get(index as usize) {
            group.store(id, Ordering::Release);
        }
    }

    /// Says what a guest or a front-end may have caused.
    ///
    /// # Safety
    ///
    /// As of device().
    pub(crate) unsafe fn log_peer(&self, level: Level, line: &str) {
        let line = text(line);
        unsafe { c::vu_device_log_peer(self.dev(), level.to_c(), line.as_ptr()) }
    }

    pub(crate) fn opaque(self: &Arc<Shared>) -> *mut c::ffi::c_void {
        Arc::as_ptr(self) as *mut c::ffi::c_void
    }
}
