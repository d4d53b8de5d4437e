//! The coroutines that take data out of a `StreamReader`: read, readexactly, readuntil, readline, and the step of `async for`.
//!
//! All are one state machine: a [`Request`] is tried on the buffer; if there is too little in it, the coroutine waits, and
//! tries again. What is asked for in an unusual way is left to asyncio's own coroutines.

use std::marker::PhantomData;

use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};

use super::reader::{StreamReaderCore, pass_to_stock, receiver};
use super::until::{Separators, Until, incomplete, line_after};
use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::{self, Coroutine, Kind, Life};
use crate::ffi::function::Method;
use crate::ffi::intern::intern;
use crate::ffi::resumable::{Input, Step};
use crate::ffi::{Arg, Arguments, Instance, Object, Shared, owned};
use crate::waiting::waiter::Waiter;

/// What is wanted.
enum Request {
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

/// How far it came.
pub(super) enum Attempt {
    Done(Object),
    /// There is not enough yet. The error that says that somebody else waits already names this function.
    Wait(&'static str),
}

struct Progress {
    request: Request,
    waiter: Option<Waiter>,
}

// The parts that a request may have gathered are bytes, which lead nowhere.
owned!(Progress { visits: waiter; ignores: request; });

/// A coroutine of one of the methods.
pub(super) struct Reading<M> {
    life: Life,
    reader: Shared<StreamReaderCore>,
    /// None while it runs, and at the end.
    progress: LoopCell<Option<Progress>>,
    method: PhantomData<M>,
}

owned!([M: Reads] Reading<M> { visits: reader; clears: progress, life; ignores: method; });

/// One of the methods, as a type: each has a class of its own, since a coroutine's class knows its name.
pub(super) trait Reads: Send + Sync + 'static {
    const QUALIFIED_NAME: &'static str;

    fn kind() -> &'static Kind;
}

macro_rules! reads {
    ($($method:ident: $qualified:literal;)*) => {
        $(
            pub(super) struct $method;

            impl Reads for $method {
                const QUALIFIED_NAME: &'static str = $qualified;

                fn kind() -> &'static Kind {
                    static KIND: Kind = Kind::new();
                    &KIND
                }
            }
        )*

        pub(super) fn add_classes(py: Python<'_>) -> PyResult<()> {
            $(coroutine::add_class::<Reading<$method>>(py)?;)*
            Ok(())
        }
    };
}

reads! {
    Read: "StreamReader.read";
    ReadExactly: "StreamReader.readexactly";
    ReadUntil: "StreamReader.readuntil";
    ReadLine: "StreamReader.readline";
    NextLine: "StreamReader.__anext__";
}

impl<M: Reads> Coroutine for Reading<M> {
    const QUALIFIED_NAME: &'static str = M::QUALIFIED_NAME;

    fn kind() -> &'static Kind {
        M::kind()
    }

    fn life(&self) -> &Life {
        &self.life
    }

    fn advance(py: Python<'_>, reading: &Instance<Self>, first: bool, input: Input) -> PyResult<Step> {
        let Some(mut progress) = reading.progress.with(Option::take) else {
            return Ok(Step::nothing(py));
        };
        let reader = reading.reader.get(py);
        let waited = progress.waited(py, reader, first, input);
        let attempt = match waited {
            Ok(None) => progress.request.attempt(py, reader, first),
            Ok(Some(yielded)) => {
                reading.progress.with(|place| *place = Some(progress));
                return Ok(Step::Yield(yielded));
            }
            Err(error) => Err(error),
        };
        match progress.request.finish(py, reader, attempt)? {
            Attempt::Done(result) => Ok(Step::Return(result)),
            Attempt::Wait(function) => {
                let waiter = begin_to_wait(py, reader, function)?;
                let step = waiter.wait(py)?;
                progress.waiter = Some(waiter);
                reading.progress.with(|place| *place = Some(progress));
                Ok(step)
            }
        }
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        self.progress.with(|progress| {
            let waiter = progress.as_ref().and_then(|progress| progress.waiter.as_ref());
            waiter.map(|waiter| waiter.awaited().clone_ref(py))
        })
    }
}

/// The future of one who waits for data, on the reader's loop.
fn begin_to_wait(py: Python<'_>, reader: &StreamReaderCore, function: &str) -> PyResult<Waiter> {
    if reader.state.with(|state| state.waiter.is_some()) {
        return Err(PyRuntimeError::new_err(format!(
            "{function}() called while another coroutine is already waiting for incoming data"
        )));
    }
    reader.resume_if_paused(py)?;
    let waiter = Waiter::of_loop(py, &reader.owner(py))?;
    let future = waiter.future().clone_ref(py);
    let old = reader.state.with(|state| state.waiter.replace(future));
    drop(old);
    Ok(waiter)
}

impl Progress {
    /// What the future says that was waited for; something to yield if it is not content yet.
    fn waited(
        &mut self,
        py: Python<'_>,
        reader: &StreamReaderCore,
        first: bool,
        input: Input,
    ) -> PyResult<Option<Object>> {
        if first {
            return Ok(None);
        }
        let waited = match (input, &self.waiter) {
            (Input::Throw(error), _) => Err(error),
            (Input::Next(_), None) => Ok(()),
            (Input::Next(sent), Some(waiter)) => match waiter.resume(py, sent) {
                Ok(Step::Yield(yielded)) => return Ok(Some(yielded)),
                ended => ended.map(drop),
            },
        };
        let done = (self.waiter.take(), reader.state.with(|state| state.waiter.take()));
        drop(done);
        waited.map(|()| None)
    }
}

impl Request {
    fn attempt(&mut self, py: Python<'_>, reader: &StreamReaderCore, first: bool) -> PyResult<Attempt> {
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

    /// What comes of an attempt, for the one who asked.
    fn finish(
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

/// Takes up to `count` bytes, and lets the transport go on if that has made room.
pub(super) fn take(py: Python<'_>, reader: &StreamReaderCore, count: usize) -> PyResult<Object> {
    let taken = reader.state.with(|state| state.buffer.take(py, count))?;
    reader.resume_if_drained(py)?;
    Ok(taken)
}

/// Waits once at most: then it is content with nothing.
fn some(py: Python<'_>, reader: &StreamReaderCore, count: usize, first: bool) -> PyResult<Attempt> {
    if first && reader.state.with(|state| state.buffer.is_empty() && !state.eof) {
        return Ok(Attempt::Wait("read"));
    }
    take(py, reader, count).map(Attempt::Done)
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
        (false, _) => take(py, reader, count).map(Attempt::Done),
        (true, false) => Ok(Attempt::Wait("readexactly")),
        (true, true) => Err(incomplete(py, reader, Some(count))),
    }
}

/// A coroutine that does it, unless the reader has methods of its own: then it is up to asyncio's method, as it is where the
/// arguments are none that we know.
fn begin<M: Reads>(
    py: Python<'_>,
    name: &str,
    arguments: Arguments<'_>,
    request: impl FnOnce(Arguments<'_>) -> PyResult<Option<Request>>,
) -> PyResult<Object> {
    let (reader, rest) = receiver(py, &arguments)?;
    let request = if StreamReaderCore::is_plain(&reader) { request(rest)? } else { None };
    let Some(request) = request else { return pass_to_stock(py, name, arguments) };
    let reading = Reading::<M> {
        life: Life::new(),
        reader: Shared::new(&reader),
        progress: LoopCell::new(Some(Progress { request, waiter: None })),
        method: PhantomData,
    };
    reading.make(py).map(Instance::into_object)
}

fn size(py: Python<'_>, argument: Arg<'_>) -> Option<isize> {
    argument.bind(py).cast_exact::<PyInt>().ok()?.extract().ok()
}

fn read(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    begin::<Read>(py, "read", arguments, |rest| {
        let [count] = rest.bind(py, Read::QUALIFIED_NAME, ["n"], 0)?;
        let Some(count) = count else { return Ok(Some(Request::All(Vec::new()))) };
        Ok(size(py, count)
            .map(|count| usize::try_from(count).map_or_else(|_| Request::All(Vec::new()), Request::Some)))
    })
}

fn readexactly(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    begin::<ReadExactly>(py, "readexactly", arguments, |rest| {
        let [count] = rest.exactly(py, ReadExactly::QUALIFIED_NAME, ["n"])?;
        Ok(size(py, count).and_then(|count| usize::try_from(count).ok()).map(Request::Exactly))
    })
}

fn readuntil(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    begin::<ReadUntil>(py, "readuntil", arguments, |rest| {
        let [separator] = rest.bind(py, ReadUntil::QUALIFIED_NAME, ["separator"], 0)?;
        let separators = match separator {
            Some(separator) => Separators::of(py, separator),
            None => Some(Separators::Newline),
        };
        Ok(separators.map(|separators| Request::Until(Until::new(separators))))
    })
}

fn readline(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    begin::<ReadLine>(py, "readline", arguments, |rest| {
        let [] = rest.exactly(py, ReadLine::QUALIFIED_NAME, [])?;
        Ok(Some(Request::Line(Until::new(Separators::Newline))))
    })
}

fn next_line(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    begin::<NextLine>(py, "__anext__", arguments, |rest| {
        let [] = rest.exactly(py, NextLine::QUALIFIED_NAME, [])?;
        Ok(Some(Request::NextLine(Until::new(Separators::Newline))))
    })
}

pub(super) const METHODS: &[(&str, Method)] = &[
    ("read", read),
    ("readexactly", readexactly),
    ("readuntil", readuntil),
    ("readline", readline),
    ("__anext__", next_line),
];
