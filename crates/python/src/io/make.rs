//! What a loop makes for connections: transports of sockets that Python has made and connected.

use pyo3::prelude::*;

use crate::event_loop::LoopCore;
use crate::ffi::{Arguments, Bytes, Context, Instance, Object, method_of};
use crate::io::datagram::DatagramTransport;
use crate::io::stream::{self, Asked, StreamTransport, Tls, Waiter};
use crate::io::transport::Transport;
use crate::io::transport::methods::boolean;

/// The transport of a connected socket; its protocol is told in the next turn.
fn stream_transport(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [socket, protocol, extra, server, context] =
        arguments.exactly(py, "_stream_transport", ["sock", "protocol", "extra", "server", "context"])?;
    let (socket, protocol) = (socket.bind(py), protocol.bind(py));
    let (extra, server) = (extra.bind(py), server.bind(py));
    let context = Context::from_argument(py, Some(context))?;
    let made = stream::from_socket(slf, &socket, &protocol, &extra, &server, context, None)?;
    StreamTransport::begin(&made, py);
    Ok(made.into_object())
}

/// The same with TLS, whose handshake begins in the next turn.
fn tls_transport(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [socket, protocol, extra, server, context, waiter, tls] = arguments.exactly(
        py,
        "_tls_transport",
        ["sock", "protocol", "extra", "server", "context", "waiter", "tls"],
    )?;
    let waiter = if waiter.is_none() { Waiter::Nobody } else { Waiter::Future(waiter.to_object(py)) };
    let tls = Tls::new(py, &Asked::of(&tls.bind(py))?, waiter)?;
    let (socket, protocol) = (socket.bind(py), protocol.bind(py));
    let (extra, server) = (extra.bind(py), server.bind(py));
    let context = Context::from_argument(py, Some(context))?;
    let made = stream::from_socket(slf, &socket, &protocol, &extra, &server, context, Some(tls))?;
    StreamTransport::begin(&made, py);
    Ok(made.into_object())
}

/// Goes over to TLS: a transport for the protocol on top of its own, or None where that is not one of this loop's, or
/// somebody has given it methods, or False where it is closed. Its handshake begins in the next turn, with what came early.
fn tls_upgrade(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [transport, protocol, waiter, tls, early] =
        arguments.exactly(py, "_tls_upgrade", ["transport", "protocol", "waiter", "tls", "early"])?;
    let (transport, protocol) = (transport.to_object(py), protocol.to_object(py));
    let ours = Instance::<StreamTransport>::of(&transport)
        .filter(|ours| !ours.has_attributes() && ours.owner().object().bind(py).is(slf));
    let Some(ours) = ours else { return Ok(Object::none(py)) };
    let tls = Tls::new(py, &Asked::of(&tls.bind(py))?, Waiter::Upgrade(waiter.to_object(py)))?;
    let early = Bytes::of(&early.bind(py))?;
    match stream::put_on(slf, ours, &protocol, tls, early.as_ref())? {
        Some(upgraded) => Ok(upgraded.into_object()),
        None => boolean(py, false),
    }
}

/// The transport of a datagram socket; its protocol is told in the next turn.
fn datagram_transport(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [socket, protocol, address, extra, plain] =
        arguments.exactly(py, "_datagram_transport", ["sock", "protocol", "address", "extra", "plain"])?;
    let (socket, protocol) = (socket.bind(py), protocol.bind(py));
    let made = DatagramTransport::create(
        slf,
        &socket,
        &protocol,
        &address.bind(py),
        &extra.bind(py),
        plain.bind(py).is_truthy()?,
    )?;
    DatagramTransport::begin(&made, py);
    Ok(made.into_object())
}

pub(super) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![
        method_of!(LoopCore, c"_stream_transport", c"The transport of a connected socket.", stream_transport),
        method_of!(LoopCore, c"_tls_transport", c"The same with TLS, not by asyncio.", tls_transport),
        method_of!(LoopCore, c"_tls_upgrade", c"TLS on top of a transport, not by asyncio.", tls_upgrade),
        method_of!(
            LoopCore,
            c"_datagram_transport",
            c"The transport of a datagram socket.",
            datagram_transport
        ),
    ]
}
