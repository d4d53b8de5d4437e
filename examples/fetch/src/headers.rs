//! A reply's headers, as Python reads them; and those of a request, as Python writes them.

use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyMapping};

/// Names in whatever case; of a name that comes several times the values are joined by commas.
#[pyclass(frozen, mapping, module = "fetch")]
pub struct Headers(pub Arc<HeaderMap>);

#[pymethods]
impl Headers {
    fn __getitem__(&self, name: &str) -> PyResult<String> {
        self.get(name).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    #[pyo3(signature = (name, default=None, /))]
    #[pyo3(name = "get")]
    fn get_or(&self, name: &str, default: Option<String>) -> Option<String> {
        self.get(name).or(default)
    }

    fn __contains__(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn __len__(&self) -> usize {
        self.0.keys_len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        PyList::new(py, self.keys())?.into_any().try_iter().map(Bound::into_any)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }

    /// Each header by itself, in the order in which they came.
    fn items(&self) -> Vec<(&str, String)> {
        self.0.iter().map(|(name, value)| (name.as_str(), text(value))).collect()
    }

    /// All values of a name.
    fn get_all(&self, name: &str) -> Vec<String> {
        self.0.get_all(name).iter().map(text).collect()
    }

    fn __repr__(&self) -> String {
        format!("Headers({:?})", self.items())
    }
}

impl Headers {
    fn get(&self, name: &str) -> Option<String> {
        let values = self.get_all(name);
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// Bytes that are no UTF-8 are what ISO 8859-1 makes of them.
pub fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

/// Puts what Python says, a mapping or pairs, in the place of what is there.
pub fn set(headers: &mut HeaderMap, given: &Bound<'_, PyAny>) -> PyResult<()> {
    let pairs = match given.cast::<PyMapping>() {
        Ok(mapping) => mapping.items()?.into_any(),
        Err(_) => given.clone(),
    };
    let mut before = HeaderMap::new();
    for pair in pairs.try_iter()? {
        let (name, value): (String, String) = pair?.extract()?;
        let bad = || PyValueError::new_err(format!("not a header: {name}: {value}"));
        let value = HeaderValue::from_str(&value).map_err(|_| bad())?;
        before.append(HeaderName::try_from(&name).map_err(|_| bad())?, value);
    }
    for name in before.keys() {
        headers.remove(name);
    }
    for (name, value) in &before {
        headers.append(name, value.clone());
    }
    Ok(())
}
