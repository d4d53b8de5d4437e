//! A byte stream's life: what it wants from the kernel, what it owes its protocol.
//!
//! The machine owns neither socket nor protocol. Its driver tells it what happened (`write`, `sent`,
//! `refused`, `close`…) and then takes [`Stream::step`] until there is none, performing each with nothing
//! borrowed.
//!
//! What is written goes to the kernel at once. What it refuses waits in `outgoing`, and that alone counts for
//! flow control.

mod bursts;
mod outgoing;

use crate::endpoint::Endpoint;
pub use crate::flow::{FlowChange, Limits};
pub use bursts::Bursts;
pub use outgoing::Outgoing;

/// Where our own end of file stands. It goes down this list, and never back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum EndOfFile {
    #[default]
    No,
    /// It follows what is outgoing.
    Wanted,
    Sent,
}

/// What the driver has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Tell the protocol to write less, or that it may write again.
    Flow(FlowChange),
    /// Send an end of file.
    ShutDown,
    /// All is sent and the connection is closed: tell the protocol, then close the socket.
    Lose,
}

/// What to do with bytes that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Offer them to the kernel, and [`Stream::keep`] what it leaves.
    Kernel,
    /// [`Stream::keep`] them, behind others that it has refused.
    Wait,
    /// The connection is over: drop them, as asyncio does.
    Nowhere,
}

/// Nothing may be written after an end of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterEof;

/// One connection. `C` is a piece of bytes that the stream owns until it is sent.
pub struct Stream<C> {
    pub endpoint: Endpoint,
    end_of_file: EndOfFile,
    outgoing: Outgoing<C>,
    /// How many bytes a layer above keeps back until there is room.
    behind: usize,
    /// The kernel has refused what is outgoing: wait until it has room.
    full: bool,
    /// A connection that is closing already is not over before its protocol, told to write less or more, has
    /// returned.
    held: bool,
}

/// See [`Stream::hold`].
#[must_use]
pub struct Hold(bool);

impl<C> Default for Stream<C> {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            end_of_file: EndOfFile::No,
            outgoing: Outgoing::default(),
            behind: 0,
            full: false,
            held: false,
        }
    }
}

impl<C: AsRef<[u8]>> Stream<C> {
    /// Whether the poller should watch the socket for room, now.
    #[must_use]
    pub fn wants_to_write(&self) -> bool {
        !self.endpoint.is_lost() && self.full
    }

    /// What is to be done with bytes that are written now; an error if an end of file was asked for.
    pub fn way(&self) -> Result<Way, AfterEof> {
        if self.end_of_file != EndOfFile::No {
            return Err(AfterEof);
        }
        Ok(if self.endpoint.is_lost() {
            Way::Nowhere
        } else if self.outgoing.is_empty() {
            Way::Kernel
        } else {
            Way::Wait
        })
    }

    /// Keeps what the kernel has refused of a chunk, all but the first `sent` bytes; there may be a step to
    /// take.
    pub fn keep(&mut self, chunk: C, sent: usize) {
        self.outgoing.push(chunk, sent);
        self.full = true;
    }

    /// What the kernel should be offered: nothing while it is known to have no room.
    #[must_use]
    pub fn offer(&self) -> Option<&Outgoing<C>> {
        (!self.full && !self.outgoing.is_empty()).then_some(&self.outgoing)
    }

    /// Whether the connection stands, and nothing waits.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        !self.endpoint.is_lost() && self.outgoing.is_empty()
    }

    /// The kernel took `count` bytes of the offer.
    pub fn sent(&mut self, count: usize) {
        self.outgoing.advance(count);
        self.endpoint.flow.ease();
    }

    /// The kernel has no more room.
    pub fn refused(&mut self) {
        self.full = true;
    }

    /// The kernel has room again.
    pub fn writable(&mut self) {
        self.full = false;
    }

    /// How many bytes wait, here and above.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.outgoing.len() + self.behind
    }

    /// So many bytes wait above, for room here. They count for flow control as if they were here.
    pub fn set_behind(&mut self, behind: usize) {
        if self.endpoint.is_lost() {
            return;
        }
        if behind < self.behind {
            self.endpoint.flow.ease();
        }
        self.behind = behind;
    }

    /// Something that waits elsewhere was sent: the protocol may be able to write again.
    pub fn ease(&mut self) {
        self.endpoint.flow.ease();
    }

    /// Hands over what is outgoing, for another to send.
    pub fn take_outgoing(&mut self) -> Outgoing<C> {
        self.endpoint.flow.ease();
        std::mem::take(&mut self.outgoing)
    }

    /// Asks for an end of file behind what is outgoing.
    pub fn write_eof(&mut self) {
        if !self.endpoint.is_closing() && self.end_of_file == EndOfFile::No {
            self.end_of_file = EndOfFile::Wanted;
        }
    }

    /// No more reading; what is outgoing is still sent. True if this changed anything.
    pub fn close(&mut self) -> bool {
        self.endpoint.close()
    }

    /// The connection is over now. What was outgoing is handed over to be dropped; `None` if this changed
    /// nothing, else the protocol has to be told.
    pub fn abort(&mut self) -> Option<Outgoing<C>> {
        self.endpoint.abort().then(|| {
            self.behind = 0;
            std::mem::take(&mut self.outgoing)
        })
    }

    /// The protocol is about to be told of flow; what it writes meanwhile still goes out.
    pub fn hold(&mut self) -> Hold {
        Hold(std::mem::replace(&mut self.held, self.endpoint.is_closing()))
    }

    /// It has returned.
    pub fn release(&mut self, hold: Hold) {
        self.held = hold.0;
    }

    /// What the driver has to do next, until there is nothing.
    pub fn step(&mut self) -> Option<Step> {
        if self.endpoint.is_lost() {
            return None;
        }
        if let Some(change) = self.endpoint.flow.judge(self.buffered(), self.full) {
            return Some(Step::Flow(change));
        }
        if self.held || !self.outgoing.is_empty() {
            return None;
        }
        if self.endpoint.end_if_closing() {
            return Some(Step::Lose);
        }
        if self.end_of_file == EndOfFile::Wanted {
            self.end_of_file = EndOfFile::Sent;
            return Some(Step::ShutDown);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Stream<Vec<u8>> {
        let mut stream = Stream::default();
        stream.endpoint.start();
        stream
    }

    /// A write to a kernel that has room for `room` bytes.
    fn write(stream: &mut Stream<Vec<u8>>, bytes: &[u8], room: usize) -> Result<Way, AfterEof> {
        let way = stream.way()?;
        let sent = if way == Way::Kernel { room.min(bytes.len()) } else { 0 };
        if way != Way::Nowhere && sent < bytes.len() {
            stream.keep(bytes.to_vec(), sent);
        }
        Ok(way)
    }

    /// The kernel has room for `room` bytes.
    fn offer(stream: &mut Stream<Vec<u8>>, mut room: usize) -> Vec<u8> {
        stream.writable();
        let mut taken = Vec::new();
        while let Some(outgoing) = stream.offer() {
            let bytes: Vec<u8> = outgoing.slices().flatten().copied().take(room).collect();
            if bytes.is_empty() {
                stream.refused();
                break;
            }
            room -= bytes.len();
            stream.sent(bytes.len());
            taken.extend(bytes);
        }
        taken
    }

    #[test]
    fn what_the_kernel_takes_leaves_nothing() {
        let mut stream = open();
        assert_eq!(write(&mut stream, b"head", 4), Ok(Way::Kernel));
        assert_eq!(write(&mut stream, b"body", 4), Ok(Way::Kernel));
        assert_eq!(stream.buffered(), 0);
        assert_eq!(stream.step(), None);
        assert!(!stream.wants_to_write());
    }

    #[test]
    fn what_it_refuses_goes_out_in_order() {
        let mut stream = open();
        assert_eq!(write(&mut stream, b"head", 1), Ok(Way::Kernel));
        assert_eq!(write(&mut stream, b"body", 0), Ok(Way::Wait));
        assert!(stream.wants_to_write());
        assert_eq!(stream.offer().map(Outgoing::len), None);
        assert_eq!(offer(&mut stream, 100), b"eadbody");
        assert!(!stream.wants_to_write() && stream.is_drained());
    }

    #[test]
    fn only_what_the_kernel_refused_pauses_the_protocol() {
        let mut stream = open();
        stream.endpoint.set_limits(Limits { high: 10, low: 2 });
        write(&mut stream, &[1; 20], 20).unwrap();
        assert_eq!(stream.step(), None);
        write(&mut stream, &[1; 20], 5).unwrap();
        assert!(stream.wants_to_write());
        assert_eq!(stream.step(), Some(Step::Flow(FlowChange::Pause)));
        assert_eq!(stream.step(), None);
        offer(&mut stream, 12);
        assert_eq!(stream.step(), None);
        offer(&mut stream, 1);
        assert_eq!(stream.step(), Some(Step::Flow(FlowChange::Resume)));
        assert_eq!(stream.step(), None);
    }

    #[test]
    fn what_a_layer_keeps_back_counts_for_the_protocol() {
        let mut stream = open();
        stream.endpoint.set_limits(Limits { high: 10, low: 2 });
        stream.set_behind(20);
        assert_eq!(stream.step(), None, "the kernel has refused nothing");
        write(&mut stream, &[1; 5], 4).unwrap();
        assert_eq!(stream.buffered(), 21);
        assert_eq!(stream.step(), Some(Step::Flow(FlowChange::Pause)));
        offer(&mut stream, 1);
        assert_eq!(stream.step(), None);
        stream.set_behind(0);
        assert_eq!(stream.step(), Some(Step::Flow(FlowChange::Resume)));
    }

    #[test]
    fn close_sends_the_rest_first_and_loses_once() {
        let mut stream = open();
        write(&mut stream, b"bye", 0).unwrap();
        assert!(stream.close());
        assert!(!stream.close());
        assert!(!stream.endpoint.wants_to_read());
        assert_eq!(stream.step(), None);
        assert_eq!(offer(&mut stream, 100), b"bye");
        assert_eq!(stream.step(), Some(Step::Lose));
        assert_eq!(stream.step(), None);
        assert_eq!(stream.way(), Ok(Way::Nowhere));
        assert!(stream.abort().is_none());
    }

    #[test]
    fn an_end_of_file_follows_the_bytes_and_forbids_more() {
        let mut stream = open();
        write(&mut stream, b"x", 0).unwrap();
        stream.write_eof();
        assert_eq!(stream.way(), Err(AfterEof));
        assert_eq!(stream.step(), None);
        offer(&mut stream, 1);
        assert_eq!(stream.step(), Some(Step::ShutDown));
        assert_eq!(stream.step(), None);
        assert!(stream.endpoint.wants_to_read());
    }

    #[test]
    fn abort_drops_the_rest_and_gives_no_further_step() {
        let mut stream = open();
        stream.endpoint.set_limits(Limits { high: 0, low: 0 });
        write(&mut stream, b"x", 0).unwrap();
        assert!(stream.abort().is_some());
        assert!(stream.abort().is_none());
        assert_eq!(stream.step(), None);
        assert_eq!(stream.buffered(), 0);
        assert!(!stream.wants_to_write());
    }
}
