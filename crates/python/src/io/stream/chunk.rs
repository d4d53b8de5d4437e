//! Bytes that wait to be sent.

use crate::ffi::Bytes;

/// A piece of them, which nobody changes.
pub(crate) enum Chunk {
    /// A `bytes` object that was written as a whole, or in part sent already.
    Python(Bytes),
    /// Bytes that no Python object has: a copy of what may change once `write` has returned, or what a layer
    /// has made.
    Own(Box<[u8]>),
}

// A queue of them is no longer than one of slices.
const _: () = assert!(size_of::<Chunk>() == size_of::<&[u8]>());

impl AsRef<[u8]> for Chunk {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Python(bytes) => bytes.as_ref(),
            Self::Own(bytes) => bytes,
        }
    }
}
