//! Which methods of a class are not asyncio's or ours any more.
//!
//! asyncio's methods call each other by name, so a subclass, a tool or a test that replaces one changes the others. Ours call by
//! name only what was replaced. What a class has is looked up once, and again when its version says that it was changed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::ffi::Object;
use crate::ffi::attributes::{class_version, set_attribute};

/// So many classes are remembered at a time: commonly there are but one or two.
const REMEMBERED: usize = 8;

/// What a class's native methods would call by name, and whether this is what classes have under these names.
pub(crate) struct Hooks {
    known: PyOnceLock<Vec<Hook>>,
    /// The version of a class, and its [`Intact`] in the lower half.
    classes: [AtomicU64; REMEMBERED],
}

struct Hook {
    name: &'static str,
    original: Object,
    /// Whether an attribute of an instance would come first: not before a property.
    can_be_hidden: bool,
}

/// Whether a hook was ever put on the instance itself. It is taken for one that has replaced them all.
#[derive(Default)]
pub(crate) struct Own(AtomicBool);

/// A bit for each hook that is as it was, in the order in which they were learnt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Intact(u32);

impl Intact {
    const ALL: u32 = 1 << 31;

    pub(crate) fn has(self, hook: usize) -> bool {
        self.0 & 1 << hook != 0
    }

    pub(crate) fn has_all(self) -> bool {
        self.0 & Self::ALL != 0
    }
}

impl Hooks {
    pub(crate) const fn new() -> Self {
        Self { known: PyOnceLock::new(), classes: [const { AtomicU64::new(0) }; REMEMBERED] }
    }

    /// What the classes have now under these names is what we know. Said once, when they are made.
    pub(crate) fn learn(&self, classes: &[(&Bound<'_, PyAny>, &[&'static str])]) -> PyResult<()> {
        let Some((first, _)) = classes.first() else { return Ok(()) };
        let py = first.py();
        let mut known = Vec::new();
        for (class, names) in classes {
            for name in *names {
                let original = class.getattr(*name)?;
                known.push(Hook {
                    name,
                    can_be_hidden: !original.hasattr("__set__")?,
                    original: original.into(),
                });
            }
        }
        debug_assert!(known.len() < u32::BITS as usize);
        // The first classes stay: the module is imported once.
        let _ = self.known.set(py, known);
        Ok(())
    }

    pub(crate) fn intact<T>(&self, object: &Bound<'_, T>, own: &Own) -> PyResult<Intact> {
        if own.0.load(Ordering::Relaxed) {
            return Ok(Intact(0));
        }
        let version = class_version(object.as_any());
        let entry = self.classes[version as usize % REMEMBERED].load(Ordering::Relaxed);
        if version != 0 && (entry >> 32) as u32 == version {
            return Ok(Intact(entry as u32));
        }
        self.look_up(object.as_any())
    }

    #[cold]
    fn look_up(&self, object: &Bound<'_, PyAny>) -> PyResult<Intact> {
        let py = object.py();
        let class = object.get_type();
        let mut intact = Intact::ALL;
        for (index, hook) in self.known(py).iter().enumerate() {
            // A subclass may have what cannot be had from the class: that is replaced too.
            let same = class.getattr(hook.name).is_ok_and(|found| found.as_ptr() == hook.original.as_ptr());
            intact = if same { intact | 1 << index } else { intact & !Intact::ALL };
        }
        // Of what was looked up just now: to look up gives a class that has none a version.
        let version = class_version(object);
        let entry = u64::from(version) << 32 | u64::from(intact);
        self.classes[version as usize % REMEMBERED].store(entry, Ordering::Relaxed);
        Ok(Intact(intact))
    }

    /// What the `__setattr__` of an instance does.
    pub(crate) fn set_attribute<T>(
        &self,
        object: &Bound<'_, T>,
        own: &Own,
        name: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if self.hides(name) {
            own.0.store(true, Ordering::Relaxed);
        }
        set_attribute(object.as_any(), name, Some(value))
    }

    /// Whether an attribute of this name would come before a hook.
    fn hides(&self, name: &Bound<'_, PyAny>) -> bool {
        let Some(text) = name.cast::<PyString>().ok().and_then(|name| name.to_str().ok()) else {
            return false;
        };
        self.known(name.py()).iter().any(|hook| hook.can_be_hidden && hook.name == text)
    }

    fn known(&self, py: Python<'_>) -> &[Hook] {
        // They are there before any instance is.
        self.known.get(py).map_or(&[], Vec::as_slice)
    }
}
