//! Descriptors that users watch: `add_reader`, `add_writer` and their opposites.

use crate::ffi::intern::intern;
use ironloop_driver::RawFd;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyInt;

use super::watch::{Side, Waiter, Watch};
use crate::event_loop::handle::{Callback, Handle};
use crate::event_loop::{LoopCore, Source};
use crate::ffi::derived::track;
use crate::ffi::{Arg, Arguments, Native, Object, method_of};

/// A descriptor, or an object that has one; asyncio's errors where it is neither.
pub(crate) fn descriptor(py: Python<'_>, file: Arg<'_>) -> PyResult<RawFd> {
    let file = file.bind(py);
    let number = match file.extract::<RawFd>() {
        Ok(number) => Some(number),
        Err(_) => file.call_method0(intern!(py, "fileno")).and_then(|fd| fd.extract()).ok(),
    };
    match number {
        Some(number) if number >= 0 => Ok(number),
        Some(number) => Err(PyValueError::new_err(format!("Invalid file descriptor: {number}"))),
        None => Err(PyValueError::new_err(format!("Invalid file object: {}", file.repr()?))),
    }
}

fn cancel(py: Python<'_>, waiter: Waiter) -> PyResult<bool> {
    match waiter {
        Waiter::Nobody => Ok(false),
        Waiter::Callback(handle) => handle.0.cancel(py, handle.object()).map(|_| true),
        Waiter::Operations(_) => Ok(true),
    }
}

fn add(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>, side: Side, name: &str) -> PyResult<Object> {
    let (py, core) = (slf.py(), slf.get());
    core.check_open()?;
    let sorted = arguments.sort(py, name, ["fd", "callback"])?;
    let [file, function] = sorted.first;
    let fd = descriptor(py, file)?;
    let callback = Callback::new(slf, function, sorted.rest, sorted.context)?;
    let handle = Handle::class().instantiate(py, Handle(callback))?;
    // Not for one turn: it stays as long as the descriptor is watched.
    track(handle.object());
    let mut waiter = Waiter::Callback(handle.clone_ref(py));
    let file = Some(file.to_object(py)).filter(|file| !file.bind(py).is_instance_of::<PyInt>());

    let mut bin = Vec::new();
    let result = core.with_poller(|poller, sources| {
        let Some(Source::Watch(watch)) = sources.at_mut(fd) else {
            let mut watch = Watch { file, ..Watch::default() };
            std::mem::swap(watch.side(side), &mut waiter);
            return sources.insert(poller, fd, watch.wanted(), Source::Watch(watch), &mut bin).map(drop);
        };
        std::mem::swap(watch.side(side), &mut waiter);
        let wanted = watch.wanted();
        let result = sources.rewatch(poller, fd, wanted);
        if let (Err(_), Some(Source::Watch(watch))) = (&result, sources.at_mut(fd)) {
            std::mem::swap(watch.side(side), &mut waiter);
        }
        result
    });
    drop(bin);
    result?;
    cancel(py, waiter)?;
    Ok(handle.into_object())
}

fn remove(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>, side: Side, name: &str) -> PyResult<Object> {
    let (py, core) = (slf.py(), slf.get());
    let [file] = arguments.exactly(py, name, ["fd"])?;
    if core.is_closed() {
        return Ok(false.into_pyobject(py)?.to_owned().into());
    }
    let fd = match descriptor(py, file) {
        Ok(fd) => fd,
        // Closed in the meantime: it is known by the object.
        Err(error) => core.state.with(|state| state.sources.fd_of(file.as_ptr())).ok_or(error)?,
    };
    let (waiter, gone) = core.with_poller(|poller, sources| {
        Ok(match sources.at_mut(fd) {
            Some(Source::Watch(watch)) => {
                let waiter = std::mem::take(watch.side(side));
                if watch.is_idle() {
                    return Ok((waiter, sources.remove(poller, fd)));
                }
                let wanted = watch.wanted();
                if let Some(slot) = sources.slot(fd) {
                    // A stale descriptor is not watched anyway.
                    let _ = sources.modify(poller, fd, slot, wanted);
                }
                (waiter, None)
            }
            // A server stops listening by removing the reader of its socket.
            Some(Source::Listener(_)) if side == Side::Reader => (Waiter::Nobody, sources.remove(poller, fd)),
            _ => (Waiter::Nobody, None),
        })
    })?;
    let stopped = matches!(gone, Some(Source::Listener(_)));
    drop(gone);
    let found = cancel(py, waiter)? || stopped;
    Ok(found.into_pyobject(py)?.to_owned().into())
}

/// From now on the reader of a number is known by its file object too, once that has lost the number.
fn name_reader(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [fd, file] = arguments.exactly(py, "_name_reader", ["fd", "file"])?;
    let fd: RawFd = fd.bind(py).extract()?;
    let file = file.to_object(py);
    let old = slf.get().state.with(|state| match state.sources.at_mut(fd) {
        Some(Source::Watch(watch)) => watch.file.replace(file),
        _ => Some(file),
    });
    drop(old);
    Ok(Object::none(py))
}

pub(crate) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![
        method_of!(LoopCore, c"_add_reader", c"Watches a descriptor for reading.", |slf, arguments| {
            add(slf, arguments, Side::Reader, "add_reader")
        }),
        method_of!(LoopCore, c"_add_writer", c"Watches a descriptor for writing.", |slf, arguments| {
            add(slf, arguments, Side::Writer, "add_writer")
        }),
        method_of!(LoopCore, c"_name_reader", c"Names a reader by its file object too.", name_reader),
        method_of!(LoopCore, c"_remove_reader", c"Whether there was a reader.", |slf, arguments| {
            remove(slf, arguments, Side::Reader, "remove_reader")
        }),
        method_of!(LoopCore, c"_remove_writer", c"Whether there was a writer.", |slf, arguments| {
            remove(slf, arguments, Side::Writer, "remove_writer")
        }),
    ]
}
