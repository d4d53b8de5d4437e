//! The stream machine with a driver: does for it what `crates/python` does, with a kernel and a protocol of its own.

use ironloop_engine::stream::{FlowChange, Limits, Step, Stream, Written};

use crate::connection::{Connection, Side, Told, View};
use crate::kernel::Answer;
use crate::script::Script;

enum Offer {
    Done,
    Again,
    Failed,
}

pub(crate) struct Driven {
    stream: Stream<Vec<u8>>,
    side: Side,
}

impl Driven {
    pub(crate) fn new(script: &Script) -> Self {
        Self { stream: Stream::default(), side: Side::new(script) }
    }

    fn offer(&mut self) -> Offer {
        let Some(outgoing) = self.stream.offer() else {
            return Offer::Done;
        };
        let waiting = &self.side.accepted[self.side.kernel.taken.len()..];
        assert!(
            outgoing.slices().collect::<Vec<_>>().concat() == waiting,
            "what is offered is what is not sent yet"
        );
        let offered = match outgoing.single() {
            Some(bytes) => bytes.to_vec(),
            None => outgoing.slices().take(self.side.max_slices()).collect::<Vec<_>>().concat(),
        };
        assert!(!offered.is_empty(), "an empty offer would look like a kernel without room");
        match self.side.kernel.send(&offered) {
            Answer::Done(count) => {
                self.stream.sent(count);
                if count < offered.len() {
                    self.stream.refused();
                }
                Offer::Again
            }
            Answer::WouldBlock => {
                self.stream.refused();
                Offer::Done
            }
            Answer::Interrupted => Offer::Again,
            Answer::Broken => Offer::Failed,
        }
    }

    fn send_gathered(&mut self) {
        loop {
            match self.offer() {
                Offer::Again => {}
                Offer::Done => break,
                Offer::Failed => return self.failed(),
            }
        }
        while let Some(step) = self.stream.step() {
            match step {
                Step::Flow(change) => self.tell_of_flow(change),
                Step::ShutDown => self.side.kernel.shutdowns += 1,
                Step::Lose => self.side.lost_next = true,
            }
        }
    }

    fn tell_of_flow(&mut self, change: FlowChange) {
        let hold = self.stream.hold();
        self.tell(match change {
            FlowChange::Pause => Told::Pause,
            FlowChange::Resume => Told::Resume,
        });
        self.stream.release(hold);
    }

    fn force_close(&mut self) {
        while matches!(self.offer(), Offer::Again) {}
        if self.stream.abort() {
            self.side.lost_next = true;
            self.side.cut_off = true;
        }
    }
}

impl Connection for Driven {
    fn side(&self) -> &Side {
        &self.side
    }

    fn side_mut(&mut self) -> &mut Side {
        &mut self.side
    }

    fn view(&self) -> View {
        View {
            closing: self.stream.is_closing(),
            over: self.stream.is_lost(),
            reading: self.stream.is_reading(),
            writing_paused: self.stream.is_writing_paused() && !self.stream.is_lost(),
            buffered: self.stream.buffered(),
            wants_to_read: self.stream.wants_to_read(),
            wants_to_write: self.stream.wants_to_write(),
        }
    }

    fn write(&mut self, bytes: Vec<u8>) {
        let written = self.stream.write(bytes.clone());
        self.side.note_write(written.is_err());
        match written {
            Err(_) | Ok(Written::Dropped) => {}
            Ok(Written::Gathered) => self.side.accepted.extend(bytes),
            Ok(Written::Pressing | Written::Queued) => {
                self.side.accepted.extend(bytes);
                self.send_gathered();
            }
        }
    }

    fn write_borrowed(&mut self, bytes: &[u8]) {
        self.send_gathered();
        let mut sent = 0;
        if self.stream.check_writable().is_ok() && self.stream.may_send_at_once() {
            if let Answer::Done(count) = self.side.kernel.send(bytes) {
                sent = count;
                self.side.accepted.extend(&bytes[..sent]);
            }
        }
        if sent < bytes.len() || sent == 0 {
            self.write(bytes[sent..].to_vec());
        } else {
            self.side.note_write(false);
        }
    }

    fn write_eof(&mut self) {
        self.stream.write_eof();
        self.send_gathered();
    }

    fn pause_reading(&mut self) {
        self.stream.pause_reading();
    }

    fn resume_reading(&mut self) {
        self.stream.resume_reading();
    }

    fn set_limits(&mut self, high: usize, low: usize) {
        self.stream.set_limits(Limits { high, low });
        self.send_gathered();
    }

    fn close(&mut self) {
        if self.stream.close() {
            self.send_gathered();
        }
    }

    fn abort(&mut self) {
        self.force_close();
    }

    fn start(&mut self) {
        self.stream.start();
    }

    fn readable(&mut self, size: usize) {
        self.receive(size);
    }

    fn writable(&mut self) {
        self.stream.writable();
        self.send_gathered();
    }

    fn end_of_file_answered(&mut self, keeps_open: bool) {
        if keeps_open {
            self.stream.keep_open_after_eof();
        } else {
            self.close();
        }
    }

    fn failed(&mut self) {
        self.force_close();
    }

    fn returned(&mut self) {
        self.send_gathered();
    }
}
