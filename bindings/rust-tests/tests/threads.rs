// SPDX-License-Identifier: MIT
//! Groups on threads, sources, runners, and what is refused where.
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::{channel, Sender},
        Arc, Mutex,
    },
    thread,
    time::Duration,
};

use libvu::{
    Backend, Control, Device, Error, Events, Group, Handle, LaterRequest, Queue, Request, Result,
    Runner, RunnerSetup, Setup, Source, Worker, WorkerSetup,
};
use libvu_tests::Peer;

/// Writes the name of the thread that serves it.
struct Names;

impl Device for Names {
    fn request(&self, req: Request<'_>) {
        let name = thread::current().name().unwrap_or("?").to_string();
        let _ = req.writable().slice(0, name.len() as u64).map(|at| at.copy_from(name.as_bytes()));
        req.complete();
    }
}

fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("libvu-rust-{}-{name}", std::process::id()))
}

/// Runs a runner on a thread while a peer is connected to its socket.
fn run(mut runner: Runner, path: PathBuf, queues: u32, with: impl FnOnce(&mut Peer)) -> Runner {
    let stopper = runner.stopper();
    let thread = thread::Builder::new()
        .name("device".into())
        .spawn(move || {
            runner.run().unwrap();
            runner
        })
        .unwrap();
    let mut peer = Peer::new(queues, thread::yield_now);
    while !peer.try_connect(&path) {
        thread::yield_now();
    }
    peer.start();
    with(&mut peer);
    stopper.stop();
    let runner = thread.join().unwrap();
    drop(peer);
    runner
}

#[test]
fn queues_of_a_runner_are_served_by_workers() {
    let path = socket("workers");
    let device = Setup::new(42).queues(2).build(Names).unwrap();
    let group = Group::new().unwrap();
    device.set_group(1, &group).unwrap();
    assert_eq!(device.set_group(1, &Group::new().unwrap()), Err(Error::Busy));
    assert_eq!(device.set_group(2, &group), Err(Error::Os(22)));
    let mut runner = Runner::new().unwrap();
    runner.add_worker(&group, WorkerSetup::default()).unwrap();
    assert_eq!(runner.add_worker(&group, WorkerSetup::default()), Err(Error::Busy));
    let id = runner.listen(device, &path).unwrap();
    let mut runner = run(runner, path.clone(), 2, |peer| {
        assert_eq!(peer.request(0, &[], &[6]), b"device");
        assert_ne!(peer.request(1, &[], &[6]), b"device");
    });
    assert!(runner.device(id).is_some());
    let device = runner.remove(id).unwrap();
    assert_eq!(runner.remove(id).err(), Some(Error::Gone));
    let stopper = runner.stopper();
    drop(runner);
    stopper.stop();
    assert!(!device.is_attached());
    assert!(!path.exists());
}

#[test]
fn a_thread_of_ones_own_serves_a_group() {
    let path = socket("own");
    let device = Setup::new(42).build(Names).unwrap();
    let group = Group::new().unwrap();
    device.set_group(0, &group).unwrap();
    let end = AtomicBool::new(false);
    let mut runner = Runner::new().unwrap();
    runner.listen(device, &path).unwrap();
    thread::scope(|scope| {
        let serving = scope.spawn(|| group.serve(|| !end.load(Ordering::Acquire)));
        let served = AtomicBool::new(false);
        run(runner, path, 1, |peer| {
            assert_ne!(peer.request(0, &[], &[6]), b"device");
            assert_eq!(group.serve(|| false), Err(Error::Busy));
            served.store(true, Ordering::Release);
        });
        end.store(true, Ordering::Release);
        group.wake();
        serving.join().unwrap().unwrap();
    });
    group.serve(|| false).unwrap();
}

/// Keeps what comes until a timer on the queue's thread takes more.
#[derive(Default)]
struct Pulled {
    kept: Mutex<Vec<LaterRequest>>,
    handle: Mutex<Option<Handle>>,
}

impl Device for Pulled {
    fn queue_ready(&self, _: &Queue<'_>) {}
}

#[test]
fn a_timer_takes_requests_of_a_queue_that_its_group_serves() {
    let path = socket("timer");
    let pulled = Arc::new(Pulled::default());
    let device = Setup::new(42).queues(2).build(Arc::clone(&pulled)).unwrap();
    *pulled.handle.lock().unwrap() = Some(device.handle());
    let group = Group::new().unwrap();
    device.set_group(0, &group).unwrap();
    let timer = group
        .timer(move |turn, times| {
            assert!(times > 0);
            let handle = pulled.handle.lock().unwrap().clone().unwrap();
            assert!(turn.queue(&handle, 1).is_none()); // another thread's
            assert!(turn.queue(&handle, 2).is_none());
            let queue = turn.queue(&handle, 0).unwrap();
            while let Some(req) = queue.next() {
                req.write_at(0, b"timer");
                pulled.kept.lock().unwrap().push(req.later());
            }
            pulled.kept.lock().unwrap().drain(..).for_each(LaterRequest::complete);
        })
        .unwrap();
    timer.set_timer(Duration::from_millis(1), Duration::from_millis(1)).unwrap();
    let mut runner = Runner::new().unwrap();
    runner.add_worker(&group, WorkerSetup::default()).unwrap();
    runner.listen(device, &path).unwrap();
    run(runner, path, 2, |peer| {
        assert_eq!(peer.request(0, &[], &[5]), b"timer");
        assert_eq!(group.timer(|_, _| {}).err(), Some(Error::WrongThread));
        timer.set_timer(Duration::ZERO, Duration::ZERO).unwrap();
        timer.remove();
    });
}

/// Says so when it is dropped.
struct Drops(Sender<&'static str>, &'static str);

impl Drop for Drops {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

struct Nothing;
impl Device for Nothing {}

fn turn(device: &Backend) {
    while device.process().unwrap().more {}
}

#[test]
#[allow(clippy::forget_non_drop)] // that there is nothing to drop is what it is about
fn a_queue_that_a_turn_forgets_keeps_no_device() {
    let device = Setup::new(42).build(Names).unwrap();
    let group = Group::new().unwrap();
    device.set_group(0, &group).unwrap();
    let handle = device.handle();
    group
        .poll(move |turn| {
            std::mem::forget(turn.queue(&handle, 0).unwrap());
            std::mem::forget(turn.queue(&handle, 0).unwrap());
            turn.source().remove();
            false
        })
        .unwrap();
    let mut passes = 2;
    group
        .serve(|| {
            group.wake();
            passes -= 1;
            passes > 0
        })
        .unwrap();
    let handle = device.handle();
    drop(device); // which waits for who is inside
    assert!(handle.name().is_err());
}

#[test]
fn a_watch_owns_its_descriptor_and_ends_itself() {
    let device = Setup::new(42).build(Nothing).unwrap();
    let (sender, heard) = channel();
    let (mut near, far) = UnixStream::pair().unwrap();
    let drops = Drops(sender.clone(), "dropped");
    device
        .watch(far, Events::IN, move |turn, far, events| {
            let _drops = &drops;
            assert_eq!(events, Events::IN);
            let mut byte = [0];
            far.read_exact(&mut byte).unwrap();
            sender.send("read").unwrap();
            if byte == *b"e" {
                turn.source().remove();
            }
            if byte == *b"p" {
                panic!("a watch");
            }
        })
        .unwrap();
    near.write_all(b"abpe").unwrap();
    let mut all: Vec<_> = Vec::new();
    while all.len() < 5 {
        turn(&device);
        all.extend(heard.try_iter());
    }
    assert_eq!(all, ["read", "read", "read", "read", "dropped"]);
    assert_eq!(near.read(&mut [0]).unwrap(), 0); // closed
}

#[test]
fn sources_go_with_what_they_are_of() {
    let (sender, heard) = channel();
    let add = |which: &'static str| {
        let drops = Drops(sender.clone(), which);
        move |_: &libvu::Turn<'_>, _: u32| {
            let _ = &drops;
        }
    };
    let device = Setup::new(42).build(Nothing).unwrap();
    let group = Group::new().unwrap();
    let sources = [device.timer(add("device")).unwrap(), group.timer(add("group")).unwrap()];
    assert_eq!(heard.try_iter().count(), 0);
    drop(device);
    assert_eq!(heard.try_recv(), Ok("device"));
    drop(group);
    assert_eq!(heard.try_recv(), Ok("group"));
    for source in &sources {
        assert_eq!(source.set_timer(Duration::ZERO, Duration::ZERO), Err(Error::Gone));
        source.remove();
    }
}

#[test]
fn a_source_is_what_it_was_made_as() {
    let device = Setup::new(42).build(Nothing).unwrap();
    let (near, _far) = UnixStream::pair().unwrap();
    let polls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&polls);
    let poll: Source = device
        .poll(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            false
        })
        .unwrap();
    turn(&device);
    assert!(polls.load(Ordering::Relaxed) > 0);
    poll.remove(); // elsewhere than in a callback: soon
    turn(&device);
    let before = polls.load(Ordering::Relaxed);
    turn(&device);
    assert_eq!(polls.load(Ordering::Relaxed), before);
    let group = Group::new().unwrap();
    let watch = group.watch(near, Events::IN | Events::OUT, |_, _, _| {}).unwrap();
    assert_eq!(watch.set_timer(Duration::from_secs(1), Duration::ZERO), Err(Error::Os(22)));
    watch.set_events(Events(0)).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(group.watch(file, Events::IN, |_, _, _| {}).err(), Some(Error::Os(1)));
}

/// Drops everything in its callback that could have been kept: device, group, worker.
#[derive(Default)]
struct DropsAll(Mutex<Vec<Box<dyn std::any::Any + Send>>>);

impl Device for DropsAll {
    fn request(&self, req: Request<'_>) {
        self.0.lock().unwrap().clear();
        req.complete();
    }
}

#[test]
fn whatever_is_dropped_in_a_callback_goes_after_it() {
    let device = Arc::new(DropsAll::default());
    let weak = Arc::downgrade(&device);
    let backend = Setup::new(42).build(Arc::clone(&device)).unwrap();
    let group = Group::new().unwrap();
    backend.set_group(0, &group).unwrap();
    let worker = Worker::new(WorkerSetup::default()).unwrap();
    worker.add(&group).unwrap();
    assert_eq!(worker.add(&group), Err(Error::Busy));
    let mut peer = Peer::new(1, || {});
    backend.attach(peer.open()).unwrap();
    let backend = Mutex::new(Some(backend));
    let shared = Arc::new(backend);
    let processed = Arc::clone(&shared);
    peer.set_pump(move || {
        if let Some(backend) = &*processed.lock().unwrap() {
            turn(backend);
        }
    });
    peer.start();
    let all: Vec<Box<dyn std::any::Any + Send>> =
        vec![Box::new(worker), Box::new(group), Box::new(shared.lock().unwrap().take().unwrap())];
    *device.0.lock().unwrap() = all;
    drop(device);
    peer.add(0, &[], &[1]);
    peer.kick(0);
    peer.wait_closed();
    while weak.strong_count() != 0 {
        thread::yield_now();
    }
}

struct Waits(Mutex<Option<Sender<Result<()>>>>);

impl Device for Waits {
    fn session_begin(&self, on: &Control<'_>) -> Result<()> {
        let group = Group::new()?;
        let sender = self.0.lock().unwrap().take().unwrap();
        sender.send(group.serve(|| true)).unwrap(); // would wait for itself
        on.run(move |_| sender.send(group.serve(|| true)).unwrap())
    }
}

#[test]
fn waiting_in_a_callback_is_refused() {
    let (sender, heard) = channel();
    let backend = Setup::new(42).build(Waits(Mutex::new(Some(sender)))).unwrap();
    let mut peer = Peer::new(1, || {});
    backend.attach(peer.open()).unwrap();
    turn(&backend);
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [Err(Error::Deadlock), Err(Error::Deadlock)]);
}

#[test]
fn a_runner_turns_in_a_loop_of_ones_own() {
    let path = socket("loop");
    let mut runner = RunnerSetup::default().once().build().unwrap();
    runner.listen(Setup::new(42).build(Names).unwrap(), &path).unwrap();
    let second = Setup::new(42).build(Names).unwrap();
    assert_eq!(runner.listen(second, &path).err(), Some(Error::Os(98)));
    let second = Setup::new(42).build(Names).unwrap();
    assert_eq!(runner.connect(second, "a\0b").err(), Some(Error::ZeroByte));
    assert!(!runner.process().unwrap().ended);
    assert!(runner.fd().unwrap() >= 0);
    let mut peer = Peer::new(1, thread::yield_now);
    let connecting = thread::spawn(move || {
        peer.connect(&path);
        peer.start();
        assert_eq!(peer.request(0, &[], &[1]).len(), 0);
    });
    while !runner.process().unwrap().ended {
        thread::yield_now();
    }
    connecting.join().unwrap();
}

#[test]
fn requests_are_finished_on_all_threads_while_the_device_is_freed() {
    for _ in 0..20 {
        let kept = Arc::new(Keeper::default());
        let device = Setup::new(42).build(Arc::clone(&kept)).unwrap();
        let mut peer = Peer::new(1, || {});
        libvu_tests::attach(&mut peer, device);
        peer.start();
        for _ in 0..60 {
            peer.add(0, &[b"12345678"], &[8]);
        }
        peer.kick(0);
        while kept.0.lock().unwrap().len() < 60 {
            peer.pump();
        }
        let mut all: Vec<_> = kept.0.lock().unwrap().drain(..).collect();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let some = all.split_off(all.len() - 20);
                thread::spawn(move || {
                    for req in some {
                        let copy = req.read_obj::<u64>(0).unwrap_or(0);
                        let _ = req.write_obj(0, &copy);
                        req.complete();
                    }
                })
            })
            .collect();
        peer.disconnect();
        peer.set_pump(|| {});
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[derive(Default)]
struct Keeper(Mutex<Vec<LaterRequest>>);

impl Device for Keeper {
    fn request(&self, req: Request<'_>) {
        self.0.lock().unwrap().push(req.later());
    }
}

#[test]
fn a_source_of_a_group_that_nobody_serves_goes_at_once() {
    let (sender, heard) = channel();
    let group = Group::new().unwrap();
    let clone = group.clone();
    let drops = Drops(sender, "dropped");
    let timer = group
        .timer(move |_, _| {
            let _ = (&clone, &drops);
        })
        .unwrap();
    timer.set_timer(Duration::from_secs(1), Duration::ZERO).unwrap();
    timer.remove();
    assert_eq!(heard.try_recv(), Ok("dropped"));
    timer.remove();
    assert_eq!(timer.set_timer(Duration::ZERO, Duration::ZERO), Err(Error::Gone));
}

/// Its own end, when a request fails.
#[derive(Default)]
struct Ends(Keeper, Mutex<Option<Backend>>);

impl Device for Ends {
    fn request(&self, req: Request<'_>) {
        self.0.request(req);
    }
    fn failed(&self, _: &mut libvu::Buffers<'_>) {
        self.1.lock().unwrap().take();
    }
}

#[test]
fn a_device_that_is_dropped_as_a_request_fails_goes_after_it() {
    let device = Arc::new(Ends::default());
    let weak = Arc::downgrade(&device);
    let backend = Setup::new(42).build(Arc::clone(&device)).unwrap();
    let mut peer = Peer::new(1, || {});
    backend.attach(peer.open()).unwrap();
    let shared = Arc::new(Mutex::new(Some(backend)));
    let processed = Arc::clone(&shared);
    peer.set_pump(move || {
        if let Some(backend) = &*processed.lock().unwrap() {
            turn(backend);
        }
    });
    peer.start();
    peer.add(0, &[], &[1]);
    peer.kick(0);
    while device.0 .0.lock().unwrap().is_empty() {
        peer.pump();
    }
    *device.1.lock().unwrap() = shared.lock().unwrap().take();
    let req = device.0 .0.lock().unwrap().pop();
    drop(device);
    drop(req);
    peer.wait_closed();
    while weak.strong_count() != 0 {
        thread::yield_now();
    }
}

#[test]
fn a_device_adds_sources_in_its_callbacks_and_takes_requests_there() {
    let kept = Arc::new(Keeper::default());
    let backend = Setup::new(42).build(kept).unwrap();
    let handle = backend.handle();
    assert_eq!(handle.timer(|_, _| {}).err(), Some(Error::WrongThread));
    let mut peer = Peer::new(1, || {});
    libvu_tests::attach(&mut peer, backend);
    peer.start();
    let (sender, heard) = channel();
    handle
        .run(move |on| {
            assert!(on.queue(0).unwrap().next().is_none());
            assert!(on.queue(1).is_none());
            let timer = on.timer(move |turn, _| {
                turn.source().remove();
                sender.send(()).unwrap();
            });
            timer.unwrap().set_timer(Duration::from_nanos(1), Duration::ZERO).unwrap();
        })
        .unwrap();
    while heard.try_recv().is_err() {
        peer.pump();
    }
}
