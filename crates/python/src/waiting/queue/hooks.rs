//! What a queue's hooks do: those that subclasses are to override, and those that may be replaced all the same.

use pyo3::prelude::*;

use super::core::QueueCore;
use crate::ffi::hooks::{self, Intact};

/// What `_init` does.
#[derive(Clone, Copy)]
pub(super) enum Init {
    Deque,
    List,
    Replaced,
}

/// What `_get` does.
#[derive(Clone, Copy)]
pub(super) enum Take {
    First,
    Last,
    Least,
    Replaced,
}

/// What `_put` does.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Behind,
    OnTop,
    InOrder,
    Replaced,
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
    GetLoop,
}

/// Their names.
const PLAIN: [&str; 8] =
    ["_queue", "qsize", "empty", "full", "put_nowait", "get_nowait", "_wakeup_next", "_get_loop"];

/// Hooks of which each of the three classes has its own. These of one class stand together, and behind those above.
const OWN: [&str; 3] = ["_init", "_get", "_put"];

pub(super) static HOOKS: hooks::Hooks = hooks::Hooks::new();

#[derive(Clone, Copy)]
pub(super) struct Hooks(Intact);

impl Hooks {
    pub(super) fn of(queue: &Bound<'_, QueueCore>) -> Self {
        Self(HOOKS.intact(queue, &queue.get().own_hooks))
    }

    pub(super) fn is_plain(self, hook: Plain) -> bool {
        self.0.has(hook as usize)
    }

    pub(super) fn init(self) -> Init {
        self.choose(0, [Init::Deque, Init::List, Init::List]).unwrap_or(Init::Replaced)
    }

    pub(super) fn take(self) -> Take {
        self.choose(1, [Take::First, Take::Last, Take::Least]).unwrap_or(Take::Replaced)
    }

    pub(super) fn place(self) -> Place {
        self.choose(2, [Place::Behind, Place::OnTop, Place::InOrder]).unwrap_or(Place::Replaced)
    }

    /// Of three kinds that of the class whose hook it is.
    fn choose<K: Copy>(self, hook: usize, kinds: [K; 3]) -> Option<K> {
        let class = (0..kinds.len()).find(|class| self.0.has(PLAIN.len() + class * OWN.len() + hook))?;
        Some(kinds[class])
    }
}

/// Remembers what `Queue`, `LifoQueue` and `PriorityQueue` have.
pub(super) fn remember(queue: &Bound<'_, PyAny>, below: [&Bound<'_, PyAny>; 2]) -> PyResult<()> {
    HOOKS.learn(&[(queue, &PLAIN), (queue, &OWN), (below[0], &OWN), (below[1], &OWN)])
}
