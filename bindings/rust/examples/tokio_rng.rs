// SPDX-License-Identifier: MIT
//! An entropy device in tasks of tokio's: the runner is awaited by one, each request by another,
//! which takes random bytes from a thread that may block.
//!
//! `tokio_rng SOCKET [SOURCE]`; with the feature `tokio`.
use libvu::{tasks, Device, LaterRequest, Result, Runner, Setup};
use std::{
    env,
    fs::File,
    io::{self, Read},
    sync::Arc,
};
use tokio::{runtime, task};

const MOST: u64 = 64 << 10;

struct Rng;

impl Device for Rng {}

async fn random(source: Arc<File>, len: usize) -> io::Result<Vec<u8>> {
    let read = move || {
        let mut bytes = vec![0; len];
        (&*source).read_exact(&mut bytes).map(|()| bytes)
    };
    task::spawn_blocking(read).await?
}

async fn fill(req: LaterRequest, source: Arc<File>) {
    let len = req.writable_len().min(MOST) as usize;
    match random(source, len).await {
        Ok(bytes) => {
            req.write_at(0, &bytes);
            req.complete();
        }
        Err(_) => req.fail(),
    }
}

async fn serve(socket: String, source: Arc<File>) -> Result<()> {
    let device = tasks::spawned(Rng, move |req| fill(req, Arc::clone(&source)))?;
    let mut runner = Runner::new()?;
    runner.listen(Setup::new(4).build(device)?, socket)?;
    runner.serve_until(tasks::terminated()?).await
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let socket = arguments.next().unwrap_or_else(|| "rng.sock".into());
    let source = File::open(arguments.next().unwrap_or_else(|| "/dev/urandom".into()))?;
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(serve(socket, Arc::new(source)))
}
