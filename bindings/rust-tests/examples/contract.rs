// SPDX-License-Identifier: MIT
//! The device of the contract (tests/contract) by the crate libvu; device.c there says what it does.
//!
//! What the compiler forbids (a second completion) is refused by not being there.
use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
    thread,
};

use libvu::{Control, Device, Error, Handle, LaterRequest, Program, Queue, Request, Result, Setup};

#[derive(Default)]
struct State {
    kept: Vec<LaterRequest>,
    refused: bool,
    handle: Option<Handle>,
}

struct Contract(Arc<Mutex<State>>);

fn answer(req: Request<'_>, text: &[u8]) {
    req.write_at(0, text);
    req.complete();
}

fn answer_later(req: LaterRequest, text: &[u8]) {
    req.write_at(0, text);
    req.complete();
}

impl Contract {
    fn set_refused(&self, refused: bool) {
        self.0.lock().unwrap().refused = refused;
    }

    fn release(&self) {
        let kept = std::mem::take(&mut self.0.lock().unwrap().kept);

        kept.into_iter().for_each(|req| answer_later(req, b"kept"));
    }

    fn set_config(&self, offset: u32, bytes: &[u8]) -> Result<()> {
        let handle = self.0.lock().unwrap().handle.clone();

        handle.ok_or(Error::Gone)?.config_set(offset, bytes)
    }
}

impl Device for Contract {
    fn request(&self, req: Request<'_>) {
        let mut command = [0; 64];
        let n = req.read_at(0, &mut command);

        match command[0] {
            b'e' => answer(req, &command[1..n]),
            b'2' => {
                answer(req, b"once");
                self.set_refused(true);
            }
            b'w' => {
                let more = req.writable_len() + 1;

                match req.complete_with(more) {
                    Ok(()) => self.set_refused(false),
                    Err(req) => {
                        self.set_refused(true);
                        answer(req, b"late");
                    }
                }
            }
            b'b' => {
                self.set_refused(self.set_config(7, b"xx").is_err());
                req.complete();
            }
            b'?' => {
                let refused = self.0.lock().unwrap().refused;

                answer(req, if refused { &b"refused"[..] } else { b"accepted" });
            }
            b'x' => panic!("an error that nobody handles"),
            b'f' => {
                let later = req.later();

                thread::spawn(move || drop(later));
            }
            b'k' => self.0.lock().unwrap().kept.push(req.later()),
            b'r' => {
                self.release();
                answer(req, b"released");
            }
            b't' => {
                let later = req.later();

                thread::spawn(move || answer_later(later, b"thread"));
            }
            b'c' => {
                req.complete();
                self.set_config(0, &command[1..n]).unwrap();
            }
            _ => drop(req),
        }
    }

    fn queue_stop(&self, _queue: &Queue<'_>) {
        self.release();
    }

    fn features_acked(&self, _device: &Control<'_>, features: u128) -> Result<()> {
        match features >> 6 & 1 {
            0 => Ok(()),
            _ => Err(Error::Os(22)),
        }
    }
}

fn main() -> ExitCode {
    Program::new("contract", "contract").main(|start| {
        let state = Arc::new(Mutex::new(State::default()));
        let setup = Setup::new(42)
            .name("contract")
            .queues(2)
            .features(1 << 5 | 1 << 6)
            .config(b"contract")
            .config_writable(&[0xffu8, 0, 0, 0, 0, 0, 0, 0]);
        let handle = start.device_with(setup, Contract(state.clone()))?;

        state.lock().unwrap().handle = Some(handle);
        Ok(())
    })
}
