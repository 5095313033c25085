// SPDX-License-Identifier: MIT
//! What `<libvu/program.h>` declares.
use crate::{vu_command, vu_device, vu_device_info, vu_group, vu_ops, vu_program, vu_runner};

pub const VU_STORE_NOTHING: vu_option_store = 0;
pub const VU_STORE_FLAG: vu_option_store = 1;
pub const VU_STORE_STRING: vu_option_store = 2;
pub const VU_STORE_NUMBER: vu_option_store = 3;
pub const VU_STORE_CHOICE: vu_option_store = 4;
pub const VU_STORE_LIST: vu_option_store = 5;

/// what an option without a setter stores.
///
/// - `VU_STORE_NOTHING`: nothing.
/// - `VU_STORE_FLAG`: 1, in an int.
/// - `VU_STORE_STRING`: the argument, in a const char *; valid for the program's life.
/// - `VU_STORE_NUMBER`: the argument as vu_number_parse() reads it, in a uint64_t.
/// - `VU_STORE_CHOICE`: the argument's index in vu_option.choices, in a uint32_t.
/// - `VU_STORE_LIST`: the argument, in a struct vu_option_list; may be given again.
///
/// Since: 0.1
pub type vu_option_store = crate::ffi::c_uint;

/// the arguments of an option that was given several times.
///
/// - `n`: how many.
/// - `values`: in the order of the command line; valid for the program's life.
///
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_option_list {
    pub n: u32,
    pub values: *mut *const crate::ffi::c_char,
}

/// one command line option of a device.
///
/// - `name`: without the dashes ("blk-file").
/// - `argument`: what --help calls its argument ("PATH"); NULL for a flag.
/// - `help`: one line.
/// - `required`: non-zero: the program refuses to start without it.
/// - `set`: called for each occurrence, in order, before create; `value` is NULL for a flag and stays
/// valid for the program's life.  -EINVAL or -ERANGE, as of vu_number_parse() (after a message
/// to stderr of its own, if it has more to say), -EEXIST, for what was given before and may
/// not be repeated, and -E2BIG, for one that was given too often, make the program exit with
/// status 2, another error with status 1.  NULL: the program stores the option by itself, as
/// `store` says.
/// - `store`: enum vu_option_store; ignored with `set`.
/// - `offset`: where to, in bytes from vu_program_info.settings: offsetof() in a struct.
/// - `min, max`: bounds of a number; `max` 0 means none.  Of a list, `max` is how many there can be.
/// - `choices`: the words that may be chosen from, ended by NULL.
/// - `valid`: what is valid, for the message about a value that is not ("a power of two, 512 to
/// 4096"); NULL: what `min` and `max` or `choices` say.
/// - `repeatable`: non-zero: `set` keeps what each occurrence says, so there may be several.  Without
/// it, an option with an argument that is given twice is wrong usage; flags may be repeated.
///
/// A table of these ends with one whose name is NULL; vu_program_info.option_size is the size of
/// one.
///
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_option {
    pub name: *const crate::ffi::c_char,
    pub argument: *const crate::ffi::c_char,
    pub help: *const crate::ffi::c_char,
    pub required: crate::ffi::c_int,
    pub set: ::core::option::Option<
        unsafe extern "C" fn(
            value: *const crate::ffi::c_char,
            settings: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
    pub store: u32,
    pub offset: usize,
    pub min: u64,
    pub max: u64,
    pub choices: *const *const crate::ffi::c_char,
    pub valid: *const crate::ffi::c_char,
    pub repeatable: crate::ffi::c_int,
}

/// what is particular about a back-end program.
///
/// For each socket on the command line there is a device.  Each has a state of its own, which the
/// program allocates: opaque of its callbacks, by rights.
///
/// - `size`: sizeof(struct vu_program_info).
/// - `name`: of the program, for --help and messages.
/// - `type`: the VHostUserBackendType that --print-capabilities shows ("rng", "block", ...).
/// - `summary`: one line for --help; may be NULL.
/// - `features`: NULL-terminated names for --print-capabilities; may be NULL.
/// - `options`: the device's own options; may be NULL.  See VU_PROGRAM_OPTIONS().
/// - `option_size`: sizeof(struct vu_option); needed with `options`.
/// - `settings`: where options are stored, last argument of their setters; see
/// vu_program_settings().
/// - `commands`: what --control=PATH takes, see vu_program_add_control() in script.h, which is
/// unstable; NULL: there is no such option.  See VU_PROGRAM_COMMANDS().
/// - `command_size`: sizeof(struct vu_command); needed with `commands`.
/// - `state_size`: bytes of a device's state, zeroed at first and freed at the end; 0: it has none.
/// See VU_PROGRAM_STATE().
/// - `create`: make the device for the socket number `index` (from 0: --socket-path may be repeated)
/// by vu_program_add_device(), and what belongs to it.  -errno ends the program with status 1.
/// - `destroy`: undo what create did, also where it failed half-way and left the rest of the state
/// zeroed: close files, free groups, remove the sources of files.  The program then frees what
/// is its own: the device with its other sources, and the state.  It has freed the script
/// before.  No front-end is attached any more.  NULL: there is nothing to do.
/// - `reload`: SIGHUP came: look at files and settings anew; may be NULL (SIGHUP is then ignored).
/// Device thread.
/// - `device, ops`: instead of `create`, for a device that is made by vu_program_add_device() of
/// these two and needs nothing else.
/// - `opened`: called for each device, in order, when all are made and all sockets are open: no
/// front-end was served yet, and no worker has started.  A program shuts itself in here:
/// threads that come later are shut in, too.  Only --connect makes sockets after it.  It may
/// add workers.  -errno ends the program with status 1.  NULL: there is nothing to do.
///
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_program_info {
    pub size: usize,
    pub name: *const crate::ffi::c_char,
    pub type_: *const crate::ffi::c_char,
    pub summary: *const crate::ffi::c_char,
    pub features: *const *const crate::ffi::c_char,
    pub options: *const vu_option,
    pub option_size: usize,
    pub settings: *mut crate::ffi::c_void,
    pub commands: *const vu_command,
    pub command_size: usize,
    pub state_size: usize,
    pub create: ::core::option::Option<
        unsafe extern "C" fn(
            program: *mut vu_program,
            index: u32,
            state: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
    pub destroy: ::core::option::Option<unsafe extern "C" fn(state: *mut crate::ffi::c_void)>,
    pub reload: ::core::option::Option<unsafe extern "C" fn(state: *mut crate::ffi::c_void)>,
    pub device: *const vu_device_info,
    pub ops: *const vu_ops,
    pub opened: ::core::option::Option<
        unsafe extern "C" fn(
            program: *mut vu_program,
            index: u32,
            state: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
}
extern "C" {

    /// parse the command line, serve until told to stop.
    ///
    /// Options of every program (vhost-user "Backend program conventions"): --socket-path=PATH
    /// (repeatable), --fd=FDNUM (connected or listening; repeatable), --connect=PATH (the front-end
    /// listens; repeatable), --print-capabilities, --help, --version,
    /// --verbose (repeatable), --once, --socket-mode=OCTAL, --socket-group=NAME, --poll-us=N,
    /// --cpus=LIST, --control=PATH (for devices with commands), --iommu (vu_device_offer_iommu()),
    /// --postcopy (vu_device_allow_postcopy()), --log-format=text|json|journal,
    /// --allow-any-memory, --max-memory=SIZE (vu_device_limit_memory()) and
    /// --message-timeout=SECONDS (vu_device_set_message_timeout()).  Without a socket option, sockets
    /// passed by LISTEN_FDS are used; files among them are for vu_program_kept_file().  SIGTERM and
    /// SIGINT end it cleanly, and so do SIGQUIT and SIGUSR2 unless they were ignored or had a handler
    /// before; SIGBUS in truncated guest memory ends only the session concerned.  SIGUSR1 prints every
    /// queue's counters (vu_queue_counters()) to standard error.
    ///
    /// Return: the exit status for main(): 0 after a clean end, 1 for a failure, 2 for wrong usage.
    /// Thread: main thread, before it has started others.
    /// Since: 0.1
    pub fn vu_program_main(
        info: *const vu_program_info,
        argc: crate::ffi::c_int,
        argv: *mut *mut crate::ffi::c_char,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// the level that --verbose chose, for vu_device_info.log_level.
    ///
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_program_log_level(program: *const vu_program) -> u32;
}
extern "C" {

    /// the program's runner, for devices with sockets of their own.
    ///
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_program_runner(program: *mut vu_program) -> *mut vu_runner;
}
extern "C" {

    /// vu_program_info.settings: what the command line says.
    ///
    /// Thread: any.
    /// Since: 0.1
    pub fn vu_program_settings(program: *const vu_program) -> *mut crate::ffi::c_void;
}
extern "C" {

    /// make the device that create was called for.
    ///
    /// vu_device_new(), with two things of the program's: the name is `info`'s, or the program's type,
    /// with the device's number behind it ("rng0"), and the log level is what --verbose chose.  Logs to
    /// standard error.  The program frees it, after destroy.
    ///
    /// - `opaque`: last argument of `ops`: what is create's `state`, or a part of it.
    /// - `dev`: receives the device; may be NULL.
    ///
    /// Return: as vu_device_new(); -EEXIST for a second one in the same create.
    ///
    /// Thread: main, in create.
    /// Since: 0.1
    pub fn vu_program_add_device(
        program: *mut vu_program,
        info: *const vu_device_info,
        ops: *const vu_ops,
        opaque: *mut crate::ffi::c_void,
        dev: *mut *mut vu_device,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// a path of the command line, made one of each device's own.
    ///
    /// The path as it is for the first device, with ".1" behind it for the second, and so on.
    ///
    /// - `buffer, size`: receive it.
    ///
    /// Return: 0; -ENAMETOOLONG where it does not fit.  Thread: any.
    /// Since: 0.1
    pub fn vu_program_path(
        path: *const crate::ffi::c_char,
        index: u32,
        buffer: *mut crate::ffi::c_char,
        size: usize,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// a file in memory that outlives the program, at its service manager.
    ///
    /// The one that a predecessor had under this name, if the manager handed it on (LISTEN_FDS and
    /// LISTEN_FDNAMES), or else a new and empty one that the manager is given to keep (FDSTORE=1 of
    /// sd_notify(3)).  systemd keeps as many as a unit's FileDescriptorStoreMax= says, of which a
    /// program is told nothing, and forgets them when the unit is stopped.
    ///
    /// - `name`: of the program's choice, not longer than 200 characters: letters, digits, '-', '_', '.'.
    /// - `fd`: receives it, which is the caller's to close.
    ///
    /// Return: 0; -EOPNOTSUPP without a service manager (NOTIFY_SOCKET) to keep a new one; -EINVAL for
    /// another name, or outside of create.  Thread: main, in create.
    /// Since: 0.1
    pub fn vu_program_kept_file(
        program: *mut vu_program,
        name: *const crate::ffi::c_char,
        fd: *mut crate::ffi::c_int,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// serve a group on a thread as --poll-us and --cpus say.
    ///
    /// vu_runner_add_worker() on the program's runner; the CPUs of --cpus are given out in turn.
    ///
    /// Return: as vu_runner_add_worker().  Thread: main, in create or opened.
    /// Since: 0.1
    pub fn vu_program_add_worker(
        program: *mut vu_program,
        group: *mut vu_group,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// read a number from an option or a script.
    ///
    /// Decimal, or hexadecimal after 0x; K, M, G or T may follow and multiply by powers of 1024.
    ///
    /// - `number`: receives it; unchanged on failure.
    ///
    /// Return: 0; -EINVAL for anything else; -ERANGE outside `min` to `max`.  Thread: any.
    /// Since: 0.1
    pub fn vu_number_parse(
        text: *const crate::ffi::c_char,
        min: u64,
        max: u64,
        number: *mut u64,
    ) -> crate::ffi::c_int;
}
