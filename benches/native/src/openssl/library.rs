//! A libssl, opened by its path, and those of its functions that we call, by OpenSSL's names.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_ulong, c_void};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[repr(C)]
pub(super) struct Ssl(c_void);
#[repr(C)]
pub(super) struct SslContext(c_void);
#[repr(C)]
pub(super) struct SslMethod(c_void);
#[repr(C)]
pub(super) struct Bio(c_void);
#[repr(C)]
pub(super) struct BioMethod(c_void);

type BioRead = unsafe extern "C" fn(*mut Bio, *mut c_char, c_int) -> c_int;
type BioWrite = unsafe extern "C" fn(*mut Bio, *const c_char, c_int) -> c_int;
type BioControl = unsafe extern "C" fn(*mut Bio, c_int, c_long, *mut c_void) -> c_long;

macro_rules! library {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        #[allow(non_snake_case)]
        pub(super) struct Library {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Library {
            /// Opens it for ever.
            ///
            /// # Safety
            /// The file is a libssl of OpenSSL 1.1 or later, which loads its libcrypto itself.
            pub(super) unsafe fn open(path: &Path) -> Result<Library, String> {
                let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
                // SAFETY: the name is a C string, and what dlerror() gives is one.
                let handle = unsafe {
                    let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
                    if handle.is_null() {
                        return Err(CStr::from_ptr(libc::dlerror()).to_string_lossy().into_owned());
                    }
                    handle
                };
                Ok(Library {
                    $($name: {
                        let name = concat!(stringify!($name), "\0");
                        // SAFETY: the handle is open and the name ends with a zero.
                        let symbol = unsafe { libc::dlsym(handle, name.as_ptr().cast()) };
                        if symbol.is_null() {
                            return Err(format!("{} has no {}", path.display(), stringify!($name)));
                        }
                        // SAFETY: the caller says that it is OpenSSL's function of this name, whose declaration this
                        // is; the library is never closed.
                        unsafe { mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(symbol) }
                    },)*
                })
            }
        }
    };
}

library! {
    TLS_server_method: fn() -> *const SslMethod;
    SSL_CTX_new: fn(*const SslMethod) -> *mut SslContext;
    SSL_CTX_ctrl: fn(*mut SslContext, c_int, c_long, *mut c_void) -> c_long;
    SSL_CTX_use_certificate_chain_file: fn(*mut SslContext, *const c_char) -> c_int;
    SSL_CTX_use_PrivateKey_file: fn(*mut SslContext, *const c_char, c_int) -> c_int;
    SSL_new: fn(*mut SslContext) -> *mut Ssl;
    SSL_free: fn(*mut Ssl);
    SSL_set_bio: fn(*mut Ssl, *mut Bio, *mut Bio);
    SSL_set_accept_state: fn(*mut Ssl);
    SSL_read: fn(*mut Ssl, *mut c_void, c_int) -> c_int;
    SSL_write: fn(*mut Ssl, *const c_void, c_int) -> c_int;
    SSL_shutdown: fn(*mut Ssl) -> c_int;
    SSL_get_error: fn(*const Ssl, c_int) -> c_int;
    ERR_get_error: fn() -> c_ulong;
    ERR_error_string_n: fn(c_ulong, *mut c_char, usize);
    ERR_clear_error: fn();
    BIO_meth_new: fn(c_int, *const c_char) -> *mut BioMethod;
    BIO_meth_set_read: fn(*mut BioMethod, BioRead) -> c_int;
    BIO_meth_set_write: fn(*mut BioMethod, BioWrite) -> c_int;
    BIO_meth_set_ctrl: fn(*mut BioMethod, BioControl) -> c_int;
    BIO_new: fn(*const BioMethod) -> *mut Bio;
    BIO_set_data: fn(*mut Bio, *mut c_void);
    BIO_get_data: fn(*mut Bio) -> *mut c_void;
    BIO_set_init: fn(*mut Bio, c_int);
    BIO_set_flags: fn(*mut Bio, c_int);
    BIO_clear_flags: fn(*mut Bio, c_int);
}

impl Library {
    /// What OpenSSL says of the last thing that failed.
    pub(super) fn error(&self) -> String {
        let mut text: [c_char; 256] = [0; 256];
        // SAFETY: the buffer has the length that is given, and a zero at its end whatever is written.
        unsafe {
            (self.ERR_error_string_n)((self.ERR_get_error)(), text.as_mut_ptr(), text.len());
            CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
        }
    }
}
