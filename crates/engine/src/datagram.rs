//! A datagram socket's life: what it wants from the kernel, what it owes its protocol.
//!
//! The machine owns neither socket nor protocol. A datagram goes to the kernel at once if none waits; what
//! the kernel refuses waits here, in order, until the socket is writable. Its driver takes the waiting ones
//! with [`Datagrams::pop`], gives back what is refused again, and then takes [`Datagrams::step`] until there
//! is none, performing each with nothing borrowed.

use std::collections::VecDeque;

use crate::endpoint::Endpoint;
pub use crate::flow::{FlowChange, Limits};

/// What the driver has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Tell the protocol to send less, or that it may send again.
    Flow(FlowChange),
    /// All is sent and the socket is closed by its owner: tell the protocol, then close it for good.
    Lose,
}

/// One socket. `D` is a datagram's bytes, `A` where it goes.
pub struct Datagrams<D, A> {
    pub endpoint: Endpoint,
    waiting: VecDeque<(D, A)>,
    /// What flow control counts: the bytes that wait, and a header for each datagram.
    buffered: usize,
    header: usize,
}

impl<D: AsRef<[u8]>, A> Datagrams<D, A> {
    /// `header`: how many bytes flow control counts for a datagram beside its own.
    #[must_use]
    pub fn new(header: usize) -> Self {
        Self { endpoint: Endpoint::default(), waiting: VecDeque::new(), buffered: 0, header }
    }

    /// Whether the poller should watch the socket for room, now.
    #[must_use]
    pub fn wants_to_write(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a datagram may go to the kernel now: it would overtake no other.
    #[must_use]
    pub fn may_send_at_once(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a datagram that the kernel refused, or that must wait behind such. Hands it back once all is
    /// over.
    pub fn push(&mut self, datagram: D, address: A) -> Option<(D, A)> {
        if self.endpoint.is_lost() {
            return Some((datagram, address));
        }
        self.buffered += datagram.as_ref().len() + self.header;
        self.waiting.push_back((datagram, address));
        None
    }

    /// Takes out the datagram that has waited longest, to offer it to the kernel.
    pub fn pop(&mut self) -> Option<(D, A)> {
        let next = self.waiting.pop_front()?;
        self.buffered -= next.0.as_ref().len() + self.header;
        self.endpoint.flow.ease();
        Some(next)
    }

    /// The kernel has refused it again: it goes first the next time. Hands it back once all is over.
    pub fn put_back(&mut self, datagram: D, address: A) -> Option<(D, A)> {
        if self.endpoint.is_lost() {
            return Some((datagram, address));
        }
        self.buffered += datagram.as_ref().len() + self.header;
        self.waiting.push_front((datagram, address));
        None
    }

    /// What waits, in order.
    pub fn waiting(&self) -> impl Iterator<Item = &(D, A)> {
        self.waiting.iter()
    }

    /// How much waits, as flow control counts it.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// No more reading; what waits is still sent. True if this changed anything.
    pub fn close(&mut self) -> bool {
        self.endpoint.close()
    }

    /// All is over now. What waited is handed over to be dropped; `None` if this changed nothing, else the
    /// protocol has to be told.
    pub fn abort(&mut self) -> Option<VecDeque<(D, A)>> {
        self.endpoint.abort().then(|| {
            self.buffered = 0;
            std::mem::take(&mut self.waiting)
        })
    }

    /// What the driver has to do next, until there is nothing.
    pub fn step(&mut self) -> Option<Step> {
        if self.endpoint.is_lost() {
            return None;
        }
        // The kernel has refused the first of what waits.
        if let Some(change) = self.endpoint.flow.judge(self.buffered, true) {
            return Some(Step::Flow(change));
        }
        (self.waiting.is_empty() && self.endpoint.end_if_closing()).then_some(Step::Lose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbered = Datagrams<Vec<u8>, u32>;

    fn open(header: usize) -> Numbered {
        let mut datagrams = Numbered::new(header);
        datagrams.endpoint.start();
        datagrams
    }

    /// Offers what waits to a kernel that takes `room` datagrams.
    fn offer(datagrams: &mut Numbered, mut room: usize) -> Vec<u32> {
        let mut sent = Vec::new();
        while let Some((datagram, address)) = datagrams.pop() {
            if room == 0 {
                assert_eq!(datagrams.put_back(datagram, address), None);
                break;
            }
            room -= 1;
            sent.push(address);
        }
        sent
    }

    #[test]
    fn what_was_refused_goes_out_in_order_the_empty_ones_too() {
        let mut datagrams = open(0);
        assert!(datagrams.may_send_at_once());
        for (number, size) in [3, 0, 2, 0].into_iter().enumerate() {
            assert_eq!(datagrams.push(vec![0; size], number as u32), None);
        }
        assert!(!datagrams.may_send_at_once());
        assert!(datagrams.wants_to_write());
        assert_eq!(datagrams.buffered(), 5);
        assert_eq!(offer(&mut datagrams, 1), [0]);
        assert_eq!(datagrams.buffered(), 2);
        assert_eq!(offer(&mut datagrams, 0), []);
        assert_eq!(datagrams.waiting().map(|(_, number)| *number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(offer(&mut datagrams, 9), [1, 2, 3]);
        assert!(!datagrams.wants_to_write());
        assert_eq!(datagrams.step(), None);
    }

    #[test]
    fn headers_count_as_long_as_their_datagrams_wait() {
        let mut datagrams = open(8);
        datagrams.endpoint.set_limits(Limits { high: 20, low: 9 });
        datagrams.push(vec![0; 4], 0);
        assert_eq!(datagrams.step(), None);
        datagrams.push(Vec::new(), 1);
        assert_eq!(datagrams.step(), None);
        datagrams.push(vec![0; 1], 2);
        assert_eq!(datagrams.buffered(), 29);
        assert_eq!(datagrams.step(), Some(Step::Flow(FlowChange::Pause)));
        assert!(datagrams.endpoint.is_writing_paused());
        assert_eq!(datagrams.step(), None);
        offer(&mut datagrams, 1);
        assert_eq!(datagrams.step(), None);
        offer(&mut datagrams, 1);
        assert_eq!(datagrams.step(), Some(Step::Flow(FlowChange::Resume)));
        assert_eq!(offer(&mut datagrams, 9), [2]);
        assert_eq!(datagrams.buffered(), 0);
    }

    #[test]
    fn close_sends_what_waits_first_and_loses_once() {
        let mut datagrams = open(8);
        datagrams.push(b"bye".to_vec(), 0);
        assert!(datagrams.close());
        assert!(!datagrams.close());
        assert!(
            datagrams.endpoint.is_closing()
                && !datagrams.endpoint.wants_to_read()
                && datagrams.wants_to_write()
        );
        assert_eq!(datagrams.step(), None);
        datagrams.push(b"and this".to_vec(), 1);
        assert_eq!(offer(&mut datagrams, 9), [0, 1]);
        assert_eq!(datagrams.step(), Some(Step::Lose));
        assert_eq!(datagrams.step(), None);
        assert!(datagrams.endpoint.is_lost());
        assert_eq!(datagrams.push(b"late".to_vec(), 2), Some((b"late".to_vec(), 2)));
        assert_eq!(datagrams.put_back(b"later".to_vec(), 3), Some((b"later".to_vec(), 3)));
        assert_eq!(datagrams.abort(), None);
    }

    #[test]
    fn abort_hands_over_what_waited_and_gives_no_further_step() {
        let mut datagrams = open(8);
        datagrams.endpoint.set_limits(Limits { high: 0, low: 0 });
        datagrams.push(b"x".to_vec(), 7);
        assert_eq!(datagrams.abort().map(Vec::from), Some(vec![(b"x".to_vec(), 7)]));
        assert_eq!(datagrams.abort(), None);
        assert_eq!(datagrams.step(), None);
        assert_eq!(datagrams.buffered(), 0);
        assert!(!datagrams.wants_to_write());
    }
}
