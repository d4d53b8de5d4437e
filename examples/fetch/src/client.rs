//! A client, as Python sees it: its settings, and a method for each method of HTTP.

use std::sync::Arc;
use std::time::Duration;

use ironloop::Awaitable;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::exchange;
use crate::headers;
use crate::pool::{Pool, Settings};
use crate::request::{Defaults, Request, common_headers, seconds};
use crate::tls;

/// Connections, and what requests have in common. Any loop and any thread may use it.
#[pyclass(frozen, module = "fetch")]
pub struct Client {
    pool: Arc<Pool>,
    defaults: Defaults,
}

/// What goes wrong before anything is sent is raised where the result is awaited, as of an `async def`.
#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (
        *, headers=None, timeout=Some(30.0), connect_timeout=Some(10.0), connections_per_host=20,
        idle_timeout=60.0, max_redirects=10, ca_file=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "by name, in Python")]
    fn new(
        py: Python<'_>,
        headers: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
        connect_timeout: Option<f64>,
        connections_per_host: usize,
        idle_timeout: f64,
        max_redirects: u32,
        ca_file: Option<std::path::PathBuf>,
    ) -> PyResult<Self> {
        if connections_per_host == 0 {
            return Err(PyValueError::new_err("without connections there are no replies"));
        }
        let limit = |given: Option<f64>| seconds(given.into_pyobject(py)?.as_any());
        let settings = Settings {
            per_host: connections_per_host,
            idle: limit(Some(idle_timeout))?.unwrap_or(Duration::ZERO),
            connect: limit(connect_timeout)?,
            tls: ca_file.map(|path| tls::of_file(&path)).transpose()?,
        };
        let mut defaults = Defaults { headers: common_headers(), timeout: limit(timeout)?, max_redirects };
        if let Some(given) = headers {
            headers::set(&mut defaults.headers, given)?;
        }
        Ok(Self { pool: Arc::new(Pool::new(settings)), defaults })
    }

    #[pyo3(signature = (method, url, **options))]
    fn request(&self, method: &str, url: &str, options: Option<&Bound<'_, PyDict>>) -> Awaitable {
        self.ask("Client.request", method, url, options)
    }

    #[pyo3(signature = (url, **options))]
    fn get(&self, url: &str, options: Option<&Bound<'_, PyDict>>) -> Awaitable {
        self.ask("Client.get", "GET", url, options)
    }

    #[pyo3(signature = (url, **options))]
    fn head(&self, url: &str, options: Option<&Bound<'_, PyDict>>) -> Awaitable {
        self.ask("Client.head", "HEAD", url, options)
    }

    #[pyo3(signature = (url, **options))]
    fn post(&self, url: &str, options: Option<&Bound<'_, PyDict>>) -> Awaitable {
        self.ask("Client.post", "POST", url, options)
    }

    #[pyo3(signature = (url, **options))]
    fn put(&self, url: &str, options: Option<&Bound<'_, PyDict>>) -> Awaitable {
        self.ask("Client.put", "PUT", url, options)
    }

    #[pyo3(signature = (url, **options))]
    fn delete(&self, url: &str, options: Option<&Bound<'_, PyDict>>) -> Awaitable {
        self.ask("Client.delete", "DELETE", url, options)
    }

    /// Closes the idle connections; the others when their replies have come.
    fn close(&self) {
        self.pool.close();
    }

    fn __aenter__(slf: Py<Self>) -> Awaitable {
        ironloop::coroutine("Client.__aenter__", async { Ok::<_, PyErr>(slf) })
    }

    fn __aexit__(
        &self,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> Awaitable {
        let pool = self.pool.clone();
        ironloop::coroutine("Client.__aexit__", async move {
            pool.close();
            Ok::<_, PyErr>(())
        })
    }
}

impl Client {
    fn ask(
        &self,
        name: &'static str,
        method: &str,
        url: &str,
        options: Option<&Bound<'_, PyDict>>,
    ) -> Awaitable {
        let (pool, request) = (self.pool.clone(), Request::new(&self.defaults, method, url, options));
        ironloop::coroutine(name, async move { exchange::run(pool, request?).await })
    }
}
