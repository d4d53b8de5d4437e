//! The page, as a reader has it.

use super::{Unreadable, exact, word_of};
use crate::layout::{Layout, MAGIC, OLDEST, PAGE, Part, REPORT, VERSION, WORD, at};
use crate::page::{Clock, Load};
use crate::strings;
use crate::waker::Slot;

#[derive(Clone, Debug)]
pub struct Header {
    pub process: u32,
    pub thread: u32,
    /// The inode of the process numbers' namespace; 0: unknown.
    pub namespace: u64,
    pub clock: Clock,
    pub calibration: Calibration,
    pub name: String,
    pub runtime: String,
    pub program: String,
    /// The loop said good-bye.
    pub ended: bool,
    /// It is a copy that was made then, by the file's clock.
    pub saved: Option<u64>,
    /// Whether something is being recorded now; and whether something ever was.
    pub recording: bool,
    pub recorded: bool,
    /// How many items were performed, and whether the loop sleeps.
    pub items: u64,
    pub asleep: bool,
    pub running: Option<Slot>,
    /// The last reading of the clock.
    pub lap: u64,
    /// How many events were ever written.
    pub head: u64,
    pub tasks_made: u64,
    /// Bytes that came in from connections, and that went out, while somebody recorded.
    pub received: u64,
    pub sent: u64,
    /// None: an older version, which does not say.
    pub load: Option<Load>,
    pub drops: Drops,
    pub(crate) layout: Option<Layout>,
    pub(crate) strings_used: usize,
    pub(crate) tasks_used: usize,
    pub(crate) objects_used: usize,
    pub(crate) reports: usize,
}

/// What did not fit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Drops {
    /// Overwritten by later ones.
    pub events: u64,
    pub tasks: u64,
    pub objects: u64,
    pub strings: u64,
}

/// What the file's clock reads, told in the clocks of everybody.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Calibration {
    /// Readings of the file's clock, the monotonic one and the wall's: at birth, and the last time.
    born: [u64; 3],
    last: [u64; 3],
    nanos_a_tick: f64,
}

impl Calibration {
    pub fn new(clock: Clock, born: [u64; 3], last: [u64; 3]) -> Self {
        let speed = |index: usize| last[index].saturating_sub(born[index]) as f64;
        let nanos_a_tick = match clock {
            Clock::Kernel | Clock::Simulated(_) => 1.0,
            Clock::Counter => speed(1) / speed(0),
        };
        let sane = nanos_a_tick.is_finite() && (1e-3..1e6).contains(&nanos_a_tick);
        Self { born, last, nanos_a_tick: if sane { nanos_a_tick } else { 1.0 } }
    }

    /// The nanoseconds of so many ticks.
    pub fn nanos(&self, ticks: f64) -> f64 {
        ticks * self.nanos_a_tick
    }

    /// Nanoseconds since the file was made.
    pub fn since_birth(&self, at: u64) -> f64 {
        self.nanos(at.wrapping_sub(self.born[0]).cast_signed() as f64)
    }

    /// Nanoseconds from one moment to another; nothing if that is the earlier one.
    pub fn between(&self, from: u64, to: u64) -> f64 {
        self.nanos(to.saturating_sub(from) as f64)
    }

    /// The wall clock's nanoseconds at a moment.
    pub fn wall(&self, at: u64) -> u64 {
        let since = self.nanos(at.wrapping_sub(self.last[0]).cast_signed() as f64) as i64;
        self.last[2].saturating_add_signed(since)
    }

    pub(crate) fn last(&self) -> u64 {
        self.last[0].max(self.born[0])
    }

    pub(crate) fn at_monotonic(&self, nanos: u64) -> u64 {
        let since = nanos.saturating_sub(self.last[1]) as f64 / self.nanos_a_tick;
        self.last[0].saturating_add(since as u64)
    }

    pub fn nanos_a_tick(&self) -> f64 {
        self.nanos_a_tick
    }

    /// The file's clock when the file was made.
    pub fn born(&self) -> u64 {
        self.born[0]
    }
}

pub(super) fn last_report() -> Part {
    Part { start: at::LAST_REPORT * WORD, count: 1, size: REPORT }
}

type Page = [u64; PAGE / WORD];

fn page(file: &std::fs::File) -> Result<Page, Unreadable> {
    let mut bytes = [0; PAGE];
    exact(file, &mut bytes, 0)?;
    let mut words = [0; PAGE / WORD];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(WORD)) {
        *word = word_of(bytes);
    }
    Ok(words)
}

/// How often the page is read before it is called restless.
const LOOKS: usize = 1000;

impl Header {
    pub(super) fn read(file: &std::fs::File) -> Result<Self, Unreadable> {
        let mut before = page(file)?;
        Self::check(&before)?;
        for _ in 0..LOOKS {
            let after = page(file)?;
            let calibration = at::CALIBRATION..at::CALIBRATION + 4;
            let quiet = before[at::CALIBRATION] % 2 == 0 && before[calibration.clone()] == after[calibration];
            // A count that is ahead of the next look at it was read in two halves.
            let counted = (at::HEAD..=at::TASKS_MADE).all(|index| before[index] <= after[index]);
            let grown = before[at::RING] != after[at::RING];
            if quiet && counted && !grown && before[at::AREA] == after[at::AREA] {
                return Self::decode(&before);
            }
            before = after;
        }
        // A writer that was killed while it wrote a calibration: the one of the beginning is whole.
        let still = page(file)?[at::HEAD] == before[at::HEAD] && before[at::CALIBRATION] % 2 == 1;
        if still {
            before[at::CALIBRATION..at::CALIBRATION + 4].fill(0);
            return Self::decode(&before);
        }
        Err(Unreadable::Restless)
    }

    fn check(page: &Page) -> Result<(), Unreadable> {
        if page[at::MAGIC] != MAGIC {
            return Err(Unreadable::Foreign);
        }
        match page[at::VERSION] {
            version if !(OLDEST..=VERSION).contains(&(version as u32)) => {
                Err(Unreadable::Version(version as u32))
            }
            version if version >> 32 != PAGE as u64 => Err(Unreadable::Senseless("the size of its page")),
            _ => Ok(()),
        }
    }

    fn decode(page: &Page) -> Result<Self, Unreadable> {
        let clock = Clock::from_code(page[at::CLOCK]).ok_or(Unreadable::Senseless("its clock"))?;
        let readings = |index: usize| [page[index], page[index + 1], page[index + 2]];
        let born = readings(at::BORN);
        let last = if page[at::CALIBRATION] == 0 { born } else { readings(at::CALIBRATION + 1) };
        let layout = match page[at::AREA] {
            0 => None,
            1 | 2 => {
                let layout = Layout::from_words(&page[at::PARTS..at::PARTS + 10]);
                Some(layout.ok_or(Unreadable::Senseless("where its parts lie"))?)
            }
            _ => return Err(Unreadable::Senseless("the state of its area")),
        };
        let used = |index: usize, most: Option<usize>| {
            usize::try_from(page[index]).unwrap_or(usize::MAX).min(most.unwrap_or(0))
        };
        let head = page[at::HEAD];
        if head > 1 << 60 {
            return Err(Unreadable::Senseless("the count of its events"));
        }
        let ring = layout.map_or(0, |layout| layout.ring.count as u64);
        Ok(Self {
            process: page[at::PROCESS] as u32,
            thread: (page[at::PROCESS] >> 32) as u32,
            namespace: page[at::NAMESPACE],
            clock,
            calibration: Calibration::new(clock, born, last),
            name: text(page, at::NAME, at::NAME_WORDS),
            runtime: text(page, at::RUNTIME, at::RUNTIME_WORDS),
            program: text(page, at::PROGRAM, at::PROGRAM_WORDS),
            ended: page[at::ENDED] != 0,
            saved: Some(page[at::SAVED]).filter(|&at| at != 0),
            recording: page[at::AREA] == 2,
            recorded: page[at::AREA] != 0,
            items: page[at::HEARTBEAT] >> 1,
            asleep: page[at::HEARTBEAT] & 1 != 0,
            running: page[at::RUNNING].checked_sub(1).and_then(|row| Slot::from_code(row as u32)),
            lap: page[at::LAP].max(born[0]),
            head,
            tasks_made: page[at::TASKS_MADE],
            received: page[at::RECEIVED],
            sent: page[at::SENT],
            load: (page[at::VERSION] as u32 > OLDEST).then(|| Load {
                transports: page[at::TRANSPORTS],
                connections: page[at::CONNECTIONS],
                unsent: page[at::UNSENT],
            }),
            drops: Drops {
                events: (head + 1).saturating_sub(ring).min(head),
                tasks: page[at::TASKS_REFUSED],
                objects: page[at::OBJECTS_REFUSED],
                strings: page[at::STRINGS_REFUSED],
            },
            layout,
            strings_used: used(at::STRINGS_USED, layout.map(|layout| layout.strings.count)),
            tasks_used: used(at::TASKS_USED, layout.map(|layout| layout.tasks.count)),
            objects_used: used(at::OBJECTS_USED, layout.map(|layout| layout.objects.count)),
            reports: used(at::REPORTS, layout.map(|layout| layout.reports.count)),
        })
    }
}

fn text(page: &Page, index: usize, words: usize) -> String {
    let bytes: Vec<u8> = page[index + 1..index + words].iter().flat_map(|word| word.to_le_bytes()).collect();
    let length = usize::try_from(page[index]).unwrap_or(usize::MAX).min(bytes.len());
    strings::shown(&bytes[..length])
}
