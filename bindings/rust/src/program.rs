// SPDX-License-Identifier: MIT
//! The program: a `main` that follows the conventions for back-end programs.
use std::{
    ffi::{CStr, CString, OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    process::ExitCode,
    ptr,
    sync::Arc,
};

use libvu_sys as c;

use crate::{
    backend::finish,
    border::{caught, Within},
    callbacks,
    group::{outlast, Group, GroupInner, Served},
    log::text,
    options::{Choice, Key, Options, Stored, Table},
    script::{self, with_file, Command, CommandResult, Commands, Script, ScriptInner},
    shared::Shared,
    Device, Error, Handle, Result, Setup,
};
use c::ffi::{c_char, c_int, c_void};

/// A back-end program: its name, its options, and what makes its device.
///
/// Every program has `--socket-path`, `--fd`, `--connect`, `--print-capabilities`, `--help`,
/// `--verbose` and more, ends cleanly at SIGTERM, and serves one device for each socket that it is
/// given.
pub struct Program {
    name: CString,
    kind: CString,
    summary: Option<CString>,
    features: Vec<CString>,
    options: Options,
    commands: Option<Commands>,
}

impl Program {
    /// A program of this name, for a device of this type as `--print-capabilities` says it ("rng",
    /// "block", "net" ...).
    pub fn new(name: &str, kind: &str) -> Program {
        Program {
            name: text(name),
            kind: text(kind),
            summary: None,
            features: Vec::new(),
            options: Options::default(),
            commands: None,
        }
    }

    /// One line for `--help`.
    pub fn summary(&mut self, line: &str) {
        self.summary = Some(text(line));
    }

    /// A name that `--print-capabilities` shows.
    pub fn feature(&mut self, name: &str) {
        self.features.push(text(name));
    }

    /// Commands for running devices, from whom `--control=PATH` names: see [`Start::control`].
    /// `metrics` is one of every program's.
    pub fn commands(&mut self, commands: Commands) {
        self.commands = Some(commands);
    }

    /// An option without an argument: `--name`.
    pub fn flag(&mut self, name: &str, help: &str) -> Key<bool> {
        self.options.flag(name, help)
    }

    /// An option with a number in a range: decimal or 0x, with K, M, G or T.
    pub fn number(
        &mut self,
        name: &str,
        argument: &str,
        help: &str,
        range: std::ops::RangeInclusive<u64>,
        initial: u64,
    ) -> Key<u64> {
        self.options.number(name, argument, help, range, initial)
    }

    /// An option with a text, which may be left out.
    pub fn string(&mut self, name: &str, argument: &str, help: &str) -> Key<Option<OsString>> {
        self.options.string(name, argument, help, false)
    }

    /// An option with a path, without which the program does not start.
    pub fn path(&mut self, name: &str, argument: &str, help: &str) -> Key<PathBuf> {
        self.options.string(name, argument, help, true)
    }

    /// An option with one of some words; the first of them where it is not given.
    pub fn choice(&mut self, name: &str, help: &str, words: &[&str]) -> Key<Choice> {
        self.options.choice(name, help, words)
    }

    /// Reads this process's command line and serves until it is told to stop.
    ///
    /// `create` is called for each socket, and makes its device by [`Start::device`].  To be called
    /// by `main`, before there are other threads.
    pub fn main(self, create: impl FnMut(&mut Start<'_>) -> Result<()>) -> ExitCode {
        ExitCode::from(self.run(std::env::args_os(), create))
    }

    /// The same, with a command line of the caller's; the exit status.
    pub fn run(
        self,
        arguments: impl IntoIterator<Item = OsString>,
        mut create: impl FnMut(&mut Start<'_>) -> Result<()>,
    ) -> u8 {
        // An argument that ended at a zero byte would be another one; there is none in a process's.
        let arguments: Vec<CString> = arguments
            .into_iter()
            .map(|argument| CString::new(argument.into_vec()).unwrap_or_default())
            .collect();
        let mut argv: Vec<_> = arguments.iter().map(|a| a.as_ptr() as *mut c_char).collect();
        let argc = argv.len() as c_int;
        argv.push(ptr::null_mut());
        let commands = match self.commands.as_ref().map(Commands::table).transpose() {
            Ok(commands) => commands,
            Err(error) => {
                eprintln!("error: commands: {error}");
                return 1;
            }
        };
        let mut running = Running {
            create: &mut create,
            table: self.options.table(),
            devices: Vec::new(),
            workers: Vec::new(),
            commands,
            scripts: Vec::new(),
        };
        let features: Vec<_> =
            self.features.iter().map(|name| name.as_ptr()).chain([ptr::null()]).collect();
        // Safety: numbers, and pointers that may be NULL.
        let mut info: c::vu_program_info = unsafe { std::mem::zeroed() };
        info.size = std::mem::size_of::<c::vu_program_info>();
        info.name = self.name.as_ptr();
        info.type_ = self.kind.as_ptr();
        info.summary = self.summary.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        info.features = features.as_ptr();
        info.options = running.table.rows.as_ptr();
        info.option_size = std::mem::size_of::<c::vu_option>();
        info.settings = running.table.values();
        if let Some(commands) = &running.commands {
            info.commands = commands.rows.as_ptr();
            info.command_size = std::mem::size_of::<c::vu_command>();
        }
        info.state_size = std::mem::size_of::<State>();
        info.create = Some(create_device);
        info.destroy = Some(destroy_device);
        // What callbacks find it by: the settings are the values of options only.
        let before = CURRENT.with(|current| current.replace((&mut running as *mut Running).cast()));
        // Safety: all of it lives until this returns.
        let status = unsafe { c::vu_program_main(&info, argc, argv.as_mut_ptr()) };
        CURRENT.with(|current| current.set(before));
        running.end();
        status.clamp(0, 255) as u8
    }
}

thread_local! {
    /// The program that runs on this thread, in whose create and destroy we may be.
    static CURRENT: std::cell::Cell<*mut c_void> = const { std::cell::Cell::new(ptr::null_mut()) };
}

struct Running<'a> {
    create: &'a mut dyn FnMut(&mut Start<'_>) -> Result<()>,
    table: Table,
    devices: Vec<Arc<Shared>>,
    workers: Vec<Served>,
    commands: Option<Arc<script::Table>>,
    /// With the groups that serve them.
    scripts: Vec<(Arc<ScriptInner>, Arc<GroupInner>)>,
}

impl Running<'_> {
    /// The C devices are gone, and all threads.
    fn end(self) {
        for shared in &self.devices {
            // Safety: destroy_device() closed the gate, and C freed the device.
            unsafe { shared.bury() };
        }
        for (script, _group) in self.scripts {
            outlast(script);
        }
    }
}

/// What C keeps for each device: zeroed at first.
struct State {
    shared: *const Shared,
    script: *const ScriptInner,
}

/// A device is to be made, for one of the sockets of the command line's.
pub struct Start<'a> {
    program: *mut c::vu_program,
    index: u32,
    table: &'a Table,
    made: &'a mut Vec<Arc<Shared>>,
    workers: &'a mut Vec<Served>,
    commands: &'a Option<Arc<script::Table>>,
    scripts: &'a mut Vec<(Arc<ScriptInner>, Arc<GroupInner>)>,
    state: *mut State,
}

impl Start<'_> {
    /// The number of the socket, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// What the command line says.  Panics for a key that another program returned.
    pub fn get<T: Stored>(&self, key: Key<T>) -> T {
        key.get(self.table)
    }

    /// Makes the device; once.
    pub fn device(&mut self, setup: Setup, device: impl Device) -> Result<()> {
        self.device_with(setup, device).map(drop)
    }

    /// The same, and gives it for other threads.
    pub fn device_with(&mut self, setup: Setup, device: impl Device) -> Result<Handle> {
        let mut writable = Vec::new();
        let classes = setup.classes.clone();
        let queues = setup.raw.n_queues;
        let shared = Shared::new(Box::new(device), classes, setup.sink.clone(), queues);
        let info = setup.to_c(&mut writable);
        let ops = callbacks::ops(setup.has_config());
        let mut dev = ptr::null_mut();
        // Safety: in create; structs of this version, and an opaque pointer that outlives it.
        crate::error::check(unsafe {
            c::vu_program_add_device(self.program, &info, &ops, shared.opaque(), &mut dev)
        })?;
        shared.made(dev);
        // Safety: destroy_device() finds it.
        unsafe { (*self.state).shared = Arc::as_ptr(&shared) };
        self.made.push(Arc::clone(&shared));
        // Safety: before any session.
        unsafe { finish(dev, &setup, &shared) }?;
        Ok(Handle(shared))
    }

    fn just_made(&self) -> Result<&Arc<Shared>> {
        // Safety: in create.
        let shared = unsafe { (*self.state).shared };
        self.made.last().filter(|made| Arc::as_ptr(made) == shared).ok_or(Error::Gone)
    }

    /// Runs [`Program::commands`] for the device that was just made, on the thread of a group's or
    /// on the device's own; None where the command line has no `--control`.
    pub fn control(
        &mut self,
        group: Option<&Group>,
        run: impl FnMut(&Command<'_>) -> CommandResult + Send + 'static,
    ) -> Result<Option<Script>> {
        let table = self.commands.as_ref().ok_or(Error::Os(crate::error::EINVAL))?;
        let group = Arc::clone(group.map_or(&self.just_made()?.own, Group::inner));
        let inner = ScriptInner::new(Arc::clone(table), Arc::downgrade(&group), Box::new(run));
        let (mut raw, at) = (ptr::null_mut(), group.ptr());
        // Safety: in create; destroy_device() finds the script, and C has freed it by then.
        crate::error::check(unsafe {
            c::vu_program_add_control(self.program, at, inner.opaque(), &mut raw)
        })?;
        if raw.is_null() {
            return Ok(None);
        }
        unsafe { (*self.state).script = Arc::as_ptr(&inner) };
        let script = inner.made(raw);
        self.scripts.push((inner, group));
        Ok(Some(script))
    }

    /// What `--control` says, for devices that use standard input themselves.
    pub fn control_path(&self) -> Option<PathBuf> {
        // Safety: a text of the command line's, or NULL.
        let path = unsafe { c::vu_program_control(self.program).as_ref() }?;
        let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
        Some(OsStr::from_bytes(bytes).into())
    }

    /// Runs a file's lines by [`Program::commands`]; as [`Commands::run_file`].
    pub fn run_file(
        &mut self,
        path: impl AsRef<Path>,
        mut run: impl FnMut(&Command<'_>) -> CommandResult,
    ) -> Result<()> {
        let table = self.commands.as_ref().ok_or(Error::Os(crate::error::EINVAL))?;
        let path = CString::new(path.as_ref().as_os_str().as_bytes())?;
        with_file(Arc::clone(table), &mut run, |inner| {
            // Safety: in create; all of it lives until this returns.
            unsafe { c::vu_program_run_file(self.program, path.as_ptr(), inner.opaque()) }
        })
    }

    /// Lets a group serve a queue of the device that was just made.
    pub fn set_group(&mut self, queue: u32, group: &Group) -> Result<()> {
        let shared = self.just_made()?;
        if shared.group_of(queue) != shared.own.id {
            return Err(Error::Busy);
        }
        // Safety: the device thread, before any session.
        crate::error::check(unsafe {
            c::vu_queue_set_group(c::vu_device_queue(shared.dev(), queue), group.0.ptr())
        })?;
        shared.set_group(queue, group.0.id);
        group.0.joined(shared, queue);
        Ok(())
    }

    /// Serves a group on a thread, as `--poll-us` and `--cpus` say.
    pub fn add_worker(&mut self, group: &Group) -> Result<()> {
        let served = group.0.serve()?;
        // Safety: in create; the group is kept until the program has ended.
        crate::error::check(unsafe { c::vu_program_add_worker(self.program, group.0.ptr()) })?;
        self.workers.push(served);
        Ok(())
    }

    /// A path of the command line's made one of this device's own: ".1" behind it for the second.
    pub fn own_path(&self, path: PathBuf) -> PathBuf {
        if self.index == 0 {
            return path;
        }
        let mut own = path.into_os_string();
        own.push(format!(".{}", self.index));
        own.into()
    }
}

unsafe extern "C" fn create_device(
    program: *mut c::vu_program,
    index: u32,
    state: *mut c_void,
) -> c_int {
    // Safety: run() set it, on this thread, and waits.
    let running = unsafe { &mut *CURRENT.with(std::cell::Cell::get).cast::<Running<'_>>() };
    let mut start = Start {
        program,
        index,
        table: &running.table,
        made: &mut running.devices,
        workers: &mut running.workers,
        commands: &running.commands,
        scripts: &mut running.scripts,
        state: state.cast(),
    };
    let create = &mut running.create;
    match caught(|| create(&mut start)) {
        // Safety: C's, for this device.
        Ok(Ok(())) if unsafe { !(*start.state).shared.is_null() } => 0,
        Ok(Ok(())) => {
            eprintln!("error: no device was made");
            Error::Gone.to_c()
        }
        Ok(Err(error)) => {
            eprintln!("error: {error}");
            error.to_c()
        }
        Err(said) => {
            eprintln!("error: panic: {said}");
            Error::Panicked.to_c()
        }
    }
}

/// No front-end is attached any more, no thread serves it, and C frees the device after this.
unsafe extern "C" fn destroy_device(state: *mut c_void) {
    // Safety: C's, for this device; Running has the reference.
    let shared = match unsafe { (*state.cast::<State>()).shared.as_ref() } {
        Some(shared) => shared,
        None => return,
    };
    let _within = Within::enter(0);
    // Safety: C freed the script before, and Running has it.
    if let Some(script) = unsafe { (*state.cast::<State>()).script.as_ref() } {
        script.forget();
    }
    // Safety: the device thread.
    let _ = caught(|| unsafe { shared.own.clear() });
    shared.own.close();
    shared.gate.close();
}
