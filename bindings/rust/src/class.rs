// SPDX-License-Identifier: MIT
//! What front-ends say to devices of one class only.  Not promised yet: any release may change it.
use std::{
    os::unix::io::{FromRawFd, OwnedFd},
    sync::Arc,
};

use libvu_sys as c;

use crate::{
    callbacks::control,
    error::check,
    state::{StateReader, StateWriter},
    Answer, Control, Result, Shared,
};
use c::ffi::{c_int, c_void};

/// A network device's front-end (vhost-user NET_SET_MTU, SEND_RARP).
pub trait Net: Send + Sync + 'static {
    /// This MTU will be in the guest's configuration space.
    fn set_mtu(&self, device: &Control<'_>, mtu: u16, answer: Answer<()>);

    /// The virtual machine has moved here: announce its address by a broadcast RARP.
    fn send_rarp(&self, device: &Control<'_>, mac: [u8; 6], answer: Answer<()>);
}

/// A crypto device's front-end (vhost-user CREATE_CRYPTO_SESSION, CLOSE_CRYPTO_SESSION).
pub trait Crypto: Send + Sync + 'static {
    /// Makes a session: its id, which requests will name.
    fn create_session(&self, device: &Control<'_>, wanted: &CryptoSession<'_>, answer: Answer<u64>);

    /// This id is not used any more.  Sessions are not closed one by one when the front-end goes:
    /// forget them in [`Device::session_end`](crate::Device::session_end).
    fn close_session(&self, device: &Control<'_>, id: u64, answer: Answer<()>);
}

/// What the driver wants of a session; virtio 1.3 §5.9.7.2 has the numbers, which are the device's
/// to check, as the keys are.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct CryptoSession<'a> {
    pub op_code: u32,
    pub alg: u32,
    pub key: &'a [u8],
    pub auth_key: &'a [u8],
    pub hash_alg: u32,
    pub hash_result_len: u32,
    pub aad_len: u32,
    pub op_type: u8,
    pub direction: u8,
    pub hash_mode: u8,
    pub alg_chain_order: u8,
    pub key_type: u32,
    pub padding_alg: u32,
}

/// A graphics device's front-end (vhost-user GPU_SET_SOCKET).
pub trait Gpu: Send + Sync + 'static {
    /// The front-end's socket for the vhost-user-gpu protocol; takes the place of the one before.
    /// Close both by [`Control::close_fd`]: dropping them may take as long as the front-end likes.
    fn set_socket(&self, device: &Control<'_>, socket: OwnedFd, answer: Answer<()>);
}

/// State that moves to another host, in records with tags (docs/device-state.md).
pub trait State: Send + Sync + 'static {
    /// Of what [`save`](State::save) writes; a state of a higher version is not loaded.
    fn version(&self) -> u32 {
        0
    }

    /// Puts the state; the device is suspended, and may go on afterwards.
    fn save(&self, device: &Control<'_>, state: &mut StateWriter<'_>) -> Result<()>;

    /// Takes it over; it comes from another host, and is to be checked.
    fn load(&self, device: &Control<'_>, state: &StateReader<'_>) -> Result<()>;
}

/// Objects, dma-bufs mostly, that other devices of the virtual machine ask for by UUID.
pub trait SharedObjects: Send + Sync + 'static {
    /// Somebody wants this one.
    fn get(&self, device: &Control<'_>, uuid: [u8; 16], answer: Answer<OwnedFd>);
}

impl<T: Net + ?Sized> Net for Arc<T> {
    fn set_mtu(&self, device: &Control<'_>, mtu: u16, answer: Answer<()>) {
        (**self).set_mtu(device, mtu, answer)
    }
    fn send_rarp(&self, device: &Control<'_>, mac: [u8; 6], answer: Answer<()>) {
        (**self).send_rarp(device, mac, answer)
    }
}

impl<T: Crypto + ?Sized> Crypto for Arc<T> {
    fn create_session(&self, on: &Control<'_>, wanted: &CryptoSession<'_>, answer: Answer<u64>) {
        (**self).create_session(on, wanted, answer)
    }
    fn close_session(&self, device: &Control<'_>, id: u64, answer: Answer<()>) {
        (**self).close_session(device, id, answer)
    }
}

impl<T: Gpu + ?Sized> Gpu for Arc<T> {
    fn set_socket(&self, device: &Control<'_>, socket: OwnedFd, answer: Answer<()>) {
        (**self).set_socket(device, socket, answer)
    }
}

impl<T: State + ?Sized> State for Arc<T> {
    fn version(&self) -> u32 {
        (**self).version()
    }
    fn save(&self, device: &Control<'_>, state: &mut StateWriter<'_>) -> Result<()> {
        (**self).save(device, state)
    }
    fn load(&self, device: &Control<'_>, state: &StateReader<'_>) -> Result<()> {
        (**self).load(device, state)
    }
}

impl<T: SharedObjects + ?Sized> SharedObjects for Arc<T> {
    fn get(&self, device: &Control<'_>, uuid: [u8; 16], answer: Answer<OwnedFd>) {
        (**self).get(device, uuid, answer)
    }
}

/// What a device implements of these.
#[derive(Clone, Default)]
pub(crate) struct Classes {
    pub(crate) net: Option<Arc<dyn Net>>,
    pub(crate) crypto: Option<Arc<dyn Crypto>>,
    pub(crate) gpu: Option<Arc<dyn Gpu>>,
    pub(crate) state: Option<Arc<dyn State>>,
    pub(crate) objects: Option<Arc<dyn SharedObjects>>,
}

impl Classes {
    /// # Safety
    ///
    /// A device that has these, before any session.
    pub(crate) unsafe fn offer(&self, dev: *mut c::vu_device) -> Result<()> {
        macro_rules! offer {
            ($($member:ident, $set:ident, $ops:ident { $($name:ident: $value:expr),* };)*) => { $(
                if self.$member.is_some() {
                    let size = std::mem::size_of::<c::$ops>();
                    check(unsafe { c::$set(dev, &c::$ops { size, $($name: $value),* }) })?;
                }
            )* };
        }
        let version = self.state.as_ref().map_or(0, |state| state.version());
        offer! {
            net, vu_device_set_net_ops, vu_net_ops {
                set_mtu: Some(set_mtu), send_rarp: Some(send_rarp)
            };
            crypto, vu_device_set_crypto_ops, vu_crypto_ops {
                create_session: Some(create_session), close_session: Some(close_session)
            };
            gpu, vu_device_set_gpu_ops, vu_gpu_ops { set_socket: Some(set_socket) };
            state, vu_device_set_state_ops, vu_state_ops {
                version: version, max_size: 0, save: Some(save), load: Some(load)
            };
            objects, vu_device_set_shared_object_ops, vu_shared_object_ops { get: Some(get) };
        }
        Ok(())
    }
}

/// Runs a callback of a class, which has or will have given its answer; a panic drops that, so that
/// it says no.
unsafe fn class(
    opaque: *mut c_void,
    what: &str,
    run: impl FnOnce(&Classes, &Control<'_>),
) -> c_int {
    let run = |shared: &Shared, on: &Control<'_>| run(unsafe { shared.classes() }, on);
    let _ = unsafe { control(opaque, what, run) };
    c::VU_LATER
}

type Raw = *mut c::vu_answer;
type Dev = *mut c::vu_device;

unsafe extern "C" fn set_mtu(_: Dev, mtu: u16, answer: Raw, opaque: *mut c_void) -> c_int {
    let answer = unsafe { Answer::new(answer) };
    unsafe {
        class(opaque, "set_mtu", |of, on| {
            if let Some(net) = &of.net {
                net.set_mtu(on, mtu, answer);
            }
        })
    }
}

unsafe extern "C" fn send_rarp(_: Dev, mac: *const u8, answer: Raw, opaque: *mut c_void) -> c_int {
    // Safety: 6 bytes.
    let (answer, mac) = unsafe { (Answer::new(answer), *mac.cast::<[u8; 6]>()) };
    unsafe {
        class(opaque, "send_rarp", |of, on| {
            if let Some(net) = &of.net {
                net.send_rarp(on, mac, answer);
            }
        })
    }
}

/// # Safety
///
/// Valid for 'a; NULL is allowed.
unsafe fn bytes<'a>(at: *const u8, len: u32) -> &'a [u8] {
    if at.is_null() || len == 0 {
        return &[];
    }
    unsafe { std::slice::from_raw_parts(at, len as usize) }
}

unsafe extern "C" fn create_session(
    _: Dev,
    session: *const c::vu_crypto_session,
    answer: Raw,
    opaque: *mut c_void,
) -> i64 {
    // Safety: valid during the call.
    let (answer, raw) = unsafe { (Answer::new(answer), &*session) };
    let wanted = CryptoSession {
        op_code: raw.op_code,
        alg: raw.alg,
        key: unsafe { bytes(raw.key, raw.key_len) },
        auth_key: unsafe { bytes(raw.auth_key, raw.auth_key_len) },
        hash_alg: raw.hash_alg,
        hash_result_len: raw.hash_result_len,
        aad_len: raw.aad_len,
        op_type: raw.op_type,
        direction: raw.direction,
        hash_mode: raw.hash_mode,
        alg_chain_order: raw.alg_chain_order,
        key_type: raw.key_type,
        padding_alg: raw.padding_alg,
    };
    i64::from(unsafe {
        class(opaque, "create_session", |of, on| {
            if let Some(crypto) = &of.crypto {
                crypto.create_session(on, &wanted, answer);
            }
        })
    })
}

unsafe extern "C" fn close_session(_: Dev, id: u64, answer: Raw, opaque: *mut c_void) -> c_int {
    let answer = unsafe { Answer::new(answer) };
    unsafe {
        class(opaque, "close_session", |of, on| {
            if let Some(crypto) = &of.crypto {
                crypto.close_session(on, id, answer);
            }
        })
    }
}

unsafe extern "C" fn set_socket(_: Dev, fd: c_int, answer: Raw, opaque: *mut c_void) -> c_int {
    // Safety: the descriptor is the device's.
    let (answer, socket) = unsafe { (Answer::new(answer), OwnedFd::from_raw_fd(fd)) };
    unsafe {
        class(opaque, "set_socket", |of, on| {
            if let Some(gpu) = &of.gpu {
                gpu.set_socket(on, socket, answer);
            }
        })
    }
}

unsafe extern "C" fn get(_: Dev, uuid: *const u8, answer: Raw, opaque: *mut c_void) -> c_int {
    // Safety: 16 bytes.
    let (answer, uuid) = unsafe { (Answer::new(answer), *uuid.cast::<[u8; 16]>()) };
    unsafe {
        class(opaque, "get", |of, on| {
            if let Some(objects) = &of.objects {
                objects.get(on, uuid, answer);
            }
        })
    }
}

/// Saves or loads at once, and returns how that went.
unsafe fn moved(
    opaque: *mut c_void,
    what: &str,
    run: impl FnOnce(&dyn State, &Control<'_>) -> Result<()>,
) -> c_int {
    let run = |shared: &Shared, on: &Control<'_>| {
        let classes = unsafe { shared.classes() };
        classes.state.as_ref().map_or(Err(crate::Error::Gone), |state| run(&**state, on))
    };
    crate::error::to_c(unsafe { control(opaque, what, run) }.and_then(|result| result))
}

unsafe extern "C" fn save(_: Dev, state: *mut c::vu_state, _: Raw, opaque: *mut c_void) -> c_int {
    unsafe { moved(opaque, "save", |of, on| of.save(on, &mut StateWriter::new(state))) }
}

unsafe extern "C" fn load(_: Dev, state: *mut c::vu_state, _: Raw, opaque: *mut c_void) -> c_int {
    unsafe { moved(opaque, "load", |of, on| of.load(on, &StateReader::new(state))) }
}
