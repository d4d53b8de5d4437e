//! `StreamWriter`: `write` goes straight into a transport of ours, and `drain` waits only if it must.

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::attributes::{put, shown};
use super::reader::{self, StreamReaderCore};
use super::{protocol, transport};
use crate::ffi::call::call;
use crate::ffi::cell::LoopCell;
use crate::ffi::class::ClassKind;
use crate::ffi::function::Method;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::{Arguments, Clear, ExactClass, Object, Shared, owned, traverse_class};
use crate::waiting::awaiting::Awaited;
use crate::waiting::staged::{self, Stages, Transition};

pub(super) static EXACT: ExactClass<StreamWriterCore> = ExactClass::new();

/// All of asyncio's attributes: an instance without a dictionary is one whose methods the interpreter finds
/// at once.
#[derive(Default)]
struct State {
    transport: Option<Object>,
    protocol: Option<Object>,
    reader: Option<Object>,
    owner: Option<Object>,
    complete: Option<Object>,
}

owned!(in_cell State { clears: transport, protocol, reader, owner, complete; });

/// The native half of a `StreamWriter`.
#[pyclass(subclass, frozen, module = "ironloop._ironloop")]
pub(crate) struct StreamWriterCore {
    state: LoopCell<State>,
}

owned!(StreamWriterCore { clears: state; });

impl StreamWriterCore {
    fn transport(&self, py: Python<'_>) -> Object {
        let transport = self.state.with(|state| state.transport.as_ref().map(|found| found.clone_ref(py)));
        transport.unwrap_or_else(|| Object::none(py))
    }

    /// Whether `drain` has nothing to wait for, and nothing to raise.
    fn is_free(&self, py: Python<'_>) -> PyResult<bool> {
        let (reader, protocol) = self.state.with(|state| {
            let reader = state.reader.as_ref().map(|reader| reader.clone_ref(py));
            (reader, state.protocol.as_ref().map(|protocol| protocol.clone_ref(py)))
        });
        if let Some(reader) = reader {
            match reader::EXACT.cast(reader.bind(py)) {
                Some(reader) if StreamReaderCore::is_plain(reader) && !reader.get().has_failed() => {}
                _ => return Ok(false),
            }
        }
        let Some(protocol) = protocol else { return Ok(false) };
        Ok(protocol::is_free(protocol.bind(py)) && !transport::is_closing(py, &self.transport(py))?)
    }
}

#[pymethods]
impl StreamWriterCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { state: LoopCell::default() }
    }

    #[getter]
    fn _transport(&self, py: Python<'_>) -> Py<PyAny> {
        shown(py, &self.state, |state| &mut state.transport)
    }

    #[setter(_transport)]
    fn set_transport(&self, transport: &Bound<'_, PyAny>) {
        put(&self.state, transport, |state| &mut state.transport);
    }

    #[getter]
    fn _protocol(&self, py: Python<'_>) -> Py<PyAny> {
        shown(py, &self.state, |state| &mut state.protocol)
    }

    #[setter(_protocol)]
    fn set_protocol(&self, protocol: &Bound<'_, PyAny>) {
        put(&self.state, protocol, |state| &mut state.protocol);
    }

    #[getter]
    fn _reader(&self, py: Python<'_>) -> Py<PyAny> {
        shown(py, &self.state, |state| &mut state.reader)
    }

    #[setter(_reader)]
    fn set_reader(&self, reader: &Bound<'_, PyAny>) {
        put(&self.state, reader, |state| &mut state.reader);
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
    fn _complete_fut(&self, py: Python<'_>) -> Py<PyAny> {
        shown(py, &self.state, |state| &mut state.complete)
    }

    #[setter(_complete_fut)]
    fn set_complete_fut(&self, future: &Bound<'_, PyAny>) {
        put(&self.state, future, |state| &mut state.complete);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        traverse_class(self, &visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
    }
}

/// `StreamWriter.drain`; asyncio's own coroutine does it if there is something to wait for.
struct Drain {
    writer: Shared<StreamWriterCore>,
}

owned!(Drain { visits: writer; });

impl Stages for Drain {
    const QUALIFIED_NAME: &'static str = "StreamWriter.drain";

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn resume(self, py: Python<'_>, _sent: Option<Object>) -> PyResult<Transition<Self>> {
        let writer = self.writer.get(py);
        transport::end_burst(py, &writer.transport(py));
        if writer.is_free(py)? {
            return Ok(Transition::nothing(py));
        }
        let stock = imports::stock_stream_writer(py)?.getattr(intern!(py, "drain"))?.into();
        Ok(Transition::Delegate(Awaited::of(py, &call(py, &stock, &[self.writer.object()])?)?))
    }
}

fn receiver<'a, 'py>(writer: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, StreamWriterCore>> {
    EXACT.cast(writer).ok_or_else(|| PyTypeError::new_err("a StreamWriter is required"))
}

fn write(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (writer, rest) = arguments.split_receiver()?;
    let [data] = rest.exactly(py, "StreamWriter.write", ["data"])?;
    let transport = receiver(&writer.bind(py))?.get().transport(py);
    transport::write(py, &transport, data)?;
    Ok(Object::none(py))
}

fn drain(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (writer, rest) = arguments.split_receiver()?;
    let [] = rest.exactly(py, "StreamWriter.drain", [])?;
    let writer = Shared::new(receiver(&writer.bind(py))?);
    staged::make(py, Drain { writer })
}

pub(super) const METHODS: &[(&str, Method)] = &[("write", write), ("drain", drain)];

pub(super) fn add_class(py: Python<'_>) -> PyResult<()> {
    staged::add_class::<Drain>(py)
}
