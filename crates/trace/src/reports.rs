//! Reports of blocks: 2 KB each, in a ring of their own, and the last one in the page besides, for who did not
//! record. They belong to the thread of the watchdog, which is not the loop's.
//!
//! ```text
//! sequence 32, over 8, kind 8 | number of the report 32, items 32 | began | wall f32, cpu f32
//! | collecting f32, task's row 32 | task's number | text: length, bytes
//! ```
//!
//! The first line of the text is who it was, the others are the stack.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::layout::{REPORT, TASK, WORD, at};
use crate::page::Shared;
use crate::strings;
use crate::tasks;
use crate::waker::Slot;

/// What kept the loop.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum BlockKind {
    /// One callback, or one step of a task.
    #[default]
    One,
    /// Many in one turn, none of which was long.
    Crowd,
    /// Another thread that had the interpreter's lock.
    Lock,
}

impl BlockKind {
    const ALL: [Self; 3] = [Self::One, Self::Crowd, Self::Lock];
}

#[derive(Clone, PartialEq, Default, Debug)]
pub struct Report {
    pub kind: BlockKind,
    /// How many callbacks it was.
    pub items: u32,
    /// When the loop was last seen to go on, by the file's clock.
    pub began: u64,
    /// How long it has been blocked, how long it computed meanwhile, how long the collector ran; in ticks.
    pub wall: f32,
    pub cpu: f32,
    pub collecting: f32,
    /// The row of the task that ran, and its number, if it was recorded.
    pub task: Option<(Slot, u64)>,
    /// Its name; nothing where it was no task's.
    pub who: String,
    /// Whether the loop has gone on since.
    pub over: bool,
    /// A line a frame, the innermost first: function, file, line, with tabs between.
    pub stack: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReportId(pub u32);

pub(crate) const WORDS: usize = REPORT / WORD;
const TEXT: usize = 6;

/// The watchdog's pen.
pub struct Reporter {
    shared: Arc<Shared>,
    path: PathBuf,
}

impl Reporter {
    pub(crate) fn new(shared: Arc<Shared>, path: PathBuf) -> Self {
        Self { shared, path }
    }

    /// The file's clock: `Report::began` is one of its readings.
    pub fn now(&self) -> u64 {
        self.shared.clock.now()
    }

    /// So many nanoseconds in ticks of that clock.
    pub fn ticks(&self, nanos: i64) -> f32 {
        (nanos.max(0) as f64 / self.shared.nanos_a_tick()) as f32
    }

    /// The file; and whether there is a recording in it.
    pub fn file(&self) -> (&Path, bool) {
        (&self.path, self.shared.area().is_some())
    }

    /// Which task runs, by its row and its number, while somebody records.
    pub fn running(&self) -> Option<(Slot, u64)> {
        let running = self.shared.word(at::RUNNING).load(Ordering::Relaxed);
        let slot = running.checked_sub(1).and_then(|row| Slot::from_code(row as u32))?;
        let area = self.shared.area()?;
        let start = area.layout.tasks.words().start + slot.0 as usize * (TASK / WORD);
        Some((slot, tasks::number_in(area.mapping.words().get(start..)?)?))
    }

    pub fn begin(&self, report: &Report) -> ReportId {
        // A loop has one watchdog, but one after the other.
        let count = self.shared.word(at::REPORTS).load(Ordering::Relaxed) as u32;
        self.again(ReportId(count), report);
        self.shared.word(at::REPORTS).store(count.wrapping_add(1).into(), Ordering::Release);
        ReportId(count)
    }

    /// Says anew what is known of a block: that it goes on, that it is over.
    pub fn again(&self, id: ReportId, report: &Report) {
        write(&self.shared.page()[at::LAST_REPORT..][..WORDS], id, report);
        if let Some(area) = self.shared.area() {
            let reports = &area.layout.reports;
            let start = reports.words().start + id.0 as usize % reports.count * WORDS;
            write(&area.mapping.words()[start..][..WORDS], id, report);
        }
    }
}

fn write(words: &[AtomicU64], id: ReportId, report: &Report) {
    let store = |index: usize, value: u64| words[index].store(value, Ordering::Relaxed);
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let sequence = words[0].load(Ordering::Relaxed) as u32;
    store(0, sequence.wrapping_add(1).into());
    fence(Ordering::Release);
    store(1, pair(id.0.wrapping_add(1), report.items));
    store(2, report.began);
    store(3, pair(report.wall.to_bits(), report.cpu.to_bits()));
    store(4, pair(report.collecting.to_bits(), Slot::code(report.task.map(|(slot, _)| slot))));
    store(5, report.task.map_or(0, |(_, number)| number));
    let text = format!("{}\n{}", report.who.replace('\n', " "), report.stack);
    let text = strings::cut(&text, (WORDS - TEXT - 1) * WORD);
    store(TEXT, text.len() as u64);
    strings::write(&words[TEXT + 1..], text.as_bytes());
    let last = pair(sequence.wrapping_add(2), u32::from(report.over) | (report.kind as u32) << 8);
    words[0].store(last, Ordering::Release);
}

/// What the words of a report say; nothing where there is none.
pub(crate) fn decode(words: &[u64]) -> Option<(ReportId, Report)> {
    let id = ReportId((words[1] as u32).checked_sub(1)?);
    let length = |bits: u32| Some(f32::from_bits(bits)).filter(|length| length.is_finite() && *length >= 0.0);
    let bytes: Vec<u8> = words[TEXT + 1..].iter().flat_map(|word| word.to_le_bytes()).collect();
    let text = bytes.get(..usize::try_from(words[TEXT]).ok()?)?;
    let text = strings::shown(text);
    let (who, stack) = text.split_once('\n').unwrap_or_default();
    let report = Report {
        kind: *BlockKind::ALL.get(usize::from((words[0] >> 40) as u8))?,
        items: (words[1] >> 32) as u32,
        began: words[2],
        wall: length(words[3] as u32)?,
        cpu: length((words[3] >> 32) as u32)?,
        collecting: length(words[4] as u32)?,
        task: Slot::from_code((words[4] >> 32) as u32).map(|slot| (slot, words[5])),
        over: words[0] >> 32 & 1 != 0,
        who: who.to_owned(),
        stack: stack.to_owned(),
    };
    Some((id, report))
}
