// SPDX-License-Identifier: MIT
//! Who uses a C object from other threads, so that its end can wait for them.
//!
//! Invariant: while somebody is inside, the object is not freed; once it is closed, nobody gets in.
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

const CLOSED: usize = 1 << (usize::BITS - 1);

/// Counts who is inside; closed once.
pub(crate) struct Gate(AtomicUsize);

/// Somebody is inside.
pub(crate) struct Inside<'a>(&'a Gate);

impl Gate {
    pub(crate) const fn new() -> Gate {
        Gate(AtomicUsize::new(0))
    }

    /// None once it is closed.  May be entered again by who is inside.
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        let inside = Inside(self);
        // Pairs with close(): one of the two sees what the other did.
        if self.0.fetch_add(1, Ordering::SeqCst) & CLOSED != 0 {
            return None; // and out, as `inside` is dropped
        }
        Some(inside)
    }

    /// Who entered is out, and has forgotten its `Inside`.
    pub(crate) fn leave(&self) {
        drop(Inside(self));
    }

    /// Lets nobody in any more, and waits until all are out; what they do inside is short.
    pub(crate) fn close(&self) {
        self.0.fetch_or(CLOSED, Ordering::SeqCst);
        let mut looks = 0;
        while self.0.load(Ordering::SeqCst) != CLOSED {
            looks += 1;
            if looks < 100 {
                thread::yield_now();
            } else {
                thread::sleep(Duration::from_micros(200));
            }
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0 .0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{atomic::AtomicBool, Arc};

    #[test]
    fn a_closed_gate_lets_nobody_in() {
        let gate = Gate::new();
        {
            let _one = gate.enter().unwrap();
            let _two = gate.enter().unwrap();
        }
        gate.close();
        assert!(gate.enter().is_none());
        gate.close();
    }

    #[test]
    fn closing_waits_for_who_is_inside() {
        let gate = Arc::new(Gate::new());
        let out = Arc::new(AtomicBool::new(false));
        let inside = gate.enter().unwrap();
        let other = {
            let (gate, out) = (Arc::clone(&gate), Arc::clone(&out));
            thread::spawn(move || {
                gate.close();
                assert!(out.load(Ordering::SeqCst));
            })
        };
        while let Some(again) = gate.enter() {
            drop(again);
            thread::yield_now();
        }
        out.store(true, Ordering::SeqCst);
        drop(inside);
        other.join().unwrap();
    }
}
