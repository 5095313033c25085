// SPDX-License-Identifier: MIT
//! Scripts: commands for a running device, or a description of one, that a closure runs.  Not promised yet.
//!
//! Invariant: the opaque pointer of a C script is an Arc, which its group keeps until the C script is
//! freed on the group's thread; of a program's script the program keeps it, and C frees that.
use std::{
    cell::UnsafeCell,
    ffi::{CStr, CString},
    mem::{self, ManuallyDrop},
    ops::RangeInclusive,
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr,
    sync::{
        atomic::{AtomicBool, AtomicPtr, Ordering},
        Arc, Weak,
    },
};

use libvu_sys as c;

use crate::{
    border::{caught, Within},
    error::check,
    group::{outlast, GroupInner, Kept},
    log::{text, Sink},
    source::Turn,
    Backend, Error, Group, Handle, Level, Queue, Result,
};
use c::ffi::{c_char, c_int, c_void};

/// What a command returns: an error is the reason that its client, or the log, is told.
pub type CommandResult = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

type Function = dyn FnMut(&Command<'_>) -> CommandResult + Send;

#[derive(Clone)]
struct Row {
    name: String,
    name_to_c: CString,
    arguments: CString,
    help: CString,
    min: u32,
    max: u32,
}

/// Which commands there are; what they do is said where they are served.
///
/// A line is split into words at blanks; `"..."` holds blanks together, and `#` begins a comment.
/// There is a command `help`, unless the table has one.
#[derive(Clone)]
pub struct Commands {
    rows: Vec<Row>,
    name: CString,
    level: Level,
    sink: Sink,
}

impl Default for Commands {
    fn default() -> Commands {
        Commands::new()
    }
}

impl Commands {
    /// None at first.
    pub fn new() -> Commands {
        Commands {
            rows: Vec::new(),
            name: text("script"),
            level: Level::Warning,
            sink: Sink::Default,
        }
    }

    /// A command that may have so many words behind its name; `help` shows `arguments` and `help`.
    /// At most 64.
    #[must_use]
    pub fn command(
        mut self,
        name: &str,
        arguments: &str,
        help: &str,
        words: RangeInclusive<u32>,
    ) -> Commands {
        let name_to_c = text(name);
        self.rows.push(Row {
            name: name_to_c.to_string_lossy().into_owned(),
            name_to_c,
            arguments: text(arguments),
            help: text(help),
            min: *words.start(),
            max: *words.end(),
        });
        self
    }

    /// A command whose one word is all of the line behind its name, as it is.
    #[must_use]
    pub fn line(self, name: &str, arguments: &str, help: &str) -> Commands {
        self.command(name, arguments, help, 1..=c::VU_COMMAND_LINE)
    }

    /// What log lines call it.
    #[must_use]
    pub fn name(mut self, name: &str) -> Commands {
        self.name = text(name);
        self
    }

    /// Lines up to this level are logged; at first, up to warnings.
    #[must_use]
    pub fn log_level(mut self, level: Level) -> Commands {
        self.level = level;
        self
    }

    /// Where log lines go; as [`Setup::logger`](crate::Setup::logger).
    #[must_use]
    pub fn logger(mut self, logger: impl Fn(Level, &str) + Send + Sync + 'static) -> Commands {
        self.sink = Sink::Function(Arc::new(logger));
        self
    }

    /// Runs a file's lines, on this thread, up to the first that fails, which the log tells: for
    /// descriptions of devices.  Answers go nowhere.
    pub fn run_file(
        &self,
        path: impl AsRef<Path>,
        mut run: impl FnMut(&Command<'_>) -> CommandResult,
    ) -> Result<()> {
        let path = CString::new(path.as_ref().as_os_str().as_bytes())?;
        with_file(self.table()?, &mut run, |inner| {
            // Safety: all of it lives until this returns.
            unsafe { c::vu_script_run_file(&inner.info(), path.as_ptr()) }
        })
    }

    pub(crate) fn table(&self) -> Result<Arc<Table>> {
        if self.rows.len() > ROWS {
            return Err(Error::Os(crate::error::E2BIG));
        }
        let commands = self.clone();
        let row = |(row, run): (&Row, &Run)| c::vu_command {
            name: row.name_to_c.as_ptr(),
            arguments: row.arguments.as_ptr(),
            help: row.help.as_ptr(),
            min_words: row.min,
            max_words: row.max,
            run: Some(*run),
        };
        let mut rows: Vec<_> = commands.rows.iter().zip(&RUN).map(row).collect();
        // Safety: the end of the table is all zero.
        rows.push(unsafe { mem::zeroed() });
        Ok(Arc::new(Table { rows, commands }))
    }
}

/// For C; its pointers are to the texts of `commands`.
pub(crate) struct Table {
    pub(crate) rows: Vec<c::vu_command>,
    commands: Commands,
}

// Safety: nobody changes it.
unsafe impl Send for Table {}
unsafe impl Sync for Table {}

pub(crate) struct ScriptInner {
    ptr: AtomicPtr<c::vu_script>,
    group: Weak<GroupInner>,
    table: Arc<Table>,
    busy: AtomicBool,
    function: UnsafeCell<Box<Function>>,
}

// Safety: the function is Send, and runs on one thread at a time (`busy`).
unsafe impl Send for ScriptInner {}
unsafe impl Sync for ScriptInner {}

impl Kept for ScriptInner {
    unsafe fn remove(&self) {
        unsafe { c::vu_script_free(self.forget()) } // which ignores NULL
    }
}

impl ScriptInner {
    pub(crate) fn new(
        table: Arc<Table>,
        group: Weak<GroupInner>,
        function: Box<Function>,
    ) -> Arc<ScriptInner> {
        Arc::new(ScriptInner {
            ptr: AtomicPtr::new(ptr::null_mut()),
            group,
            table,
            busy: AtomicBool::new(false),
            function: UnsafeCell::new(function),
        })
    }

    /// Somebody else frees the C script, or did.
    pub(crate) fn forget(&self) -> *mut c::vu_script {
        self.ptr.swap(ptr::null_mut(), Ordering::AcqRel)
    }

    pub(crate) fn opaque(&self) -> *mut c_void {
        self as *const ScriptInner as *mut c_void
    }

    /// The C script was made.
    pub(crate) fn made(self: &Arc<ScriptInner>, ptr: *mut c::vu_script) -> Script {
        self.ptr.store(ptr, Ordering::Release);
        Script { inner: Arc::downgrade(self) }
    }

    fn info(&self) -> c::vu_script_info {
        let commands = &self.table.commands;
        let (log_fn, log_opaque) = commands.sink.to_c();
        c::vu_script_info {
            size: mem::size_of::<c::vu_script_info>(),
            name: commands.name.as_ptr(),
            commands: self.table.rows.as_ptr(),
            command_size: mem::size_of::<c::vu_command>(),
            opaque: self.opaque(),
            log_level: commands.level.to_c(),
            log_fn,
            log_opaque,
        }
    }

    /// Runs a command; the reason why it failed.
    ///
    /// # Safety
    ///
    /// In a command of C's, and nobody else runs one.
    unsafe fn call(
        &self,
        script: *mut c::vu_script,
        row: usize,
        words: &[*const c_char],
    ) -> Option<String> {
        let group = self.group.upgrade();
        let _within = group.as_ref().map(|group| Within::enter(group.id));
        // Safety: texts that are valid during the call.
        let words: std::result::Result<Vec<_>, _> =
            words.iter().map(|word| unsafe { CStr::from_ptr(*word) }.to_str()).collect();
        let words = match words {
            Ok(words) => words,
            Err(_) => return Some("a word is not UTF-8".into()),
        };
        let command = Command {
            script,
            name: &self.table.commands.rows[row].name,
            words: &words,
            turn: group.as_ref().map(Turn::of_script),
        };
        // Safety: the caller says so.
        let function = unsafe { &mut *self.function.get() };
        function(&command).err().map(|error| error.to_string())
    }
}

type Run = unsafe extern "C" fn(*mut c::vu_script, u32, *const *const c_char, *mut c_void) -> c_int;

/// What row N of every table runs: C does not say which one it was.
unsafe extern "C" fn run<const N: usize>(
    script: *mut c::vu_script,
    n: u32,
    words: *const *const c_char,
    opaque: *mut c_void,
) -> c_int {
    // Kept by the group, the program or run_file(); a reference of our own, as it may be closed meanwhile.
    let inner =
        Arc::clone(&ManuallyDrop::new(unsafe { Arc::from_raw(opaque as *const ScriptInner) }));
    if inner.busy.swap(true, Ordering::Acquire) {
        return Error::Busy.to_c();
    }
    let words = match n {
        0 => &[],
        // Safety: n pointers, during the call.
        _ => unsafe { std::slice::from_raw_parts(words, n as usize) },
    };
    // Safety: busy was not set, so nobody else runs it.
    let failed = caught(|| unsafe { inner.call(script, N, words) })
        .unwrap_or_else(|said| Some(format!("the command panicked: {said}")));
    inner.busy.store(false, Ordering::Release);
    outlast(inner);
    match failed {
        // Safety: in a command; the text is copied.
        Some(reason) => unsafe {
            c::vu_script_fail(script, text(&reason.replace('\n', " ")).as_ptr())
        },
        None => 0,
    }
}

const ROWS: usize = 64;

macro_rules! rows {
    ($($n:literal)*) => { [$(run::<$n>),*] };
}
#[rustfmt::skip]
static RUN: [Run; ROWS] = rows!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
);

/// Runs a file by a closure that lives until then.
pub(crate) fn with_file(
    table: Arc<Table>,
    run: &mut dyn FnMut(&Command<'_>) -> CommandResult,
    file: impl FnOnce(&ScriptInner) -> c_int,
) -> Result<()> {
    struct Here(*mut (dyn FnMut(&Command<'_>) -> CommandResult + 'static));
    // Safety: its commands run on this thread, before this function returns.
    unsafe impl Send for Here {}
    impl Here {
        unsafe fn call(&mut self, command: &Command<'_>) -> CommandResult {
            unsafe { (*self.0)(command) }
        }
    }
    // Safety: only the lifetime changes, and who has it is dropped here.
    let mut here =
        Here(unsafe { mem::transmute::<&mut dyn FnMut(&Command<'_>) -> CommandResult, _>(run) });
    let function = Box::new(move |command: &Command<'_>| unsafe { here.call(command) });
    let inner = ScriptInner::new(table, Weak::new(), function);
    check(file(&inner)).map(drop)
}

/// A command that was given: its name and words, and who is answered.
pub struct Command<'a> {
    script: *mut c::vu_script,
    name: &'a str,
    words: &'a [&'a str],
    turn: Option<Turn<'a>>,
}

impl Command<'_> {
    /// The line's first word.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Those behind it; as many as the command may have.
    pub fn words(&self) -> &[&str] {
        self.words
    }

    /// Sends lines to whoever gave the command.
    pub fn answer(&self, lines: &str) {
        for line in lines.lines() {
            // Safety: within the command; the text is copied.
            unsafe { c::vu_script_answer(self.script, text(line).as_ptr()) }
        }
    }

    /// A queue that the script's group serves, as [`Turn::queue`]; None in a file.
    pub fn queue<'t>(&'t self, device: &'t Handle, index: u32) -> Option<Queue<'t>> {
        self.turn.as_ref()?.queue(device, index)
    }
}

/// Commands that are served, for any thread; dropping it leaves them there.
#[derive(Clone)]
pub struct Script {
    inner: Weak<ScriptInner>,
}

impl Script {
    /// Sends lines to all clients, soon: something happened in the device.
    pub fn say(&self, lines: &str) -> Result<()> {
        let inner = self.inner.upgrade().ok_or(Error::Gone)?;
        let group = inner.group.upgrade().ok_or(Error::Gone)?;
        let (weak, lines): (_, Vec<_>) = (self.inner.clone(), lines.lines().map(text).collect());
        drop(inner);
        group.soon(move || {
            let inner = weak.upgrade().ok_or(Error::Gone)?;
            let ptr = inner.ptr.load(Ordering::Acquire);
            for line in &lines {
                // Safety: the group's thread, or nobody serves it; NULL is ignored.
                unsafe { c::vu_script_say(ptr, line.as_ptr()) }
            }
            outlast(inner);
            Ok(())
        })
    }

    /// Disconnects the clients and removes the socket, now or soon.  A program's ends with its
    /// device, and not by this.
    pub fn close(&self) {
        if let Some(inner) = self.inner.upgrade() {
            if let Some(group) = inner.group.upgrade() {
                // A command must not free its script.
                group.remove(self.inner.as_ptr().cast(), !inner.busy.load(Ordering::Acquire));
            }
            outlast(inner);
        }
    }
}

fn serve(
    group: &Arc<GroupInner>,
    device_thread: bool,
    commands: &Commands,
    at: &Path,
    function: Box<Function>,
) -> Result<Script> {
    let path = CString::new(at.as_os_str().as_bytes())?;
    let inner = ScriptInner::new(commands.table()?, Arc::downgrade(group), function);
    let mut raw = ptr::null_mut();
    // Safety: on the group's thread, or nobody serves it; the group keeps what C points to.
    check(group.directly(device_thread, || unsafe {
        c::vu_script_serve(group.ptr(), &inner.info(), path.as_ptr(), 0, &mut raw)
    })?)?;
    let script = inner.made(raw);
    group.keep(inner);
    Ok(script)
}

macro_rules! scripts {
    ($($(#[$place:meta])* $owner:ident $group:path, $device_thread:expr;)*) => { $(
        impl $owner {
            /// Runs commands as they come: from standard input where `at` is "-", else from clients
            /// of a Unix socket (mode 0600, at most 8 at once).  Each is answered with "ok", or
            /// "error: " and the reason; a panic is one, too.
            ///
            $(#[$place])*
            pub fn script(
                &self,
                commands: &Commands,
                at: impl AsRef<Path>,
                run: impl FnMut(&Command<'_>) -> CommandResult + Send + 'static,
            ) -> Result<Script> {
                serve($group(self), $device_thread, commands, at.as_ref(), Box::new(run))
            }
        }
    )* };
}

scripts! {
    /// Before the group is served, or in a callback of it; elsewhere it is [`Error::WrongThread`].
    Group Group::inner, false;
    /// On the device's own group, in a callback of the device's on its thread; elsewhere it is
    /// [`Error::WrongThread`].
    Handle Handle::own_group, false;
    /// On the device thread, which this is.
    Backend Backend::own, true;
}
