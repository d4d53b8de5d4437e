//! Waits for descriptors to become ready.

use std::io;
use std::os::fd::RawFd;

use crate::event::{Events, Interest, Token, Trigger, Watched};
use crate::generation;
use crate::sys::epoll::Epoll;
use crate::sys::{is_unknown, room};

/// How long a wait may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Look, and return at once.
    Now,
    /// At most this many nanoseconds.
    After(i64),
    /// Until something happens.
    Never,
}

/// A set of watched descriptors.
///
/// A registration ends with `remove`, or with the last descriptor of the open file. The kernel knows it by
/// both, number and file: while a copy of the descriptor lives, in a child process for instance, one whose
/// own number was closed goes on being reported and can no longer be named. Such a set has to be built anew:
/// [`Poller::renew`].
pub struct Poller(Epoll);

impl Poller {
    pub fn new() -> io::Result<Self> {
        let epoll = Epoll::new()?;
        room::make(epoll.as_raw_fd(), generation());
        Ok(Self(epoll))
    }

    /// Its own descriptor: another loop may wait for it. [`renew`](Self::renew) makes a new one of it.
    #[must_use]
    pub fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Starts to watch `fd`; fails with `EEXIST` where it is watched already.
    pub fn add(&self, fd: RawFd, token: Token, interest: Interest, trigger: Trigger) -> io::Result<()> {
        self.0.add(fd, token, interest, trigger)
    }

    /// Changes what `fd` is watched for; fails with `ENOENT` where it is not watched.
    pub fn modify(&self, fd: RawFd, token: Token, interest: Interest, trigger: Trigger) -> io::Result<()> {
        self.0.modify(fd, token, interest, trigger)
    }

    /// Stops watching `fd`; fails with `ENOENT` or `EBADF` where there is nothing to stop.
    pub fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.0.remove(fd)
    }

    /// Builds the set anew from what it was told, all of it; what it watched beside that is gone. Hands over
    /// the tokens of those whose numbers are not theirs any more, which are not watched any longer.
    pub fn renew(&self, watched: impl IntoIterator<Item = Watched>) -> io::Result<Vec<Token>> {
        let new = Epoll::new()?;
        let mut gone = Vec::new();
        for Watched { fd, token, interest, trigger } in watched {
            // The kernel compares number and file.
            match self.0.modify(fd, token, interest, trigger) {
                Ok(()) => new.add(fd, token, interest, trigger)?,
                Err(error) if is_unknown(&error) => gone.push(token),
                Err(error) => return Err(error),
            }
        }
        self.0.replace(new)?;
        Ok(gone)
    }

    /// Waits and fills `events`. A signal ends the wait with [`io::ErrorKind::Interrupted`].
    #[inline]
    pub fn wait(&self, events: &mut Events, timeout: Timeout) -> io::Result<()> {
        self.0.wait(&mut events.0, timeout)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::Notifier;

    fn ready(poller: &Poller, timeout: Timeout) -> Vec<u64> {
        let mut events = Events::with_capacity(8);
        // A process that is stopped and continued is interrupted, too.
        while let Err(error) = poller.wait(&mut events, timeout) {
            assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        }
        (0..events.len()).filter_map(|i| events.get(i)).map(|event| event.token.0).collect()
    }

    #[test]
    fn a_level_is_reported_until_it_is_gone_and_an_edge_once() {
        let (mut left, right) = UnixStream::pair().unwrap();
        let poller = Poller::new().unwrap();
        poller.add(right.as_raw_fd(), Token(1), Interest::READABLE, Trigger::Level).unwrap();
        assert_eq!(ready(&poller, Timeout::Now), []);
        left.write_all(b"x").unwrap();
        assert_eq!(ready(&poller, Timeout::Never), [1]);
        assert_eq!(ready(&poller, Timeout::Now), [1]);
        poller.modify(right.as_raw_fd(), Token(2), Interest::READABLE, Trigger::Edge).unwrap();
        assert_eq!(ready(&poller, Timeout::Now), [2]);
        assert_eq!(ready(&poller, Timeout::Now), []);
        left.write_all(b"y").unwrap();
        assert_eq!(ready(&poller, Timeout::Now), [2]);
    }

    #[test]
    fn a_notification_from_another_thread_ends_a_wait() {
        let poller = Poller::new().unwrap();
        let notifier = Notifier::new(&poller, Token(7)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| notifier.notify().unwrap());
            assert_eq!(ready(&poller, Timeout::Never), [7]);
        });
        assert_eq!(ready(&poller, Timeout::Now), []);
        notifier.notify().unwrap();
        assert_eq!(ready(&poller, Timeout::Never), [7]);
    }

    #[test]
    fn a_wait_lasts_at_least_its_timeout_below_a_millisecond_too() {
        let poller = Poller::new().unwrap();
        let start = crate::now();
        assert_eq!(ready(&poller, Timeout::After(300_000)), []);
        assert!(crate::now() - start >= 300_000);
    }

    #[test]
    fn what_can_no_longer_be_named_goes_when_the_set_is_built_anew() {
        let (mut left, right) = UnixStream::pair().unwrap();
        let (mut other, watched) = UnixStream::pair().unwrap();
        let poller = Poller::new().unwrap();
        let notifier = Notifier::new(&poller, Token(7)).unwrap();
        let number = right.as_raw_fd();
        let told = [(number, 1), (watched.as_raw_fd(), 2)].map(|(fd, token)| Watched {
            fd,
            token: Token(token),
            interest: Interest::READABLE,
            trigger: Trigger::Level,
        });
        for Watched { fd, token, interest, trigger } in told {
            poller.add(fd, token, interest, trigger).unwrap();
        }
        // A copy of the descriptor keeps the open file.
        let copy = right.try_clone().unwrap();
        drop(right);
        left.write_all(b"x").unwrap();
        assert_eq!(ready(&poller, Timeout::Never), [1]);
        assert!(poller.remove(number).is_err());
        assert_eq!(ready(&poller, Timeout::Now), [1]);

        let gone = poller.renew(told.into_iter().chain([notifier.watched()])).unwrap();
        assert_eq!(gone, [Token(1)]);
        assert_eq!(ready(&poller, Timeout::Now), []);
        other.write_all(b"y").unwrap();
        assert_eq!(ready(&poller, Timeout::Never), [2]);
        drop((copy, watched));
        notifier.notify().unwrap();
        assert_eq!(ready(&poller, Timeout::Never), [7]);
        assert_eq!(ready(&poller, Timeout::Now), []);
    }

    #[test]
    fn a_stale_descriptor_is_an_error() {
        let poller = Poller::new().unwrap();
        // The number of one that was closed may be in use again, by another test.
        assert!(poller.add(RawFd::MAX, Token(1), Interest::READABLE, Trigger::Level).is_err());
        assert!(poller.remove(-1).is_err());
    }
}
