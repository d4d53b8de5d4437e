//! What a queue's hooks do: those that subclasses are to override, and those that may be replaced all the
//! same.

use pyo3::prelude::*;

use super::core::QueueCore;
use crate::ffi::hooks::{Intact, hooks};

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

hooks! {
    /// What asyncio's code of queues calls by name: first `Queue` has it, and of some of it the two classes
    /// below have their own.
    pub(super) enum Hook in HOOKS {
        Items = "_queue",
        QSize = "qsize",
        Empty = "empty",
        Full = "full",
        PutNowait = "put_nowait",
        GetNowait = "get_nowait",
        WakeupNext = "_wakeup_next",
        GetLoop = "_get_loop",
        QueueInit = "_init",
        QueueGet = "_get",
        QueuePut = "_put";
        LifoInit = "_init",
        LifoGet = "_get",
        LifoPut = "_put";
        PriorityInit = "_init",
        PriorityGet = "_get",
        PriorityPut = "_put"
    }
}

/// What of them a queue has still.
#[derive(Clone, Copy)]
pub(super) struct Hooks(Intact<Hook>);

impl Hooks {
    pub(super) fn of(queue: &Bound<'_, QueueCore>) -> Self {
        Self(HOOKS.intact(queue, &queue.get().own_hooks))
    }

    pub(super) fn has(self, hook: Hook) -> bool {
        self.0.has(hook)
    }

    pub(super) fn init(self) -> Init {
        let known =
            [(Hook::QueueInit, Init::Deque), (Hook::LifoInit, Init::List), (Hook::PriorityInit, Init::List)];
        self.choose(known).unwrap_or(Init::Replaced)
    }

    pub(super) fn take(self) -> Take {
        let known =
            [(Hook::QueueGet, Take::First), (Hook::LifoGet, Take::Last), (Hook::PriorityGet, Take::Least)];
        self.choose(known).unwrap_or(Take::Replaced)
    }

    pub(super) fn place(self) -> Place {
        let known = [
            (Hook::QueuePut, Place::Behind),
            (Hook::LifoPut, Place::OnTop),
            (Hook::PriorityPut, Place::InOrder),
        ];
        self.choose(known).unwrap_or(Place::Replaced)
    }

    /// Of the three classes' that which the queue has.
    fn choose<K: Copy>(self, known: [(Hook, K); 3]) -> Option<K> {
        known.into_iter().find(|(hook, _)| self.has(*hook)).map(|(_, kind)| kind)
    }
}
