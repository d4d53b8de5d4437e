//! Channels, locks and events: those of crates that run on any loop, passed on for whoever wants no further
//! line in his `Cargo.toml`.
//!
//! | for | of |
//! |---|---|
//! | queues with one or many at each end, bounded (back-pressure) or not: [`bounded`](channel::bounded), [`unbounded`](channel::unbounded) | [async-channel](https://docs.rs/async-channel) |
//! | [`Mutex`], [`RwLock`], [`Semaphore`], [`Barrier`], [`OnceCell`] | [async-lock](https://docs.rs/async-lock) |
//! | [`Event`], of which the others are made | [event-listener](https://docs.rs/event-listener) |
//!
//! ```
//! use ironloop::sync::channel;
//!
//! let sum: u32 = ironloop::block_on(async {
//!     let (shelf, customers) = channel::bounded(2);
//!     ironloop::spawn_local(async move {
//!         for loaf in 1..=4 {
//!             shelf.send(loaf).await.unwrap(); // waits while the shelf is full
//!         }
//!     });
//!     let mut sum = 0;
//!     while let Ok(loaf) = customers.recv().await {
//!         sum += loaf;
//!     }
//!     sum
//! });
//! assert_eq!(sum, 10);
//! ```

/// Queues: [async-channel](https://docs.rs/async-channel).
pub use async_channel as channel;
pub use async_lock::{
    Barrier, Mutex, MutexGuard, OnceCell, RwLock, Semaphore, SemaphoreGuard, SemaphoreGuardArc,
};
pub use event_listener::{Event, EventListener, Listener};
