//! The body of a reply, as it comes. At its end the connection goes back to the pool; one that is dropped before
//! closes it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use hyper::body::{Body as _, Incoming};

use crate::deadline::Deadline;
use crate::error::Error;
use crate::pool::Lease;

/// What is read of a redirect's body to keep the connection; one that is longer is closed.
const WORTH_READING: usize = 64 * 1024;

pub struct Body {
    incoming: Incoming,
    /// Until the end.
    open: Option<(Lease, Deadline)>,
}

impl Body {
    pub async fn new(incoming: Incoming, lease: Lease, deadline: Deadline) -> Self {
        let mut body = Self { incoming, open: Some((lease, deadline)) };
        poll_fn(|cx| {
            body.end_if_there(cx);
            Poll::Ready(())
        })
        .await;
        body
    }

    fn end_if_there(&mut self, cx: &mut Context<'_>) {
        if self.incoming.is_end_stream()
            && let Some((lease, _)) = self.open.take()
        {
            lease.give_back(cx);
        }
    }

    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            let Some((lease, deadline)) = &mut self.open else { return Poll::Ready(None) };
            // First, for there may always be a frame: of a server that is faster than who reads.
            if let Poll::Ready(error) = deadline.poll(cx) {
                return Poll::Ready(Some(Err(self.fail(error))));
            }
            let incoming = &mut self.incoming;
            match ready!(lease.connection.poll_beside(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx))) {
                Some(Ok(frame)) => {
                    self.end_if_there(cx);
                    // Trailers are for nobody.
                    if let Ok(chunk) = frame.into_data() {
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(self.fail(error.into())))),
                None => {
                    if let Some((lease, _)) = self.open.take() {
                        lease.give_back(cx);
                    }
                }
            }
        }
    }

    /// The connection is closed.
    fn fail(&mut self, error: Error) -> Error {
        self.open = None;
        error
    }

    /// All that comes.
    pub async fn read(&mut self) -> Result<Vec<Bytes>, Error> {
        let mut chunks = Vec::new();
        while let Some(chunk) = poll_fn(|cx| self.poll_chunk(cx)).await {
            chunks.push(chunk?);
        }
        Ok(chunks)
    }

    /// Reads it for the connection's sake.
    pub async fn skip(mut self) {
        let mut skipped = 0;
        while let Some(Ok(chunk)) = poll_fn(|cx| self.poll_chunk(cx)).await {
            skipped += chunk.len();
            if skipped > WORTH_READING {
                return;
            }
        }
    }
}

/// Bytes, as Python gets them.
pub struct Chunk(Bytes);

impl<'py> pyo3::IntoPyObject<'py> for Chunk {
    type Target = pyo3::types::PyBytes;
    type Output = pyo3::Bound<'py, Self::Target>;
    type Error = std::convert::Infallible;

    fn into_pyobject(self, py: pyo3::Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(pyo3::types::PyBytes::new(py, &self.0))
    }
}

impl Stream for Body {
    type Item = Result<Chunk, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_chunk(cx).map(|chunk| chunk.map(|chunk| chunk.map(Chunk)))
    }
}
