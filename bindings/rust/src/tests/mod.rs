// SPDX-License-Identifier: MIT
//! What needs no front-end, also under Miri: bytes of requests, options, errors, numbers.
//!
//! With Miri, which calls no C, `stand_in` is the part of the library that these tests need; then
//! `life` has a device from its beginning to its end, too.
mod buffers;
#[cfg(miri)]
mod life;
mod made;
mod plain;
#[cfg(miri)]
mod stand_in;
