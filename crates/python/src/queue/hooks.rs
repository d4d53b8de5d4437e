//! Which methods of a queue's class are not asyncio's or ours any more.
//!
//! asyncio's methods call each other by name, so a subclass, a tool or a test that replaces one changes the others. We call
//! by name only what was replaced. What a class has is looked up once, and again when its version says that it was changed.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

use super::QueueCore;
use crate::ffi::Object;
use crate::ffi::attributes::class_version;

/// What `_init` does.
#[derive(Clone, Copy, Default)]
pub(super) enum Init {
    Deque,
    List,
    #[default]
    Replaced,
}

/// What `_get` does.
#[derive(Clone, Copy, Default)]
pub(super) enum Take {
    First,
    Last,
    Least,
    #[default]
    Replaced,
}

/// What `_put` does.
#[derive(Clone, Copy, Default)]
pub(super) enum Place {
    Behind,
    OnTop,
    InOrder,
    #[default]
    Replaced,
}

/// The default is that of a queue whose every hook was replaced.
#[derive(Clone, Copy, Default)]
pub(super) struct Hooks {
    /// Of the class; 0 if it is not known.
    version: u32,
    pub(super) init: Init,
    pub(super) take: Take,
    pub(super) place: Place,
    /// For each of `PLAIN`, whether it is as it was.
    plain: u8,
}

/// Hooks that are native or replaced.
#[derive(Clone, Copy)]
pub(super) enum Plain {
    Items,
    QSize,
    Empty,
    Full,
    PutNowait,
    GetNowait,
    WakeupNext,
}

/// Their names.
const PLAIN: [&str; 7] = ["_queue", "qsize", "empty", "full", "put_nowait", "get_nowait", "_wakeup_next"];

impl Hooks {
    pub(super) fn is_plain(self, hook: Plain) -> bool {
        self.plain & 1 << hook as u8 != 0
    }
}

/// What the classes had in the beginning.
struct Originals {
    /// Of the three classes in turn.
    init: [Object; 3],
    get: [Object; 3],
    put: [Object; 3],
    plain: [Object; 7],
}

static ORIGINALS: PyOnceLock<Originals> = PyOnceLock::new();

/// Remembers what `Queue`, `LifoQueue` and `PriorityQueue` have.
pub(super) fn remember(classes: [&Bound<'_, PyAny>; 3]) -> PyResult<()> {
    let [queue, lifo, priority] = classes;
    let of_each = |name: &str| -> PyResult<[Object; 3]> {
        Ok([queue.getattr(name)?.into(), lifo.getattr(name)?.into(), priority.getattr(name)?.into()])
    };
    let mut plain = Vec::new();
    for name in PLAIN {
        plain.push(Object::from(queue.getattr(name)?));
    }
    let Ok(plain) = plain.try_into() else { return Ok(()) };
    let originals =
        Originals { init: of_each("_init")?, get: of_each("_get")?, put: of_each("_put")?, plain };
    drop(ORIGINALS.set(queue.py(), originals));
    Ok(())
}

/// Whether an attribute of this name on the queue itself would be one.
pub(super) fn is_hook(name: &Bound<'_, PyAny>) -> bool {
    let name = name.cast::<PyString>().ok().and_then(|name| name.to_str().ok());
    // `_queue` is set on every queue, and kept by us.
    name.is_some_and(|name| matches!(name, "_init" | "_get" | "_put") || PLAIN[1..].contains(&name))
}

impl QueueCore {
    pub(super) fn hooks(slf: &Bound<'_, Self>) -> PyResult<Hooks> {
        let version = class_version(slf);
        let known = slf.get().state.with(|state| {
            if state.has_own_hooks {
                return Some(Hooks::default());
            }
            (version != 0 && state.hooks.version == version).then_some(state.hooks)
        });
        known.map_or_else(|| Self::look_up_hooks(slf), Ok)
    }

    #[cold]
    fn look_up_hooks(slf: &Bound<'_, Self>) -> PyResult<Hooks> {
        let Some(originals) = ORIGINALS.get(slf.py()) else {
            return Ok(Hooks::default());
        };
        let class = slf.get_type();
        let mut plain = 0;
        for (index, (name, original)) in PLAIN.iter().zip(&originals.plain).enumerate() {
            let same = class.getattr(*name)?.as_ptr() == original.as_ptr();
            plain |= u8::from(same) << index;
        }
        let hooks = Hooks {
            // Of what was looked up just now: to look up gives a class that has none a version.
            version: class_version(slf),
            init: choose(&class, "_init", &originals.init, [Init::Deque, Init::List, Init::List])?,
            take: choose(&class, "_get", &originals.get, [Take::First, Take::Last, Take::Least])?,
            place: choose(&class, "_put", &originals.put, [Place::Behind, Place::OnTop, Place::InOrder])?,
            plain,
        };
        slf.get().state.with(|state| state.hooks = hooks);
        Ok(hooks)
    }
}

/// What the class's hook of this name stands for.
fn choose<H: Copy + Default>(
    class: &Bound<'_, PyType>,
    name: &str,
    originals: &[Object; 3],
    kinds: [H; 3],
) -> PyResult<H> {
    let own = class.getattr(name)?;
    let index = originals.iter().position(|original| original.as_ptr() == own.as_ptr());
    Ok(index.map_or_else(H::default, |index| kinds[index]))
}
