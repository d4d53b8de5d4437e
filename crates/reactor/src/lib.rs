//! The turn: what a loop waits for, what it watches, and what other threads leave it.
//!
//! Between the engine's policy and the driver's mechanism, and still without Python: whoever has a
//! [`Reactor`] performs the items that it hands out, with nothing borrowed. It belongs to the loop's thread;
//! other threads have its [`Remote`]. Must not import anything of Python's, nor make a system call but by the
//! [`Driver`](ironloop_driver::Driver).

#![forbid(unsafe_code)]

mod accept;
mod pulse;
mod reactor;
mod registration;
mod remote;
mod reported;
mod sources;
mod stretch;
mod watch;

pub use accept::{Accept, Arrivals, Batch};
pub use pulse::{Beat, Doing, Pulse};
pub use reactor::{Approach, Closed, EVENTS, Event, Reactor};
pub use registration::Registration;
pub use remote::{Remote, Thread};
pub use reported::Reported;
pub use sources::{Sources, Wanted};
pub use stretch::{Finding, Stretch};
pub use watch::{Known, Line, Refusal, Side, Watch, Watcher};
