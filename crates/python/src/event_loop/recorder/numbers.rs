//! `loop._numbers()`: a loop in numbers, for `loop.metrics()`. Whatever thread may ask.

use ironloop_trace::{Area, Histogram, Reason, State};
use pyo3::prelude::*;

use crate::event_loop::LoopCore;
use crate::event_loop::task::{Task, current};
use crate::ffi::derived::Own;
use crate::ffi::intern::intern;
use crate::ffi::view::View;
use crate::ffi::{Arguments, Object, fields, imports};

/// In seconds: how many, their sum, the longest, and how many there were of each length.
type Times = (u64, f64, f64, Vec<(f64, u64)>);

/// A state in words, for what it waits, how many tasks.
type Counted = (&'static str, Option<&'static str>, u32);

/// What only a recording knows: bytes in and out, tasks made; events and rows that were lost; steps, ready times, turns, timers.
type Recorded = ([u64; 3], [u64; 2], [Times; 4]);

/// `(items, ready, timers, (transports, connections, unsent), tasks or None, what is recorded or None)`
pub(super) fn numbers(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [] = arguments.exactly(py, "_numbers", [])?;
    let core = slf.get();
    core.check_open()?;
    let (items, (ready, timers)) =
        core.state.with(|state| (state.reactor.performed(), state.reactor.engine.depth()));
    let load = core.transports.load();
    let recorded = core.watch.with(|watch| watch.area().map(|area| (in_words(&area.states()), of(area))));
    let (tasks, recorded) = match recorded {
        Some((tasks, recorded)) => (Some(tasks), Some(recorded)),
        None => (count(slf)?, None),
    };
    let load = (load.transports, load.connections, load.unsent);
    Ok((items, ready, timers, load, tasks, recorded).into_pyobject(py)?.into_any().into())
}

fn of(area: &mut Area) -> Recorded {
    // Of one tick.
    let seconds = area.seconds(1_000_000_000) / 1e9;
    let (totals, refused) = (area.totals(), area.refused());
    let tally = area.tally();
    let times = |histogram: &Histogram| {
        let parts = histogram.parts().map(|(length, count)| (length * seconds, count)).collect();
        (histogram.count(), histogram.sum() * seconds, histogram.most() * seconds, parts)
    };
    let all = [&tally.steps, &tally.ready, &tally.turns, &tally.late].map(times);
    (totals, [tally.missed, refused], all)
}

fn in_words(states: &[(State, u32)]) -> Vec<Counted> {
    let reason = |state| if let State::Suspended(reason) = state { Some(Reason::word(reason)) } else { None };
    states.iter().map(|&(state, count)| (state.word(), reason(state), count)).collect()
}

/// The same by a look at each task. Not at those of another thread that runs them meanwhile.
fn count(slf: &Bound<'_, LoopCore>) -> PyResult<Option<Vec<Counted>>> {
    let (py, core) = (slf.py(), slf.get());
    if cfg!(Py_GIL_DISABLED) && core.is_running() && !core.runs_here() {
        return Ok(None);
    }
    let running = current(slf)?;
    let mut counts: Vec<(State, u32)> = Vec::new();
    for task in imports::all_tasks(py)?.bind(py).call1((slf,))?.try_iter()? {
        let task = Object::from(task?);
        let state = if running.as_ref().is_some_and(|running| running.as_ptr() == task.as_ptr()) {
            State::Running
        } else {
            state_of(py, &task)
        };
        match counts.iter_mut().find(|(known, _)| *known == state) {
            Some((_, count)) => *count += 1,
            None => counts.push((state, 1)),
        }
    }
    Ok(Some(in_words(&counts)))
}

/// Of a task that does not run, and has not ended.
fn state_of(py: Python<'_>, task: &Object) -> State {
    let mut state = State::Ready;
    let Some(own) = Own::<Task>::of_any(task) else {
        // asyncio's own, or a tool's.
        let future = task.bind(py).getattr_opt(intern!(py, "_fut_waiter")).ok().flatten();
        return if future.is_none_or(|future| future.is_none()) {
            state
        } else {
            State::Suspended(Reason::Future)
        };
    };
    own.waiting_for.lend(|future| {
        if View::of(future).is_none_or(|view| view.state() == fields::State::Pending) {
            state = State::Suspended(super::stands::reason_of(future));
        }
    });
    state
}
