//! I/O on the loop: transports of streams and datagrams, listening sockets, a user's own sockets and descriptors, and the
//! stream readers and writers above.

pub(crate) mod address;
pub(crate) mod datagram;
pub(crate) mod listener;
pub(crate) mod operations;
pub(crate) mod readers;
mod registration;
pub(crate) mod stream;
pub(crate) mod streams;
mod transport;
pub(crate) mod watch;

pub(crate) use listener::Listener;
pub(crate) use registration::Registration;
