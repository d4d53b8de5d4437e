//! The methods and attributes that transports of both kinds have, as Python calls them.
//!
//! Each kind lists them in a table of its own: the words of documentation and of refusals are its own, as in
//! asyncio.

use ironloop_engine::datagram::Limits;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::{State, Transport};
use crate::ffi::{Arg, Arguments, Instance, Object};

pub(crate) fn none(py: Python<'_>) -> PyResult<Object> {
    Ok(Object::none(py))
}

pub(crate) fn boolean(py: Python<'_>, value: bool) -> PyResult<Object> {
    Ok(value.into_pyobject(py)?.to_owned().into())
}

pub(crate) fn number(py: Python<'_>, value: usize) -> PyResult<Object> {
    Ok(value.into_pyobject(py)?.into())
}

pub(crate) fn optional(py: Python<'_>, value: Option<Object>) -> PyResult<Object> {
    Ok(value.unwrap_or_else(|| Object::none(py)))
}

pub(crate) fn close<T: Transport>(py: Python<'_>, this: &Instance<T>) -> PyResult<Object> {
    T::close(this, py)?;
    none(py)
}

pub(crate) fn abort<T: Transport>(py: Python<'_>, this: &Instance<T>) -> PyResult<Object> {
    T::force_close(this, py, None)?;
    none(py)
}

pub(crate) fn force_close<T: Transport>(
    py: Python<'_>,
    this: &Instance<T>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [error] = arguments.exactly(py, "_SelectorTransport._force_close", ["exc"])?;
    T::force_close(this, py, Some(error.to_object(py)).filter(|_| !error.is_none()))?;
    none(py)
}

pub(crate) fn fatal_error<T: Transport>(
    py: Python<'_>,
    this: &Instance<T>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [error, message] = arguments.bind(py, "_SelectorTransport._fatal_error", ["exc", "message"], 1)?;
    let message: String = match message {
        Some(message) => message.bind(py).extract()?,
        None => "Fatal error on transport".to_owned(),
    };
    if let Some(error) = error {
        let error = PyErr::from_value(error.bind(py).to_owned());
        T::fatal_error(this, py, error, &message)?;
    }
    none(py)
}

pub(crate) fn is_closing<T: Transport>(py: Python<'_>, this: &Instance<T>) -> PyResult<Object> {
    boolean(py, this.is_closing())
}

pub(crate) fn pause_reading<T: Transport>(py: Python<'_>, this: &Instance<T>) -> PyResult<Object> {
    this.pause_reading();
    none(py)
}

pub(crate) fn resume_reading<T: Transport>(py: Python<'_>, this: &Instance<T>) -> PyResult<Object> {
    T::resume_reading(this, py)?;
    none(py)
}

pub(crate) fn is_reading<T: Transport>(py: Python<'_>, this: &Instance<T>) -> PyResult<Object> {
    boolean(py, this.state().with(|state| state.endpoint().is_reading()))
}

/// `qualified` names asyncio's method.
pub(crate) fn set_protocol<T: Transport>(
    py: Python<'_>,
    this: &Instance<T>,
    arguments: Arguments<'_>,
    qualified: &str,
) -> PyResult<Object> {
    let [protocol] = arguments.exactly(py, qualified, ["protocol"])?;
    let protocol = protocol.to_object(py);
    let old = this.state().with(|state| state.set_protocol(protocol));
    drop(old);
    none(py)
}

pub(crate) fn protocol<T: Transport>(py: Python<'_>, this: &Instance<T>) -> PyResult<Object> {
    optional(py, this.protocol(py))
}

pub(crate) fn set_write_buffer_limits<T: Transport>(
    py: Python<'_>,
    this: &Instance<T>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let limits = write_buffer_limits(py, arguments, this.default_limits())?;
    this.state().with(|state| state.endpoint_mut().set_limits(limits));
    this.limits_are_set();
    T::follow_up(this, py)?;
    none(py)
}

pub(crate) fn get_write_buffer_limits<T: Transport>(py: Python<'_>, this: &Instance<T>) -> PyResult<Object> {
    let limits = this.state().with(|state| state.endpoint().limits());
    Ok((limits.low, limits.high).into_pyobject(py)?.into())
}

pub(crate) fn get_write_buffer_size<T: Transport>(py: Python<'_>, this: &Instance<T>) -> PyResult<Object> {
    number(py, this.state().with(|state| state.buffered()))
}

/// `_loop`
pub(crate) fn owner<T: Transport>(py: Python<'_>, this: &Instance<T>) -> PyResult<Object> {
    Ok(this.owner().object().clone_ref(py))
}

/// `_protocol_paused`
pub(crate) fn is_writing_paused<T: Transport>(py: Python<'_>, this: &Instance<T>) -> PyResult<Object> {
    boolean(py, this.state().with(|state| state.endpoint().is_writing_paused()))
}

/// A number of bytes; fractions and what no memory could hold are cut to fit.
fn size(py: Python<'_>, argument: Option<Arg<'_>>) -> PyResult<Option<isize>> {
    let number = |argument: Arg<'_>| match argument.bind(py).extract::<isize>() {
        Ok(number) => Ok(number),
        Err(_) => argument.bind(py).extract::<f64>().map(|number| number as isize),
    };
    argument.filter(|argument| !argument.is_none()).map(number).transpose()
}

/// The arguments of `set_write_buffer_limits`.
fn write_buffer_limits(py: Python<'_>, arguments: Arguments<'_>, default: Limits) -> PyResult<Limits> {
    let [high, low] = arguments.bind(py, "set_write_buffer_limits", ["high", "low"], 0)?;
    let (high, low) = (size(py, high)?, size(py, low)?);
    let high = high.or_else(|| low.map(|low| low.saturating_mul(4))).unwrap_or(default.high as isize);
    let low = low.unwrap_or(high / 4);
    if !(high >= low && low >= 0) {
        return Err(PyValueError::new_err(format!("high ({high}) must be >= low ({low}) must be >= 0")));
    }
    Ok(Limits { high: high as usize, low: low as usize })
}

/// The end of asyncio's representation: what the socket is watched for, and how much waits.
pub(crate) fn polling(state: &impl State) -> String {
    let word = |yes| if yes { "polling" } else { "idle" };
    let (reading, writing) = (state.endpoint().wants_to_read(), state.wants_to_write());
    format!("read={} write=<{}, bufsize={}>", word(reading), word(writing), state.buffered())
}
