//! Native subclasses of asyncio's C classes that keep their state where the base does.
//!
//! An instance is the base's C struct ([`super::fields`]), then a payload. The base's own traversal, clearing
//! and most of its methods serve it. Python classes may derive from these again; their instances are common
//! collected objects.
//!
//! Ours begin unknown to the garbage collector, and come from the C library's allocator: it neither counts
//! nor walks them. Whoever gives one a reference that may lead back to it tells the collector of it
//! ([`track`]).

use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use super::class::{NO_GETTER, leak, say_last_words};
use super::memory::{BEFORE, Pool, allocate, release, whole_words};
use super::method::Receiver;
use super::{Clear, Object, Traverse, Visit, Visited};

/// What stands behind the base's struct.
pub(crate) trait Derived: Traverse + Clear + Sized + 'static {
    const NAME: &'static CStr;
    const DOC: &'static CStr;
    /// The base's struct.
    type Fields;

    fn class() -> &'static DerivedClass;

    /// Makes a new instance of what is zeroed so far.
    fn begin(fields: &Self::Fields) -> Self;

    /// Whether the base's last words are needed: of an error nobody asked for, of a task that is pending
    /// still.
    fn has_last_words(fields: &Self::Fields) -> bool;

    /// The instance is about to go: by its deallocator, or with other garbage, before anybody's code has
    /// found it there.
    fn end(&self, fields: &Self::Fields);
}

/// A strong reference to an instance of `T`'s class, exactly if not said otherwise; dereferences to the
/// base's struct.
#[repr(transparent)]
pub(crate) struct Own<T>(Object, PhantomData<fn() -> T>);

impl<T: Derived> Own<T> {
    pub(crate) fn of(object: &Object) -> Option<&Self> {
        // SAFETY: `Own` is an `Object`, and this one is of the class.
        T::class().is_exactly(object.as_ptr()).then(|| unsafe { &*ptr::from_ref(object).cast() })
    }

    /// The same for an instance of a class below it, too.
    pub(crate) fn of_any(object: &Object) -> Option<&Self> {
        // SAFETY: a live object; an instance of a class below begins as one of the class does.
        Self::of(object).or_else(|| unsafe {
            let below = ffi::PyObject_TypeCheck(object.as_ptr(), T::class().kind()) != 0;
            below.then(|| &*ptr::from_ref(object).cast())
        })
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self(self.0.clone_ref(py), PhantomData)
    }

    pub(crate) fn object(&self) -> &Object {
        &self.0
    }

    pub(crate) fn into_object(self) -> Object {
        self.0
    }

    pub(crate) fn payload(&self) -> &T {
        // SAFETY: in place from the instance's beginning to its end.
        unsafe { &*payload::<T>(self.0.as_ptr()) }
    }
}

impl<T> Traverse for Own<T> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.0.traverse(visit)
    }
}

/// Of the class, and of those below it.
impl<T: Derived> Receiver for Own<T> {
    type Lent<'a> = &'a Self;

    #[inline(always)]
    unsafe fn lend<R>(py: Python<'_>, instance: *mut ffi::PyObject, body: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: called by `ffi::method` for the interpreter, which has checked the class and keeps the
        // instance: its reference is not given back.
        let object = unsafe { Object::from_owned(py, instance) };
        body(&ManuallyDrop::new(Self(object, PhantomData)))
    }
}

impl<T: Derived> Deref for Own<T> {
    type Target = T::Fields;

    fn deref(&self) -> &T::Fields {
        // SAFETY: the class is below the one whose struct this is.
        unsafe { &*self.0.as_ptr().cast() }
    }
}

/// Where in an instance the payload begins: `create` has compared it with the base that is there.
pub(crate) const fn payload_of<T: Derived>() -> usize {
    size_of::<T::Fields>().next_multiple_of(align_of::<T>())
}

/// The payload of an instance.
fn payload<T: Derived>(instance: *mut ffi::PyObject) -> *mut T {
    instance.cast::<u8>().wrapping_add(payload_of::<T>()).cast()
}

/// From Python 3.14 on an instance carries room for about thirty attributes behind the payload, which
/// `allocate` does not know of, and which hardly any future ever needs. Without this flag
/// (`Py_TPFLAGS_INLINE_VALUES`) it has a dictionary when it needs one.
///
/// # Safety
/// The type is new: there is no instance of it yet.
#[cfg(Py_3_14)]
unsafe fn keep_attributes_apart(kind: *mut ffi::PyTypeObject) {
    const INLINE_VALUES: std::ffi::c_ulong = 1 << 2;
    // SAFETY: `create` has just made the type, and `new` is about to make the first instance of a class below
    // it.
    unsafe { (*kind).tp_flags &= !INLINE_VALUES };
}

pub(crate) struct DerivedClass {
    kind: AtomicPtr<ffi::PyTypeObject>,
    base: AtomicPtr<ffi::PyTypeObject>,
    pool: Pool,
}

impl DerivedClass {
    pub(crate) const fn new() -> Self {
        Self {
            kind: AtomicPtr::new(ptr::null_mut()),
            base: AtomicPtr::new(ptr::null_mut()),
            pool: Pool::new(),
        }
    }

    /// Makes the type below `base` and adds it to the module.
    pub(crate) fn create<T: Derived>(
        &self,
        module: &Bound<'_, PyModule>,
        base: &Bound<'_, PyType>,
        methods: &[ffi::PyMethodDef],
        getters: &[ffi::PyGetSetDef],
        more: &[ffi::PyType_Slot],
    ) -> PyResult<()> {
        // SAFETY: a live type; its size was settled when it was made.
        let base_size = unsafe { (*base.as_type_ptr()).tp_basicsize } as usize;
        if base_size.next_multiple_of(align_of::<T>()) != payload_of::<T>() {
            let text = format!("{} is laid out in another way than this was built for", base.name()?);
            return Err(PyImportError::new_err(text));
        }
        let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
        let mut slots = vec![
            slot(ffi::Py_tp_new, new::<T> as *mut c_void),
            slot(ffi::Py_tp_dealloc, dealloc::<T> as *mut c_void),
            slot(ffi::Py_tp_finalize, finalize::<T> as *mut c_void),
            slot(ffi::Py_tp_traverse, traverse::<T> as *mut c_void),
            slot(ffi::Py_tp_clear, clear::<T> as *mut c_void),
            slot(ffi::Py_tp_setattro, set_attribute as *mut c_void),
            slot(ffi::Py_tp_doc, T::DOC.as_ptr().cast_mut().cast()),
            slot(ffi::Py_tp_methods, leak(methods, ffi::PyMethodDef::zeroed()).cast()),
            slot(ffi::Py_tp_getset, leak(getters, NO_GETTER).cast()),
        ];
        slots.extend_from_slice(more);
        slots.push(slot(0, ptr::null_mut()));
        let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC | ffi::Py_TPFLAGS_BASETYPE;
        let mut spec = ffi::PyType_Spec {
            name: T::NAME.as_ptr(),
            basicsize: whole_words(payload_of::<T>() + size_of::<T>()) as c_int,
            itemsize: 0,
            flags: flags as u32,
            slots: slots.as_mut_ptr(),
        };
        let bases = PyTuple::new(module.py(), [base])?;
        // SAFETY: the spec and its slots are valid for the call; what they point to lives for ever (`leak`,
        // statics).
        let kind = unsafe {
            let made = ffi::PyType_FromModuleAndSpec(module.as_ptr(), &raw mut spec, bases.as_ptr());
            Object::from_result(module.py(), made)?
        };
        // SAFETY: a new type, of which there is no instance yet.
        #[cfg(Py_3_14)]
        unsafe {
            keep_attributes_apart(kind.as_ptr().cast());
        }
        let name = kind.bind(module.py()).cast::<PyType>()?.name()?;
        module.add(name, kind.bind(module.py()))?;
        self.base.store(base.as_type_ptr(), Ordering::Relaxed);
        // The class outlives every instance: its reference is never given back.
        self.kind.store(kind.into_ptr().cast(), Ordering::Release);
        Ok(())
    }

    /// Null where this Python's classes are laid out in a way that we do not know.
    pub(crate) fn kind(&self) -> *mut ffi::PyTypeObject {
        self.kind.load(Ordering::Relaxed)
    }

    /// Whether the object is exactly of this class, and of no class below it.
    pub(crate) fn is_exactly(&self, object: *mut ffi::PyObject) -> bool {
        // SAFETY: a live object.
        unsafe { ffi::Py_TYPE(object) == self.kind() }
    }

    fn base(&self) -> *mut ffi::PyTypeObject {
        self.base.load(Ordering::Relaxed)
    }

    /// A new instance, zeroed; the collector does not know it.
    pub(crate) fn instantiate<T: Derived>(&self, py: Python<'_>) -> PyResult<Own<T>> {
        let kind = self.kind();
        // SAFETY: a live type; pooled memory was an exact instance of it, of which nothing is left.
        unsafe {
            let memory = match self.pool.take() {
                Some(memory) => {
                    let memory = memory.as_ptr();
                    let size = const { BEFORE + payload_of::<T>() + size_of::<T>() };
                    ptr::write_bytes(memory.cast::<u8>().sub(BEFORE), 0, size);
                    ffi::PyObject_Init(memory, kind)
                }
                None => allocate(py, kind, false)?,
            };
            payload::<T>(memory).write(T::begin(&*memory.cast()));
            Ok(Own(Object::from_owned(py, memory), PhantomData))
        }
    }
}

/// Tells the garbage collector of an instance, if it does not know it.
pub(crate) fn track(instance: &Object) {
    // SAFETY: a live object of a collected class, with the collector's header in front.
    unsafe {
        if ffi::PyObject_GC_IsTracked(instance.as_ptr()) == 0 {
            ffi::PyObject_GC_Track(instance.as_ptr().cast());
        }
    }
}

/// Whether the collector knows of it.
pub(crate) fn is_tracked(instance: &Object) -> bool {
    // SAFETY: a live object.
    unsafe { ffi::PyObject_GC_IsTracked(instance.as_ptr()) != 0 }
}

/// Whether a reference to the object can be part of a cycle.
pub(crate) fn may_lead_back(object: &Object) -> bool {
    // SAFETY: a live object.
    unsafe { ffi::PyObject_IS_GC(object.as_ptr()) != 0 }
}

unsafe extern "C" fn new<T: Derived>(
    kind: *mut ffi::PyTypeObject,
    _arguments: *mut ffi::PyObject,
    _keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let class = T::class();
    // SAFETY: called by the interpreter on an attached thread, with this class or one below it.
    unsafe {
        let py = Python::assume_attached();
        if kind != class.kind() {
            // A class and its base are to be alike in this. All instances are made here: before the first
            // there is none.
            #[cfg(Py_3_14)]
            keep_attributes_apart(kind);
            let memory = ffi::PyType_GenericAlloc(kind, 0);
            if !memory.is_null() {
                payload::<T>(memory).write(T::begin(&*memory.cast()));
            }
            return memory;
        }
        match class.instantiate::<T>(py) {
            Ok(instance) => {
                track(instance.object());
                instance.into_object().into_ptr()
            }
            Err(error) => {
                error.restore(py);
                ptr::null_mut()
            }
        }
    }
}

unsafe extern "C" fn set_attribute(
    instance: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> c_int {
    // SAFETY: called by the interpreter on an attached thread with a live instance.
    unsafe {
        track(&ManuallyDrop::new(Object::from_owned(Python::assume_attached(), instance)));
        ffi::PyObject_GenericSetAttr(instance, name, value)
    }
}

unsafe extern "C" fn dealloc<T: Derived>(instance: *mut ffi::PyObject) {
    let class = T::class();
    // SAFETY: called by the interpreter on an attached thread, once, with an instance that nobody refers to
    // any more.
    unsafe {
        if T::has_last_words(&*instance.cast()) && !say_last_words(instance) {
            return;
        }
        ffi::PyObject_GC_UnTrack(instance.cast());
        // Before anybody's code runs: who finds it in a list now would bring it back to life.
        (*payload::<T>(instance)).end(&*instance.cast());
        if (*ffi::Py_TYPE(instance)).tp_weaklistoffset != 0 {
            ffi::PyObject_ClearWeakRefs(instance);
        }
        if let Some(clear) = (*class.base()).tp_clear {
            clear(instance);
        }
        payload::<T>(instance).drop_in_place();
        let kind = ffi::Py_TYPE(instance);
        if kind != class.kind() {
            if let Some(free) = (*kind).tp_free {
                free(instance.cast());
            }
        } else if !class.pool.put(instance) {
            release(instance, false);
        }
        ffi::Py_DECREF(kind.cast());
    }
}

/// The base's last words, of an instance that nobody refers to, or only other garbage.
unsafe extern "C" fn finalize<T: Derived>(instance: *mut ffi::PyObject) {
    // SAFETY: called by the interpreter on an attached thread with a live instance.
    unsafe {
        (*payload::<T>(instance)).end(&*instance.cast());
        if let Some(finalize) = (*T::class().base()).tp_finalize {
            finalize(instance);
        }
    }
}

unsafe extern "C" fn traverse<T: Derived>(
    instance: *mut ffi::PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector with a tracked instance.
    unsafe {
        // Until Python 3.11 the base is no heap type, and does not show the collector the instance's class.
        if cfg!(not(Py_3_12)) {
            let result = visit(ffi::Py_TYPE(instance).cast(), argument);
            if result != 0 {
                return result;
            }
        }
        let result = super::visit::traverse(&*payload::<T>(instance), visit, argument);
        if result != 0 {
            return result;
        }
        (*T::class().base()).tp_traverse.map_or(0, |traverse| traverse(instance, visit, argument))
    }
}

unsafe extern "C" fn clear<T: Derived>(instance: *mut ffi::PyObject) -> c_int {
    // SAFETY: called by the collector on an attached thread with a live instance.
    unsafe {
        (*payload::<T>(instance)).clear(Python::assume_attached());
        (*T::class().base()).tp_clear.map_or(0, |clear| clear(instance))
    }
}
