//! Sockets on the loop that polls.
//!
//! A socket belongs to the loop on which it first has to wait: elsewhere, and where no loop polls, using it is
//! an error. It may be dropped on any thread. What can be done at once is done with one system call; a poll
//! completes 64 operations at most, and then the others have their turn.
//!
//! ```
//! use ironloop::net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! ironloop::block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     ironloop::spawn_local(async move {
//!         let (mut stream, _) = listener.accept().await?;
//!         let mut name = [0; 5];
//!         stream.read_exact(&mut name).await?;
//!         stream.write_all(b"hello ").await?;
//!         stream.write_all(&name).await
//!     });
//!     let mut stream = TcpStream::connect(address).await?;
//!     stream.write_all(b"world").await?;
//!     let mut greeting = Vec::new();
//!     stream.read_to_end(&mut greeting).await?;
//!     assert_eq!(greeting, b"hello world");
//!     Ok(())
//! })
//! # }
//! ```
//!
//! With the features `futures-io`, `tokio-io` and `hyper` the streams have the traits of those.

mod eyeballs;
mod halves;
mod io;
mod lookup;
mod readiness;
mod stream;
mod tcp;
mod traits;
mod udp;
mod unix;

pub use halves::{ReadHalf, WriteHalf};
pub use lookup::{ToAddresses, lookup};
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixListener, UnixStream};

pub(crate) use readiness::Readiness;
