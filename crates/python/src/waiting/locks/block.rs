//! `async with` a primitive. Where no subclass and no tool has put a method of its own, `__aenter__` is the
//! native wait itself; else the methods are called by name, as asyncio does.

use ironloop_trace::Op;
use pyo3::Borrowed;
use pyo3::prelude::*;

use super::core::{Hook, PrimitiveCore};
use super::waiting::{ENTERS, Primitive, PrimitiveWait};
use crate::ffi::call::call_method;
use crate::ffi::class::ClassKind;
use crate::ffi::function::Method;
use crate::ffi::intern::intern;
use crate::ffi::resumable::{Input, Step};
use crate::ffi::{Arguments, Object, owned};
use crate::waiting::awaiting::Awaited;
use crate::waiting::immediate::{self, Action};
use crate::waiting::staged::{self, Stages, Transition};

const EXITS: &str = "_ContextManagerMixin.__aexit__";

/// A primitive that is held for a while.
pub(super) trait Block: Primitive {
    /// As asyncio's methods.
    const RELEASES: &'static str;
    const LOCKED: &'static str;

    fn give_back(slf: &Bound<'_, Self>) -> PyResult<()>;
    fn locked(slf: &Bound<'_, Self>) -> PyResult<Object>;
}

/// The methods of one.
pub(super) fn methods<P: Block>() -> [(&'static str, Method); 5] {
    [
        ("locked", locked::<P>),
        ("acquire", acquire::<P>),
        ("release", release::<P>),
        ("__aenter__", enter::<P>),
        ("__aexit__", exit::<P>),
    ]
}

fn locked<P: Block>(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    P::locked(P::exact().require(&arguments.only_receiver(py, P::LOCKED)?.bind(py))?)
}

fn acquire<P: Block>(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    PrimitiveWait::<P, false>::make(P::exact().require(&arguments.only_receiver(py, P::WAITS)?.bind(py))?)
}

fn release<P: Block>(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    release_as::<P>(py, arguments, P::RELEASES)
}

pub(super) fn release_as<P: Block>(py: Python<'_>, arguments: Arguments<'_>, name: &str) -> PyResult<Object> {
    give_back(P::exact().require(&arguments.only_receiver(py, name)?.bind(py))?)?;
    Ok(Object::none(py))
}

fn enter<P: Block>(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let receiver = arguments.only_receiver(py, ENTERS)?.bind(py);
    let primitive = P::exact().require(&receiver)?;
    if PrimitiveCore::is_intact(primitive.as_super(), Hook::Acquire) {
        return PrimitiveWait::<P, true>::make(primitive);
    }
    enter_by_name(&receiver)
}

fn exit<P: Block>(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let receiver = exited(py, &arguments)?;
    let primitive = P::exact().require(&receiver)?;
    let is_intact = PrimitiveCore::is_intact(primitive.as_super(), Hook::Release);
    let release = if is_intact { release_natively::<P> } else { release_by_name };
    make_exit(&receiver, release)
}

fn give_back<P: Block>(slf: &Bound<'_, P>) -> PyResult<()> {
    P::give_back(slf).inspect(|()| PrimitiveCore::note(slf.as_super(), Op::Released))
}

/// Gives a primitive back.
type Release = fn(&Bound<'_, PyAny>) -> PyResult<()>;

fn release_natively<P: Block>(primitive: &Bound<'_, PyAny>) -> PyResult<()> {
    give_back(P::exact().require(primitive)?)
}

pub(super) fn release_by_name(primitive: &Bound<'_, PyAny>) -> PyResult<()> {
    primitive.call_method0(intern!(primitive.py(), "release")).map(drop)
}

/// `__aexit__`: never suspends.
struct Exit {
    primitive: Object,
    release: Release,
}

owned!(Exit { visits: primitive; ignores: release; });

impl Action for Exit {
    const QUALIFIED_NAME: &'static str = EXITS;

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn perform(self, py: Python<'_>) -> PyResult<Object> {
        (self.release)(self.primitive.bind(py))?;
        Ok(Object::none(py))
    }
}

pub(super) fn exit_by_name(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    make_exit(&*exited(py, &arguments)?, release_by_name)
}

fn exited<'a, 'py>(py: Python<'py>, arguments: &Arguments<'a>) -> PyResult<Borrowed<'a, 'py, PyAny>> {
    let (primitive, arguments) = arguments.split_receiver()?;
    let [_, _, _] = arguments.exactly(py, EXITS, ["exc_type", "exc", "tb"])?;
    Ok(primitive.bind(py))
}

fn make_exit(primitive: &Bound<'_, PyAny>, release: Release) -> PyResult<Object> {
    immediate::make(primitive.py(), Exit { primitive: primitive.into(), release })
}

/// `__aenter__` by name: `await self.acquire()`.
enum Enter {
    Asked { primitive: Object },
    Acquiring(Awaited),
}

owned!(enum Enter { Asked { primitive }, Acquiring(awaited); });

impl Stages for Enter {
    const QUALIFIED_NAME: &'static str = ENTERS;

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn resume(self, py: Python<'_>, sent: Option<Object>) -> PyResult<Transition<Self>> {
        self.go_on(py, Input::Next(sent))
    }

    fn throw(self, py: Python<'_>, error: PyErr) -> PyResult<Transition<Self>> {
        self.go_on(py, Input::Throw(error))
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        match self {
            Self::Asked { .. } => None,
            Self::Acquiring(awaited) => Some(awaited.object().clone_ref(py)),
        }
    }
}

impl Enter {
    fn go_on(self, py: Python<'_>, input: Input) -> PyResult<Transition<Self>> {
        let acquiring = match self {
            Self::Asked { primitive } => {
                Awaited::of(py, &call_method(py, &primitive, intern!(py, "acquire"), &[])?)?
            }
            Self::Acquiring(acquiring) => acquiring,
        };
        Ok(match acquiring.resume(py, input)? {
            Step::Yield(yielded) => Transition::Yield(yielded, Self::Acquiring(acquiring)),
            Step::Return(_) => Transition::nothing(py),
        })
    }
}

pub(super) fn enter_by_name(primitive: &Bound<'_, PyAny>) -> PyResult<Object> {
    staged::make(primitive.py(), Enter::Asked { primitive: primitive.into() })
}

pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    immediate::add_class::<Exit>(py)?;
    staged::add_class::<Enter>(py)
}
