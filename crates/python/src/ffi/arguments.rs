//! The arguments of a call as the interpreter hands them over.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use crate::ffi::intern::intern;
use pyo3::Borrowed;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::Object;

/// An argument, borrowed from the caller for the time of the call.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Arg<'a>(NonNull<ffi::PyObject>, PhantomData<&'a Object>);

impl<'a> Arg<'a> {
    pub(crate) fn of<T>(object: &'a Bound<'_, T>) -> Self {
        // SAFETY: an object is never null.
        Self(unsafe { NonNull::new_unchecked(object.as_ptr()) }, PhantomData)
    }

    pub(crate) fn as_ptr(self) -> *mut ffi::PyObject {
        self.0.as_ptr()
    }

    pub(crate) fn bind<'py>(self, py: Python<'py>) -> Borrowed<'a, 'py, PyAny> {
        // SAFETY: the interpreter keeps the arguments of a call for as long as it lasts (`Arguments::new`),
        // or `of` has borrowed a `Bound` for 'a.
        unsafe { Borrowed::from_ptr(py, self.0.as_ptr()) }
    }

    pub(crate) fn to_object(self, py: Python<'_>) -> Object {
        Object::from(&*self.bind(py))
    }

    pub(crate) fn is_none(self) -> bool {
        // SAFETY: None is immortal, only its address is compared.
        self.0.as_ptr() == unsafe { ffi::Py_None() }
    }
}

/// Positional arguments, then the values of the keywords that `names` lists.
#[derive(Clone, Copy)]
pub(crate) struct Arguments<'a> {
    values: &'a [Arg<'a>],
    positional: usize,
    names: Option<Arg<'a>>,
}

impl<'a> Arguments<'a> {
    /// # Safety
    /// The arguments of a `METH_FASTCALL | METH_KEYWORDS` call, for as long as it lasts.
    pub(crate) unsafe fn new(
        values: *const *mut ffi::PyObject,
        positional: ffi::Py_ssize_t,
        names: *mut ffi::PyObject,
    ) -> Self {
        let positional = positional as usize;
        // SAFETY: null or a tuple.
        let keywords = if names.is_null() { 0 } else { unsafe { ffi::PyTuple_GET_SIZE(names) as usize } };
        let values = if positional + keywords == 0 {
            &[]
        } else {
            // SAFETY: that many live objects; `Arg` has the layout of a pointer that is not null.
            unsafe { slice::from_raw_parts(values.cast::<Arg<'a>>(), positional + keywords) }
        };
        Self { values, positional, names: NonNull::new(names).map(|names| Arg(names, PhantomData)) }
    }

    pub(crate) fn positional(&self) -> &'a [Arg<'a>] {
        &self.values[..self.positional]
    }

    /// The values as they came, and the tuple of keyword names, for passing the call on.
    pub(crate) fn raw_parts(&self) -> (&'a [Arg<'a>], usize, Option<Arg<'a>>) {
        (self.values, self.positional, self.names)
    }

    /// The instance that a method was called on, which Python passes first, and the arguments behind it.
    pub(crate) fn split_receiver(&self) -> PyResult<(Arg<'a>, Self)> {
        let receiver = (self.positional > 0).then(|| self.values[0]);
        let receiver = receiver.ok_or_else(|| PyTypeError::new_err("a method needs an instance"))?;
        Ok((receiver, Self { values: &self.values[1..], positional: self.positional - 1, names: self.names }))
    }

    /// The instance, for a method without arguments.
    pub(crate) fn only_receiver(&self, py: Python<'_>, function: &str) -> PyResult<Arg<'a>> {
        let (receiver, rest) = self.split_receiver()?;
        let [] = rest.exactly(py, function, [])?;
        Ok(receiver)
    }

    /// The same call of another function.
    pub(crate) fn pass_on(&self, py: Python<'_>, function: &Object) -> PyResult<Object> {
        let names = self.names.map_or(std::ptr::null_mut(), Arg::as_ptr);
        // SAFETY: the arguments of a call, which are as live as they were; the result is new, or an error is
        // set.
        unsafe {
            let values = self.values.as_ptr().cast();
            let result = ffi::PyObject_Vectorcall(function.as_ptr(), values, self.positional, names);
            Object::from_result(py, result)
        }
    }

    /// The keywords, in the order in which they were given.
    fn keywords<'py>(
        &self,
        py: Python<'py>,
    ) -> impl Iterator<Item = (Bound<'py, PyAny>, Arg<'a>)> + use<'a, 'py> {
        let names = self.names.map(|names| names.bind(py).to_owned());
        self.values[self.positional..].iter().enumerate().filter_map(move |(index, value)| {
            let name = names.as_ref()?.cast::<PyTuple>().ok()?.get_item(index).ok()?;
            Some((name, *value))
        })
    }

    /// Sorts the arguments of `def function(first, second, *rest, context=None)`, where `names` are those
    /// before `*rest`.
    ///
    /// Raises what Python itself raises: a missing, doubled or unknown argument is a `TypeError`.
    #[inline(always)]
    pub(crate) fn sort<const N: usize>(
        &self,
        py: Python<'_>,
        function: &str,
        names: [&str; N],
    ) -> PyResult<Sorted<'a, N>> {
        let given = self.positional();
        if let Some((first, rest)) = given.split_first_chunk::<N>() {
            if let Some(context) = self.only_keyword(intern!(py, "context")) {
                return Ok(Sorted { first: *first, rest, context });
            }
        }
        self.sort_keywords(py, function, names)
    }

    /// `Some(None)` without keywords, `Some(value)` where the only keyword has this (interned) name.
    #[inline]
    pub(crate) fn only_keyword(&self, name: &Bound<'_, PyString>) -> Option<Option<Arg<'a>>> {
        let Some(names) = self.names else {
            return Some(None);
        };
        let [value] = self.values[self.positional..] else {
            return None;
        };
        // SAFETY: a tuple with as many entries as there are values behind the positional ones, here one.
        let only = unsafe { ffi::PyTuple_GET_ITEM(names.as_ptr(), 0) };
        (only == name.as_ptr()).then_some(Some(value))
    }

    #[cold]
    fn sort_keywords<const N: usize>(
        &self,
        py: Python<'_>,
        function: &str,
        names: [&str; N],
    ) -> PyResult<Sorted<'a, N>> {
        let mut first = [None; N];
        let mut context = [None; 1];
        let given = self.positional();
        for (place, value) in first.iter_mut().zip(given) {
            *place = Some(*value);
        }
        for (name, value) in self.keywords(py) {
            let name = name.to_string();
            if !place(&mut first, &names, &name, value, function)?
                && !place(&mut context, &["context"], &name, value, function)?
            {
                return Err(unexpected(function, &name));
            }
        }
        Ok(Sorted {
            first: complete(first, &names, function)?,
            rest: given.get(N..).unwrap_or(&[]),
            context: context[0],
        })
    }

    /// The arguments of `def function(a, b, c=None)`: `required` of the names must be given.
    pub(crate) fn bind<const N: usize>(
        &self,
        py: Python<'_>,
        function: &str,
        names: [&str; N],
        required: usize,
    ) -> PyResult<[Option<Arg<'a>>; N]> {
        let given = self.positional();
        let mut values = [None; N];
        for (place, value) in values.iter_mut().zip(given) {
            *place = Some(*value);
        }
        if self.names.is_some() {
            for (name, value) in self.keywords(py) {
                let name = name.to_string();
                if !place(&mut values, &names, &name, value, function)? {
                    return Err(unexpected(function, &name));
                }
            }
        }
        if given.len() > N {
            return Err(too_many(function, required, N, given.len()));
        }
        match values[..required].iter().position(Option::is_none) {
            Some(_) => Err(missing(&values[..required], &names, function)),
            None => Ok(values),
        }
    }

    /// The arguments of `def function(a, b, /)`; nothing if they are others.
    pub(crate) fn only_positional<const N: usize>(&self) -> Option<[Arg<'a>; N]> {
        if self.names.is_some() { None } else { self.values.try_into().ok() }
    }

    /// The arguments of `def function(a, b)`.
    pub(crate) fn exactly<const N: usize>(
        &self,
        py: Python<'_>,
        function: &str,
        names: [&str; N],
    ) -> PyResult<[Arg<'a>; N]> {
        if let Some(values) = self.only_positional() {
            return Ok(values);
        }
        complete(self.bind(py, function, names, N)?, &names, function)
    }
}

/// Puts a keyword's value where its name stands. False if it stands nowhere.
fn place<'a>(
    values: &mut [Option<Arg<'a>>],
    names: &[&str],
    name: &str,
    value: Arg<'a>,
    function: &str,
) -> PyResult<bool> {
    let Some(index) = names.iter().position(|known| *known == name) else {
        return Ok(false);
    };
    if values[index].replace(value).is_some() {
        return Err(PyTypeError::new_err(format!("{function}() got multiple values for argument '{name}'")));
    }
    Ok(true)
}

fn complete<'a, const N: usize>(
    values: [Option<Arg<'a>>; N],
    names: &[&str],
    function: &str,
) -> PyResult<[Arg<'a>; N]> {
    let mut found = [Arg(NonNull::dangling(), PhantomData); N];
    for (place, value) in found.iter_mut().zip(values) {
        *place = value.ok_or_else(|| missing(&values, names, function))?;
    }
    Ok(found)
}

/// In Python's words, which count the instance of a method.
fn too_many(function: &str, required: usize, most: usize, given: usize) -> PyErr {
    let instance = usize::from(function.contains('.'));
    let (required, most, given) = (required + instance, most + instance, given + instance);
    let takes = if required < most { format!("from {required} to {most}") } else { most.to_string() };
    let (plural, were) = (if most == 1 { "" } else { "s" }, if given == 1 { "was" } else { "were" });
    PyTypeError::new_err(format!(
        "{function}() takes {takes} positional argument{plural} but {given} {were} given"
    ))
}

fn missing(values: &[Option<Arg<'_>>], names: &[&str], function: &str) -> PyErr {
    let absent = names.iter().zip(values).filter(|(_, value)| value.is_none());
    let list: Vec<_> = absent.map(|(name, _)| format!("'{name}'")).collect();
    let (count, plural) = (list.len(), if list.len() == 1 { "" } else { "s" });
    let list = match list.as_slice() {
        [all @ .., last] if all.len() > 1 => format!("{}, and {last}", all.join(", ")),
        _ => list.join(" and "),
    };
    PyTypeError::new_err(format!("{function}() missing {count} required positional argument{plural}: {list}"))
}

fn unexpected(function: &str, name: &str) -> PyErr {
    PyTypeError::new_err(format!("{function}() got an unexpected keyword argument '{name}'"))
}

/// What [`Arguments::sort`] has found.
pub(crate) struct Sorted<'a, const N: usize> {
    pub(crate) first: [Arg<'a>; N],
    pub(crate) rest: &'a [Arg<'a>],
    pub(crate) context: Option<Arg<'a>>,
}

/// A tuple of arguments.
pub(crate) fn tuple(py: Python<'_>, arguments: &[Arg<'_>]) -> PyResult<Object> {
    PyTuple::new(py, arguments.iter().map(|argument| argument.bind(py))).map(Object::from)
}
