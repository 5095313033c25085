// SPDX-License-Identifier: MIT
//! Commands for running devices, and files of them.
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc, Mutex,
    },
    thread,
};

use libvu::{
    Command, CommandResult, Commands, Device, Error, Group, Handle, Queue, Script, Setup, Worker,
    WorkerSetup,
};
use libvu_tests::served as served_by;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("libvu-rust-{}-script-{name}", std::process::id()))
}

/// Somebody who gives commands.
struct Client(BufReader<UnixStream>);

impl Client {
    fn new(path: &Path) -> Client {
        Client(BufReader::new(UnixStream::connect(path).unwrap()))
    }

    /// The next line; empty at the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().into()
    }

    fn send(&mut self, line: &[u8]) {
        self.0.get_mut().write_all(line).unwrap();
        self.0.get_mut().write_all(b"\n").unwrap();
    }

    /// What comes up to "ok" or "error: ", joined by ", ".
    fn tell(&mut self, line: &str) -> String {
        self.send(line.as_bytes());
        self.answers()
    }

    fn answers(&mut self) -> String {
        let mut answers = Vec::new();
        loop {
            answers.push(self.line());
            let last = &answers[answers.len() - 1];
            if last.is_empty() || last == "ok" || last.starts_with("error: ") {
                return answers.join(", ");
            }
        }
    }
}

fn commands() -> Commands {
    Commands::new()
        .name("test")
        .command("sum", "N...", "adds numbers", 0..=8)
        .command("panic", "", "panics", 0..=0)
        .command("wrong", "", "fails in two lines", 0..=0)
        .line("echo", "TEXT", "says it")
}

/// What the tests' commands do; `sums` counts.
fn run(sums: &mut u32, command: &Command<'_>) -> CommandResult {
    match (command.name(), command.words()) {
        ("sum", words) => {
            let mut sum = 0;
            for word in words {
                sum += word.parse::<i64>()?;
            }
            *sums += 1;
            command.answer(&format!("{sum}\nof {sums}"));
        }
        ("echo", [text]) => command.answer(text),
        ("wrong", []) => return Err("one\ntwo".into()),
        _ => panic!("oh"),
    }
    Ok(())
}

fn served(name: &str) -> (Worker, Group, Script, PathBuf) {
    let (group, at, mut sums) = (Group::new().unwrap(), path(name), 0);
    let script = group.script(&commands(), &at, move |command| run(&mut sums, command)).unwrap();
    let worker = Worker::new(WorkerSetup::default()).unwrap();
    worker.add(&group).unwrap();
    (worker, group, script, at)
}

#[test]
fn a_line_is_a_command_and_its_words() {
    let (_worker, _group, _script, at) = served("words");
    let mut client = Client::new(&at);
    assert_eq!(client.tell("sum 1 2 39"), "42, of 1, ok");
    assert_eq!(client.tell("sum # nothing"), "0, of 2, ok");
    assert_eq!(client.tell("echo  \"as it\" is # too"), " \"as it\" is # too, ok");
    let help = client.tell("help");
    assert!(help.contains("sum N...") && help.contains("says it"), "{help}");
}

#[test]
fn a_command_that_fails_says_why_and_the_next_one_works() {
    let (_worker, _group, _script, at) = served("fails");
    let mut client = Client::new(&at);
    assert_eq!(client.tell("sum 1 x"), "error: invalid digit found in string");
    assert_eq!(client.tell("wrong"), "error: one two");
    assert_eq!(client.tell("panic"), "error: the command panicked: oh");
    assert!(client.tell("panic now").starts_with("error: 'panic' has too many words"));
    assert!(client.tell("nothing").starts_with("error: there is no command 'nothing'"));
    client.send(b"sum \xff");
    assert_eq!(client.answers(), "error: a word is not UTF-8");
    assert_eq!(client.tell("sum 7"), "7, of 1, ok");
}

#[test]
fn all_clients_hear_what_happens() {
    let (_worker, group, script, at) = served("says");
    let mut clients = [Client::new(&at), Client::new(&at)];
    for client in &mut clients {
        client.tell("sum");
    }
    script.say("it\nrains").unwrap();
    for client in &mut clients {
        assert_eq!((client.line(), client.line()), ("* it".into(), "* rains".into()));
    }
    let busy = group.script(&commands(), path("late"), |_| Ok(())).err();
    assert_eq!(busy, Some(Error::WrongThread)); // a worker serves the group
    script.close();
    script.close();
    assert_eq!(clients[0].line(), "");
    while script.say("nobody").is_ok() {
        thread::yield_now(); // clients go first
    }
    assert!(!at.exists());
    assert_eq!(script.say("nobody"), Err(Error::Gone));
}

#[test]
fn a_command_may_end_its_script_and_its_group() {
    let (group, at) = (Group::new().unwrap(), path("ends"));
    let own: Arc<Mutex<Option<(Script, Group)>>> = Arc::default();
    let taken = Arc::clone(&own);
    let end = Commands::new().command("end", "", "the last one", 0..=0);
    let script = group.script(&end, &at, move |command| {
        let (script, group) = taken.lock().unwrap().take().ok_or("it ended")?;
        script.close();
        drop(group);
        command.answer("soon");
        Ok(())
    });
    *own.lock().unwrap() = Some((script.unwrap(), group.clone()));
    let worker = Worker::new(WorkerSetup::default()).unwrap();
    worker.add(&group).unwrap();
    drop(group);
    let mut client = Client::new(&at);
    assert_eq!(client.tell("end"), "soon, ok");
    assert_eq!(client.line(), "");
    while at.exists() {
        thread::yield_now();
    }
}

#[test]
fn a_script_goes_with_its_group_and_so_does_its_closure() {
    let (worker, group, script, at) = served("goes");
    let held = Arc::new(());
    let (also, other) = (Arc::clone(&held), Group::new().unwrap());
    let unserved = other.script(&commands(), path("unserved"), move |_| {
        let _ = &also;
        Ok(())
    });
    drop((worker, group));
    assert!(!at.exists());
    assert_eq!(script.say("nobody"), Err(Error::Gone));
    script.close();
    assert_eq!(unserved.as_ref().map(|script| script.say("nobody")), Ok(Ok(())));
    drop(other);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn what_cannot_be_served_is_an_error() {
    let group = Group::new().unwrap();
    let serve = |commands: &Commands, at: &str| group.script(commands, at, |_| Ok(())).err();
    assert_eq!(serve(&commands(), "/nowhere/at/all"), Some(Error::Os(2)));
    assert_eq!(serve(&commands(), ""), Some(Error::Os(22)));
    assert_eq!(serve(&commands(), "a\0b"), Some(Error::ZeroByte));
    let mut many = Commands::new();
    for n in 0..65 {
        many = many.command(&format!("c{n}"), "", "", 0..=0);
    }
    assert_eq!(serve(&many, "/tmp/never"), Some(Error::Os(7)));
}

/// Answers what it left in the ring when it is told to.
struct Leaves;

impl Device for Leaves {
    fn queue_ready(&self, _queue: &Queue<'_>) {}
}

#[test]
fn commands_of_a_device_take_the_requests_that_it_left() {
    let backend = Setup::new(42).build(Leaves).unwrap();
    let (handle, at): (Handle, _) = (backend.handle(), path("device"));
    let device = handle.clone();
    let take = Commands::new().line("take", "TEXT", "answers a request");
    let outside = handle.script(&take, path("outside"), |_| Ok(()));
    assert_eq!(outside.err(), Some(Error::WrongThread));
    let taken = backend.script(&take, &at, move |command| {
        let queue = command.queue(&device, 0).ok_or("no such queue")?;
        assert!(command.queue(&device, 1).is_none());
        let req = queue.next().ok_or("there is none")?;
        let text = command.words()[0].as_bytes();
        req.writable().slice(0, text.len() as u64)?.copy_from(text)?;
        req.complete();
        Ok(())
    });
    let mut peer = served_by(backend, 1);
    let chain = peer.add(0, &[], &[8]);
    peer.kick(0);
    let done = Arc::new(AtomicBool::new(false));
    let client = {
        let (done, at) = (Arc::clone(&done), at.clone());
        thread::spawn(move || {
            let mut client = Client::new(&at);
            let first = client.tell("take it");
            done.store(true, Ordering::Release);
            first
        })
    };
    assert_eq!(peer.wait(0).len, 2); // while it waits the device is served
    assert_eq!(peer.written(&chain)[..2], *b"it");
    while !done.load(Ordering::Acquire) {
        peer.pump();
    }
    assert_eq!(client.join().unwrap(), "ok");
    drop(peer);
    assert!(!at.exists());
    assert_eq!(taken.unwrap().say("nobody"), Err(Error::Gone));
}

#[test]
fn a_file_is_run_up_to_the_line_that_fails() {
    let (at, lines) = (path("file"), Arc::new(Mutex::new(Vec::new())));
    let log = Arc::clone(&lines);
    let commands = commands().logger(move |_, line| log.lock().unwrap().push(line.to_string()));
    let mut sums = 0;
    std::fs::write(&at, "# a description\nsum 1\n\nsum 2 3\n").unwrap();
    commands.run_file(&at, |command| run(&mut sums, command)).unwrap();
    assert_eq!(sums, 2);
    for (text, why) in [("sum 1\nsum x\nsum 2", "invalid digit"), ("sum 1\npanic\nsum 2", "oh")] {
        std::fs::write(&at, text).unwrap();
        let result = commands.run_file(&at, |command| {
            assert!(command.queue(&Setup::new(1).build(Leaves).unwrap().handle(), 0).is_none());
            run(&mut sums, command)
        });
        assert_eq!(result, Err(Error::Os(22)));
        let said = lines.lock().unwrap().pop().unwrap();
        assert!(said.contains(&format!("{}:2: ", at.display())) && said.contains(why), "{said}");
    }
    assert_eq!(sums, 4);
    std::fs::remove_file(&at).unwrap();
    assert_eq!(commands.run_file(&at, |_| Ok(())), Err(Error::Os(2)));
}
