// SPDX-License-Identifier: MIT
//! What has no bytes of a guest's: configuration, options, errors, and what C is told by them.
use crate::{
    border::{caught, current_group, Within},
    log::text,
    options::{Choice, Key, Options},
    Error, Le16, Le64, Pod, QueueSetup, Setup,
};
use libvu_sys as c;
use std::{any::Any, ffi::CStr, panic, path::PathBuf, slice};

crate::pod! {
    struct Config {
        capacity: Le64,
        queues: Le16,
        mac: [u8; 6],
    }
}

#[test]
fn a_configuration_space_is_its_bytes() {
    let config = Config { capacity: 2048.into(), queues: 3.into(), mac: *b"abcdef" };
    let mut mask = Config::zeroed();
    mask.mac = [255; 6];
    let setup = Setup::new(1).name("di\0sk").config(&config).config_writable(&mask);
    let mut writable = Vec::new();
    let raw = setup.to_c(&mut writable);
    // Safety: valid as long as `setup` and `writable`.
    unsafe {
        let bytes = slice::from_raw_parts(raw.config.cast::<u8>(), raw.config_size as usize);
        assert_eq!(bytes, b"\0\x08\0\0\0\0\0\0\x03\0abcdef");
        let mask = slice::from_raw_parts(raw.config_writable.cast::<u8>(), bytes.len());
        assert_eq!(mask, b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff");
        assert_eq!(CStr::from_ptr(raw.name).to_bytes(), b"di");
    }
    let short = Setup::new(1).config(&config).config_writable(&Le16::from(0xffff));
    assert_eq!((short.to_c(&mut writable).config_size, writable.len()), (16, 16));
    assert!(Setup::new(1).to_c(&mut writable).config.is_null());
}

#[test]
fn features_are_in_two_halves() {
    let setup = Setup::new(9).features(1 << 127 | 1 << 64 | 1 << 63 | 1).required(1 << 64);
    let setup = setup.forbidden(u128::MAX).iommu().queues(2);
    let setup = setup.queue(1, QueueSetup { discard_when_disabled: true, ..Default::default() });
    let raw = setup.to_c(&mut Vec::new());
    assert_eq!(raw.features, 1 << 63 | 1 << c::VU_F_ACCESS_PLATFORM | 1);
    assert_eq!(raw.features_high, 1 << 63 | 1);
    assert_eq!((raw.required, raw.required_high), (0, 1));
    assert_eq!((raw.forbidden, raw.forbidden_high), (u64::MAX, u64::MAX));
    assert_eq!((raw.n_queues, setup.queues[0].1.discard_when_disabled), (2, true.into()));
}

#[test]
fn errors_and_their_numbers_agree() {
    for errno in [i32::MIN, i32::MIN + 1, -16, -1, 0, 1, 16, 35, 4095, i32::MAX] {
        let error = Error::from_errno(errno);
        assert!(error.to_c() < 0, "{errno}: {error:?}");
        assert_eq!(Error::from_errno(error.errno()).errno(), error.errno(), "{errno}");
        assert!(Error::Os(errno).to_c() < 0, "{errno}");
    }
    assert_eq!(Error::from_errno(-16), Error::Busy);
    assert_eq!(std::io::Error::from(Error::Gone).raw_os_error(), Some(19));
    assert_eq!(crate::error::check(-35), Err(Error::Deadlock));
    assert_eq!(text("a\0b").as_bytes(), b"a");
}

/// Stores a value where the row says, as C does.
///
/// # Safety
///
/// A T is what C would store there.
unsafe fn store<T>(table: &crate::options::Table, place: usize, value: T) {
    let at = table.rows[place].offset;
    unsafe { table.values().cast::<u8>().add(at).cast::<T>().write(value) }
}

#[test]
fn options_are_stored_and_found() {
    let mut options = Options::default();
    let flag = options.flag("read-only", "of the disk");
    let size = options.number("size", "BYTES", "of it", 1..=u64::MAX, 512);
    let path: Key<Option<std::ffi::OsString>> = options.string("file", "PATH", "of it", false);
    let must: Key<PathBuf> = options.string("log", "PATH", "of it", true);
    let mode = options.choice("mode", "of it", &["slow", "fast"]);
    let table = options.table();
    assert!(!flag.get(&table) && path.get(&table).is_none());
    assert_eq!((size.get(&table), mode.get(&table)), (512, Choice(0)));
    assert_eq!((table.rows.len(), table.rows[1].max, table.rows[3].required), (6, u64::MAX, 1));
    assert!(table.rows[5].name.is_null());
    // Safety: the strings outlive the table.
    unsafe {
        let second = *table.rows[4].choices.add(1);
        assert_eq!(CStr::from_ptr(second).to_bytes(), b"fast");
        assert!((*table.rows[4].choices.add(2)).is_null());
        store::<c::ffi::c_int>(&table, 0, 1);
        store::<u64>(&table, 1, 4096);
        store(&table, 3, b"/tmp/\xff\0".as_ptr());
        store::<u32>(&table, 4, 1);
    }
    assert!(flag.get(&table));
    assert_eq!((size.get(&table), mode.get(&table)), (4096, Choice(1)));
    assert_eq!(must.get(&table).as_os_str().len(), 6);
    let other = Options::default().table();
    assert!(panic::catch_unwind(|| flag.get(&other)).is_err());
}

/// Panics when it is dropped, with the next one as what the panic says.
struct Again(u32);
impl Drop for Again {
    fn drop(&mut self) {
        if self.0 != 0 {
            panic::panic_any(Again(self.0 - 1));
        }
    }
}

#[test]
fn no_panic_gets_past_the_border() {
    assert_eq!(caught(|| 7), Ok(7));
    assert_eq!(caught(|| panic!("a text")), Err::<(), _>("a text".into()));
    assert_eq!(caught(|| panic!("{}", 5)), Err::<(), _>("5".into()));
    for depth in [0, 3, 7] {
        let payload: Box<dyn Any + Send> = Box::new(Again(depth));
        assert!(caught(|| panic::resume_unwind(payload)).is_err());
    }
}

#[test]
fn a_thread_knows_in_whose_callback_it_is() {
    assert_eq!(current_group(), 0);
    {
        let _outer = Within::enter(5);
        {
            let _inner = Within::enter(6);
            let _logger = Within::logger();
            assert_eq!(current_group(), u64::MAX);
        }
        let _somewhere = Within::somewhere();
        assert_eq!(current_group(), 5);
    }
    assert_eq!(current_group(), 0);
}
