//! What a file of Python's knows of itself, and what of it can be had at once.
//!
//! Belongs to whoever has the file's turn (`python/ironloop/files/file.py`). A method answers, or returns None
//! and says in `lack` what has to be read first, or that the loop is to turn before.

use ironloop_driver::RawFd;
use ironloop_driver::file;
use ironloop_engine::FileBuffer;
use ironloop_engine::file::{Lack, Want};
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::budget::{self, AT_ONCE};
use crate::ffi::blank::Blank;
use crate::ffi::buffer::Buffer;
use crate::ffi::cell::LoopCell;
use crate::ffi::intern::intern;

/// From this on bytes go past the buffer.
const DIRECT: usize = 16 << 10;

/// From this on the interpreter's lock is given up for a copy.
const LONG: usize = 64 << 10;

type Answer<'py> = Option<Bound<'py, PyBytes>>;

#[pyclass(frozen, module = "ironloop._ironloop")]
pub(super) struct FileCore {
    /// Python's own file, which has the descriptor and may be closed by anybody: so it is asked for its number
    /// before each system call.
    raw: Py<PyAny>,
    /// Unbuffered: each read is one of the kernel's, and nothing stays ahead of it.
    plain: bool,
    readable: bool,
    regular: bool,
    /// Whether the kernel can say what is cached.
    at_once: bool,
    room: usize,
    state: LoopCell<State>,
}

struct State {
    buffer: FileBuffer,
    lack: Option<Lack>,
}

#[pymethods]
impl FileCore {
    /// `regular`: each byte has a place. `at_once`: the kernel may be asked what is cached. `room`: how much of what is written may wait, if it
    /// may be written. `plain`: without a buffer.
    #[new]
    fn new(
        raw: Py<PyAny>,
        position: u64,
        regular: bool,
        at_once: bool,
        room: usize,
        plain: bool,
        readable: bool,
    ) -> Self {
        let room = if plain { 0 } else { room };
        let buffer = FileBuffer::new(position, room, !plain);
        let at_once = at_once && regular;
        Self {
            raw,
            plain,
            readable,
            regular,
            at_once,
            room,
            state: LoopCell::new(State { buffer, lack: None }),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.raw)
    }

    /// So many bytes, fewer at the end; all that there are if it is negative.
    fn read<'py>(&self, py: Python<'py>, most: isize) -> PyResult<Answer<'py>> {
        match usize::try_from(most) {
            Ok(most) if self.plain => self.answer(py, Want::Some(most)),
            Ok(most) => self.answer(py, Want::Whole(most)),
            Err(_) if most < -1 && !self.plain => {
                Err(PyValueError::new_err("read length must be non-negative or -1"))
            }
            Err(_) => self.answer(py, Want::All),
        }
    }

    /// What there is, no more than that, by one look at the file at most.
    fn read1<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Answer<'py>> {
        self.answer(py, Want::Some(most))
    }

    /// A line, or so much of it.
    fn readline<'py>(&self, py: Python<'py>, most: isize) -> PyResult<Answer<'py>> {
        self.answer(py, Want::Line(usize::try_from(most).unwrap_or(usize::MAX)))
    }

    /// What comes next, as far as it is known, without taking it.
    fn peek<'py>(&self, py: Python<'py>) -> PyResult<Answer<'py>> {
        let found = self.look(py, Want::Some(1), budget::is_left())?;
        let copy = |state: &mut State| PyBytes::new(py, state.buffer.available());
        Ok(found.map(|_| self.state.with(copy)))
    }

    /// Fills a buffer, less far at the end: how far.
    fn readinto(&self, py: Python<'_>, into: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        let mut into = Buffer::writable(into)?;
        let most = into.len();
        let want = if self.plain { Want::Some(most) } else { Want::Whole(most) };
        let room = into.bytes_mut();
        // What is left may be as much as this one needs: it is asked for once.
        let may = budget::is_left();
        if may && self.goes_past(want) {
            if let Poured::Enough(count) = self.pour(py, want, room)? {
                return Ok(Some(count));
            }
        }
        let Some(count) = self.look(py, want, may)? else { return Ok(None) };
        self.state.with(|state| room[..count].copy_from_slice(&state.buffer.available()[..count]));
        self.took(count);
        Ok(Some(count))
    }

    /// Takes what is to be written: how much; None if there is no room for it.
    fn write(&self, bytes: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        if self.room == 0 {
            return Ok(None);
        }
        self.number(bytes.py())?;
        let bytes = Buffer::readable(bytes)?;
        let taken = self.state.with(|state| state.buffer.write(bytes.bytes()));
        Ok(taken.then(|| bytes.len()))
    }

    /// What waits to be written: where, and what.
    fn pending<'py>(&self, py: Python<'py>) -> (u64, Bound<'py, PyBytes>) {
        self.state.with(|state| {
            let (offset, bytes) = state.buffer.pending();
            (offset, PyBytes::new(py, bytes))
        })
    }

    #[getter]
    fn is_pending(&self) -> bool {
        self.state.with(|state| !state.buffer.pending().1.is_empty())
    }

    /// The file has so many of the pending bytes.
    fn written(&self, count: usize) -> PyResult<()> {
        self.state.with(|state| {
            if count > state.buffer.pending().1.len() {
                return Err(PyValueError::new_err("more than was pending"));
            }
            state.buffer.written(count);
            Ok(())
        })
    }

    fn ends_at(&self, end: u64) {
        self.state.with(|state| state.buffer.ends_at(end));
    }

    /// What has to be read before the last question can be answered: where, and how much. None: nothing, the
    /// loop is to turn.
    #[getter]
    fn lack(&self) -> Option<(u64, usize)> {
        self.state.with(|state| state.lack.map(|lack| (lack.offset, lack.count)))
    }

    /// It was read. Refused if the file's user has gone elsewhere.
    fn feed(&self, offset: u64, bytes: &[u8]) -> bool {
        self.state.with(|state| state.buffer.feed(offset, bytes))
    }

    /// What is here from the position on.
    #[getter]
    fn available<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.state.with(|state| PyBytes::new(py, state.buffer.available()))
    }

    fn moved(&self, count: u64) {
        self.state.with(|state| state.buffer.moved(count));
    }

    fn forget(&self) {
        self.state.with(|state| state.buffer.forget());
    }

    #[getter]
    fn position(&self) -> u64 {
        self.state.with(|state| state.buffer.position())
    }

    fn seek(&self, position: u64) -> PyResult<()> {
        self.state.with(|state| {
            if !state.buffer.pending().1.is_empty() {
                return Err(PyValueError::new_err("bytes are pending"));
            }
            state.buffer.seek(position);
            Ok(())
        })
    }
}

/// What came of reading past the buffer.
enum Poured {
    /// So many bytes are the answer, and taken.
    Enough(usize),
    /// What was cached is ahead now.
    Ahead,
}

impl FileCore {
    fn answer<'py>(&self, py: Python<'py>, want: Want) -> PyResult<Answer<'py>> {
        // What is left may be as much as this one needs: it is asked for once.
        let may = budget::is_left();
        if may && self.goes_past(want) {
            if let Some(most) = self.extent(py, want)? {
                let mut blank = Blank::new(py, most)?;
                if let Poured::Enough(count) = self.pour(py, want, blank.room())? {
                    return blank.finish(py, count).map(Some);
                }
            }
        }
        let Some(count) = self.look(py, want, may)? else { return Ok(None) };
        let copy = |state: &mut State| PyBytes::new(py, &state.buffer.available()[..count]);
        let answer = self.state.with(copy);
        self.took(count);
        Ok(Some(answer))
    }

    /// How many bytes of what is ahead answer it, reading at once what is not there yet.
    fn look(&self, py: Python<'_>, want: Want, may: bool) -> PyResult<Option<usize>> {
        let refused = |state: &mut State| {
            state.lack = None;
            !self.readable || !state.buffer.pending().1.is_empty() || !may
        };
        if self.state.with(refused) {
            return Ok(None);
        }
        let fd = self.number(py)?;
        Ok(self.state.with(|state| {
            loop {
                let lack = match state.buffer.find(want) {
                    Ok(count) => return Some(count),
                    Err(lack) => lack,
                };
                // All of a file is read past the buffer, or by a thread.
                let may_fill = self.at_once && want != Want::All && lack.count <= AT_ONCE;
                let read = |room: &mut [u8]| file::read_now(fd, room, lack.offset);
                if !may_fill || state.buffer.fill(lack, read).is_err() {
                    state.lack = Some(lack);
                    return None;
                }
                budget::spend(lack.count);
            }
        }))
    }

    /// The descriptor's number as of now.
    fn number(&self, py: Python<'_>) -> PyResult<RawFd> {
        self.raw.bind(py).call_method0(intern!(py, "fileno"))?.extract()
    }

    fn took(&self, count: usize) {
        budget::spend(count);
        self.state.with(|state| {
            state.buffer.take(count);
            if self.plain && self.regular {
                state.buffer.forget();
            }
        });
    }

    /// Whether it is answered without the buffer, but for what is there already.
    fn goes_past(&self, want: Want) -> bool {
        self.at_once
            && self.readable
            && self.state.with(|state| {
                let here = state.buffer.available().len();
                let is_long = match want {
                    Want::Whole(count) => (DIRECT..=AT_ONCE).contains(&count.saturating_sub(here)),
                    Want::Some(count) => here == 0 && (DIRECT..=AT_ONCE).contains(&count),
                    Want::All => true,
                    Want::Line(_) => false,
                };
                is_long && state.buffer.pending().1.is_empty()
            })
    }

    /// How many bytes it may be. Nothing if they are a thread's.
    fn extent(&self, py: Python<'_>, want: Want) -> PyResult<Option<usize>> {
        let most = match want {
            Want::Whole(count) | Want::Some(count) | Want::Line(count) => Some(count),
            Want::All => {
                let Ok(size) = file::size(self.number(py)?) else { return Ok(None) };
                let state = |state: &mut State| (state.buffer.position(), state.buffer.available().len());
                let (position, here) = self.state.with(state);
                // One more tells of the end. A file may have become shorter than what is here.
                let rest = usize::try_from(size.saturating_sub(position)).ok();
                rest.and_then(|rest| rest.max(here).checked_add(1))
            }
        };
        Ok(most.filter(|most| *most <= AT_ONCE + DIRECT))
    }

    /// Reads what is cached straight to where it is wanted.
    fn pour(&self, py: Python<'_>, want: Want, room: &mut [u8]) -> PyResult<Poured> {
        let fd = self.number(py)?;
        let (here, offset) = self.state.with(|state| {
            let available = state.buffer.available();
            room[..available.len()].copy_from_slice(available);
            (available.len(), state.buffer.position() + available.len() as u64)
        });
        let (plain, rest) = (self.plain, &mut room[here..]);
        let read = |rest: &mut [u8]| {
            let mut count = 0;
            while count < rest.len() {
                match file::read_now(fd, &mut rest[count..], offset + count as u64) {
                    Ok(0) => return (count, true),
                    // Without a buffer it is one read of the kernel's.
                    Ok(more) if plain && want != Want::All => return (count + more, false),
                    Ok(more) => count += more,
                    Err(_) => break,
                }
            }
            (count, false)
        };
        let (count, ended) = if rest.len() < LONG { read(rest) } else { py.detach(|| read(rest)) };
        budget::spend(count);
        let enough = ended
            || match want {
                Want::All => false,
                Want::Some(_) => count > 0,
                Want::Whole(_) | Want::Line(_) => count == rest.len(),
            };
        Ok(self.state.with(|state| {
            if enough {
                state.buffer.moved((here + count) as u64);
                return Poured::Enough(here + count);
            }
            // Nothing would be the end.
            if count > 0 {
                state.buffer.feed(offset, &rest[..count]);
            }
            Poured::Ahead
        }))
    }
}
