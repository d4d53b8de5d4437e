//! A TLS echo by a libssl that is opened by its path: the very one that Python has loaded.
//!
//! OpenSSL reads and writes through a BIO of our own: a window on what was received, and the buffer of what is to be sent.
//! So there is one receive and one send a message, and nothing between OpenSSL and these two. The context is set up as
//! CPython sets up an `SSLContext`. Everything belongs to one thread.

mod library;

use std::error::Error;
use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::io;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::slice;
use std::sync::OnceLock;

use crate::server::{Answer, Service};
use library::{Bio, BioMethod, Library, Ssl, SslContext};

/// The most that a record carries.
const RECORD: usize = 16 * 1024;

const FILETYPE_PEM: c_int = 1;
const CTRL_MODE: c_int = 33;
/// Partial writes, from buffers that move, records that carry nothing for us passed over, idle buffers given back.
const MODES: c_long = 0x1 | 0x2 | 0x4 | 0x10;
const ERROR_WANT_READ: c_int = 2;
const ERROR_ZERO_RETURN: c_int = 6;
const BIO_SOURCE_SINK: c_int = 0x0400;
const BIO_READ_LATER: c_int = 0x01 | 0x08;
const BIO_ALL_RETRIES: c_int = 0x0f;
const BIO_CTRL_FLUSH: c_int = 11;

/// A BIO's functions are given the BIO and nothing else, and its data takes a function of the library to get at.
static LIBRARY: OnceLock<Library> = OnceLock::new();

pub struct OpensslEcho {
    library: &'static Library,
    /// Both live as long as the process.
    context: *mut SslContext,
    method: *const BioMethod,
    record: Vec<u8>,
    outgoing: Vec<u8>,
}

/// What a session's BIO reads from and writes to, during an answer. Between two answers nothing is in it: OpenSSL
/// has read all that there was.
struct Wire {
    incoming: *const u8,
    left: usize,
    outgoing: Vec<u8>,
}

pub struct Session {
    library: &'static Library,
    ssl: *mut Ssl,
    /// From a Box. The BIO points at it until the session's end.
    wire: *mut Wire,
}

impl OpensslEcho {
    pub fn new(library: &Path, certificate: &Path, key: &Path) -> Result<OpensslEcho, Box<dyn Error>> {
        // SAFETY: who names the file on the command line says what it is.
        let opened = unsafe { Library::open(library)? };
        let library = LIBRARY.get_or_init(|| opened);
        let certificate = CString::new(certificate.as_os_str().as_bytes())?;
        let key = CString::new(key.as_os_str().as_bytes())?;
        // SAFETY: contexts and methods are used once they are known not to be null; the names are C strings; the
        // BIO's functions have the signatures that are asked of them.
        unsafe {
            let context = (library.SSL_CTX_new)((library.TLS_server_method)());
            if context.is_null()
                || (library.SSL_CTX_use_certificate_chain_file)(context, certificate.as_ptr()) != 1
                || (library.SSL_CTX_use_PrivateKey_file)(context, key.as_ptr(), FILETYPE_PEM) != 1
            {
                return Err(library.error().into());
            }
            (library.SSL_CTX_ctrl)(context, CTRL_MODE, MODES, ptr::null_mut());
            let method = (library.BIO_meth_new)(BIO_SOURCE_SINK, c"window".as_ptr());
            if method.is_null() {
                return Err(library.error().into());
            }
            (library.BIO_meth_set_read)(method, read_window);
            (library.BIO_meth_set_write)(method, write_outgoing);
            (library.BIO_meth_set_ctrl)(method, control);
            Ok(OpensslEcho { library, context, method, record: vec![0; RECORD], outgoing: Vec::new() })
        }
    }
}

impl Service for OpensslEcho {
    type Session = Session;

    fn open(&mut self) -> io::Result<Session> {
        let library = self.library;
        // SAFETY: context and method are good; the session takes the BIO over, and frees it before the wire goes.
        unsafe {
            let ssl = (library.SSL_new)(self.context);
            let bio = (library.BIO_new)(self.method);
            if ssl.is_null() || bio.is_null() {
                return Err(io::Error::other(library.error()));
            }
            let wire = Wire { incoming: ptr::null(), left: 0, outgoing: Vec::new() };
            let wire = Box::into_raw(Box::new(wire));
            (library.BIO_set_data)(bio, wire.cast());
            (library.BIO_set_init)(bio, 1);
            (library.SSL_set_bio)(ssl, bio, bio);
            (library.SSL_set_accept_state)(ssl);
            Ok(Session { library, ssl, wire })
        }
    }

    fn answer<'a>(&'a mut self, session: &mut Session, received: &'a [u8]) -> io::Result<Answer<'a>> {
        self.outgoing.clear();
        // SAFETY: the wire is the session's, and nobody looks at it but the BIO while OpenSSL runs.
        unsafe {
            (*session.wire).incoming = received.as_ptr();
            (*session.wire).left = received.len();
            (*session.wire).outgoing = mem::take(&mut self.outgoing);
        }
        let last = session.echo(&mut self.record);
        // SAFETY: as above; the window closes before what it shows is gone.
        unsafe {
            (*session.wire).left = 0;
            self.outgoing = mem::take(&mut (*session.wire).outgoing);
        }
        Ok(Answer { bytes: &self.outgoing, last: last? })
    }
}

impl Session {
    /// Reads, and writes back, whatever has come; true at the end of the stream.
    fn echo(&mut self, record: &mut [u8]) -> io::Result<bool> {
        let library = self.library;
        // SAFETY: the session is good, and the buffer has the length that is given.
        unsafe {
            (library.ERR_clear_error)();
            loop {
                let read = (library.SSL_read)(self.ssl, record.as_mut_ptr().cast(), record.len() as c_int);
                if read <= 0 {
                    return match (library.SSL_get_error)(self.ssl, read) {
                        ERROR_WANT_READ => Ok(false),
                        ERROR_ZERO_RETURN => {
                            (library.SSL_shutdown)(self.ssl);
                            Ok(true)
                        }
                        _ => Err(io::Error::other(library.error())),
                    };
                }
                // Our BIO takes everything, and this is one record.
                if (library.SSL_write)(self.ssl, record.as_ptr().cast(), read) != read {
                    return Err(io::Error::other(library.error()));
                }
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: both are ours, and freed once; SSL_free() frees the BIO, the last that pointed at the wire.
        unsafe {
            (self.library.SSL_free)(self.ssl);
            drop(Box::from_raw(self.wire));
        }
    }
}

/// The library, and the wire of a BIO of ours.
///
/// # Safety
/// The BIO is one of ours, and its session is alive.
unsafe fn parts(bio: *mut Bio) -> (&'static Library, *mut Wire) {
    // Whoever has a BIO has opened the library.
    let library = LIBRARY.get().expect("a BIO comes out of a library");
    // SAFETY: the caller says that the BIO is good.
    (library, unsafe { (library.BIO_get_data)(bio) }.cast())
}

/// # Safety
/// OpenSSL calls it, with a BIO of ours and a buffer of `length` bytes.
unsafe extern "C" fn read_window(bio: *mut Bio, buffer: *mut c_char, length: c_int) -> c_int {
    // SAFETY: the wire is its session's, which does not touch it while OpenSSL runs; what its window shows lives until
    // `answer` closes it.
    unsafe {
        let (library, wire) = parts(bio);
        (library.BIO_clear_flags)(bio, BIO_ALL_RETRIES);
        if (*wire).left == 0 {
            (library.BIO_set_flags)(bio, BIO_READ_LATER);
            return -1;
        }
        let count = (*wire).left.min(length.unsigned_abs() as usize);
        ptr::copy_nonoverlapping((*wire).incoming, buffer.cast(), count);
        (*wire).incoming = (*wire).incoming.add(count);
        (*wire).left -= count;
        count as c_int
    }
}

/// # Safety
/// OpenSSL calls it, with a BIO of ours and `length` bytes.
unsafe extern "C" fn write_outgoing(bio: *mut Bio, bytes: *const c_char, length: c_int) -> c_int {
    // SAFETY: as in `read_window`; the bytes are OpenSSL's for the time of the call.
    unsafe {
        let (library, wire) = parts(bio);
        (library.BIO_clear_flags)(bio, BIO_ALL_RETRIES);
        let bytes = slice::from_raw_parts(bytes.cast(), length.unsigned_abs() as usize);
        let outgoing = &mut (*wire).outgoing;
        outgoing.extend_from_slice(bytes);
    }
    length
}

/// Flushing has nothing to do; whatever else may be asked of a BIO ours does not have.
extern "C" fn control(_bio: *mut Bio, command: c_int, _number: c_long, _pointer: *mut c_void) -> c_long {
    c_long::from(command == BIO_CTRL_FLUSH)
}
