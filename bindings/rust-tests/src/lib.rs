// SPDX-License-Identifier: MIT
//! A virtual machine as a back-end sees it: the test peer of libvu's tests (tests/rust/peer.c).
//!
//! It may run the device on its own thread: while it waits it calls `pump` again and again.
#![allow(unused_unsafe)] // inside of unsafe functions, where Rust 1.63 sees one too many
use std::{
    ffi::{CStr, CString},
    os::raw::{c_char, c_int, c_void},
    os::unix::{
        ffi::OsStrExt,
        io::{FromRawFd, OwnedFd},
    },
    path::Path,
    ptr,
};

use libvu::{Backend, Level, Setup};

#[repr(C)]
struct RawPeer {
    _opaque: [u8; 0],
}

#[repr(C)]
struct Seg {
    gpa: u64,
    len: u32,
    write: u32,
}

type Pump = unsafe extern "C" fn(*mut c_void);

extern "C" {
    fn rp_new(
        queues: u32,
        packed: c_int,
        pump: Pump,
        opaque: *mut c_void,
        peer: *mut *mut RawPeer,
    ) -> c_int;
    fn rp_free(peer: *mut RawPeer);
    fn rp_error(peer: *const RawPeer) -> *const c_char;
    fn rp_open(peer: *mut RawPeer, fd: *mut c_int) -> c_int;
    fn rp_connect(peer: *mut RawPeer, path: *const c_char) -> c_int;
    fn rp_start(peer: *mut RawPeer) -> c_int;
    fn rp_stop(peer: *mut RawPeer) -> c_int;
    fn rp_disconnect(peer: *mut RawPeer);
    fn rp_wait_closed(peer: *mut RawPeer) -> c_int;
    fn rp_pump(peer: *mut RawPeer);
    fn rp_alloc(peer: *mut RawPeer, size: u64) -> u64;
    fn rp_write(peer: *mut RawPeer, gpa: u64, data: *const c_void, len: usize) -> c_int;
    fn rp_read(peer: *mut RawPeer, gpa: u64, data: *mut c_void, len: usize) -> c_int;
    fn rp_truncate(peer: *mut RawPeer, size: u64) -> c_int;
    fn rp_add(peer: *mut RawPeer, queue: u32, segs: *const Seg, n: u32) -> c_int;
    fn rp_kick(peer: *mut RawPeer, queue: u32) -> c_int;
    fn rp_collect(peer: *mut RawPeer, queue: u32, id: *mut u32, len: *mut u32) -> c_int;
    fn rp_wait_used(peer: *mut RawPeer, queue: u32, id: *mut u32, len: *mut u32) -> c_int;
    fn rp_get_config(peer: *mut RawPeer, offset: u32, data: *mut c_void, size: u32) -> c_int;
    fn rp_set_config(peer: *mut RawPeer, offset: u32, data: *const c_void, size: u32) -> c_int;
    fn rp_expect_config_change(peer: *mut RawPeer) -> c_int;
    fn rp_save_state(peer: *mut RawPeer, bytes: *mut *mut c_void, len: *mut usize) -> c_int;
    fn rp_load_state(peer: *mut RawPeer, bytes: *const c_void, len: usize) -> c_int;
    fn rp_tell(peer: *mut RawPeer, request: u32, payload: *const c_void, size: u32) -> c_int;
    fn free(at: *mut c_void);
}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust.md")]
mod guide {}

/// The front-end and its guest.
pub struct Peer {
    raw: *mut RawPeer,
    pump: Box<Pumped>,
}

// A test may drive it from another thread than the device's.
unsafe impl Send for Peer {}

struct Pumped(Box<dyn FnMut()>);

unsafe extern "C" fn pump(opaque: *mut c_void) {
    let pumped = unsafe { &mut *opaque.cast::<Pumped>() };
    (pumped.0)();
}

/// A chain that the driver made available.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Its number, until it is used.
    pub id: u32,
    writable: Vec<(u64, u32)>,
}

/// A chain that the device is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// [`Chain::id`].
    pub id: u32,
    /// Bytes that the device says it wrote.
    pub len: u32,
}

impl Peer {
    /// A peer with this many queues; `pump` runs the device, if it is on this thread.
    pub fn new(queues: u32, pumped: impl FnMut() + 'static) -> Peer {
        Peer::with_rings(queues, false, pumped)
    }

    /// The same, with packed rings or without.
    pub fn with_rings(queues: u32, packed: bool, pumped: impl FnMut() + 'static) -> Peer {
        let mut pumped = Box::new(Pumped(Box::new(pumped)));
        let mut raw = ptr::null_mut();
        let opaque: *mut Pumped = &mut *pumped;
        let result =
            unsafe { rp_new(queues, packed.into(), pump, opaque.cast::<c_void>(), &mut raw) };
        assert_eq!(result, 0, "a new peer");
        Peer { raw, pump: pumped }
    }

    /// Another pump from now on.
    pub fn set_pump(&mut self, pumped: impl FnMut() + 'static) {
        self.pump.0 = Box::new(pumped);
    }

    fn check(&self, what: &str, result: c_int) {
        let said = unsafe { CStr::from_ptr(rp_error(self.raw)) };
        assert!(result >= 0, "{what}: {result}: {}", said.to_string_lossy());
    }

    /// A new connection: the back-end's end.
    pub fn open(&mut self) -> OwnedFd {
        let mut fd = -1;
        self.check("open", unsafe { rp_open(self.raw, &mut fd) });
        unsafe { OwnedFd::from_raw_fd(fd) }
    }

    /// Connects to a program that listens.
    pub fn connect(&mut self, path: &Path) {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        self.check("connect", unsafe { rp_connect(self.raw, path.as_ptr()) });
    }

    /// As [`Peer::connect`], where nobody may listen yet.
    pub fn try_connect(&mut self, path: &Path) -> bool {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        unsafe { rp_connect(self.raw, path.as_ptr()) == 0 }
    }

    /// Negotiates and starts the rings, as QEMU does.
    pub fn start(&mut self) {
        self.check("start", unsafe { rp_start(self.raw) });
    }

    /// The same, where it may fail.
    pub fn try_start(&mut self) -> bool {
        unsafe { rp_start(self.raw) == 0 }
    }

    /// Stops the rings.
    pub fn stop(&mut self) {
        self.check("stop", unsafe { rp_stop(self.raw) });
    }

    /// The front-end dies.
    pub fn disconnect(&mut self) {
        unsafe { rp_disconnect(self.raw) }
    }

    /// Waits until the back-end has closed the socket.
    pub fn wait_closed(&mut self) {
        self.check("wait for the end", unsafe { rp_wait_closed(self.raw) });
    }

    /// Lets the device run.
    pub fn pump(&mut self) {
        unsafe { rp_pump(self.raw) }
    }

    /// Makes a chain available: readable segments with these bytes, writable ones of these sizes.
    pub fn add(&mut self, queue: u32, readable: &[&[u8]], writable: &[u32]) -> Chain {
        let mut segs = Vec::new();
        for bytes in readable {
            let gpa = self.alloc(bytes.len() as u64);
            self.write(gpa, bytes);
            segs.push(Seg { gpa, len: bytes.len() as u32, write: 0 });
        }
        let mut places = Vec::new();
        for len in writable {
            let gpa = self.alloc(u64::from(*len));
            places.push((gpa, *len));
            segs.push(Seg { gpa, len: *len, write: 1 });
        }
        let id = unsafe { rp_add(self.raw, queue, segs.as_ptr(), segs.len() as u32) };
        self.check("add", id);
        Chain { id: id as u32, writable: places }
    }

    /// Guest memory.
    pub fn alloc(&mut self, size: u64) -> u64 {
        let gpa = unsafe { rp_alloc(self.raw, size) };
        assert_ne!(gpa, u64::MAX, "guest memory is used up");
        gpa
    }

    /// Writes to guest memory.
    pub fn write(&mut self, gpa: u64, bytes: &[u8]) {
        self.check("write", unsafe { rp_write(self.raw, gpa, bytes.as_ptr().cast(), bytes.len()) });
    }

    /// Makes the same chain available again.
    pub fn add_again(&mut self, queue: u32, chain: &Chain) -> Chain {
        let segs: Vec<_> = chain
            .writable
            .iter()
            .map(|(gpa, len)| Seg { gpa: *gpa, len: *len, write: 1 })
            .collect();
        let id = unsafe { rp_add(self.raw, queue, segs.as_ptr(), segs.len() as u32) };
        self.check("add", id);
        Chain { id: id as u32, writable: chain.writable.clone() }
    }

    /// What is in a chain's writable segments.
    pub fn written(&self, chain: &Chain) -> Vec<u8> {
        let mut all = Vec::new();
        for (gpa, len) in &chain.writable {
            let mut bytes = vec![0; *len as usize];
            let result = unsafe { rp_read(self.raw, *gpa, bytes.as_mut_ptr().cast(), bytes.len()) };
            self.check("read", result);
            all.extend(bytes);
        }
        all
    }

    /// Publishes, and kicks if the device wants it.
    pub fn kick(&mut self, queue: u32) {
        self.check("kick", unsafe { rp_kick(self.raw, queue) });
    }

    /// Publishes, kicks and waits for one used chain.
    pub fn wait(&mut self, queue: u32) -> Used {
        let (mut id, mut len) = (0, 0);
        self.check("wait", unsafe { rp_wait_used(self.raw, queue, &mut id, &mut len) });
        Used { id, len }
    }

    /// A used chain, if there is one.
    pub fn collect(&mut self, queue: u32) -> Option<Used> {
        let (mut id, mut len) = (0, 0);
        let n = unsafe { rp_collect(self.raw, queue, &mut id, &mut len) };
        self.check("collect", n);
        (n == 1).then_some(Used { id, len })
    }

    /// One request and its answer: what the device says it wrote.
    pub fn request(&mut self, queue: u32, readable: &[&[u8]], writable: &[u32]) -> Vec<u8> {
        let chain = self.add(queue, readable, writable);
        let used = self.wait(queue);
        assert_eq!(used.id, chain.id);
        let mut bytes = self.written(&chain);
        bytes.truncate(used.len as usize);
        bytes
    }

    /// Reads the configuration space; None: the back-end refused.
    pub fn config(&mut self, offset: u32, size: u32) -> Option<Vec<u8>> {
        let mut bytes = vec![0; size as usize];
        let result = unsafe { rp_get_config(self.raw, offset, bytes.as_mut_ptr().cast(), size) };
        (result == 0).then_some(bytes)
    }

    /// Writes to the configuration space; false: the back-end refused.
    pub fn set_config(&mut self, offset: u32, bytes: &[u8]) -> bool {
        let size = bytes.len() as u32;
        unsafe { rp_set_config(self.raw, offset, bytes.as_ptr().cast(), size) == 0 }
    }

    /// Waits until the device says that its configuration space changed.
    pub fn config_changed(&mut self) {
        self.check("config change", unsafe { rp_expect_config_change(self.raw) });
    }

    /// Cuts guest memory off: whoever touches it beyond gets SIGBUS.
    pub fn truncate(&mut self, size: u64) {
        self.check("truncate", unsafe { rp_truncate(self.raw, size) });
    }

    /// The device's state.
    pub fn save_state(&mut self) -> Vec<u8> {
        let (mut bytes, mut len) = (ptr::null_mut(), 0);
        self.check("save", unsafe { rp_save_state(self.raw, &mut bytes, &mut len) });
        let state = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len) }.to_vec();
        unsafe { free(bytes) };
        state
    }

    /// Gives a device its state; false: it refused.
    pub fn load_state(&mut self, state: &[u8]) -> bool {
        unsafe { rp_load_state(self.raw, state.as_ptr().cast(), state.len()) == 0 }
    }

    /// A message with an acknowledgement; false: the back-end refused.
    pub fn tell(&mut self, request: u32, payload: &[u8]) -> bool {
        unsafe { rp_tell(self.raw, request, payload.as_ptr().cast(), payload.len() as u32) == 0 }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        unsafe { rp_free(self.raw) }
    }
}

/// A device and its peer on one thread, started.
pub fn served(backend: Backend, queues: u32) -> Peer {
    let mut peer = Peer::new(queues, || {});
    attach(&mut peer, backend);
    peer.start();
    peer
}

/// Attaches a device to a new connection of a peer's, which then pumps it.
pub fn attach(peer: &mut Peer, backend: Backend) {
    backend.attach(peer.open()).unwrap();
    peer.set_pump(move || while backend.process().unwrap().more {});
}

/// Lines that a device logs.
pub type Lines = std::sync::Arc<std::sync::Mutex<Vec<(Level, String)>>>;

/// A set-up that logs into a list.
pub fn logged(setup: Setup) -> (Setup, Lines) {
    let lines = Lines::default();
    let into = lines.clone();
    let setup = setup.logger(move |level, line| into.lock().unwrap().push((level, line.into())));
    (setup, lines)
}

/// Whether a line with this text was logged.
pub fn said(lines: &Lines, text: &str) -> bool {
    lines.lock().unwrap().iter().any(|(_, line)| line.contains(text))
}
