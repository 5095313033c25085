// SPDX-License-Identifier: MIT
//! The disk in memory of bindings/rust/examples/blk.rs, on vhost-user-backend.  blk SOCKET BYTES
//!
//! With a thread for each queue, as there; without the faults on command.
use std::{
    env,
    io::{self, Read, Write},
    sync::{Arc, Mutex, RwLock},
};

use vhost::vhost_user::{
    message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures},
    Listener,
};
use vhost_user_backend::{VhostUserBackend, VhostUserDaemon, VringRwLock, VringT};
use virtio_queue::{QueueT, Reader, Writer};
use vm_memory::{
    ByteValued, GuestAddressSpace, GuestMemoryAtomic, GuestMemoryMmap, Le16, Le32, Le64,
};
use vmm_sys_util::{
    epoll::EventSet,
    event::{new_event_consumer_and_notifier, EventConsumer, EventFlag, EventNotifier},
};

type Memory = GuestMemoryAtomic<GuestMemoryMmap>;

const OK: u8 = 0;
const IOERR: u8 = 1;
const UNSUPP: u8 = 2;
const SECTOR: u64 = 512;
const QUEUES: u16 = 2;
const VERSION_1_EVENT_IDX_INDIRECT: u64 = 1 << 32 | 1 << 29 | 1 << 28;

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Header {
    kind: Le32,
    reserved: Le32,
    sector: Le64,
}
// SAFETY: no padding, and any bytes are a value.
unsafe impl ByteValued for Header {}

#[derive(Clone, Copy, Default)]
#[repr(C, packed)]
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
// SAFETY: packed, and any bytes are a value.
unsafe impl ByteValued for Config {}

struct Blk {
    data: Arc<Mutex<Vec<u8>>>,
    memory: RwLock<Memory>,
}

impl Blk {
    fn status(&self, reader: &mut Reader<'_>, writer: &mut Writer<'_>) -> io::Result<u8> {
        let header: Header = reader.read_obj()?;
        let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let mut data = self.data.lock().unwrap();
        let disk = data.len() as u64;
        let range = |len: usize| {
            let start = u64::from(header.sector).checked_mul(SECTOR).ok_or_else(short)?;
            let end = start.checked_add(len as u64).filter(|end| *end <= disk).ok_or_else(short)?;
            io::Result::Ok(start as usize..end as usize)
        };
        match u32::from(header.kind) {
            0 => writer.write_all(&data[range(writer.available_bytes())?])?,
            1 => reader.read_exact(&mut data[range(reader.available_bytes())?])?,
            4 => {}
            8 => writer.write_all(
                &b"in memory\0\0\0\0\0\0\0\0\0\0\0"[..writer.available_bytes().min(20)],
            )?,
            _ => return Ok(UNSUPP),
        }
        Ok(OK)
    }

    fn serve(&self, vring: &VringRwLock) -> io::Result<()> {
        let memory = self.memory.read().unwrap().memory();
        let mut state = vring.get_mut();
        let mut used = false;
        while let Some(chain) = state.get_queue_mut().pop_descriptor_chain(memory.clone()) {
            let head = chain.head_index();
            let written = match (chain.clone().reader(&memory), chain.writer(&memory)) {
                (Ok(mut reader), Ok(mut writer)) if writer.available_bytes() > 0 => {
                    let room = writer.available_bytes() - 1;
                    let mut last = writer.split_at(room).map_err(io::Error::other)?;
                    last.write_obj(self.status(&mut reader, &mut writer).unwrap_or(IOERR))?;
                    room as u32 + 1
                }
                _ => 0,
            };
            state.add_used(head, written).map_err(io::Error::other)?;
            used = true;
        }
        if used && state.needs_notification().map_err(io::Error::other)? {
            state.signal_used_queue()?;
        }
        Ok(())
    }
}

impl VhostUserBackend for Blk {
    type Bitmap = ();
    type Vring = VringRwLock;

    fn num_queues(&self) -> usize {
        QUEUES.into()
    }

    fn max_queue_size(&self) -> usize {
        1024
    }

    fn features(&self) -> u64 {
        VERSION_1_EVENT_IDX_INDIRECT
            | 1 << 2 | 1 << 6 | 1 << 9 | 1 << 12 // SEG_MAX, BLK_SIZE, FLUSH, MQ
            | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        VhostUserProtocolFeatures::CONFIG
            | VhostUserProtocolFeatures::MQ
            | VhostUserProtocolFeatures::REPLY_ACK
    }

    fn set_event_idx(&self, _enabled: bool) {}

    fn get_config(&self, offset: u32, size: u32) -> Vec<u8> {
        let config = Config {
            capacity: (self.data.lock().unwrap().len() as u64 / SECTOR).into(),
            seg_max: 126.into(),
            blk_size: 512.into(),
            num_queues: QUEUES.into(),
            ..Config::default()
        };
        let (from, len) = (offset as usize, size as usize);
        config.as_slice().get(from..from + len).unwrap_or_default().to_vec()
    }

    fn update_memory(&self, memory: Memory) -> io::Result<()> {
        *self.memory.write().unwrap() = memory;
        Ok(())
    }

    fn queues_per_thread(&self) -> Vec<u64> {
        (0..QUEUES).map(|queue| 1 << queue).collect()
    }

    fn exit_event(&self, _thread: usize) -> Option<(EventConsumer, EventNotifier)> {
        new_event_consumer_and_notifier(EventFlag::NONBLOCK).ok()
    }

    fn handle_event(
        &self,
        event: u16,
        _set: EventSet,
        vrings: &[VringRwLock],
        _thread: usize,
    ) -> io::Result<()> {
        let vring = &vrings[usize::from(event)];
        loop {
            vring.disable_notification().map_err(io::Error::other)?;
            self.serve(vring)?;
            if !vring.enable_notification().map_err(io::Error::other)? {
                return Ok(());
            }
        }
    }
}

fn main() {
    let mut arguments = env::args().skip(1);
    let socket = arguments.next().expect("blk SOCKET BYTES");
    let bytes: usize =
        arguments.next().and_then(|text| text.parse().ok()).expect("blk SOCKET BYTES");
    let data = Arc::new(Mutex::new(vec![0; bytes]));
    let mut listener = Listener::new(&socket, true).expect("a socket");
    loop {
        let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
        let blk = Blk { data: Arc::clone(&data), memory: RwLock::new(memory.clone()) };
        let mut daemon =
            VhostUserDaemon::new("blk".into(), Arc::new(blk), memory).expect("a daemon");
        daemon.start(&mut listener).expect("a front-end");
        let _ = daemon.wait(); // until it is gone
    }
}
