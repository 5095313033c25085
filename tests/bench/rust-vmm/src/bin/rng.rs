// SPDX-License-Identifier: MIT
//! The entropy device of bindings/rust/examples/rng.rs, on vhost-user-backend.  rng SOCKET
use std::{
    env,
    fs::File,
    io,
    sync::{Arc, Mutex},
};

use vhost::vhost_user::{
    message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures},
    Listener,
};
use vhost_user_backend::{VhostUserBackendMut, VhostUserDaemon, VringRwLock, VringT};
use virtio_queue::QueueT;
use vm_memory::{Bytes, GuestAddressSpace, GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::{
    epoll::EventSet,
    event::{new_event_consumer_and_notifier, EventConsumer, EventFlag, EventNotifier},
};

type Memory = GuestMemoryAtomic<GuestMemoryMmap>;

const VERSION_1_EVENT_IDX_INDIRECT: u64 = 1 << 32 | 1 << 29 | 1 << 28;

struct Rng {
    source: File,
    memory: Memory,
}

impl Rng {
    /// Fills what is there; the driver is told once, if it wants to be.
    fn serve(&mut self, vring: &VringRwLock) -> io::Result<()> {
        let memory = self.memory.memory();
        let mut state = vring.get_mut();
        let mut used = false;
        while let Some(chain) = state.get_queue_mut().pop_descriptor_chain(memory.clone()) {
            let head = chain.head_index();
            let mut written = 0;
            for desc in chain.writable() {
                let len = desc.len() as usize;
                match memory.read_volatile_from(desc.addr(), &mut self.source, len) {
                    Ok(n) => written += n as u32,
                    Err(_) => break,
                }
            }
            state.add_used(head, written).map_err(io::Error::other)?;
            used = true;
        }
        if used && state.needs_notification().map_err(io::Error::other)? {
            state.signal_used_queue()?;
        }
        Ok(())
    }
}

impl VhostUserBackendMut for Rng {
    type Bitmap = ();
    type Vring = VringRwLock;

    fn num_queues(&self) -> usize {
        1
    }

    fn max_queue_size(&self) -> usize {
        1024
    }

    fn features(&self) -> u64 {
        VERSION_1_EVENT_IDX_INDIRECT | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        VhostUserProtocolFeatures::MQ | VhostUserProtocolFeatures::REPLY_ACK
    }

    fn set_event_idx(&mut self, _enabled: bool) {}

    fn update_memory(&mut self, memory: Memory) -> io::Result<()> {
        self.memory = memory;
        Ok(())
    }

    fn exit_event(&self, _thread: usize) -> Option<(EventConsumer, EventNotifier)> {
        new_event_consumer_and_notifier(EventFlag::NONBLOCK).ok()
    }

    fn handle_event(
        &mut self,
        _event: u16,
        _set: EventSet,
        vrings: &[VringRwLock],
        _thread: usize,
    ) -> io::Result<()> {
        loop {
            vrings[0].disable_notification().map_err(io::Error::other)?;
            self.serve(&vrings[0])?;
            if !vrings[0].enable_notification().map_err(io::Error::other)? {
                return Ok(());
            }
        }
    }
}

fn main() {
    let socket = env::args().nth(1).expect("rng SOCKET");
    let mut listener = Listener::new(&socket, true).expect("a socket");
    loop {
        let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
        let source = File::open("/dev/urandom").expect("/dev/urandom");
        let rng = Arc::new(Mutex::new(Rng { source, memory: memory.clone() }));
        let mut daemon = VhostUserDaemon::new("rng".into(), rng, memory).expect("a daemon");
        daemon.start(&mut listener).expect("a front-end");
        let _ = daemon.wait(); // until it is gone
    }
}
