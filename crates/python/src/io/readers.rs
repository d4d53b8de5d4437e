//! Descriptors that users watch: `add_reader`, `add_writer` and their opposites.

use crate::ffi::intern::intern;
use ironloop_driver::RawFd;
use ironloop_reactor::{Side, Watcher};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyInt;

use super::listener::{LISTENER, Listener};
use super::operations::USER;
use super::watch::{State, UserWatch, Waiting};
use crate::event_loop::handle::{AnyHandle, Draft, Handle};
use crate::event_loop::{LoopCore, Source, Sources};
use crate::ffi::derived::track;
use crate::ffi::{Arg, Arguments, Instance, Object, method_of};

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

fn cancel(py: Python<'_>, waiting: Waiting) -> PyResult<bool> {
    match waiting {
        Watcher::Nobody => Ok(false),
        Watcher::Callback(handle) => handle.callback().cancel(py, handle.object()).map(|_| true),
        Watcher::Operations(_) => Ok(true),
    }
}

fn add(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>, side: Side, name: &str) -> PyResult<Object> {
    let (py, core) = (slf.py(), slf.get());
    core.check_open()?;
    let sorted = arguments.sort(py, name, ["fd", "callback"])?;
    let [file, function] = sorted.first;
    let fd = descriptor(py, file)?;
    let handle = Handle::make(slf, Draft::new(py, function, sorted.rest, sorted.context, None)?)?;
    // Not for one turn: it stays as long as the descriptor is watched.
    track(handle.object());
    let mut waiting = Watcher::Callback(handle.clone_ref(py));
    let file = Some(file.to_object(py)).filter(|file| !file.bind(py).is_instance_of::<PyInt>());
    let new = UserWatch::make(py, State { file, ..State::default() })?;

    let mut bin = Vec::new();
    let result = core.with_poller(|poller, sources| {
        let mut exchange = |it: &Instance<UserWatch>| {
            it.state.with(|state| {
                std::mem::swap(state.watch.watcher_mut(side), &mut waiting);
                state.wanted()
            })
        };
        let Some(known) = UserWatch::at(sources, fd).map(|known| known.clone_ref(py)) else {
            let wanted = exchange(&new);
            let source = Source::new(&USER, new.object().clone_ref(py));
            return sources.insert(poller, fd, wanted, source, &mut bin).map(drop);
        };
        let wanted = exchange(&known);
        let result = sources.rewatch(poller, fd, wanted);
        if result.is_err() {
            exchange(&known);
        }
        result
    });
    drop(bin);
    result?;
    cancel(py, waiting)?;
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
        Err(error) => {
            core.state.with(|state| fd_of(&state.reactor.sources, &file.to_object(py))).ok_or(error)?
        }
    };
    let (waiting, gone) = core.with_poller(|poller, sources| {
        let Some(source) = sources.at(fd) else { return Ok((Watcher::Nobody, None)) };
        let Some(watch) = UserWatch::of_source(source) else {
            // A server stops listening by removing the reader of its socket.
            let stops = source.is_of(&LISTENER) && side == Side::Reader;
            return Ok((Watcher::Nobody, if stops { sources.remove(poller, fd) } else { None }));
        };
        let (waiting, wanted) = watch.state.with(|state| {
            let waiting = std::mem::take(state.watch.watcher_mut(side));
            (waiting, if state.is_idle() { None } else { Some(state.wanted()) })
        });
        let Some(wanted) = wanted else { return Ok((waiting, sources.remove(poller, fd))) };
        if let Some(slot) = sources.slot(fd) {
            // A stale descriptor is not watched anyway.
            let _ = sources.modify(poller, fd, slot, wanted);
        }
        Ok((waiting, None))
    })?;
    let stopped = gone.is_some_and(|gone| gone.is_of(&LISTENER));
    let found = cancel(py, waiting)? || stopped;
    Ok(found.into_pyobject(py)?.to_owned().into())
}

/// The descriptor that was watched by way of a file object, which may have lost it since.
fn fd_of(sources: &Sources, file: &Object) -> Option<RawFd> {
    let is_for = |source: &Source| match UserWatch::of_source(source) {
        Some(watch) => {
            watch.state.with(|state| state.file.as_ref().is_some_and(|known| known.as_ptr() == file.as_ptr()))
        }
        None => Listener::of_source(source).is_some_and(|it| it.socket().as_ptr() == file.as_ptr()),
    };
    sources.fds(is_for).next()
}

/// From now on the reader of a number is known by its file object too, once that has lost the number.
fn name_reader(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [fd, file] = arguments.exactly(py, "_name_reader", ["fd", "file"])?;
    let fd: RawFd = fd.bind(py).extract()?;
    let file = file.to_object(py);
    let old = slf.get().state.with(|state| match UserWatch::at(&state.reactor.sources, fd) {
        Some(watch) => watch.state.with(|state| state.file.replace(file)),
        None => Some(file),
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
