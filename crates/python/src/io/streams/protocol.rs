//! `StreamReaderProtocol`: from the transport to the reader.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyWeakrefMethods, PyWeakrefReference};

use super::attributes::{put, shown};
use super::reader::{self, StreamReaderCore};
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::function::Method;
use crate::ffi::hooks::{Own, hooks};
use crate::ffi::intern::intern;
use crate::ffi::{Arguments, Bytes, Clear, Context, ExactClass, Object, owned, traverse_class};
use crate::io::stream::{Data, NativeProtocols};

hooks! {
    /// What is native in place of calling it.
    pub(super) enum Hook in HOOKS {
        DataReceived = "data_received",
        StreamReader = "_stream_reader",
        DrainHelper = "_drain_helper",
    }
}

pub(super) static EXACT: ExactClass<StreamReaderProtocolCore> = ExactClass::new();

#[derive(Default)]
struct State {
    /// A weak reference: who has forgotten the reader wants no data.
    reader: Option<Object>,
    paused: bool,
    connection_lost: bool,
}

owned!(in_cell State { clears: reader; ignores: paused, connection_lost; });

/// The native half of a `StreamReaderProtocol`.
#[pyclass(subclass, frozen, module = "ironloop._ironloop")]
pub(crate) struct StreamReaderProtocolCore {
    state: LoopCell<State>,
    own_hooks: Own,
}

owned!(StreamReaderProtocolCore { clears: state; ignores: own_hooks; });

impl StreamReaderProtocolCore {
    fn is_plain(slf: &Bound<'_, Self>) -> bool {
        HOOKS.intact(slf, &slf.get().own_hooks).has_all()
    }

    fn reader<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(weak) = self.state.with(|state| state.reader.as_ref().map(|weak| weak.clone_ref(py))) else {
            return Ok(None);
        };
        match weak.bind(py).cast::<PyWeakrefReference>() {
            Ok(weak) => Ok(weak.upgrade()),
            // Somebody has put something else there.
            Err(_) => weak.bind(py).call0().map(|found| (!found.is_none()).then_some(found)),
        }
    }

    /// Whether `_drain_helper` would have nothing to wait for, and nothing to raise.
    fn is_writable(&self) -> bool {
        self.state.with(|state| !state.paused && !state.connection_lost)
    }
}

/// For the transport, which gives data to such a protocol without Python.
pub(super) static NATIVE: NativeProtocols = NativeProtocols {
    has: is_plain_protocol,
    receive: |protocol, data, context| receive(protocol, data, Some(context)),
};

/// Whether `receive` does what the protocol's `data_received` would do.
fn is_plain_protocol(protocol: &Bound<'_, PyAny>) -> bool {
    EXACT.cast(protocol).is_some_and(StreamReaderProtocolCore::is_plain)
}

/// Data for the reader of a protocol that was plain. Code of others runs in the context, if one is given.
fn receive(protocol: &Bound<'_, PyAny>, data: Data<'_>, context: Option<&Context>) -> PyResult<()> {
    let py = protocol.py();
    let Some(native) = EXACT.cast(protocol) else { return Ok(()) };
    let (receiver, method) = if !StreamReaderProtocolCore::is_plain(native) {
        // Somebody has replaced it since.
        (protocol.clone(), intern!(py, "data_received"))
    } else {
        let Some(reader) = native.get().reader(py)? else { return Ok(()) };
        if let Some(native) = reader::EXACT.cast(&reader)
            && StreamReaderCore::is_plain(native)
        {
            return native.get().feed(py, data);
        }
        (reader, intern!(py, "feed_data"))
    };
    let hand_over = || receiver.call_method1(method, (data.into_object(py).bind(py),)).map(drop);
    match context {
        Some(context) => context.run(py, hand_over),
        None => hand_over(),
    }
}

/// Whether a writer with this protocol need not wait at all.
pub(super) fn is_free(protocol: &Bound<'_, PyAny>) -> bool {
    EXACT
        .cast(protocol)
        .is_some_and(|native| StreamReaderProtocolCore::is_plain(native) && native.get().is_writable())
}

#[pymethods]
impl StreamReaderProtocolCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { state: LoopCell::default(), own_hooks: Own::default() }
    }

    #[getter]
    fn _stream_reader_wr(&self, py: Python<'_>) -> Py<PyAny> {
        shown(py, &self.state, |state| &mut state.reader)
    }

    #[setter(_stream_reader_wr)]
    fn set_stream_reader_wr(&self, weak: &Bound<'_, PyAny>) {
        put(&self.state, weak, |state| &mut state.reader);
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
    fn _connection_lost(&self) -> bool {
        self.state.with(|state| state.connection_lost)
    }

    #[setter(_connection_lost)]
    fn set_connection_lost(&self, lost: &Bound<'_, PyAny>) -> PyResult<()> {
        let lost = lost.is_truthy()?;
        self.state.with(|state| state.connection_lost = lost);
        Ok(())
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

fn data_received(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (protocol, rest) = arguments.split_receiver()?;
    let [data] = rest.exactly(py, "StreamReaderProtocol.data_received", ["data"])?;
    let protocol = protocol.bind(py);
    if let (Some(bytes), true) = (Bytes::exact(py, data), is_plain_protocol(&protocol)) {
        receive(&protocol, Data::Whole(bytes), None)?;
    } else {
        let reader = Object::from(protocol.getattr(intern!(py, "_stream_reader"))?);
        if !reader.bind(py).is_none() {
            call_method(py, &reader, intern!(py, "feed_data"), &[&data.to_object(py)])?;
        }
    }
    Ok(Object::none(py))
}

pub(super) const METHODS: &[(&str, Method)] = &[("data_received", data_received)];
