// SPDX-License-Identifier: MIT
//! Devices: sessions, features, configuration space, state, and what front-ends say.
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{
    atomic::{AtomicU32, Ordering},
    mpsc::{channel, Sender},
    Arc, Mutex,
};

use libvu::{
    Answer, Control, Device, Error, Le32, Net, Pod, Request, Result, Setup, State, StateReader,
    StateWriter,
};
use libvu_tests::{attach, logged, said, served, Peer};

libvu::pod! {
    struct Config {
        shown: Le32,
        set: Le32,
    }
}

/// Says what happens to it.
struct Told(Mutex<Sender<String>>);

impl Told {
    fn tell(&self, what: impl Into<String>) {
        let _ = self.0.lock().unwrap().send(what.into());
    }
}

impl Device for Told {
    fn request(&self, req: Request<'_>) {
        req.complete();
    }
    fn session_begin(&self, _: &Control<'_>) -> Result<()> {
        self.tell("begin");
        Ok(())
    }
    fn session_end(&self, _: &Control<'_>, why: Option<Error>) {
        self.tell(format!("end {why:?}"));
    }
    fn started(&self, on: &Control<'_>) -> Result<()> {
        self.tell(format!("started {}", on.has_feature(32)));
        Ok(())
    }
    fn stopped(&self, _: &Control<'_>) {
        self.tell("stopped");
    }
    fn config_read(&self, _: &Control<'_>, offset: u32, bytes: &mut [u8]) -> Result<()> {
        if offset == 0 {
            bytes[3] = 0x77;
        }
        Ok(())
    }
    fn config_written(&self, on: &Control<'_>, offset: u32, len: u32) -> Result<()> {
        let config: Config = on.config()?;
        self.tell(format!("written {offset} {len} {}", config.set.get()));
        if config.set.get() == 13 {
            return Err(Error::Os(22));
        }
        Ok(())
    }
}

#[test]
fn a_session_has_a_beginning_and_an_end_and_comes_again() {
    let (sender, heard) = channel();
    let mut peer = Peer::new(1, || {});
    let backend = Rc::new(Setup::new(42).build(Told(Mutex::new(sender))).unwrap());
    let handle = backend.handle();
    for _ in 0..2 {
        backend.attach(peer.open()).unwrap();
        assert!(backend.is_attached());
        let device = Rc::clone(&backend);
        peer.set_pump(move || while device.process().unwrap().more {});
        peer.start();
        assert_eq!(peer.request(0, &[b"x"], &[]), b"");
        peer.stop();
        peer.disconnect();
        while backend.is_attached() {
            peer.pump();
        }
        let all: Vec<_> = heard.try_iter().collect();
        assert_eq!(all, ["begin", "started true", "stopped", "end None"]);
    }
    assert_eq!(handle.counters(0).unwrap().requests, 2);
    assert_eq!(handle.name().unwrap(), "virtio42");
    peer.set_pump(|| {});
    drop(backend);
    assert_eq!(handle.counters(0), Err(Error::Gone));
    assert_eq!(handle.name(), Err(Error::Gone));
    assert_eq!(handle.run(|_| panic!("never")), Err(Error::Gone));
    handle.log(libvu::Level::Error, "nobody hears it");
}

#[test]
fn the_configuration_space_is_a_struct() {
    let (sender, heard) = channel();
    let config = Config { shown: 5.into(), set: 6.into() };
    let setup = Setup::new(42)
        .config(&config)
        .config_writable(&Config { set: u32::MAX.into(), ..Config::zeroed() });
    let backend = setup.build(Told(Mutex::new(sender))).unwrap();
    let handle = backend.handle();
    let mut peer = Peer::new(1, || {});
    attach(&mut peer, backend);
    peer.start();
    assert_eq!(peer.config(0, 8).unwrap(), [5, 0, 0, 0x77, 6, 0, 0, 0]);
    assert!(peer.set_config(4, &9u32.to_le_bytes()));
    assert!(!peer.set_config(0, &9u32.to_le_bytes())); // read-only
    assert!(!peer.set_config(4, &13u32.to_le_bytes()));
    let all: Vec<_> = heard.try_iter().filter(|line| line.starts_with("written")).collect();
    assert_eq!(all, ["written 4 4 9", "written 4 4 13"]);

    handle.set_config(&Config { shown: 1.into(), set: 2.into() }).unwrap();
    peer.config_changed();
    assert_eq!(handle.config::<Config>().unwrap().shown.get(), 1);
    assert_eq!(handle.config_set(6, &[0; 4]), Err(Error::Os(34)));
    assert!(handle.config::<[u8; 9]>().is_err());
}

struct Refuses {
    features: bool,
    session: bool,
}

impl Device for Refuses {
    fn session_begin(&self, _: &Control<'_>) -> Result<()> {
        if self.session {
            return Err(Error::Os(13));
        }
        Ok(())
    }
    fn features_acked(&self, _: &Control<'_>, features: u128) -> Result<()> {
        if self.features && features & 1 != 0 {
            panic!("no bit 0, please");
        }
        Ok(())
    }
}

#[test]
fn a_device_refuses_a_session() {
    let backend = Setup::new(42).build(Refuses { features: false, session: true }).unwrap();
    let mut peer = Peer::new(1, || {});
    assert_eq!(backend.attach(peer.open()), Err(Error::Os(13)));
    assert!(!backend.is_attached());
    let (end, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
    assert!(backend.attach(end).is_err()); // no stream
}

#[test]
fn a_panic_in_features_acked_is_a_veto() {
    let (setup, lines) = logged(Setup::new(42).features(3));
    let backend = setup.build(Refuses { features: true, session: false }).unwrap();
    let mut peer = Peer::new(1, || {});
    attach(&mut peer, backend);
    assert!(!peer.try_start());
    assert!(said(&lines, "no bit 0, please"));
}

#[test]
fn what_cannot_be_is_an_error() {
    struct Nothing;
    impl Device for Nothing {}
    let build = |setup: Setup| setup.log_level(libvu::Level::Error).build(Nothing).err();
    let quiet = || Setup::new(42).logger(|_, _| panic!("a logger that panics"));
    assert_eq!(build(quiet().queues(0)), Some(Error::Os(22)));
    assert_eq!(build(quiet().queues(1000)), Some(Error::Os(22)));
    assert_eq!(build(quiet().required(1)), Some(Error::Os(22)));
    assert_eq!(build(quiet().config(&[0u8; 5000])), Some(Error::Os(22)));
    assert_eq!(build(quiet().queue(1, libvu::QueueSetup::default())), Some(Error::Os(22)));
    assert_eq!(build(quiet().shared_memory(&[3])), Some(Error::Os(22)));
    assert_eq!(build(quiet()), None);
}

#[test]
fn a_default_device_fails_what_comes() {
    struct Nothing;
    impl Device for Nothing {}
    let mut peer = served(Setup::new(42).build(Box::new(Nothing)).unwrap(), 1);
    assert_eq!(peer.request(0, &[b"x"], &[8]), b"");
}

#[test]
fn functions_run_on_the_device_thread() {
    let (sender, heard) = channel();
    let backend = Setup::new(42).build(Told(Mutex::new(sender.clone()))).unwrap();
    let handle = backend.handle();
    let mut peer = Peer::new(1, || {});
    attach(&mut peer, backend);
    peer.start();
    handle.run(|_| panic!("a function that panics")).unwrap();
    handle
        .run(move |on| {
            assert!(on.memory().unwrap().regions()[0].len > 0);
            assert!(on.memory().unwrap().read(u64::MAX - 1, &mut [0; 4]).is_err());
            sender.send("ran".into()).unwrap();
            on.detach();
        })
        .unwrap();
    peer.wait_closed();
    let all: Vec<_> = heard.try_iter().collect();
    assert_eq!(all, ["begin", "started true", "ran", "stopped", "end None"]);
}

#[test]
fn what_a_front_end_sent_is_closed_for_all_who_hold_it() {
    let (sender, heard) = channel();
    let backend = Setup::new(42).build(Told(Mutex::new(sender.clone()))).unwrap();
    let (mut theirs, ours) = UnixStream::pair().unwrap();
    let other = ours.try_clone().unwrap();
    let run = move |on: &Control<'_>| {
        on.close_fd(ours);
        sender.send("closed".into()).unwrap();
    };
    backend.handle().run(run).unwrap();
    while !heard.try_iter().any(|line| line == "closed") {
        backend.process().unwrap();
    }
    let error = theirs.write_all(b"nobody hears it").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    drop(other);
}

#[derive(Default)]
struct Counts(AtomicU32);

impl Device for Counts {}

impl State for Counts {
    fn save(&self, _: &Control<'_>, state: &mut StateWriter<'_>) -> Result<()> {
        state.put_u64(1, self.0.load(Ordering::Relaxed).into())?;
        state.put_optional(2, b"a hint")?;
        state.put_obj(3, &Le32::new(4))
    }
    fn load(&self, _: &Control<'_>, state: &StateReader<'_>) -> Result<()> {
        let count = state.get_u64(1)?;
        assert_eq!((state.get(2, 0), state.get(2, 1)), (Some(&b"a hint"[..]), None));
        assert_eq!(state.get_obj::<Le32>(3), Some(Le32::new(4)));
        assert_eq!(state.get_obj::<u64>(3), None);
        if count > 1000 {
            return Err(Error::Os(22));
        }
        self.0.store(count as u32, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn state_moves_to_another_device() {
    let moved = |count: u32| {
        let device = Arc::new(Counts(count.into()));
        let backend = Setup::new(42).state(Arc::clone(&device)).build(Arc::clone(&device)).unwrap();
        (device, served(backend, 1))
    };
    for (count, taken) in [(77, true), (5000, false)] {
        let (_, mut from) = moved(count);
        from.stop();
        let state = from.save_state();
        let (device, mut to) = moved(0);
        to.stop();
        assert_eq!(to.load_state(&state), taken);
        assert_eq!(device.0.load(Ordering::Relaxed), if taken { count } else { 0 });
    }
}

const NET_SET_MTU: u32 = 20;

/// Takes an MTU of 1500 at once, 1600 later, and drops the answer else.
struct Mtu;

impl Net for Mtu {
    fn set_mtu(&self, _: &Control<'_>, mtu: u16, answer: Answer<()>) {
        match mtu {
            1500 => assert!(answer.give(Ok(()))),
            1600 => drop(std::thread::spawn(move || answer.give(Ok(())))),
            1700 => panic!("a panic drops it, too"),
            _ => {}
        }
    }
    fn send_rarp(&self, _: &Control<'_>, _: [u8; 6], answer: Answer<()>) {
        answer.give(Ok(()));
    }
}

#[test]
fn an_answer_is_given_once_now_or_later_and_dropped_it_says_no() {
    let backend = Setup::new(1).net(Arc::new(Mtu)).build(Counts::default()).unwrap();
    let mut peer = served(backend, 1);
    for (mtu, taken) in [(1500u64, true), (1600, true), (1700, false), (1800, false)] {
        assert_eq!(peer.tell(NET_SET_MTU, &mtu.to_le_bytes()), taken, "{mtu}");
    }
}

#[test]
fn a_logger_that_uses_its_device_harms_nothing() {
    let place = Arc::new(Mutex::new(None::<libvu::Handle>));
    let within = Arc::clone(&place);
    let setup = Setup::new(42).logger(move |_, _| {
        if let Some(handle) = within.lock().unwrap().take() {
            assert_eq!(handle.timer(|_, _| {}).err(), Some(Error::WrongThread));
            handle.run(|_| {}).unwrap();
        }
    });
    let backend = setup.build(Counts::default()).unwrap();
    let handle = backend.handle();
    *place.lock().unwrap() = Some(handle.clone());
    handle.log(libvu::Level::Warning, "a line\0 with a zero byte");
    assert!(place.lock().unwrap().is_none());
}
