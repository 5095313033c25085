// SPDX-License-Identifier: MIT
//! The examples as programs: their command lines, and one device for each socket.
//!
//! `cargo build -p libvu --examples` makes them; without them the tests say so and pass.
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use libvu_tests::Peer;

fn example(name: &str) -> Option<Command> {
    let me = std::env::current_exe().unwrap();
    let path = me.parent()?.parent()?.join("examples").join(name);
    if !path.exists() {
        eprintln!("skipped: {} was not built", path.display());
        return None;
    }
    Some(Command::new(path))
}

/// Ended with the test.
struct Running(Child);

impl Running {
    /// SIGTERM, by the shell: there may be no program for it.  Whether it ended in peace.
    fn end(&mut self) -> bool {
        let kill = format!("kill {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.0.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("libvu-rust-{}-{name}", std::process::id()))
}

fn connected(path: &Path, queues: u32) -> Peer {
    let mut peer = Peer::new(queues, thread::yield_now);
    while !peer.try_connect(path) {
        thread::yield_now();
    }
    peer.start();
    peer
}

fn output(command: &mut Command) -> (i32, String) {
    let done = command.stdin(Stdio::null()).output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn a_program_has_the_options_of_every_program_and_its_own() {
    let mut blk = match example("blk") {
        Some(command) => command,
        None => return,
    };
    let (status, text) = output(blk.arg("--help"));
    assert_eq!(status, 0);
    assert!(text.contains("--size=BYTES") && text.contains("--socket-path=PATH"), "{text}");
    for (argument, wrong) in
        [("--size=511", "511"), ("--size=some", "some"), ("--sise=512", "sise"), ("", "socket")]
    {
        let mut blk = example("blk").unwrap();
        let (status, text) = output(blk.args(Some(argument).filter(|a| !a.is_empty())));
        assert_eq!(status, 2, "{argument}: {text}");
        assert!(text.contains(wrong), "{text}");
    }
}

#[test]
fn a_device_that_cannot_be_made_ends_the_program() {
    let mut rng = match example("rng") {
        Some(command) => command,
        None => return,
    };
    let (status, text) = output(
        rng.arg("--source=/nowhere").arg(format!("--socket-path={}", socket("no").display())),
    );
    assert_eq!(status, 1);
    assert!(text.contains("No such file"), "{text}");
}

#[test]
fn a_program_serves_a_device_on_each_socket() {
    let mut blk = match example("blk") {
        Some(command) => command,
        None => return,
    };
    let paths = [socket("blk0"), socket("blk1")];
    let arguments = paths.iter().map(|path| format!("--socket-path={}", path.display()));
    let _running = Running(blk.args(arguments).arg("--size=1M").spawn().unwrap());
    for path in &paths {
        let mut peer = connected(path, 2);
        assert_eq!(peer.config(0, 8).unwrap(), 2048u64.to_le_bytes());
        let header = |kind: u32, sector: u64| {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&kind.to_le_bytes());
            bytes[8..].copy_from_slice(&sector.to_le_bytes());
            bytes
        };
        for queue in 0..2 {
            let sector = [queue as u8 + 1; 512];
            assert_eq!(peer.request(queue, &[&header(1, 7), &sector], &[1]), [0]);
            let back = peer.request(1 - queue, &[&header(0, 7)], &[500, 12, 1]);
            assert_eq!((&back[..512], back[512]), (&sector[..], 0));
            for (kind, at) in [(0, u64::MAX / 512), (1, 2048), (1, u64::MAX)] {
                assert_eq!(peer.request(queue, &[&header(kind, at), &sector], &[1]), [1]);
            }
            assert_eq!(peer.request(queue, &[&header(99, 0)], &[1]), [2]);
            assert_eq!(peer.request(queue, &[&[1, 2, 3]], &[1]), [1]);
            assert_eq!(peer.request(queue, &[&header(0, 0)], &[]), []);
        }
    }
}

/// What a program answers to a line, up to "ok" or "error: ".
fn told(control: &Path, line: &str) -> Vec<String> {
    let mut client = UnixStream::connect(control).unwrap();
    writeln!(client, "{line}").unwrap();
    let mut answers = Vec::new();
    for answer in BufReader::new(client).lines() {
        let answer = answer.unwrap();
        let last = answer == "ok" || answer.starts_with("error: ");
        answers.push(answer);
        if last {
            break;
        }
    }
    answers
}

#[test]
fn a_program_takes_commands_for_each_of_its_devices() {
    let mut blk = match example("blk") {
        Some(command) => command,
        None => return,
    };
    let (paths, control) = ([socket("told0"), socket("told1")], socket("control"));
    let arguments = paths.iter().map(|path| format!("--socket-path={}", path.display()));
    blk.args(arguments).arg(format!("--control={}", control.display()));
    let mut running = Running(blk.spawn().unwrap());
    let second = PathBuf::from(format!("{}.1", control.display()));
    let mut peers: Vec<_> = paths.iter().map(|path| connected(path, 2)).collect();
    let mut write = |device: usize| {
        let mut header = [0; 16];
        header[0] = 1;
        peers[device].request(0, &[&header, &[7; 512]], &[1])
    };
    assert_eq!((write(0), write(1)), (vec![0], vec![0]));
    assert_eq!(told(&second, "fail on"), ["ok"]);
    assert_eq!((write(0), write(1)), (vec![0], vec![1]));
    assert_eq!(told(&second, "fail off"), ["ok"]);
    assert_eq!(write(1), [0]);
    assert_eq!(told(&control, "fail soon"), ["error: it is on or off"]);
    assert!(told(&control, "fail")[0].starts_with("error: 'fail' wants more words"));
    let help = told(&control, "help").join("\n");
    assert!(help.contains("fail on|off") && help.contains("metrics"), "{help}");
    assert!(told(&control, "metrics").len() > 2);
    drop(peers);
    assert!(running.end());
    assert!(!control.exists() && !second.exists());
}

#[test]
fn tasks_finish_requests_out_of_order_and_all() {
    let mut rng = match example("async_rng") {
        Some(command) => command,
        None => return,
    };
    let path = socket("async");
    let _running = Running(rng.arg(format!("--socket-path={}", path.display())).spawn().unwrap());
    let mut peer = connected(&path, 1);
    for _ in 0..50 {
        peer.add(0, &[], &[64]);
    }
    for _ in 0..50 {
        assert_eq!(peer.wait(0).len, 64);
    }
}

#[test]
fn an_i2c_bus_has_an_eeprom_and_fails_the_rest_of_a_transfer() {
    let mut i2c = match example("i2c") {
        Some(command) => command,
        None => return,
    };
    let path = socket("i2c");
    let arguments = [format!("--socket-path={}", path.display()), "--text=of the test".into()];
    let _running = Running(i2c.args(arguments).spawn().unwrap());
    let mut peer = connected(&path, 1);
    let header = |chip: u16, flags: u32| {
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&(chip << 1).to_le_bytes());
        bytes[4..].copy_from_slice(&flags.to_le_bytes());
        bytes
    };
    let (more, read) = (1, 2);
    let mut write = |chip, flags, bytes: &[u8]| match bytes {
        [] => peer.request(0, &[&header(chip, flags)], &[1]),
        _ => peer.request(0, &[&header(chip, flags), bytes], &[1]),
    };
    assert_eq!(write(0x50, more, &[3]), [0]);
    assert_eq!(write(0x51, more, &[0]), [1]); // nobody answers,
    assert_eq!(write(0x50, more, &[250, 1]), [1]); // so the rest of it fails, too
    assert_eq!(write(0x50, 0, &[]), [1]);
    assert_eq!(write(0x50, 0, &[254, b'a', b'b', b'c']), [0]); // ... and the next one does not
    let mut get = |len: u32| peer.request(0, &[&header(0x50, read)], &[len, 1]);
    assert_eq!(get(7), b"f the t\0"); // behind the last that was written, at 1
    assert_eq!(peer.request(0, &[&header(0x50, 0), &[254]], &[1]), [0]);
    assert_eq!(peer.request(0, &[&header(0x50, read)], &[4, 1]), b"abcf\0");
    assert_eq!(peer.request(0, &[&header(0x50, read)], &[1]), [0]); // no bytes: is there a chip?
    assert_eq!(peer.request(0, &[&header(0x51, read)], &[4, 1])[4], 1);
    assert_eq!(peer.request(0, &[&[1, 2, 3]], &[1]), [1]);
    assert_eq!(peer.request(0, &[&header(0x50, read)], &[]), []);
}

#[test]
fn tasks_of_tokio_serve_until_they_are_told_to_stop() {
    let mut rng = match example("tokio_rng") {
        Some(command) => command,
        None => return,
    };
    let path = socket("tokio");
    let mut running = Running(rng.arg(&path).spawn().unwrap());
    let mut peer = connected(&path, 1);
    for len in [64, 1, 4096, 64] {
        peer.add(0, &[], &[len]);
    }
    peer.kick(0);
    let total: u32 = (0..4).map(|_| peer.wait(0).len).sum();
    assert_eq!(total, 64 + 1 + 4096 + 64);
    assert!(running.end());
    assert!(!path.exists());
}

#[test]
fn an_option_of_another_program_is_refused() {
    let mut other = libvu::Program::new("other", "rng");
    let path = other.path("path", "PATH", "of this program only");
    let mut program = libvu::Program::new("this", "rng");
    program.number("number", "N", "which is no pointer", 0..=100, 7);
    let socket = format!("--socket-path={}", socket("keys").display());
    let status = program.run(["this".into(), socket.into()], |start| {
        start.get(path);
        Ok(())
    });
    assert_eq!(status, 1);
}
