//! The stream machine with a driver: does for it what `crates/python` does, with a kernel and a protocol of
//! its own.

use ironloop_engine::stream::{FlowChange, Limits, Step, Stream, Way};

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

    fn send_rest(&mut self) {
        loop {
            match self.offer() {
                Offer::Again => {}
                Offer::Done => break,
                Offer::Failed => return self.failed(),
            }
        }
        self.take_steps();
    }

    fn take_steps(&mut self) {
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
        if self.stream.abort().is_some() {
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
            closing: self.stream.endpoint.is_closing(),
            over: self.stream.endpoint.is_lost(),
            reading: self.stream.endpoint.is_reading(),
            writing_paused: self.stream.endpoint.is_writing_paused() && !self.stream.endpoint.is_lost(),
            buffered: self.stream.buffered(),
            wants_to_read: self.stream.endpoint.wants_to_read(),
            wants_to_write: self.stream.wants_to_write(),
        }
    }

    fn write(&mut self, bytes: Vec<u8>) {
        let way = self.stream.way();
        self.side.note_write(way.is_err());
        let mut sent = 0;
        match way {
            Err(_) | Ok(Way::Nowhere) => return,
            Ok(_) if bytes.is_empty() => return,
            Ok(Way::Kernel) => match self.side.send(&bytes) {
                Some(count) => sent = count,
                None => {
                    self.side.accepted.extend(bytes);
                    return self.failed();
                }
            },
            Ok(Way::Wait) => {}
        }
        self.side.accepted.extend(&bytes);
        if sent < bytes.len() {
            self.stream.keep(bytes, sent);
            self.take_steps();
        }
    }

    fn write_eof(&mut self) {
        self.stream.write_eof();
        self.take_steps();
    }

    fn pause_reading(&mut self) {
        self.stream.endpoint.pause_reading();
    }

    fn resume_reading(&mut self) {
        self.stream.endpoint.resume_reading();
    }

    fn set_limits(&mut self, high: usize, low: usize) {
        self.stream.endpoint.set_limits(Limits { high, low });
        self.take_steps();
    }

    fn close(&mut self) {
        if self.stream.close() {
            self.take_steps();
        }
    }

    fn abort(&mut self) {
        self.force_close();
    }

    fn start(&mut self) {
        self.stream.endpoint.start();
    }

    fn readable(&mut self, size: usize) {
        self.receive(size);
    }

    fn writable(&mut self) {
        self.stream.writable();
        self.send_rest();
    }

    fn end_of_file_answered(&mut self, keeps_open: bool) {
        if keeps_open {
            self.stream.endpoint.keep_open_after_eof();
        } else {
            self.close();
        }
    }

    fn failed(&mut self) {
        self.force_close();
    }
}
