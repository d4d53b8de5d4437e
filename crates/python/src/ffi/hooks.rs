//! Which methods of a class are not asyncio's or ours any more.
//!
//! asyncio's methods call each other by name, so a subclass, a tool or a test that replaces one changes the others. Ours call by
//! name only what was replaced. What a class has is looked up once, and again when its version says that it was changed.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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

/// A bit for each hook that an instance has an attribute of its own for.
#[derive(Default)]
pub(crate) struct Own(AtomicU32);

impl Own {
    pub(crate) fn set(&self, bits: u32, on: bool) {
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(if on { before | bits } else { before & !bits }, Ordering::Relaxed);
    }

    pub(crate) fn has(&self, bits: u32) -> bool {
        self.0.load(Ordering::Relaxed) & bits != 0
    }
}

/// A bit for each hook that is as it was, in the order in which they were learnt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Intact(u32);

impl Intact {
    const ALL: u32 = 1 << 31;
    /// Bits that no hook has: for what else an instance may have of its own.
    const OTHERS: u32 = 0x7f00_0000;

    pub(crate) fn has(self, hook: usize) -> bool {
        self.has_each(1 << hook)
    }

    pub(crate) fn has_each(self, bits: u32) -> bool {
        self.0 & bits == bits
    }

    pub(crate) fn has_all(self) -> bool {
        self.has_each(Self::ALL)
    }

    /// Less what the instance has itself.
    fn without(self, own: &Own) -> Self {
        match own.0.load(Ordering::Relaxed) {
            0 => self,
            own => Self(self.0 & !(own | Self::ALL)),
        }
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
        debug_assert!(known.len() <= Intact::OTHERS.trailing_zeros() as usize);
        // The first classes stay: the module is imported once.
        let _ = self.known.set(py, known);
        Ok(())
    }

    /// What of them the object has still.
    #[inline(always)]
    pub(crate) fn intact<T>(&self, object: &Bound<'_, T>, own: &Own) -> Intact {
        let version = class_version(object.as_any());
        let entry = self.classes[version as usize % REMEMBERED].load(Ordering::Relaxed);
        let of_class = if version != 0 && (entry >> 32) as u32 == version {
            Intact(entry as u32)
        } else {
            self.look_up(object.as_any())
        };
        of_class.without(own)
    }

    #[cold]
    fn look_up(&self, object: &Bound<'_, PyAny>) -> Intact {
        let py = object.py();
        let class = object.get_type();
        let mut intact = Intact::ALL | Intact::OTHERS;
        for (index, hook) in self.known(py).iter().enumerate() {
            // A subclass may have what cannot be had from the class: that is replaced too.
            let same = class.getattr(hook.name).is_ok_and(|found| found.as_ptr() == hook.original.as_ptr());
            intact = if same { intact | 1 << index } else { intact & !Intact::ALL };
        }
        // Of what was looked up just now: to look up gives a class that has none a version.
        let version = class_version(object);
        let entry = u64::from(version) << 32 | u64::from(intact);
        self.classes[version as usize % REMEMBERED].store(entry, Ordering::Relaxed);
        Intact(intact)
    }

    /// What the `__setattr__` of an instance does; without a value, its `__delattr__`.
    pub(crate) fn set_attribute<T>(
        &self,
        object: &Bound<'_, T>,
        own: &Own,
        name: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        set_attribute(object.as_any(), name, value)?;
        own.set(self.hidden_by(name), value.is_some());
        Ok(())
    }

    /// The bits of the hooks that an attribute of this name comes before.
    fn hidden_by(&self, name: &Bound<'_, PyAny>) -> u32 {
        let Some(text) = name.cast::<PyString>().ok().and_then(|name| name.to_str().ok()) else {
            return 0;
        };
        let known = self.known(name.py()).iter().enumerate();
        known.filter(|(_, hook)| hook.can_be_hidden && hook.name == text).map(|(bit, _)| 1 << bit).sum()
    }

    fn known(&self, py: Python<'_>) -> &[Hook] {
        // They are there before any instance is.
        self.known.get(py).map_or(&[], Vec::as_slice)
    }
}
