//! Which methods of a class are not asyncio's or ours any more.
//!
//! asyncio's methods call each other by name, so a subclass, a tool or a test that replaces one changes the
//! others. Ours call by name only what was replaced. What a class has is looked up once, and again when its
//! version says that it was changed.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::ffi::Object;
use crate::ffi::attributes::{class_version, set_attribute};

/// So many classes are remembered at a time: commonly there are but one or two.
const REMEMBERED: usize = 8;

/// What native code does in the place of a method, or of a property.
pub(crate) trait Hook: Copy + 'static {
    /// The one that no other hook of the family has; of a set of hooks, all of theirs.
    fn bits(self) -> u32;
}

/// The hooks of a class that belongs to a family, by their names.
type Table<H> = &'static [(H, &'static str)];

/// What a class's native methods would call by name, and whether this is what classes have under these names.
pub(crate) struct Hooks<H: 'static> {
    tables: &'static [Table<H>],
    known: PyOnceLock<Vec<Original>>,
    /// The version of a class, and its [`Intact`] in the lower half.
    classes: [AtomicU64; REMEMBERED],
}

struct Original {
    bit: u32,
    name: &'static str,
    object: Object,
    /// Whether an attribute of an instance would come first: not before a property.
    can_be_hidden: bool,
}

/// Declares the hooks of a family, each with its name; those of the classes below the first, if they have
/// some of their own, stand behind a semicolon each: `hooks!(enum Hook in HOOKS { Put = "_put"; LifoPut =
/// "_put" });`.
macro_rules! hooks {
    (
        $(#[$about:meta])*
        $visibility:vis enum $hook:ident in $hooks:ident { $($($variant:ident = $name:literal),+ $(,)?);+ }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy)]
        $visibility enum $hook {
            $($($variant,)+)+
        }

        impl $crate::ffi::hooks::Hook for $hook {
            #[inline(always)]
            fn bits(self) -> u32 {
                1 << self as u32
            }
        }

        $visibility static $hooks: $crate::ffi::hooks::Hooks<$hook> =
            $crate::ffi::hooks::Hooks::new(&[$(&[$(($hook::$variant, $name)),+]),+]);
    };
}
pub(crate) use hooks;

/// A bit for each hook that an instance has an attribute of its own for.
#[derive(Default)]
pub(crate) struct Own(AtomicU32);

impl Own {
    pub(crate) fn set(&self, hook: impl Hook, on: bool) {
        self.set_bits(hook.bits(), on);
    }

    /// Whether the instance has something of its own there, so that it is not as it was.
    pub(crate) fn differs_in(&self, hook: impl Hook) -> bool {
        self.0.load(Ordering::Relaxed) & hook.bits() != 0
    }

    fn set_bits(&self, bits: u32, on: bool) {
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(if on { before | bits } else { before & !bits }, Ordering::Relaxed);
    }
}

/// A bit for each hook of a family that is as it was.
pub(crate) struct Intact<H>(u32, PhantomData<H>);

impl<H: Hook> Clone for Intact<H> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Hook> Copy for Intact<H> {}

/// Each hook of a class is.
const ALL: u32 = 1 << 31;

/// Bits that no hook has: for what else an instance may have of its own.
const OTHERS: u32 = 0x7f00_0000;

impl<H: Hook> Intact<H> {
    #[inline(always)]
    pub(crate) fn has(self, hook: H) -> bool {
        self.0 & hook.bits() == hook.bits()
    }

    #[inline(always)]
    pub(crate) fn has_all(self) -> bool {
        self.0 & ALL != 0
    }

    /// Less what the instance has itself.
    #[inline(always)]
    fn without(self, own: &Own) -> Self {
        match own.0.load(Ordering::Relaxed) {
            0 => self,
            own => Self(self.0 & !(own | ALL), PhantomData),
        }
    }
}

impl<H: Hook> Hooks<H> {
    /// Of a class, and of those below it that have hooks of their own.
    pub(crate) const fn new(tables: &'static [Table<H>]) -> Self {
        Self { tables, known: PyOnceLock::new(), classes: [const { AtomicU64::new(0) }; REMEMBERED] }
    }

    /// What the classes have now under these names is what we know. Said once, when they are made.
    pub(crate) fn learn(&self, classes: &[&Bound<'_, PyAny>]) -> PyResult<()> {
        self.learn_some(classes, |_| true)
    }

    /// The same of those hooks that this Python's classes have.
    pub(crate) fn learn_some(
        &self,
        classes: &[&Bound<'_, PyAny>],
        are_there: impl Fn(H) -> bool,
    ) -> PyResult<()> {
        let Some(first) = classes.first() else { return Ok(()) };
        debug_assert_eq!(classes.len(), self.tables.len());
        let (py, mut known, mut bits) = (first.py(), Vec::new(), ALL | OTHERS);
        for (class, table) in classes.iter().zip(self.tables) {
            for (hook, name) in table.iter().filter(|(hook, _)| are_there(*hook)) {
                let (original, bit) = (class.getattr(*name)?, hook.bits());
                debug_assert!(bit.is_power_of_two() && bits & bit == 0, "{name} shares its bit");
                bits |= bit;
                let can_be_hidden = !original.hasattr("__set__")?;
                known.push(Original { bit, name, object: original.into(), can_be_hidden });
            }
        }
        // The first classes stay: the module is imported once.
        let _ = self.known.set(py, known);
        Ok(())
    }

    /// What of them the object has still.
    #[inline(always)]
    pub(crate) fn intact<T>(&self, object: &Bound<'_, T>, own: &Own) -> Intact<H> {
        let version = class_version(object.as_any());
        let entry = self.classes[version as usize % REMEMBERED].load(Ordering::Relaxed);
        let of_class = if version != 0 && (entry >> 32) as u32 == version {
            Intact(entry as u32, PhantomData)
        } else {
            self.look_up(object.as_any())
        };
        of_class.without(own)
    }

    #[cold]
    fn look_up(&self, object: &Bound<'_, PyAny>) -> Intact<H> {
        let py = object.py();
        let class = object.get_type();
        let mut intact = ALL | OTHERS;
        for known in self.known(py) {
            // A subclass may have what cannot be had from the class: that is replaced too.
            let same = class.getattr(known.name).is_ok_and(|found| found.as_ptr() == known.object.as_ptr());
            intact = if same { intact | known.bit } else { intact & !ALL };
        }
        // Of what was looked up just now: to look up gives a class that has none a version.
        let version = class_version(object);
        let entry = u64::from(version) << 32 | u64::from(intact);
        self.classes[version as usize % REMEMBERED].store(entry, Ordering::Relaxed);
        Intact(intact, PhantomData)
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
        own.set_bits(self.hidden_by(name), value.is_some());
        Ok(())
    }

    /// The bits of the hooks that an attribute of this name comes before.
    fn hidden_by(&self, name: &Bound<'_, PyAny>) -> u32 {
        let Some(text) = name.cast::<PyString>().ok().and_then(|name| name.to_str().ok()) else {
            return 0;
        };
        let hidden = self.known(name.py()).iter().filter(|known| known.can_be_hidden && known.name == text);
        hidden.map(|known| known.bit).sum()
    }

    fn known(&self, py: Python<'_>) -> &[Original] {
        // They are there before any instance is.
        self.known.get(py).map_or(&[], Vec::as_slice)
    }
}
