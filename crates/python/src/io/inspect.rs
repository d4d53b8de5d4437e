//! What the Python half sees of the descriptors that a loop watches: for its selector, and for errors that
//! name a transport.

use ironloop_driver::{RawFd, Ready};
use pyo3::prelude::*;

use super::datagram::DatagramTransport;
use super::stream::StreamTransport;
use super::transport::Transport;
use super::watch::UserWatch;
use crate::event_loop::{LoopCore, Source};
use crate::ffi::{Arguments, Object, method_of};

/// The descriptors that handles wait for.
fn watched(slf: &Bound<'_, LoopCore>, _: Arguments<'_>) -> PyResult<Object> {
    let is_watch = |source: &Source| UserWatch::of_source(source).is_some();
    let fds: Vec<RawFd> = slf.get().state.with(|state| state.reactor.sources.fds(is_watch).collect());
    Ok(fds.into_pyobject(slf.py())?.into())
}

/// The handles that wait for a descriptor to become readable and writable; None if it is not watched.
fn watchers_of(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [fd] = arguments.exactly(py, "_watchers_of", ["fd"])?;
    let fd: RawFd = fd.bind(py).extract()?;
    let either = Ready { readable: true, writable: true, hung_up: false };
    let handles = slf
        .get()
        .state
        .with(|state| UserWatch::at(&state.reactor.sources, fd).map(|watch| watch.callbacks(py, either)));
    let Some(handles) = handles else { return Ok(Object::none(py)) };
    let shown = handles.map(|handle| handle.map(|handle| handle.object().bind(py).clone()));
    Ok(shown.to_vec().into_pyobject(py)?.into())
}

/// The transport that reads and writes a descriptor, if there is one.
fn transport_of(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [fd] = arguments.exactly(py, "_transport_of", ["fd"])?;
    let fd: RawFd = fd.bind(py).extract()?;
    let kinds = [StreamTransport::kinds(), DatagramTransport::kinds()];
    let is_transport = |source: &&Source| kinds.iter().any(|kinds| source.is_of(&kinds.source));
    let found = slf.get().state.with(|state| {
        state.reactor.sources.at(fd).filter(is_transport).map(|source| source.object().clone_ref(py))
    });
    Ok(found.unwrap_or_else(|| Object::none(py)))
}

pub(super) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![
        method_of!(LoopCore, c"_watched", c"The descriptors that handles wait for.", watched),
        method_of!(LoopCore, c"_watchers_of", c"The handles that wait for a descriptor.", watchers_of),
        method_of!(LoopCore, c"_transport_of", c"The transport of a descriptor.", transport_of),
    ]
}
