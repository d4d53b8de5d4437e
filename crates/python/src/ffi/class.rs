//! Native classes that are real subclasses of asyncio's Python classes.
//!
//! An instance is the base's C struct, then two words if the class is open (instance dictionary and weak
//! references) or one for weak references alone, then a Rust value: the payload. The class overrides the names
//! of the base's own slots, so these stay empty, unless the payload begins there ([`Native::IN_BASE`]).

use std::ffi::{CStr, c_int, c_void};
use std::mem::{align_of, size_of};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyTuple, PyType};

use super::memory::{BEFORE, Pool, allocate, release, whole_words};
use super::place::are_places;
use super::{Clear, Instance, Object, Traverse};

/// The payload of a native class.
pub(crate) trait Native: Traverse + Clear + Send + Sync + Sized + 'static {
    /// The class, with its module.
    const NAME: &'static CStr;
    /// Empty where instances have a `__doc__` of their own.
    const DOC: &'static CStr;
    /// Whether instances take attributes of their own and weak references. (Where the base does already: no.)
    const OPEN: bool;
    /// Whether instances take weak references, though no attributes.
    const WEAK: bool = false;
    /// So many bytes of the payload are places that lie where the base has its `__slots__`, if that has just as
    /// many ([`place`](super::place)); else the whole payload lies behind. Of a class that is not open.
    const IN_BASE: usize = 0;
    /// Whether instances come from the garbage collector's allocator, which counts them, and are known to it
    /// from the beginning.
    const TRACKED: bool;
    /// Whether `finalize` does anything.
    const FINALIZES: bool;
    /// Whether instances can be called: the payload begins with the function to do it.
    const CALLABLE: bool = false;
    /// Whether one that stands in a class is called with the instance first, as a function is. Nobody changes such a
    /// class.
    const METHOD: bool = false;

    fn class() -> &'static Class;

    /// Whether the collector walks this instance from the beginning. One that it does not know must be
    /// reached through its owner's `traverse` and drop its references when its work is done, or be tracked
    /// before it leads to what may lead back.
    fn begins_tracked(&mut self) -> bool {
        Self::TRACKED
    }

    /// Whether there is something to say at all.
    fn needs_finalizer(&self) -> bool {
        true
    }

    /// The last words of an instance that nobody closed.
    fn finalize(_instance: &Instance<Self>, _py: Python<'_>) {}

    /// Where the memory of dead instances may wait for the next one.
    fn pool(&self) -> Option<&Pool> {
        None
    }

    /// Who owns that pool, if it is one that the payload owns.
    fn keeper(&self, _py: Python<'_>) -> Option<Object> {
        None
    }
}

/// The type object of a native class and where its payloads lie. Set once, when the module is imported.
pub(crate) struct Class {
    kind: AtomicPtr<ffi::PyTypeObject>,
    payload: AtomicUsize,
}

#[repr(C)]
struct Extras {
    dict: *mut ffi::PyObject,
    weak: *mut ffi::PyObject,
}

impl Class {
    pub(crate) const fn new() -> Self {
        Self { kind: AtomicPtr::new(ptr::null_mut()), payload: AtomicUsize::new(0) }
    }

    /// Makes the type, below `bases`, and adds it to the module. All bases but the first have no fields of
    /// their own.
    pub(crate) fn create<T: Native>(
        &self,
        module: &Bound<'_, PyModule>,
        bases: &[&Bound<'_, PyType>],
        methods: &[ffi::PyMethodDef],
        getters: &[ffi::PyGetSetDef],
        more: &[ffi::PyType_Slot],
    ) -> PyResult<()> {
        // SAFETY: a live type; its size was settled when it was made.
        let base_size = unsafe { (*bases[0].as_type_ptr()).tp_basicsize } as usize;
        let in_base = T::IN_BASE > 0 && are_places(bases[0], T::IN_BASE)?;
        let bases = PyTuple::new(module.py(), bases)?;
        let extras = base_size.next_multiple_of(align_of::<Extras>());
        let extras_size = match (T::OPEN, T::WEAK) {
            (true, _) => size_of::<Extras>(),
            (false, weak) => usize::from(weak) * size_of::<usize>(),
        };
        let behind = (extras + extras_size).next_multiple_of(align_of::<T>());
        let payload = if in_base { size_of::<ffi::PyObject>() } else { behind };
        let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
        let mut slots = vec![
            slot(ffi::Py_tp_dealloc, dealloc::<T> as *mut c_void),
            slot(ffi::Py_tp_traverse, traverse::<T> as *mut c_void),
            slot(ffi::Py_tp_clear, clear::<T> as *mut c_void),
            slot(ffi::Py_tp_methods, leak(methods, ffi::PyMethodDef::zeroed()).cast()),
            slot(ffi::Py_tp_getset, leak(getters, NO_GETTER).cast()),
        ];
        if !T::DOC.is_empty() {
            slots.push(slot(ffi::Py_tp_doc, T::DOC.as_ptr().cast_mut().cast()));
        }
        let member = |name: &'static CStr, offset: usize| ffi::PyMemberDef {
            name: name.as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: offset as ffi::Py_ssize_t,
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        };
        let mut members = Vec::new();
        if T::OPEN {
            members.push(member(c"__dictoffset__", extras));
        }
        if extras_size > 0 {
            // The last word.
            members.push(member(c"__weaklistoffset__", extras + extras_size - size_of::<usize>()));
        }
        if T::CALLABLE {
            members.push(member(c"__vectorcalloffset__", payload));
        }
        slots.push(slot(ffi::Py_tp_members, leak(&members, NO_MEMBER).cast()));
        if T::FINALIZES {
            slots.push(slot(ffi::Py_tp_finalize, finalize::<T> as *mut c_void));
        }
        slots.extend_from_slice(more);
        slots.push(slot(0, ptr::null_mut()));
        let flags =
            ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
        let flags = if T::CALLABLE { flags | ffi::Py_TPFLAGS_HAVE_VECTORCALL } else { flags };
        // The interpreter remembers where it found a method only if the method's class cannot change.
        let method = ffi::Py_TPFLAGS_METHOD_DESCRIPTOR | ffi::Py_TPFLAGS_IMMUTABLETYPE;
        let flags = if T::METHOD { flags | method } else { flags };
        let mut spec = ffi::PyType_Spec {
            name: T::NAME.as_ptr(),
            basicsize: whole_words(payload + size_of::<T>()) as c_int,
            itemsize: 0,
            flags: flags as u32,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: the spec and its slots are valid for the call; what they point to lives for ever (`leak`,
        // statics).
        let kind = unsafe {
            let made = ffi::PyType_FromModuleAndSpec(module.as_ptr(), &raw mut spec, bases.as_ptr());
            Object::from_result(module.py(), made)?
        };
        let name = kind.bind(module.py()).cast::<PyType>()?.name()?;
        module.add(name, kind.bind(module.py()))?;
        self.payload.store(payload, Ordering::Relaxed);
        // The class outlives every instance: its reference is never given back.
        self.kind.store(kind.into_ptr().cast(), Ordering::Release);
        Ok(())
    }

    /// Makes the type below `object`; no name leads to it.
    pub(crate) fn create_hidden<T: Native>(
        &self,
        py: Python<'_>,
        methods: &[ffi::PyMethodDef],
        getters: &[ffi::PyGetSetDef],
        more: &[ffi::PyType_Slot],
    ) -> PyResult<()> {
        let hidden = PyModule::new(py, "ironloop._ironloop")?;
        let object = py.import("builtins")?.getattr("object")?.cast_into()?;
        self.create::<T>(&hidden, &[&object], methods, getters, more)
    }

    pub(super) fn kind(&self) -> *mut ffi::PyTypeObject {
        self.kind.load(Ordering::Relaxed)
    }

    /// The payload of an instance.
    pub(super) fn payload<T: Native>(&self, instance: *mut ffi::PyObject) -> *mut T {
        // In range: every instance is as large as `create` has said.
        instance.cast::<u8>().wrapping_add(self.payload.load(Ordering::Relaxed)).cast()
    }

    fn extras(&self, instance: *mut ffi::PyObject) -> *mut Extras {
        let payload = self.payload.load(Ordering::Relaxed);
        instance
            .cast::<u8>()
            .wrapping_add((payload - size_of::<Extras>()) & !(align_of::<Extras>() - 1))
            .cast()
    }

    pub(super) fn has_attributes<T: Native>(&self, instance: *mut ffi::PyObject) -> bool {
        // SAFETY: an instance of the class; the extras are there if it is open.
        T::OPEN && unsafe { !(*self.extras(instance)).dict.is_null() }
    }

    /// A new instance around `payload`.
    #[inline]
    pub(crate) fn instantiate<T: Native>(&self, py: Python<'_>, payload: T) -> PyResult<Instance<T>> {
        let recycled = payload.pool().and_then(Pool::take);
        self.instantiate_at(py, recycled, || payload)
    }

    /// A new instance around what `make` makes, where it is. Its memory may come from the pool that the
    /// payload will name.
    #[inline(always)]
    pub(crate) fn instantiate_in<T: Native>(
        &self,
        py: Python<'_>,
        pool: Option<&Pool>,
        make: impl FnOnce() -> T,
    ) -> PyResult<Instance<T>> {
        self.instantiate_at(py, pool.and_then(Pool::take), make)
    }

    #[inline(always)]
    fn instantiate_at<T: Native>(
        &self,
        py: Python<'_>,
        recycled: Option<NonNull<ffi::PyObject>>,
        make: impl FnOnce() -> T,
    ) -> PyResult<Instance<T>> {
        let kind = self.kind();
        // SAFETY: fresh memory is sized for the class and zeroed behind the header, recycled memory was an
        // instance of the class: its slots are empty, or the payload is about to fill them. The payload is in place before the collector can see
        // the instance: `make` may make none, and leaves it in memory that nobody knows if it panics.
        unsafe {
            let memory = match recycled {
                Some(memory) => {
                    let memory = memory.as_ptr();
                    // The collector remembers there whom it has finalized.
                    ptr::write_bytes(memory.cast::<u8>().sub(BEFORE), 0, BEFORE);
                    ffi::PyObject_Init(memory, kind)
                }
                None => allocate(py, kind, T::TRACKED)?,
            };
            let place = self.payload::<T>(memory);
            place.write(make());
            if (*place).begins_tracked() {
                ffi::PyObject_GC_Track(memory.cast());
            }
            Ok(Instance::from_object(Object::from_owned(py, memory)))
        }
    }
}

/// The class of one kind of object, and the memory of its dead instances.
pub(crate) struct ClassKind {
    class: Class,
    pool: Pool,
}

impl ClassKind {
    pub(crate) const fn new() -> Self {
        Self { class: Class::new(), pool: Pool::new() }
    }

    pub(super) fn class(&self) -> &Class {
        &self.class
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}

/// # Safety
/// A live instance.
unsafe fn has_weak_references(instance: *mut ffi::PyObject) -> bool {
    // SAFETY: the deallocators that call this have the instance alone. Where its class has a place for weak
    // references, it is so far from its beginning.
    unsafe {
        let offset = (*ffi::Py_TYPE(instance)).tp_weaklistoffset;
        offset != 0 && !instance.cast::<u8>().offset(offset).cast::<*mut ffi::PyObject>().read().is_null()
    }
}

/// Calls the finalizer of an instance that nobody refers to. False if that has brought it back to life.
///
/// # Safety
/// Called by the deallocator of a collected class, on an attached thread, before it has taken anything from
/// the instance.
pub(super) unsafe fn say_last_words(instance: *mut ffi::PyObject) -> bool {
    // SAFETY: the deallocators that call this have the instance alone, and whole. Who may live on must be
    // known to the collector: it is a condition of the call.
    unsafe {
        if ffi::PyObject_GC_IsTracked(instance) == 0 {
            ffi::PyObject_GC_Track(instance.cast());
        }
        ffi::PyObject_CallFinalizerFromDealloc(instance) == 0
    }
}

unsafe extern "C" fn dealloc<T: Native>(instance: *mut ffi::PyObject) {
    let class = T::class();
    // SAFETY: called by the interpreter on an attached thread, once, with an instance that nobody refers to
    // any more.
    unsafe {
        let kind = ffi::Py_TYPE(instance);
        let has_last_words = T::FINALIZES && (*class.payload::<T>(instance)).needs_finalizer();
        if has_last_words && !say_last_words(instance) {
            return;
        }
        ffi::PyObject_GC_UnTrack(instance.cast());
        if has_weak_references(instance) {
            ffi::PyObject_ClearWeakRefs(instance);
        }
        if T::OPEN {
            let dict = &raw mut (*class.extras(instance)).dict;
            ffi::Py_XDECREF(dict.replace(ptr::null_mut()));
        }
        // Dropped where it is, and not taken out before: to copy what was just written costs more than to
        // write it. The pool is kept by somebody else meanwhile.
        let payload = class.payload::<T>(instance);
        let keeper = (*payload).keeper(Python::assume_attached());
        let pool = (*payload).pool().map(ptr::from_ref);
        payload.drop_in_place();
        if !pool.is_some_and(|pool| (*pool).put(instance)) {
            release(instance, T::TRACKED);
        }
        ffi::Py_DECREF(kind.cast());
        drop(keeper);
    }
}

unsafe extern "C" fn finalize<T: Native>(instance: *mut ffi::PyObject) {
    // SAFETY: called by the interpreter on an attached thread with a live instance. An exception in flight is
    // kept.
    unsafe {
        let py = Python::assume_attached();
        let pending = PyErr::take(py);
        Instance::<T>::borrowed(&instance, |instance| T::finalize(instance, py));
        if let Some(error) = pending {
            error.restore(py);
        }
    }
}

unsafe extern "C" fn traverse<T: Native>(
    instance: *mut ffi::PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    let class = T::class();
    // SAFETY: called by the collector with a tracked instance, whose payload is in place.
    unsafe {
        let kind = visit(ffi::Py_TYPE(instance).cast(), argument);
        if kind != 0 {
            return kind;
        }
        if T::OPEN {
            let dict = (*class.extras(instance)).dict;
            if !dict.is_null() {
                let result = visit(dict, argument);
                if result != 0 {
                    return result;
                }
            }
        }
        super::visit::traverse(&*class.payload::<T>(instance), visit, argument)
    }
}

unsafe extern "C" fn clear<T: Native>(instance: *mut ffi::PyObject) -> c_int {
    let class = T::class();
    // SAFETY: called by the collector on an attached thread with a live instance.
    unsafe {
        if T::OPEN {
            let dict = &raw mut (*class.extras(instance)).dict;
            ffi::Py_XDECREF(dict.replace(ptr::null_mut()));
        }
        (*class.payload::<T>(instance)).clear(Python::assume_attached());
    }
    0
}

pub(super) const NO_GETTER: ffi::PyGetSetDef =
    ffi::PyGetSetDef { name: ptr::null(), get: None, set: None, doc: ptr::null(), closure: ptr::null_mut() };

const NO_MEMBER: ffi::PyMemberDef =
    ffi::PyMemberDef { name: ptr::null(), type_code: 0, offset: 0, flags: 0, doc: ptr::null() };

/// A table with its end mark that lives as long as the class: for ever.
pub(super) fn leak<T: Copy>(table: &[T], end: T) -> *mut T {
    let mut table = table.to_vec();
    table.push(end);
    Box::leak(table.into_boxed_slice()).as_mut_ptr()
}
