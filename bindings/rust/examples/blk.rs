// SPDX-License-Identifier: MIT
//! A disk in memory that fails on command (virtio 1.3 §5.2).
//!
//! `fail on`, said to the socket of `--control`, makes writes end in I/O errors; each queue is served
//! by a thread of its own.
use libvu::{
    Buffers, Commands, Device, Error, Group, Le16, Le32, Le64, Pod, Program, Request, Result, Setup,
};
use std::{
    process::ExitCode,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc, Mutex, PoisonError,
    },
};

const OK: u8 = 0;
const IOERR: u8 = 1;
const UNSUPP: u8 = 2;
const SECTOR: u64 = 512;
const QUEUES: u16 = 2;

libvu::pod! {
    struct Header {
        kind: Le32,
        reserved: Le32,
        sector: Le64,
    }

    struct Config {
        capacity: Le64,
        size_max: Le32,
        seg_max: Le32,
        geometry: [u8; 4],
        blk_size: Le32,
        topology: [u8; 8],
        writeback: u8,
        unused: u8,
        num_queues: Le16,
        rest: [u8; 24],
    }
}

struct Blk {
    data: Mutex<Vec<u8>>,
    fails: Arc<AtomicBool>,
}

impl Blk {
    /// The status; an error is one, too.
    fn serve(&self, req: &Request<'_>) -> Result<u8> {
        let header: Header = req.read_obj(0)?;
        let room = req.writable_len().checked_sub(1).ok_or(Error::Short)?;
        let mut data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        let disk = data.len() as u64;
        let range = |len: u64| -> Result<std::ops::Range<usize>> {
            let start = header.sector.get().checked_mul(SECTOR).ok_or(Error::Short)?;
            let end = start.checked_add(len).filter(|end| *end <= disk).ok_or(Error::Short)?;
            Ok(start as usize..end as usize)
        };
        match header.kind.get() {
            0 => req.writable().slice(0, room)?.copy_from(&data[range(room)?])?,
            1 if self.fails.load(Ordering::Relaxed) => return Ok(IOERR),
            1 => {
                let (_, bytes) = req.readable().split_at(16)?;
                bytes.copy_to(&mut data[range(bytes.len())?])?;
            }
            4 => {} // flush: memory is as safe as it gets
            8 => {
                let mut id = [0; 20];
                id[..9].copy_from_slice(b"in memory");
                let len = room.min(20);
                req.writable().slice(0, len)?.copy_from(&id[..len as usize])?;
            }
            _ => return Ok(UNSUPP),
        }
        Ok(OK)
    }
}

fn status(buffers: &Buffers<'_>, status: u8) {
    if let Some(at) = buffers.writable_len().checked_sub(1) {
        buffers.write_at(at, &[status]);
    }
}

impl Device for Blk {
    fn request(&self, req: Request<'_>) {
        match self.serve(&req) {
            Ok(done) => {
                status(&req, done);
                req.complete();
            }
            Err(_) => req.fail(),
        }
    }

    fn failed(&self, buffers: &mut Buffers<'_>) {
        status(buffers, IOERR);
    }
}

fn main() -> ExitCode {
    let mut program = Program::new("blk", "block");
    program.summary("A disk in memory that fails on command");
    let size = program.number("size", "BYTES", "of the disk", SECTOR..=1 << 30, 16 << 20);
    program.commands(Commands::new().command("fail", "on|off", "whether writes fail", 1..=1));
    program.main(|start| {
        let bytes = start.get(size) / SECTOR * SECTOR;
        let config = Config {
            capacity: (bytes / SECTOR).into(),
            seg_max: 126.into(),
            blk_size: 512.into(),
            num_queues: QUEUES.into(),
            ..Config::zeroed()
        };
        let setup = Setup::new(2)
            .queues(QUEUES.into())
            .features(1 << 2 | 1 << 6 | 1 << 9 | 1 << 12) // SEG_MAX, BLK_SIZE, FLUSH, MQ
            .config(&config);
        let fails = Arc::new(AtomicBool::new(false));
        let data = Mutex::new(vec![0; bytes as usize]);
        start.device(setup, Blk { data, fails: Arc::clone(&fails) })?;
        start.control(None, move |command| {
            let on = match command.words() {
                ["on"] => true,
                ["off"] => false,
                _ => return Err("it is on or off".into()),
            };
            fails.store(on, Ordering::Relaxed);
            Ok(())
        })?;
        for queue in 0..u32::from(QUEUES) {
            let group = Group::new()?;
            start.set_group(queue, &group)?;
            start.add_worker(&group)?;
        }
        Ok(())
    })
}
