// SPDX-License-Identifier: MIT
//! Ranges of a request's bytes.
use std::{
    cmp::min,
    io::{self, Read, Write},
    os::unix::io::AsFd,
};

use libvu_sys as c;

use crate::{
    buffers::{Buffers, Part},
    Error, Result,
};

const CHUNK: usize = 4096;

macro_rules! range {
    ($(#[$doc:meta])* $name:ident $part:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name<'a> {
            buffers: &'a Buffers<'a>,
            offset: u64,
            len: u64,
        }

        impl<'a> $name<'a> {
            pub(crate) fn new(buffers: &'a Buffers<'_>, offset: u64, len: u64) -> $name<'a> {
                $name { buffers, offset, len }
            }

            /// Its bytes.
            pub fn len(&self) -> u64 {
                self.len
            }

            /// It has no bytes.
            pub fn is_empty(&self) -> bool {
                self.len == 0
            }

            /// A part of it; [`Error::Short`] if it has fewer bytes than that.
            pub fn slice(self, offset: u64, len: u64) -> Result<$name<'a>> {
                match offset.checked_add(len) {
                    Some(end) if end <= self.len => {
                        Ok($name { offset: self.offset + offset, len, ..self })
                    }
                    _ => Err(Error::Short),
                }
            }

            /// In two, at an offset; [`Error::Short`] if it has fewer bytes than that.
            pub fn split_at(self, offset: u64) -> Result<($name<'a>, $name<'a>)> {
                let first = self.slice(0, offset)?;
                Ok((first, self.slice(offset, self.len - offset)?))
            }

            /// Where it is in this process, for system calls and hardware.
            ///
            /// The pointers are good until the request is completed, and no longer.  The guest can
            /// change what they point to at any time: no reference to it may be made.
            pub fn segments(&self) -> Result<Vec<c::iovec>> {
                self.buffers.segments(Part::$part, self.offset, self.len)
            }
        }
    };
}

range! {
    /// A range of what the driver sent: [`io::Read`] goes through it.
    Readable Readable
}
range! {
    /// A range of what the device may write: [`io::Write`] goes through it.
    Writable Writable
}

impl Readable<'_> {
    /// Copies all of it; `into` must be as long, else it is [`Error::Short`].
    pub fn copy_to(&self, into: &mut [u8]) -> Result<()> {
        if into.len() as u64 != self.len {
            return Err(Error::Short);
        }
        match self.buffers.read_at(self.offset, into) {
            n if n == into.len() => Ok(()),
            _ => Err(Error::Gone),
        }
    }

    /// A copy of it.  The driver chooses how long it is: give the most that you take, beyond which
    /// it is [`Error::Short`] of none, and not copied.
    pub fn to_vec(&self, most: usize) -> Result<Vec<u8>> {
        if self.len > most as u64 {
            return Err(Error::Os(crate::error::ERANGE));
        }
        let mut copy = vec![0; self.len as usize];
        self.copy_to(&mut copy)?;
        Ok(copy)
    }

    /// Writes it to a file, at `position` or where that stands: how many bytes went.
    pub fn write_to(&self, fd: &impl AsFd, position: Option<u64>) -> Result<u64> {
        self.buffers.transfer(Part::Readable, self.offset, self.len, fd, position)
    }

    /// Copies into a range of this or another request: as much as both have.
    pub fn copy_into(&self, into: &Writable<'_>) -> Result<u64> {
        let len = min(self.len, into.len);
        let mut chunk = [0; CHUNK];
        let mut done = 0;
        while done < len {
            let piece = &mut chunk[..min(CHUNK as u64, len - done) as usize];
            self.slice(done, piece.len() as u64)?.copy_to(piece)?;
            into.slice(done, piece.len() as u64)?.copy_from(piece)?;
            done += piece.len() as u64;
        }
        Ok(done)
    }
}

impl Writable<'_> {
    /// Writes all of it; `from` must be as long, else it is [`Error::Short`].
    pub fn copy_from(&self, from: &[u8]) -> Result<()> {
        if from.len() as u64 != self.len {
            return Err(Error::Short);
        }
        match self.buffers.write_at(self.offset, from) {
            n if n == from.len() => Ok(()),
            _ => Err(Error::Gone),
        }
    }

    /// Writes the same byte everywhere.
    pub fn fill(&self, byte: u8) -> Result<()> {
        let chunk = [byte; CHUNK];
        let mut done = 0;
        while done < self.len {
            let n = min(CHUNK as u64, self.len - done);
            self.slice(done, n)?.copy_from(&chunk[..n as usize])?;
            done += n;
        }
        Ok(())
    }

    /// Reads from a file, at `position` or where that stands: how many bytes came, which are fewer
    /// where the file ends.
    pub fn read_from(&self, fd: &impl AsFd, position: Option<u64>) -> Result<u64> {
        let n = self.buffers.transfer(Part::Writable, self.offset, self.len, fd, position)?;
        if n != 0 {
            self.buffers.wrote(self.offset + n);
        }
        Ok(n)
    }

    /// As if all of it had been written: by a system call or hardware, through segments().
    pub fn set_written(&self) {
        self.buffers.wrote(self.offset + self.len);
    }
}

impl Read for Readable<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = min(into.len() as u64, self.len) as usize;
        let n = self.buffers.read_at(self.offset, &mut into[..n]);
        (self.offset, self.len) = (self.offset + n as u64, self.len - n as u64);
        Ok(n)
    }
}

impl Write for Writable<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let n = min(from.len() as u64, self.len) as usize;
        let n = self.buffers.write_at(self.offset, &from[..n]);
        (self.offset, self.len) = (self.offset + n as u64, self.len - n as u64);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
