//! A BIO over [`Wire`].

use std::ffi::{c_char, c_int, c_long, c_void};
use std::ptr::NonNull;

use super::symbols::{Bio, BioMethod, Symbols, loaded};
use super::wire::Wire;

const SOURCE_AND_SINK: c_int = 0x0400;
const READ_AGAIN: c_int = 0x01 | 0x08;
const ALL_RETRIES: c_int = 0x0f;

// What `BIO_ctrl` may ask.
const PENDING: c_int = 10;
const FLUSH: c_int = 11;
const DUPLICATE: c_int = 12;

/// The kind of BIO, made once.
pub(super) fn method(symbols: &Symbols) -> Option<NonNull<BioMethod>> {
    // SAFETY: OpenSSL's functions as it declares them; the method lives as long as the process.
    unsafe {
        let kind = (symbols.BIO_get_new_index)();
        let method = NonNull::new((symbols.BIO_meth_new)(kind | SOURCE_AND_SINK, c"ironloop".as_ptr()))?;
        let set = (symbols.BIO_meth_set_read)(method.as_ptr(), read)
            & (symbols.BIO_meth_set_write)(method.as_ptr(), write)
            & (symbols.BIO_meth_set_ctrl)(method.as_ptr(), control)
            & (symbols.BIO_meth_set_destroy)(method.as_ptr(), destroy);
        (set != 0).then_some(method)
    }
}

/// A new one, and the wire that it owns.
pub(super) fn new(symbols: &Symbols, method: NonNull<BioMethod>) -> Option<(NonNull<Bio>, NonNull<Wire>)> {
    // SAFETY: a method of ours; the wire is given to the BIO, which frees it in `destroy`.
    unsafe {
        let bio = NonNull::new((symbols.BIO_new)(method.as_ptr()))?;
        let wire = NonNull::from(Box::leak(Box::new(Wire::new())));
        (symbols.BIO_set_data)(bio.as_ptr(), wire.as_ptr().cast());
        (symbols.BIO_set_init)(bio.as_ptr(), 1);
        Some((bio, wire))
    }
}

/// # Safety
/// A BIO of ours, in a call of OpenSSL's; nothing else uses its wire meanwhile.
unsafe fn with_wire<R>(bio: *mut Bio, body: impl FnOnce(&Symbols, &mut Wire) -> R) -> Option<R> {
    let symbols = loaded()?;
    // SAFETY: `new` has put a wire there, or nothing yet.
    unsafe {
        let wire = (symbols.BIO_get_data)(bio).cast::<Wire>();
        wire.as_mut().map(|wire| body(symbols, wire))
    }
}

unsafe extern "C" fn read(bio: *mut Bio, buffer: *mut c_char, len: c_int) -> c_int {
    // SAFETY: OpenSSL's call, with a buffer of that size.
    let result = unsafe {
        with_wire(bio, |symbols, wire| {
            (symbols.BIO_clear_flags)(bio, ALL_RETRIES);
            if buffer.is_null() || len <= 0 {
                return 0;
            }
            let count = wire.take(std::slice::from_raw_parts_mut(buffer.cast(), len as usize));
            if count == 0 {
                (symbols.BIO_set_flags)(bio, READ_AGAIN);
                return -1;
            }
            count as c_int
        })
    };
    result.unwrap_or(-1)
}

unsafe extern "C" fn write(bio: *mut Bio, bytes: *const c_char, len: c_int) -> c_int {
    // SAFETY: OpenSSL's call, with that many bytes.
    let result = unsafe {
        with_wire(bio, |symbols, wire| {
            (symbols.BIO_clear_flags)(bio, ALL_RETRIES);
            if bytes.is_null() || len <= 0 {
                return 0;
            }
            wire.write(std::slice::from_raw_parts(bytes.cast(), len as usize));
            len
        })
    };
    result.unwrap_or(-1)
}

unsafe extern "C" fn control(bio: *mut Bio, command: c_int, _: c_long, _: *mut c_void) -> c_long {
    match command {
        FLUSH | DUPLICATE => 1,
        // SAFETY: OpenSSL's call.
        PENDING => unsafe { with_wire(bio, |_, wire| wire.len() as c_long) }.unwrap_or(0),
        _ => 0,
    }
}

unsafe extern "C" fn destroy(bio: *mut Bio) -> c_int {
    let Some(symbols) = loaded() else { return 0 };
    // SAFETY: the last that is done with the BIO; `new` has leaked the wire for it.
    unsafe {
        let wire = (symbols.BIO_get_data)(bio).cast::<Wire>();
        (symbols.BIO_set_data)(bio, std::ptr::null_mut());
        if !wire.is_null() {
            drop(Box::from_raw(wire));
        }
    }
    1
}
