//! Names looked up by the C library, in threads that have nothing of Python's.
//!
//! The loop's thread asks, and gets the answers as items. The threads have the number of a question alone: its future
//! lies in the [`Table`], under whose lock they take it out to deliver it, so that none of them ever drops a Python
//! object. `python/ironloop/resolver.py` owns a [`LookupThreads`] for each loop, and says what is asked here.

use std::ffi::CString;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ironloop_driver::{Found, Question, Unknown, Workers};
use ironloop_engine::{Slot, Slots};
use ironloop_reactor::Remote;
use ironloop_trace::Reason;
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyString};

use super::address;
use crate::event_loop::future::Future;
use crate::event_loop::{Item, ItemKind, LoopCore};
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::derived::Own;
use crate::ffi::error::os_error;
use crate::ffi::intern::intern;
use crate::ffi::view::View;
use crate::ffi::{Clear, Object, owned, traverse_class};
use crate::waiting::waiter::future_is_done;

/// What a label of a name may have, and a name, for Python's codec to leave it as it is.
const LABEL: usize = 63;
const NAME: usize = 253;

/// The threads of a loop, and who waits for them.
#[pyclass(frozen, module = "ironloop._ironloop")]
pub(crate) struct LookupThreads {
    workers: Workers,
    table: Arc<Table>,
}

struct Table {
    remote: Arc<Remote<Item>>,
    /// None: the loop wants no answers any more.
    open: Mutex<Option<Slots<Object>>>,
}

/// Somebody waits for this.
#[pyclass(frozen, module = "ironloop._ironloop")]
struct Lookup {
    inner: LoopCell<Inner>,
    answer: Arc<Answer>,
}

/// Written by a thread, before it delivers the [`Lookup`].
type Answer = OnceLock<Result<Vec<Found>, Unknown>>;

struct Inner {
    future: Option<Object>,
}

owned!(in_cell Inner { clears: future; });
owned!(Lookup { clears: inner; ignores: answer; });

#[pymethods]
impl Lookup {
    fn __traverse__(&self, visitor: PyVisit<'_>) -> Result<(), PyTraverseError> {
        traverse_class(self, &visitor)
    }

    fn __clear__(&self, py: Python<'_>) {
        Clear::clear(self, py);
    }
}

#[pymethods]
impl LookupThreads {
    /// At most so many threads, each of which waits so many seconds for the next question.
    #[new]
    fn new(owner: &Bound<'_, LoopCore>, most: usize, patience: f64) -> Self {
        let remote = Arc::clone(&owner.get().remote);
        let patience = Duration::try_from_secs_f64(patience).unwrap_or_default();
        Self {
            workers: Workers::new("ironloop-dns", most, patience),
            table: Arc::new(Table { remote, open: Mutex::new(Some(Slots::default())) }),
        }
    }

    /// Has a thread ask: the future gets tuples as `_socket.getaddrinfo` gives them, or its error. A number, for
    /// `forget`; None if Python has to read the question.
    fn ask(
        &self,
        py: Python<'_>,
        future: Bound<'_, PyAny>,
        question: (Bound<'_, PyAny>, Bound<'_, PyAny>, i32, i32, i32, i32),
    ) -> PyResult<Option<u64>> {
        let (host, port, family, kind, protocol, flags) = question;
        let (Some(name), Some(service)) = (host_of(&host), service_of(&port)) else { return Ok(None) };
        let about = ("socket.getaddrinfo", host, port, family, kind, protocol);
        py.import(intern!(py, "sys"))?.call_method1(intern!(py, "audit"), about)?;
        let question = Question { host: Some(name), service, family, kind, protocol, flags };
        let future = Object::from(future);
        if let Some(own) = Own::<Future>::of(&future) {
            own.payload().is_for(Reason::Executor, None);
        }
        let inner = LoopCell::new(Inner { future: Some(future) });
        let answer = Arc::<Answer>::default();
        let lookup = Object::from(Bound::new(py, Lookup { inner, answer: Arc::clone(&answer) })?);
        let Some(slot) = self.table.lock().as_mut().map(|open| open.insert(lookup)) else {
            return Err(PyRuntimeError::new_err("Event loop is closed"));
        };
        let table = Arc::clone(&self.table);
        if let Err(error) = self.workers.submit(move || table.perform(slot, &question, &answer)) {
            drop(self.table.take(slot));
            return Err(PyRuntimeError::new_err(format!("can't start new thread: {error}")));
        }
        Ok(Some(slot.pack()))
    }

    /// Nobody waits for it any more: if it has not begun, it never does.
    fn forget(&self, number: u64) {
        drop(self.table.take(Slot::unpack(number)));
    }

    /// Nobody wants any answers: what waits never begins, and what runs ends when it ends.
    fn close(&self) {
        if self.workers.are_here() {
            let open = self.table.lock().take();
            drop(open);
        }
    }
}

impl Drop for LookupThreads {
    /// By an attached thread, as it is a Python object: the last one to have the table may be a thread that is not.
    fn drop(&mut self) {
        self.close();
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Option<Slots<Object>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, slot: Slot) -> Option<Object> {
        self.lock().as_mut()?.remove(slot)
    }

    /// In a thread of ours, which is not attached.
    fn perform(&self, slot: Slot, question: &Question, answer: &Answer) {
        if self.lock().as_ref().is_none_or(|open| open.get(slot).is_none()) {
            return;
        }
        // Nobody else writes it.
        let _ = answer.set(question.ask());
        if self.leave(slot) {
            // Without the lock, which the loop takes as soon as it is awake, to ask the next one. One that cannot be
            // woken has the answer when it wakes up.
            let _ = self.remote.rouse();
        }
    }

    /// Leaves what has been answered with the loop. Whether that has to be woken.
    fn leave(&self, slot: Slot) -> bool {
        // As long as it is held, nobody closes the table: what the loop does not take goes back into it.
        let mut open = self.lock();
        let Some(slots) = open.as_mut() else { return false };
        let Some(lookup) = slots.remove(slot) else { return false };
        match self.remote.leave(Item::Other(&ANSWERED, lookup)) {
            Ok(sleeps) => sleeps,
            Err(refused) => {
                if let Item::Other(_, lookup) = refused {
                    slots.insert(lookup);
                }
                false
            }
        }
    }
}

static ANSWERED: ItemKind = ItemKind { perform: answered, quiet: true };

fn answered(owner: &Bound<'_, LoopCore>, lookup: &Object) -> PyResult<()> {
    let py = owner.py();
    let lookup = lookup.bind(py).cast::<Lookup>()?.get();
    let future = lookup.inner.with(|inner| inner.future.take());
    let (Some(answer), Some(future)) = (lookup.answer.get(), future) else { return Ok(()) };
    if future_is_done(py, &future)? {
        return Ok(());
    }
    match answer.as_ref().map_err(|unknown| error_of(py, unknown)).and_then(|found| to_python(py, found)) {
        Ok(result) => match View::of_ours(&future) {
            Some(view) => view.set_result(py, result),
            None => call_method(py, &future, intern!(py, "set_result"), &[&result]).map(drop),
        },
        Err(error) => {
            let error = Object::from(error.into_value(py));
            call_method(py, &future, intern!(py, "set_exception"), &[&error]).map(drop)
        }
    }
}

fn to_python(py: Python<'_>, found: &[Found]) -> PyResult<Object> {
    let answers = PyList::empty(py);
    for one in found {
        let canonical = one.canonical.as_ref().map_or(&b""[..], |name| name.to_bytes());
        let canonical = PyString::from_bytes(py, canonical)?;
        let address = address::internet(py, one.address)?;
        answers.append((one.family, one.kind, one.protocol, canonical, address))?;
    }
    Ok(answers.into())
}

fn error_of(py: Python<'_>, unknown: &Unknown) -> PyErr {
    match unknown {
        Unknown::System(code) => os_error(io::Error::from_raw_os_error(*code)),
        Unknown::Resolver(number, text) => {
            let class = py.import("socket").and_then(|socket| socket.getattr("gaierror"));
            class.and_then(|class| class.call1((*number, text))).map_or_else(|error| error, PyErr::from_value)
        }
    }
}

/// A host that Python would hand to the C library as it is.
fn host_of(host: &Bound<'_, PyAny>) -> Option<CString> {
    let host = host.cast_exact::<PyString>().ok()?.to_str().ok()?;
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_plain = host.is_ascii()
        && host.len() <= NAME
        && name.split('.').all(|label| !label.is_empty() && label.len() <= LABEL);
    if is_plain { CString::new(host).ok() } else { None }
}

/// The same of a port; the inner None is Python's.
fn service_of(port: &Bound<'_, PyAny>) -> Option<Option<CString>> {
    if port.is_none() {
        return Some(None);
    }
    if let Ok(number) = port.cast_exact::<PyInt>() {
        let number: u16 = number.extract().ok()?;
        return CString::new(number.to_string()).ok().map(Some);
    }
    let name = port.cast_exact::<PyString>().ok()?.to_str().ok()?;
    if name.is_ascii() { CString::new(name).ok().map(Some) } else { None }
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LookupThreads>()
}
