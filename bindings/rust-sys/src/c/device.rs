// SPDX-License-Identifier: MIT
//! What `<libvu/device.h>` declares.
use crate::{vu_device, vu_log_fn, vu_log_level, vu_queue};

pub const VU_DEVICE_INBAND: vu_device_flags = 1;
pub const VU_DEVICE_DEBUG: vu_device_flags = 2;
pub const VU_DEVICE_LEGACY: vu_device_flags = 4;
pub const VU_DEVICE_ANY_MEMORY: vu_device_flags = 8;

/// opt-ins of struct vu_device_info.
///
/// - `VU_DEVICE_INBAND`: offer in-band notifications (vhost-user "In-band notifications").  For
/// simulators; QEMU accepts the bit and then never sends a kick.
/// - `VU_DEVICE_DEBUG`: check every request call for double completion and for the wrong thread;
/// a violation is logged and the call returns -EINVAL.  Costs a few instructions a request.
/// - `VU_DEVICE_LEGACY`: serve drivers that do not accept VIRTIO_F_VERSION_1, too: firmware, and
/// guests behind QEMU's legacy PCI or virtio-mmio interface (virtio 1.3, the sections "Legacy
/// Interface").  Without it such a driver is refused at the start, with a line that says so.
/// Requests and configuration space stay little-endian: guests of the other byte order cannot
/// get here, and on a big-endian host legacy drivers are refused.  vu_device_features() lacks
/// VERSION_1 then, so the device may choose another layout of its structs.  Such a driver
/// uses split rings, and may use the device before DRIVER_OK.  ANY_LAYOUT is offered.
/// - `VU_DEVICE_ANY_MEMORY`: map files of every file system.  Without it only those are taken that
/// cannot keep the device waiting: memfds, tmpfs, hugetlbfs, DAX devices and the usual file
/// systems on local disks.  On FUSE, NFS and the like a page fault, and even closing the file,
/// lasts as long as the server of the file system likes.
///
/// Since: 0.1
pub type vu_device_flags = crate::ffi::c_uint;

/// what a device is and offers.  All but the first four may stay 0.
///
/// - `size`: sizeof(struct vu_device_info).
/// - `name`: names the device in log lines; copied; NULL means "virtio\<device_id\>".
/// - `device_id`: virtio device id (virtio 1.3 §5), for logs and descriptions.
/// - `n_queues`: virtqueues, 1 to 256.
/// - `features`: the device type's own feature bits to offer.  Ring bits, VERSION_1 and vhost's
/// bits are added by the library, but for two, which are offered only if they are set here:
/// VU_F_IN_ORDER, completions out of order then wait for those before them; and
/// VU_F_ACCESS_PLATFORM, see vu_device_offer_iommu().
/// - `required`: bits the driver must accept (subset of what is offered); without them the device
/// does not start.
/// - `forbidden`: bits never offered, of the library's own (for example 1 \<\< VU_F_EVENT_IDX).
/// - `config`: initial configuration space, copied; NULL is all zero.
/// - `config_writable`: config_size bytes; a bit set to 1 may be written by the driver; copied; NULL
/// means all read-only.  Other bits of a write are ignored (QEMU writes input's whole space
/// to select); a write without any writable bit is refused.
/// - `config_size`: bytes of configuration space, 0 to 4096.  With 0 and no config_read the library
/// does not offer VHOST_USER_PROTOCOL_F_CONFIG.
/// - `max_queue_size`: largest ring taken, in entries; 0 means 32768 (virtio 1.3 §2.7).
/// - `max_segs`: longest chain taken, in segments; 0 means 1024.  Longer ones: VU_REQ_TOO_LONG.
/// - `priv_size`: bytes behind vu_req.priv, zeroed when the request is handed out; at most 65536.
/// - `flags`: enum vu_device_flags.
/// - `log_level`: lines above it are dropped; 0 logs errors only.
/// - `log_fn`: receives log lines; NULL means vu_log_stderr().
/// - `log_opaque`: first argument of log_fn.
/// - `features_high, required_high, forbidden_high`: bits 64 to 127, bit 64 in the lowest.
/// vhost-user's messages carry 64 at present: what is offered beyond is never accepted, and must not
/// be required.
/// - `max_memory`: bytes of guest memory that may be mapped at a time, so that one front-end cannot use
/// up the process's addresses; counted are also the in-flight log and what requests of an
/// older memory table still use, so a new table needs room beside the old one.  0 means 8 TiB
/// (a sixteenth of what x86-64 and arm64 have), where pointers have 32 bits 1 GiB.
///
/// Since: 0.1
#[repr(C)]
pub struct vu_device_info {
    pub size: usize,
    pub name: *const crate::ffi::c_char,
    pub device_id: u32,
    pub n_queues: u32,
    pub features: u64,
    pub required: u64,
    pub forbidden: u64,
    pub config: *const crate::ffi::c_void,
    pub config_writable: *const crate::ffi::c_void,
    pub config_size: u32,
    pub max_queue_size: u32,
    pub max_segs: u32,
    pub priv_size: u32,
    pub flags: u32,
    pub log_level: u32,
    pub log_fn: vu_log_fn,
    pub log_opaque: *mut crate::ffi::c_void,
    pub max_memory: u64,
    pub features_high: u64,
    pub required_high: u64,
    pub forbidden_high: u64,
}

/// the device's callbacks; each may be NULL.
///
/// - `size`: sizeof(struct vu_ops).
/// - `session_begin`: a front-end connected; non-zero -errno refuses it.  Device thread.
/// - `session_end`: it is gone, once for each session_begin that returned 0.  Requests may still be
/// outstanding: complete them as usual, they touch nothing.  The int says why: 0, the
/// front-end closed its socket, or vu_device_detach() or vu_device_drain() was called;
/// -EPROTO, it sent what cannot be; -ETIMEDOUT, it was silent in the wrong place; -EFAULT, it
/// truncated memory; -EPERM, a descriptor of its may block; another -errno of its socket or of
/// what it asked for.  The log has the details.  Device thread.
/// - `features_acked`: the driver's choice, bits 0 to 63 and 64 to 127, which may come several times
/// before a start.  -errno vetoes it: FEATURES_OK stays clear, and the device does not start.
/// Device thread.
/// - `started`: the first ring of a suspended device is about to start; features and configuration
/// are final.  -errno ends the session.  Device thread.
/// - `stopped`: the last ring stopped: the device is suspended and must not send anything to the
/// guest (vhost-user "Suspended device state").  Device thread.
/// - `reset`: back to the initial state (RESET_DEVICE, or status 0), after all rings stopped.
/// Device thread.
/// - `queue_ready`: the driver may have made requests available: pull them with vu_queue_next()
/// until it returns 0, or leave them until they are wanted.  Called after every notification
/// and once when a ring starts or is enabled.  Requests left in the ring cause no further
/// call until the driver adds more, which it is asked to announce.  Queue thread.
/// - `queue_stop`: the ring ends, once for each: nothing more is handed out; finish, fail or put back
/// every outstanding request of this queue soon: the virtual machine stands still meanwhile.  Queue
/// thread.
/// - `config_read`: fill `len` bytes of configuration space at `offset` into `buf`; for spaces that
/// depend on a selector.  The buffer holds the library's copy of the space, so a device may
/// change only some bytes; the range may reach beyond config_size.  -errno answers the read
/// with an error.  Device thread.
/// - `config_written`: the driver wrote `len` bytes at `offset`; the writable bits among them are
/// already in the library's copy.  -errno is reported where the front-end asked for it.  Device
/// thread.
///
/// The last argument of each is the opaque pointer of vu_device_new().  A callback may use any
/// function on its device and queues, on the thread that the function is for.  Four are refused
/// inside a callback: vu_device_process(), vu_group_process() and vu_group_wait() return -EDEADLK,
/// with a log line under VU_DEVICE_DEBUG; vu_device_free() does nothing but log an error.  A session
/// that is detached or closed in a callback ends after it; in session_begin there is none yet: return
/// -errno there.
///
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_ops {
    pub size: usize,
    pub session_begin: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
    pub session_end: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            why: crate::ffi::c_int,
            opaque: *mut crate::ffi::c_void,
        ),
    >,
    pub features_acked: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            features: u64,
            features_high: u64,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
    pub started: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
    pub stopped: ::core::option::Option<
        unsafe extern "C" fn(dev: *mut vu_device, opaque: *mut crate::ffi::c_void),
    >,
    pub reset: ::core::option::Option<
        unsafe extern "C" fn(dev: *mut vu_device, opaque: *mut crate::ffi::c_void),
    >,
    pub queue_ready: ::core::option::Option<
        unsafe extern "C" fn(queue: *mut vu_queue, opaque: *mut crate::ffi::c_void),
    >,
    pub queue_stop: ::core::option::Option<
        unsafe extern "C" fn(queue: *mut vu_queue, opaque: *mut crate::ffi::c_void),
    >,
    pub config_read: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            offset: u32,
            buf: *mut crate::ffi::c_void,
            len: u32,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
    pub config_written: ::core::option::Option<
        unsafe extern "C" fn(
            dev: *mut vu_device,
            offset: u32,
            len: u32,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
}
extern "C" {

    /// make a device.
    ///
    /// - `info`: what it is; copied.
    /// - `ops`: its callbacks; copied; NULL means none.
    /// - `opaque`: last argument of every callback.
    /// - `dev`: receives the device, owned by the caller until vu_device_free().
    ///
    /// Return: 0; -EINVAL for a field out of range or a size that cannot be; -E2BIG for a struct with an
    /// unknown non-zero tail (a log line names either); -ENOMEM, -EMFILE, -ENFILE.
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_device_new(
        info: *const vu_device_info,
        ops: *const vu_ops,
        opaque: *mut crate::ffi::c_void,
        dev: *mut *mut vu_device,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// end the session if there is one, and free the device with its queues.
    ///
    /// No callback of it comes after this.  Workers that serve its queues go on with what else they
    /// serve; each is waited for until it has let go of them, and a line says so if that takes long.
    /// Outstanding requests become invalid: finish asynchronous work before.
    ///
    /// Nothing is freed, and an error line says so, inside a callback of the device or of a group that
    /// has one of its queues, while a runner serves it (vu_runner_remove()), and while a thread of the
    /// caller's is found serving its queues, unless that holds the group (docs/threads.md).  NULL is
    /// ignored.
    /// Thread: any, while no other uses the device.
    /// Since: 0.1
    pub fn vu_device_free(dev: *mut vu_device);
}
extern "C" {

    /// change what vu_device_info said of guest memory.
    ///
    /// For a program's command line; vu_program_main() does it for --max-memory and --allow-any-memory.
    ///
    /// - `max_memory`: as vu_device_info.max_memory; 0 leaves it as it is.
    /// - `any`: non-zero sets VU_DEVICE_ANY_MEMORY; 0 leaves it as it is.
    ///
    /// Return: 0; -EBUSY while a front-end is attached.  Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_limit_memory(
        dev: *mut vu_device,
        max_memory: u64,
        any: crate::ffi::c_int,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// offer VIRTIO_F_ACCESS_PLATFORM, so that the device works behind an
    /// IOMMU of the virtual machine's.
    ///
    /// As VU_F_ACCESS_PLATFORM in vu_device_info.features; vu_program_main() does it for --iommu.  Not
    /// for front-ends that pass the bit on to the driver and then translate nothing, as User-mode Linux
    /// does: their queues break.  See docs/iommu.md.
    ///
    /// Return: 0; -ENOTSUP if the bit is forbidden; -EBUSY while a front-end is attached.
    /// Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_offer_iommu(dev: *mut vu_device) -> crate::ffi::c_int;
}
extern "C" {

    /// give the device a connected front-end.
    ///
    /// - `fd`: a connected AF_UNIX stream socket; the device owns it if the call succeeds.
    ///
    /// Return: 0; -EBUSY while another front-end is attached; -ENOTSOCK, -EINVAL for another kind of
    /// fd; -EPERM when front-ends have sent too many descriptors that are not closed yet (a log line
    /// says so); what session_begin returned. Thread: device thread. Since: 0.1
    pub fn vu_device_attach(dev: *mut vu_device, fd: crate::ffi::c_int) -> crate::ffi::c_int;
}
extern "C" {

    /// end the session, as if the front-end had closed the socket.
    ///
    /// Safe when nothing is attached.  Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_detach(dev: *mut vu_device);
}
extern "C" {

    /// end the session when all that was taken is finished.
    ///
    /// Nothing more is handed out, queue_stop is called, and once no request is outstanding the session
    /// ends like by vu_device_detach(), which may still be called if that takes too long.  A
    /// front-end that connects again then finds its rings as if every request had been waited for.
    ///
    /// vu_device_process() returns VU_PROCESS_ENDED when it is done.  Safe when nothing is attached.
    /// Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_drain(dev: *mut vu_device);
}
extern "C" {

    /// is a front-end attached?
    ///
    /// Return: 1 or 0.  Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_is_attached(dev: *const vu_device) -> crate::ffi::c_int;
}
extern "C" {

    /// has the front-end switched off all rings that it let the driver use?
    ///
    /// One was started and enabled (vhost-user "Ring states") in this session, and none is now.
    ///
    /// Return: 1 or 0; 0 when none is attached.  Thread: device thread. Since: 0.1
    pub fn vu_device_is_left(dev: *const vu_device) -> crate::ffi::c_int;
}
extern "C" {

    /// how long a front-end may be silent in the wrong places.
    ///
    /// A connection ends, with a line in the log, when its first whole message does not come for so
    /// long, or the rest of any message.  Between messages a front-end may be silent for ever.
    ///
    /// - `ns`: nanoseconds; 0 means for ever.  A new device has 30 s.  Holds from the next wait on.
    ///
    /// Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_set_message_timeout(dev: *mut vu_device, ns: u64);
}
extern "C" {

    /// what vu_device_set_message_timeout() set, in nanoseconds.
    ///
    /// Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_message_timeout(dev: *const vu_device) -> u64;
}
extern "C" {

    /// the one descriptor to wait for.
    ///
    /// It polls readable whenever vu_device_process() has something to do, also when that has just
    /// returned VU_PROCESS_MORE: a loop may call once for each wake.  It stays the same for the device's
    /// life, across sessions; the device owns it. Thread: any. Since: 0.1
    pub fn vu_device_fd(dev: *const vu_device) -> crate::ffi::c_int;
}
pub const VU_PROCESS_MORE: vu_process = 1;
pub const VU_PROCESS_ENDED: vu_process = 2;

/// bits of what vu_device_process() and vu_runner_process() return.
///
/// - `VU_PROCESS_MORE`: there is more to do at once; others on the same thread may have a turn before.
/// - `VU_PROCESS_ENDED`: a session ended, whatever the reason (the log has it), and the device is free
/// for vu_device_attach().  Told once for each.  Of a runner: nothing is left to serve.
///
/// Programs ignore bits that they do not know.
///
/// Since: 0.1
pub type vu_process = crate::ffi::c_uint;
extern "C" {

    /// handle what is there: messages, notifications, timers.  Never blocks.
    ///
    /// Return: bits of enum vu_process, 0 when there is nothing to tell; -EDEADLK inside a callback.
    /// Thread: device thread.
    /// Since: 0.1
    pub fn vu_device_process(dev: *mut vu_device) -> crate::ffi::c_int;
}
extern "C" {

    /// a SIGBUS hit: was it in guest memory that the front-end truncated?
    ///
    /// For programs with a handler of their own; vu_device_guard() has one.
    ///
    /// If `addr` lies in a mapping of this device, the mapping becomes zero pages, the session is marked
    /// dead (it ends at the next vu_device_process()), and the faulting instruction may be resumed.
    ///
    /// Return: 1 if it was, 0 if not.  Thread: any; async-signal-safe.
    /// Since: 0.1
    pub fn vu_device_fault(
        dev: *mut vu_device,
        addr: *const crate::ffi::c_void,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// survive SIGBUS in the guest memory of this device.
    ///
    /// A front-end may truncate the file behind guest memory at any time; whoever touches the memory
    /// then, library or device, gets SIGBUS.  The first device that is guarded installs a handler for
    /// the process, which does vu_device_fault() for all that are, on every thread, and passes what is
    /// in none of them on to the handler that was there before.  vu_program_main() guards the devices
    /// that it serves.
    ///
    /// Return: 0, also if it is guarded already; -ENOMEM; what sigaction(2) returns.  Thread: any.
    /// Since: 0.1
    pub fn vu_device_guard(dev: *mut vu_device) -> crate::ffi::c_int;
}
extern "C" {

    /// take that back; vu_device_free() does it, too.
    ///
    /// With the last device the handler of before is put back, unless another one was installed after
    /// ours: then ours stays in its chain and passes everything on.  Ignored for a device that is not
    /// guarded.
    ///
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_device_unguard(dev: *mut vu_device);
}
extern "C" {

    /// the queue with this index, or NULL.  It lives as long as the device.
    ///
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_device_queue(dev: *mut vu_device, index: u32) -> *mut vu_queue;
}
extern "C" {

    /// the pointer given to vu_device_new().  Thread: any.
    ///
    /// Since: 0.1
    pub fn vu_device_opaque(dev: *const vu_device) -> *mut crate::ffi::c_void;
}
extern "C" {

    /// the name used in log lines; valid as long as the device.  Thread: any.
    ///
    /// Since: 0.1
    pub fn vu_device_name(dev: *const vu_device) -> *const crate::ffi::c_char;
}
extern "C" {

    /// the bits offered that the driver accepted, of 0 to 63; 0 before it did.
    ///
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_device_features(dev: *const vu_device) -> u64;
}
extern "C" {

    /// did the driver accept this bit?
    ///
    /// - `bit`: its number, such as VU_F_VERSION_1; up to 127, and none beyond is ever accepted.
    ///
    /// Return: 1 or 0.  Thread: any.
    /// Since: 0.1
    pub fn vu_device_has_feature(dev: *const vu_device, bit: u32) -> crate::ffi::c_int;
}
extern "C" {

    /// write a finished line to the device's log.
    ///
    /// For what no guest or front-end can repeat at will; for the rest see vu_device_log_peer().
    ///
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_device_log(dev: *mut vu_device, level: vu_log_level, line: *const crate::ffi::c_char);
}
extern "C" {

    /// write a line that a guest or front-end can cause, unless there are too
    /// many.
    ///
    /// Of each level but debug, a device has 20 such lines at once and then one a second, together with
    /// those of the library; the others are left out.  How many is told with the next line of the
    /// device, or when the session ends.  No lock, any thread.
    ///
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_device_log_peer(
        dev: *mut vu_device,
        level: vu_log_level,
        line: *const crate::ffi::c_char,
    );
}
extern "C" {

    /// change the configuration space; tell the driver if it really changed.
    ///
    /// The notification (VHOST_USER_BACKEND_CONFIG_CHANGE_MSG) is sent by the device thread, at most
    /// one until that has happened, and only while the device is not suspended; a change made
    /// meanwhile is announced when it starts.
    ///
    /// Return: 0; -ERANGE when the range is not inside config_size.  Thread: any.
    /// Since: 0.1
    pub fn vu_config_set(
        dev: *mut vu_device,
        offset: u32,
        data: *const crate::ffi::c_void,
        len: u32,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// read the library's copy of the configuration space.
    ///
    /// Return: 0; -ERANGE when the range is not inside config_size.  Thread: any.
    /// Since: 0.1
    pub fn vu_config_get(
        dev: *mut vu_device,
        offset: u32,
        data: *mut crate::ffi::c_void,
        len: u32,
    ) -> crate::ffi::c_int;
}
