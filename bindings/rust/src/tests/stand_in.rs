// SPDX-License-Identifier: MIT
//! The C library's part for Miri: the functions that these tests call, as far as they need them.
//!
//! A device is a `Fake`, and so is its one queue.  Aliasing is as strict as C's: through raw
//! pointers only.
use libvu_sys as c;
use std::{collections::VecDeque, ptr, slice, sync::Mutex};

use c::ffi::{c_char, c_int, c_void};

pub(crate) struct Fake {
    pub(crate) ops: c::vu_ops,
    pub(crate) opaque: *mut c_void,
    pub(crate) waiting: Mutex<VecDeque<*mut c::vu_req>>,
    config: Mutex<Vec<u8>>,
}

#[no_mangle]
unsafe extern "C" fn vu_device_new(
    info: *const c::vu_device_info,
    ops: *const c::vu_ops,
    opaque: *mut c_void,
    dev: *mut *mut c::vu_device,
) -> c_int {
    unsafe {
        let config = match (*info).config.is_null() {
            true => Vec::new(),
            false => {
                slice::from_raw_parts((*info).config.cast(), (*info).config_size as usize).to_vec()
            }
        };
        let fake = Fake {
            ops: ptr::read(ops),
            opaque,
            waiting: Mutex::default(),
            config: Mutex::new(config),
        };
        *dev = Box::into_raw(Box::new(fake)).cast();
    }
    0
}

#[no_mangle]
unsafe extern "C" fn vu_device_free(dev: *mut c::vu_device) {
    drop(unsafe { Box::from_raw(dev.cast::<Fake>()) });
}

#[no_mangle]
extern "C" fn vu_device_guard(_: *mut c::vu_device) -> c_int {
    0
}

#[no_mangle]
extern "C" fn vu_device_detach(_: *mut c::vu_device) {}

#[no_mangle]
extern "C" fn vu_device_group(dev: *mut c::vu_device) -> *mut c::vu_group {
    dev.cast()
}

#[no_mangle]
unsafe extern "C" fn vu_device_log_peer(
    _: *mut c::vu_device,
    _: c::vu_log_level,
    line: *const c_char,
) {
    eprintln!("{}", unsafe { std::ffi::CStr::from_ptr(line) }.to_string_lossy());
}

/// Copies between a configuration space and a buffer, of which one is where it is written to.
unsafe fn config(
    dev: *const c::vu_device,
    offset: u32,
    len: u32,
    copy: impl FnOnce(*mut u8),
) -> c_int {
    let mut config = unsafe { &(*dev.cast::<Fake>()).config }.lock().unwrap();
    match config.get_mut(offset as usize..).filter(|rest| rest.len() >= len as usize) {
        Some(rest) => copy(rest.as_mut_ptr()),
        None => return -34,
    }
    0
}

#[no_mangle]
unsafe extern "C" fn vu_config_get(
    dev: *const c::vu_device,
    offset: u32,
    buf: *mut c_void,
    len: u32,
) -> c_int {
    unsafe { config(dev, offset, len, |at| ptr::copy(at, buf.cast(), len as usize)) }
}

#[no_mangle]
unsafe extern "C" fn vu_config_set(
    dev: *mut c::vu_device,
    offset: u32,
    data: *const c_void,
    len: u32,
) -> c_int {
    unsafe { config(dev, offset, len, |at| ptr::copy(data.cast(), at, len as usize)) }
}

#[no_mangle]
extern "C" fn vu_queue_index(_: *const c::vu_queue) -> u32 {
    0
}

#[no_mangle]
unsafe extern "C" fn vu_queue_next(queue: *mut c::vu_queue, req: *mut *mut c::vu_req) -> c_int {
    let waiting = unsafe { &(*queue.cast::<Fake>()).waiting };
    match waiting.lock().unwrap().pop_front() {
        Some(next) => {
            unsafe { *req = next };
            1
        }
        None => 0,
    }
}

#[no_mangle]
unsafe extern "C" fn vu_req_complete(req: *mut c::vu_req, written: u64) -> c_int {
    unsafe { (*(*req).priv_.cast::<Mutex<Vec<u64>>>()).lock().unwrap().push(written) };
    0
}

#[no_mangle]
unsafe extern "C" fn vu_req_complete_remote(req: *mut c::vu_req, written: u64) -> c_int {
    unsafe { vu_req_complete(req, written) }
}

#[no_mangle]
extern "C" fn vu_req_put_back(_: *mut c::vu_req) -> c_int {
    -22
}

/// The pieces of a list from an offset on: `each` gets where, how many bytes, and how many before.
unsafe fn pieces(
    (mut iov, n): (*const c::iovec, u32),
    mut offset: u64,
    len: usize,
    mut each: impl FnMut(*mut u8, usize, usize),
) -> usize {
    let mut done = 0;
    for _ in 0..n {
        let piece = unsafe { *iov };
        iov = unsafe { iov.add(1) };
        if offset >= piece.iov_len as u64 {
            offset -= piece.iov_len as u64;
            continue;
        }
        let bytes = (piece.iov_len - offset as usize).min(len - done);
        each(unsafe { piece.iov_base.cast::<u8>().add(offset as usize) }, bytes, done);
        (offset, done) = (0, done + bytes);
    }
    done
}

#[no_mangle]
unsafe extern "C" fn vu_req_read(
    req: *const c::vu_req,
    offset: u64,
    buf: *mut c_void,
    len: usize,
) -> usize {
    unsafe {
        pieces(((*req).readable, (*req).n_readable), offset, len, |at, bytes, done| {
            ptr::copy(at, buf.cast::<u8>().add(done), bytes);
        })
    }
}

#[no_mangle]
unsafe extern "C" fn vu_req_write(
    req: *const c::vu_req,
    offset: u64,
    buf: *const c_void,
    len: usize,
) -> usize {
    unsafe {
        pieces(((*req).writable, (*req).n_writable), offset, len, |at, bytes, done| {
            ptr::copy(buf.cast::<u8>().add(done), at, bytes);
        })
    }
}
