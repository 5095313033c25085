// SPDX-License-Identifier: MIT
//! An entropy device whose requests are tasks: each waits for its turn of a slow source in an
//! `async fn`, on an executor that has nothing to do with libvu.
use libvu::{Device, LaterRequest, Program, Request, Setup};
use std::{
    fs::File,
    future::Future,
    pin::Pin,
    process::ExitCode,
    sync::{
        mpsc::{channel, Sender},
        Arc, Mutex,
    },
    task::{Context, Poll, Wake},
    thread,
    time::{Duration, Instant},
};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task that is woken goes to the executor's thread.
struct Woken {
    task: Mutex<Option<Task>>,
    executor: Mutex<Sender<Arc<Woken>>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        let executor = self.executor.lock().unwrap().clone();
        let _ = executor.send(self); // it is gone when the program ends
    }
}

/// A thread that polls tasks.
fn executor() -> Sender<Arc<Woken>> {
    let (sender, receiver) = channel::<Arc<Woken>>();
    thread::spawn(move || {
        for woken in receiver {
            let waker = Arc::clone(&woken).into();
            let mut task = woken.task.lock().unwrap();
            if let Some(mut future) = task.take() {
                if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    *task = Some(future);
                }
            }
        }
    });
    sender
}

/// Ready at a time.
struct At(Instant);

impl Future for At {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        thread::spawn(move || {
            thread::sleep(left);
            waker.wake();
        });
        Poll::Pending
    }
}

async fn fill(req: LaterRequest, source: Arc<File>, delay: Duration) {
    At(Instant::now() + delay).await;
    match req.writable().read_from(&*source, None) {
        Ok(_) => req.complete(),
        Err(_) => req.fail(),
    }
}

struct Rng {
    source: Arc<File>,
    delay: Duration,
    executor: Mutex<Sender<Arc<Woken>>>,
}

impl Device for Rng {
    fn request(&self, req: Request<'_>) {
        let task = fill(req.later(), Arc::clone(&self.source), self.delay);
        let executor = self.executor.lock().unwrap().clone();
        Arc::new(Woken { task: Mutex::new(Some(Box::pin(task))), executor: Mutex::new(executor) })
            .wake();
    }
}

fn main() -> ExitCode {
    let mut program = Program::new("async-rng", "rng");
    let source = program.string("source", "PATH", "what to read instead of /dev/urandom");
    let delay = program.number("delay-ms", "N", "how slow the source is", 0..=10_000, 2);
    program.main(|start| {
        let path = start.get(source).unwrap_or_else(|| "/dev/urandom".into());
        start.device(
            Setup::new(4),
            Rng {
                source: Arc::new(File::open(path)?),
                delay: Duration::from_millis(start.get(delay)),
                executor: Mutex::new(executor()),
            },
        )
    })
}
