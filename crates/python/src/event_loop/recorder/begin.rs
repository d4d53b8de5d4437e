//! Whether a loop is recorded: it looks who asks for it, begins, and ceases.

use std::sync::atomic::{AtomicI64, Ordering};

use ironloop_driver::Simulated;
use ironloop_trace::{Facts, Flags, Recorder, Refusal, Waker};
use pyo3::prelude::*;

use super::settings::{self, Wish};
use super::watch::RECORDING;
use super::{collector, facts, known, rust};
use crate::event_loop::loop_core::LoopCore;
use crate::event_loop::parts::Parts;
use crate::event_loop::task::{Task, current};
use crate::event_loop::watchdog;
use crate::ffi::derived::Own;
use crate::ffi::imports;

/// The loop begins to run: where everything is recorded, from here on.
pub(in crate::event_loop) fn begin_run(slf: &Bound<'_, LoopCore>) {
    if settings::records_from_the_beginning() {
        look(slf);
    }
}

/// Looks whether anybody wants a recording, or ceased to: before the loop sleeps, and now and then.
#[inline]
pub(in crate::event_loop) fn look(slf: &Bound<'_, LoopCore>) {
    let core = slf.get();
    let rests = core.watch.with(|watch| watch.recorder.as_ref().is_some_and(|recorder| recorder.rests()));
    if !rests || core.is_watched() {
        look_closely(slf);
    }
}

fn look_closely(slf: &Bound<'_, LoopCore>) {
    let core = slf.get();
    let changed = core.watch.with(|watch| match &mut watch.recorder {
        // In a forked child a recording has ended by itself.
        Some(recorder) => {
            recorder.look().map(|changed| changed || core.is_watched() != recorder.is_recording())
        }
        None => Ok(true),
    });
    match changed {
        Ok(false) => {}
        Ok(true) => settle(slf),
        Err(refusal) => refused(slf, &refusal),
    }
}

/// There is no recorder yet, or it has begun to record, or ceased to.
#[cold]
fn settle(slf: &Bound<'_, LoopCore>) {
    let core = slf.get();
    if core.watch.with(|watch| watch.recorder.is_none()) {
        let (recorder, refusal) = match make(slf.py(), core.driver.world().map(Simulated::word)) {
            Ok(recorder) => (recorder, None),
            Err(refusal) => (Recorder::without(), Some(refusal)),
        };
        let pen = recorder.reporter();
        let other = core.watch.with(|watch| watch.recorder.replace(Box::new(recorder)));
        drop(other);
        watchdog::writes_to(core, pen);
        if let Some(refusal) = refusal {
            refused(slf, &refusal);
        }
    }
    let records = core.watch.with(|watch| watch.area().is_some());
    if records == core.is_watched() {
        return;
    }
    core.keep(Parts::UNWATCHED, !records);
    if records {
        RECORDING.fetch_add(1, Ordering::Relaxed);
        collector::listen(slf.py());
        core.watch.with(|watch| watch.be_known());
        adopt_all(slf);
    } else {
        RECORDING.fetch_sub(1, Ordering::Relaxed);
        core.watch.with(|watch| watch.be_forgotten());
        collector::listen_no_more(slf.py());
    }
}

/// The recorder of a loop that had none.
fn make(py: Python<'_>, clock: Option<&'static AtomicI64>) -> Result<Recorder, Refusal> {
    let settings = settings::now();
    if settings.wish == Wish::Nothing {
        return Ok(Recorder::without());
    }
    let (name, runtime, program) = (facts::thread(py), facts::runtime(), facts::program());
    let facts = Facts { name: &name, runtime: &runtime, program: &program, clock };
    let mut recorder = Recorder::new(&settings.place, &facts, settings.sizes)?;
    if settings.wish == Wish::Recording {
        recorder.record_for_ever()?;
    }
    if settings.keep {
        settings::kept(recorder.keep());
    }
    Ok(recorder)
}

/// It runs on without; whoever has asked for a recording is told why there is none.
#[cold]
fn refused(slf: &Bound<'_, LoopCore>, refusal: &Refusal) {
    if settings::now().wish == Wish::Recording {
        facts::tell(slf.py(), &format!("ironloop: this loop is not recorded: {refusal}\n"));
    }
}

/// The tasks that were there before the recording, and Rust's futures.
fn adopt_all(slf: &Bound<'_, LoopCore>) {
    for future in slf.get().rust_futures() {
        rust::adopt(slf.get(), &future);
    }
    let Ok(tasks) = imports::all_tasks(slf.py()).and_then(|all| all.bind(slf.py()).call1((slf,))) else {
        return;
    };
    let Ok(tasks) = tasks.try_iter() else { return };
    for task in tasks.flatten() {
        if let Some(task) = Own::<Task>::of_any(&task.into()) {
            known(slf, task, Flags::ADOPTED);
        }
    }
}

/// Records from now on, whatever is asked otherwise.
pub(super) fn record(slf: &Bound<'_, LoopCore>) -> Result<(), Refusal> {
    settle(slf);
    slf.get().watch.with(|watch| match &mut watch.recorder {
        Some(recorder) => recorder.record_for_ever(),
        None => Err(Refusal::TurnedOff),
    })?;
    settle(slf);
    // What the rest of this step does is its task's.
    if let Ok(Some(running)) = current(slf)
        && let Some(task) = Own::<Task>::of_any(&running)
    {
        let slot = known(slf, task, Flags::ADOPTED);
        slf.get().watch.with(|watch| watch.current = slot.map_or(Waker::Unknown, Waker::Task));
    }
    Ok(())
}
