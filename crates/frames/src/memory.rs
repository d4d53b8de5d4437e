//! What is read.

/// Memory that may change, or not be there.
pub trait Memory {
    /// Fills the buffer with what lies at the address; false if nothing does, or not so much.
    #[must_use]
    fn read(&self, address: usize, into: &mut [u8]) -> bool;

    /// A word (an address, or a size) at an offset in a struct. Addresses that were read may be anything, so
    /// they are added up without care.
    fn word(&self, address: usize, offset: usize) -> Option<usize> {
        let mut bytes = [0; size_of::<usize>()];
        self.read(address.wrapping_add(offset), &mut bytes).then(|| usize::from_ne_bytes(bytes))
    }

    /// A C `int`.
    fn int(&self, address: usize, offset: usize) -> Option<i32> {
        let mut bytes = [0; 4];
        self.read(address.wrapping_add(offset), &mut bytes).then(|| i32::from_ne_bytes(bytes))
    }

    fn bytes(&self, address: usize, offset: usize, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read(address.wrapping_add(offset), &mut bytes).then_some(bytes)
    }

    /// The first bytes of a struct, in one read.
    fn block<const N: usize>(&self, address: usize) -> Option<Block<N>> {
        let mut bytes = [0; N];
        self.read(address, &mut bytes).then_some(Block(bytes))
    }
}

/// A struct, or the beginning of one, as it was at one moment.
pub struct Block<const N: usize>([u8; N]);

impl<const N: usize> Block<N> {
    pub(crate) fn word(&self, offset: usize) -> Option<usize> {
        Some(usize::from_ne_bytes(*self.0.get(offset..)?.first_chunk()?))
    }

    pub(crate) fn int(&self, offset: usize) -> Option<i32> {
        Some(i32::from_ne_bytes(*self.0.get(offset..)?.first_chunk()?))
    }

    pub(crate) fn byte(&self, offset: usize) -> Option<u8> {
        self.0.get(offset).copied()
    }
}
