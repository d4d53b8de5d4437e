//! What is wanted of a `StreamReader`, and whether its buffer has enough for it.

use std::ops::Range;

use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::reader::StreamReaderCore;
use super::until::{Attempt, Until, incomplete, line_after};
use crate::ffi::Object;
use crate::ffi::intern::intern;

/// What is wanted.
pub(super) enum Request {
    /// Whatever is there, up to so many bytes.
    Some(usize),
    /// All until the end, gathered in parts.
    All(Vec<Object>),
    Exactly(usize),
    Until(Until),
    /// Until the end of the line; the end of the stream is the end of the last one.
    Line(Until),
    /// The same for `async for`.
    NextLine(Until),
}

impl Request {
    pub(super) fn attempt(
        &mut self,
        py: Python<'_>,
        reader: &StreamReaderCore,
        first: bool,
    ) -> PyResult<Attempt> {
        if first {
            reader.check(py)?;
        }
        match self {
            Self::Some(0) => Ok(Attempt::Done(PyBytes::new(py, b"").into())),
            Self::Some(count) => some(py, reader, *count, first),
            Self::All(parts) => all(py, reader, parts, first),
            Self::Exactly(count) => exactly(py, reader, *count),
            Self::Until(until) | Self::Line(until) | Self::NextLine(until) => until.attempt(py, reader),
        }
    }

    /// How many bytes it takes as they come, where nothing was there before.
    pub(super) fn takes_whole(&self) -> Range<usize> {
        match self {
            Self::Some(count) => 1..count.saturating_add(1),
            Self::Exactly(count) => *count..count.saturating_add(1),
            Self::All(_) | Self::Until(_) | Self::Line(_) | Self::NextLine(_) => 0..0,
        }
    }

    /// What comes of an attempt, for the one who asked.
    pub(super) fn finish(
        &self,
        py: Python<'_>,
        reader: &StreamReaderCore,
        attempt: PyResult<Attempt>,
    ) -> PyResult<Attempt> {
        let is_line = matches!(self, Self::Line(_) | Self::NextLine(_));
        let attempt = match attempt {
            Ok(attempt) => attempt,
            Err(error) if is_line => Attempt::Done(line_after(py, reader, error)?),
            Err(error) => return Err(error),
        };
        match (self, &attempt) {
            (Self::NextLine(_), Attempt::Done(line)) if line.bind(py).is_empty()? => {
                Err(PyStopAsyncIteration::new_err(()))
            }
            _ => Ok(attempt),
        }
    }
}

/// Waits once at most: then it is content with nothing.
fn some(py: Python<'_>, reader: &StreamReaderCore, count: usize, first: bool) -> PyResult<Attempt> {
    if first && reader.state.with(|state| state.buffer.is_empty() && !state.eof) {
        return Ok(Attempt::Wait("read"));
    }
    reader.take(py, count).map(Attempt::Done)
}

/// Reads again and again, each time up to the limit: so the transport may go on while the rest is on its way.
fn all(py: Python<'_>, reader: &StreamReaderCore, parts: &mut Vec<Object>, first: bool) -> PyResult<Attempt> {
    let mut first = first;
    loop {
        // A number of bytes; fractions are cut.
        let limit = reader.state.with(|state| state.limit()) as usize;
        match some(py, reader, limit, first)? {
            Attempt::Done(part) if part.bind(py).is_empty()? => {
                let joined = PyBytes::new(py, b"").call_method1(intern!(py, "join"), (bound(py, parts),))?;
                return Ok(Attempt::Done(joined.into()));
            }
            Attempt::Done(part) => parts.push(part),
            wait => return Ok(wait),
        }
        first = true;
        reader.check(py)?;
    }
}

fn bound<'py>(py: Python<'py>, parts: &[Object]) -> Vec<Bound<'py, PyAny>> {
    parts.iter().map(|part| part.bind(py).clone()).collect()
}

fn exactly(py: Python<'_>, reader: &StreamReaderCore, count: usize) -> PyResult<Attempt> {
    if count == 0 {
        return Ok(Attempt::Done(PyBytes::new(py, b"").into()));
    }
    let (missing, eof) = reader.state.with(|state| (state.buffer.len() < count, state.eof));
    match (missing, eof) {
        (false, _) => reader.take(py, count).map(Attempt::Done),
        (true, false) => Ok(Attempt::Wait("readexactly")),
        (true, true) => Err(incomplete(py, reader, Some(count))),
    }
}
