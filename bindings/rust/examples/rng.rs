// SPDX-License-Identifier: MIT
//! An entropy device (virtio 1.3 §5.4): whoever drives it reads random bytes.
use libvu::{Device, Program, Request, Setup};
use std::{fs::File, process::ExitCode};

struct Rng(File);

impl Device for Rng {
    fn request(&self, req: Request<'_>) {
        match req.writable().read_from(&self.0, None) {
            Ok(_) => req.complete(),
            Err(_) => req.fail(),
        }
    }
}

fn main() -> ExitCode {
    let mut program = Program::new("rng", "rng");
    let source = program.string("source", "PATH", "what to read instead of /dev/urandom");
    program.main(|start| {
        let path = start.get(source).unwrap_or_else(|| "/dev/urandom".into());
        start.device(Setup::new(4), Rng(File::open(path)?))
    })
}
