// SPDX-License-Identifier: MIT
//! A device from its beginning to its end, under Miri: callbacks, requests on other threads, panics,
//! and an end while others are at it.
use super::{made::Made, stand_in::Fake};
use crate::{
    border::Within, Backend, Buffers, Control, Device, Error, LaterRequest, Le64, Request, Result,
    Setup,
};
use libvu_sys as c;
use std::{
    sync::{mpsc, Arc, Mutex},
    thread,
};

type Serve = Box<dyn Fn(Request<'_>) + Send + Sync>;

struct Does(Serve);

impl Device for Does {
    fn request(&self, req: Request<'_>) {
        (self.0)(req);
    }

    fn failed(&self, buffers: &mut Buffers<'_>) {
        buffers.write_at(0, b"?");
    }

    fn features_acked(&self, device: &Control<'_>, features: u128) -> Result<()> {
        assert!(features != 1 << 64, "no");
        device.set_config(&Le64::from(features as u64))
    }

    fn config_read(&self, _: &Control<'_>, offset: u32, bytes: &mut [u8]) -> Result<()> {
        bytes.fill(offset as u8);
        Ok(())
    }
}

fn device(serve: impl Fn(Request<'_>) + Send + Sync + 'static) -> Backend {
    Setup::new(4).config(&Le64::from(0)).build(Does(Box::new(serve))).unwrap()
}

fn fake(device: &Backend) -> *mut Fake {
    device.dev().cast()
}

/// What C does when the driver has made requests available.
fn kick(device: &Backend, requests: &[&Made]) {
    let fake = fake(device);
    // Safety: the device is there.
    unsafe {
        (*fake).waiting.lock().unwrap().extend(requests.iter().map(|made| made.req));
        (*fake).ops.queue_ready.unwrap()(fake.cast(), (*fake).opaque);
    }
}

fn made() -> Made {
    Made::new(&[b"abc"], &[b"..", b".."])
}

#[test]
fn each_end_of_a_request_is_one() {
    let device = device(|req| match req.read_obj::<u8>(0).unwrap() {
        b'c' => {
            req.writable().fill(b'x').unwrap();
            req.complete();
        }
        b'w' => req.complete_with(5).unwrap_err().complete_with(2).unwrap(),
        b'f' => req.fail(),
        b'd' => drop(req),
        b'b' => req.put_back().unwrap_err().complete(),
        b'l' => req.later().complete(),
        b'p' => panic!("here"),
        _ => req.later().fail(),
    });
    for (word, found, done) in [
        (b"c", b"xxxx", 4),
        (b"w", b"....", 2),
        (b"f", b"?...", 1),
        (b"d", b"?...", 1),
        (b"b", b"....", 0),
        (b"l", b"....", 0),
        (b"p", b"?...", 1),
        (b" ", b"?...", 1),
    ] {
        let made = [Made::new(&[word], &[b"..", b".."]), Made::new(&[word], &[b"....", b""])];
        kick(&device, &[&made[0], &made[1]]);
        for made in made {
            assert_eq!((made.found().as_slice(), made.completed()), (&found[..], vec![done]));
        }
    }
}

#[test]
fn requests_are_finished_elsewhere() {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let device = device(move |req| sender.lock().unwrap().send(req.later()).unwrap());
    let all = [made(), made(), made()];
    let work = thread::spawn(move || {
        for (n, req) in receiver.into_iter().take(3).enumerate() {
            let req: LaterRequest = req;
            req.write_at(0, &req.readable().to_vec(3).unwrap());
            match n {
                0 => req.complete(),
                1 => req.complete_with(4).unwrap(),
                _ => drop(req),
            }
        }
    });
    kick(&device, &[&all[0], &all[1], &all[2]]);
    work.join().unwrap();
    drop(device); // earlier, what is not finished never is
    assert_eq!((all[0].found().as_slice(), all[0].completed()), (&b"abc."[..], vec![3]));
    assert_eq!(all[1].completed(), [4]);
}

/// The device ends while another thread uses it and its request.
#[test]
fn the_end_waits_for_who_is_inside() {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let device = device(move |req| *keep.lock().unwrap() = Some(req.later()));
    let made = made();
    kick(&device, &[&made]);
    let (handle, req) = (device.handle(), kept.lock().unwrap().take().unwrap());
    let user = thread::spawn(move || {
        let mut n = 0;
        loop {
            req.write_at(0, b"z");
            match handle.set_config(&Le64::from(n)) {
                Ok(()) => assert_eq!(handle.config::<Le64>().map_or(n, |config| config.get()), n),
                Err(error) => break assert_eq!(error, Error::Gone),
            }
            n += 1; // without a pause, so that it is nearly always inside
        }
        assert_eq!((req.read_at(0, &mut [0]), req.write_at(0, b"y")), (0, 0));
        req.complete();
    });
    thread::yield_now();
    drop(device);
    user.join().unwrap();
    assert!(made.completed().is_empty());
}

#[test]
fn a_request_that_is_in_its_device_ends_with_it() {
    let kept = Arc::new(Mutex::new(None::<LaterRequest>));
    let weak = Arc::downgrade(&kept);
    let keep = Mutex::new(Some(kept)); // the device's alone
    let device = device(move |req| {
        let keep = keep.lock().unwrap();
        *keep.as_ref().unwrap().lock().unwrap() = Some(req.later());
    });
    let made = made();
    kick(&device, &[&made]);
    drop(device);
    assert!(weak.upgrade().is_none() && made.completed().is_empty());
}

#[test]
fn callbacks_have_results() {
    let device = device(|_| {});
    let fake = fake(&device);
    let dev = fake.cast();
    // Safety: the device is there, and it is its thread.
    unsafe {
        let (ops, opaque) = (&(*fake).ops, (*fake).opaque);
        assert_eq!(ops.session_begin.unwrap()(dev, opaque), 0);
        assert_eq!(ops.features_acked.unwrap()(dev, 5, 0, opaque), 0);
        assert_eq!(ops.features_acked.unwrap()(dev, 0, 1, opaque), -5);
        let mut bytes = [0_u8; 3];
        assert_eq!(ops.config_read.unwrap()(dev, 7, bytes.as_mut_ptr().cast(), 3, opaque), 0);
        assert_eq!(bytes, [7; 3]);
        assert_eq!(ops.config_read.unwrap()(dev, 7, std::ptr::null_mut(), 0, opaque), 0);
        ops.queue_stop.unwrap()(fake.cast::<c::vu_queue>(), opaque);
        ops.session_end.unwrap()(dev, -4, opaque);
    }
    assert_eq!(device.handle().config::<Le64>().unwrap().get(), 5);
    assert_eq!(device.handle().config::<[u8; 9]>().unwrap_err(), Error::from_errno(34));
}

#[test]
fn dropped_in_a_callback_it_ends_after_it() {
    let device = device(|_| {});
    let handle = device.handle();
    {
        let _within = Within::enter(1);
        drop(device);
    }
    while handle.config::<Le64>().err() != Some(Error::Gone) {
        thread::yield_now();
    }
}
