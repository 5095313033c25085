// SPDX-License-Identifier: MIT
//! Options of a program's command line: declared before it is read, looked up by key after.
//!
//! The C library stores each in a place of its own in one array of words, by its offset.
use std::{
    ffi::{CStr, CString, OsStr},
    marker::PhantomData,
    os::unix::ffi::OsStrExt,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

use libvu_sys as c;

use crate::log::text;
use c::ffi::c_char;

/// An option of the command line's, of which the value is a T.
pub struct Key<T> {
    program: u64,
    place: usize,
    _value: PhantomData<fn() -> T>,
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Key<T> {
        *self
    }
}
impl<T> Copy for Key<T> {}

/// Which of an option's words was chosen, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice(pub usize);

#[derive(Default)]
struct Option_ {
    name: CString,
    argument: Option<CString>,
    help: CString,
    required: bool,
    store: c::vu_option_store,
    min: u64,
    max: u64,
    choices: Vec<CString>,
    initial: u64,
}

pub(crate) struct Options {
    /// Never used again: another program's keys are of no use here.
    id: u64,
    all: Vec<Option_>,
}

impl Default for Options {
    fn default() -> Options {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Options { id: LAST.fetch_add(1, Ordering::Relaxed), all: Vec::new() }
    }
}

/// What C reads, and where it stores: pointers into each other, so it stays where it is.
pub struct Table {
    pub(crate) rows: Vec<c::vu_option>,
    _choices: Vec<Vec<*const c_char>>,
    values: *mut [u64],
    id: u64,
}

impl Options {
    fn add<T>(&mut self, option: Option_) -> Key<T> {
        self.all.push(option);
        Key { program: self.id, place: self.all.len() - 1, _value: PhantomData }
    }

    pub(crate) fn flag(&mut self, name: &str, help: &str) -> Key<bool> {
        let (name, help) = (text(name), text(help));
        self.add(Option_ { name, help, store: c::VU_STORE_FLAG, ..Option_::default() })
    }

    pub(crate) fn number(
        &mut self,
        name: &str,
        argument: &str,
        help: &str,
        range: std::ops::RangeInclusive<u64>,
        initial: u64,
    ) -> Key<u64> {
        let (name, help, argument) = (text(name), text(help), Some(text(argument)));
        let (min, max, store) = (*range.start(), *range.end(), c::VU_STORE_NUMBER);
        self.add(Option_ { name, help, argument, store, min, max, initial, ..Option_::default() })
    }

    pub(crate) fn string<T>(
        &mut self,
        name: &str,
        argument: &str,
        help: &str,
        required: bool,
    ) -> Key<T> {
        let (name, help, argument) = (text(name), text(help), Some(text(argument)));
        let store = c::VU_STORE_STRING;
        self.add(Option_ { name, help, argument, required, store, ..Option_::default() })
    }

    pub(crate) fn choice(&mut self, name: &str, help: &str, words: &[&str]) -> Key<Choice> {
        let choices: Vec<_> = words.iter().map(|word| text(word)).collect();
        let (name, help) = (text(name), text(help));
        let argument = Some(text(&words.join("|")));
        let store = c::VU_STORE_CHOICE;
        self.add(Option_ { name, help, argument, choices, store, ..Option_::default() })
    }

    /// For C; valid as long as this value.
    pub(crate) fn table(&self) -> Table {
        let mut choices = Vec::new();
        let mut rows = Vec::new();
        for (place, option) in self.all.iter().enumerate() {
            let mut words: Vec<_> = option.choices.iter().map(|word| word.as_ptr()).collect();
            words.push(ptr::null());
            // Safety: numbers, and pointers that may be NULL.
            let mut row: c::vu_option = unsafe { std::mem::zeroed() };
            row.name = option.name.as_ptr();
            row.argument = option.argument.as_ref().map_or(ptr::null(), |text| text.as_ptr());
            row.help = option.help.as_ptr();
            row.required = option.required.into();
            row.store = option.store;
            row.offset = place * std::mem::size_of::<u64>();
            (row.min, row.max) = (option.min, option.max);
            if !option.choices.is_empty() {
                row.choices = words.as_ptr();
            }
            rows.push(row);
            choices.push(words);
        }
        // Safety: the end of the table is all zero.
        rows.push(unsafe { std::mem::zeroed() });
        let values: Box<[u64]> = self.all.iter().map(|option| option.initial).collect();
        Table { rows, _choices: choices, values: Box::into_raw(values), id: self.id }
    }
}

impl Table {
    pub(crate) fn values(&self) -> *mut c::ffi::c_void {
        self.values.cast()
    }

    /// What was stored, as the first bytes of its place.
    fn stored<T: Copy>(&self, place: usize) -> T {
        assert!(std::mem::size_of::<T>() <= 8 && place < self.rows.len() - 1);
        // Safety: the place is there, and C wrote a T to it or it is 0.
        unsafe { self.values.cast::<u64>().add(place).cast::<T>().read() }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // Safety: made by Box::into_raw().
        drop(unsafe { Box::from_raw(self.values) });
    }
}

/// A value that an option can have.
pub trait Stored: sealed::Sealed + Sized {}

pub(crate) mod sealed {
    use super::*;

    pub trait Sealed: Sized {
        fn get(table: &Table, place: usize) -> Self;
    }

    impl Sealed for bool {
        fn get(table: &Table, place: usize) -> bool {
            table.stored::<c::ffi::c_int>(place) != 0
        }
    }

    impl Sealed for u64 {
        fn get(table: &Table, place: usize) -> u64 {
            table.stored(place)
        }
    }

    impl Sealed for Choice {
        fn get(table: &Table, place: usize) -> Choice {
            Choice(table.stored::<u32>(place) as usize)
        }
    }

    /// An argument, if it was given.
    impl Sealed for Option<std::ffi::OsString> {
        fn get(table: &Table, place: usize) -> Option<std::ffi::OsString> {
            let text = table.stored::<*const c_char>(place);
            if text.is_null() {
                return None;
            }
            // Safety: a text of the command line's, valid for the program's life.
            Some(OsStr::from_bytes(unsafe { CStr::from_ptr(text) }.to_bytes()).to_owned())
        }
    }

    /// An argument that had to be given.
    impl Sealed for std::path::PathBuf {
        fn get(table: &Table, place: usize) -> std::path::PathBuf {
            <Option<std::ffi::OsString> as Sealed>::get(table, place).unwrap_or_default().into()
        }
    }
}

impl<T: sealed::Sealed> Stored for T {}

impl<T: Stored> Key<T> {
    /// Panics for a key of another program's.
    pub(crate) fn get(self, table: &Table) -> T {
        assert_eq!(self.program, table.id, "an option of another program");
        T::get(table, self.place)
    }
}
