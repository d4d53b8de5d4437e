//! What a request sends: bytes, or what an asynchronous iterator of Python's gives, chunk by chunk.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use ironloop::Awaiting;
use pyo3::exceptions::{PyStopAsyncIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString};

pub enum Payload {
    /// None once it was sent, or if there is nothing.
    Whole(Option<Bytes>),
    Chunks(Box<Chunks>),
}

pub struct Chunks {
    /// None at its end.
    iterator: Option<Py<PyAny>>,
    next: Option<Awaiting>,
}

impl Payload {
    pub fn from_python(body: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(bytes) = to_bytes(body)? {
            return Ok(Self::Whole(Some(bytes)));
        }
        if !body.hasattr("__aiter__")? {
            let name = body.get_type().qualname()?;
            let text = format!("a body is bytes, str or an asynchronous iterable, not {name}");
            return Err(PyTypeError::new_err(text));
        }
        let iterator = body.call_method0("__aiter__")?.unbind();
        Ok(Self::Chunks(Box::new(Chunks { iterator: Some(iterator), next: None })))
    }

    /// The same once more, if that is possible: an iterator has only one end.
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Chunks(_) => None,
        }
    }
}

/// None of what has none; a list of small numbers is such.
fn to_bytes(object: &Bound<'_, PyAny>) -> PyResult<Option<Bytes>> {
    Ok(Some(if let Ok(text) = object.cast::<PyString>() {
        Bytes::from(text.to_cow()?.into_owned())
    } else if let Ok(bytes) = object.cast::<PyBytes>() {
        Bytes::copy_from_slice(bytes.as_bytes())
    } else if let Ok(bytes) = object.cast::<PyByteArray>() {
        Bytes::from(bytes.to_vec())
    } else if object.is_instance_of::<PyMemoryView>() {
        // Whatever its items are.
        Bytes::from(object.call_method0("tobytes")?.extract::<Vec<u8>>()?)
    } else {
        return Ok(None);
    }))
}

fn chunk_to_bytes(chunk: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Some(bytes) = to_bytes(chunk)? {
        return Ok(bytes);
    }
    let name = chunk.get_type().qualname()?;
    Err(PyTypeError::new_err(format!("a chunk of a body is bytes or str, not {name}")))
}

impl Body for Payload {
    type Data = Bytes;
    type Error = PyErr;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, PyErr>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(Frame::data).map(Ok)),
            Self::Chunks(chunks) => chunks.poll_next(cx).map(|next| next.map(|next| next.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Chunks(_) => SizeHint::default(),
        }
    }
}

impl Chunks {
    /// Runs in the task that awaits the request: its context, its cancellation, its timeouts.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<PyResult<Bytes>>> {
        let Some(iterator) = &self.iterator else { return Poll::Ready(None) };
        if self.next.is_none() {
            let next = Python::attach(|py| ironloop::awaiting(&iterator.bind(py).call_method0("__anext__")?));
            match next {
                Ok(next) => self.next = Some(next),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let Some(next) = &mut self.next else { return Poll::Pending };
        let outcome = ready!(Pin::new(next).poll(cx));
        self.next = None;
        Python::attach(|py| match outcome {
            Ok(chunk) => Poll::Ready(Some(chunk_to_bytes(chunk.bind(py)))),
            Err(error) => {
                self.iterator = None;
                let is_end = error.is_instance_of::<PyStopAsyncIteration>(py);
                Poll::Ready(if is_end { None } else { Some(Err(error)) })
            }
        })
    }
}
