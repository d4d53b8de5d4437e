//! OpenSSL itself, for connections whose `SSLObject` the `ssl` module has made: records are read and written past
//! Python's objects, from memory and into memory of ours (`docs/design/tls.md`).
//!
//! Whether that can be done on this Python is tried once, with a session that leads nowhere. Handshakes, shutdowns and
//! all that is rare stay the `SSLObject`'s methods.

mod bio;
mod symbols;
mod wire;

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::call::call_method;
use super::intern::intern;
use super::{Object, Traverse, Visit, Visited};
use symbols::{BioMethod, Ssl, Symbols};
use wire::{Whole, Wire};

/// `CRYPTO_EX_INDEX_SSL`
const OF_SSL: c_int = 0;

/// Where `_ssl` keeps its `_SSLSocket`: `SSL_set_app_data`.
const APP_DATA: c_int = 0;

// What `SSL_get_error` may say.
const WANT_READ: c_int = 2;
const WANT_WRITE: c_int = 3;
const ZERO_RETURN: c_int = 6;

/// As much plaintext is made of records at once, as by asyncio.
const MOST_AT_ONCE: usize = 256 * 1024;

struct OpenSsl {
    symbols: &'static Symbols,
    method: NonNull<BioMethod>,
}

// SAFETY: functions, and a method that nobody changes.
unsafe impl Send for OpenSsl {}
// SAFETY: as above.
unsafe impl Sync for OpenSsl {}

static OPENSSL: OnceLock<Option<OpenSsl>> = OnceLock::new();

thread_local! {
    /// The `SSL` that was made last in this thread.
    static LATEST: Cell<*mut Ssl> = const { Cell::new(ptr::null_mut()) };
}

fn openssl() -> Option<&'static OpenSsl> {
    OPENSSL.get()?.as_ref()
}

unsafe extern "C" fn note_new(
    ssl: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) {
    LATEST.set(ssl.cast());
}

unsafe extern "C" fn note_gone(
    ssl: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) {
    if LATEST.get() == ssl.cast() {
        LATEST.set(ptr::null_mut());
    }
}

impl OpenSsl {
    fn find(path: Option<&str>) -> Option<Self> {
        let symbols = symbols::load(path)?;
        // SAFETY: as OpenSSL declares it; the callbacks are there as long as the process, as no extension module
        // is unloaded.
        let index = unsafe {
            (symbols.CRYPTO_get_ex_new_index)(
                OF_SSL,
                0,
                ptr::null_mut(),
                note_new,
                ptr::null_mut(),
                note_gone,
            )
        };
        let method = bio::method(symbols)?;
        (index >= 0).then_some(Self { symbols, method })
    }
}

/// Why reading has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The buffer is full, or there is no whole record any more.
    Enough,
    /// The peer has said that nothing more comes.
    Ended,
}

/// An `SSLObject` whose records are ours. Belongs to the thread of its loop.
pub(crate) struct Session {
    object: Object,
    ssl: NonNull<Ssl>,
    wire: NonNull<Wire>,
    openssl: &'static OpenSsl,
    /// OpenSSL has failed, and its error is still to be raised.
    failed: AtomicBool,
    /// `_ssl`'s, which owns the `SSL`.
    inner: Object,
}

// SAFETY: used by the loop's thread, with Python's lock.
unsafe impl Send for Session {}
// SAFETY: as above.
unsafe impl Sync for Session {}

impl Traverse for Session {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.object.traverse(visit)?;
        self.inner.traverse(visit)
    }
}

/// Whether OpenSSL can be used, or why not.
pub(crate) fn prepare(py: Python<'_>) -> Result<(), String> {
    if OPENSSL.get().is_none() {
        let path = py
            .import("_ssl")
            .map_err(|error| error.to_string())?
            .getattr_opt("__file__")
            .ok()
            .flatten()
            .and_then(|path| path.extract::<String>().ok());
        // Python's lock is held, so nobody else comes between.
        let _ = OPENSSL.set(OpenSsl::find(path.as_deref()));
    }
    if openssl().is_none() {
        return Err("the OpenSSL of the ssl module hides its functions".to_owned());
    }
    try_out(py).map_err(|error| error.to_string())
}

/// The first flight of a client that has no peer.
fn try_out(py: Python<'_>) -> PyResult<()> {
    let ssl = py.import("ssl")?;
    let context = ssl.getattr("SSLContext")?.call1((ssl.getattr("PROTOCOL_TLS_CLIENT")?,))?;
    context.setattr("check_hostname", false)?;
    Session::expect();
    let memory = ssl.getattr("MemoryBIO")?;
    let object = context.call_method1("wrap_bio", (memory.call0()?, memory.call0()?))?;
    let session = Session::take_over(py, object.into())
        .map_err(|_| PyRuntimeError::new_err("the SSL of an SSLObject was not found"))?;
    let again = session.object.bind(py).call_method0("do_handshake");
    match again {
        Err(error) if error.is_instance(py, &ssl.getattr("SSLWantReadError")?.cast_into()?) => {}
        Err(error) => return Err(error),
        Ok(_) => return Err(PyRuntimeError::new_err("a handshake without a peer was over")),
    }
    match session.take_out().as_slice() {
        [22, 3, ..] => Ok(()),
        _ => Err(PyRuntimeError::new_err("the client's hello did not come to us")),
    }
}

impl Session {
    /// From here to [`Self::take_over`] the `SSLObject` is made.
    pub(crate) fn expect() {
        LATEST.set(ptr::null_mut());
    }

    /// Takes over the `SSLObject` that was made last in this thread, or gives it back as it is.
    pub(crate) fn take_over(py: Python<'_>, object: Object) -> Result<Self, Object> {
        let latest = NonNull::new(LATEST.replace(ptr::null_mut()));
        let inner = object.bind(py).getattr_opt(intern!(py, "_sslobj")).ok().flatten();
        let (Some(openssl), Some(ssl), Some(inner)) = (openssl(), latest, inner) else { return Err(object) };
        // SAFETY: the `SSL` was made in this thread a moment ago, and is not gone, or that would be noted.
        let owner = unsafe { (openssl.symbols.SSL_get_ex_data)(ssl.as_ptr(), APP_DATA) };
        if owner != inner.as_ptr().cast() {
            return Err(object);
        }
        let Some((bio, wire)) = bio::new(openssl.symbols, openssl.method) else { return Err(object) };
        // SAFETY: the `SSL` is `inner`'s; it takes over the one reference to the BIO, for both directions.
        unsafe { (openssl.symbols.SSL_set_bio)(ssl.as_ptr(), bio.as_ptr(), bio.as_ptr()) };
        let failed = AtomicBool::new(false);
        Ok(Self { object, ssl, wire, openssl, failed, inner: inner.into() })
    }

    /// The `SSLObject`.
    pub(crate) fn object(&self) -> &Object {
        &self.object
    }

    /// The wire is used for an instant at a time, between OpenSSL's calls.
    fn wire<R>(&self, body: impl FnOnce(&mut Wire) -> R) -> R {
        // SAFETY: the BIO owns it, which the `SSL` owns, which `inner` keeps; nothing in `body` calls OpenSSL or Python.
        body(unsafe { &mut *self.wire.as_ptr() })
    }

    /// Has bytes from the peer there while `body` runs. What it leaves of them is kept.
    pub(crate) fn lend<R>(&self, bytes: &[u8], body: impl FnOnce() -> R) -> R {
        struct Loan<'a>(&'a Session);
        impl Drop for Loan<'_> {
            fn drop(&mut self) {
                self.0.wire(Wire::take_back);
            }
        }
        // SAFETY: the loan ends before the bytes do, and takes them back.
        self.wire(|wire| unsafe { wire.lend(bytes) });
        let _loan = Loan(self);
        body()
    }

    fn pending(&self) -> usize {
        // SAFETY: a live `SSL`.
        unsafe { (self.openssl.symbols.SSL_pending)(self.ssl.as_ptr()) }.max(0) as usize
    }

    /// At most how many bytes of plaintext there are to be read; 0 if there is nothing.
    pub(crate) fn readable(&self) -> usize {
        let whole = self.wire(|wire| wire.whole(MOST_AT_ONCE));
        let records = match whole {
            Whole::Records(sum) => sum,
            Whole::Nonsense => 1,
        };
        records + self.pending() + usize::from(self.failed.load(Ordering::Relaxed))
    }

    fn forget_errors(&self) {
        // SAFETY: OpenSSL's queue of this thread.
        unsafe {
            if (self.openssl.symbols.ERR_peek_error)() != 0 {
                (self.openssl.symbols.ERR_clear_error)();
            }
        }
    }

    /// Reads as many records as are whole, and fit.
    pub(crate) fn read(&self, py: Python<'_>, buffer: &mut [u8]) -> PyResult<(usize, Stop)> {
        if self.failed.load(Ordering::Relaxed) {
            return self.read_by_name(py, buffer);
        }
        self.forget_errors();
        let mut count = 0;
        while count < buffer.len() {
            let before = self.wire(|wire| wire.has_record().then(|| wire.len()));
            if before.is_none() && self.pending() == 0 {
                break;
            }
            let room = (buffer.len() - count).min(c_int::MAX as usize);
            // SAFETY: a live `SSL`, and a buffer with that much room.
            let result = unsafe {
                let place = buffer.as_mut_ptr().add(count).cast();
                (self.openssl.symbols.SSL_read)(self.ssl.as_ptr(), place, room as c_int)
            };
            if result > 0 {
                count += result as usize;
                continue;
            }
            // SAFETY: a live `SSL`, after its failed call.
            match unsafe { (self.openssl.symbols.SSL_get_error)(self.ssl.as_ptr(), result) } {
                ZERO_RETURN => return Ok((count, Stop::Ended)),
                // A record that was no data: a ticket, new keys.
                WANT_READ | WANT_WRITE => {
                    if before == Some(self.wire(|wire| wire.len())) {
                        break;
                    }
                }
                // What was read before counts first; the error comes again.
                _ if count > 0 => {
                    self.failed.store(true, Ordering::Relaxed);
                    break;
                }
                _ => return self.read_by_name(py, buffer),
            }
        }
        Ok((count, Stop::Enough))
    }

    /// OpenSSL has failed, and will again: the `ssl` module makes the exception.
    fn read_by_name(&self, py: Python<'_>, buffer: &mut [u8]) -> PyResult<(usize, Stop)> {
        let size = Object::from(buffer.len().into_pyobject(py)?);
        self.failed.store(false, Ordering::Relaxed);
        let data = call_method(py, &self.object, intern!(py, "read"), &[&size])?;
        let data: &[u8] = data.bind(py).extract()?;
        if data.is_empty() {
            return Ok((0, Stop::Ended));
        }
        let count = data.len().min(buffer.len());
        buffer[..count].copy_from_slice(&data[..count]);
        Ok((count, Stop::Enough))
    }

    /// Encrypts bytes, of which there is at least one. How many: if it is not all of them, something has to be read
    /// before the rest is written. `room`, which is empty, is for what becomes of them.
    pub(crate) fn write(&self, py: Python<'_>, bytes: &[u8], room: Vec<u8>) -> PyResult<usize> {
        self.forget_errors();
        self.wire(|wire| wire.expect(bytes.len(), room));
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            let len = rest.len().min(c_int::MAX as usize) as c_int;
            // SAFETY: a live `SSL`, and that many bytes.
            let result =
                unsafe { (self.openssl.symbols.SSL_write)(self.ssl.as_ptr(), rest.as_ptr().cast(), len) };
            // The `ssl` module lets OpenSSL write a record and say so.
            if result > 0 {
                done += result as usize;
                continue;
            }
            // SAFETY: a live `SSL`, after its failed call.
            match unsafe { (self.openssl.symbols.SSL_get_error)(self.ssl.as_ptr(), result) } {
                WANT_READ | WANT_WRITE => break,
                _ => {
                    let data = Object::from(pyo3::types::PyBytes::new(py, rest));
                    let count = call_method(py, &self.object, intern!(py, "write"), &[&data])?;
                    done += count.bind(py).extract::<usize>()?.min(rest.len());
                }
            }
        }
        Ok(done)
    }

    /// What is to be sent.
    pub(crate) fn take_out(&self) -> Vec<u8> {
        self.wire(Wire::take_out)
    }

    /// How much from the peer was not read: ciphertext, and what is left of a record.
    pub(crate) fn received(&self) -> usize {
        self.wire(|wire| wire.len()) + self.pending()
    }
}
