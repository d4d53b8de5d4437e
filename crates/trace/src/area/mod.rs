//! The recording itself, while somebody records: the loop's thread writes it, one event at a time.
//!
//! An event's words come before the count of events that names it, and after the count that preceded it: so
//! whoever stops this thread, at whatever instruction, leaves whole every event before the count; and a reader
//! that looks again at the count after copying knows which events may have been overwritten meanwhile.

mod objects;
mod ring;
mod tasks;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::{Event, Moment, Op};
use crate::groups::Groups;
use crate::layout::{EVENT, Layout, OBJECT, PAGE, PIECE_OF_RING, Part, STRETCH, Sizes, TASK, at};
use crate::objects::Row as ObjectRow;
use crate::page::{Clock, Load, Memory, Shared};
use crate::place::{self, Refusal, system};
use crate::strings::{StringId, Strings};
use crate::sys::{self, Mapping};
use crate::tally::Tally;
use crate::tasks::{Row as TaskRow, Taken, Tasks};
use crate::users::Users;
use crate::waker::{Slot, Waker};

pub use objects::Kept;
use ring::{COUNTED, Ring};

/// In nanoseconds.
const MINUTE: f64 = 6e10;

pub struct Area {
    shared: Arc<Shared>,
    memory: Arc<Memory>,
    file: Origin,
    tasks: Tasks,
    objects: Tasks,
    strings: Strings,
    ring: Ring,
    head: u64,
    /// The last reading of the clock: where one item ends the next begins.
    lap: u64,
    /// Where the turn began, and how long the loop had waited before.
    turn: u64,
    waited: u64,
    made: u64,
    groups: Groups,
    users: Users,
    /// How often the recording has paused.
    pauses: u16,
    /// The nanoseconds of a tick, and when they are measured anew.
    speed: f64,
    calibrates: u64,
    /// What the program has asked for: from the first time on.
    tally: Option<Box<Tally>>,
}

/// When an item began in the midst of which the loop turns, and its own turn.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted {
    lap: u64,
    turn: u64,
    waited: u64,
}

/// Where the file is, for more of its memory: no descriptor is kept.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) path: PathBuf,
    pub(crate) identity: (u64, u64),
}

impl Origin {
    fn open(&self) -> Result<File, Refusal> {
        place::reopen(&self.path, self.identity)
    }

    fn lengthen(&self, file: &File, layout: &Layout) -> Result<Mapping, Refusal> {
        file.set_len(layout.end() as u64).map_err(system("lengthen", &self.path))?;
        self.reserve(file, PAGE, layout.ring.start + layout.ring.count.min(PIECE_OF_RING) * EVENT)?;
        self.reserve(file, layout.reports.start, layout.objects.start + STRETCH * OBJECT)?;
        self.reserve(file, layout.tasks.start, layout.tasks.start + STRETCH * TASK)?;
        Mapping::new(file, PAGE as u64, layout.end() - PAGE).map_err(system("map", &self.path))
    }

    fn reserve(&self, file: &File, start: usize, end: usize) -> Result<(), Refusal> {
        sys::allocate(file, start as u64, (end - start) as u64).map_err(system("have memory for", &self.path))
    }
}

impl Area {
    pub(crate) fn make(shared: Arc<Shared>, file: Origin, sizes: Sizes) -> Result<Self, Refusal> {
        let layout = Layout::new(sizes);
        let memory = file.open()?;
        let mapping = file.lengthen(&memory, &layout).inspect_err(|_| {
            // Back to the page: nobody knows of more.
            let _ = memory.set_len(PAGE as u64);
        })?;
        let (ring, first) = (layout.ring.count, layout.ring.count.min(PIECE_OF_RING));
        mapping.touch(layout.ring.start - PAGE, first * EVENT);
        let memory = Arc::new(Memory { mapping, layout });
        shared.attach(memory.clone(), first);
        let start = memory.layout.ring.words().start;
        let lap = shared.clock.now();
        let (tasks, objects) = (Tasks::new(STRETCH), Tasks::new(STRETCH));
        let mut area = Self {
            shared,
            memory,
            file,
            tasks,
            objects,
            strings: Strings::new(),
            ring: Ring { start, place: 0, count: first, most: ring },
            head: 0,
            lap,
            turn: lap,
            waited: 0,
            made: 0,
            groups: Groups::default(),
            users: Users::default(),
            pauses: 0,
            speed: 1.0,
            calibrates: lap,
            tally: None,
        };
        area.calibrate();
        Ok(area)
    }

    /// After a pause: what stood in the tables is no longer so.
    pub(crate) fn resume(&mut self) {
        for row in 0..self.tasks.used() {
            self.task(Slot(row as u32)).clear();
        }
        for row in 0..self.objects.used() {
            self.object(Slot(row as u32)).clear();
        }
        self.tasks.forget_all();
        self.objects.forget_all();
        self.groups.forget_all();
        self.users.forget_all();
        self.pauses = self.pauses.wrapping_add(1);
        self.lap();
        self.turn = self.lap;
        self.calibrate();
        self.shared.recording(true);
    }

    pub(crate) fn pause(&self) {
        self.set(at::RUNNING, 0);
        self.shared.calibrate();
        self.shared.recording(false);
    }

    /// The number of a string. The loop keeps it beside what it names (a code object): finding it again takes
    /// a hash.
    pub fn string(&mut self, text: &str) -> StringId {
        let Self { shared, strings, memory, .. } = self;
        let number = strings.number(&memory.mapping.words()[memory.layout.strings.words()], text);
        shared.word(at::STRINGS_USED).store(strings.used() as u64, Ordering::Release);
        number.unwrap_or_else(|| {
            self.count(at::STRINGS_REFUSED);
            StringId::NONE
        })
    }

    // The clock.

    /// The last reading of the clock, which the last event ended with.
    pub fn now(&self) -> u64 {
        self.lap
    }

    /// What the clock will read in so many seconds.
    pub fn after(&self, seconds: f64) -> u64 {
        let ticks = (seconds * 1e9 / self.speed).max(0.0);
        self.shared.clock.now().saturating_add(ticks as u64)
    }

    /// What it read when a timer was due that is so many seconds late now.
    pub fn before(&self, seconds: f64) -> u64 {
        let ticks = (seconds * 1e9 / self.speed).max(0.0);
        self.shared.clock.now().saturating_sub(ticks as u64)
    }

    #[inline]
    fn lap(&mut self) -> u64 {
        self.lap = self.shared.clock.now();
        self.set(at::LAP, self.lap);
        self.lap
    }

    // Turns, callbacks, and whatever else is no task's.

    /// The loop is back from the kernel.
    pub fn turn_begins(&mut self) {
        let before = self.lap;
        self.turn = self.lap();
        self.waited = self.turn.saturating_sub(before);
    }

    /// The loop turns inside of the item that it performs: what is to be as it was afterwards.
    pub fn interrupted(&mut self) -> Interrupted {
        let interrupted = Interrupted { lap: self.lap, turn: self.turn, waited: self.waited };
        // The item's own time is no waiting.
        self.lap();
        interrupted
    }

    /// The item goes on, the step of this task if it is one: what was performed meanwhile is a part of it.
    pub fn goes_on(&mut self, interrupted: Interrupted, step: Option<Slot>) {
        Interrupted { lap: self.lap, turn: self.turn, waited: self.waited } = interrupted;
        if let Some(task) = step {
            self.step_begins(task);
        }
    }

    /// All `items` of this turn have been performed; `ready` follow in the next one.
    pub fn turn_ends(&mut self, items: u32, ready: u32, timers: u32) {
        let run = self.lap().saturating_sub(self.turn) as f32;
        let what = Moment::Turn { run, waited: self.waited as f32, items, ready, timers };
        self.put(Event { at: self.turn, what }.encode());
        if self.lap >= self.calibrates {
            self.calibrate();
        }
        let most = COUNTED.min(self.ring.count as u64 / 2);
        if self.tally.as_ref().is_some_and(|tally| self.head - tally.next >= most) {
            self.tally();
        }
    }

    /// What the loop's transports have come to.
    pub fn load(&self, load: Load) {
        self.set(at::TRANSPORTS, load.transports);
        self.set(at::CONNECTIONS, load.connections);
        self.set(at::UNSENT, load.unsent);
    }

    /// How many tasks, objects and texts found no room in their tables.
    pub fn refused(&self) -> u64 {
        let words = [at::TASKS_REFUSED, at::OBJECTS_REFUSED, at::STRINGS_REFUSED];
        words.iter().map(|&index| self.shared.word(index).load(Ordering::Relaxed)).sum()
    }

    /// Bytes that came in and that went out, and how many tasks were met.
    pub fn totals(&self) -> [u64; 3] {
        [at::RECEIVED, at::SENT, at::TASKS_MADE].map(|index| self.shared.word(index).load(Ordering::Relaxed))
    }

    /// A callback has returned. `due`: when, if it is a timer's.
    pub fn called(&mut self, label: StringId, waker: Waker, due: Option<u64>) {
        let began = self.lap;
        let run = self.lap().saturating_sub(began) as f32;
        let late = due.map_or(0.0, |due| began.saturating_sub(due) as f32);
        self.put(Event { at: began, what: Moment::Call { label, waker, run, late } }.encode());
    }

    /// Any other event, that began at `at`.
    pub fn note(&mut self, at: u64, what: Moment) {
        self.put(Event { at, what }.encode());
    }

    /// Reads all clocks again: a viewer knows the speed of this one by that, and where it stands. At the end of a turn,
    /// each time that the file has become twice as old, and each minute.
    pub fn calibrate(&mut self) {
        self.shared.calibrate();
        self.speed = self.shared.nanos_a_tick();
        let age = self.lap.saturating_sub(self.shared.word(at::BORN).load(Ordering::Relaxed));
        self.calibrates = self.lap.saturating_add(age.min((MINUTE / self.speed) as u64));
    }

    // Connections, the collector, jobs of executors: with the moment of what runs now.

    /// A connection was made or is lost, bytes came in or went out.
    #[inline]
    pub fn connection(&mut self, fd: i32, op: Op, bytes: u64) {
        let total = match op {
            Op::Received => Some(at::RECEIVED),
            Op::Sent => Some(at::SENT),
            _ => None,
        };
        if let Some(total) = total {
            let before = self.shared.word(total).load(Ordering::Relaxed);
            self.set(total, before.wrapping_add(bytes));
        }
        self.put(Event { at: self.lap, what: Moment::Connection { fd, op, bytes } }.encode());
    }

    /// Python's collector has run since `began`.
    pub fn collected(&mut self, began: u64, generation: u8, objects: u32) {
        let run = self.shared.clock.now().saturating_sub(began) as f32;
        self.put(Event { at: began, what: Moment::Collected { run, generation, objects } }.encode());
    }

    /// A job of an executor: asked for by whom and when, begun and ended by its thread; all by this clock.
    pub fn job(&mut self, label: StringId, by: Waker, [asked, began, ended]: [u64; 3]) {
        let length = |from: u64, to: u64| to.saturating_sub(from) as f32;
        let (waited, run) = (length(asked, began), length(began, ended));
        self.put(Event { at: began, what: Moment::Job { label, by, run, waited } }.encode());
    }

    /// The clock of this file, which any thread may read.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// The seconds from a moment of this file until now.
    pub fn seconds_since(&self, moment: u64) -> f64 {
        self.seconds(self.shared.clock.now().saturating_sub(moment))
    }

    /// The seconds of so many ticks.
    pub fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 * self.shared.nanos_a_tick() / 1e9
    }

    #[inline]
    fn set(&self, index: usize, value: u64) {
        self.shared.word(index).store(value, Ordering::Relaxed);
    }

    #[cold]
    fn count(&self, index: usize) {
        let word = self.shared.word(index);
        word.store(word.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// # Panics
    /// If there is no such row: slots come from `find`.
    #[inline]
    fn task(&self, slot: Slot) -> TaskRow<'_> {
        row_of_task(&self.memory, slot)
    }

    #[inline]
    fn object(&self, slot: Slot) -> ObjectRow<'_> {
        ObjectRow(row(&self.memory, self.memory.layout.objects, slot))
    }

    fn take(&mut self, table: Table, number: u64) -> Option<Slot> {
        let rows = match table {
            Table::Tasks => &mut self.tasks,
            Table::Objects => &mut self.objects,
        };
        let row = match rows.take(number) {
            Taken::Row(row) => row,
            Taken::Full => {
                self.grow(table)?;
                return self.take(table, number);
            }
        };
        let (rows, index) = match table {
            Table::Tasks => (&self.tasks, at::TASKS_USED),
            Table::Objects => (&self.objects, at::OBJECTS_USED),
        };
        self.shared.word(index).store(rows.used() as u64, Ordering::Release);
        Some(Slot(row))
    }

    /// Memory for more rows, if the table has an end that is further away and there is memory; asked once.
    #[cold]
    fn grow(&mut self, table: Table) -> Option<()> {
        let (rows, part) = match table {
            Table::Tasks => (&mut self.tasks, self.memory.layout.tasks),
            Table::Objects => (&mut self.objects, self.memory.layout.objects),
        };
        if rows.at_its_end() || rows.reserved() >= part.count {
            return None;
        }
        let start = part.start + rows.reserved() * part.size;
        let reserved =
            self.file.open().and_then(|file| self.file.reserve(&file, start, start + STRETCH * part.size));
        match reserved {
            Ok(()) => rows.more(),
            Err(_) => {
                rows.no_more();
                return None;
            }
        }
        Some(())
    }
}

#[derive(Clone, Copy)]
enum Table {
    Tasks,
    Objects,
}

#[inline]
fn row_of_task(memory: &Memory, slot: Slot) -> TaskRow<'_> {
    TaskRow(row(memory, memory.layout.tasks, slot))
}

#[inline]
fn row<const N: usize>(memory: &Memory, part: Part, slot: Slot) -> &[AtomicU64; N] {
    let start = part.words().start + slot.0 as usize * N;
    memory.mapping.words()[start..].first_chunk().expect("a row within its table")
}
