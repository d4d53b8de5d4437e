//! A connection written in the plainest way: every write goes to the kernel at once, the rest waits in one
//! `Vec<u8>`. It knows nothing of the machine; asyncio's `_SelectorSocketTransport` was its pattern.

use crate::connection::{Connection, Side, Told, View};
use crate::script::Script;

pub(crate) struct Plain {
    side: Side,
    waiting: Vec<u8>,
    high: usize,
    low: usize,
    writing_paused: bool,
    reading_paused: bool,
    started: bool,
    peer_ended: bool,
    eof_written: bool,
    closing: bool,
    over: bool,
}

impl Plain {
    pub(crate) fn new(script: &Script) -> Self {
        Self {
            side: Side::new(script),
            waiting: Vec::new(),
            high: 65536,
            low: 16384,
            writing_paused: false,
            reading_paused: false,
            started: false,
            peer_ended: false,
            eof_written: false,
            closing: false,
            over: false,
        }
    }

    fn maybe_pause(&mut self) {
        if !self.writing_paused && self.waiting.len() > self.high {
            self.writing_paused = true;
            self.tell(Told::Pause);
        }
    }

    fn maybe_resume(&mut self) {
        if self.writing_paused && self.waiting.len() <= self.low {
            self.writing_paused = false;
            self.tell(Told::Resume);
        }
    }

    /// If nothing waits any more, what was to come after it.
    fn after_the_last_byte(&mut self) {
        if !self.waiting.is_empty() || self.over {
            return;
        }
        if self.closing {
            self.over = true;
            self.side.lost_next = true;
        } else if self.eof_written && self.side.kernel.shutdowns == 0 {
            self.side.kernel.shutdowns += 1;
        }
    }
}

impl Connection for Plain {
    fn side(&self) -> &Side {
        &self.side
    }

    fn side_mut(&mut self) -> &mut Side {
        &mut self.side
    }

    fn view(&self) -> View {
        let may_read = !self.closing && !self.reading_paused;
        View {
            closing: self.closing,
            over: self.over,
            reading: may_read,
            writing_paused: self.writing_paused && !self.over,
            buffered: self.waiting.len(),
            wants_to_read: may_read && self.started && !self.peer_ended,
            wants_to_write: !self.waiting.is_empty(),
        }
    }

    fn write(&mut self, bytes: Vec<u8>) {
        self.side.note_write(self.eof_written);
        if self.eof_written || self.over || bytes.is_empty() {
            return;
        }
        self.side.accepted.extend(&bytes);
        let mut sent = 0;
        if self.waiting.is_empty() {
            match self.side.send(&bytes) {
                Some(count) => sent = count,
                None => return self.failed(),
            }
        }
        self.waiting.extend(&bytes[sent..]);
        self.maybe_pause();
    }

    fn write_eof(&mut self) {
        if !self.closing {
            self.eof_written = true;
            self.after_the_last_byte();
        }
    }

    fn pause_reading(&mut self) {
        self.reading_paused |= !self.closing;
    }

    fn resume_reading(&mut self) {
        if !self.closing && self.reading_paused {
            self.reading_paused = false;
            // What ended is looked at once more.
            self.peer_ended = false;
            // The protocol says that data may come before anybody else has.
            self.started = true;
        }
    }

    fn set_limits(&mut self, high: usize, low: usize) {
        (self.high, self.low) = (high, low);
        if !self.over {
            self.maybe_pause();
        }
    }

    fn close(&mut self) {
        if !self.closing {
            self.closing = true;
            self.after_the_last_byte();
        }
    }

    fn abort(&mut self) {
        self.failed();
    }

    fn start(&mut self) {
        self.started = true;
    }

    fn readable(&mut self, size: usize) {
        self.receive(size);
    }

    fn writable(&mut self) {
        let waiting = self.waiting.clone();
        match self.side.send(&waiting) {
            // Refused: raised limits do not resume before the kernel takes something.
            Some(0) if !waiting.is_empty() => {}
            Some(count) => {
                self.waiting.drain(..count);
                self.maybe_resume();
                self.after_the_last_byte();
            }
            None => self.failed(),
        }
    }

    fn end_of_file_answered(&mut self, keeps_open: bool) {
        if keeps_open {
            self.peer_ended = true;
        } else {
            self.close();
        }
    }

    fn failed(&mut self) {
        if !self.over {
            self.waiting.clear();
            self.closing = true;
            self.over = true;
            self.side.lost_next = true;
            self.side.cut_off = true;
        }
    }
}
