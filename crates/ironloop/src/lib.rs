//! Rust futures on a loop of one thread.
//!
//! A program without Python runs them by [`block_on`] and [`spawn_local`], on ironloop's own reactor. They
//! wait for time ([`time`]), for sockets ([`net`]), for each other ([`sync`]), and for calls on other threads
//! ([`blocking`]).
//!
//! ```
//! use std::time::Duration;
//! use ironloop::time;
//!
//! ironloop::block_on(async {
//!     let kettle = ironloop::spawn_local(async {
//!         time::sleep(Duration::from_millis(10)).await;
//!         "tea"
//!     });
//!     match time::timeout(Duration::from_secs(1), kettle).await {
//!         Ok(Ok(what)) => println!("there is {what}"),
//!         Ok(Err(error)) => println!("the kettle has failed: {error}"),
//!         Err(_) => println!("too late"),
//!     }
//! });
//! ```

#![deny(unsafe_code)]

mod host;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod net;
#[cfg(feature = "pyo3")]
#[allow(unsafe_code)]
pub mod python;
pub mod runtime;
/// A test of it must not need libpython.
#[cfg(all(test, loom, not(feature = "pyo3")))]
#[path = "python/state.rs"]
mod state;
#[cfg(feature = "sync")]
pub mod sync;
pub mod time;
#[cfg(feature = "tokio")]
pub mod tokio;

#[cfg(feature = "pyo3")]
pub use python::{
    AsyncIter, Awaitable, Awaiting, CancelToken, Detached, awaiting, cancellable, coroutine, detached,
    iterate, local_coroutine,
};
pub use runtime::{JoinError, JoinHandle, block_on, blocking, gather, spawn_local, yield_now};
