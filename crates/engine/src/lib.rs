//! Policy: what a loop does next.
//!
//! The engine never calls out. It is told what happened, and is asked what to do: [`Engine::pop`] gives the
//! next ready item, [`Stream::step`] and [`Datagrams::step`] what a socket needs done. Whoever drives it
//! performs that with nothing borrowed, so a callback may call back into the engine. It sees neither the
//! kernel nor a clock: time comes in as a number.

#![forbid(unsafe_code)]

pub mod datagram;
pub mod deadline;
mod endpoint;
mod engine;
pub mod file;
mod flow;
mod inbox;
mod ready;
pub mod records;
mod slots;
pub mod stream;
mod timers;

pub use datagram::Datagrams;
pub use deadline::Deadline;
pub use endpoint::Endpoint;
pub use engine::{Engine, Plan};
pub use file::FileBuffer;
pub use inbox::{Delivery, Inbox, Sleep};
pub use ready::ReadyQueue;
pub use records::Records;
pub use slots::{Slot, Slots};
pub use stream::Stream;
pub use timers::TimerHeap;
