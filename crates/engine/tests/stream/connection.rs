//! What the machine's driver and the plain connection share: the kernel below, the protocol above, a turn.

use crate::kernel::{Answer, Kernel};
use crate::script::{Op, Script, Turn};

/// A callback of the protocol.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Data(Vec<u8>),
    Eof,
    Pause,
    Resume,
    Lost,
}

impl Told {
    pub(crate) fn data(&self) -> &[u8] {
        if let Self::Data(bytes) = self { bytes } else { &[] }
    }
}

/// What one can see of a connection from outside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) closing: bool,
    pub(crate) over: bool,
    pub(crate) reading: bool,
    pub(crate) writing_paused: bool,
    pub(crate) buffered: usize,
    pub(crate) wants_to_read: bool,
    pub(crate) wants_to_write: bool,
}

/// All around a connection.
pub(crate) struct Side {
    pub(crate) kernel: Kernel,
    pub(crate) log: Vec<Told>,
    /// Every byte that a write was good for.
    pub(crate) accepted: Vec<u8>,
    /// For each write whether it was refused.
    pub(crate) refused: Vec<bool>,
    /// It was aborted, or has failed: what waited is dropped.
    pub(crate) cut_off: bool,
    /// `connection_lost` is due in the next turn.
    pub(crate) lost_next: bool,
    /// How often reading was to be resumed.
    pub(crate) resumes: usize,
    /// Numbers the bytes, so that any two pieces differ.
    written: usize,
    script: Script,
}

impl Side {
    pub(crate) fn new(script: &Script) -> Self {
        Self {
            kernel: Kernel::default(),
            log: Vec::new(),
            accepted: Vec::new(),
            refused: Vec::new(),
            cut_off: false,
            lost_next: false,
            resumes: 0,
            written: 0,
            script: script.clone(),
        }
    }

    fn payload(&mut self, count: usize) -> Vec<u8> {
        let start = self.written;
        self.written += count;
        (start..self.written).map(|n| (n ^ (n >> 8)) as u8).collect()
    }

    pub(crate) fn max_slices(&self) -> usize {
        self.script.slices
    }

    pub(crate) fn note_write(&mut self, refused: bool) {
        self.refused.push(refused);
    }

    /// How many bytes went, or nothing if the connection has failed.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            match self.kernel.send(bytes) {
                Answer::Done(count) => return Some(count),
                Answer::WouldBlock => return Some(0),
                Answer::Interrupted => {}
                Answer::Broken => return None,
            }
        }
    }

    fn happen(&mut self, turn: &Turn) {
        let kernel = &mut self.kernel;
        kernel.room = kernel.room.saturating_add(turn.room.unwrap_or(0));
        kernel.interrupts = kernel.interrupts.map(|waiting| waiting + turn.interrupts);
        kernel.broken |= turn.peer_resets;
        if !kernel.peer_ended {
            let arrived = kernel.all_arrived.len();
            kernel.all_arrived.extend((arrived..arrived + turn.arrives).map(|n| (n ^ (n >> 8)) as u8));
        }
        kernel.peer_ended |= turn.peer_ends;
    }
}

/// A connection to which a script is played.
pub(crate) trait Connection {
    fn side(&self) -> &Side;
    fn side_mut(&mut self) -> &mut Side;
    fn view(&self) -> View;

    fn write(&mut self, bytes: Vec<u8>);
    fn write_eof(&mut self);
    fn pause_reading(&mut self);
    fn resume_reading(&mut self);
    fn set_limits(&mut self, high: usize, low: usize);
    fn close(&mut self);
    fn abort(&mut self);

    /// The protocol knows of the connection.
    fn start(&mut self);
    /// Receives `size` bytes at most, if data may come.
    fn readable(&mut self, size: usize);
    fn writable(&mut self);
    fn end_of_file_answered(&mut self, keeps_open: bool);
    fn failed(&mut self);

    fn perform(&mut self, op: &Op) {
        match op {
            Op::Write(count) => {
                let bytes = self.side_mut().payload(*count);
                self.write(bytes);
            }
            Op::WriteLines(counts) => {
                let bytes = self.side_mut().payload(counts.iter().sum());
                self.write(bytes);
            }
            Op::WriteEof => self.write_eof(),
            Op::PauseReading => self.pause_reading(),
            Op::ResumeReading => {
                self.side_mut().resumes += 1;
                self.resume_reading();
            }
            Op::Limits { high, low } => self.set_limits(*high, *low),
            Op::Close => self.close(),
            Op::Abort => self.abort(),
        }
    }

    fn perform_all(&mut self, ops: &[Op]) {
        for op in ops {
            self.perform(op);
        }
    }

    /// Calls the protocol, which calls back.
    fn tell(&mut self, told: Told) {
        let side = self.side_mut();
        let reaction = side.script.reactions.get(side.log.len()).cloned().unwrap_or_default();
        side.log.push(told);
        self.perform_all(&reaction);
    }

    fn receive(&mut self, size: usize) {
        match self.side_mut().kernel.receive(size) {
            Answer::Done(bytes) if bytes.is_empty() => {
                self.tell(Told::Eof);
                let keeps_open = self.side().script.keeps_open;
                self.end_of_file_answered(keeps_open);
            }
            Answer::Done(bytes) => self.tell(Told::Data(bytes)),
            Answer::Broken => self.failed(),
            Answer::WouldBlock | Answer::Interrupted => {}
        }
    }

    fn begin(&mut self, made: &[Op]) {
        self.perform_all(made);
        self.start();
    }

    fn turn(&mut self, turn: &Turn) {
        if std::mem::take(&mut self.side_mut().lost_next) {
            self.tell(Told::Lost);
        }
        self.side_mut().happen(turn);
        let kernel = &self.side().kernel;
        let (readable, writable) = (kernel.is_readable(), kernel.is_writable());
        if readable && self.view().wants_to_read {
            self.readable(turn.read_size);
        }
        if writable && self.view().wants_to_write {
            self.writable();
        }
        self.perform_all(&turn.ops);
    }
}
