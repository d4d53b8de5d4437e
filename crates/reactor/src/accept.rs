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

/// How connections have come to a listening socket until now.
///
/// An event says that somebody waits, not how many. To look for another costs a call that is refused where
/// connections come one by one, as they mostly do. Who is left is reported again in the very next turn: then
/// they do not come one by one any more, and that turn takes all.
#[derive(Default)]
pub struct Arrivals {
    /// Events in a row that have brought one connection; from [`ONE_BY_ONE`] on nobody has looked for more.
    alone: u32,
    /// The turn of the last event.
    turn: u64,
}

/// After so many that came alone the next is taken to be alone too.
const ONE_BY_ONE: u32 = 8;

/// Of so many it is looked after one whether that is still so: where more is ready than one wait reports, who
/// is left is not reported in the next turn.
const LOOK_AGAIN: u32 = 16;

impl Arrivals {
    /// An event, in the loop's turn of that number, of a socket with room for `backlog` connections that wait.
    #[must_use]
    pub fn batch(&mut self, turn: u64, backlog: usize) -> Batch {
        if turn == self.turn + 1 {
            self.alone = 0;
        }
        self.turn = turn;
        let most = if self.alone > ONE_BY_ONE { 1 } else { backlog.clamp(1, MOST_AT_ONCE) };
        Batch { left: most, taken: 0 }
    }

    /// What the event has brought.
    pub fn learn(&mut self, batch: &Batch) {
        self.alone = match batch.taken {
            0 => self.alone,
            1 if self.alone < ONE_BY_ONE + LOOK_AGAIN - 1 => self.alone + 1,
            1 => ONE_BY_ONE,
            _ => 0,
        };
    }
}

/// The connections that one event takes.
pub struct Batch {
    left: usize,
    taken: usize,
}

impl Batch {
    /// The next connection. `listener` is the socket's number now.
    pub fn accept(&mut self, driver: &Driver, listener: RawFd) -> Accept {
        let Some(left) = self.left.checked_sub(1) else { return Accept::Done };
        self.left = left;
        match driver.accept(listener) {
            Ok(accepted) => {
                self.taken += 1;
                Accept::Connection(accepted)
            }
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

    struct Queue {
        listener: TcpListener,
        waiting: Vec<TcpStream>,
        arrivals: Arrivals,
        turn: u64,
    }

    impl Queue {
        fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
            listener.set_nonblocking(true).expect("it can be told");
            Self { listener, waiting: Vec::new(), arrivals: Arrivals::default(), turn: 0 }
        }

        /// Connections have come one by one, with turns between them.
        fn one_by_one() -> Self {
            let mut queue = Self::new();
            for _ in 0..=ONE_BY_ONE {
                queue.connect(1);
                assert_eq!(queue.take(3, 100), 1);
            }
            queue
        }

        fn connect(&mut self, count: usize) {
            let address = self.listener.local_addr().expect("it has one");
            self.waiting.extend((0..count).map(|_| TcpStream::connect(address).expect("it listens")));
        }

        /// How many an event takes that comes so many turns after the last.
        fn take(&mut self, turns: u64, backlog: usize) -> usize {
            self.turn += turns;
            let mut batch = self.arrivals.batch(self.turn, backlog);
            let taken =
                std::iter::from_fn(|| match batch.accept(&Driver::Kernel, self.listener.as_raw_fd()) {
                    Accept::Connection(accepted) => Some(accepted),
                    Accept::Done => None,
                    Accept::Exhausted(error) | Accept::Failed(error) => panic!("{error}"),
                })
                .count();
            self.arrivals.learn(&batch);
            taken
        }
    }

    #[test]
    fn a_batch_takes_what_waits_and_no_more_than_the_backlog() {
        let mut queue = Queue::new();
        queue.connect(3);
        assert_eq!([2, 100, 100].map(|backlog| queue.take(3, backlog)), [2, 1, 0]);
    }

    #[test]
    fn where_they_come_one_by_one_the_turn_after_takes_who_is_left() {
        let mut queue = Queue::one_by_one();
        queue.connect(40);
        assert_eq!([queue.take(3, 100), queue.take(1, 100)], [1, 39]);
        queue.connect(3);
        assert_eq!(queue.take(3, 100), 3);
    }

    #[test]
    fn it_is_looked_for_more_now_and_then_where_no_event_comes_in_the_next_turn() {
        let mut queue = Queue::one_by_one();
        queue.connect(40);
        let taken: Vec<_> = (0..LOOK_AGAIN).map(|_| queue.take(2, 100)).collect();
        assert_eq!(taken.iter().sum::<usize>(), 40, "{taken:?}");
    }

    #[test]
    fn a_stale_number_has_failed() {
        let mut batch = Arrivals::default().batch(1, 0);
        assert!(matches!(batch.accept(&Driver::Kernel, -1), Accept::Failed(_)));
    }
}
