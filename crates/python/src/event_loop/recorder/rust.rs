//! Rust futures that a loop polls by themselves (`spawn_local`): rows of their own, beside those of tasks.
//!
//! Belongs to the loop's thread. Nothing is done where the loop is not recorded, but for [`futures`], which any
//! thread may ask.

use std::sync::Arc;

use ironloop_trace::{Area, Flags, NewTask, Reason, Slot, State, Subject, Waker};
use pyo3::prelude::*;

use super::facts;
use super::watch::{RustFuture, Stage, Watch};
use crate::event_loop::LoopCore;
use crate::ffi::{Arguments, Object};

/// The path of its type, file, line, and how it stands.
type Told = (&'static str, &'static str, usize, &'static str);

/// `loop._rust_futures()`: what `ironloop.rust_tasks()` says of those that were spawned.
pub(super) fn futures(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [] = arguments.exactly(py, "_rust_futures", [])?;
    let told: Vec<Told> = slf.get().rust_futures().iter().map(|future| future.told()).collect();
    Ok(told.into_pyobject(py)?.into())
}

impl RustFuture {
    fn told(&self) -> Told {
        let state = match self.stage() {
            Stage::Fresh => "fresh",
            Stage::Runs => "runs",
            Stage::Waits | Stage::Ended(_) => "waits",
        };
        (self.path, self.file, self.line, state)
    }

    /// As one speaks of it: by the function that has made it.
    fn name(&self) -> String {
        let path = self.path.split('<').next().unwrap_or_default();
        let function = path.rsplit("::").find(|part| !part.is_empty() && *part != "{{closure}}");
        format!("Rust {}", function.unwrap_or("future"))
    }

    fn find(&self, area: &Area) -> Option<Slot> {
        self.mark.with(|mark| area.find(*mark))
    }

    fn make_known(
        &self,
        watch: &mut Watch,
        flags: Flags,
        by: Waker,
        state: State,
        subject: Subject,
    ) -> Option<Slot> {
        let area = watch.area()?;
        let coroutine = area.string(self.path);
        let place = area.string(&format!("{}:{}", self.file, self.line));
        let (number, flags) = (facts::fresh(), flags.with(Flags::RUST));
        let name = self.name();
        let mark =
            area.task_made(&NewTask { number, by, name: &name, coroutine, place, state, subject, flags });
        self.mark.with(|own| *own = mark);
        area.find(mark)
    }
}

/// It was spawned, and is polled in the next turn.
pub(crate) fn spawned(core: &LoopCore, future: &RustFuture) {
    if core.is_watched() {
        core.watch.with(|watch| {
            let by = watch.current;
            future.make_known(watch, Flags::default(), by, State::Ready, Subject::Woken(by));
        });
    }
}

/// It was there before the recording. One that runs gets its row by its next poll: nobody would tell the end
/// of this one.
pub(super) fn adopt(core: &LoopCore, future: &Arc<RustFuture>) {
    let (state, subject) = match future.stage() {
        Stage::Fresh => (State::Ready, Subject::Woken(Waker::Unknown)),
        Stage::Waits => (State::Suspended(Reason::Rust), Subject::Nothing),
        Stage::Runs | Stage::Ended(_) => return,
    };
    core.watch.with(|watch| future.make_known(watch, Flags::ADOPTED, Waker::Unknown, state, subject));
}

/// It was woken on the loop's thread; what other threads wake is seen when it is polled.
#[inline(never)]
pub(crate) fn woken(core: &LoopCore, future: &RustFuture) {
    core.watch.with(|watch| {
        let current = watch.current;
        let Some(area) = watch.area() else { return };
        let Some(slot) = future.find(area) else { return };
        if current == Waker::Task(slot) {
            watch.again = true;
        } else {
            area.woken(slot, current);
        }
    });
}

/// Its poll begins.
pub(super) fn begins(core: &LoopCore, future: &RustFuture) {
    core.watch.with(|watch| {
        let known = watch.area().and_then(|area| future.find(area)).or_else(|| {
            let woken = Subject::Woken(Waker::Unknown);
            future.make_known(watch, Flags::ADOPTED, Waker::Unknown, State::Ready, woken)
        });
        if let (Some(area), Some(slot)) = (watch.area(), known) {
            area.step_begins(slot);
        }
        watch.again = false;
        watch.current = known.map_or(Waker::Unknown, Waker::Task);
    });
}

/// Its poll is over.
pub(super) fn ends(core: &LoopCore, future: &RustFuture) {
    core.watch.with(|watch| {
        let again = std::mem::take(&mut watch.again);
        let Some(area) = watch.area() else { return };
        let Some(slot) = future.find(area) else { return };
        match future.stage() {
            Stage::Ended(how) => area.step_ends(slot, State::Completed(how), Subject::Nothing),
            _ if again => area.step_goes_on(slot),
            _ => area.step_ends(slot, State::Suspended(Reason::Rust), Subject::Nothing),
        }
    });
}
