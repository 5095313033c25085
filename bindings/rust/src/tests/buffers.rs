// SPDX-License-Identifier: MIT
//! The bytes of a request, in pieces: against the library's own functions, and under Miri.
use super::made::Made;
use crate::{
    buffers::{Buffers, Of},
    class::Classes,
    log::Sink,
    Device, Error, Le16, Le32, Shared,
};
use std::{
    fs::File,
    io::{Read, Write},
    os::unix::{io::AsFd, net::UnixStream},
    sync::Arc,
};

struct Nothing;
impl Device for Nothing {}

fn nobody() -> Arc<Shared> {
    Shared::new(Box::new(Nothing), Classes::default(), Sink::Default, 1)
}

fn anywhere(made: &Made) -> Buffers<'static> {
    // Safety: reading and writing need the request, and no device.
    unsafe { Buffers::new(made.req, Of::Anywhere(nobody()), 0) }
}

crate::pod! {
    struct Header {
        kind: Le16,
        len: Le32,
    }
}

#[test]
fn pieces_are_read_as_one() {
    let made = Made::new(&[b"\x01", b"", b"\x02\x05\0", b"\0\0hel", b"lo"], &[]);
    let shared = nobody();
    // Safety: as above.
    let req = unsafe { Buffers::new(made.req, Of::Callback(&shared), 0) };
    let header: Header = req.read_obj(0).unwrap();
    assert_eq!((header.kind.get(), header.len.get()), (0x0201, 5));
    assert_eq!(req.readable().slice(6, 5).unwrap().to_vec(5).unwrap(), b"hello");
    assert_eq!(req.read_obj::<[u8; 12]>(0).unwrap_err(), Error::Short);
    assert_eq!(req.read_obj::<u8>(u64::MAX).unwrap_err(), Error::Short);
    let mut beyond = [7; 4];
    assert_eq!(req.read_at(9, &mut beyond), 2);
    assert_eq!(&beyond, b"lo\x07\x07");
    assert_eq!(req.read_at(u64::MAX, &mut beyond), 0);
    let mut text = String::new();
    let mut rest = req.readable().slice(6, 4).unwrap();
    rest.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), rest.is_empty()), ("hell", true));
    assert_eq!(req.readable().to_vec(10).unwrap_err(), Error::from_errno(34));
}

#[test]
fn what_was_written_is_counted_to_its_last_byte() {
    let made = Made::new(&[], &[b"....", b"", b"..", b"......"]);
    let mut req = anywhere(&made);
    req.write_obj(3, &Le32::from(0x6463_6261)).unwrap();
    assert_eq!((made.found().as_slice(), req.written()), (&b"...abcd....."[..], 7));
    assert_eq!(req.write_obj(9, &1_u32).unwrap_err(), Error::Short);
    assert_eq!(req.write_at(10, b"xyz"), 2);
    assert_eq!((made.found().as_slice(), req.written()), (&b"...abcd...xy"[..], 12));
    let (mut first, second) = req.writable().split_at(5).unwrap();
    write!(first, "{}", 42).unwrap();
    second.slice(1, 3).unwrap().fill(b'-').unwrap();
    assert_eq!(made.found(), b"42.abc---.xy");
    req.set_written(u64::MAX);
    assert_eq!(req.written(), 12);
    assert_eq!(req.write_at(u64::MAX, b"!"), 0);
}

#[test]
fn ranges_end_where_the_request_does() {
    let made = Made::new(&[b"abc"], &[b"..."]);
    let req = anywhere(&made);
    let all = req.readable();
    assert!(all.slice(u64::MAX, 1).is_err() && all.slice(1, u64::MAX).is_err());
    assert!(all.slice(2, 2).is_err() && all.split_at(4).is_err());
    assert!(all.slice(3, 0).unwrap().is_empty());
    assert!(all.slice(1, 2).unwrap().slice(1, 2).is_err());
    assert_eq!(all.segments().unwrap().len(), 1);
    assert!(all.slice(3, 0).unwrap().segments().unwrap().is_empty());
    assert!(all.copy_to(&mut [0; 2]).is_err() && req.writable().copy_from(b"12").is_err());
}

#[test]
fn one_range_goes_into_another_in_chunks() {
    let long: Vec<u8> = (0..5000_u32).map(|n| n as u8).collect();
    let made = Made::new(&[&long[..4097], &long[4097..]], &[&[0; 100], &[0; 4910]]);
    let req = anywhere(&made);
    assert_eq!(req.readable().copy_into(&req.writable()).unwrap(), 5000);
    assert_eq!((&made.found()[..5000], req.written()), (&long[..], 5000));
    // Both parts may be the same memory of the guest's.
    let same = req.writable().segments().unwrap();
    assert_eq!(same.iter().map(|piece| piece.iov_len).sum::<usize>(), 5010);
}

#[test]
fn segments_of_many_pieces_are_all_there() {
    let many = vec![&b"ab"[..]; 70];
    let made = Made::new(&many, &[]);
    let req = anywhere(&made);
    let all = req.readable().slice(1, 138).unwrap().segments().unwrap();
    let lens: Vec<_> = all.iter().map(|piece| piece.iov_len).collect();
    assert_eq!((all.len(), lens[0], lens[69], lens.iter().sum()), (70, 1, 1, 138_usize));
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no system calls of all these pieces")]
fn the_kernel_reads_and_writes_pieces() {
    let many = vec![&b"ab"[..]; 70];
    let made = Made::new(&many, &[b"...", b".."]);
    let req = anywhere(&made);
    let (mut here, there) = UnixStream::pair().unwrap();
    assert_eq!(req.readable().write_to(&there, None).unwrap(), 140);
    let mut got = [0; 140];
    here.read_exact(&mut got).unwrap();
    assert_eq!(&got[..], "ab".repeat(70).as_bytes());
    here.write_all(b"1234").unwrap();
    drop(here);
    assert_eq!(req.writable().read_from(&there, None).unwrap(), 4);
    assert_eq!((made.found().as_slice(), req.written()), (&b"1234."[..], 4));
    let null = File::open("/dev/null").unwrap();
    assert_eq!(req.writable().read_from(&null.as_fd(), Some(3)).unwrap(), 0);
}

#[test]
fn without_its_device_it_has_no_bytes() {
    let made = Made::new(&[b"abc"], &[b"..."]);
    let shared = nobody();
    // Safety: as above.
    let req = unsafe { Buffers::new(made.req, Of::Anywhere(Arc::clone(&shared)), 0) };
    assert_eq!(req.read_obj::<[u8; 3]>(0).unwrap(), *b"abc");
    shared.gate.close();
    assert_eq!(req.read_obj::<[u8; 3]>(0).unwrap_err(), Error::Gone);
    assert_eq!(req.write_at(0, b"x"), 0);
    assert_eq!(req.writable().fill(0).unwrap_err(), Error::Gone);
    assert_eq!(req.readable().segments().unwrap_err(), Error::Gone);
    let file = File::open("/dev/null").unwrap();
    assert_eq!(req.writable().read_from(&file, None).unwrap_err(), Error::Gone);
    assert_eq!((req.written(), made.found().as_slice()), (0, &b"..."[..]));
}
