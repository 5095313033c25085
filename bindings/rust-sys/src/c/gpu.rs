// SPDX-License-Identifier: MIT
//! What `<libvu/gpu.h>` declares.
use crate::{vu_answer, vu_device};

/// for a graphics device; see vu_device_set_gpu_ops().
///
/// - `size`: sizeof(struct vu_gpu_ops).
/// - `set_socket`: the front-end's socket for the vhost-user-gpu protocol, in which this side asks.
/// `fd` is the device's from now on, whatever it returns: a stream socket of AF_UNIX,
/// close-on-exec. Each takes the place of the one before.  It knows no session: close it in
/// session_end, by vu_device_close_fd().  Use MSG_DONTWAIT and MSG_NOSIGNAL, as the front-end
/// shares the flags of its description.  Take descriptors that come over it, for recv() would
/// close them, which may take long.  0, -errno or VU_LATER.  Device thread.
///
/// The last argument is the opaque pointer of vu_device_new(); the one before is for VU_LATER.
///
/// vhost-user GPU_SET_SOCKET.
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_gpu_ops {
    pub size: usize,
    pub set_socket: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            fd: crate::ffi::c_int,
            answer: *mut vu_answer,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
}
extern "C" {

    /// make it a graphics device, for which GPU_SET_SOCKET may come.
    ///
    /// - `ops`: copied; the callback is needed.  NULL: it is none any more.
    ///
    /// Return: as vu_device_set_state_ops().  Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_set_gpu_ops(dev: *mut vu_device, ops: *const vu_gpu_ops) -> crate::ffi::c_int;
}
extern "C" {

    /// close a descriptor that the front-end made, and never wait.
    ///
    /// - `fd`: one that came with GPU_SET_SOCKET, or over that socket.  A network socket with SO_LINGER, a
    /// file of a file system in user space, and a Unix socket in which such ones wait to be
    /// received make close(2) wait as long as their other sides like.  Others are closed at once; these
    /// by a worker of the kernel's (io_uring), or where that is not allowed, when the process ends: while
    /// 16 of them are open, the device takes no front-end.
    ///
    /// What has come over a socket and was not received is lost, for all who hold it.
    ///
    /// Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_close_fd(dev: *mut vu_device, fd: crate::ffi::c_int);
}
