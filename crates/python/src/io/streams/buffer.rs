//! What a reader has received and nobody has taken yet.
//!
//! What comes as a `bytes` object, to an empty buffer, stays one, and whoever wants all of it gets that. Other bytes
//! are ours until somebody looks at `_buffer`: then they are in a `bytearray`, and stay there for as long as
//! anybody else refers to it, since whoever does may change them.

use memchr::{memchr, memmem};
use pyo3::prelude::*;

use crate::ffi::{ByteArray, Bytes, Object};
use crate::io::stream::Data;

/// A buffer of this size is kept for the next data when all of it is taken.
const KEPT: usize = 64 * 1024;

pub(super) enum Buffer {
    Own(Queue),
    /// All but the first bytes of it.
    Whole(Bytes, usize),
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
            Self::Whole(bytes, taken) => &bytes.as_ref()[*taken..],
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
            Self::Own(_) | Self::Whole(..) => ByteArray::new(py, self.bytes()),
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

    pub(super) fn append(&mut self, py: Python<'_>, data: Data<'_>) -> PyResult<()> {
        self.take_back();
        match (&mut *self, data) {
            (Self::Own(queue), Data::Whole(bytes)) if queue.bytes.is_empty() => {
                *self = Self::Whole(bytes, 0);
                Ok(())
            }
            (Self::Own(queue), data) => {
                queue.append(data.bytes());
                Ok(())
            }
            (Self::Whole(first, taken), data) => {
                let bytes = [&first.as_ref()[*taken..], data.bytes()].concat();
                *self = Self::Own(Queue { bytes, taken: 0 });
                Ok(())
            }
            (Self::Exposed(array), data) => array.append(py, data.bytes()),
        }
    }

    pub(super) fn remove_front(&mut self, py: Python<'_>, count: usize) -> PyResult<()> {
        self.take_back();
        match self {
            Self::Own(queue) => {
                queue.remove_front(count);
                Ok(())
            }
            Self::Whole(bytes, taken) => {
                *taken += count;
                if *taken == bytes.as_ref().len() {
                    *self = Self::default();
                }
                Ok(())
            }
            Self::Exposed(array) => array.remove_front(py, count),
        }
    }

    /// All of it, if it came as one `bytes` of at most so many.
    pub(super) fn take_whole(&mut self, count: usize) -> Option<Bytes> {
        if !matches!(self, Self::Whole(bytes, 0) if bytes.as_ref().len() <= count) {
            return None;
        }
        match std::mem::take(self) {
            Self::Whole(bytes, _) => Some(bytes),
            Self::Own(_) | Self::Exposed(_) => None,
        }
    }

    /// The first bytes, at most `count` of them, made a `bytes` by `make`.
    pub(super) fn take(
        &mut self,
        py: Python<'_>,
        count: usize,
        make: impl FnOnce(&[u8]) -> Bytes,
    ) -> PyResult<Bytes> {
        let count = count.min(self.len());
        let taken = make(&self.bytes()[..count]);
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
