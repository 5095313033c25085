// SPDX-License-Identifier: MIT
//! What `<libvu/types.h>` declares.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_device {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_queue {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_group {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_source {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_memory {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_runner {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_program {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_script {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_worker {
    _unused: [u8; 0],
}
pub const VU_F_NOTIFY_ON_EMPTY: vu_feature = 24;
pub const VU_F_LOG_ALL: vu_feature = 26;
pub const VU_F_ANY_LAYOUT: vu_feature = 27;
pub const VU_F_INDIRECT_DESC: vu_feature = 28;
pub const VU_F_EVENT_IDX: vu_feature = 29;
pub const VU_F_PROTOCOL_FEATURES: vu_feature = 30;
pub const VU_F_VERSION_1: vu_feature = 32;
pub const VU_F_ACCESS_PLATFORM: vu_feature = 33;
pub const VU_F_RING_PACKED: vu_feature = 34;
pub const VU_F_IN_ORDER: vu_feature = 35;
pub const VU_F_ORDER_PLATFORM: vu_feature = 36;
pub const VU_F_SR_IOV: vu_feature = 37;
pub const VU_F_NOTIFICATION_DATA: vu_feature = 38;
pub const VU_F_NOTIF_CONFIG_DATA: vu_feature = 39;
pub const VU_F_RING_RESET: vu_feature = 40;

/// numbers of the feature bits that are not a device's own.
///
/// virtio 1.3 §6.  A mask holds bit n at UINT64_C(1) \<\< n, for n up to
/// 63; bits 64 to 127 have masks of their own, called ..._high.  Bits 0-23 and 50-127 belong to the
/// device type, see §5 of the specification.
///
/// Since: 0.1
pub type vu_feature = crate::ffi::c_uint;
