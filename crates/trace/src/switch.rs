//! The word by which a viewer has a loop recorded: until which second of the monotonic clock. It renews it as
//! long as it looks, so one that is killed leaves no recording behind that never ends.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::layout::{WORD, at};
use crate::sys;

pub const FOR_EVER: u64 = u64::MAX;

/// Of the word, in bytes.
const PLACE: u64 = (at::SWITCH * WORD) as u64;

pub struct Switch(std::fs::File);

impl Switch {
    pub fn of(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
        Ok(Self(file))
    }

    /// Asks for a recording during the next so many seconds. Whoever asks for longer has it: another viewer, or
    /// the program itself, which asks for ever.
    pub fn on(&self, seconds: u64) -> io::Result<()> {
        let until = now().saturating_add(seconds);
        let mut word = [0; WORD];
        self.0.read_exact_at(&mut word, PLACE)?;
        if u64::from_le_bytes(word) < until { self.write(until) } else { Ok(()) }
    }

    pub fn off(&self) -> io::Result<()> {
        self.write(0)
    }

    fn write(&self, until: u64) -> io::Result<()> {
        self.0.write_all_at(&until.to_le_bytes(), PLACE)
    }
}

/// Whether the word says that somebody wants a recording now.
pub(crate) fn is_on(until: u64) -> bool {
    until != 0 && (until == FOR_EVER || now() <= until)
}

pub(crate) fn now() -> u64 {
    sys::monotonic() / 1_000_000_000
}
