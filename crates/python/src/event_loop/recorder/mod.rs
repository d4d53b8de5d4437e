//! The loop's end of the recorder (docs/design/watch-file.md): what it tells `ironloop_trace`, and when.
//!
//! Belongs to the thread that runs the loop. While nobody records, a loop has one bit ([`Parts::UNWATCHED`]),
//! which is asked together with others; what is in here runs only if it is not set. Nothing that a program can
//! see changes by it: what cannot be recorded is left out.
//!
//! ```text
//! no file yet --first sleep, or some turns--> a page --somebody asks--> recording --nobody asks--> a page
//!             --IRONLOOP_WATCH=0, or it was refused--> none
//! ```

mod begin;
mod cancelling;
mod closer;
mod collector;
mod facts;
mod forsaken;
mod jobs;
mod labels;
mod numbers;
mod objects;
pub(crate) mod rust;
mod settings;
mod stands;
pub(crate) mod watch;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use ironloop_driver::RawFd;
use ironloop_trace::{Flags, Interrupted, Mark, NewTask, Slot, State, Subject, Waker};
use pyo3::prelude::*;

use super::item::Item;
use super::loop_core::LoopCore;
use super::parts::Parts;
use crate::event_loop::task::Task;
use crate::ffi::derived::Own;
pub(super) use begin::{begin_run, look};
pub(crate) use closer::{joins, note_task_group};
pub(super) use collector::listen_no_more;
pub(crate) use ironloop_trace::{Op, StringId};
pub(crate) use labels::name_of_limit;
pub(crate) use objects::{ObjectMark, gathered, shields};
pub(crate) use settings::add;
pub(super) use settings::methods;
pub(crate) use watch::is_anywhere;
use watch::{ANY_NEVER_RETRIEVED, More, NEVER_RETRIEVED, RECORDING, RustFuture, Watch};

/// What was known when an item began: who ran then, and what the item is called.
pub(super) struct Before {
    outer: (Waker, StringId),
    this: Waker,
    /// When it was due, if it is a timer.
    due: Option<u64>,
    /// The Rust future that is polled.
    rust: Option<Arc<RustFuture>>,
}

/// An item is performed next that is no step of a task.
pub(super) fn begins(slf: &Bound<'_, LoopCore>, item: &Item) -> Before {
    let this = match item {
        Item::Step(_) | Item::Throw(..) => Waker::Unknown,
        Item::Call(_) | Item::Foreign(_) | Item::Notify(..) | Item::Other(..) | Item::Run(_) => {
            Waker::Callback
        }
        Item::CallFromThread(_) | Item::End(_) | Item::Unwatch(..) | Item::Home(_) | Item::Blocked => {
            Waker::Thread
        }
        Item::Timer(_) | Item::Wake(_) => Waker::Timer,
        Item::Event(..) => Waker::Kernel,
    };
    let label = labels::of(slf, item);
    let late = match item {
        Item::Timer(handle) if LoopCore::keeps(slf, Parts::TIME) => {
            Some(slf.get().driver.now() as f64 / 1e9 - handle.when())
        }
        _ => None,
    };
    let rust = match item {
        Item::Run(slot) => slf.get().rust_future(*slot),
        _ => None,
    };
    let (outer, due) = slf.get().watch.with(|watch| {
        let outer = (watch.current, watch.label);
        (watch.current, watch.label) = (this, label);
        (outer, late.and_then(|late| watch.area().map(|area| area.before(late))))
    });
    if let Some(future) = &rust {
        rust::begins(slf.get(), future);
    }
    Before { outer, this, due, rust }
}

/// What an item is called that is no task's step.
pub(super) fn name(py: Python<'_>, item: &Item) -> String {
    labels::in_words(py, item)
}

/// It was performed.
pub(super) fn ends(core: &LoopCore, item: &Item, before: &Before) {
    if let Some(future) = &before.rust {
        rust::ends(core, future);
    }
    core.watch.with(|watch| {
        let label = watch.label;
        (watch.current, watch.label) = before.outer;
        match (item, watch.area()) {
            // Those are part of what wakes a task, and too many for events of their own.
            (Item::Wake(_) | Item::Notify(..) | Item::Run(_), _) | (_, None) => {}
            (_, Some(area)) => area.called(label, before.this, before.due),
        }
    });
}

/// The step of a task begins: who ran then.
#[inline(always)]
pub(super) fn step_begins(slf: &Bound<'_, LoopCore>, task: &Own<Task>) -> Waker {
    let mark = task.payload().mark.get();
    let begun = slf.get().watch.with(|watch| {
        let area = watch.area()?;
        let slot = area.find(mark)?;
        area.step_begins(slot);
        watch.running = mark;
        Some(std::mem::replace(&mut watch.current, Waker::Task(slot)))
    });
    begun.unwrap_or_else(|| first_step_begins(slf, task))
}

/// The same of a task that has no row yet.
#[inline(never)]
fn first_step_begins(slf: &Bound<'_, LoopCore>, task: &Own<Task>) -> Waker {
    known(slf, task, Flags::ADOPTED);
    let mark = task.payload().mark.get();
    slf.get().watch.with(|watch| {
        let slot = watch.area().and_then(|area| {
            let slot = area.find(mark)?;
            area.step_begins(slot);
            Some(slot)
        });
        std::mem::replace(&mut watch.current, slot.map_or(Waker::Unknown, Waker::Task))
    })
}

/// The step of a task is made; `outer` ran before it.
#[inline(always)]
pub(super) fn step_ends(slf: &Bound<'_, LoopCore>, task: &Own<Task>, outer: Waker) {
    let mark = task.payload().mark.get();
    let goes_on = stands::goes_on(task);
    let written = slf.get().watch.with(|watch| {
        if !goes_on || watch.more.is_some() {
            return false;
        }
        watch.current = outer;
        watch.running = Mark::NONE;
        // The recording may have been ended meanwhile, and another begun.
        if let Some(area) = watch.area()
            && let Some(slot) = area.find(mark)
        {
            area.step_goes_on(slot);
        }
        true
    });
    if !written {
        step_ends_otherwise(slf, task, outer);
    }
}

/// The same of one that waits for something, or has ended.
#[inline(never)]
fn step_ends_otherwise(slf: &Bound<'_, LoopCore>, task: &Own<Task>, outer: Waker) {
    let mark = task.payload().mark.get();
    let (more, suspicious, closer) = slf.get().watch.with(|watch| {
        let (mut suspicious, mut suspended) = (false, false);
        let current = std::mem::replace(&mut watch.current, outer);
        watch.running = Mark::NONE;
        let more = watch.more.take();
        let (sleep, group) = more.as_ref().map_or((None, None), |more| (more.sleep, more.group.as_ref()));
        if let Some(area) = watch.area()
            && let Some(slot) = area.find(mark)
        {
            let (state, subject) = stands::of(area, task, current, sleep, group);
            area.step_ends(slot, state, subject);
            suspicious = forsaken::is_suspicious(state, task);
            suspended = matches!(state, State::Suspended(_));
        }
        (more, suspicious, suspended && watch.looks.take())
    });
    drop(more);
    if closer {
        closer::look(slf, task);
    }
    if suspicious {
        forsaken::look(slf, task);
    }
}

/// A task is pushed: somebody has made it ready. False if it had no row, and Python was asked what it is called.
#[inline]
pub(super) fn woken(slf: &Bound<'_, LoopCore>, task: &Own<Task>) -> bool {
    let mark = task.payload().mark.get();
    let known = slf.get().watch.with(|watch| {
        // One that goes on by itself is written when its step ends.
        if watch.running == mark && mark != Mark::NONE {
            return Some(());
        }
        let (current, label) = (watch.current, watch.label);
        let area = watch.area()?;
        let slot = area.find(mark)?;
        if current != Waker::Task(slot) {
            if !area.is_cancelling(slot) && stands::is_cancelled(task) {
                area.cancelled(slot, current, label);
            }
            area.woken(slot, current);
        }
        Some(())
    });
    if known.is_none() {
        make_known_by_waking(slf, task);
    }
    known.is_some()
}

#[inline(never)]
fn make_known_by_waking(slf: &Bound<'_, LoopCore>, task: &Own<Task>) {
    // Its last step is not forgotten: one that has made none was just made.
    let flags = if task.payload().has_run() { Flags::ADOPTED } else { Flags::default() };
    known(slf, task, flags);
}

/// The row of a task, which gets one if it has none; nothing if nobody records, or there are no more.
fn known(slf: &Bound<'_, LoopCore>, task: &Own<Task>, flags: Flags) -> Option<Slot> {
    let mark = task.payload().mark.get();
    let found = slf.get().watch.with(|watch| watch.area().map(|area| area.find(mark)))?;
    found.or_else(|| make_known(slf, task, flags))
}

#[inline(never)]
fn make_known(slf: &Bound<'_, LoopCore>, task: &Own<Task>, flags: Flags) -> Option<Slot> {
    let py = slf.py();
    let is_new = flags == Flags::default();
    let (number, name) = facts::of_task(py, task);
    let coroutine = task.coroutine.get(py);
    let coroutine = coroutine.map_or(StringId::NONE, |coroutine| labels::of_object(slf, &coroutine));
    let place = if is_new { labels::here(slf) } else { StringId::NONE };
    slf.get().watch.with(|watch| {
        let current = watch.current;
        let area = watch.area()?;
        let (by, (state, subject)) = if is_new {
            (current, (State::Ready, Subject::Woken(current)))
        } else {
            (Waker::Unknown, stands::of(area, task, Waker::Unknown, None, None))
        };
        let mark =
            area.task_made(&NewTask { number, by, name: &name, coroutine, place, state, subject, flags });
        task.payload().mark.set(mark);
        area.find(mark)
    })
}

/// The sleep that the running task begins lasts so many seconds.
#[cold]
pub(crate) fn sleeps(slf: &Bound<'_, LoopCore>, seconds: f64) {
    slf.get().watch.with(|watch| watch.more().sleep = Some(seconds));
}

/// What a turn interrupts that is made inside of a step or a callback, as a nested loop does.
pub(super) struct Outer {
    current: Waker,
    running: Mark,
    more: Option<More>,
    /// How many items its own turn had performed.
    performed: u64,
    stood: Option<Interrupted>,
}

/// The loop is back from the kernel, and performs what is ready. The turn's end wants what comes back.
pub(super) fn turn_begins(core: &LoopCore) -> Option<Outer> {
    let performed = core.callback();
    core.watch.with(|watch| {
        let outer = (watch.current != Waker::Unknown).then(|| Outer {
            current: std::mem::replace(&mut watch.current, Waker::Unknown),
            running: std::mem::replace(&mut watch.running, Mark::NONE),
            more: watch.more.take(),
            performed: performed.saturating_sub(watch.performed),
            stood: watch.area().map(|area| area.interrupted()),
        });
        watch.performed = performed;
        if let Some(area) = watch.area() {
            area.turn_begins();
            let now = area.now();
            watch.looks.refill(now);
        }
        outer
    })
}

/// All of it is performed, or something has put an end to it.
pub(super) fn turn_ends(core: &LoopCore, outer: Option<Outer>) {
    let (performed, (ready, timers)) =
        core.state.with(|state| (state.reactor.performed(), state.reactor.engine.depth()));
    let other = core.watch.with(|watch| {
        // The last `pop` has found nothing, and was counted.
        let items = performed.saturating_sub(watch.performed + 1);
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        // Not in a forked child, which may not touch its parent's page: `area` has looked.
        if let Some(area) = watch.area() {
            let size = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            area.turn_ends(items, size(ready), size(timers));
            area.load(core.transports.load());
            if let Some(recorder) = &watch.recorder {
                recorder.beat(items);
            }
        }
        go_on(watch, outer?, performed)
    });
    drop(other);
    objects::sweep(core);
    jobs::write_down(core);
    report_never_retrieved(core);
}

/// What was interrupted goes on, as it was. What comes back is dropped with nothing borrowed.
#[cold]
fn go_on(watch: &mut Watch, outer: Outer, performed: u64) -> Option<More> {
    let Outer { current, running, more, performed: before, stood } = outer;
    (watch.current, watch.running) = (current, running);
    watch.performed = performed.saturating_sub(before);
    if let (Some(area), Some(stood)) = (watch.area(), stood) {
        let step = area.find(running);
        area.goes_on(stood, step);
    }
    std::mem::replace(&mut watch.more, more)
}

/// A turn ends in the midst of which the recording has begun: of the step that began it nobody was told the end.
#[cold]
pub(super) fn first_turn_ends(core: &LoopCore) {
    core.watch.with(|watch| watch.current = Waker::Unknown);
}

fn report_never_retrieved(core: &LoopCore) {
    if !ANY_NEVER_RETRIEVED.load(Ordering::Relaxed) {
        return;
    }
    ANY_NEVER_RETRIEVED.store(false, Ordering::Relaxed);
    let mut all = NEVER_RETRIEVED.lock().unwrap_or_else(PoisonError::into_inner);
    core.watch.with(|watch| {
        let Some(area) = watch.area() else { return };
        // Those of other loops wait for theirs, as long as there are any.
        let others = RECORDING.load(Ordering::Relaxed) > 1;
        all.retain(|&mark| match area.find_ended(mark) {
            Some(row) => {
                area.never_retrieved(Some(row), StringId::NONE);
                false
            }
            None => others,
        });
        if !all.is_empty() {
            ANY_NEVER_RETRIEVED.store(true, Ordering::Relaxed);
        }
    });
}

/// The loop goes to sleep in the kernel, or is back.
#[cold]
pub(super) fn waits(core: &LoopCore, asleep: bool) {
    core.watch.with(|watch| {
        if let Some(recorder) = &watch.recorder {
            recorder.asleep(asleep);
        }
    });
}

/// What runs now has a name of its own.
pub(crate) fn goes_by(core: &LoopCore, label: StringId) {
    core.watch.with(|watch| watch.label = label);
}

/// A connection was made or is lost, bytes came in or went out.
#[inline(always)]
pub(crate) fn moved(core: &LoopCore, fd: RawFd, op: Op, bytes: usize) {
    if core.is_watched() {
        write_down_move(core, fd, op, bytes);
    }
}

#[inline(never)]
fn write_down_move(core: &LoopCore, fd: RawFd, op: Op, bytes: usize) {
    core.watch.with(|watch| {
        if let Some(area) = watch.area() {
            area.connection(fd, op, bytes as u64);
        }
    });
}
