// SPDX-License-Identifier: MIT
//! Write vhost-user back-ends: virtio devices in processes of their own, outside of the virtual
//! machine monitor, on the C library libvu.
//!
//! A whole device, from which a guest's kernel reads entropy:
//!
//! ```no_run
//! use libvu::{Device, Program, Request, Setup};
//! use std::{fs::File, process::ExitCode};
//!
//! struct Rng(File);
//!
//! impl Device for Rng {
//!     fn request(&self, req: Request<'_>) {
//!         match req.writable().read_from(&self.0, None) {
//!             Ok(_) => req.complete(),
//!             Err(_) => req.fail(),
//!         }
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     Program::new("rng", "rng").main(|start| {
//!         start.device(Setup::new(4), Rng(File::open("/dev/urandom")?))
//!     })
//! }
//! ```
//!
//! - A [`Device`] says what it does with requests; [`Setup`] what it is and offers.
//! - A [`Request`] has a [`Readable`] and a [`Writable`] part, which are copied in and out, and is
//!   finished once.  [`Request::later`] takes it out of its callback.
//! - [`Program`] is a `main` with the command line of back-end programs; [`Runner`] serves sockets;
//!   [`Backend::process`] fits a loop of your own.
//! - [`Group`]s of queues are served by threads of their own.
//!
//! What is misuse in C does not compile here, or is an [`Error`].  Nothing that a guest, a front-end
//! or safe code does ends in undefined behaviour; a panic in a callback fails one request.
//!
//! Features: `log` gives log lines to the crate of that name; `tokio` has devices in tasks (module
//! `tasks`); `vendored` compiles the C library, which need not be on the machine then.
#![warn(missing_docs)]
#![allow(unused_unsafe)] // inside of unsafe functions, where Rust 1.63 sees one too many
#![warn(unsafe_op_in_unsafe_fn)]

mod answer;
mod ask;
mod backend;
mod border;
mod buffers;
mod callbacks;
mod class;
mod device;
mod error;
mod gate;
mod group;
mod handle;
mod log;
mod memory;
#[cfg(doctest)]
mod misuse;
mod options;
mod pod;
mod program;
mod queue;
mod request;
mod runner;
mod script;
mod setup;
mod shared;
mod slice;
mod source;
mod state;
#[cfg(feature = "tokio")]
pub mod tasks;
#[cfg(test)]
mod tests;
mod worker;

pub use crate::{
    answer::{Answer, Value},
    ask::Piece,
    backend::{Backend, Processed},
    buffers::Buffers,
    class::{Crypto, CryptoSession, Gpu, Net, SharedObjects, State},
    device::Device,
    error::{Error, Result},
    group::Group,
    handle::{Control, Counters, Handle},
    log::Level,
    memory::{Memory, Region},
    options::{Choice, Key},
    pod::{Le16, Le32, Le64, Pod},
    program::{Program, Start},
    queue::Queue,
    request::{LaterRequest, Request},
    runner::{DeviceId, Runner, RunnerSetup, SocketSetup, Stopper, WorkerSetup},
    script::{Command, CommandResult, Commands, Script},
    setup::{QueueSetup, Setup},
    slice::{Readable, Writable},
    source::{Events, Source, Turn},
    state::{StateReader, StateWriter},
    worker::Worker,
};
pub(crate) use shared::Shared;

/// The version of the loaded C library.
pub fn version() -> String {
    // Safety: a static text.
    let text = unsafe { std::ffi::CStr::from_ptr(libvu_sys::vu_version()) };
    text.to_string_lossy().into_owned()
}
