//! Taking connections off a listening socket: so many in a turn, and what an error means.

use std::io::{self, ErrorKind};

use ironloop_driver::socket::{self, Accepted};
use ironloop_driver::{Driver, RawFd};

/// Connections that one event takes at most; more of them wait for the next turn.
const MOST_AT_ONCE: usize = 64;

/// What one try gave.
pub enum Accept {
    Connection(Accepted),
    /// Nobody waits any more, or the batch is full.
    Done,
    /// There is no descriptor or memory for another: it may go better in a while.
    Exhausted(io::Error),
    /// The listening socket has failed.
    Failed(io::Error),
}

/// The connections that one event takes.
pub struct Batch(usize);

impl Batch {
    /// Of a socket with room for `backlog` connections that wait.
    #[must_use]
    pub fn new(backlog: usize) -> Self {
        Self(backlog.clamp(1, MOST_AT_ONCE))
    }

    /// The next connection. `listener` is the socket's number now.
    pub fn accept(&mut self, driver: &Driver, listener: RawFd) -> Accept {
        let Some(left) = self.0.checked_sub(1) else { return Accept::Done };
        self.0 = left;
        match driver.accept(listener) {
            Ok(accepted) => Accept::Connection(accepted),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted => Accept::Done,
                _ if socket::is_exhausted(&error) => Accept::Exhausted(error),
                _ => Accept::Failed(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_batch_takes_what_waits_and_no_more_than_the_backlog() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("it can be told");
        let address = listener.local_addr().expect("it has one");
        let clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).expect("it listens")).collect();
        let take = |backlog| {
            let mut batch = Batch::new(backlog);
            std::iter::from_fn(|| match batch.accept(&Driver::Kernel, listener.as_raw_fd()) {
                Accept::Connection(accepted) => Some(accepted),
                Accept::Done => None,
                Accept::Exhausted(error) | Accept::Failed(error) => panic!("{error}"),
            })
            .count()
        };
        assert_eq!(take(2), 2);
        assert_eq!(take(100), 1);
        assert_eq!(take(100), 0);
        drop(clients);
    }

    #[test]
    fn a_stale_number_has_failed() {
        assert!(matches!(Batch::new(0).accept(&Driver::Kernel, -1), Accept::Failed(_)));
    }
}
