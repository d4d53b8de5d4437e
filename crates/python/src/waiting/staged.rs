//! Coroutines that are written down as stages: one enum says where such a coroutine may stand, and what it
//! owns there.
//!
//! A step takes the stage out, so a coroutine that runs owns nothing here, and one whose step fails is over.
//! What the step comes to is a [`Transition`], which puts the next stage in. Whoever resumes one that runs,
//! or that is over, is turned away before ([`Life`]); what stands here is used by one step at a time, and
//! never across a call into Python.

use pyo3::prelude::*;

use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::{self, ClassKind, Coroutine, Life};
use crate::ffi::derived::track;
use crate::ffi::resumable::{Input, Step};
use crate::ffi::{Instance, Object, Traverse, owned};
use crate::waiting::awaiting::Awaited;

/// Where a coroutine may stand, and how it goes on from there.
pub(crate) trait Stages: Traverse + Send + Sync + Sized + 'static {
    /// As asyncio's own.
    const QUALIFIED_NAME: &'static str;

    /// Whether a stage owns anything that leads anywhere, where that is not so of each. The collector knows
    /// the coroutine from the first such stage on.
    const LEADS_ANYWHERE: Option<fn(&Self) -> bool> = None;

    /// Whether the first step yields to the loop, and changes nothing: then the stage stays where it is.
    const PAUSES: Option<fn(&Self) -> bool> = None;

    fn kind() -> &'static ClassKind;

    /// Goes on, with a value if somebody has sent one; not in the first step.
    fn resume(self, py: Python<'_>, sent: Option<Object>) -> PyResult<Transition<Self>>;

    /// The same with an error that is thrown in; not in the first step.
    fn throw(self, _py: Python<'_>, error: PyErr) -> PyResult<Transition<Self>> {
        Err(error)
    }

    /// The future or the iterator from which it has what it has yielded. Runs no Python.
    fn awaits(&self, _py: Python<'_>) -> Option<Object> {
        None
    }

    /// The lock, the queue… that it waits for. Runs no Python.
    fn subject(&self, _py: Python<'_>) -> Option<Object> {
        None
    }
}

/// What a step comes to.
pub(crate) enum Transition<S> {
    /// It yields this, and goes on from there.
    Yield(Object, S),
    Return(Object),
    /// asyncio's own coroutine does the rest, from its beginning.
    Delegate(Awaited),
}

impl<S> Transition<S> {
    pub(crate) fn nothing(py: Python<'_>) -> Self {
        Self::Return(Object::none(py))
    }
}

/// The coroutine of such stages.
pub(crate) struct Staged<S> {
    life: Life,
    progress: LoopCell<Progress<S>>,
}

owned!([S: Stages] Staged<S> { clears: progress, life; });

enum Progress<S> {
    At(S),
    Delegated(Awaited),
    /// It runs, or has come to its end.
    Nowhere,
}

owned!([S: Stages] enum Progress<S> { At(stage), Delegated(awaited); Nowhere });

impl<S: Stages> Coroutine for Staged<S> {
    const QUALIFIED_NAME: &'static str = S::QUALIFIED_NAME;

    fn kind() -> &'static ClassKind {
        S::kind()
    }

    fn life(&self) -> &Life {
        &self.life
    }

    fn leads_anywhere(&mut self) -> bool {
        match (S::LEADS_ANYWHERE, self.progress.get_mut()) {
            (Some(leads_anywhere), Progress::At(stage)) => leads_anywhere(stage),
            _ => true,
        }
    }

    #[inline]
    fn advance(
        py: Python<'_>,
        coroutine: &Instance<Self>,
        first: bool,
        sent: Option<Object>,
    ) -> PyResult<Step> {
        let progress = coroutine.progress.with(|progress| match (S::PAUSES, &*progress) {
            (Some(pauses), Progress::At(stage)) if first && pauses(stage) => None,
            _ => Some(std::mem::replace(progress, Progress::Nowhere)),
        });
        let Some(progress) = progress else { return Ok(Step::Yield(Object::none(py))) };
        match progress {
            Progress::At(stage) => Self::settle(py, coroutine, stage.resume(py, sent)?),
            Progress::Delegated(awaited) => Self::go_on(py, coroutine, awaited, Input::Next(sent)),
            // The collector has cleared it.
            Progress::Nowhere => Ok(Step::nothing(py)),
        }
    }

    fn throw(py: Python<'_>, coroutine: &Instance<Self>, error: PyErr) -> PyResult<Step> {
        match coroutine.take() {
            Progress::At(stage) => Self::settle(py, coroutine, stage.throw(py, error)?),
            Progress::Delegated(awaited) => Self::go_on(py, coroutine, awaited, Input::Throw(error)),
            Progress::Nowhere => Err(error),
        }
    }

    fn deputy(&self, py: Python<'_>) -> Option<Object> {
        self.progress.with(|progress| match progress {
            Progress::Delegated(awaited) => Some(awaited.object().clone_ref(py)),
            Progress::At(_) | Progress::Nowhere => None,
        })
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        self.progress.with(|progress| match progress {
            Progress::At(stage) => stage.awaits(py),
            Progress::Delegated(_) | Progress::Nowhere => None,
        })
    }

    fn subject(&self, py: Python<'_>) -> Option<Object> {
        self.progress.with(|progress| match progress {
            Progress::At(stage) => stage.subject(py),
            Progress::Delegated(_) | Progress::Nowhere => None,
        })
    }
}

impl<S: Stages> Staged<S> {
    fn take(&self) -> Progress<S> {
        self.progress.with(|progress| std::mem::replace(progress, Progress::Nowhere))
    }

    /// A step has taken what was there, so nothing is dropped.
    fn put(&self, progress: Progress<S>) {
        self.progress.with(|place| {
            debug_assert!(matches!(place, Progress::Nowhere));
            std::mem::forget(std::mem::replace(place, progress));
        });
    }

    #[inline]
    fn settle(py: Python<'_>, coroutine: &Instance<Self>, transition: Transition<S>) -> PyResult<Step> {
        match transition {
            Transition::Yield(yielded, stage) => {
                let known = S::LEADS_ANYWHERE.is_none_or(|leads_anywhere| !leads_anywhere(&stage));
                coroutine.put(Progress::At(stage));
                if !known {
                    track(coroutine.object());
                }
                Ok(Step::Yield(yielded))
            }
            Transition::Return(value) => Ok(Step::Return(value)),
            Transition::Delegate(awaited) => Self::go_on(py, coroutine, awaited, Input::Next(None)),
        }
    }

    // Apart: what it needs would lie in the stack of every step.
    #[inline(never)]
    fn go_on(py: Python<'_>, coroutine: &Instance<Self>, awaited: Awaited, input: Input) -> PyResult<Step> {
        let step = awaited.resume(py, input)?;
        if let Step::Yield(_) = step {
            coroutine.put(Progress::Delegated(awaited));
            // Whose it is leads back to it.
            track(coroutine.object());
        }
        Ok(step)
    }
}

/// A coroutine that stands there.
pub(crate) fn make<S: Stages>(py: Python<'_>, stage: S) -> PyResult<Object> {
    let coroutine = Staged { life: Life::new(), progress: LoopCell::new(Progress::At(stage)) };
    coroutine.make(py).map(Instance::into_object)
}

/// Makes the class of such coroutines, when the module is made.
pub(crate) fn add_class<S: Stages>(py: Python<'_>) -> PyResult<()> {
    coroutine::add_class::<Staged<S>>(py)
}
