//! How a task stands, in the recorder's words: read from its fields, runs no Python.

use ironloop_trace::{Area, Outcome, Reason, Slot, State, Subject, Waker};

use crate::event_loop::future::Future;
use crate::event_loop::task::Task;
use crate::ffi::Object;
use crate::ffi::derived::Own;
use crate::ffi::fields;
use crate::ffi::view::{GATHERING, View};

/// Whether a task that has just made a step waits for nothing: it yielded, and is READY.
#[inline(always)]
pub(super) fn goes_on(task: &Own<Task>) -> bool {
    task.view().is_pending() && task.waiting_for.is_empty()
}

/// The state of a task between two steps. `current`: itself, if it has just made one; `sleep`: the seconds of the
/// sleep that has begun in it.
pub(super) fn of(
    area: &mut Area,
    task: &Own<Task>,
    current: Waker,
    sleep: Option<f64>,
    group: Option<&(Object, Slot)>,
) -> (State, Subject) {
    match task.view().state() {
        fields::State::Cancelled => return (State::Completed(Outcome::Cancelled), Subject::Nothing),
        fields::State::Finished if task.future.exception.is_empty() => {
            return (State::Completed(Outcome::Result), Subject::Nothing);
        }
        fields::State::Finished => return (State::Completed(Outcome::Error), Subject::Nothing),
        fields::State::Pending => {}
    }
    let mut stands = (State::Ready, Subject::Woken(current));
    task.waiting_for.lend(|future| {
        let view = View::of(future);
        if view.is_none_or(|view| view.is_pending()) {
            let (reason, subject) = awaited(area, future, sleep, group);
            stands = (State::Suspended(reason), subject);
        }
    });
    stands
}

fn awaited(
    area: &mut Area,
    future: &Object,
    sleep: Option<f64>,
    group: Option<&(Object, Slot)>,
) -> (Reason, Subject) {
    if let Some(task) = Own::<Task>::of_any(future) {
        return (Reason::Task, area.find(task.payload().mark.get()).map_or(Subject::Nothing, Subject::Task));
    }
    let reason = reason_of(future);
    let subject = match (reason, sleep) {
        (Reason::Sleep, Some(seconds)) => Subject::Until(area.after(seconds)),
        (Reason::Sleep, None) => Subject::Nothing,
        (Reason::Group, _) => group
            .filter(|(gathering, _)| gathering.as_ptr() == future.as_ptr())
            .map_or(Subject::Nothing, |&(_, row)| Subject::Object(row, 0)),
        (Reason::SocketRead | Reason::SocketWrite, _) => {
            let fd = Own::<Future>::of(future).and_then(|future| future.payload().descriptor());
            fd.map_or(Subject::Nothing, Subject::Descriptor)
        }
        (Reason::Task, _) => Own::<Future>::of(future)
            .and_then(|future| area.kept(future.payload().object()?))
            .map_or(Subject::Nothing, Subject::Task),
        _ => Own::<Future>::of(future)
            .and_then(|future| area.kept(future.payload().object()?))
            .map_or(Subject::Nothing, |row| Subject::Object(row, 0)),
    };
    (reason, subject)
}

/// Whether it is woken because what it waits for was cancelled.
pub(super) fn is_cancelled(task: &Own<Task>) -> bool {
    let mut cancelled = false;
    task.waiting_for.lend(|future| {
        cancelled = View::of(future).is_some_and(|view| view.state() == fields::State::Cancelled);
    });
    cancelled
}

/// Whether what it waits for says little: a plain future, or what a barrier is made of.
pub(super) fn is_vague(task: &Own<Task>) -> bool {
    let mut vague = false;
    task.waiting_for.lend(|future| vague = matches!(reason_of(future), Reason::Future | Reason::Condition));
    vague
}

/// What somebody waits for who awaits this future.
pub(super) fn reason_of(future: &Object) -> Reason {
    if Own::<Task>::of_any(future).is_some() {
        return Reason::Task;
    }
    if GATHERING.is_exactly(future.as_ptr()) {
        return Reason::Group;
    }
    match Own::<Future>::of(future) {
        Some(future) if future.payload().is_timed() => Reason::Sleep,
        Some(future) => future.payload().reason().unwrap_or(Reason::Future),
        None => Reason::Future,
    }
}
