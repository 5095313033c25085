// SPDX-License-Identifier: MIT
//! What needs no front-end: bytes of requests, options, errors, numbers.
mod buffers;
mod made;
mod plain;
