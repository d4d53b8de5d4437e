//! What a code object says of a place in it.

use std::fmt;

use crate::layout::{self, BYTES, Layout, SIZE, TYPE};
use crate::lines;
use crate::memory::Memory;
use crate::text::text;

/// The largest code and the largest table of lines that are believed.
const LARGEST: usize = 1 << 20;

/// Bytes of a code unit.
const UNIT: i64 = 2;

/// A line of a program that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: i32,
    /// By its qualified name.
    pub function: String,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "File \"{}\", line {}, in {}", self.file, self.line, self.function)
    }
}

/// Where in a code the instruction lies; nothing if the object is no code, or the instruction is not its.
pub(crate) fn place(memory: &impl Memory, layout: &Layout, code: usize, instruction: usize) -> Option<Place> {
    let parts = layout.code;
    let block = memory.block::<{ layout::CODE }>(code)?;
    let units = block.word(SIZE)?;
    let begin = code.checked_add(parts.instructions)?;
    let index = (instruction as i64).checked_sub(begin as i64)?.div_euclid(UNIT);
    if units > LARGEST || index < -1 || index >= units as i64 {
        return None;
    }
    let table = block.word(parts.lines)?;
    let head = memory.block::<BYTES>(table)?;
    let length = head.word(SIZE)?;
    if head.word(TYPE)? != layout.types.bytes || length > LARGEST {
        return None;
    }
    let first = block.int(parts.first_line)?;
    let line = lines::line_of(&memory.bytes(table, BYTES, length)?, first, index)?;
    let file = text(memory, layout, block.word(parts.file)?)?;
    let function = text(memory, layout, block.word(parts.name)?)?;
    Some(Place { file, line, function })
}
