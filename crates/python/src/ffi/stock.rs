//! What asyncio of this very release does, where that has changed within a minor version of Python. Its own
//! code is asked: about datagrams when the module is imported, about what it refuses when we refuse it.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList};

use crate::ffi::Object;
use crate::ffi::imports::look_up;
use crate::ffi::intern::intern;

const MODULE: &str = "asyncio.selector_events";

/// A method of one of asyncio's transports that takes data.
pub(crate) enum Taker {
    Write,
    SendTo,
}

struct Stock {
    write: Option<Object>,
    send_to: Option<Object>,
    datagrams: Datagrams,
}

/// How asyncio's datagram transport counts and sends.
#[derive(Clone, Copy)]
pub(crate) struct Datagrams {
    /// What flow control counts for a datagram beside its bytes.
    pub(crate) header: usize,
    /// Whether an empty one is sent.
    pub(crate) sends_empty: bool,
}

/// Looks all up.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    stock(py).map(drop)
}

fn stock(py: Python<'_>) -> PyResult<&Stock> {
    static STOCK: PyOnceLock<Stock> = PyOnceLock::new();
    STOCK.get_or_try_init(py, || {
        let sockets = look_up(py, MODULE, "_SelectorSocketTransport")?;
        let datagrams = look_up(py, MODULE, "_SelectorDatagramTransport")?;
        PyResult::Ok(Stock {
            write: sockets.getattr_opt(intern!(py, "write"))?.map(Object::from),
            send_to: datagrams.getattr_opt(intern!(py, "sendto"))?.map(Object::from),
            // A transport that lacks what we give it is of another Python than we know, whose habits are the
            // latest.
            datagrams: try_out(&datagrams).unwrap_or(Datagrams { header: 8, sends_empty: true }),
        })
    })
}

/// Has a transport without a socket keep two datagrams behind one that waits.
fn try_out(class: &Bound<'_, PyAny>) -> PyResult<Datagrams> {
    let py = class.py();
    let transport = class.call_method1("__new__", (class,))?;
    let waiting = PyList::new(py, [py.None()])?;
    transport.setattr("_sock", py.None())?;
    transport.setattr("_address", py.None())?;
    transport.setattr("_conn_lost", 0)?;
    transport.setattr("_buffer", &waiting)?;
    transport.setattr("_buffer_size", 0)?;
    transport.setattr("_high_water", 1000)?;
    let send = |data: &[u8]| transport.call_method1("sendto", (PyBytes::new(py, data),));
    send(b"x")?;
    let size: usize = transport.getattr("_buffer_size")?.extract()?;
    send(b"")?;
    Ok(Datagrams { header: size.saturating_sub(1), sends_empty: waiting.len() == 3 })
}

pub(crate) fn datagrams(py: Python<'_>) -> PyResult<Datagrams> {
    Ok(stock(py)?.datagrams)
}

/// The error for data of a kind that is not taken, in asyncio's words.
#[cold]
pub(crate) fn refusal(data: &Bound<'_, PyAny>, taker: Taker) -> PyErr {
    let py = data.py();
    let asked = stock(py).and_then(|stock| {
        let method = match taker {
            Taker::Write => &stock.write,
            Taker::SendTo => &stock.send_to,
        };
        // It looks at the data before it looks at the transport, which there is none of.
        method.as_ref().map_or(Ok(()), |method| method.bind(py).call1((py.None(), data)).map(drop))
    });
    match asked {
        Err(error) if error.is_instance_of::<PyTypeError>(py) => error,
        _ => match data.get_type().name() {
            Ok(kind) => {
                PyTypeError::new_err(format!("data argument must be a bytes-like object, not '{kind}'"))
            }
            Err(error) => error,
        },
    }
}
