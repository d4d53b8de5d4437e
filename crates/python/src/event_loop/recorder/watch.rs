//! What a loop has of its recorder. Names no loop: the loop is made of it, too.

use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use ironloop_trace::{Area, Mark, Outcome, Recorder, Reporter, Slot, StringId, Waker};

use crate::ffi::Object;
use crate::ffi::cell::LoopCell;
use pyo3::Python;

/// How many loops record. Primitives ask it, which know no loop until somebody has to wait.
pub(super) static RECORDING: AtomicU32 = AtomicU32::new(0);

/// Whether any loop of this process records.
#[inline(always)]
pub(crate) fn is_anywhere() -> bool {
    RECORDING.load(Ordering::Relaxed) != 0
}

/// Tasks that went away with an error that nobody has asked for; their loops look here when a turn ends. More
/// than this are left out.
pub(super) static NEVER_RETRIEVED: Mutex<Vec<Mark>> = Mutex::new(Vec::new());
const MOST: usize = 1 << 12;
/// Whether there are any: a turn that ends asks this alone.
pub(super) static ANY_NEVER_RETRIEVED: AtomicBool = AtomicBool::new(false);

/// A task goes away with an error that nobody has asked for. Runs no Python.
#[cold]
pub(crate) fn never_retrieved(task: Mark) {
    let mut all = NEVER_RETRIEVED.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() < MOST {
        all.push(task);
        ANY_NEVER_RETRIEVED.store(true, Ordering::Relaxed);
    }
}

/// Who is told that the end of a task is asked for. (It knows loops; tasks are made of this file.)
pub(super) static CANCELLING: OnceLock<fn(Python<'_>, &Object)> = OnceLock::new();

/// `task.cancel()` is called; where [`is_anywhere`].
#[inline(never)]
pub(crate) fn cancel_asked(py: Python<'_>, task: &Object) {
    if let Some(tell) = CANCELLING.get() {
        tell(py, task);
    }
}

/// Names that are kept; each has one place where it can be.
const KEPT: usize = 64;

/// What items are called, by their names' string objects: `labels` asks it.
#[derive(Default)]
pub(super) struct Labels {
    names: Vec<Option<(Object, StringId)>>,
    places: Vec<Option<(Object, i32, StringId)>>,
    pub(super) descriptor: Option<StringId>,
}

impl Labels {
    fn index(object: &Object, line: i32) -> usize {
        ((object.as_ptr().addr() >> 4) + line.unsigned_abs() as usize) % KEPT
    }

    pub(super) fn place(&self, file: &Object, line: i32) -> Option<StringId> {
        let (known, at, label) = self.places.get(Self::index(file, line))?.as_ref()?;
        (known.as_ptr() == file.as_ptr() && *at == line).then_some(*label)
    }

    /// What comes back is dropped with nothing borrowed.
    pub(super) fn keep_place(&mut self, file: Object, line: i32, label: StringId) -> impl Sized + use<> {
        self.places.resize_with(KEPT, || None);
        self.places[Self::index(&file, line)].replace((file, line, label))
    }

    pub(super) fn known(&self, name: &Object) -> Option<StringId> {
        let (known, label) = self.names.get(Self::index(name, 0))?.as_ref()?;
        (known.as_ptr() == name.as_ptr()).then_some(*label)
    }

    /// What comes back is dropped with nothing borrowed.
    pub(super) fn keep(&mut self, name: Object, label: StringId) -> Option<(Object, StringId)> {
        self.names.resize_with(KEPT, || None);
        self.names[Self::index(&name, 0)].replace((name, label))
    }
}

/// How many closer looks a loop may take at tasks that are suspended: it costs a microsecond, and a busy loop
/// has more steps than anybody can read.
pub(super) struct Looks {
    left: u32,
    refilled: u64,
}

impl Looks {
    const MOST: u32 = 1024;
    /// So many more after so many ticks of the file's clock: some three thousand a second at most.
    const MORE: u32 = 16;
    const TICKS: u64 = 1 << 24;

    #[inline]
    pub(super) fn take(&mut self) -> bool {
        let may = self.left != 0;
        self.left -= u32::from(may);
        may
    }

    #[inline]
    pub(super) fn refill(&mut self, now: u64) {
        if now.wrapping_sub(self.refilled) > Self::TICKS {
            self.refilled = now;
            self.left = (self.left + Self::MORE).min(Self::MOST);
        }
    }
}

/// A Rust future that a loop polls by itself: what it tells of itself, how it stands, and its row.
pub(crate) struct RustFuture {
    /// Of its type, which begins with the crate.
    pub(super) path: &'static str,
    pub(super) file: &'static str,
    pub(super) line: usize,
    stage: LoopCell<Stage>,
    pub(super) mark: LoopCell<Mark>,
}

/// `Fresh` until its first poll, `Runs` in a poll, `Waits` between polls, until one has `Ended`.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    Fresh,
    Runs,
    Waits,
    Ended(Outcome),
}

impl RustFuture {
    pub(crate) fn new(path: &'static str, file: &'static str, line: usize) -> Self {
        Self { path, file, line, stage: LoopCell::new(Stage::Fresh), mark: LoopCell::new(Mark::NONE) }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage.with(|stage| *stage)
    }

    pub(crate) fn runs(&self) {
        self.stage.with(|stage| *stage = Stage::Runs);
    }

    /// Its poll is over.
    pub(crate) fn waits(&self) {
        self.stage.with(|stage| {
            if let Stage::Runs = stage {
                *stage = Stage::Waits;
            }
        });
    }

    /// In its last poll.
    pub(crate) fn ends(&self, how: Outcome) {
        self.stage.with(|stage| *stage = Stage::Ended(how));
    }
}

/// What a loop has of it.
pub(crate) struct Watch {
    /// None before anybody has looked.
    pub(super) recorder: Option<Box<Recorder>>,
    /// What runs now: who wakes what becomes ready meanwhile.
    pub(super) current: Waker,
    /// The mark of the task that makes a step.
    pub(super) running: Mark,
    /// What it is called, where it is no task's step.
    pub(super) label: StringId,
    /// Which loop of the process it is.
    pub(super) number: u64,
    /// What more is known of what the running task waits for when its step ends. Hardly any knows more.
    pub(super) more: Option<More>,
    /// What items are called, by their names' string objects.
    pub(super) labels: Labels,
    pub(super) looks: Looks,
    /// How many items the reactor had performed when the turn began.
    pub(super) performed: u64,
    /// The Rust future that is polled has been woken meanwhile.
    pub(super) again: bool,
}

#[derive(Default)]
pub(super) struct More {
    /// The seconds that the sleep lasts which begins.
    pub(super) sleep: Option<f64>,
    /// What gathers several tasks since this step, and its row: who awaits it when the step ends waits for them.
    pub(super) group: Option<(Object, Slot)>,
}

impl Default for Watch {
    fn default() -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Self {
            recorder: None,
            current: Waker::Unknown,
            running: Mark::NONE,
            label: StringId::NONE,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            more: None,
            labels: Labels::default(),
            looks: Looks { left: Looks::MOST, refilled: 0 },
            performed: 0,
            again: false,
        }
    }
}

impl Watch {
    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    #[inline]
    pub(super) fn area(&mut self) -> Option<&mut Area> {
        self.recorder.as_mut()?.recording()
    }
}

/// The files of the loops of this process that record. (A forked child has none of its parent's.)
static FILES: Mutex<Vec<(u32, PathBuf)>> = Mutex::new(Vec::new());

/// The files that are being written now.
pub(super) fn files() -> Vec<PathBuf> {
    let all = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().filter(|(whose, _)| *whose == process::id()).map(|(_, path)| path.clone()).collect()
}

impl Watch {
    /// What the watchdog writes by, if there is a file.
    pub(crate) fn pen(&self) -> Option<Reporter> {
        self.recorder.as_ref()?.reporter()
    }

    /// It records from now on.
    pub(super) fn be_known(&self) {
        let path = self.recorder.as_ref().and_then(|recorder| recorder.path());
        let mut all = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(path.map(|path| (process::id(), path.to_owned())));
    }

    /// It does not any more.
    pub(super) fn be_forgotten(&self) {
        let path = self.recorder.as_ref().and_then(|recorder| recorder.path());
        let mut all = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, known)| Some(known.as_path()) != path);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.be_forgotten();
        if self.recorder.as_ref().is_some_and(|recorder| recorder.is_recording()) {
            RECORDING.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
