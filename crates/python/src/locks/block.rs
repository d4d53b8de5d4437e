//! `async with` a primitive. Where no subclass and no tool has put a method of its own, `__aenter__` is the native wait itself;
//! else the methods are called by name, as asyncio does.

use std::ffi::{CStr, c_int};
use std::sync::atomic::{AtomicU8, Ordering};

use pyo3::Borrowed;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::core::PrimitiveCore;
use super::waiting::{Answer, Primitive, Wait};
use crate::awaited::Awaited;
use crate::cell::LoopCell;
use crate::ffi::call::call_method;
use crate::ffi::class::Pool;
use crate::ffi::coroutine::{
    Coroutine, Input, Life, Resumable, Step, coroutine_getters, coroutine_slots, finalize, resumable_methods,
};
use crate::ffi::derived::track;
use crate::ffi::function::Function;
use crate::ffi::intern::intern;
use crate::ffi::{Arguments, Class, Instance, Native, Object, Visit};

pub(super) const ENTERS: &str = "_ContextManagerMixin.__aenter__";
const EXITS: &str = "_ContextManagerMixin.__aexit__";

/// Whose methods a primitive has.
#[derive(Default)]
pub(super) struct Methods(AtomicU8);

impl Methods {
    const UNKNOWN: u8 = 0;
    const NATIVE: u8 = 1;
    const FOREIGN: u8 = 2;

    /// Whether those that asyncio calls by name are ours.
    pub(super) fn are_native(&self, primitive: &Bound<'_, PyAny>) -> PyResult<bool> {
        match self.0.load(Ordering::Relaxed) {
            Self::UNKNOWN => {
                let class = primitive.get_type();
                let py = primitive.py();
                let is_native = |name: &Bound<'_, PyString>| class.getattr(name).map(|f| Function::is(&f));
                let native = is_native(intern!(py, "acquire"))?
                    && is_native(intern!(py, "release"))?
                    && is_native(intern!(py, "locked"))?;
                self.0.store(if native { Self::NATIVE } else { Self::FOREIGN }, Ordering::Relaxed);
                Ok(native)
            }
            known => Ok(known == Self::NATIVE),
        }
    }

    /// An instance has got one of its own.
    pub(super) fn replaced(&self) {
        self.0.store(Self::FOREIGN, Ordering::Relaxed);
    }
}

/// Gives a primitive back.
pub(super) type Release = fn(&Bound<'_, PyAny>) -> PyResult<()>;

pub(super) fn release_by_name(primitive: &Bound<'_, PyAny>) -> PyResult<()> {
    primitive.call_method0(intern!(primitive.py(), "release")).map(drop)
}

/// `__aexit__`: never suspends.
struct Exit {
    life: Life,
    primitive: LoopCell<Option<Object>>,
    release: Release,
}

static EXIT: Class = Class::new();
static EXIT_POOL: Pool = Pool::new();

impl Native for Exit {
    const NAME: &'static CStr = c"ironloop.block_exit";
    const DOC: &'static CStr = c"The end of an async with block.";
    const OPEN: bool = false;
    // It holds the primitive for an instant, and nothing that waits.
    const TRACKED: bool = false;
    const FINALIZES: bool = true;

    fn class() -> &'static Class {
        &EXIT
    }

    fn traverse(&self, visit: &mut Visit<'_>) -> c_int {
        self.primitive.try_with(|primitive| visit.all(primitive.as_ref())).unwrap_or(0)
    }

    fn clear(&self, _py: Python<'_>) {
        drop(self.primitive.with(Option::take));
    }

    fn finalize(instance: &Instance<Self>, py: Python<'_>) {
        finalize(instance, py);
    }

    fn needs_finalizer(&self) -> bool {
        self.life.is_open()
    }

    fn pool(&self) -> Option<&Pool> {
        Some(&EXIT_POOL)
    }
}

impl Coroutine for Exit {
    const QUALIFIED_NAME: &'static str = EXITS;

    fn life(&self) -> &Life {
        &self.life
    }
}

impl Resumable for Exit {
    fn resume(py: Python<'_>, exit: &Instance<Self>, input: Input) -> PyResult<Step> {
        exit.life.drive(input, |_, _| {
            if let Some(primitive) = exit.primitive.with(Option::take) {
                (exit.release)(primitive.bind(py))?;
            }
            Ok(Step::nothing(py))
        })
    }
}

/// `__aexit__(self, exc_type, exc, tb)`; `native` is the primitive's own release.
pub(super) fn exit(py: Python<'_>, arguments: Arguments<'_>, native: Release) -> PyResult<Object> {
    let primitive = exited(py, &arguments)?;
    let is_native = primitive.cast::<PrimitiveCore>()?.get().methods.are_native(&primitive)?;
    make_exit(&primitive, if is_native { native } else { release_by_name })
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
    let exit = Exit { life: Life::new(), primitive: LoopCell::new(Some(primitive.into())), release };
    EXIT.instantiate(primitive.py(), exit).map(Instance::into_object)
}

/// `__aenter__` by name: `await self.acquire()`.
struct Enter {
    life: Life,
    stage: LoopCell<Stage>,
}

enum Stage {
    Asked { primitive: Object },
    Acquiring(Awaited),
    Over,
}

static ENTER: Class = Class::new();
static ENTER_POOL: Pool = Pool::new();

impl Native for Enter {
    const NAME: &'static CStr = c"ironloop.block_enter";
    const DOC: &'static CStr = c"The beginning of an async with block.";
    const OPEN: bool = false;
    // Tracked once it waits.
    const TRACKED: bool = false;
    const FINALIZES: bool = true;

    fn class() -> &'static Class {
        &ENTER
    }

    fn traverse(&self, visit: &mut Visit<'_>) -> c_int {
        let visited = self.stage.try_with(|stage| match stage {
            Stage::Asked { primitive } => visit.object(primitive),
            Stage::Acquiring(awaited) => visit.object(awaited.object()),
            Stage::Over => 0,
        });
        visited.unwrap_or(0)
    }

    fn clear(&self, _py: Python<'_>) {
        self.put(Stage::Over);
    }

    fn finalize(instance: &Instance<Self>, py: Python<'_>) {
        finalize(instance, py);
    }

    fn needs_finalizer(&self) -> bool {
        self.life.is_open()
    }

    fn pool(&self) -> Option<&Pool> {
        Some(&ENTER_POOL)
    }
}

impl Coroutine for Enter {
    const QUALIFIED_NAME: &'static str = ENTERS;

    fn life(&self) -> &Life {
        &self.life
    }
}

impl Resumable for Enter {
    fn resume(py: Python<'_>, enter: &Instance<Self>, input: Input) -> PyResult<Step> {
        enter.life.drive(input, |first, input| {
            let acquiring = match enter.stage.with(|stage| std::mem::replace(stage, Stage::Over)) {
                Stage::Asked { primitive } => {
                    Awaited::of(py, call_method(py, &primitive, intern!(py, "acquire"), &[])?)?
                }
                Stage::Acquiring(acquiring) => acquiring,
                Stage::Over => return Ok(Step::nothing(py)),
            };
            let step = acquiring.resume(py, input)?;
            if let Step::Return(_) = step {
                return Ok(Step::nothing(py));
            }
            enter.put(Stage::Acquiring(acquiring));
            if first {
                track(enter.object());
            }
            Ok(step)
        })
    }
}

impl Enter {
    fn put(&self, stage: Stage) {
        drop(self.stage.with(|old| std::mem::replace(old, stage)));
    }
}

/// `__aenter__(self)` of a primitive that is acquired as it is waited for.
pub(super) fn enter<P: Primitive>(primitive: &Bound<'_, P>) -> PyResult<Object> {
    let object = primitive.as_any();
    if object.cast::<PrimitiveCore>()?.get().methods.are_native(object)? {
        return Wait::make(primitive, Answer::Nothing);
    }
    enter_by_name(object)
}

pub(super) fn enter_by_name(primitive: &Bound<'_, PyAny>) -> PyResult<Object> {
    let stage = LoopCell::new(Stage::Asked { primitive: primitive.into() });
    ENTER.instantiate(primitive.py(), Enter { life: Life::new(), stage }).map(Instance::into_object)
}

pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    let (methods, getters) = (resumable_methods::<Exit>(), coroutine_getters::<Exit>());
    EXIT.create_hidden::<Exit>(py, &methods, &getters, &coroutine_slots::<Exit>())?;
    let (methods, getters) = (resumable_methods::<Enter>(), coroutine_getters::<Enter>());
    ENTER.create_hidden::<Enter>(py, &methods, &getters, &coroutine_slots::<Enter>())
}
