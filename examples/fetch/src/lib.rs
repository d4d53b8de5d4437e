//! An HTTP client for Python, on hyper and rustls, polled by the loop that awaits it.
//!
//! A request's way: `client` reads Python's arguments into a `request`; `exchange` sends it, follows redirects and tries again;
//! `pool` lends a `connection` to it, which is polled by whoever uses it; what comes back is a `reply`.

mod body;
mod client;
mod connection;
mod deadline;
mod error;
mod exchange;
mod headers;
mod payload;
mod pool;
mod redirect;
mod reply;
mod request;
mod stream;
mod tls;

use pyo3::prelude::*;

#[pymodule]
mod _fetch {
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::headers::Headers;
    #[pymodule_export]
    use crate::reply::Reply;
}
