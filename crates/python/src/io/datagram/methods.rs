//! The transport as Python sees it.

use crate::ffi::intern::intern;
use pyo3::ffi::{PyGetSetDef, PyMethodDef};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyType};

use super::DatagramTransport;
use crate::ffi::imports;
use crate::ffi::{Arguments, Instance, Native, Object, bare_method, getter, method, repr_slot};
use crate::io::transport::methods::{self as shared, none, number, optional};

type This<'a> = &'a Instance<DatagramTransport>;

fn sendto(py: Python<'_>, this: This<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (data, address) = match arguments.only_positional() {
        Some([data, address]) => (Some(data), Some(address)),
        None => arguments
            .bind(py, "_SelectorDatagramTransport.sendto", ["data", "addr"], 1)
            .map(|[data, address]| (data, address))?,
    };
    let address = address.filter(|address| !address.is_none()).map(|address| address.bind(py));
    if let Some(data) = data {
        DatagramTransport::send_to(this, py, &data.bind(py), address.as_deref())?;
    }
    none(py)
}

/// A copy of asyncio's deque of what waits: `(bytes, address)`.
fn waiting(py: Python<'_>, this: This<'_>) -> PyResult<Object> {
    let waiting: Vec<_> = this.state.with(|state| {
        let copy = |address: &Option<Object>| address.as_ref().map(|address| address.clone_ref(py));
        let pairs = state.datagrams.waiting();
        pairs.map(|(datagram, address)| (datagram.object().clone_ref(py), copy(address))).collect()
    });
    let list = PyList::empty(py);
    for (datagram, address) in &waiting {
        list.append((datagram.bind(py), address.as_ref().map(|address| address.bind(py))))?;
    }
    Ok(imports::deque(py)?.call1((list,))?.into())
}

/// asyncio's representation, with our name.
fn repr(py: Python<'_>, this: This<'_>) -> PyResult<Object> {
    let open = this.owner.get(py).check_open().is_ok();
    let text = this.state.with(|state| {
        let (stands, watched) = match (&state.socket, state.datagrams.endpoint.is_closing()) {
            (None, _) => (" closed", false),
            (Some(_), true) => (" closing", open),
            (Some(_), false) => ("", open),
        };
        let polling = if watched { format!(" {}", shared::polling(state)) } else { String::new() };
        format!("<DatagramTransport{stands} fd={}{polling}>", this.number)
    });
    Ok(PyString::new(py, &text).into())
}

const METHODS: &[PyMethodDef] = &[
    method!(
        DatagramTransport,
        c"sendto",
        c"sendto($self, data, addr=None)\n--\n\nSends a datagram, without blocking and in order. Raises TypeError \
          unless data is bytes, bytearray or memoryview, ValueError if another address was given to the endpoint. \
          Errors of the system go to the protocol's error_received(). (asyncio: DatagramTransport.sendto)",
        sendto
    ),
    bare_method!(
        DatagramTransport,
        c"close",
        c"close($self)\n--\n\nCloses the socket once all is sent. (asyncio: BaseTransport.close)",
        "_SelectorTransport.close",
        shared::close
    ),
    bare_method!(
        DatagramTransport,
        c"abort",
        c"abort($self)\n--\n\nCloses the socket at once. (asyncio: DatagramTransport.abort)",
        "_SelectorTransport.abort",
        shared::abort
    ),
    method!(
        DatagramTransport,
        c"_force_close",
        c"_force_close($self, exc)\n--\n\nabort() with a reason.",
        shared::force_close
    ),
    method!(
        DatagramTransport,
        c"_fatal_error",
        c"_fatal_error($self, exc, message='Fatal error on transport')\n--\n\nReports and aborts.",
        shared::fatal_error
    ),
    bare_method!(
        DatagramTransport,
        c"is_closing",
        c"is_closing($self)\n--\n\nWhether it is closed or closing. (asyncio: BaseTransport.is_closing)",
        "_SelectorTransport.is_closing",
        shared::is_closing
    ),
    bare_method!(
        DatagramTransport,
        c"pause_reading",
        c"pause_reading($self)\n--\n\nNo datagram comes until resume_reading(). (asyncio: \
          ReadTransport.pause_reading)",
        "_SelectorTransport.pause_reading",
        shared::pause_reading
    ),
    bare_method!(
        DatagramTransport,
        c"resume_reading",
        c"resume_reading($self)\n--\n\nDatagrams come again. (asyncio: ReadTransport.resume_reading)",
        "_SelectorTransport.resume_reading",
        shared::resume_reading
    ),
    bare_method!(
        DatagramTransport,
        c"is_reading",
        c"is_reading($self)\n--\n\nWhether datagrams may come. (asyncio: ReadTransport.is_reading)",
        "_SelectorTransport.is_reading",
        shared::is_reading
    ),
    method!(
        DatagramTransport,
        c"set_protocol",
        c"set_protocol($self, protocol)\n--\n\n(asyncio: BaseTransport.set_protocol)",
        |py, this, arguments| shared::set_protocol(py, this, arguments, "_SelectorTransport.set_protocol")
    ),
    bare_method!(
        DatagramTransport,
        c"get_protocol",
        c"get_protocol($self)\n--\n\n(asyncio: BaseTransport.get_protocol)",
        "_SelectorTransport.get_protocol",
        shared::protocol
    ),
    method!(
        DatagramTransport,
        c"set_write_buffer_limits",
        c"set_write_buffer_limits($self, high=None, low=None)\n--\n\nIn bytes. Raises ValueError unless high >= low \
          >= 0. (asyncio: WriteTransport.set_write_buffer_limits)",
        shared::set_write_buffer_limits
    ),
    bare_method!(
        DatagramTransport,
        c"get_write_buffer_limits",
        c"get_write_buffer_limits($self)\n--\n\n(low, high), in bytes. (asyncio: \
          WriteTransport.get_write_buffer_limits)",
        "_FlowControlMixin.get_write_buffer_limits",
        shared::get_write_buffer_limits
    ),
    bare_method!(
        DatagramTransport,
        c"get_write_buffer_size",
        c"get_write_buffer_size($self)\n--\n\nBytes that the kernel has not taken yet. (asyncio: \
          WriteTransport.get_write_buffer_size)",
        "_SelectorDatagramTransport.get_write_buffer_size",
        shared::get_write_buffer_size
    ),
];

/// What asyncio's own code (`get_extra_info`) and some libraries read of a transport.
const GETTERS: &[PyGetSetDef] = &[
    getter!(DatagramTransport, c"_loop", shared::owner),
    getter!(DatagramTransport, c"_protocol", shared::protocol),
    getter!(DatagramTransport, c"_sock", |py, this: This<'_>| optional(py, this.socket(py))),
    getter!(DatagramTransport, c"_sock_fd", |py, this: This<'_>| Ok(this.number.into_pyobject(py)?.into())),
    getter!(DatagramTransport, c"_extra", |py, this: This<'_>| Ok(this.extra.clone_ref(py))),
    getter!(DatagramTransport, c"_address", |py, this: This<'_>| {
        optional(py, this.address.as_ref().map(|address| address.clone_ref(py)))
    }),
    getter!(DatagramTransport, c"_buffer", waiting),
    getter!(DatagramTransport, c"_buffer_size", shared::get_write_buffer_size),
    getter!(DatagramTransport, c"_closing", shared::is_closing),
    getter!(DatagramTransport, c"_conn_lost", |py, this: This<'_>| {
        let count = |state: &mut super::State| {
            usize::from(state.datagrams.endpoint.is_lost()) + state.dropped as usize
        };
        number(py, this.state.with(count))
    }),
    getter!(DatagramTransport, c"_protocol_paused", shared::is_writing_paused),
];

/// Adds the class to the module.
pub(crate) fn add_class(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let mut bases = ["_FlowControlMixin", "DatagramTransport"]
        .map(|name| Ok(imports::look_up(py, "asyncio.transports", name)?.cast_into::<PyType>()?))
        .into_iter()
        .collect::<PyResult<Vec<_>>>()?;
    // What stands in the place of a name that is gone; it cannot come before another class.
    bases.retain(|base| !base.is(py.get_type::<PyAny>()));
    DatagramTransport::class().create::<DatagramTransport>(
        module,
        &bases.iter().collect::<Vec<_>>(),
        METHODS,
        GETTERS,
        &[repr_slot!(DatagramTransport, repr)],
    )?;
    // The most bytes of a datagram that are received.
    module
        .getattr("DatagramTransport")?
        .setattr(intern!(module.py(), "max_size"), super::receiving::MOST_BYTES)
}
