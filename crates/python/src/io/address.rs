//! Socket addresses as Python writes them.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use ironloop_driver::{Address, Family, UnixName};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

/// Of the flow information 20 bits are a user's.
const MOST_FLOW_INFO: u32 = 0xf_ffff;

/// `(host, port)` or `(host, port, flowinfo, scope_id)`.
pub(crate) fn internet(py: Python<'_>, address: SocketAddr) -> PyResult<Bound<'_, PyAny>> {
    match address {
        SocketAddr::V4(v4) => Ok((v4.ip().to_string(), v4.port()).into_pyobject(py)?.into_any()),
        SocketAddr::V6(v6) => {
            let tuple = (v6_text(*v6.ip()), v6.port(), v6.flowinfo(), v6.scope_id());
            Ok(tuple.into_pyobject(py)?.into_any())
        }
    }
}

/// The same, and of a UNIX socket the path as `str` or the abstract name as `bytes`.
pub(crate) fn to_python<'py>(py: Python<'py>, address: &Address) -> PyResult<Bound<'py, PyAny>> {
    match address {
        Address::Internet(address) => internet(py, *address),
        Address::Unix(name) if name.is_abstract() => Ok(PyBytes::new(py, name.as_bytes()).into_any()),
        Address::Unix(name) => Ok(OsStr::from_bytes(name.as_bytes()).into_pyobject(py)?.into_any()),
    }
}

/// What Python would make of an address. `None` where it would have to ask a resolver, or would raise an
/// error: let it.
pub(crate) fn from_python(family: Family, address: &Bound<'_, PyAny>) -> Option<Address> {
    match family {
        Family::V4 => {
            let (host, [port]) = numbers(address.cast_exact().ok()?)?;
            let host: Ipv4Addr = host.to_str().ok()?.parse().ok()?;
            Some(Address::Internet(SocketAddrV4::new(host, u16::try_from(port?).ok()?).into()))
        }
        Family::V6 => {
            let (host, [port, flow, scope]) = numbers(address.cast_exact().ok()?)?;
            let (port, flow) = (u16::try_from(port?).ok()?, flow.unwrap_or(0));
            if flow > MOST_FLOW_INFO {
                return None;
            }
            let host: Ipv6Addr = host.to_str().ok()?.parse().ok()?;
            Some(Address::Internet(SocketAddrV6::new(host, port, flow, scope.unwrap_or(0)).into()))
        }
        Family::Unix => {
            let name = match address.cast_exact::<PyBytes>() {
                Ok(name) => name.as_bytes().to_vec(),
                Err(_) => address.extract::<OsString>().ok()?.into_vec(),
            };
            UnixName::new(name).map(Address::Unix)
        }
    }
}

/// A host, and at most N numbers behind it.
fn numbers<'py, const N: usize>(
    tuple: &Bound<'py, PyTuple>,
) -> Option<(Bound<'py, PyString>, [Option<u32>; N])> {
    if tuple.len() > N + 1 {
        return None;
    }
    let host = tuple.get_item(0).ok()?.cast_into_exact().ok()?;
    let mut numbers = [None; N];
    for (place, number) in numbers.iter_mut().zip(tuple.iter().skip(1)) {
        *place = Some(number.extract().ok()?);
    }
    Some((host, numbers))
}

/// As `inet_ntop` writes it: unlike Rust it still shows an IPv4 address in the last two words behind zeros.
fn v6_text(ip: Ipv6Addr) -> String {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            format!("::{}", Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => ip.to_string(),
    }
}
