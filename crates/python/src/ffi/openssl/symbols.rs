//! The functions of the very libssl and libcrypto that `_ssl` works with.
//!
//! Nothing is loaded: a second libssl would have other structs. Where `_ssl` hides its own (a Python that is
//! linked statically, with hidden symbols) there are none to be had.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_ulong, c_void};
use std::ptr;
use std::sync::OnceLock;

/// `SSL`
#[repr(C)]
pub(super) struct Ssl {
    _opaque: [u8; 0],
}

/// `BIO`
#[repr(C)]
pub(super) struct Bio {
    _opaque: [u8; 0],
}

/// `BIO_METHOD`
#[repr(C)]
pub(super) struct BioMethod {
    _opaque: [u8; 0],
}

/// What is called for each `SSL` that is made, or freed.
pub(super) type ExData =
    unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_void, c_int, c_long, *mut c_void);
pub(super) type BioWrite = unsafe extern "C" fn(*mut Bio, *const c_char, c_int) -> c_int;
pub(super) type BioRead = unsafe extern "C" fn(*mut Bio, *mut c_char, c_int) -> c_int;
pub(super) type BioControl = unsafe extern "C" fn(*mut Bio, c_int, c_long, *mut c_void) -> c_long;
pub(super) type BioDestroy = unsafe extern "C" fn(*mut Bio) -> c_int;

macro_rules! symbols {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        #[allow(non_snake_case, reason = "OpenSSL's names")]
        pub(super) struct Symbols {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Symbols {
            /// All of them, or nothing.
            ///
            /// # Safety
            /// As for `dlsym`; what has these names is OpenSSL's.
            unsafe fn of(library: *mut c_void) -> Option<Self> {
                Some(Self {
                    $($name: {
                        let name = concat!(stringify!($name), "\0");
                        // SAFETY: the caller's library, and a name that ends in a zero.
                        let found = unsafe { libc::dlsym(library, name.as_ptr().cast()) };
                        if found.is_null() {
                            return None;
                        }
                        // SAFETY: OpenSSL 1.1.1 and 3 declare the function so.
                        unsafe {
                            std::mem::transmute::<
                                *mut c_void,
                                unsafe extern "C" fn($($argument),*) $(-> $result)?,
                            >(found)
                        }
                    },)*
                })
            }
        }
    };
}

symbols! {
    CRYPTO_get_ex_new_index(c_int, c_long, *mut c_void, ExData, *mut c_void, ExData) -> c_int;
    SSL_get_ex_data(*const Ssl, c_int) -> *mut c_void;
    SSL_set_bio(*mut Ssl, *mut Bio, *mut Bio);
    SSL_read(*mut Ssl, *mut c_void, c_int) -> c_int;
    SSL_write(*mut Ssl, *const c_void, c_int) -> c_int;
    SSL_get_error(*const Ssl, c_int) -> c_int;
    SSL_pending(*const Ssl) -> c_int;
    ERR_peek_error() -> c_ulong;
    ERR_clear_error();
    BIO_get_new_index() -> c_int;
    BIO_meth_new(c_int, *const c_char) -> *mut BioMethod;
    BIO_meth_set_write(*mut BioMethod, BioWrite) -> c_int;
    BIO_meth_set_read(*mut BioMethod, BioRead) -> c_int;
    BIO_meth_set_ctrl(*mut BioMethod, BioControl) -> c_int;
    BIO_meth_set_destroy(*mut BioMethod, BioDestroy) -> c_int;
    BIO_new(*const BioMethod) -> *mut Bio;
    BIO_set_data(*mut Bio, *mut c_void);
    BIO_get_data(*mut Bio) -> *mut c_void;
    BIO_set_init(*mut Bio, c_int);
    BIO_set_flags(*mut Bio, c_int);
    BIO_clear_flags(*mut Bio, c_int);
}

static LOADED: OnceLock<Option<Symbols>> = OnceLock::new();

/// All of them, once they were found.
pub(super) fn loaded() -> Option<&'static Symbols> {
    LOADED.get()?.as_ref()
}

/// Finds them, the first time.
pub(super) fn load(path: Option<&str>) -> Option<&'static Symbols> {
    LOADED.get_or_init(|| Symbols::find(path)).as_ref()
}

impl Symbols {
    /// Those that the extension module of this path is linked with; of the whole process, where `_ssl` is
    /// built in.
    fn find(path: Option<&str>) -> Option<Self> {
        let path = match path {
            Some(path) => Some(CString::new(path).ok()?),
            None => None,
        };
        let name = path.as_deref().map_or(ptr::null(), CStr::as_ptr);
        // SAFETY: a path, or nothing for the process. What is not loaded stays so, and what is loaded is so
        // for good: Python unloads no module.
        let library = unsafe { libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        if library.is_null() {
            return None;
        }
        // SAFETY: a library, from which `dlsym` goes on to those that it is linked with.
        unsafe { Self::of(library) }
    }
}
