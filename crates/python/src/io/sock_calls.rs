//! The coroutines `sock_recv`, `sock_recv_into` and `sock_sendall` of a loop: one operation on a user's own
//! socket (`operations`), tried when the coroutine is first resumed, and awaited if it must be.
//!
//! Each stands for the method of the Python half, which is called for sockets with Python code of their own.

use std::marker::PhantomData;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::operations::Operated;
use super::socket_work::{Content, Work};
use crate::event_loop::LoopCore;
use crate::ffi::class::ClassKind;
use crate::ffi::function::{Body, Function};
use crate::ffi::resumable::Step;
use crate::ffi::{Arg, Arguments, Object, Shared, imports, owned};
use crate::waiting::staged::{self, Stages, Transition};
use crate::waiting::waiter::Waiter;

/// A coroutine of one of the methods.
enum Exchange<M> {
    Asked(Call<M>, Object),
    /// The loop completes it when the socket is ready.
    Waiting(Call<M>, Waiter),
}

owned!([M: Method] enum Exchange<M> { Asked(call, argument), Waiting(call, waiter); });

/// On which socket, of which loop.
struct Call<M> {
    owner: Shared<LoopCore>,
    socket: Object,
    method: PhantomData<M>,
}

owned!([M: Method] Call<M> { visits: owner, socket; ignores: method; });

/// One of the methods, as a type: each has a class of its own, since a coroutine's class knows its name.
trait Method: Send + Sync + 'static {
    const NAME: &'static str;
    const QUALIFIED_NAME: &'static str;
    const ARGUMENT: &'static str;

    fn kind() -> &'static ClassKind;
    fn work(argument: &Bound<'_, PyAny>) -> PyResult<Work>;
}

macro_rules! methods {
    ($($method:ident: $name:literal, $qualified:literal, $argument:literal, $work:expr;)*) => {
        $(
            struct $method;

            impl Method for $method {
                const NAME: &'static str = $name;
                const QUALIFIED_NAME: &'static str = $qualified;
                const ARGUMENT: &'static str = $argument;

                fn kind() -> &'static ClassKind {
                    static KIND: ClassKind = ClassKind::new();
                    &KIND
                }

                fn work(argument: &Bound<'_, PyAny>) -> PyResult<Work> {
                    $work(argument)
                }
            }
        )*

        pub(super) fn add_classes(py: Python<'_>) -> PyResult<()> {
            $(staged::add_class::<Exchange<$method>>(py)?;)*
            Ok(())
        }

        /// Gives the loop's Python half these in the place of its own.
        pub(super) fn add_methods_to(class: &Bound<'_, PyType>) -> PyResult<()> {
            $(Function::replace(class, $method::NAME, Body::Sometimes(begin::<$method>))?;)*
            Ok(())
        }
    };
}

methods! {
    Receive: "sock_recv", "Loop.sock_recv", "n", receive;
    ReceiveInto: "sock_recv_into", "Loop.sock_recv_into", "buf", receive_into;
    SendAll: "sock_sendall", "Loop.sock_sendall", "data", send_all;
}

fn receive(most: &Bound<'_, PyAny>) -> PyResult<Work> {
    let most: isize = most.extract()?;
    let most = usize::try_from(most).map_err(|_| PyValueError::new_err("negative buffersize in recv"))?;
    Ok(Work::Receive { most })
}

fn receive_into(buffer: &Bound<'_, PyAny>) -> PyResult<Work> {
    Ok(Work::ReceiveInto(buffer.into()))
}

fn send_all(data: &Bound<'_, PyAny>) -> PyResult<Work> {
    Ok(Work::SendAll { data: Content::of(data)?, sent: 0 })
}

/// Nothing comes back for calls that the method of the Python half has to answer.
fn begin<M: Method>(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Option<Object>> {
    let (owner, rest) = arguments.split_receiver()?;
    let (Some(owner), Ok([socket, argument])) =
        (LoopCore::of(py, &owner.to_object(py)), rest.exactly(py, M::NAME, ["sock", M::ARGUMENT]))
    else {
        return Ok(None);
    };
    if !is_plain(py, socket)? {
        return Ok(None);
    }
    let call = Call::<M> { owner: Shared::new(&owner), socket: socket.to_object(py), method: PhantomData };
    staged::make(py, Exchange::Asked(call, argument.to_object(py))).map(Some)
}

/// Whether no Python code of the socket's own wants to see what it reads and writes.
fn is_plain(py: Python<'_>, socket: Arg<'_>) -> PyResult<bool> {
    static IS_PLAIN: PyOnceLock<Object> = PyOnceLock::new();
    let socket = socket.bind(py);
    if socket.get_type().is(imports::socket(py)?) {
        return Ok(true);
    }
    let find = || PyResult::Ok(imports::look_up(py, "ironloop.sockets", "is_plain")?.into());
    IS_PLAIN.get_or_try_init(py, find)?.bind(py).call1((&*socket,))?.is_truthy()
}

impl<M: Method> Stages for Exchange<M> {
    const QUALIFIED_NAME: &'static str = M::QUALIFIED_NAME;

    fn kind() -> &'static ClassKind {
        M::kind()
    }

    fn resume(self, py: Python<'_>, sent: Option<Object>) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked(call, argument) => {
                let work = M::work(argument.bind(py))?;
                match LoopCore::operate(call.owner.bind(py), call.socket.bind(py), work)? {
                    Operated::Done(result) => Ok(Transition::Return(result)),
                    Operated::Waits(waiter) => {
                        let step = waiter.wait(py);
                        call.go_on(py, waiter, step)
                    }
                }
            }
            Self::Waiting(call, waiter) => {
                let step = waiter.resume(py, sent);
                call.go_on(py, waiter, step)
            }
        }
    }

    fn throw(self, py: Python<'_>, error: PyErr) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked(..) => Err(error),
            Self::Waiting(call, waiter) => call.go_on(py, waiter, Err(error)),
        }
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        match self {
            Self::Asked(..) => None,
            Self::Waiting(_, waiter) => Some(waiter.awaited().clone_ref(py)),
        }
    }
}

impl<M: Method> Call<M> {
    /// Nobody waits for the operation any more once the wait has failed.
    fn go_on(
        self,
        py: Python<'_>,
        waiter: Waiter,
        step: PyResult<Step>,
    ) -> PyResult<Transition<Exchange<M>>> {
        match step {
            Ok(Step::Yield(yielded)) => Ok(Transition::Yield(yielded, Exchange::Waiting(self, waiter))),
            Ok(Step::Return(result)) => Ok(Transition::Return(result)),
            Err(error) => {
                LoopCore::forget(self.owner.bind(py), self.socket.bind(py), waiter.future())?;
                Err(error)
            }
        }
    }
}
