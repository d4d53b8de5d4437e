//! The transport as Python sees it.

use crate::ffi::intern::intern;
use pyo3::exceptions::PyAttributeError;
use pyo3::ffi::{PyGetSetDef, PyMethodDef};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{StreamTransport, info, tls};
use crate::ffi::call::call_named;
use crate::ffi::imports;
use crate::ffi::{Arguments, Instance, Native, Object, bare_method, getter, method, repr_slot};
use crate::io::transport::methods::{self as shared, boolean, none, optional};

type This<'a> = &'a Instance<StreamTransport>;

fn write(py: Python<'_>, this: This<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [data] = arguments.exactly(py, "_SelectorSocketTransport.write", ["data"])?;
    StreamTransport::write(this, py, data)?;
    none(py)
}

fn writelines(py: Python<'_>, this: This<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [list] = arguments.exactly(py, "_SelectorSocketTransport.writelines", ["list_of_data"])?;
    let joined = PyBytes::new(py, b"").call_method1(intern!(py, "join"), (list.bind(py),))?;
    let write = this.object().bind(py).getattr(intern!(py, "write"))?;
    write.call1((joined,))?;
    none(py)
}

fn write_eof(py: Python<'_>, this: This<'_>) -> PyResult<Object> {
    StreamTransport::write_eof(this, py)?;
    none(py)
}

fn get_extra_info(py: Python<'_>, this: This<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    if let Some(replaced) = imports::replaced_get_extra_info(this.object().bind(py))? {
        let (values, positional, names) = arguments.raw_parts();
        return call_named(&replaced, values, positional, names.map(|names| names.bind(py)).as_deref());
    }
    let [name, default] = arguments.bind(py, "BaseTransport.get_extra_info", ["name", "default"], 1)?;
    let found = match name {
        Some(name) => this.extra_info(py, &name.bind(py))?,
        None => None,
    };
    optional(py, found.or_else(|| default.map(|default| default.to_object(py))))
}

fn get_socket(py: Python<'_>, this: This<'_>) -> PyResult<Object> {
    optional(py, this.raw_socket(py)?)
}

fn get_fd(py: Python<'_>, this: This<'_>) -> PyResult<Object> {
    Ok(this.number().into_pyobject(py)?.into())
}

const METHODS: &[PyMethodDef] = &[
    method!(
        StreamTransport,
        c"write",
        c"write($self, data)\n--\n\nSends bytes, without blocking and in order. Raises TypeError for anything that \
          is no buffer, RuntimeError after write_eof(). (asyncio: WriteTransport.write)",
        write
    ),
    method!(
        StreamTransport,
        c"writelines",
        c"writelines($self, list_of_data)\n--\n\nSends several buffers. (asyncio: WriteTransport.writelines)",
        writelines
    ),
    bare_method!(
        StreamTransport,
        c"write_eof",
        c"write_eof($self)\n--\n\nCloses the sending side once all is sent. Raises NotImplementedError with TLS. \
          (asyncio: WriteTransport.write_eof)",
        "_SelectorSocketTransport.write_eof",
        write_eof
    ),
    bare_method!(
        StreamTransport,
        c"can_write_eof",
        c"can_write_eof($self)\n--\n\nTrue; False with TLS.",
        "_SelectorSocketTransport.can_write_eof",
        |py, this: This<'_>| boolean(py, this.layer.can_write_eof())
    ),
    bare_method!(
        StreamTransport,
        c"close",
        c"close($self)\n--\n\nCloses the connection once all is sent. (asyncio: BaseTransport.close)",
        "_SelectorSocketTransport.close",
        shared::close
    ),
    bare_method!(
        StreamTransport,
        c"abort",
        c"abort($self)\n--\n\nCloses the connection at once. (asyncio: WriteTransport.abort)",
        "_SelectorTransport.abort",
        shared::abort
    ),
    method!(
        StreamTransport,
        c"_force_close",
        c"_force_close($self, exc)\n--\n\nabort() with a reason.",
        shared::force_close
    ),
    method!(
        StreamTransport,
        c"_fatal_error",
        c"_fatal_error($self, exc, message)\n--\n\nReports and aborts.",
        shared::fatal_error
    ),
    bare_method!(
        StreamTransport,
        c"_make_empty_waiter",
        c"_make_empty_waiter($self)\n--\n\nA future: all is sent, and the descriptor on loan.",
        "_SelectorSocketTransport._make_empty_waiter",
        |py, this: This<'_>| StreamTransport::begin_loan(this, py)
    ),
    bare_method!(
        StreamTransport,
        c"_reset_empty_waiter",
        c"_reset_empty_waiter($self)\n--\n\nEnds the loan.",
        "_SelectorSocketTransport._reset_empty_waiter",
        |py, this: This<'_>| StreamTransport::end_loan(this, py).and_then(|()| none(py))
    ),
    bare_method!(
        StreamTransport,
        c"is_closing",
        c"is_closing($self)\n--\n\nWhether it is closed or closing. (asyncio: BaseTransport.is_closing)",
        "_SelectorTransport.is_closing",
        shared::is_closing
    ),
    bare_method!(
        StreamTransport,
        c"pause_reading",
        c"pause_reading($self)\n--\n\nNo data comes until resume_reading(). (asyncio: ReadTransport.pause_reading)",
        "_SelectorTransport.pause_reading",
        shared::pause_reading
    ),
    bare_method!(
        StreamTransport,
        c"resume_reading",
        c"resume_reading($self)\n--\n\nData comes again. (asyncio: ReadTransport.resume_reading)",
        "_SelectorTransport.resume_reading",
        shared::resume_reading
    ),
    bare_method!(
        StreamTransport,
        c"is_reading",
        c"is_reading($self)\n--\n\nWhether data may come. (asyncio: ReadTransport.is_reading)",
        "_SelectorTransport.is_reading",
        shared::is_reading
    ),
    method!(
        StreamTransport,
        c"set_protocol",
        c"set_protocol($self, protocol)\n--\n\n(asyncio: BaseTransport.set_protocol)",
        |py, this, arguments| shared::set_protocol(py, this, arguments, "_SelectorSocketTransport.set_protocol")
    ),
    bare_method!(
        StreamTransport,
        c"get_protocol",
        c"get_protocol($self)\n--\n\n(asyncio: BaseTransport.get_protocol)",
        "_SelectorTransport.get_protocol",
        shared::protocol
    ),
    method!(
        StreamTransport,
        c"get_extra_info",
        c"get_extra_info($self, name, default=None)\n--\n\n'socket', 'sockname' or 'peername'; with TLS also \
          'sslcontext', 'ssl_object', 'peercert', 'cipher' or 'compression'. (asyncio: BaseTransport.get_extra_info)",
        get_extra_info
    ),
    method!(
        StreamTransport,
        c"set_write_buffer_limits",
        c"set_write_buffer_limits($self, high=None, low=None)\n--\n\nIn bytes. Raises ValueError unless high >= low >= \
          0. (asyncio: WriteTransport.set_write_buffer_limits)",
        shared::set_write_buffer_limits
    ),
    bare_method!(
        StreamTransport,
        c"get_write_buffer_limits",
        c"get_write_buffer_limits($self)\n--\n\n(low, high), in bytes. (asyncio: WriteTransport.get_write_buffer_limits)",
        "_FlowControlMixin.get_write_buffer_limits",
        shared::get_write_buffer_limits
    ),
    bare_method!(
        StreamTransport,
        c"get_write_buffer_size",
        c"get_write_buffer_size($self)\n--\n\nBytes that the kernel has not taken yet. (asyncio: \
          WriteTransport.get_write_buffer_size)",
        "_SelectorTransport.get_write_buffer_size",
        shared::get_write_buffer_size
    ),
];

/// The timers of TLS, under asyncio's names.
const TIMERS: &[PyMethodDef] = &[
    bare_method!(
        StreamTransport,
        c"_check_handshake_timeout",
        c"_check_handshake_timeout($self)\n--\n\nThe handshake has had its time.",
        "SSLProtocol._check_handshake_timeout",
        |py, this| tls::handshake_timed_out(this, py).and_then(|()| none(py))
    ),
    bare_method!(
        StreamTransport,
        c"_check_shutdown_timeout",
        c"_check_shutdown_timeout($self)\n--\n\nThe shutdown has had its time.",
        "SSLProtocol._check_shutdown_timeout",
        |py, this| tls::shutdown_timed_out(this, py).and_then(|()| none(py))
    ),
];

/// `__class__`: with TLS a class whose name says so, by which programs know one, as in asyncio.
fn get_class(py: Python<'_>, this: This<'_>) -> PyResult<Object> {
    if this.layer.tls().is_none() {
        return Ok(this.object().bind(py).get_type().into());
    }
    Ok(tls_class(py)?.into())
}

fn tls_class(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    imports::look_up(py, "ironloop.tls_view", "SSLStreamTransport")
}

/// What only a connection with TLS has: an attribute of the class that it says it is.
fn of_tls(py: Python<'_>, this: This<'_>, name: &str) -> PyResult<Object> {
    if this.layer.tls().is_none() {
        let text = format!("'ironloop.StreamTransport' object has no attribute '{name}'");
        return Err(PyAttributeError::new_err(text));
    }
    let class = tls_class(py)?;
    let attribute = class.getattr("__dict__")?.get_item(name)?;
    Ok(attribute.call_method1("__get__", (this.object().bind(py), class))?.into())
}

/// What asyncio's own code reads of a transport.
const GETTERS: &[PyGetSetDef] = &[
    getter!(StreamTransport, c"__class__", get_class),
    getter!(StreamTransport, c"_ssl_protocol", |py, this| of_tls(py, this, "_ssl_protocol")),
    getter!(StreamTransport, c"set_read_buffer_limits", |py, this| of_tls(
        py,
        this,
        "set_read_buffer_limits"
    )),
    getter!(StreamTransport, c"get_read_buffer_limits", |py, this| of_tls(
        py,
        this,
        "get_read_buffer_limits"
    )),
    getter!(StreamTransport, c"get_read_buffer_size", |py, this| of_tls(py, this, "get_read_buffer_size")),
    getter!(StreamTransport, c"_tls", |py, this: This<'_>| {
        optional(py, this.layer.tls().map(|tls| tls.standing(py)).transpose()?)
    }),
    getter!(StreamTransport, c"_beneath", |py, this: This<'_>| {
        optional(py, this.beneath.as_ref().map(|beneath| beneath.object().clone_ref(py)))
    }),
    getter!(StreamTransport, c"_loop", shared::owner),
    getter!(StreamTransport, c"_protocol", shared::protocol),
    getter!(StreamTransport, c"_sock", get_socket),
    getter!(StreamTransport, c"_sock_fd", get_fd),
    getter!(StreamTransport, c"_extra", |py, this: This<'_>| Ok(this.complete_extra(py)?.into())),
    getter!(StreamTransport, c"_closing", shared::is_closing),
    getter!(StreamTransport, c"_paused", |py, this: This<'_>| {
        boolean(py, this.state.with(|state| state.stream.endpoint.is_reading_paused()))
    }),
    getter!(StreamTransport, c"_protocol_paused", shared::is_writing_paused),
    getter!(StreamTransport, c"_sendfile_compatible", |py, this: This<'_>| {
        let mode = imports::look_up(py, "asyncio.constants", "_SendfileMode")?;
        let name = if this.layer.tls().is_some() { "FALLBACK" } else { "TRY_NATIVE" };
        optional(py, mode.getattr_opt(name)?.map(Object::from))
    }),
];

/// Adds the class to the module.
pub(crate) fn add_class(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let base = imports::look_up(module.py(), "asyncio.transports", "_FlowControlMixin")?;
    StreamTransport::class().create::<StreamTransport>(
        module,
        &[base.cast()?],
        &[METHODS, TIMERS].concat(),
        GETTERS,
        &[repr_slot!(StreamTransport, |py, this| info::repr(this, py))],
    )?;

    module.getattr("StreamTransport")?.setattr("_start_tls_compatible", true)
}
