//! What a coroutine waits for, but for I/O: time, several futures at once, queues, locks, groups of tasks.
//!
//! All of it belongs to the thread of the loop that runs, and to a lock or queue's loop once somebody has
//! waited. It knows the loop and ffi, and must not name I/O; nothing here is in a circle.

pub(crate) mod alarm;
pub(crate) mod awaiting;
pub(crate) mod combinators;
pub(crate) mod immediate;
mod line;
pub(crate) mod locks;
mod loop_bound;
pub(crate) mod queue;
pub(crate) mod sleep;
pub(crate) mod staged;
pub(crate) mod task_group;
pub(crate) mod timeouts;
pub(crate) mod wait_for;
pub(crate) mod waiter;
