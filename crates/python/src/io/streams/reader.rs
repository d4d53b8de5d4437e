//! `StreamReader`: its state, and how data comes into it. What takes data out is in `read`.

use std::ops::Range;

use pyo3::exceptions::{PyAssertionError, PyBaseException, PyNotImplementedError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::attributes::{put, shown};
use super::buffer::Buffer;
use super::transport;
use crate::event_loop::LoopCore;
use crate::ffi::cell::LoopCell;
use crate::ffi::function::Method;
use crate::ffi::hooks::{Own, hooks};
use crate::ffi::imports;
use crate::ffi::raise::raised;
use crate::ffi::{Arguments, ByteArray, Bytes, Clear, ExactClass, Object, owned, traverse_class};
use crate::io::stream::Data;
use crate::waiting::waiter::{future_is_cancelled, set_result};

hooks! {
    /// What the native methods do in place of calling it.
    pub(super) enum Hook in HOOKS {
        Read = "read",
        Readexactly = "readexactly",
        Readline = "readline",
        Readuntil = "readuntil",
        Exception = "exception",
        FeedData = "feed_data",
        WakeupWaiter = "_wakeup_waiter",
        WaitForData = "_wait_for_data",
        MaybeResumeTransport = "_maybe_resume_transport",
    }
}

pub(super) static EXACT: ExactClass<StreamReaderCore> = ExactClass::new();

/// `StreamReader._limit`
#[derive(Default)]
struct Limit {
    object: Option<Object>,
    /// It may be any number, and beyond every size.
    bytes: f64,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) buffer: Buffer,
    limit: Limit,
    pub(super) eof: bool,
    /// Whether the transport was told to pause, as the buffer is full.
    pub(super) paused: bool,
    owner: Option<Object>,
    /// The future of the one who waits for data.
    pub(super) waiter: Option<Object>,
    /// What he takes as it comes, if so many bytes come at once.
    pub(super) wants: Range<usize>,
    exception: Option<Object>,
    pub(super) transport: Option<Object>,
}

// The limit is a number, and the buffer bytes.
owned!(in_cell State { clears: owner, waiter, exception, transport; ignores: buffer, limit, eof, paused, wants; });

impl State {
    pub(super) fn limit(&self) -> f64 {
        self.limit.bytes
    }

    /// Whether all may be read that `size` bytes are.
    pub(super) fn exceeds_limit(&self, size: usize) -> bool {
        size as f64 > self.limit.bytes
    }

    fn is_overfull(&self) -> bool {
        self.transport.is_some() && !self.paused && self.buffer.len() as f64 > 2.0 * self.limit.bytes
    }

    fn may_resume(&self) -> bool {
        self.paused && !self.exceeds_limit(self.buffer.len())
    }
}

/// The native half of a `StreamReader`.
#[pyclass(subclass, frozen, module = "ironloop._ironloop")]
pub(crate) struct StreamReaderCore {
    pub(super) state: LoopCell<State>,
    own_hooks: Own,
}

owned!(StreamReaderCore { clears: state; ignores: own_hooks; });

/// Without the state borrowed.
impl StreamReaderCore {
    /// Whether neither a subclass nor a tool has a say in what the methods do.
    pub(super) fn is_plain(slf: &Bound<'_, Self>) -> bool {
        HOOKS.intact(slf, &slf.get().own_hooks).has_all()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state.with(|state| state.exception.is_some())
    }

    /// The error that `set_exception` has left.
    pub(super) fn check(&self, py: Python<'_>) -> PyResult<()> {
        match self.state.with(|state| state.exception.as_ref().map(|error| error.clone_ref(py))) {
            Some(error) if error.bind(py).is_instance_of::<PyBaseException>() => Err(raised(py, &error)),
            // A class, of which `raise` makes an exception; or a mistake.
            Some(class) => Err(PyErr::from_value(class.bind(py).clone())),
            None => Ok(()),
        }
    }

    pub(super) fn owner(&self, py: Python<'_>) -> Object {
        let owner = self.state.with(|state| state.owner.as_ref().map(|owner| owner.clone_ref(py)));
        owner.unwrap_or_else(|| Object::none(py))
    }

    /// Takes up to `count` bytes, and lets the transport go on if that has made room.
    pub(super) fn take(&self, py: Python<'_>, count: usize) -> PyResult<Object> {
        let taken = match self.state.with(|state| state.buffer.take_whole(count)) {
            Some(whole) => whole,
            None => {
                let owner = self.owner(py);
                let make = |bytes: &[u8]| bytes_by(py, &owner, bytes);
                self.state.with(|state| state.buffer.take(py, count, make))?
            }
        };
        self.resume_if_drained(py)?;
        Ok(taken.into_object())
    }

    /// Data has come.
    pub(super) fn feed(&self, py: Python<'_>, data: Data<'_>) -> PyResult<()> {
        let length = data.bytes().len();
        let is_empty = length == 0;
        let is_wanted = self
            .state
            .with(|state| state.waiter.is_some() && state.wants.contains(&length) && state.buffer.is_empty());
        let data = match data {
            Data::Lent(bytes) if is_wanted => Data::Whole(bytes_by(py, &self.owner(py), bytes)),
            data => data,
        };
        let waiter = self.state.with(|state| {
            if state.eof {
                return Err(PyAssertionError::new_err("feed_data after feed_eof"));
            }
            if is_empty {
                return Ok(None);
            }
            state.buffer.append(py, data)?;
            Ok(state.waiter.take())
        })?;
        if let Some(waiter) = waiter
            && !future_is_cancelled(py, &waiter)?
        {
            set_result(py, &waiter, Object::none(py))?;
        }
        if !is_empty && self.state.with(|state| state.is_overfull()) {
            return self.pause(py);
        }
        Ok(())
    }

    #[cold]
    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        let Some(found) = self.transport(py) else { return Ok(()) };
        match transport::pause_reading(py, &found) {
            Ok(()) => {
                self.state.with(|state| state.paused = true);
                Ok(())
            }
            // There is no way but to take all that comes.
            Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {
                drop(self.state.with(|state| state.transport.take()));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn transport(&self, py: Python<'_>) -> Option<Object> {
        self.state.with(|state| state.transport.as_ref().map(|transport| transport.clone_ref(py)))
    }

    /// The transport goes on, if there is room again.
    pub(super) fn resume_if_drained(&self, py: Python<'_>) -> PyResult<()> {
        if self.state.with(|state| state.may_resume()) { self.resume(py) } else { Ok(()) }
    }

    /// Somebody waits: a transport that is paused would let him wait for ever.
    pub(super) fn resume_if_paused(&self, py: Python<'_>) -> PyResult<()> {
        if self.state.with(|state| state.paused) { self.resume(py) } else { Ok(()) }
    }

    #[cold]
    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        self.state.with(|state| state.paused = false);
        let found = self.transport(py).unwrap_or_else(|| Object::none(py));
        transport::resume_reading(py, &found)
    }
}

#[pymethods]
impl StreamReaderCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { state: LoopCell::default(), own_hooks: Own::default() }
    }

    #[getter]
    fn _buffer(&self, py: Python<'_>) -> Py<PyAny> {
        self.state.with(|state| state.buffer.expose(py)).as_py().clone_ref(py)
    }

    #[setter(_buffer)]
    fn set_buffer(&self, bytes: &Bound<'_, PyAny>) -> PyResult<()> {
        let array = match ByteArray::of(bytes) {
            Some(array) => array,
            None => ByteArray::new(bytes.py(), Bytes::of(bytes)?.as_ref()),
        };
        let old = self.state.with(|state| std::mem::replace(&mut state.buffer, Buffer::Exposed(array)));
        drop(old);
        Ok(())
    }

    #[getter]
    fn _limit(&self, py: Python<'_>) -> Py<PyAny> {
        shown(py, &self.state, |state| &mut state.limit.object)
    }

    #[setter(_limit)]
    fn set_limit(&self, limit: &Bound<'_, PyAny>) -> PyResult<()> {
        let limit = Limit { bytes: limit.extract()?, object: Some(limit.into()) };
        let old = self.state.with(|state| std::mem::replace(&mut state.limit, limit));
        drop(old);
        Ok(())
    }

    #[getter]
    fn _loop(&self, py: Python<'_>) -> Py<PyAny> {
        shown(py, &self.state, |state| &mut state.owner)
    }

    #[setter(_loop)]
    fn set_loop(&self, owner: &Bound<'_, PyAny>) {
        put(&self.state, owner, |state| &mut state.owner);
    }

    #[getter]
    fn _eof(&self) -> bool {
        self.state.with(|state| state.eof)
    }

    #[setter(_eof)]
    fn set_eof(&self, eof: &Bound<'_, PyAny>) -> PyResult<()> {
        let eof = eof.is_truthy()?;
        self.state.with(|state| state.eof = eof);
        Ok(())
    }

    #[getter]
    fn _paused(&self) -> bool {
        self.state.with(|state| state.paused)
    }

    #[setter(_paused)]
    fn set_paused(&self, paused: &Bound<'_, PyAny>) -> PyResult<()> {
        let paused = paused.is_truthy()?;
        self.state.with(|state| state.paused = paused);
        Ok(())
    }

    #[getter]
    fn _waiter(&self, py: Python<'_>) -> Py<PyAny> {
        shown(py, &self.state, |state| &mut state.waiter)
    }

    #[setter(_waiter)]
    fn set_waiter(&self, waiter: &Bound<'_, PyAny>) {
        put(&self.state, waiter, |state| &mut state.waiter);
    }

    #[deleter(_waiter)]
    fn delete_waiter(&self) {
        drop(self.state.with(|state| state.waiter.take()));
    }

    #[getter]
    fn _exception(&self, py: Python<'_>) -> Py<PyAny> {
        shown(py, &self.state, |state| &mut state.exception)
    }

    #[setter(_exception)]
    fn set_exception(&self, exception: &Bound<'_, PyAny>) {
        put(&self.state, exception, |state| &mut state.exception);
    }

    #[getter]
    fn _transport(&self, py: Python<'_>) -> Py<PyAny> {
        shown(py, &self.state, |state| &mut state.transport)
    }

    #[setter(_transport)]
    fn set_transport(&self, transport: &Bound<'_, PyAny>) {
        put(&self.state, transport, |state| &mut state.transport);
    }

    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        HOOKS.set_attribute(slf, &slf.get().own_hooks, name, Some(value))
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        HOOKS.set_attribute(slf, &slf.get().own_hooks, name, None)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        traverse_class(self, &visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
    }
}

/// As a `bytes`: one of the loop's, if it is ours.
fn bytes_by(py: Python<'_>, owner: &Object, bytes: &[u8]) -> Bytes {
    match LoopCore::of(py, owner) {
        Some(owner) => owner.get().bytes(py, bytes),
        None => Bytes::new(py, bytes),
    }
}

/// The reader that a method was called on, and the other arguments.
pub(super) fn receiver<'a, 'py>(
    py: Python<'py>,
    arguments: &Arguments<'a>,
) -> PyResult<(Bound<'py, StreamReaderCore>, Arguments<'a>)> {
    let (receiver, rest) = arguments.split_receiver()?;
    let receiver = receiver.bind(py);
    match EXACT.cast(&receiver) {
        Some(reader) => Ok((reader.clone(), rest)),
        None => Err(PyTypeError::new_err("a StreamReader is required")),
    }
}

/// asyncio's own method does it.
pub(super) fn pass_to_stock(py: Python<'_>, name: &str, arguments: Arguments<'_>) -> PyResult<Object> {
    arguments.pass_on(py, &imports::stock_stream_reader(py)?.getattr(name)?.into())
}

fn feed_data(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (reader, rest) = receiver(py, &arguments)?;
    let [data] = rest.exactly(py, "StreamReader.feed_data", ["data"])?;
    if StreamReaderCore::is_plain(&reader) {
        if let Some(bytes) = Bytes::exact(py, data) {
            reader.get().feed(py, Data::Whole(bytes))?;
            return Ok(Object::none(py));
        }
    }
    pass_to_stock(py, "feed_data", arguments)
}

fn at_eof(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (reader, rest) = receiver(py, &arguments)?;
    let [] = rest.exactly(py, "StreamReader.at_eof", [])?;
    let ended = reader.get().state.with(|state| state.eof && state.buffer.is_empty());
    Ok(ended.into_pyobject(py)?.to_owned().into())
}

pub(super) const METHODS: &[(&str, Method)] = &[("feed_data", feed_data), ("at_eof", at_eof)];
