//! Python's strings.

use crate::layout::{self, LENGTH, Layout, STATE, TYPE};
use crate::memory::Memory;

/// Longer ones are none of names or files: what was read is torn.
const LONGEST: usize = 4096;

/// Bits of a string's state: its characters' size in bytes at bit 2, then whether the characters follow the head,
/// and whether all are ASCII.
const KIND: i32 = 2;
const COMPACT: i32 = 1 << 5;
const ASCII: i32 = 1 << 6;

/// What a string says; nothing if it is none.
pub(crate) fn text(memory: &impl Memory, layout: &Layout, address: usize) -> Option<String> {
    let block = memory.block::<{ layout::HEAD }>(address)?;
    if block.word(TYPE)? != layout.types.text {
        return None;
    }
    let (length, state) = (block.word(LENGTH)?, block.int(STATE)?);
    if length > LONGEST || state & COMPACT == 0 {
        return None;
    }
    let head = if state & ASCII != 0 { layout.text.ascii } else { layout.text.other };
    let size = (state >> KIND & 7) as usize;
    let bytes = memory.bytes(address, head, length.checked_mul(size)?)?;
    let known = |number: u32| char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
    match size {
        1 => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        2 => Some(
            bytes.chunks_exact(2).map(|two| known(u16::from_ne_bytes([two[0], two[1]]).into())).collect(),
        ),
        4 => Some(
            bytes
                .chunks_exact(4)
                .map(|four| known(u32::from_ne_bytes([four[0], four[1], four[2], four[3]])))
                .collect(),
        ),
        _ => None,
    }
}
