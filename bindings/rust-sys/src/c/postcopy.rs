// SPDX-License-Identifier: MIT
//! What `<libvu/postcopy.h>` declares.
use crate::vu_device;

extern "C" {

    /// let guests move to this device by postcopy migration.
    ///
    /// Offers VHOST_USER_PROTOCOL_F_PAGEFAULT.  While such a migration lasts, whoever touches guest
    /// memory that has not come yet waits until the front-end has fetched it: callbacks, system calls
    /// and the library, on any thread.  So a front-end can hold up the threads that serve its device,
    /// for as long as it lives, and those of other devices that share them.  That is why it has to be
    /// asked for; vu_program_main() does for --postcopy.  The main channel is not waited for meanwhile.
    ///
    /// Return: 0; -EBUSY while a front-end is attached; with a line in the log, -errno of
    /// userfaultfd(2): it needs the right to handle the kernel's own faults, too, which root has
    /// (CAP_SYS_PTRACE), and everybody where the sysctl vm.unprivileged_userfaultfd is 1. Thread: device
    /// thread. Since: 0.1
    pub fn vu_device_allow_postcopy(dev: *mut vu_device) -> crate::ffi::c_int;
}
