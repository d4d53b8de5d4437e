//! Reading up to a separator.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::buffer::Buffer;
use super::reader::StreamReaderCore;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::raise::raised;
use crate::ffi::{Arg, Bytes, Object};

/// How far an attempt to read came.
pub(super) enum Attempt {
    Done(Object),
    /// There is not enough yet. The error that says that somebody else waits already names this function.
    Wait(&'static str),
}

/// What ends the data that is wanted.
pub(super) enum Separators {
    Newline,
    One(Bytes),
    /// The shortest first: of those that end at the same place, it is the one that was found.
    Several(Vec<Bytes>),
}

impl Separators {
    /// None if the argument is of another kind, or a mistake.
    pub(super) fn of(py: Python<'_>, argument: Arg<'_>) -> Option<Self> {
        if let Some(one) = Bytes::exact(py, argument) {
            return (!one.as_ref().is_empty()).then_some(Self::One(one));
        }
        if cfg!(not(Py_3_13)) {
            return None;
        }
        let tuple = argument.bind(py).cast_exact::<PyTuple>().ok()?.to_owned();
        let mut several = Vec::new();
        for separator in tuple.iter() {
            let separator = Bytes::exact(py, Arg::of(&separator))?;
            several.push(separator);
        }
        several.sort_by_key(|separator| separator.as_ref().len());
        several.first().is_some_and(|first| !first.as_ref().is_empty()).then_some(Self::Several(several))
    }

    /// The sizes of the shortest and of the longest.
    fn sizes(&self) -> (usize, usize) {
        let size = |one: Option<&Bytes>| one.map_or(1, |one| one.as_ref().len());
        match self {
            Self::Newline => (1, 1),
            Self::One(one) => (one.as_ref().len(), one.as_ref().len()),
            Self::Several(several) => (size(several.first()), size(several.last())),
        }
    }

    /// Where the one begins and ends that ends first.
    fn find(&self, buffer: &Buffer, offset: usize) -> Option<(usize, usize)> {
        let find = |separator: &[u8]| {
            let start = buffer.find(separator, offset)?;
            Some((start, start + separator.len()))
        };
        match self {
            Self::Newline => find(b"\n"),
            Self::One(one) => find(one.as_ref()),
            Self::Several(several) => {
                several.iter().filter_map(|one| find(one.as_ref())).min_by_key(|(_, end)| *end)
            }
        }
    }
}

/// `StreamReader.readuntil`
pub(super) struct Until {
    separators: Separators,
    /// Before it there is none.
    offset: usize,
}

/// What the buffer says.
enum Search {
    /// It ends here.
    Found(usize),
    /// It begins here, behind what may be read at once.
    FoundTooLate(usize),
    /// There is none in what may be read at once.
    TooLong,
    Ended,
    Missing,
}

impl Until {
    pub(super) fn new(separators: Separators) -> Self {
        Self { separators, offset: 0 }
    }

    pub(super) fn attempt(&mut self, py: Python<'_>, reader: &StreamReaderCore) -> PyResult<Attempt> {
        let (shortest, longest) = self.separators.sizes();
        let search = reader.state.with(|state| {
            let size = state.buffer.len();
            if size >= self.offset + shortest {
                if let Some((start, end)) = self.separators.find(&state.buffer, self.offset) {
                    return if state.exceeds_limit(start) {
                        Search::FoundTooLate(start)
                    } else {
                        Search::Found(end)
                    };
                }
                // The end may be the beginning of one.
                self.offset = (size + 1).saturating_sub(longest);
                if state.exceeds_limit(self.offset) {
                    return Search::TooLong;
                }
            }
            if state.eof { Search::Ended } else { Search::Missing }
        });
        match search {
            Search::Found(end) => reader.take(py, end).map(Attempt::Done),
            Search::FoundTooLate(start) => {
                Err(overrun(py, "Separator is found, but chunk is longer than limit", start))
            }
            Search::TooLong => {
                Err(overrun(py, "Separator is not found, and chunk exceed the limit", self.offset))
            }
            Search::Ended => Err(incomplete(py, reader, None)),
            Search::Missing => Ok(Attempt::Wait("readuntil")),
        }
    }
}

/// `LimitOverrunError(message, consumed)`
fn overrun(py: Python<'_>, message: &str, consumed: usize) -> PyErr {
    imports::limit_overrun_error(py)
        .and_then(|class| class.call1((message, consumed)))
        .map_or_else(|error| error, |made| raised(py, &made.into()))
}

/// `IncompleteReadError(partial, expected)`, with all that there is.
pub(super) fn incomplete(py: Python<'_>, reader: &StreamReaderCore, expected: Option<usize>) -> PyErr {
    let error = || {
        let make = |bytes: &[u8]| Bytes::new(py, bytes);
        let partial = reader.state.with(|state| state.buffer.take(py, usize::MAX, make))?;
        imports::incomplete_read_error(py)?.call1((partial.object().bind(py), expected))
    };
    error().map_or_else(|error| error, |made| raised(py, &made.into()))
}

/// What `readline` makes of an error of `readuntil`: the last line has no end, and one that is too long is
/// thrown away.
pub(super) fn line_after(py: Python<'_>, reader: &StreamReaderCore, error: PyErr) -> PyResult<Object> {
    if error.matches(py, imports::incomplete_read_error(py)?)? {
        return error.value(py).getattr(intern!(py, "partial")).map(Object::from);
    }
    if !error.matches(py, imports::limit_overrun_error(py)?)? {
        return Err(error);
    }
    let consumed: usize = error.value(py).getattr(intern!(py, "consumed"))?.extract()?;
    let thrown_away = reader.state.with(|state| {
        let ends_there = state.buffer.bytes().get(consumed) == Some(&b'\n');
        let count = if ends_there { consumed + 1 } else { state.buffer.len() };
        state.buffer.remove_front(py, count)
    });
    thrown_away?;
    reader.resume_if_drained(py)?;
    let message: Py<PyAny> = error.value(py).getattr(intern!(py, "args"))?.get_item(0)?.unbind();
    let too_long = PyValueError::new_err(message);
    too_long.value(py).setattr(intern!(py, "__context__"), error.value(py))?;
    Err(too_long)
}
