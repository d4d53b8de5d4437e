//! A loop's side: its run is watched, it says when it wakes up, and it tells the program what was found.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};

use ironloop_driver::{CpuClock, QuietThread, around_forks};
use ironloop_reactor::{Doing, Pulse, Stretch};
use ironloop_trace::Reporter;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::polled::{self, Polled};
use super::registry::{self, ABSENT, Registry, Running, Seen, Watched, lock};
use super::report::Report;
use super::thread::watch;
use crate::event_loop::LoopCore;
use crate::ffi::intern::intern;
use crate::ffi::stack_of_others::{self, ThreadState};

/// `IRONLOOP_BLOCKED`, in seconds.
const VARIABLE: &str = "IRONLOOP_BLOCKED";
const THRESHOLD: f64 = 0.1;

/// The shortest threshold: below it nothing is blocked but the watchdog busy.
const SHORTEST: f64 = 0.001;

/// Nanoseconds after which a loop counts as blocked; `None`: nobody watches. Asked of the environment once.
fn threshold() -> Option<i64> {
    static ASKED: OnceLock<Option<i64>> = OnceLock::new();
    *ASKED.get_or_init(|| {
        let said = std::env::var(VARIABLE).unwrap_or_default();
        let seconds = match said.trim() {
            "" => THRESHOLD,
            "off" => return None,
            number => number.parse().unwrap_or_else(|_| {
                let text = format!("ironloop: {VARIABLE} is no number of seconds, nor off: {said:?}\n");
                ironloop_driver::tell_on_stderr(&text);
                THRESHOLD
            }),
        };
        (seconds > 0.0 && seconds.is_finite()).then(|| (seconds.max(SHORTEST) * 1e9) as i64)
    })
}

/// A run of a loop that is watched, until it is dropped.
pub(crate) struct Run {
    /// `None`: nobody watches.
    pulse: Option<Arc<Pulse>>,
    /// A run may be inside of another one of the same loop.
    before: Doing,
}

impl Run {
    pub(crate) fn begin(slf: &Bound<'_, LoopCore>) -> Self {
        let (py, core) = (slf.py(), slf.get());
        // A simulation has another clock, and stands still for its threads.
        let threshold = if core.driver.world().is_some() { None } else { threshold() };
        let Some(threshold) = threshold else { return Self { pulse: None, before: Doing::Away } };
        let pulse = Arc::clone(core.remote.pulse());
        let before = pulse.beat().doing;
        if before != Doing::Away {
            return Self { pulse: Some(pulse), before };
        }
        stack_of_others::prepare(py);
        let thread = ThreadState::of_this_thread(py);
        let now = core.driver.now();
        pulse.set(Doing::Awake);
        let watched = Watched {
            remote: Arc::clone(&core.remote),
            thread,
            polled: polled::here().addr(),
            outside: stack_of_others::innermost_here(py).unwrap_or(0),
            clock: CpuClock::of_this_thread(),
            stretch: Stretch::new(threshold, pulse.beat(), now),
            seen: Seen::default(),
            turn_cpu: 0,
            pen: core.watch.with(|watch| watch.pen()),
            open: None,
            closed: Vec::new(),
            pulse: Arc::clone(&pulse),
        };
        let mut registry = lock();
        registry.watched.push(watched);
        if !registry.calls(threshold) {
            drop(registry);
            first(py);
            lock().begin(threshold);
        }
        Self { pulse: Some(pulse), before }
    }

    /// It has ended: what is there to tell of it. Hands on what `tell` does.
    pub(crate) fn end(self, slf: &Bound<'_, LoopCore>) -> PyResult<()> {
        let Some(pulse) = &self.pulse else { return Ok(()) };
        if self.before != Doing::Away {
            return Ok(());
        }
        pulse.set(Doing::Away);
        let mut registry = lock();
        let found = registry.watched.iter().position(|watched| Arc::ptr_eq(&watched.pulse, pulse));
        let Some(mut watched) = found.map(|index| registry.watched.swap_remove(index)) else { return Ok(()) };
        drop(registry);
        watched.close(slf.get().driver.now());
        tell_all(slf, watched.closed)
    }
}

impl Registry {
    /// Has the thread look, if there is one to be had; false if it would be the first of the process.
    fn calls(&mut self, threshold: i64) -> bool {
        static BEGUN: AtomicBool = AtomicBool::new(false);
        if self.thread.is_none() && !self.ended {
            if !BEGUN.swap(true, Ordering::Relaxed) {
                return false;
            }
            self.begin(threshold);
        }
        ABSENT.store(false, Ordering::SeqCst);
        if let Some(running) = &self.thread {
            running.thread.thread().unpark();
        }
        true
    }

    fn begin(&mut self, threshold: i64) {
        if self.thread.is_some() || self.ended {
            return;
        }
        ABSENT.store(false, Ordering::SeqCst);
        let stop = Arc::new(AtomicBool::new(false));
        let its_stop = Arc::clone(&stop);
        match QuietThread::begin("ironloop-watch", move || watch(threshold, &its_stop)) {
            Ok(thread) => self.thread = Some(Running { thread, stop }),
            // The process may have no more threads: it is not worth a word.
            Err(_) => self.ended = true,
        }
    }
}

/// What is to be done once, before the thread is begun.
fn first(py: Python<'_>) {
    around_forks(registry::before_fork, registry::after_fork_in_parent, registry::after_fork_in_child);
    let registered = || -> PyResult<()> {
        // A program without standard error may have something else at its number.
        if py.import("sys")?.getattr("__stderr__")?.is_none() {
            super::report::be_silent();
        }
        let stop = py.import("ironloop._ironloop")?.getattr("stop_watching")?;
        py.import("atexit")?.call_method1("register", (stop,)).map(drop)
    };
    // Without it the thread ends with the process.
    let _ = registered();
}

/// Nobody is watched any more: Python ends. (For `atexit`.)
#[pyfunction]
pub(super) fn stop_watching() {
    registry::stop().ended = true;
    ABSENT.store(false, Ordering::Relaxed);
}

/// The loop goes on, after a wait or at a turn now and then: the thread that looks at it may rest, or have ended
/// for a fork.
#[inline]
pub(crate) fn awake(pulse: &Pulse) {
    pulse.set(Doing::Awake);
    // Either it sees here that the thread rests, or the thread sees that it is awake.
    fence(Ordering::SeqCst);
    if ABSENT.load(Ordering::Relaxed) {
        call();
    }
}

#[cold]
fn call() {
    if let Some(threshold) = threshold() {
        lock().calls(threshold);
    }
}

/// The loop has a file now, in which its blocks are to stand.
pub(crate) fn writes_to(core: &LoopCore, pen: Option<Reporter>) {
    let mut registry = lock();
    let found = registry.watched.iter_mut().find(|watched| Arc::ptr_eq(&watched.pulse, &core.pulse));
    if let Some(watched) = found {
        watched.pen = pen;
    }
}

/// Tells the program what was found of this loop: its turn has come. What ends a program (`SystemExit`,
/// `KeyboardInterrupt`) leaves the run, as from any callback.
pub(crate) fn tell(slf: &Bound<'_, LoopCore>) -> PyResult<()> {
    let pulse = slf.get().remote.pulse();
    let mut registry = lock();
    let found = registry.watched.iter_mut().find(|watched| Arc::ptr_eq(&watched.pulse, pulse));
    let Some(reports) = found.map(|watched| std::mem::take(&mut watched.closed)) else { return Ok(()) };
    drop(registry);
    // What the program does about it is not watched: it would be told of that again.
    let doing = pulse.beat().doing;
    pulse.set(Doing::Away);
    let told = tell_all(slf, reports);
    pulse.set(doing);
    told
}

fn tell_all(slf: &Bound<'_, LoopCore>, reports: Vec<Report>) -> PyResult<()> {
    let mut outcome = Ok(());
    for report in reports {
        match tell_one(slf, &report) {
            Err(error) if error.is_instance_of::<PyException>(slf.py()) => {
                error.write_unraisable(slf.py(), Some(slf));
            }
            // The others are told as well.
            told => outcome = outcome.and(told),
        }
    }
    outcome
}

fn tell_one(slf: &Bound<'_, LoopCore>, report: &Report) -> PyResult<()> {
    let py = slf.py();
    let stack = report.stack.places.iter();
    let stack = stack.map(|place| (place.file.as_str(), place.line, place.function.as_str()));
    let facts = (
        report.text(),
        report.nanos as f64 / 1e9,
        report.cpu.map(|nanos| nanos as f64 / 1e9),
        report.collecting,
        report.items,
        report.subject.as_ref().and_then(|subject| subject.name.as_deref()),
        report.coroutine(),
        report.subject.as_ref().map(|subject| subject.awaiters.clone()).unwrap_or_default(),
        PyList::new(py, stack)?,
        report.polled.as_ref().map(Polled::text),
    );
    slf.call_method1(intern!(py, "_was_blocked"), facts).map(drop)
}
