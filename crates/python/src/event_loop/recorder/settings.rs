//! Which loops are recorded: what the environment says, and `python -m ironloop --trace`.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use ironloop_trace::{Place, Reason, Sizes};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::event_loop::task::Task;
use crate::event_loop::{LoopCore, watchdog};
use crate::ffi::derived::Own;
use crate::ffi::{Arguments, Object, method_of};

/// `0`: no file; `1`: everything is recorded from the beginning; else each loop has a page, by which it can be
/// asked to record.
const VARIABLE: &str = "IRONLOOP_WATCH";

/// How many events a recording keeps.
const EVENTS: &str = "IRONLOOP_WATCH_EVENTS";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Page,
    Recording,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) wish: Wish,
    pub(super) place: Place,
    pub(super) sizes: Sizes,
    /// Whether the files stay.
    pub(super) keep: bool,
}

static SETTINGS: Mutex<Option<Settings>> = Mutex::new(None);
static KEPT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

pub(super) fn now() -> Settings {
    static ASKED: OnceLock<Wish> = OnceLock::new();
    static SIZES: OnceLock<Sizes> = OnceLock::new();
    let set = SETTINGS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    set.unwrap_or_else(|| Settings {
        wish: match *ASKED.get_or_init(|| match std::env::var(VARIABLE).as_deref() {
            Ok("0") => Wish::Nothing,
            Ok("1") => Wish::Recording,
            _ => Wish::Page,
        }) {
            // Its last seconds are to be saved when it is blocked.
            Wish::Page if watchdog::is_wanted() => Wish::Recording,
            wish => wish,
        },
        place: Place::Standard,
        sizes: *SIZES.get_or_init(|| match std::env::var(EVENTS).ok().and_then(|said| said.parse().ok()) {
            Some(events) => Sizes::with_events(events),
            None => Sizes::default(),
        }),
        keep: false,
    })
}

/// Whether no loop waits until it is asked.
pub(super) fn records_from_the_beginning() -> bool {
    now().wish == Wish::Recording
}

/// A file that stays.
pub(super) fn kept(path: Option<PathBuf>) {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).extend(path);
}

/// Every loop that begins from now on is recorded, with room for so many events, and its file stays.
#[pyfunction]
fn record_all(events: usize) {
    let settings = Settings {
        wish: Wish::Recording,
        place: Place::Standard,
        sizes: Sizes::with_events(events),
        keep: true,
    };
    *SETTINGS.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
}

/// The files that stay.
#[pyfunction]
fn recordings() -> Vec<std::ffi::OsString> {
    KEPT.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .map(|path| path.clone().into_os_string())
        .collect()
}

/// The files of this process' loops that are recorded now.
#[pyfunction]
fn recorded() -> Vec<std::ffi::OsString> {
    super::watch::files().into_iter().map(PathBuf::into_os_string).collect()
}

/// Copies a recording, the interpreter's lock not held. A ValueError: it would go onto itself.
#[pyfunction]
fn save_recording(py: Python<'_>, recording: PathBuf, to: PathBuf) -> PyResult<()> {
    let saved = py.detach(|| ironloop_trace::save(&recording, &to));
    saved.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidInput if error.raw_os_error().is_none() => {
            PyValueError::new_err(format!("{}: {error}", to.display()))
        }
        _ => error.into(),
    })
}

/// `loop._record()`: records from now on; the file's path.
fn record(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [] = arguments.exactly(py, "_record", [])?;
    slf.get().check_open()?;
    super::begin::record(slf).map_err(|refusal| PyOSError::new_err(refusal.to_string()))?;
    path(slf)
}

/// `loop._recording()`: the path of the loop's file, None if it has none.
fn recording(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [] = arguments.exactly(slf.py(), "_recording", [])?;
    path(slf)
}

fn path(slf: &Bound<'_, LoopCore>) -> PyResult<Object> {
    let path = slf
        .get()
        .watch
        .with(|watch| watch.recorder.as_ref().and_then(|recorder| recorder.path().map(ToOwned::to_owned)));
    let path = path.map(std::path::PathBuf::into_os_string);
    Ok(path.into_pyobject(slf.py())?.into())
}

/// What a task waits for, in a word; and its row, with the seconds: in this state, since it was made; how many
/// steps; the seconds that it ran, that it was ready, of its longest step. None for what is not known.
type Stands = (Option<&'static str>, Option<(u32, f64, f64, u32, f64, f64, f64)>);

#[pyfunction]
fn task_state(py: Python<'_>, task: &Bound<'_, PyAny>) -> Stands {
    let object = Object::from(task);
    let Some(task) = Own::<Task>::of_any(&object) else { return (None, None) };
    let mut reason = None;
    task.waiting_for.lend(|future| reason = Some(super::stands::reason_of(future)));
    if super::stands::is_vague(task) {
        reason = super::closer::reason_of(py, task).or(reason);
    }
    let reason = reason.map(Reason::word);
    let Some(owner) = task.view().native_loop(py) else { return (reason, None) };
    let row = owner.get().watch.with(|watch| {
        let area = watch.area()?;
        let row = area.task_row(area.find(task.payload().mark.get())?)?;
        let (now, age) = (area.seconds_since(row.since), area.seconds_since(row.made));
        let (ran, ready, longest) =
            (area.seconds(row.run), area.seconds(row.ready), area.seconds(row.longest as u64));
        Some((row.slot.0, now, age, row.steps, ran, ready, longest))
    });
    (reason, row)
}

/// Runs a viewer, as the command line says. A ValueError says why it cannot.
#[pyfunction]
fn monitor(py: Python<'_>, arguments: Vec<std::ffi::OsString>) -> PyResult<()> {
    let done = py.detach(|| ironloop_monitor::command::run(arguments).map_err(|error| error.to_string()));
    done.map_err(PyValueError::new_err)
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(record_all, module)?)?;
    module.add_function(wrap_pyfunction!(recordings, module)?)?;
    module.add_function(wrap_pyfunction!(recorded, module)?)?;
    module.add_function(wrap_pyfunction!(save_recording, module)?)?;
    module.add_function(wrap_pyfunction!(task_state, module)?)?;
    module.add_function(wrap_pyfunction!(super::collector::collector_runs, module)?)?;
    super::jobs::add(module)?;
    let _ = super::watch::CANCELLING.set(super::cancelling::asked);
    module.add_function(wrap_pyfunction!(monitor, module)?)
}

pub(crate) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![
        method_of!(LoopCore, c"_record", c"Records from now on.", record),
        method_of!(LoopCore, c"_numbers", c"What `metrics` says.", super::numbers::numbers),
        method_of!(LoopCore, c"_rust_futures", c"Those that it polls by themselves.", super::rust::futures),
        method_of!(LoopCore, c"_recording", c"The path of the loop's file, or None.", recording),
    ]
}
