//! Python's face: awaitables of Rust futures, on whatever loop runs them.
//!
//! ```ignore
//! #[pymethods]
//! impl Client {
//!     fn get(&self, url: String) -> Awaitable {
//!         let pool = self.pool.clone();
//!         ironloop::coroutine("Client.get", async move { pool.get(&url).await })
//!     }
//! }
//! ```
//!
//! A future is polled on the loop's own thread, attached, in the step of the task that awaits it. A waker
//! never calls Python: on ironloop it goes by the table of `ironloop-abi`, elsewhere by a mailbox of the
//! loop's. The limited API suffices. The unsafe code of this crate is in here and in
//! `host/table.rs`.

mod awaiting;
mod block;
mod class;
mod coroutine;
mod detached;
mod frame;
mod guest;
mod home;
mod hosts;
mod iterate;
mod link;
mod polling;
mod remains;
mod resume;
mod spawn;
mod stable;
mod state;
mod table;
mod token;

pub use awaiting::{Awaiting, awaiting};
pub use block::block_on;
pub use coroutine::{Awaitable, coroutine, local_coroutine};
pub use detached::{Detached, detached};
pub use home::{Gone, Home, WithPython};
pub use iterate::{AsyncIter, iterate};
pub use token::{CancelToken, cancellable};
