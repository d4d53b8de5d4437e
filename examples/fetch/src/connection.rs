//! One connection, of HTTP/1.1.
//!
//! hyper gives a sender of requests, and a future that reads and writes. That is polled by whoever uses the
//! connection, in the same task, and by nobody while it is idle: so a request wakes one task and not two, and a
//! connection that is dropped is closed.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};

use crate::error::Error;
use crate::payload::Payload;
use crate::stream::Stream;

pub type Response = hyper::Response<Incoming>;

pub struct Connection {
    sender: SendRequest<Payload>,
    /// None once it has ended.
    io: Option<http1::Connection<Stream, Payload>>,
}

impl Connection {
    pub async fn over(stream: Stream) -> Result<Self, Error> {
        let (sender, io) = http1::handshake(stream).await?;
        Ok(Self { sender, io: Some(io) })
    }

    /// Sends it, and waits for the head of the reply.
    pub async fn send(
        &mut self,
        request: Request<Payload>,
    ) -> Result<Response, TrySendError<Request<Payload>>> {
        let mut response = pin!(self.sender.try_send_request(request));
        poll_fn(|cx| poll_beside(&mut self.io, cx, |cx| response.as_mut().poll(cx))).await
    }

    /// Polls what waits for the connection, and the connection.
    pub fn poll_beside<T>(
        &mut self,
        cx: &mut Context<'_>,
        what: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        poll_beside(&mut self.io, cx, what)
    }

    /// Whether it may be sent a request: open, and nothing is left of the one before.
    pub fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        poll_io(&mut self.io, cx);
        self.io.is_some() && self.sender.is_ready()
    }
}

fn poll_beside<T>(
    io: &mut Option<http1::Connection<Stream, Payload>>,
    cx: &mut Context<'_>,
    mut what: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    if let Poll::Ready(outcome) = what(cx) {
        return Poll::Ready(outcome);
    }
    poll_io(io, cx);
    what(cx)
}

/// What has gone wrong is told to who waits for the reply.
fn poll_io(io: &mut Option<http1::Connection<Stream, Payload>>, cx: &mut Context<'_>) {
    if let Some(open) = io
        && Pin::new(open).poll(cx).is_ready()
    {
        *io = None;
    }
}
