//! System calls on files. Those that may wait for a disk are for other threads than the loop's, and give up the
//! interpreter's lock.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::PathBuf;

use ironloop_driver::RawFd;
use ironloop_driver::file::{self, Place};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::budget::{self, AT_ONCE};
use crate::event_loop::LoopCore;
use crate::ffi::blank::Blank;
use crate::ffi::buffer::Buffer;
use crate::ffi::error::os_error;

/// Reads so many bytes, fewer at the end.
#[pyfunction]
fn read_at<'py>(py: Python<'py>, fd: RawFd, most: usize, offset: u64) -> PyResult<Bound<'py, PyBytes>> {
    let mut blank = Blank::new(py, most)?;
    let room = blank.room();
    let count = py.detach(|| file::read_at(fd, room, offset)).map_err(os_error)?;
    blank.finish(py, count)
}

/// Writes all of it there, or where the kernel stands. How much was written, and the error that ended it.
#[pyfunction]
#[pyo3(signature = (fd, bytes, offset))]
fn write_all(
    py: Python<'_>,
    fd: RawFd,
    bytes: &Bound<'_, PyAny>,
    offset: Option<u64>,
) -> PyResult<(usize, Option<PyErr>)> {
    let bytes = Buffer::readable(bytes)?;
    let place = offset.map_or(Place::Here, Place::At);
    let content = bytes.bytes();
    match py.detach(|| file::write_all(fd, content, place)) {
        Ok(()) => Ok((bytes.len(), None)),
        Err((written, error)) => Ok((written, Some(os_error(error)))),
    }
}

/// Opens a file without waiting for a disk, a lease, the other end of a pipe. None if that may be needed.
#[pyfunction]
fn open_now(path: PathBuf, flags: i32) -> Option<RawFd> {
    let (file, _) = file::open_now(&name(path)?, flags)?;
    Some(file.into_raw_fd())
}

/// Whether the loop's thread may read at once, before its loop turns.
#[pyfunction]
fn may_read_now() -> bool {
    budget::is_left()
}

/// What is in a small file, if all of it is cached.
#[pyfunction]
fn read_file_now<'py>(py: Python<'py>, path: PathBuf) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let Some((file, kind)) = name(path).and_then(|name| file::open_now(&name, 0)) else { return Ok(None) };
    let size = usize::try_from(kind.size).unwrap_or(usize::MAX);
    if size >= AT_ONCE || !kind.regular {
        return Ok(None);
    }
    let mut blank = Blank::new(py, size + 1)?;
    let mut count = 0;
    let whole = loop {
        match file::read_now(file.as_raw_fd(), &mut blank.room()[count..], count as u64) {
            Ok(0) => break count <= size,
            Ok(more) => count += more,
            Err(_) => break false,
        }
    };
    budget::spend(4 * 1024 + count);
    if whole { blank.finish(py, count).map(Some) } else { Ok(None) }
}

fn name(path: PathBuf) -> Option<CString> {
    CString::new(path.into_os_string().into_encoded_bytes()).ok()
}

/// Whether it is a file in which each byte has a place, and one of this machine; how many names it has.
#[pyfunction]
fn file_kind(fd: RawFd) -> PyResult<(bool, bool, u64)> {
    let kind = file::kind(fd).map_err(os_error)?;
    Ok((kind.regular, kind.local, kind.links))
}

/// The loop has turned: its thread may read at once again. Where the loop is ours, once a turn.
#[pyfunction]
#[pyo3(signature = (turned=None))]
fn renew_budget(turned: Option<&Bound<'_, PyAny>>) {
    let core = turned.and_then(|turned| turned.cast::<LoopCore>().ok());
    match core {
        Some(core) => budget::renew_in(core.as_ptr().addr(), core.get().turn_number()),
        None => budget::renew(),
    }
}

/// What a task has done with what it has read counts, too: as a read of so many bytes.
#[pyfunction]
fn spend_budget(count: usize) {
    budget::spend(count);
}

#[pyfunction]
fn open_watch() -> PyResult<RawFd> {
    file::open_watch().map(IntoRawFd::into_raw_fd).map_err(os_error)
}

#[pyfunction]
fn add_watch(fd: RawFd, path: PathBuf, mask: u32) -> PyResult<i32> {
    let name = name(path).ok_or_else(|| os_error(io::Error::from_raw_os_error(22)))?;
    file::add_watch(fd, &name, mask).map_err(os_error)
}

#[pyfunction]
fn remove_watch(fd: RawFd, watch: i32) -> PyResult<()> {
    file::remove_watch(fd, watch).map_err(os_error)
}

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(read_at, module)?)?;
    module.add_function(wrap_pyfunction!(write_all, module)?)?;
    module.add_function(wrap_pyfunction!(open_now, module)?)?;
    module.add_function(wrap_pyfunction!(may_read_now, module)?)?;
    module.add_function(wrap_pyfunction!(read_file_now, module)?)?;
    module.add_function(wrap_pyfunction!(file_kind, module)?)?;
    module.add_function(wrap_pyfunction!(renew_budget, module)?)?;
    module.add_function(wrap_pyfunction!(spend_budget, module)?)?;
    module.add_function(wrap_pyfunction!(open_watch, module)?)?;
    module.add_function(wrap_pyfunction!(add_watch, module)?)?;
    module.add_function(wrap_pyfunction!(remove_watch, module)?)
}
