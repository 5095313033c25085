// SPDX-License-Identifier: MIT
//! What C calls: each finds the device, enters its callback, and lets no panic out.
use std::{mem::ManuallyDrop, sync::Arc};

use libvu_sys as c;

use crate::{
    border::{caught, Within},
    device::Device,
    error::to_c,
    log::Level,
    shared::Shared,
    Control, Error, Queue, Result,
};
use c::ffi::{c_int, c_void};

/// The callbacks of every device; `config`: it has a configuration space.
pub(crate) fn ops(config: bool) -> c::vu_ops {
    c::vu_ops {
        size: std::mem::size_of::<c::vu_ops>(),
        session_begin: Some(session_begin),
        session_end: Some(session_end),
        features_acked: Some(features_acked),
        started: Some(started),
        stopped: Some(stopped),
        reset: Some(reset),
        queue_ready: Some(queue_ready),
        queue_stop: Some(queue_stop),
        config_read: if config { Some(config_read) } else { None },
        config_written: if config { Some(config_written) } else { None },
    }
}

/// Runs a callback on the device thread.
///
/// # Safety
///
/// In a callback of C's, with its opaque pointer.
pub(crate) unsafe fn control<R>(
    opaque: *mut c_void,
    what: &str,
    run: impl FnOnce(&Shared, &Control<'_>) -> R,
) -> Result<R> {
    unsafe {
        Control::with(opaque as *const Shared, |control, shared| {
            caught(|| run(shared, control)).map_err(|said| {
                shared.log_peer(Level::Error, &format!("{what}: panic: {said}"));
                Error::Panicked
            })
        })
    }
}

/// The same, for a callback of the trait.
unsafe fn call<R>(
    opaque: *mut c_void,
    what: &str,
    run: impl FnOnce(&dyn Device, &Control<'_>) -> R,
) -> Result<R> {
    unsafe {
        control(opaque, what, |shared, control| {
            shared.device().map(|device| run(device, control)).ok_or(Error::Gone)
        })?
    }
}

unsafe extern "C" fn session_begin(_: *mut c::vu_device, opaque: *mut c_void) -> c_int {
    to_c(unsafe { call(opaque, "session_begin", |d, on| d.session_begin(on)) }.and_then(|r| r))
}

unsafe extern "C" fn session_end(_: *mut c::vu_device, why: c_int, opaque: *mut c_void) {
    let why = if why == 0 { None } else { Some(Error::from_errno(why)) };
    let _ = unsafe { call(opaque, "session_end", |d, on| d.session_end(on, why)) };
}

unsafe extern "C" fn features_acked(
    _: *mut c::vu_device,
    low: u64,
    high: u64,
    opaque: *mut c_void,
) -> c_int {
    let features = u128::from(high) << 64 | u128::from(low);
    let call = unsafe { call(opaque, "features_acked", |d, on| d.features_acked(on, features)) };
    to_c(call.and_then(|r| r))
}

unsafe extern "C" fn started(_: *mut c::vu_device, opaque: *mut c_void) -> c_int {
    to_c(unsafe { call(opaque, "started", |d, on| d.started(on)) }.and_then(|r| r))
}

unsafe extern "C" fn stopped(_: *mut c::vu_device, opaque: *mut c_void) {
    let _ = unsafe { call(opaque, "stopped", |d, on| d.stopped(on)) };
}

unsafe extern "C" fn reset(_: *mut c::vu_device, opaque: *mut c_void) {
    let _ = unsafe { call(opaque, "reset", |d, on| d.reset(on)) };
}

unsafe extern "C" fn config_read(
    _: *mut c::vu_device,
    offset: u32,
    buf: *mut c_void,
    len: u32,
    opaque: *mut c_void,
) -> c_int {
    let bytes = match len {
        0 => &mut [],
        // Safety: len initialized bytes, during the call.
        _ => unsafe { std::slice::from_raw_parts_mut(buf.cast::<u8>(), len as usize) },
    };
    let call = unsafe { call(opaque, "config_read", |d, on| d.config_read(on, offset, bytes)) };
    to_c(call.and_then(|r| r))
}

unsafe extern "C" fn config_written(
    _: *mut c::vu_device,
    offset: u32,
    len: u32,
    opaque: *mut c_void,
) -> c_int {
    let call = unsafe { call(opaque, "config_written", |d, on| d.config_written(on, offset, len)) };
    to_c(call.and_then(|r| r))
}

pub(crate) unsafe extern "C" fn memory_changed(_: *mut c::vu_device, opaque: *mut c_void) {
    let _ = unsafe { call(opaque, "memory_changed", |d, on| d.memory_changed(on)) };
}

pub(crate) unsafe extern "C" fn shmem_lost(_: *mut c::vu_device, opaque: *mut c_void) {
    let _ = unsafe { call(opaque, "shared_memory_lost", |d, on| d.shared_memory_lost(on)) };
}

/// Runs a callback on a queue's thread; true: it panicked after it had taken something.
unsafe fn queue_call(
    queue: *mut c::vu_queue,
    opaque: *mut c_void,
    what: &str,
    run: impl FnOnce(&dyn Device, &Queue<'_>),
) -> bool {
    // Borrowed: its owner keeps it.
    let shared = ManuallyDrop::new(unsafe { Arc::from_raw(opaque as *const Shared) });
    let queue = unsafe { Queue::new(queue, &shared) };
    let _within = Within::enter(shared.group_of(queue.index()));
    let device = match unsafe { shared.device() } {
        Some(device) => device,
        None => return false,
    };
    match caught(|| run(device, &queue)) {
        Ok(()) => false,
        Err(said) => {
            queue.panicked(what, &said);
            queue.taken.get() != 0
        }
    }
}

/// What a panic left in the ring would wait for the next notification: so it is called again, as
/// long as it gets anywhere.
unsafe extern "C" fn queue_ready(queue: *mut c::vu_queue, opaque: *mut c_void) {
    while unsafe { queue_call(queue, opaque, "queue_ready", |d, q| d.queue_ready(q)) } {}
}

unsafe extern "C" fn queue_stop(queue: *mut c::vu_queue, opaque: *mut c_void) {
    unsafe { queue_call(queue, opaque, "queue_stop", |d, q| d.queue_stop(q)) };
}
