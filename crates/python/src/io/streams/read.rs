//! The coroutines that take data out of a `StreamReader`: read, readexactly, readuntil, readline, and the
//! step of `async for`.
//!
//! All are one state machine: a [`Request`] is tried on the buffer; if there is too little in it, the
//! coroutine waits, and tries again. What is asked for in an unusual way is left to asyncio's own coroutines.

use std::marker::PhantomData;
use std::ops::Range;

use ironloop_trace::Reason;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyInt;

use super::reader::{StreamReaderCore, pass_to_stock, receiver};
use super::request::Request;
use super::until::{Attempt, Separators, Until};
use crate::ffi::class::ClassKind;
use crate::ffi::function::Method;
use crate::ffi::resumable::Step;
use crate::ffi::{Arg, Arguments, Object, Shared, owned};
use crate::waiting::staged::{self, Stages, Transition};
use crate::waiting::waiter::Waiter;

/// A coroutine of one of the methods.
pub(super) enum Reading<M> {
    /// Over at once if there is enough.
    Asked(Demand<M>),
    /// It tries again when more has come.
    Waiting(Demand<M>, Waiter),
}

owned!([M: Reads] enum Reading<M> { Asked(demand), Waiting(demand, waiter); });

/// Who wants what, of which reader.
pub(super) struct Demand<M> {
    reader: Shared<StreamReaderCore>,
    request: Request,
    method: PhantomData<M>,
}

// The parts that a request may have gathered are bytes, which lead nowhere.
owned!([M: Reads] Demand<M> { visits: reader; ignores: request, method; });

/// One of the methods, as a type: each has a class of its own, since a coroutine's class knows its name.
pub(super) trait Reads: Send + Sync + 'static {
    const QUALIFIED_NAME: &'static str;

    fn kind() -> &'static ClassKind;
}

macro_rules! reads {
    ($($method:ident: $qualified:literal;)*) => {
        $(
            pub(super) struct $method;

            impl Reads for $method {
                const QUALIFIED_NAME: &'static str = $qualified;

                fn kind() -> &'static ClassKind {
                    static KIND: ClassKind = ClassKind::new();
                    &KIND
                }
            }
        )*

        pub(super) fn add_classes(py: Python<'_>) -> PyResult<()> {
            $(staged::add_class::<Reading<$method>>(py)?;)*
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

impl<M: Reads> Stages for Reading<M> {
    const QUALIFIED_NAME: &'static str = M::QUALIFIED_NAME;

    fn kind() -> &'static ClassKind {
        M::kind()
    }

    fn resume(self, py: Python<'_>, sent: Option<Object>) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked(mut demand) => {
                let attempt = demand.request.attempt(py, demand.reader.get(py), true);
                demand.settle(py, attempt)
            }
            Self::Waiting(demand, waiter) => match waiter.resume(py, sent) {
                Ok(Step::Yield(yielded)) => Ok(Transition::Yield(yielded, Self::Waiting(demand, waiter))),
                ended => demand.go_on(py, waiter, ended.map(drop)),
            },
        }
    }

    fn throw(self, py: Python<'_>, error: PyErr) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked(_) => Err(error),
            Self::Waiting(demand, waiter) => demand.go_on(py, waiter, Err(error)),
        }
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        match self {
            Self::Asked(_) => None,
            Self::Waiting(_, waiter) => Some(waiter.awaited().clone_ref(py)),
        }
    }
}

impl<M: Reads> Demand<M> {
    /// It has waited.
    fn go_on(
        mut self,
        py: Python<'_>,
        waiter: Waiter,
        waited: PyResult<()>,
    ) -> PyResult<Transition<Reading<M>>> {
        let reader = self.reader.get(py);
        drop((waiter, reader.state.with(|state| state.waiter.take())));
        let attempt = waited.and_then(|()| self.request.attempt(py, reader, false));
        self.settle(py, attempt)
    }

    /// What comes of an attempt.
    fn settle(self, py: Python<'_>, attempt: PyResult<Attempt>) -> PyResult<Transition<Reading<M>>> {
        let reader = self.reader.get(py);
        match self.request.finish(py, reader, attempt)? {
            Attempt::Done(result) => Ok(Transition::Return(result)),
            Attempt::Wait(function) => {
                let waiter = begin_to_wait(py, reader, function, self.request.takes_whole())?;
                Ok(match waiter.wait(py)? {
                    Step::Yield(yielded) => Transition::Yield(yielded, Reading::Waiting(self, waiter)),
                    Step::Return(value) => Transition::Return(value),
                })
            }
        }
    }
}

/// The future of one who waits for data, on the reader's loop.
fn begin_to_wait(
    py: Python<'_>,
    reader: &StreamReaderCore,
    function: &str,
    wants: Range<usize>,
) -> PyResult<Waiter> {
    if reader.state.with(|state| state.waiter.is_some()) {
        return Err(PyRuntimeError::new_err(format!(
            "{function}() called while another coroutine is already waiting for incoming data"
        )));
    }
    reader.resume_if_paused(py)?;
    let waiter = Waiter::of_loop(py, &reader.owner(py))?;
    waiter.is_for(Reason::StreamRead, None);
    let future = waiter.future().clone_ref(py);
    let old = reader.state.with(|state| {
        state.wants = wants;
        state.waiter.replace(future)
    });
    drop(old);
    Ok(waiter)
}

/// A coroutine that does it, unless the reader has methods of its own: then it is up to asyncio's method, as
/// it is where the arguments are none that we know.
fn begin<M: Reads>(
    py: Python<'_>,
    name: &str,
    arguments: Arguments<'_>,
    request: impl FnOnce(Arguments<'_>) -> PyResult<Option<Request>>,
) -> PyResult<Object> {
    let (reader, rest) = receiver(py, &arguments)?;
    let request = if StreamReaderCore::is_plain(&reader) { request(rest)? } else { None };
    let Some(request) = request else { return pass_to_stock(py, name, arguments) };
    staged::make(
        py,
        Reading::<M>::Asked(Demand { reader: Shared::new(&reader), request, method: PhantomData }),
    )
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
