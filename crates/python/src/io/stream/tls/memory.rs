//! By the methods of the `SSLObject`, between two memory BIOs.
//!
//! Where the methods are the `ssl` module's own, those of the C object behind it are called, with memory of ours.
//! Records are counted as they come, by their headers: who asks for one that is not whole pays for an exception.

use std::sync::atomic::{AtomicBool, Ordering};

use ironloop_engine::Records;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::errors::is_again;
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::intern::intern;
use crate::ffi::openssl::Stop;
use crate::ffi::ssl::{MemoryBio, SslSocket};
use crate::ffi::{Bytes, Object, owned};

/// The longest record's plaintext.
const RECORD: usize = 1 << 14;

pub(super) struct Memory {
    object: Object,
    /// Nothing if the object's methods are its own.
    socket: Option<SslSocket>,
    incoming: MemoryBio,
    outgoing: MemoryBio,
    records: LoopCell<Records>,
    /// Whether OpenSSL may have the rest of a record that was read in part.
    has_rest: AtomicBool,
    /// An error behind what was read.
    failed: LoopCell<Option<PyErr>>,
}

// An error of the ssl module leads nowhere.
owned!(Memory { visits: object, socket, incoming, outgoing; clears nothing; ignores: records, has_rest, failed; });

impl Memory {
    /// `usual`: whether the object reads and writes as the `ssl` module's do.
    pub(super) fn new(py: Python<'_>, object: Object, usual: bool, bios: (MemoryBio, MemoryBio)) -> Self {
        let socket = if usual { SslSocket::of(object.bind(py)) } else { None };
        let (incoming, outgoing) = bios;
        Self {
            object,
            socket,
            incoming,
            outgoing,
            records: LoopCell::default(),
            has_rest: AtomicBool::new(true),
            failed: LoopCell::default(),
        }
    }

    pub(super) fn object(&self) -> &Object {
        &self.object
    }

    pub(super) fn receive(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        self.records.with(|records| records.came(bytes));
        self.incoming.write(py, bytes)
    }

    /// What of a record is left in OpenSSL.
    fn left(&self, py: Python<'_>) -> PyResult<usize> {
        match &self.socket {
            Some(_) if !self.has_rest.load(Ordering::Relaxed) => Ok(0),
            Some(socket) => socket.pending(py),
            None => call_method(py, &self.object, intern!(py, "pending"), &[])?.bind(py).extract(),
        }
    }

    /// Of whole records in the BIO.
    fn waiting(&self, py: Python<'_>) -> PyResult<usize> {
        let pending = self.incoming.pending(py)?;
        Ok(if pending == 0 { 0 } else { self.records.with(|records| records.waiting(pending)) })
    }

    pub(super) fn readable(&self, py: Python<'_>) -> PyResult<usize> {
        let failed = self.failed.with(|failed| failed.is_some());
        Ok(self.waiting(py)? + self.left(py)? + usize::from(failed))
    }

    /// What was not read: ciphertext, and what is left of a record.
    pub(super) fn received(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.incoming.pending(py)? + self.left(py)?)
    }

    pub(super) fn read(&self, py: Python<'_>, buffer: &mut [u8]) -> PyResult<(usize, Stop)> {
        if let Some(error) = self.failed.with(Option::take) {
            return Err(error);
        }
        let mut count = 0;
        loop {
            match self.read_once(py, &mut buffer[count..]) {
                Ok(0) => return Ok((count, Stop::Ended)),
                Ok(more) => count += more,
                Err(error) if is_again(py, &error) => break,
                // What was read before counts first.
                Err(error) if count > 0 => {
                    self.failed.with(|failed| *failed = Some(error));
                    break;
                }
                Err(error) => return Err(error),
            }
            // A record that was not read to its end has filled the buffer.
            if count == buffer.len() || self.waiting(py)? == 0 {
                break;
            }
        }
        Ok((count, Stop::Enough))
    }

    fn read_once(&self, py: Python<'_>, room: &mut [u8]) -> PyResult<usize> {
        if let Some(socket) = &self.socket {
            let size = room.len();
            let read = socket.read(py, room);
            // One read ends with its record, unless the room ends before.
            let is_full = read.as_ref().is_ok_and(|count| *count == size);
            self.has_rest.store(is_full, Ordering::Relaxed);
            return read;
        }
        let length = Object::from(room.len().min(RECORD).into_pyobject(py)?);
        let data = call_method(py, &self.object, intern!(py, "read"), &[&length])?;
        let data: &[u8] = data.bind(py).extract()?;
        room[..data.len()].copy_from_slice(data);
        Ok(data.len())
    }

    /// `whole`: the bytes as an object, if they are one.
    pub(super) fn write(&self, py: Python<'_>, bytes: &[u8], whole: Option<&Bytes>) -> PyResult<usize> {
        let mut done = match (&self.socket, whole) {
            (Some(socket), Some(whole)) => match socket.write_object(py, whole) {
                Err(error) if is_again(py, &error) => return Ok(0),
                wrote => wrote?,
            },
            _ => 0,
        };
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.write_once(py, rest) {
                // One of a subclass may take nothing, and would be asked for ever.
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if is_again(py, &error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done.min(bytes.len()))
    }

    fn write_once(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<usize> {
        if let Some(socket) = &self.socket {
            return socket.write(py, bytes);
        }
        let data = Object::from(PyBytes::new(py, bytes));
        call_method(py, &self.object, intern!(py, "write"), &[&data])?.bind(py).extract()
    }

    /// What is to be sent, if anything is.
    pub(super) fn take_out(&self, py: Python<'_>) -> PyResult<Option<Bytes>> {
        if self.outgoing.pending(py)? == 0 { Ok(None) } else { self.outgoing.read(py).map(Some) }
    }
}
