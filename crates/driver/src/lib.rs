//! Mechanism: what the kernel does for a loop.
//!
//! [`Driver`] is what a loop asks, and says what it is owed. The vocabulary (token, interest, event, poller,
//! notifier, clock, stack, address, socket, datagram) stands at the root; the system calls stand in `sys`,
//! the only place with `unsafe`. Nothing here knows of callbacks or of Python. Everything but [`Notifier`]
//! belongs to the thread that runs the loop.

#![deny(unsafe_code)]

mod address;
mod clock;
mod copies;
pub mod datagram;
mod driver;
mod event;
pub mod file;
mod notifier;
mod poller;
pub mod socket;
mod stack;
#[allow(unsafe_code)]
mod sys;
mod thread;

pub use address::{Address, Family, UnixName};
pub use clock::now;
pub use copies::forks;
pub use driver::Driver;
pub use event::{Event, Events, Interest, Ready, Token, Trigger, Watched};
pub use notifier::Notifier;
pub use poller::{Poller, Timeout};
pub use stack::stack;
pub use thread::hold_at_exit;

/// A descriptor as the kernel numbers it. Users hand them in, so one may be stale: calls then return an
/// error.
pub use std::os::fd::RawFd;
