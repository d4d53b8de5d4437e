//! What a socket of either kind owes its protocol: whether it is open, whether anything may come in, and when
//! the protocol is told to write less.

use crate::flow::{Flow, Limits};

/// Where the socket stands. It goes down this list, and never back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// Closed by its owner; what waits is still sent.
    Closing,
    /// Over: the protocol has been told, or is about to be.
    Lost,
}

/// Where the incoming side stands: begins once, then flows or is paused, and may end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Incoming {
    /// The protocol has not been told of the socket yet.
    #[default]
    NotStarted,
    Flowing,
    Paused,
    /// The peer has sent its end of file, and the protocol keeps its own side open.
    Ended,
}

/// The part that the machines of streams and of datagrams have in common.
#[derive(Default)]
pub struct Endpoint {
    phase: Phase,
    incoming: Incoming,
    pub(crate) flow: Flow,
}

impl Endpoint {
    /// Whether the poller should watch the socket for something to read, now.
    #[must_use]
    pub fn wants_to_read(&self) -> bool {
        self.phase == Phase::Open && self.incoming == Incoming::Flowing
    }

    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.phase != Phase::Open
    }

    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.phase == Phase::Lost
    }

    /// Whether the protocol lets data come: not closed and not paused.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.phase == Phase::Open && self.incoming != Incoming::Paused
    }

    /// Whether the protocol has paused reading.
    #[must_use]
    pub fn is_reading_paused(&self) -> bool {
        self.incoming == Incoming::Paused
    }

    /// The protocol has been told of the socket: data may flow, unless it has paused already.
    pub fn start(&mut self) {
        if self.incoming == Incoming::NotStarted {
            self.incoming = Incoming::Flowing;
        }
    }

    /// No data may come until [`Self::resume_reading`].
    pub fn pause_reading(&mut self) {
        if self.is_reading() {
            self.incoming = Incoming::Paused;
        }
    }

    /// True if this changed anything.
    pub fn resume_reading(&mut self) -> bool {
        let change = self.phase == Phase::Open && self.incoming == Incoming::Paused;
        if change {
            self.incoming = Incoming::Flowing;
        }
        change
    }

    /// The peer has sent its end of file, and the protocol wants to go on writing. Whoever pauses and resumes
    /// meets the end again: so it reaches the next protocol of a connection that changes it (`start_tls`).
    pub fn keep_open_after_eof(&mut self) {
        if self.incoming == Incoming::Flowing {
            self.incoming = Incoming::Ended;
        }
    }

    #[must_use]
    pub fn limits(&self) -> Limits {
        self.flow.limits
    }

    pub fn set_limits(&mut self, limits: Limits) {
        self.flow.limits = limits;
    }

    /// Whether the protocol has been told to write less.
    #[must_use]
    pub fn is_writing_paused(&self) -> bool {
        self.flow.paused
    }

    /// Another has told the protocol to write less, and will not tell it more.
    pub fn take_over_paused_writing(&mut self) {
        self.flow.paused = true;
    }

    /// Nothing more is read; what waits is still sent. True if this changed anything.
    pub(crate) fn close(&mut self) -> bool {
        let change = self.phase == Phase::Open;
        if change {
            self.phase = Phase::Closing;
        }
        change
    }

    /// All is sent: true if that was the end of it.
    pub(crate) fn end_if_closing(&mut self) -> bool {
        let change = self.phase == Phase::Closing;
        if change {
            self.phase = Phase::Lost;
        }
        change
    }

    /// The end, now. True if this changed anything.
    pub(crate) fn abort(&mut self) -> bool {
        let change = self.phase != Phase::Lost;
        self.phase = Phase::Lost;
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_pauses_and_resumes_and_stays_paused_through_the_start() {
        let mut endpoint = Endpoint::default();
        assert!(!endpoint.wants_to_read() && endpoint.is_reading());
        endpoint.pause_reading();
        endpoint.start();
        assert!(!endpoint.wants_to_read() && !endpoint.is_reading());
        assert!(endpoint.resume_reading());
        assert!(!endpoint.resume_reading());
        assert!(endpoint.wants_to_read());
        endpoint.close();
        endpoint.pause_reading();
        assert!(!endpoint.resume_reading() && !endpoint.is_reading());
    }

    #[test]
    fn an_end_of_file_stops_reading_and_leaves_the_socket_open() {
        let mut endpoint = Endpoint::default();
        endpoint.start();
        endpoint.keep_open_after_eof();
        assert!(!endpoint.wants_to_read());
        assert!(!endpoint.is_closing());
    }
}
