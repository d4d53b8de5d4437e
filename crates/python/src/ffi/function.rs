//! Native functions that stand for functions of asyncio's.
//!
//! Whoever looks at one sees the function that it stands for: its class, name, signature, documentation, and
//! whether it is a coroutine function (`mock.patch("asyncio.sleep")` asks). Called where no loop of ours
//! runs, a function that dispatches is that one. In a class it is a method, and on an instance of another
//! class, where a tool may have put it, again the one it stands for.

use std::ffi::{CStr, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::bound::{self, Bindable, BoundMethod, PyMethod_New};
use super::callable::{Callable, call_slot, called};
use super::class::{ClassKind, NO_GETTER};
use super::code::Code;
use super::method::enter;
use super::{Arguments, Class, Instance, Native, Object, Traverse, Visit, Visited, owned};

/// What a call runs.
pub(crate) enum Body {
    /// On any loop, or on none.
    Anywhere(fn(Python<'_>, Arguments<'_>) -> PyResult<Object>),
    /// Where it can do it: nothing comes back where the function that it stands for has to.
    Sometimes(fn(Python<'_>, Arguments<'_>) -> PyResult<Option<Object>>),
    /// A function of Python code.
    Python(Object),
}

impl Traverse for Body {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            Self::Python(function) => function.traverse(visit),
            Self::Anywhere(_) | Self::Sometimes(_) => Ok(()),
        }
    }
}

#[repr(C)]
pub(crate) struct Function {
    /// First, where the class says that it is.
    vectorcall: ffi::vectorcallfunc,
    body: Body,
    stands_for: Object,
    /// Of the function that it stands for.
    code: Code,
    /// Of a method: the class.
    owner: Option<Object>,
    /// Whether `async with` looks it up, to call it at once.
    is_special: bool,
}

owned!(Function {
    visits: body, stands_for, owner;
    clears nothing;
    ignores: vectorcall, code, is_special;
});

static FUNCTION: Class = Class::new();

impl Native for Function {
    const NAME: &'static CStr = c"ironloop.function";
    // Each has its own.
    const DOC: &'static CStr = c"";
    // Functions can be referred to weakly.
    const OPEN: bool = true;
    const TRACKED: bool = true;
    const FINALIZES: bool = false;
    const CALLABLE: bool = true;
    const METHOD: bool = true;

    fn class() -> &'static Class {
        &FUNCTION
    }
}

/// A method of a class that stands for one of asyncio's; the instance is the first argument.
pub(crate) type Method = fn(Python<'_>, Arguments<'_>) -> PyResult<Object>;

/// Gives a class native methods, each in the place of the one of the same name of the class that it stands
/// for: what the decorators `native_…` do.
pub(crate) fn set_methods(class: &Bound<'_, PyAny>, methods: &[(&str, Method)]) -> PyResult<()> {
    let stock = class.getattr("_stands_for")?;
    methods.iter().try_for_each(|(name, method)| {
        let stands_for = stock.getattr(*name)?.into();
        let owner = Some(class.clone().into());
        let function = Function {
            is_special: matches!(*name, "__aenter__" | "__aexit__"),
            ..Function::begin(class.py(), Body::Anywhere(*method), stands_for, owner)?
        };
        let function = FUNCTION.instantiate(class.py(), function)?;
        class.setattr(*name, function.object().bind(class.py()))
    })
}

impl Function {
    /// Gives a class a native method in the place of its own of the same name, for which it stands.
    pub(crate) fn replace(class: &Bound<'_, PyType>, name: &str, body: Body) -> PyResult<()> {
        let (stands_for, owner) = (class.getattr(name)?.into(), Some(class.clone().into_any().into()));
        let function = Self::begin(class.py(), body, stands_for, owner)?;
        let function = FUNCTION.instantiate(class.py(), function)?;
        class.setattr(name, function.object().bind(class.py()))
    }

    pub(crate) fn make(py: Python<'_>, body: Body, stands_for: Object) -> PyResult<Object> {
        FUNCTION.instantiate(py, Self::begin(py, body, stands_for, None)?).map(Instance::into_object)
    }

    fn begin(py: Python<'_>, body: Body, stands_for: Object, owner: Option<Object>) -> PyResult<Self> {
        let code = Code::of(py, &stands_for)?;
        Ok(Self { vectorcall: called::<Self>, body, stands_for, code, owner, is_special: false })
    }

    /// A method is for instances of its class. A function gives way to a tool that has exchanged the code of
    /// the function that it stands for: the tool wants to see the call.
    fn is_ours(&self, arguments: Arguments<'_>) -> bool {
        let Some(owner) = &self.owner else {
            return self.code.is_run_by(&self.stands_for);
        };
        // SAFETY: live objects; the owner is a class.
        arguments.positional().first().is_some_and(|instance| unsafe {
            ffi::PyObject_TypeCheck(instance.as_ptr(), owner.as_ptr().cast()) != 0
        })
    }

    /// Pickled it is a name of asyncio's: whatever stands there when it is unpickled.
    fn reduce(function: &Bound<'_, PyAny>, stands_for: &Object) -> PyResult<Object> {
        let py = function.py();
        let stands_for = stands_for.bind(py);
        let (module, name) = (stands_for.getattr("__module__")?, stands_for.getattr("__qualname__")?);
        let find = py.import("pkgutil")?.getattr("resolve_name")?;
        let path = (format!("{module}:{name}"),);
        // Where it is what one finds there, the name alone will do, as of any function.
        match find.call1(path.clone()) {
            Ok(found) if found.is(function) => Ok(name.into()),
            _ => Ok((find, path).into_pyobject(py)?.into_any().into()),
        }
    }
}

impl Callable for Function {
    fn call(function: &Instance<Self>, py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
        match &function.body {
            _ if !function.is_ours(arguments) => arguments.pass_on(py, &function.stands_for),
            Body::Anywhere(body) => body(py, arguments),
            Body::Sometimes(body) => match body(py, arguments)? {
                Some(result) => Ok(result),
                None => arguments.pass_on(py, &function.stands_for),
            },
            Body::Python(function) => arguments.pass_on(py, function),
        }
    }
}

impl Bindable for Function {
    fn bound() -> &'static ClassKind {
        static BOUND: ClassKind = ClassKind::new();
        &BOUND
    }
}

/// In a class: bound to the instance.
unsafe extern "C" fn bind(
    function: *mut ffi::PyObject,
    instance: *mut ffi::PyObject,
    _class: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with live objects, or without an instance.
    unsafe {
        if instance.is_null() || instance == ffi::Py_None() {
            return ffi::Py_NewRef(function);
        }
        if (*FUNCTION.payload::<Function>(function)).is_special {
            return BoundMethod::<Function>::make(function, instance);
        }
        PyMethod_New(function, instance)
    }
}

unsafe extern "C" fn attribute(function: *mut ffi::PyObject, name: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class. How it is
    // called, bound and pickled is its own.
    unsafe {
        let stands_for = (*FUNCTION.payload::<Function>(function)).stands_for.as_ptr();
        let text = ManuallyDrop::new(Object::from_owned(Python::assume_attached(), name));
        let py = Python::assume_attached();
        let own = text
            .bind(py)
            .extract::<&str>()
            .is_ok_and(|text| matches!(text, "__reduce__" | "__reduce_ex__" | "__get__" | "__call__"));
        if own {
            return ffi::PyObject_GenericGetAttr(function, name);
        }
        ffi::PyObject_GetAttr(stands_for, name)
    }
}

/// What is set, say its code, is set in the function that it stands for.
unsafe extern "C" fn set_attribute(
    function: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> c_int {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class; without a value
    // the attribute is to go.
    unsafe {
        ffi::PyObject_SetAttr((*FUNCTION.payload::<Function>(function)).stands_for.as_ptr(), name, value)
    }
}

unsafe extern "C" fn repr(function: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class.
    unsafe { ffi::PyObject_Repr((*FUNCTION.payload::<Function>(function)).stands_for.as_ptr()) }
}

/// What asks `object.__getattribute__` for it, as `help` does, and what a class has of the same name anyway.
unsafe extern "C" fn shown(function: *mut ffi::PyObject, name: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class; the name is one
    // of `SHOWN`, by the table of attributes.
    unsafe {
        let stands_for = (*FUNCTION.payload::<Function>(function)).stands_for.as_ptr();
        ffi::PyObject_GetAttrString(stands_for, name.cast())
    }
}

const SHOWN: [&CStr; 8] = [
    c"__annotations__",
    c"__class__",
    c"__code__",
    c"__defaults__",
    c"__doc__",
    c"__kwdefaults__",
    c"__name__",
    c"__qualname__",
];

unsafe extern "C" fn reduce(function: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class.
    unsafe {
        let py = Python::assume_attached();
        let stands_for = &(*FUNCTION.payload::<Function>(function)).stands_for;
        let function = Bound::from_borrowed_ptr(py, function);
        enter(py, || Function::reduce(&function, stands_for).map(Object::into_ptr))
    }
}

/// What a program is given for a function of asyncio's in whose place this one runs.
#[pyfunction]
fn stand_for(py: Python<'_>, function: Bound<'_, PyAny>, stock: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let made = Function::make(py, Body::Python(function.into()), stock.into())?;
    Ok(made.bind(py).clone().unbind())
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(stand_for, module)?)?;
    bound::add_class::<Function>(module.py())?;
    add_class(module.py())
}

fn add_class(py: Python<'_>) -> PyResult<()> {
    let slot = |slot, pfunc| ffi::PyType_Slot { slot, pfunc };
    let reduce = ffi::PyMethodDef {
        ml_name: c"__reduce__".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: reduce },
        ml_flags: ffi::METH_NOARGS,
        ml_doc: ptr::null(),
    };
    let shown = SHOWN.map(|name| ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(shown),
        closure: name.as_ptr().cast_mut().cast(),
        ..NO_GETTER
    });
    FUNCTION.create_hidden::<Function>(
        py,
        &[reduce],
        &shown,
        &[
            call_slot(),
            slot(ffi::Py_tp_descr_get, bind as *mut c_void),
            slot(ffi::Py_tp_getattro, attribute as *mut c_void),
            slot(ffi::Py_tp_setattro, set_attribute as *mut c_void),
            slot(ffi::Py_tp_repr, repr as *mut c_void),
        ],
    )
}
