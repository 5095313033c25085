// SPDX-License-Identifier: MIT
//! What `<libvu/memory.h>` declares.
use crate::{vu_memory, vu_req};

extern "C" {

    /// a reference on the mappings that a request's segments point into.
    ///
    /// An outstanding request keeps its memory mapped by itself.  Bindings, whose views may outlive
    /// the request, take this reference first; the pages stay valid (though the guest owns them again)
    /// until vu_memory_release().
    ///
    /// Return: the reference; never NULL.
    /// Thread: any that owns the request.
    /// Since: 0.1
    pub fn vu_req_memory(req: *const vu_req) -> *mut vu_memory;
}
extern "C" {

    /// give the reference back.  NULL is ignored.
    ///
    /// May be called after the device is freed.  Thread: any.
    /// Since: 0.1
    pub fn vu_memory_release(memory: *mut vu_memory);
}
