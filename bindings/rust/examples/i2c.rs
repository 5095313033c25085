// SPDX-License-Identifier: MIT
//! An I2C bus with an EEPROM of 256 bytes at 0x50 (virtio 1.3 §5.16).
//!
//! The chip is a 24c02: the first byte written is the address, the rest is stored; reads go on from
//! the address.  In the guest: `echo 24c02 0x50 >/sys/bus/i2c/devices/i2c-0/new_device`
use libvu::{Buffers, Device, Error, Le16, Le32, Program, Queue, Request, Result, Setup};
use std::{os::unix::ffi::OsStrExt, process::ExitCode, sync::Mutex};

const FAIL_NEXT: u32 = 1;
const READ: u32 = 2;
const ZERO_LENGTH_REQUEST: u128 = 1;
const CHIP: u16 = 0x50;
const MOST: u64 = 65535; // bytes in a message of I2C

libvu::pod! {
    struct Header {
        address: Le16,
        padding: Le16,
        flags: Le32,
    }
}

struct Eeprom {
    data: [u8; 256],
    address: u8,
}

impl Eeprom {
    fn new(text: &[u8]) -> Eeprom {
        let mut data = [0xff; 256];
        data.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        Eeprom { data, address: 0 }
    }

    fn write(&mut self, message: &[u8]) {
        if let Some((address, bytes)) = message.split_first() {
            self.address = *address;
            for byte in bytes {
                self.data[usize::from(self.address)] = *byte;
                self.address = self.address.wrapping_add(1);
            }
        }
    }

    fn read(&mut self, message: &mut [u8]) {
        for byte in message {
            *byte = self.data[usize::from(self.address)];
            self.address = self.address.wrapping_add(1);
        }
    }
}

struct Bus {
    chip: Eeprom,
    /// A message of a transfer failed: those that are to follow fail, too.
    failing: bool,
}

impl Bus {
    fn message(&mut self, req: &Request<'_>, header: &Header) -> Result<()> {
        let room = req.writable_len().checked_sub(1).filter(|n| *n <= MOST).ok_or(Error::Short)?;
        if self.failing || header.address.get() != CHIP << 1 {
            return Err(Error::Os(6)); // nobody answers there
        }
        if header.flags.get() & READ != 0 {
            let mut bytes = vec![0; room as usize];
            self.chip.read(&mut bytes);
            req.writable().slice(0, room)?.copy_from(&bytes)
        } else {
            let (_, bytes) = req.readable().split_at(8)?;
            self.chip.write(&bytes.to_vec(MOST as usize)?);
            Ok(())
        }
    }
}

struct I2c(Mutex<Bus>);

fn status(buffers: &Buffers<'_>, status: u8) {
    if let Some(at) = buffers.writable_len().checked_sub(1) {
        buffers.write_at(at, &[status]);
    }
}

impl Device for I2c {
    fn request(&self, req: Request<'_>) {
        let header = match req.read_obj::<Header>(0) {
            Ok(header) => header,
            Err(_) => return req.fail(),
        };
        let mut bus = self.0.lock().unwrap();
        let result = bus.message(&req, &header);
        bus.failing = result.is_err() && header.flags.get() & FAIL_NEXT != 0;
        drop(bus);
        match result {
            Ok(()) => {
                status(&req, 0);
                req.complete();
            }
            Err(_) => req.fail(),
        }
    }

    fn failed(&self, buffers: &mut Buffers<'_>) {
        status(buffers, 1);
    }

    fn queue_stop(&self, _: &Queue<'_>) {
        self.0.lock().unwrap().failing = false;
    }
}

fn main() -> ExitCode {
    let mut program = Program::new("i2c", "i2c");
    program.summary("An I2C bus with an EEPROM at 0x50");
    let text = program.string("text", "TEXT", "what is in the EEPROM at first");
    program.main(|start| {
        let text = start.get(text).unwrap_or_else(|| "written by nobody\n".into());
        let setup = Setup::new(34).features(ZERO_LENGTH_REQUEST).required(ZERO_LENGTH_REQUEST);
        let chip = Eeprom::new(text.as_bytes());
        start.device(setup, I2c(Mutex::new(Bus { chip, failing: false })))
    })
}
