// SPDX-License-Identifier: MIT
//! What `<libvu/crypto.h>` declares.
use crate::{vu_answer, vu_device};

/// what the driver wants of a session; virtio 1.3 §5.9.7.2 has the
/// numbers, which are the device's to check, as the keys are.
///
/// The library's, and gone when the callback returns.  It may grow at its end.
///
/// - `op_code`: VIRTIO_CRYPTO_..._CREATE_SESSION: of a cipher (2), hash (0x102), MAC (0x202), AEAD
/// (0x302), or of an asymmetric cipher (0x404); no other.
/// - `alg`: the cipher's; of an asymmetric one, that.
/// - `key, key_len`: the cipher's key, at most 64 bytes; of an asymmetric one at most 1024.
/// - `hash_alg, hash_result_len, auth_key, auth_key_len`: of a hash or MAC; the key has at most 512
/// bytes.  Of RSA, hash_alg is the padding's.
/// - `aad_len`: bytes of additional authenticated data.
/// - `op_type`: no, a cipher, or a chain of algorithms.
/// - `direction`: encrypt or decrypt.
/// - `hash_mode, alg_chain_order`: of a chain.
/// - `key_type`: of an asymmetric cipher: public or private.
/// - `padding_alg`: of RSA.
///
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_crypto_session {
    pub op_code: u32,
    pub alg: u32,
    pub key: *const u8,
    pub auth_key: *const u8,
    pub key_len: u32,
    pub auth_key_len: u32,
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

/// for a crypto device; see vu_device_set_crypto_ops().
///
/// - `size`: sizeof(struct vu_crypto_ops).
/// - `create_session`: make one: its id, which requests will name, from 0; -errno; or VU_LATER.
/// Device thread.
/// - `close_session`: this id is not used any more.  0, -errno or VU_LATER.  Device thread.
///
/// Sessions are not closed one by one when the front-end goes: forget them in session_end.  Of one
/// that is made by VU_LATER and not heard of any more vu_answer_give() says so.
///
/// The last argument of each is the opaque pointer of vu_device_new(); the one before is for
/// VU_LATER.
///
/// vhost-user CREATE_CRYPTO_SESSION, CLOSE_CRYPTO_SESSION.
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_crypto_ops {
    pub size: usize,
    pub create_session: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            session: *const vu_crypto_session,
            answer: *mut vu_answer,
            opaque: *mut crate::ffi::c_void,
        ) -> i64,
    >,
    pub close_session: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            id: u64,
            answer: *mut vu_answer,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
}
extern "C" {

    /// make it a crypto device: offers CRYPTO_SESSION.
    ///
    /// - `ops`: copied; both callbacks are needed.  NULL: it is none any more.
    ///
    /// Return: as vu_device_set_state_ops().  Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_set_crypto_ops(
        dev: *mut vu_device,
        ops: *const vu_crypto_ops,
    ) -> crate::ffi::c_int;
}
