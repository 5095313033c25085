// SPDX-License-Identifier: MIT
//! Devices in tasks of tokio's (feature `tokio`).
use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc, Arc,
    },
    task::{Context, Poll, Wake},
    thread,
};

use libvu::{tasks, Buffers, Device, Error, LaterRequest, Queue, Runner, Setup};
use libvu_tests::Peer;
use tokio::{
    runtime::{Builder, Runtime},
    sync::{oneshot, Semaphore},
};

fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("libvu-rust-{}-{name}", std::process::id()))
}

fn connected(path: &Path) -> Peer {
    let mut peer = Peer::new(1, thread::yield_now);
    while !peer.try_connect(path) {
        thread::yield_now();
    }
    peer.start();
    peer
}

/// Says of requests that failed that they did; counts stops.
#[derive(Default)]
struct Plain {
    failed: AtomicU32,
    stops: Option<Arc<Semaphore>>,
}

impl Device for Plain {
    fn failed(&self, buffers: &mut Buffers<'_>) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        buffers.write_at(0, b"failed");
    }

    fn queue_stop(&self, _: &Queue<'_>) {
        if let Some(stops) = &self.stops {
            stops.add_permits(1000);
        }
    }
}

fn runtimes() -> [Runtime; 2] {
    let one = Builder::new_current_thread().enable_io().build().unwrap();
    [one, Builder::new_multi_thread().worker_threads(2).enable_io().build().unwrap()]
}

fn runner(device: impl Device, path: &Path) -> Runner {
    let mut runner = Runner::new().unwrap();
    runner.listen(Setup::new(42).build(device).unwrap(), path).unwrap();
    runner
}

/// Serves on a thread while a peer is connected; the runner is a task of its own.
fn serve(runtime: Runtime, path: &Path, device: impl Device, with: impl FnOnce(&mut Peer)) {
    let mut runner = runner(device, path);
    let (stop, stopped) = oneshot::channel();
    let serving = thread::spawn(move || {
        let end = async { stopped.await.unwrap() };
        let task = runtime.spawn(async move { runner.serve_until(end).await });
        runtime.block_on(task).unwrap()
    });
    let mut peer = connected(path);
    with(&mut peer);
    stop.send(()).unwrap();
    serving.join().unwrap().unwrap();
    peer.wait_closed();
}

/// A byte in, the next one out, by a task that others overtake.
async fn next_byte(req: LaterRequest) {
    let byte: u8 = req.read_obj(0).unwrap();
    for _ in 0..byte % 5 {
        tokio::task::yield_now().await;
    }
    if byte == 13 {
        panic!("a task that panics fails its request");
    }
    req.write_at(0, &[byte + 1]);
    req.complete();
}

fn ask_all(peer: &mut Peer) {
    let mut asked: Vec<_> = (0..100u8).map(|byte| (peer.add(0, &[&[byte]], &[6]), byte)).collect();
    peer.kick(0);
    while !asked.is_empty() {
        let used = peer.wait(0);
        let at = asked.iter().position(|(chain, _)| chain.id == used.id).unwrap();
        let (chain, byte) = asked.swap_remove(at);
        let written = peer.written(&chain);
        match byte {
            13 => assert_eq!((used.len, &written[..]), (6, &b"failed"[..])),
            _ => assert_eq!((used.len, written[0]), (1, byte + 1)),
        }
    }
}

#[test]
fn each_request_is_a_task() {
    for runtime in runtimes() {
        let path = socket("spawned");
        let device = {
            let _runtime = runtime.enter();
            tasks::spawned(Plain::default(), next_byte).unwrap()
        };
        serve(runtime, &path, device, |peer| {
            for _ in 0..20 {
                ask_all(peer);
            }
        });
    }
}

#[test]
fn requests_are_awaited_by_a_task() {
    for runtime in runtimes() {
        let path = socket("awaited");
        let (device, mut requests) = tasks::requests(Plain::default());
        let (done, heard) = mpsc::channel();
        runtime.spawn(async move {
            while let Some(req) = requests.next().await {
                tokio::spawn(next_byte(req));
            }
            done.send(()).unwrap(); // the device is gone
        });
        // The runtime lives on, or the task would go before it is told.
        let kept = Arc::new(runtime);
        let (of_server, mut runner) = (Arc::clone(&kept), runner(device, &path));
        let stopper = runner.stopper();
        let serving = thread::spawn(move || of_server.block_on(runner.serve()).unwrap());
        let mut peer = connected(&path);
        ask_all(&mut peer);
        peer.disconnect();
        let mut peer = connected(&path); // another front-end
        ask_all(&mut peer);
        stopper.stop();
        serving.join().unwrap();
        kept.block_on(async { tokio::task::yield_now().await });
        while heard.try_recv().is_err() {
            kept.block_on(async { tokio::task::yield_now().await });
        }
    }
}

#[test]
fn requests_that_nobody_awaits_fail() {
    let [_, runtime] = runtimes();
    let (device, requests) = tasks::requests(Plain::default());
    drop(requests);
    serve(runtime, &socket("nobody"), device, |peer| {
        assert_eq!(peer.request(0, &[], &[6]), b"failed");
    });
}

#[test]
fn a_stop_waits_for_tasks_that_finish_their_requests() {
    for runtime in runtimes() {
        let path = socket("stop");
        let stops = Arc::new(Semaphore::new(0));
        let until = Arc::clone(&stops);
        let device = Plain { stops: Some(stops), ..Plain::default() };
        let taken = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&taken);
        let waits = move |req: LaterRequest| {
            count.fetch_add(1, Ordering::Relaxed);
            let until = Arc::clone(&until);
            async move {
                let _permit = until.acquire().await.unwrap();
                req.write_at(0, b"done");
                req.complete();
            }
        };
        let device = {
            let _runtime = runtime.enter();
            tasks::spawned(device, waits).unwrap()
        };
        let mut kept = None;
        serve(runtime, &path, device, |peer| {
            kept = Some((0..10).map(|_| peer.add(0, &[], &[4])).collect::<Vec<_>>());
            peer.kick(0);
            while taken.load(Ordering::Relaxed) < 10 {
                thread::yield_now();
            }
            assert!(peer.collect(0).is_none());
        });
        assert_eq!(kept.map(|chains| chains.len()), Some(10));
    }
}

#[test]
fn tasks_that_a_runtime_drops_fail_their_requests() {
    let [_, theirs] = runtimes();
    let [_, runtime] = runtimes();
    let device = {
        let _runtime = theirs.enter();
        tasks::spawned(Plain::default(), |req| async move {
            std::future::pending::<()>().await;
            drop(req);
        })
    };
    serve(runtime, &socket("dropped"), device.unwrap(), |peer| {
        peer.add(0, &[], &[6]);
        peer.kick(0);
        theirs.shutdown_background();
        assert_eq!(peer.wait(0).len, 6);
        assert_eq!(peer.request(0, &[], &[6]), b"failed"); // no task comes of it
    });
}

struct NoWaker;
impl Wake for NoWaker {
    fn wake(self: Arc<Self>) {}
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Arc::new(NoWaker).into()))
}

#[test]
fn a_runner_whose_task_was_dropped_is_served_again() {
    let [runtime, _] = runtimes();
    let path = socket("again");
    let (device, _requests) = tasks::requests(Arc::new(Plain::default()));
    let mut served = runner(device, &path);
    let stopper = served.stopper();
    runtime.block_on(async {
        assert!(poll_once(Box::pin(served.serve()).as_mut()).is_pending());
        let (connect, connected_once) = oneshot::channel();
        thread::spawn(move || {
            drop(connected(&path));
            connect.send(()).unwrap();
        });
        let end = async { connected_once.await.unwrap() };
        served.serve_until(end).await.unwrap();
        assert!(poll_once(Box::pin(served.serve()).as_mut()).is_pending());
    });
    stopper.stop();
    drop(served);
}

#[test]
fn without_a_runtime_it_is_an_error() {
    let (device, requests) = tasks::requests(Plain::default());
    let mut runner = runner(device, &socket("none"));
    assert_eq!(poll_once(Box::pin(runner.serve()).as_mut()), Poll::Ready(Err(Error::Gone)));
    let spawned = tasks::spawned(Plain::default(), |req| async move { drop(req) });
    assert_eq!(spawned.err(), Some(Error::Gone));
    drop(runner);
    let mut requests = requests;
    let [runtime, _] = runtimes();
    assert!(runtime.block_on(async { requests.next().await.is_none() }));
}
