//! What the bare server and the load client share. Linux only: epoll, and the CPU clock of another process.
//!
//! Everything here is single-threaded. `sys` holds the system calls that std does not offer, `openssl` a library that is
//! opened by its path; all of the unsafe code is in these two.

#![deny(unsafe_code)]

pub mod channel;
pub mod datagrams;
pub mod epoll;
pub mod exchange;
pub mod latency;
#[allow(unsafe_code)]
pub mod openssl;
pub mod options;
pub mod plain;
pub mod rustls_echo;
pub mod server;
#[allow(unsafe_code)]
pub mod sys;
