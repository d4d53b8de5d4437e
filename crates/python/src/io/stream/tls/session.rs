//! An `SSLObject`, and by what its records are read and written.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::path::{self, Path};
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::intern::intern;
use crate::ffi::openssl::{self, Stop};
use crate::ffi::{Object, Traverse, Visit, Visited, owned};

/// The longest record's plaintext.
const RECORD: usize = 1 << 14;

pub(super) enum Session {
    OpenSsl(openssl::Session),
    Ssl(Memory),
}

impl Traverse for Session {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            Self::OpenSsl(session) => session.traverse(visit),
            Self::Ssl(session) => session.traverse(visit),
        }
    }
}

/// By the methods of the `SSLObject`, between two memory BIOs.
pub(super) struct Memory {
    object: Object,
    incoming: Object,
    outgoing: Object,
    /// An error behind what was read.
    failed: LoopCell<Option<PyErr>>,
}

// An error of the ssl module leads nowhere.
owned!(Memory { visits: object, incoming, outgoing; ignores: failed; });

/// Whether the `ssl` module has only said that it needs more from the peer.
pub(super) fn is_again(py: Python<'_>, error: &PyErr) -> bool {
    ["SSLWantReadError", "SSLSyscallError"].iter().any(|name| is_ssl(py, error, name))
}

/// `isinstance(error, ssl.name)`
pub(super) fn is_ssl(py: Python<'_>, error: &PyErr, name: &str) -> bool {
    py.import(intern!(py, "ssl"))
        .and_then(|ssl| ssl.getattr(name))
        .is_ok_and(|class| error.matches(py, class).unwrap_or(false))
}

/// Whether these methods of the object are the `ssl` module's own.
fn reads_and_writes_as_usual(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = object.py();
    let (kind, stock) = (object.get_type(), py.import(intern!(py, "ssl"))?.getattr("SSLObject")?);
    if kind.is(&stock) {
        return Ok(true);
    }
    for name in ["read", "write", "pending"] {
        if !kind.getattr_opt(name)?.is_some_and(|own| stock.getattr(name).is_ok_and(|its| own.is(&its))) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Session {
    /// `context.wrap_bio(…)`
    pub(super) fn new(
        context: &Bound<'_, PyAny>,
        server_side: bool,
        host: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let py = context.py();
        let memory = py.import(intern!(py, "ssl"))?.getattr(intern!(py, "MemoryBIO"))?;
        let (incoming, outgoing) = (memory.call0()?, memory.call0()?);
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "server_side"), server_side)?;
        keywords.set_item(intern!(py, "server_hostname"), host)?;
        openssl::Session::expect();
        let object = context.call_method("wrap_bio", (&incoming, &outgoing), Some(&keywords))?;
        let natively = path::path(py) == Path::OpenSsl && reads_and_writes_as_usual(&object)?;
        let object = Object::from(object);
        let object = if natively {
            match openssl::Session::take_over(py, object) {
                Ok(session) => return Ok(Self::OpenSsl(session)),
                Err(object) => object,
            }
        } else {
            object
        };
        Ok(Self::Ssl(Memory {
            object,
            incoming: incoming.into(),
            outgoing: outgoing.into(),
            failed: LoopCell::default(),
        }))
    }

    /// The `SSLObject`.
    pub(super) fn object(&self) -> &Object {
        match self {
            Self::OpenSsl(session) => session.object(),
            Self::Ssl(session) => &session.object,
        }
    }

    /// Has bytes from the peer there while `body` runs, and keeps what that leaves.
    pub(super) fn lend<R>(&self, py: Python<'_>, bytes: &[u8], body: impl FnOnce() -> R) -> PyResult<R> {
        match self {
            Self::OpenSsl(session) => Ok(session.lend(bytes, body)),
            Self::Ssl(session) => {
                let bytes = Object::from(pyo3::types::PyBytes::new(py, bytes));
                call_method(py, &session.incoming, intern!(py, "write"), &[&bytes])?;
                Ok(body())
            }
        }
    }

    /// At most how many bytes of plaintext there are to be read; 0 if there is nothing.
    pub(super) fn readable(&self, py: Python<'_>) -> PyResult<usize> {
        match self {
            Self::OpenSsl(session) => Ok(session.readable()),
            Self::Ssl(session) => session.readable(py),
        }
    }

    /// Reads as many records as are whole, and fit.
    pub(super) fn read(&self, py: Python<'_>, buffer: &mut [u8]) -> PyResult<(usize, Stop)> {
        let read = match self {
            Self::OpenSsl(session) => session.read(py, buffer),
            Self::Ssl(session) => session.read(py, buffer),
        };
        match read {
            Err(error) if is_again(py, &error) => Ok((0, Stop::Enough)),
            // The peer's end, after ours.
            Err(error) if is_ssl(py, &error, "SSLZeroReturnError") => Ok((0, Stop::Ended)),
            read => read,
        }
    }

    /// Encrypts bytes, of which there is at least one. How many, if something has to be read before the rest.
    pub(super) fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<usize> {
        match self {
            Self::OpenSsl(session) => match session.write(py, bytes) {
                Err(error) if is_again(py, &error) => Ok(0),
                wrote => wrote,
            },
            Self::Ssl(session) => session.write(py, bytes),
        }
    }

    /// What is to be sent.
    pub(super) fn take_out(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        match self {
            Self::OpenSsl(session) => Ok(session.take_out()),
            Self::Ssl(session) => session.take_out(py),
        }
    }

    /// How much from the peer was not read: ciphertext, and what is left of a record.
    pub(super) fn received(&self, py: Python<'_>) -> PyResult<usize> {
        match self {
            Self::OpenSsl(session) => Ok(session.received()),
            Self::Ssl(session) => session.readable(py),
        }
    }
}

impl Memory {
    fn readable(&self, py: Python<'_>) -> PyResult<usize> {
        let waiting = self.incoming.bind(py).getattr(intern!(py, "pending"))?.extract::<usize>()?;
        let pending = call_method(py, &self.object, intern!(py, "pending"), &[])?;
        let failed = self.failed.with(|failed| failed.is_some());
        Ok(waiting + pending.bind(py).extract::<usize>()? + usize::from(failed))
    }

    fn read(&self, py: Python<'_>, buffer: &mut [u8]) -> PyResult<(usize, Stop)> {
        if let Some(error) = self.failed.with(Option::take) {
            return Err(error);
        }
        let mut count = 0;
        while count < buffer.len() && self.readable(py)? > 0 {
            let room = Object::from((buffer.len() - count).min(RECORD).into_pyobject(py)?);
            let data = match call_method(py, &self.object, intern!(py, "read"), &[&room]) {
                Ok(data) => data,
                Err(error) if is_again(py, &error) => break,
                // What was read before counts first.
                Err(error) if count > 0 => {
                    self.failed.with(|failed| *failed = Some(error));
                    break;
                }
                Err(error) => return Err(error),
            };
            let data: &[u8] = data.bind(py).extract()?;
            if data.is_empty() {
                return Ok((count, Stop::Ended));
            }
            buffer[count..count + data.len()].copy_from_slice(data);
            count += data.len();
        }
        Ok((count, Stop::Enough))
    }

    fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<usize> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let data = Object::from(pyo3::types::PyBytes::new(py, rest));
            match call_method(py, &self.object, intern!(py, "write"), &[&data]) {
                Ok(count) => done += count.bind(py).extract::<usize>()?,
                Err(error) if is_again(py, &error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done.min(bytes.len()))
    }

    fn take_out(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        let data = call_method(py, &self.outgoing, intern!(py, "read"), &[])?;
        Ok(data.bind(py).extract::<&[u8]>()?.to_vec())
    }
}
