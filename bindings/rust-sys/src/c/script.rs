// SPDX-License-Identifier: MIT
//! What `<libvu/script.h>` declares.
use crate::{vu_group, vu_log_fn, vu_program, vu_script};

pub const VU_COMMAND_LINE: vu_command_words = 65536;

/// what vu_command.max_words can be besides a number.
///
/// - `VU_COMMAND_LINE`: all of the line behind the name and one blank is one word, as it is: blanks,
/// quotes, # and \\ are characters like others.
///
/// Since: 0.1
pub type vu_command_words = crate::ffi::c_uint;

/// one command of a script.
///
/// A line is split into words at blanks; "..." holds blanks together, with \\" and \\\\ inside; a word
/// that starts with # begins a comment.  A line has at most 4095 bytes and 64 words, none of them a
/// zero byte.
///
/// - `name`: the line's first word.
/// - `arguments`: what "help" shows after the name ("LINE 0|1"); NULL for none.
/// - `help`: one line.
/// - `min_words, max_words`: how many words may follow the name; see enum vu_command_words.
/// - `run`: called for each such line; `words` are the `n` that follow the name, valid during the call.
/// Answers with vu_script_answer().  Returns 0, or -errno, which is reported as its text unless
/// vu_script_fail() said more.  Must not free the script.  Thread: the group's.
///
/// A table of these ends with one whose name is NULL; vu_script_info.command_size is the size of
/// one.
///
/// Since: 0.1
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vu_command {
    pub name: *const crate::ffi::c_char,
    pub arguments: *const crate::ffi::c_char,
    pub help: *const crate::ffi::c_char,
    pub min_words: u32,
    pub max_words: u32,
    pub run: ::core::option::Option<
        unsafe extern "C" fn(
            script: *mut vu_script,
            n: u32,
            words: *const *const crate::ffi::c_char,
            opaque: *mut crate::ffi::c_void,
        ) -> crate::ffi::c_int,
    >,
}

/// what a script can say.
///
/// - `size`: sizeof(struct vu_script_info).
/// - `name`: what log lines call it; NULL means "script".
/// - `commands`: see struct vu_command; must stay valid.
/// - `command_size`: sizeof(struct vu_command).
/// - `opaque`: last argument of each command.
/// - `log_level, log_fn, log_opaque`: as in struct vu_device_info.
///
/// Since: 0.1
#[repr(C)]
pub struct vu_script_info {
    pub size: usize,
    pub name: *const crate::ffi::c_char,
    pub commands: *const vu_command,
    pub command_size: usize,
    pub opaque: *mut crate::ffi::c_void,
    pub log_level: u32,
    pub log_fn: vu_log_fn,
    pub log_opaque: *mut crate::ffi::c_void,
}
extern "C" {

    /// run a file's lines, for descriptions of devices.
    ///
    /// Ends at the first line that fails, after a log line "PATH:LINE: what was wrong"; a file that
    /// cannot be read is logged, too.
    ///
    /// Return: 0; what open(2) and read(2) return; -EINVAL for an unknown command, a wrong number of
    /// words or a malformed line; what the command returned; -E2BIG, -ENOMEM.
    /// Thread: any; the commands run in it.
    /// Since: 0.1
    pub fn vu_script_run_file(
        info: *const vu_script_info,
        path: *const crate::ffi::c_char,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// run lines as they come, from standard input or a Unix socket.
    ///
    /// After each line's answers the client gets a line "ok", or "error: " and the reason.  The command
    /// "help" is the library's, unless the table has one: it lists the table; so is "metrics" in a
    /// program (vu_program_add_control()): it tells what each queue did.  What cannot be served is
    /// logged.
    ///
    /// - `group`: whose thread runs the commands.
    /// - `where`: "-" for standard input and output, else the path of a socket to listen on (mode 0600, at
    /// most 8 clients at once; a stale file is replaced).
    /// - `index`: of the device in its program; device n \> 0 listens at "`where`.n".
    /// - `script`: receives the script; vu_script_free() ends it, before the group is freed.
    ///
    /// Never waits for a client: while it does not read its answers its next lines are not run, and one
    /// that reads so slowly that more than 256 KiB would have to be kept for it is disconnected.  A last
    /// line without a newline is run if it comes from standard input, which may be a file, but not from
    /// a socket, where it may have been cut.
    ///
    /// Return: 0; -EINVAL for "-" with `index` not 0; -EADDRINUSE, -EEXIST, -ENAMETOOLONG as
    /// vu_runner_listen(); -E2BIG, -EINVAL, -ENOMEM, -EMFILE, -ENFILE.
    /// Thread: queue thread of the group, or any before the group is in use.
    /// Since: 0.1
    pub fn vu_script_serve(
        group: *mut vu_group,
        info: *const vu_script_info,
        where_: *const crate::ffi::c_char,
        index: u32,
        script: *mut *mut vu_script,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// forget the script: clients are disconnected, the socket file is removed.
    ///
    /// NULL is ignored.  Thread: queue thread of the group, or any when the group is not in use.
    /// Since: 0.1
    pub fn vu_script_free(script: *mut vu_script);
}
extern "C" {

    /// send a line to whoever gave the command that is running.
    ///
    /// In vu_script_run_file() it goes nowhere.
    ///
    /// - `text`: without a newline.
    ///
    /// Thread: within a command.
    /// Since: 0.1
    pub fn vu_script_answer(script: *mut vu_script, text: *const crate::ffi::c_char);
}
extern "C" {

    /// say why the running command fails.
    ///
    /// Return: -EINVAL, to be returned by the command.  Thread: within a command.
    /// Since: 0.1
    pub fn vu_script_fail(
        script: *mut vu_script,
        reason: *const crate::ffi::c_char,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// send a line to every client: something happened in the device.
    ///
    /// Clients get "* " before `text`, by which they can tell it from answers (which should not begin
    /// so): it may come among those.
    ///
    /// - `text`: without a newline.
    ///
    /// NULL for `script` is ignored.
    /// Thread: queue thread of the group.
    /// Since: 0.1
    pub fn vu_script_say(script: *mut vu_script, text: *const crate::ffi::c_char);
}
extern "C" {

    /// let whoever --control names give the device commands.
    ///
    /// vu_script_serve() with the program's table of commands, if there is that option on the command
    /// line; what cannot be served is said in a line on standard error.  The program frees it, before
    /// destroy.
    ///
    /// - `group`: whose thread runs the commands, which may have a worker already; NULL: the device's own.
    /// - `opaque`: last argument of the commands.
    /// - `script`: receives the script, or NULL where the option is not given: vu_script_say() takes both.
    /// May be NULL.
    ///
    /// Return: 0, or as vu_script_serve(); -EINVAL before vu_program_add_device(), or without
    /// vu_program_info.commands; -EEXIST for a second one.  Thread: main, in create.
    /// Since: 0.1
    pub fn vu_program_add_control(
        program: *mut vu_program,
        group: *mut vu_group,
        opaque: *mut crate::ffi::c_void,
        script: *mut *mut vu_script,
    ) -> crate::ffi::c_int;
}
extern "C" {

    /// what --control says: a path, or "-" for standard input.
    ///
    /// For devices that use standard input themselves.
    ///
    /// Return: NULL where the option is not given.  Thread: any.
    /// Since: 0.1
    pub fn vu_program_control(program: *const vu_program) -> *const crate::ffi::c_char;
}
extern "C" {

    /// run a file's lines by the program's table of commands.
    ///
    /// vu_script_run_file(), for descriptions of devices in the words that --control takes.
    ///
    /// - `opaque`: last argument of the commands.
    ///
    /// Return: as vu_script_run_file(); -EINVAL without vu_program_info.commands.
    /// Thread: main, in create.
    /// Since: 0.1
    pub fn vu_program_run_file(
        program: *mut vu_program,
        path: *const crate::ffi::c_char,
        opaque: *mut crate::ffi::c_void,
    ) -> crate::ffi::c_int;
}
