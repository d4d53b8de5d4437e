//! What a reader has received and nobody has taken yet.
//!
//! The bytes are ours until somebody looks at `_buffer`: then they are in a `bytearray`, and stay there for
//! as long as anybody else refers to it, since whoever does may change them.

use memchr::{memchr, memmem};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::ffi::{ByteArray, Object};

/// A buffer of this size is kept for the next data when all of it is taken.
const KEPT: usize = 64 * 1024;

pub(super) enum Buffer {
    Own(Queue),
    Exposed(ByteArray),
}

/// Bytes that come at the end and go at the front.
#[derive(Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    taken: usize,
}

impl Queue {
    fn append(&mut self, bytes: &[u8]) {
        if self.taken > 0 && self.bytes.len() + bytes.len() > self.bytes.capacity() {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn remove_front(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.bytes.len() {
            self.taken = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::Own(Queue::default())
    }
}

/// Runs no Python.
impl Buffer {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(queue) => &queue.bytes[queue.taken..],
            Self::Exposed(array) => array.bytes(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `bytearray` that is the buffer from now on.
    pub(super) fn expose(&mut self, py: Python<'_>) -> Object {
        let array = match self {
            Self::Exposed(array) => return array.object().clone_ref(py),
            Self::Own(_) => ByteArray::new(py, self.bytes()),
        };
        let object = array.object().clone_ref(py);
        *self = Self::Exposed(array);
        object
    }

    /// The bytes are ours again if nobody looks any more.
    fn take_back(&mut self) {
        if let Self::Exposed(array) = self
            && array.is_exclusive()
        {
            *self = Self::Own(Queue { bytes: array.bytes().to_vec(), taken: 0 });
        }
    }

    pub(super) fn append(&mut self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        self.take_back();
        match self {
            Self::Own(queue) => {
                queue.append(bytes);
                Ok(())
            }
            Self::Exposed(array) => array.append(py, bytes),
        }
    }

    pub(super) fn remove_front(&mut self, py: Python<'_>, count: usize) -> PyResult<()> {
        self.take_back();
        match self {
            Self::Own(queue) => {
                queue.remove_front(count);
                Ok(())
            }
            Self::Exposed(array) => array.remove_front(py, count),
        }
    }

    /// The first bytes, at most `count` of them.
    pub(super) fn take(&mut self, py: Python<'_>, count: usize) -> PyResult<Object> {
        let count = count.min(self.len());
        let taken = PyBytes::new(py, &self.bytes()[..count]).into();
        self.remove_front(py, count)?;
        Ok(taken)
    }

    /// Where `wanted` begins, at `offset` or behind it.
    pub(super) fn find(&self, wanted: &[u8], offset: usize) -> Option<usize> {
        let bytes = self.bytes().get(offset..)?;
        let found = match wanted {
            [byte] => memchr(*byte, bytes),
            _ => memmem::find(bytes, wanted),
        };
        found.map(|index| index + offset)
    }
}
