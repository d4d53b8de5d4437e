//! What the bare server and the load client share. Linux only: epoll, and the CPU clock of another process.
//!
//! Everything here is single-threaded. `sys` holds the system calls that std does not offer, and all of the unsafe code.

#![deny(unsafe_code)]

pub mod epoll;
pub mod exchange;
pub mod latency;
pub mod options;
#[allow(unsafe_code)]
pub mod sys;
