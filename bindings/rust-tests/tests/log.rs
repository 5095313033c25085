// SPDX-License-Identifier: MIT
//! The feature `log`: lines of devices and runners go to the crate of that name.
use std::sync::Mutex;

use libvu::{Device, Level, RunnerSetup, Setup};
use log::{Log, Metadata, Record};

/// Target, level and text of each line.
static LINES: Mutex<Vec<(String, log::Level, String)>> = Mutex::new(Vec::new());

struct Book;

impl Log for Book {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        let line = (record.target().into(), record.level(), record.args().to_string());
        LINES.lock().unwrap().push(line);
    }
    fn flush(&self) {}
}

fn said(level: log::Level, text: &str) -> bool {
    let found = |line: &(String, log::Level, String)| {
        line.0 == "libvu" && line.1 == level && line.2.contains(text)
    };
    LINES.lock().unwrap().iter().any(found)
}

struct Nothing;
impl Device for Nothing {}

#[test]
fn lines_have_their_levels_and_those_with_a_logger_of_their_own_stay_away() {
    log::set_logger(&Book).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let device = Setup::new(42).log_level(Level::Debug).build(Nothing).unwrap();
    for (level, theirs) in [
        (Level::Error, log::Level::Error),
        (Level::Warning, log::Level::Warn),
        (Level::Info, log::Level::Info),
        (Level::Debug, log::Level::Debug),
    ] {
        device.handle().log(level, &format!("a line of level {level:?}"));
        assert!(said(theirs, &format!("a line of level {level:?}")));
    }
    let (own, lines) = libvu_tests::logged(Setup::new(42));
    own.build(Nothing).unwrap().handle().log(Level::Error, "for the logger alone");
    assert!(libvu_tests::said(&lines, "for the logger alone"));
    assert!(!said(log::Level::Error, "for the logger alone"));
    let mut runner = RunnerSetup::default().log_level(Level::Debug).build().unwrap();
    let path = std::env::temp_dir().join(format!("libvu-rust-{}-log", std::process::id()));
    runner.listen(device, &path).unwrap();
    runner.stopper().stop();
    runner.run().unwrap();
    let runners =
        LINES.lock().unwrap().iter().any(|line| line.2.contains(&*path.to_string_lossy()));
    assert!(runners, "the runner said nothing of its socket");
}
