//! The file, for those who read it: by copying, never by a mapping, so that nothing that happens to the file
//! is worse than an error. Nothing in it is believed: not a length, not a number, not a text.
//!
//! The writer does not wait for readers. A row is taken when two copies of it are the same and its sequence is
//! even; an event when the count, looked at again after copying, says that its place was not used again; a
//! count when the next look at it is not below it. None of it asks in which order the kernel copies.

mod header;
mod life;
mod rows;
mod texts;

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub use header::{Calibration, Drops, Header};
pub use life::Life;

use crate::event::{self, Event, Words};
use crate::layout::{EVENT, PAGE, WORD};
use crate::objects::{self, ObjectRow};
use crate::page::Clock;
use crate::reports::{self, Report, ReportId};
use crate::strings::StringId;
use crate::sys;
use crate::tasks::{self, TaskRow};
use crate::waker::Slot;
use texts::Texts;

/// Why a file cannot be read.
#[derive(Debug)]
pub enum Unreadable {
    System(io::Error),
    NoFile,
    /// Shorter than it has to be.
    Short {
        bytes: u64,
        needs: u64,
    },
    /// The first bytes are not those of a recording.
    Foreign,
    /// Of another version of ironloop.
    Version(u32),
    /// It says something that cannot be so.
    Senseless(&'static str),
    /// The page is written again and again while it is read.
    Restless,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => error.fmt(to),
            Self::NoFile => write!(to, "not a file"),
            Self::Short { bytes, needs } => {
                write!(to, "cut off: {bytes} bytes, where at least {needs} are needed")
            }
            Self::Foreign => write!(to, "not a recording of ironloop"),
            Self::Version(version) => {
                let [oldest, ours] = [crate::layout::OLDEST, crate::VERSION];
                write!(to, "version {version} of the format, where this viewer knows {oldest} to {ours}")
            }
            Self::Senseless(what) => write!(to, "damaged: {what} cannot be"),
            Self::Restless => write!(to, "never the same twice"),
        }
    }
}

impl std::error::Error for Unreadable {}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

pub struct File {
    file: std::fs::File,
    path: PathBuf,
    inode: u64,
    header: Header,
    texts: Texts,
}

/// What stands in the tables at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By the file's clock: for a process that runs, the present; otherwise the last moment that it saw.
    pub now: u64,
    pub tasks: Vec<TaskRow>,
    pub objects: Vec<ObjectRow>,
    pub reports: Vec<(ReportId, Report)>,
    /// Rows that were never the same twice, or were left half written: they are there as they were read last.
    pub torn: usize,
}

/// A stretch of the events, in their order.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// The number of the first one, and of the one to ask for next.
    pub first: u64,
    pub next: u64,
    /// How many before the first had been asked for, and are gone.
    pub missed: u64,
    /// How many say nothing that this version knows.
    pub unknown: usize,
    pub events: Vec<Event>,
}

impl File {
    pub fn open(path: &Path) -> Result<Self, Unreadable> {
        let flags = libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(Unreadable::NoFile);
        }
        let header = Header::read(&file)?;
        let inode = about.ino();
        let mut file = Self { file, path: path.to_owned(), inode, header, texts: Texts::default() };
        file.look()?;
        Ok(file)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads the page again, and the strings that were added.
    pub fn look(&mut self) -> Result<&Header, Unreadable> {
        self.header = Header::read(&self.file)?;
        if let Some(layout) = self.header.layout {
            let used = self.header.strings_used.min(layout.strings.count);
            self.texts.read(&self.file, layout.strings.start, used)?;
        }
        Ok(&self.header)
    }

    /// A string of the file, as a person may see it; nothing for none, and for a number that is no string's.
    pub fn text(&self, string: StringId) -> &str {
        self.texts.get(string)
    }

    /// All strings, by number.
    pub fn texts(&self) -> impl Iterator<Item = (StringId, &str)> {
        self.texts.all()
    }

    /// Whether the loop still runs.
    pub fn life(&self) -> Life {
        life::of(&self.header, &self.path, self.inode)
    }

    /// The present by the file's clock, where its process still runs on this machine; else the last reading. A
    /// simulation's clock stands, for whoever is not in it, where it was read last.
    pub fn now(&self) -> u64 {
        let simulated = matches!(self.header.clock, Clock::Simulated(_));
        match self.life() {
            Life::Running | Life::Stopped if !simulated => {
                self.header.calibration.at_monotonic(sys::monotonic())
            }
            Life::Saved => self.header.saved.unwrap_or_default().max(self.header.lap),
            _ => self.header.lap.max(self.header.calibration.last()),
        }
    }

    /// What stands in the tables now, by the last look at the page.
    pub fn snapshot(&self) -> Result<Snapshot, Unreadable> {
        let header = &self.header;
        let near = header.lap;
        let mut snapshot = Snapshot { now: self.now(), ..Snapshot::default() };
        let Some(layout) = header.layout else {
            snapshot.reports.extend(self.last_report()?);
            return Ok(snapshot);
        };
        let rows = rows::read(&self.file, &layout.tasks, header.tasks_used)?;
        snapshot.torn += rows.torn;
        snapshot.tasks.extend(rows.iter().filter_map(|(slot, words)| tasks::decode(slot, words, near)));
        let rows = rows::read(&self.file, &layout.objects, header.objects_used)?;
        snapshot.torn += rows.torn;
        snapshot.objects.extend(rows.iter().filter_map(|(slot, words)| objects::decode(slot, words)));
        let Snapshot { tasks, objects, .. } = &mut snapshot;
        for object in objects {
            object.forget_ended_owner(|slot| {
                let place = tasks.binary_search_by_key(&slot, |task| task.slot).ok()?;
                tasks.get(place).filter(|task| !task.state.is_completed()).map(|task| task.number)
            });
        }
        let rows = rows::read(&self.file, &layout.reports, header.reports)?;
        snapshot.reports.extend(rows.iter().filter_map(|(_, words)| reports::decode(words)));
        let last = self.last_report()?;
        if !snapshot.reports.iter().any(|(id, _)| last.as_ref().is_some_and(|(last, _)| last == id)) {
            snapshot.reports.extend(last);
        }
        snapshot.reports.sort_by_key(|&(id, _)| id);
        // The row of the task that runs still says READY: a step is written when it ends.
        if let Some(running) = header.running {
            if let Some(task) = snapshot.tasks.iter_mut().find(|task| task.slot == running) {
                task.runs_since(header.lap);
            }
        }
        Ok(snapshot)
    }

    fn last_report(&self) -> Result<Option<(ReportId, Report)>, Unreadable> {
        let part = header::last_report();
        let rows = rows::read(&self.file, &part, 1)?;
        Ok(rows.iter().find_map(|(_, words)| reports::decode(words)))
    }

    /// The events from number `from` on, at most so many.
    pub fn events(&mut self, from: u64, most: usize) -> Result<Events, Unreadable> {
        let (first, words, missed) = self.raw(from, most)?;
        let mut events = Events { first, next: first + words.len() as u64, missed, ..Events::default() };
        let near = self.header.lap;
        events.events.extend(words.iter().filter_map(|words| Event::decode(words, near)));
        events.unknown = words.len() - events.events.len();
        Ok(events)
    }

    /// The same as they stand in the file: for who passes them on. The number of the first, the events, and how
    /// many before it had been asked for and are gone.
    pub fn raw(&mut self, from: u64, most: usize) -> Result<(u64, Vec<Words>, u64), Unreadable> {
        let head = self.look()?.head;
        let Some(layout) = self.header.layout else { return Ok((from, Vec::new(), 0)) };
        let ring = layout.ring;
        let count = ring.count as u64;
        // The place of the oldest is the one that is written next, and may be half written.
        let oldest = |head: u64| (head + 1).saturating_sub(count);
        let begin = from.max(oldest(head)).min(head);
        let end = head.min(begin.saturating_add(most as u64));
        let mut bytes = vec![0; (end - begin) as usize * EVENT];
        let place = (begin % count) as usize * EVENT;
        let until_the_seam = bytes.len().min(ring.count * EVENT - place);
        let (before, after) = bytes.split_at_mut(until_the_seam);
        exact(&self.file, before, ring.start + place)?;
        exact(&self.file, after, ring.start)?;
        let later = Header::read(&self.file)?;
        // The ring may have grown meanwhile: places before its first end are the same in both.
        let count = later.layout.map_or(count, |layout| layout.ring.count as u64);
        let whole_from = (later.head + 1).saturating_sub(count).clamp(begin, end);
        let words = bytes[(whole_from - begin) as usize * EVENT..]
            .chunks_exact(EVENT)
            .map(|bytes| {
                let mut words = [0; event::WORDS];
                for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(WORD)) {
                    *word = word_of(bytes);
                }
                words
            })
            .collect();
        Ok((whole_from, words, whole_from.saturating_sub(from)))
    }
}

fn word_of(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// So many bytes of the file, or a word about how long it is.
fn exact(file: &std::fs::File, bytes: &mut [u8], offset: usize) -> Result<(), Unreadable> {
    match file.read_exact_at(bytes, offset as u64) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let length = file.metadata().map_or(0, |about| about.len());
            Err(Unreadable::Short { bytes: length, needs: (offset + bytes.len()).max(PAGE) as u64 })
        }
        result => result.map_err(Unreadable::from),
    }
}

/// Words of the file, read once.
fn words(file: &std::fs::File, offset: usize, count: usize) -> Result<Vec<u64>, Unreadable> {
    let mut bytes = vec![0; count * WORD];
    exact(file, &mut bytes, offset)?;
    Ok(bytes.chunks_exact(WORD).map(word_of).collect())
}

impl TaskRow {
    /// The page says that this one runs.
    fn runs_since(&mut self, now: u64) {
        self.state = crate::state::State::Running;
        self.since = now;
        self.subject = crate::state::Subject::Nothing;
    }
}

impl Snapshot {
    pub fn task(&self, slot: Slot) -> Option<&TaskRow> {
        let place = self.tasks.binary_search_by_key(&slot, |task| task.slot).ok()?;
        self.tasks.get(place)
    }

    pub fn object(&self, slot: Slot) -> Option<&ObjectRow> {
        let place = self.objects.binary_search_by_key(&slot, |object| object.slot).ok()?;
        self.objects.get(place)
    }
}
