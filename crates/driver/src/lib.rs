//! Mechanism: what the kernel does for a loop.
//!
//! [`Driver`] is what a loop asks, and says what it is owed. The vocabulary (token, interest, event, poller,
//! notifier, clock, stack, address, socket, datagram) stands at the root; the system calls stand in `sys`,
//! the only place with `unsafe`. Nothing here knows of callbacks or of Python. Everything but [`Notifier`]
//! belongs to the thread that runs the loop.

#![deny(unsafe_code)]

mod address;
mod alarm;
mod choices;
mod clock;
mod copies;
pub mod datagram;
mod disguise;
mod driver;
mod event;
pub mod file;
mod lookup;
mod memory;
mod notifier;
mod poller;
mod quiet;
mod simulated;
pub mod socket;
mod stack;
#[allow(unsafe_code)]
mod sys;
mod thread;
mod workers;

pub use address::{Address, Family, UnixName};
pub use alarm::Alarm;
pub use choices::Choices;
pub use clock::now;
pub use copies::{forks, generation};
pub use driver::Driver;
pub use event::{Event, Events, Interest, Ready, Token, Trigger, Watched};
pub use lookup::{Found, Question, Unknown};
pub use memory::OwnMemory;
pub use notifier::Notifier;
pub use poller::{Poller, Timeout};
pub use quiet::{CpuClock, QuietThread, around_forks, tell_on_stderr};
pub use simulated::{Order, Simulated};
pub use stack::stack;
pub use thread::hold_at_exit;
pub use workers::Workers;

/// A descriptor as the kernel numbers it. Users hand them in, so one may be stale: calls then return an
/// error.
pub use std::os::fd::RawFd;
