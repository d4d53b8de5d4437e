//! An `SSLObject`, and by what its records are read and written.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::errors::{is_again, is_ssl};
use super::memory::Memory;
use super::path::{self, Path};
use crate::event_loop::LoopCore;
use crate::ffi::intern::intern;
use crate::ffi::openssl::{self, Stop};
use crate::ffi::ssl::MemoryBio;
use crate::ffi::{Bytes, Object, Traverse, Visit, Visited};

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

/// What is to be sent.
pub(super) enum Out {
    Own(Vec<u8>),
    Python(Bytes),
}

impl Out {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Python(bytes) => bytes.as_ref(),
        }
    }
}

/// Whether these methods of the object are the `ssl` module's own: neither a subclass's, nor what a tool has put
/// into their place.
fn reads_and_writes_as_usual(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let globals = object.py().import(intern!(object.py(), "ssl"))?.dict();
    for (name, qualified) in
        [("read", "SSLObject.read"), ("write", "SSLObject.write"), ("pending", "SSLObject.pending")]
    {
        let Some(method) = object.getattr_opt(name)? else { return Ok(false) };
        let (Some(its), Some(code)) = (method.getattr_opt("__globals__")?, method.getattr_opt("__code__")?)
        else {
            return Ok(false);
        };
        if !its.is(&globals) || !code.getattr("co_qualname")?.eq(qualified)? {
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
        let (incoming, outgoing) = (MemoryBio::new(py)?, MemoryBio::new(py)?);
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "server_side"), server_side)?;
        keywords.set_item(intern!(py, "server_hostname"), host)?;
        openssl::Session::expect();
        let bios = (incoming.object().bind(py), outgoing.object().bind(py));
        let object = context.call_method("wrap_bio", bios, Some(&keywords))?;
        let usual = reads_and_writes_as_usual(&object)?;
        let object = Object::from(object);
        let object = if usual && path::path(py) == Path::OpenSsl {
            match openssl::Session::take_over(py, object) {
                Ok(session) => return Ok(Self::OpenSsl(session)),
                Err(object) => object,
            }
        } else {
            object
        };
        Ok(Self::Ssl(Memory::new(py, object, usual, (incoming, outgoing))))
    }

    /// The `SSLObject`.
    pub(super) fn object(&self) -> &Object {
        match self {
            Self::OpenSsl(session) => session.object(),
            Self::Ssl(session) => session.object(),
        }
    }

    /// Has bytes from the peer there while `body` runs, and keeps what that leaves.
    pub(super) fn lend<R>(&self, py: Python<'_>, bytes: &[u8], body: impl FnOnce() -> R) -> PyResult<R> {
        match self {
            Self::OpenSsl(session) => Ok(session.lend(bytes, body)),
            Self::Ssl(session) => {
                session.receive(py, bytes)?;
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

    /// Encrypts bytes, of which there is at least one; `whole` is the object that they are, if they are one. How many,
    /// if something has to be read before the rest.
    pub(super) fn write(
        &self,
        py: Python<'_>,
        bytes: &[u8],
        whole: Option<&Bytes>,
        core: &LoopCore,
    ) -> PyResult<usize> {
        match self {
            Self::OpenSsl(session) => match session.write(py, bytes, core.take_outgoing()) {
                Err(error) if is_again(py, &error) => Ok(0),
                wrote => wrote,
            },
            Self::Ssl(session) => session.write(py, bytes, whole),
        }
    }

    /// What is to be sent, if anything is.
    pub(super) fn take_out(&self, py: Python<'_>) -> PyResult<Option<Out>> {
        Ok(match self {
            Self::OpenSsl(session) => Some(session.take_out()).filter(|out| !out.is_empty()).map(Out::Own),
            Self::Ssl(session) => session.take_out(py)?.map(Out::Python),
        })
    }

    /// How much from the peer was not read: ciphertext, and what is left of a record.
    pub(super) fn received(&self, py: Python<'_>) -> PyResult<usize> {
        match self {
            Self::OpenSsl(session) => Ok(session.received()),
            Self::Ssl(session) => session.received(py),
        }
    }
}
