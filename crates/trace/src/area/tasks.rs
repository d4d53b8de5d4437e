//! The rows of tasks: what the loop tells of each, and what the program itself looks up.

use std::sync::atomic::Ordering;

use super::{Area, Table};
use crate::event::{self, Event, Moment, PIECE};
use crate::layout::at;
use crate::state::{MOMENT, Reason, State, Subject, moment};
use crate::strings::{self, StringId};
use crate::tasks::{self, Flags, Mark, NewTask, TaskRow};
use crate::waker::{Slot, Waker};

impl Area {
    /// A row for a task that was just made, or that is met for the first time in this recording.
    pub fn task_made(&mut self, task: &NewTask<'_>) -> Mark {
        let Some(slot) = self.take(Table::Tasks, task.number) else {
            self.count(at::TASKS_REFUSED);
            return Mark::without_row(task.number);
        };
        self.made += 1;
        self.set(at::TASKS_MADE, self.made);
        // Who makes it may be in the middle of a long step.
        let now = self.shared.clock.now();
        self.task(slot).make(task, now);
        let &NewTask { number, by, coroutine, place, .. } = task;
        self.put(Event { at: now, what: Moment::Made { task: slot, by, number, coroutine, place } }.encode());
        for piece in strings::cut(task.name, tasks::NAME).as_bytes().chunks(PIECE) {
            let mut whole = [0; PIECE];
            whole[..piece.len()].copy_from_slice(piece);
            self.put(Event { at: now, what: Moment::Name(whole) }.encode());
        }
        Mark::new(number, slot)
    }

    /// The row of a task, if it has one in this recording.
    #[inline]
    pub fn find(&self, task: Mark) -> Option<Slot> {
        self.tasks.find(task)
    }

    /// The row of a task that has ended, as long as it is not another's.
    pub fn find_ended(&self, task: Mark) -> Option<Slot> {
        let slot = self.tasks.place(task)?;
        self.task_row(slot).filter(|row| row.number == task.number()).map(|row| row.slot)
    }

    /// A suspended task became READY. This reads the clock: what woke it may be in the middle of a long step.
    #[inline]
    pub fn woken(&mut self, task: Slot, waker: Waker) {
        let now = self.shared.clock.now();
        self.task(task).enter(State::Ready.code(), now, Subject::Woken(waker).code());
    }

    /// The step of a task begins, where the last item ended.
    #[inline]
    pub fn step_begins(&mut self, task: Slot) {
        self.set(at::RUNNING, 1 + u64::from(task.0));
    }

    /// It ends: what the task does next. One that is COMPLETED gives its row back, which is not used again at
    /// once.
    pub fn step_ends(&mut self, task: Slot, then: State, subject: Subject) {
        self.step(task, then.code(), subject.code());
        if then.is_completed() {
            self.leaves(task);
        }
    }

    /// A task has ended: its groups wait for one less.
    fn leaves(&mut self, task: Slot) {
        if let Some(first) = self.task(task).group() {
            for group in self.groups.leave(task, first) {
                self.object(group).one_less(self.lap);
            }
        }
        self.tasks.leave(task);
    }

    /// The same of one that goes on by itself: it is READY again.
    #[inline]
    pub fn step_goes_on(&mut self, task: Slot) {
        self.step(task, State::Ready.code(), Subject::Woken(Waker::Task(task)).code());
    }

    #[inline(always)]
    fn step(&mut self, task: Slot, then: u8, subject: u64) {
        let began = self.lap;
        let end = self.lap();
        let row = self.task(task);
        let (since, waker) = row.woken().unwrap_or((began & MOMENT, Waker::Unknown.code()));
        let run = end.saturating_sub(began);
        // Of two readings by different processors the later one can be the smaller.
        let ready = began.saturating_sub(moment(since, began));
        // Of a signed number it is one instruction.
        let length = |ticks: u64| ticks as i64 as f32;
        let lengths = (length(run), length(ready));
        row.step(end, then, subject, (run, ready), lengths.0);
        self.put(event::step(began, lengths, task, waker, then, subject));
        self.set(at::RUNNING, 0);
    }

    /// A task of asyncio's own class, of which only the state is known.
    pub fn stands(&mut self, task: Slot, state: State, subject: Subject) {
        self.task(task).enter(state.code(), self.lap, subject.code());
        if state.is_completed() {
            self.leaves(task);
        }
    }

    /// Somebody asks for the end of a task; who has asked first stands in its row. `why`: what that is called, where it
    /// is a callback or a timeout.
    pub fn cancelled(&mut self, task: Slot, by: Waker, why: StringId) {
        let row = self.task(task);
        if !row.is_cancelling() {
            row.cancelled(by, why);
        }
        self.put(Event { at: self.lap, what: Moment::Cancel { task, by, why } }.encode());
    }

    /// It has been told to go on after all (`uncancel`), or the answer was another.
    pub fn is_cancelling(&self, task: Slot) -> bool {
        self.task(task).is_cancelling()
    }

    /// `error`: the exception's class. `task`: where it was a task's; its row says so as long as it is there.
    pub fn never_retrieved(&mut self, task: Option<Slot>, error: StringId) {
        if let Some(task) = task {
            self.task(task).flag(Flags::NEVER_RETRIEVED, true);
        }
        self.put(Event { at: self.lap, what: Moment::NeverRetrieved { task, error } }.encode());
    }

    pub fn flag(&mut self, task: Slot, flag: Flags, on: bool) {
        self.task(task).flag(flag, on);
    }

    /// A closer look at a task that has just been suspended has shown for what. (So its last event is mended, where
    /// nothing has come after it but the row of that.)
    pub fn waits_for(&mut self, task: Slot, reason: Reason, subject: Subject) {
        let (state, subject) = (State::Suspended(reason).code(), subject.code());
        self.task(task).waits_for(state, subject);
        for place in (0..self.ring.place).rev().take(2) {
            let start = self.ring.start + place * event::WORDS;
            let words = &self.memory.mapping.words()[start..start + event::WORDS];
            if event::mend_step(words, task, state, subject) {
                return;
            }
        }
    }

    /// File and line where a task's own code waits.
    pub fn waits_at(&mut self, task: Slot, place: StringId) {
        self.task(task).waits_at(place);
    }

    /// What stands in a task's row: for the program itself, which has no other way to know.
    pub fn task_row(&self, slot: Slot) -> Option<TaskRow> {
        let words = self.task(slot).0.each_ref().map(|word| word.load(Ordering::Relaxed));
        tasks::decode(slot, &words, self.lap)
    }

    /// The number of the task whose row it is, as long as that has not ended.
    pub(super) fn living(&self, slot: Slot) -> Option<u64> {
        self.tasks.number(slot)
    }

    /// How the tasks stand that have not ended: RUNNING, READY, and SUSPENDED by reason; how many of each.
    pub fn states(&self) -> Vec<(State, u32)> {
        let mut counts = [0; 256];
        let running = self.shared.word(at::RUNNING).load(Ordering::Relaxed).wrapping_sub(1);
        for row in 0..self.tasks.used() as u64 {
            let code =
                if row == running { State::Running.code() } else { self.task(Slot(row as u32)).state() };
            counts[usize::from(code)] += 1;
        }
        let found = (0..=u8::MAX).zip(counts).filter(|(_, count)| *count != 0);
        let found = found.filter_map(|(code, count)| Some((State::from_code(code)?, count)));
        found.filter(|(state, _)| !state.is_completed()).collect()
    }
}
