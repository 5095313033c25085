// SPDX-License-Identifier: MIT
//! Requests: their bytes, and their one end.
use std::{
    io::{Read, Seek, Write},
    sync::{Arc, Mutex},
};

use libvu::{Buffers, Device, Error, LaterRequest, Le32, Queue, Request, Setup};
use libvu_tests::{attach, logged, said, served, Peer};

libvu::pod! {
    struct Header {
        kind: Le32,
        len: Le32,
    }
}

/// A device of one function.
struct Each<F>(F);

impl<F: Fn(Request<'_>) + Send + Sync + 'static> Device for Each<F> {
    fn request(&self, req: Request<'_>) {
        (self.0)(req)
    }
    fn failed(&self, buffers: &mut Buffers<'_>) {
        let _ = buffers.writable().fill(0xee);
    }
}

fn each(serve: impl Fn(Request<'_>) + Send + Sync + 'static) -> Peer {
    served(Setup::new(42).build(Each(serve)).unwrap(), 1)
}

#[test]
fn a_struct_and_bytes_go_through_segments_of_any_size() {
    let mut peer = each(|req| {
        let header: Header = req.read_obj(0).unwrap();
        assert_eq!((header.kind.get(), header.len.get()), (7, 5));
        let text = req.readable().slice(8, 5).unwrap().to_vec(5).unwrap();
        req.write_obj(0, &Header { kind: 8.into(), len: 5.into() }).unwrap();
        req.writable().slice(8, 5).unwrap().copy_from(&text.to_ascii_uppercase()).unwrap();
        req.complete();
    });
    let answer = peer.request(0, &[&[7, 0], &[0, 0, 5, 0, 0], &[0], b"he", b"llo"], &[3, 7, 20]);
    assert_eq!(answer, b"\x08\0\0\0\x05\0\0\0HELLO");
}

#[test]
fn what_is_not_there_is_short() {
    let mut peer = each(|req| {
        assert_eq!(req.read_obj::<u64>(0), Err(Error::Short));
        assert_eq!(req.write_obj(0, &1u64), Err(Error::Short));
        assert_eq!(req.readable().slice(3, 2).err(), Some(Error::Short));
        assert_eq!(req.readable().slice(u64::MAX, 2).err(), Some(Error::Short));
        assert!(req.readable().to_vec(3).is_err());
        assert_eq!(req.read_at(100, &mut [0; 4]), 0);
        assert_eq!(req.write_at(100, &[0; 4]), 0);
        assert_eq!(req.written(), 0);
        req.complete();
    });
    assert_eq!(peer.request(0, &[b"abcd"], &[4]), b"");
}

#[test]
fn files_are_read_and_written_without_a_copy() {
    let file = temporary();
    let mut inside = file.try_clone().unwrap();
    let mut peer = each(move |req| {
        let file = &file;
        if req.readable_len() != 0 {
            assert_eq!(req.readable().write_to(file, Some(3)), Ok(10));
        }
        let n = req.writable().slice(1, 100).unwrap().read_from(file, Some(0)).unwrap();
        assert_eq!(n, 13);
        req.complete();
    });
    let segments: Vec<&[u8]> = b"0123456789".chunks(1).collect();
    let answer = peer.request(0, &segments, &[2; 60]);
    assert_eq!(answer, b"\0\0\0\x000123456789");
    let mut all = String::new();
    inside.rewind().unwrap();
    inside.read_to_string(&mut all).unwrap();
    assert_eq!(all, "\0\0\x000123456789");
}

fn temporary() -> std::fs::File {
    let path = std::env::temp_dir().join(format!("libvu-rust-{}", std::process::id()));
    let file =
        std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file
}

#[test]
fn a_reader_and_a_writer_go_through_it() {
    let mut peer = each(|req| {
        let mut text = String::new();
        req.readable().read_to_string(&mut text).unwrap();
        let mut out = req.writable();
        write!(out, "{}-{}", text, text.len()).unwrap();
        assert_eq!(out.len(), 3);
        assert!(out.write_all(b"more").is_err());
        req.complete();
    });
    assert_eq!(peer.request(0, &[b"ab", b"cd"], &[4, 5]), b"abcd-4mor");
}

#[test]
fn segments_name_each_piece_once() {
    let mut peer = each(|req| {
        let pieces = req.writable().slice(1, 70).unwrap().segments().unwrap();
        assert_eq!(pieces.len(), 36);
        assert_eq!(pieces.iter().map(|piece| piece.iov_len).sum::<usize>(), 70);
        let req = req.complete_with(81).unwrap_err(); // of 80
        req.complete_with(80).unwrap();
    });
    assert_eq!(peer.request(0, &[], &[2; 40]).len(), 80);
}

#[test]
fn a_request_that_is_dropped_fails_as_the_device_says() {
    let (setup, lines) = logged(Setup::new(42).name("dropper"));
    let mut peer = served(setup.build(Each(|req: Request<'_>| drop(req))).unwrap(), 1);
    assert_eq!(peer.request(0, &[], &[3]), [0xee; 3]);
    assert!(said(&lines, "dropper: queue 0: a request was dropped"));
}

#[test]
fn a_panic_fails_its_request_alone() {
    let (setup, lines) = logged(Setup::new(42));
    let device = Each(|req: Request<'_>| {
        let kind: u8 = req.read_obj(0).unwrap();
        assert_ne!(kind, 1, "one is too many");
        req.write_at(0, &[kind]);
        req.complete();
    });
    let mut peer = served(setup.build(device).unwrap(), 1);
    let chains: Vec<_> = (0..3).map(|n| peer.add(0, &[&[n]], &[1])).collect();
    for _ in &chains {
        assert_eq!(peer.wait(0).len, 1);
    }
    let answers: Vec<_> = chains.iter().map(|chain| peer.written(chain)[0]).collect();
    assert_eq!(answers, [0, 0xee, 2]);
    assert!(said(&lines, "one is too many"));
}

/// Panics in everything; a payload whose drop panics, too.
struct Panics;
struct Bomb;
impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload's drop");
    }
}
impl Device for Panics {
    fn queue_ready(&self, queue: &Queue<'_>) {
        let _req = queue.next();
        std::panic::panic_any(Bomb);
    }
    fn failed(&self, _: &mut Buffers<'_>) {
        panic!("failed");
    }
    fn queue_stop(&self, _: &Queue<'_>) {
        panic!("queue_stop");
    }
    fn session_end(&self, _: &libvu::Control<'_>, _: Option<Error>) {
        panic!("session_end");
    }
    fn stopped(&self, _: &libvu::Control<'_>) {
        panic!("stopped");
    }
}

#[test]
fn panics_everywhere_end_at_the_border() {
    let (setup, lines) = logged(Setup::new(42));
    let mut peer = served(setup.build(Panics).unwrap(), 1);
    let chains: Vec<_> = (0..3).map(|_| peer.add(0, &[], &[1])).collect();
    for _ in &chains {
        assert_eq!(peer.wait(0).len, 0);
    }
    peer.stop();
    peer.disconnect();
    peer.pump();
    for text in ["queue_ready: panic", "failed() panicked", "queue_stop: panic", "stopped: panic"] {
        assert!(said(&lines, text), "{text}");
    }
    drop(peer);
    assert!(said(&lines, "session_end: panic"));
}

#[derive(Default)]
struct Keeps(Mutex<Vec<LaterRequest>>);

impl Device for Keeps {
    fn request(&self, req: Request<'_>) {
        self.0.lock().unwrap().push(req.later());
    }
    fn failed(&self, buffers: &mut Buffers<'_>) {
        buffers.write_at(0, b"!");
    }
}

#[test]
fn a_request_is_finished_later_on_another_thread() {
    let device = Arc::new(Keeps::default());
    let mut peer = served(Setup::new(42).build(Arc::clone(&device)).unwrap(), 1);
    let chains: Vec<_> = (0..4).map(|n| peer.add(0, &[&[n]], &[2])).collect();
    peer.kick(0);
    while device.0.lock().unwrap().len() < 4 {
        peer.pump();
    }
    let mut kept: Vec<_> = device.0.lock().unwrap().drain(..).collect();
    std::thread::spawn(move || {
        drop(kept.pop());
        kept.pop().unwrap().fail();
        for req in kept {
            let n: u8 = req.read_obj(0).unwrap();
            req.write_obj(0, &[n, n + 1]).unwrap();
            req.complete();
        }
    });
    let mut lens = [0; 4];
    for _ in 0..4 {
        let used = peer.wait(0);
        let at = chains.iter().position(|chain| chain.id == used.id).unwrap();
        lens[at] = used.len;
    }
    assert_eq!(lens, [2, 2, 1, 1]);
    assert_eq!(peer.written(&chains[1]), [1, 2]);
    assert_eq!(peer.written(&chains[3]), [b'!', 0]);
}

#[test]
fn a_request_that_outlives_its_device_is_harmless() {
    let device = Arc::new(Keeps::default());
    let mut peer = served(Setup::new(42).build(Arc::clone(&device)).unwrap(), 1);
    peer.add(0, &[b"x"], &[1]);
    peer.kick(0);
    while device.0.lock().unwrap().is_empty() {
        peer.pump();
    }
    peer.disconnect();
    peer.set_pump(|| {}); // drops the device
    let req = device.0.lock().unwrap().pop().unwrap();
    assert_eq!(req.read_obj::<u8>(0), Err(Error::Gone));
    assert_eq!(req.readable().segments().err(), Some(Error::Gone));
    assert_eq!(req.write_at(0, b"y"), 0);
    assert_eq!(req.writable().read_from(&std::io::stdin(), None), Err(Error::Gone));
    req.complete();
}

#[test]
fn what_a_device_keeps_goes_with_it() {
    // the device holds its requests, and they hold what it shares
    let device = Arc::new(Keeps::default());
    let weak = Arc::downgrade(&device);
    let mut peer = served(Setup::new(42).build(device).unwrap(), 1);
    peer.add(0, &[], &[1]);
    peer.kick(0);
    while weak.upgrade().unwrap().0.lock().unwrap().is_empty() {
        peer.pump();
    }
    peer.disconnect();
    peer.set_pump(|| {});
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_front_end_that_cuts_its_memory_off_ends_its_session_alone() {
    let device = Arc::new(Keeps::default());
    let mut peer = served(Setup::new(42).build(Arc::clone(&device)).unwrap(), 1);
    peer.add(0, &[&[1; 8192]], &[1]);
    peer.kick(0);
    while device.0.lock().unwrap().is_empty() {
        peer.pump();
    }
    peer.truncate(0);
    let req = device.0.lock().unwrap().pop().unwrap();
    assert_eq!(req.readable().to_vec(8192).unwrap(), [0; 8192]);
    req.complete();
    peer.wait_closed();
}

/// Takes two, and puts the newest back once.
#[derive(Default)]
struct PutsBack(Mutex<u32>);

impl Device for PutsBack {
    fn queue_ready(&self, queue: &Queue<'_>) {
        let (first, second) = match (queue.next(), queue.next()) {
            (Some(first), Some(second)) => (first, second),
            (first, _) => return first.into_iter().for_each(|req| req.complete()),
        };
        let first = first.put_back().unwrap_err(); // it is not the newest
        let mut times = self.0.lock().unwrap();
        *times += 1;
        if *times == 1 {
            second.set_progress(1).unwrap();
            second.put_back().unwrap();
            let again = queue.next().unwrap();
            assert_eq!(again.progress(), 1);
            assert_eq!(queue.outstanding(), 2);
            again.complete();
        } else {
            second.complete();
        }
        assert!(first.leave().is_err());
    }
}

#[test]
fn only_the_newest_request_is_put_back() {
    let mut peer = served(Setup::new(42).build(PutsBack::default()).unwrap(), 1);
    peer.add(0, &[b"a"], &[1]);
    peer.add(0, &[b"b"], &[1]);
    assert_eq!(peer.wait(0).len, 0);
    assert_eq!(peer.wait(0).len, 0);
}

#[test]
fn a_hundred_thousand_requests_come_and_go() {
    for packed in [false, true] {
        let mut peer = Peer::with_rings(1, packed, || {});
        let device = Each(|req: Request<'_>| {
            req.write_at(0, &[1]);
            if req.writable_len() == 1 {
                req.later().complete()
            } else {
                req.complete()
            }
        });
        attach(&mut peer, Setup::new(42).build(device).unwrap());
        peer.start();
        let (short, long) = (peer.add(0, &[], &[1]), peer.add(0, &[], &[2]));
        let mut done = 0;
        while done < 50_000 {
            peer.kick(0);
            peer.pump();
            while peer.collect(0).is_some() {
                done += 1;
                peer.add_again(0, if done % 2 == 0 { &short } else { &long });
            }
        }
    }
}
