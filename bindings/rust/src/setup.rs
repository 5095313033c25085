// SPDX-License-Identifier: MIT
//! What a device is and offers, before it is made.
use std::{ffi::CString, sync::Arc, time::Duration};

use libvu_sys as c;

use crate::{
    class::{Classes, Crypto, Gpu, Net, SharedObjects, State},
    log::{text, Level, Sink},
    Backend, Device, Pod, Result,
};

/// What a device is and offers; [`build`](Setup::build) makes it.
pub struct Setup {
    pub(crate) raw: c::vu_device_info,
    pub(crate) name: Option<CString>,
    config: Vec<u8>,
    writable: Option<Vec<u8>>,
    pub(crate) sink: Sink,
    pub(crate) classes: Classes,
    pub(crate) queues: Vec<(u32, c::vu_queue_info)>,
    pub(crate) extras: Extras,
}

// Safety: the pointers of `raw` are NULL until to_c() sets those of a copy.
unsafe impl Send for Setup {}

/// What is set by functions once the device is there.
#[derive(Clone, Default)]
pub(crate) struct Extras {
    pub(crate) postcopy: bool,
    pub(crate) host_notifiers: bool,
    pub(crate) watch_memory: bool,
    pub(crate) message_timeout: Option<Duration>,
    pub(crate) shared_memory: Vec<u64>,
}

/// What is particular about one queue; 0 and false keep the device's.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueueSetup {
    /// Largest ring taken, in entries.
    pub max_size: u32,
    /// Longest chain taken, in segments.
    pub max_segs: u32,
    /// What a started but disabled ring offers is completed with 0 bytes instead of kept.
    pub discard_when_disabled: bool,
}

impl Setup {
    /// A device of this virtio id (virtio 1.3 §5), with one queue.
    pub fn new(device_id: u32) -> Setup {
        // Safety: numbers, and pointers that may be NULL.
        let mut raw: c::vu_device_info = unsafe { std::mem::zeroed() };
        raw.size = std::mem::size_of::<c::vu_device_info>();
        raw.device_id = device_id;
        raw.n_queues = 1;
        raw.log_level = c::VU_LOG_WARNING;
        Setup {
            raw,
            name: None,
            config: Vec::new(),
            writable: None,
            sink: Sink::Default,
            classes: Classes::default(),
            queues: Vec::new(),
            extras: Extras::default(),
        }
    }

    /// What log lines call it.
    pub fn name(mut self, name: &str) -> Setup {
        self.name = Some(text(name));
        self
    }

    /// How many virtqueues, 1 to 256.
    pub fn queues(mut self, n: u32) -> Setup {
        self.raw.n_queues = n;
        self
    }

    /// What is particular about one queue.
    pub fn queue(mut self, index: u32, setup: QueueSetup) -> Setup {
        let raw = c::vu_queue_info {
            size: std::mem::size_of::<c::vu_queue_info>(),
            max_size: setup.max_size,
            max_segs: setup.max_segs,
            priv_size: 0,
            discard_when_disabled: setup.discard_when_disabled.into(),
        };
        self.queues.push((index, raw));
        self
    }

    /// The device type's own feature bits to offer: bit n at `1 << n`.
    pub fn features(mut self, mask: u128) -> Setup {
        (self.raw.features, self.raw.features_high) = (mask as u64, (mask >> 64) as u64);
        self
    }

    /// Bits that the driver must accept.
    pub fn required(mut self, mask: u128) -> Setup {
        (self.raw.required, self.raw.required_high) = (mask as u64, (mask >> 64) as u64);
        self
    }

    /// Bits of the library's own that are never offered.
    pub fn forbidden(mut self, mask: u128) -> Setup {
        (self.raw.forbidden, self.raw.forbidden_high) = (mask as u64, (mask >> 64) as u64);
        self
    }

    /// The configuration space at first.
    pub fn config<T: Pod>(mut self, config: &T) -> Setup {
        self.config = config.as_bytes().to_vec();
        self
    }

    /// Bits that the driver may write, those that are 1.
    pub fn config_writable<T: Pod>(mut self, mask: &T) -> Setup {
        self.writable = Some(mask.as_bytes().to_vec());
        self
    }

    /// Largest ring taken, in entries, and longest chain, in segments; 0 keeps the library's.
    pub fn limits(mut self, max_queue_size: u32, max_segs: u32) -> Setup {
        (self.raw.max_queue_size, self.raw.max_segs) = (max_queue_size, max_segs);
        self
    }

    /// Bytes of guest memory that may be mapped at a time.
    pub fn max_memory(mut self, bytes: u64) -> Setup {
        self.raw.max_memory = bytes;
        self
    }

    fn flag(mut self, flag: c::vu_device_flags) -> Setup {
        self.raw.flags |= flag;
        self
    }

    /// Serves drivers that do not accept VIRTIO_F_VERSION_1, too.
    pub fn legacy(self) -> Setup {
        self.flag(c::VU_DEVICE_LEGACY)
    }

    /// Offers in-band notifications, for simulators.
    pub fn in_band(self) -> Setup {
        self.flag(c::VU_DEVICE_INBAND)
    }

    /// Maps files of every file system, also of those that may keep the device waiting.
    pub fn any_memory(self) -> Setup {
        self.flag(c::VU_DEVICE_ANY_MEMORY)
    }

    /// Checks each call; costs a little.
    pub fn debug(self) -> Setup {
        self.flag(c::VU_DEVICE_DEBUG)
    }

    /// Works behind an IOMMU of the virtual machine's.
    pub fn iommu(mut self) -> Setup {
        self.raw.features |= 1 << c::VU_F_ACCESS_PLATFORM;
        self
    }

    /// Lets guests move here by postcopy migration, in which a front-end can hold up threads.
    pub fn postcopy(mut self) -> Setup {
        self.extras.postcopy = true;
        self
    }

    /// Offers [`Handle::set_host_notifier`](crate::Handle::set_host_notifier).
    pub fn host_notifiers(mut self) -> Setup {
        self.extras.host_notifiers = true;
        self
    }

    /// Calls [`Device::memory_changed`].
    pub fn watch_memory(mut self) -> Setup {
        self.extras.watch_memory = true;
        self
    }

    /// Shared memory regions, by their bytes; see
    /// [`Handle::map_shared_memory`](crate::Handle::map_shared_memory).
    pub fn shared_memory(mut self, lens: &[u64]) -> Setup {
        self.extras.shared_memory = lens.to_vec();
        self
    }

    /// How long a front-end may be silent in the wrong places; zero: for ever.
    pub fn message_timeout(mut self, timeout: Duration) -> Setup {
        self.extras.message_timeout = Some(timeout);
        self
    }

    /// Lines up to this level are logged; at first, up to warnings.
    pub fn log_level(mut self, level: Level) -> Setup {
        self.raw.log_level = level.to_c();
        self
    }

    /// Where log lines go, instead of standard error (or the crate `log`, with that feature).  It
    /// must not use the device, and is called on any thread.
    pub fn logger(mut self, logger: impl Fn(Level, &str) + Send + Sync + 'static) -> Setup {
        self.sink = Sink::Function(Arc::new(logger));
        self
    }

    /// It is a network device, whose front-end may say these things.
    pub fn net(mut self, net: impl Net) -> Setup {
        self.classes.net = Some(Arc::new(net));
        self
    }

    /// It is a crypto device.
    pub fn crypto(mut self, crypto: impl Crypto) -> Setup {
        self.classes.crypto = Some(Arc::new(crypto));
        self
    }

    /// It is a graphics device.
    pub fn gpu(mut self, gpu: impl Gpu) -> Setup {
        self.classes.gpu = Some(Arc::new(gpu));
        self
    }

    /// It has state that moves with the virtual machine.
    pub fn state(mut self, state: impl State) -> Setup {
        self.classes.state = Some(Arc::new(state));
        self
    }

    /// It shares objects with other devices.
    pub fn shared_objects(mut self, objects: impl SharedObjects) -> Setup {
        self.classes.objects = Some(Arc::new(objects));
        self
    }

    /// Makes the device.
    pub fn build(self, device: impl Device) -> Result<Backend> {
        Backend::new(self, Box::new(device))
    }

    /// For C; valid as long as this value.
    pub(crate) fn to_c(&self, writable: &mut Vec<u8>) -> c::vu_device_info {
        // Safety: plain data, of which the pointers are NULL.
        let mut raw = unsafe { std::ptr::read(&self.raw) };
        raw.name = self.name.as_ref().map_or(std::ptr::null(), |name| name.as_ptr());
        if !self.config.is_empty() {
            raw.config = self.config.as_ptr().cast();
            raw.config_size = self.config.len() as u32;
            if let Some(mask) = &self.writable {
                *writable = mask.clone();
                writable.resize(self.config.len(), 0);
                raw.config_writable = writable.as_ptr().cast();
            }
        }
        raw
    }

    pub(crate) fn has_config(&self) -> bool {
        !self.config.is_empty()
    }
}
