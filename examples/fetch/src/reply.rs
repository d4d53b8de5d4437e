//! A reply, as Python sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::http::response::Parts;
use ironloop::{AsyncIter, Awaitable};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use url::Url;

use crate::body::Body;
use crate::error::Error;
use crate::headers::{Headers, text};

/// Its head has come; its body comes as it is read.
#[pyclass(frozen, module = "fetch")]
pub struct Reply {
    status: u16,
    url: Url,
    headers: Arc<HeaderMap>,
    content: Mutex<Content>,
}

/// Arrives, until it is read as a whole, is given out to an iterator, or the reply is closed.
enum Content {
    Arrives(Body),
    IsThere(Py<PyBytes>),
    IsGone,
}

impl Reply {
    pub fn new(url: Url, head: Parts, body: Body) -> Self {
        let (status, headers) = (head.status.as_u16(), Arc::new(head.headers));
        Self { status, url, headers, content: Mutex::new(Content::Arrives(body)) }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_body(&self) -> Result<Body, Error> {
        let mut content = self.content();
        match std::mem::replace(&mut *content, Content::IsGone) {
            Content::Arrives(body) => Ok(body),
            other => {
                *content = other;
                Err(Error::Closed("the body is read already, or is being read, or the reply is closed"))
            }
        }
    }

    /// While it is read, it is the reader's: who is cancelled closes the connection.
    async fn bytes(&self) -> Result<Py<PyBytes>, Error> {
        if let Content::IsThere(bytes) = &*self.content() {
            return Ok(Python::attach(|py| bytes.clone_ref(py)));
        }
        let chunks = self.take_body()?.read().await?;
        Python::attach(|py| {
            let bytes = match &chunks[..] {
                [only] => PyBytes::new(py, only),
                chunks => PyBytes::new(py, &chunks.concat()),
            };
            *self.content() = Content::IsThere(bytes.clone().unbind());
            Ok(bytes.unbind())
        })
    }

    fn charset(&self) -> String {
        let kind = self.headers.get(CONTENT_TYPE).map(text).unwrap_or_default().to_ascii_lowercase();
        let charset = kind.split(';').find_map(|part| part.trim().strip_prefix("charset="));
        charset.map_or("utf-8", |charset| charset.trim_matches('"')).to_owned()
    }

    fn decode(&self, py: Python<'_>, bytes: &Py<PyBytes>) -> PyResult<Py<PyString>> {
        let text = bytes.bind(py).call_method1("decode", (self.charset(), "replace"))?;
        Ok(text.cast_into::<PyString>()?.unbind())
    }
}

#[pymethods]
impl Reply {
    #[getter]
    fn status(&self) -> u16 {
        self.status
    }

    /// Of the last one that was asked, if there were redirects.
    #[getter]
    fn url(&self) -> &str {
        self.url.as_str()
    }

    #[getter]
    fn headers(&self) -> Headers {
        Headers(Arc::clone(&self.headers))
    }

    #[getter]
    fn ok(&self) -> bool {
        self.status < 400
    }

    /// A StatusError if the status is 400 or above.
    fn raise_for_status(&self, py: Python<'_>) -> PyResult<()> {
        if self.ok() {
            return Ok(());
        }
        let arguments = (format!("{} from {}", self.status, self.url), self.status);
        Err(PyErr::from_value(py.import("fetch.errors")?.getattr("StatusError")?.call1(arguments)?))
    }

    /// All of the body.
    fn read(slf: Py<Self>) -> Awaitable {
        ironloop::coroutine("Reply.read", async move { slf.get().bytes().await })
    }

    /// The same as text, in the encoding that the reply names, or UTF-8.
    fn text(slf: Py<Self>) -> Awaitable {
        ironloop::coroutine("Reply.text", async move {
            let bytes = slf.get().bytes().await?;
            Python::attach(|py| slf.get().decode(py, &bytes))
        })
    }

    /// What it says as JSON.
    fn json(slf: Py<Self>) -> Awaitable {
        ironloop::coroutine("Reply.json", async move {
            let bytes = slf.get().bytes().await?;
            Python::attach(|py| Ok::<_, PyErr>(py.import("json")?.call_method1("loads", (bytes,))?.unbind()))
        })
    }

    /// The body in chunks, as they come.
    fn __aiter__(&self) -> Result<AsyncIter, Error> {
        Ok(ironloop::iterate("Reply", self.take_body()?))
    }

    /// Whoever does not want the body says so: the connection is closed, unless all of it has come.
    fn close(&self) {
        let content = std::mem::replace(&mut *self.content(), Content::IsGone);
        drop(content);
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(&self, _kind: &Bound<'_, PyAny>, _error: &Bound<'_, PyAny>, _traceback: &Bound<'_, PyAny>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        format!("<Reply {} from {}>", self.status, self.url)
    }
}
