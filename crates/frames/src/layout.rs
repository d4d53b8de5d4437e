//! Where CPython keeps what is read here, by version.
//!
//! From 3.13 on the interpreter says it itself, in `_Py_DebugOffsets` at the beginning of `_PyRuntime`; for 3.11
//! and 3.12 it stands here. Whoever uses it compares a stack with one that the interpreter gives.

use crate::memory::Memory;

/// The addresses of classes: what an object's first word but one has to be.
#[derive(Clone, Copy, Debug)]
pub struct Types {
    pub code: usize,
    pub bytes: usize,
    pub text: usize,
}

/// Offsets, all but the types.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub(crate) types: Types,
    pub(crate) thread: Thread,
    pub(crate) frame: Frame,
    pub(crate) code: Code,
    pub(crate) text: Text,
    pub(crate) collecting: usize,
    pub(crate) lock: Lock,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread {
    pub(crate) interpreter: usize,
    pub(crate) frame: usize,
    /// Before 3.13 that is in another struct, whose address this is: there it is at this offset.
    pub(crate) behind: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) code: usize,
    pub(crate) previous: usize,
    pub(crate) instruction: usize,
    pub(crate) owner: usize,
    /// Owners from this on are the interpreter's own entries, not frames of a program.
    pub(crate) owned_by_interpreter: u8,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    pub(crate) file: usize,
    pub(crate) name: usize,
    pub(crate) lines: usize,
    pub(crate) first_line: usize,
    pub(crate) instructions: usize,
}

/// How large the heads of strings are. What is in them, and in the head of `bytes`, has not moved since 3.11.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) ascii: usize,
    pub(crate) other: usize,
}

/// Who has the interpreter's lock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock {
    /// At an address of its own.
    Fixed { holder: usize, locked: usize },
    /// In the struct of the interpreter.
    Inside { holder: usize, locked: usize },
    /// In a struct of which the interpreter has the address.
    Behind { pointer: usize, holder: usize, locked: usize },
}

/// So much of a frame, of a code and of a string's head is read at once: what is needed of them lies there.
pub(crate) const FRAME: usize = 80;
pub(crate) const CODE: usize = 160;
pub(crate) const HEAD: usize = 40;

/// Of every object.
pub(crate) const TYPE: usize = 8;
/// Of objects of no fixed size, in items.
pub(crate) const SIZE: usize = 16;
/// Where the bytes of a `bytes` object begin.
pub(crate) const BYTES: usize = 32;
/// Of a string.
pub(crate) const LENGTH: usize = 16;
pub(crate) const STATE: usize = 32;

const COOKIE: u64 = u64::from_ne_bytes(*b"xdebugpy");

/// So much of `_Py_DebugOffsets` is read, at once: up to the last number that [`Table`] names.
const TOLD: usize = 8 * (3 + 93);

/// Which numbers of `_Py_DebugOffsets` are which, counted behind its first three words: cookie, version, whether
/// it is free-threaded.
struct Table {
    /// `gc`, `gil_runtime_state_locked`, `gil_runtime_state_holder`
    interpreter: [usize; 3],
    /// `interp`, `current_frame`
    thread: [usize; 2],
    /// `previous`, `executable`, `instr_ptr`, `owner`
    frame: [usize; 4],
    /// `filename`, `qualname`, `linetable`, `firstlineno`, `co_code_adaptive`
    code: [usize; 5],
    /// `asciiobject_size`
    ascii: usize,
    /// `collecting`
    gc: usize,
}

impl Table {
    fn of(minor: u8) -> Option<Self> {
        match minor {
            13 => Some(Self {
                interpreter: [7, 14, 15],
                thread: [19, 20],
                frame: [26, 27, 28, 30],
                code: [32, 34, 35, 36, 40],
                ascii: 67,
                gc: 69,
            }),
            14 => Some(Self {
                interpreter: [8, 15, 16],
                thread: [22, 23],
                frame: [29, 30, 31, 33],
                code: [37, 39, 40, 41, 45],
                ascii: 77,
                gc: 79,
            }),
            15 => Some(Self {
                interpreter: [8, 15, 16],
                thread: [22, 23],
                frame: [37, 38, 39, 41],
                code: [45, 47, 48, 49, 53],
                ascii: 89,
                gc: 92,
            }),
            _ => None,
        }
    }
}

impl Layout {
    /// Of CPython 3.`minor`, whose `_PyRuntime` lies at this address; nothing where that is not known.
    pub fn of(memory: &impl Memory, minor: u8, runtime: usize, types: Types) -> Option<Self> {
        match minor {
            11 => Some(Self {
                types,
                thread: Thread { interpreter: 16, frame: 56, behind: Some(8) },
                frame: Frame { code: 32, previous: 48, instruction: 56, owner: 69, owned_by_interpreter: 3 },
                code: Code { file: 112, name: 128, lines: 136, first_line: 72, instructions: 184 },
                text: Text { ascii: 48, other: 72 },
                collecting: 848,
                lock: Lock::Fixed { holder: runtime + 368, locked: runtime + 376 },
            }),
            12 => Some(Self {
                types,
                thread: Thread { interpreter: 16, frame: 56, behind: Some(0) },
                frame: Frame { code: 0, previous: 8, instruction: 56, owner: 70, owned_by_interpreter: 3 },
                code: Code { file: 112, name: 128, lines: 136, first_line: 68, instructions: 192 },
                text: Text { ascii: 40, other: 56 },
                collecting: 312,
                lock: Lock::Behind { pointer: 384, holder: 8, locked: 16 },
            }),
            13..=15 => Self::told(memory, minor, runtime, types),
            _ => None,
        }
    }

    /// As the interpreter says.
    fn told(memory: &impl Memory, minor: u8, runtime: usize, types: Types) -> Option<Self> {
        let table = Table::of(minor)?;
        let block = memory.block::<TOLD>(runtime)?;
        let number = |index: usize| block.word(8 * index);
        // Free-threaded, the instructions of a frame are not its code's.
        if number(0)? as u64 != COOKIE || number(1)? >> 16 != 0x300 | usize::from(minor) || number(2)? != 0 {
            return None;
        }
        let at = |index: usize| number(3 + index).filter(|offset| *offset < 1 << 20);
        let [gc, locked, holder] = table.interpreter;
        let [interpreter, frame] = table.thread;
        let [previous, code, instruction, owner] = table.frame;
        let [file, name, lines, first_line, instructions] = table.code;
        Some(Self {
            types,
            thread: Thread { interpreter: at(interpreter)?, frame: at(frame)?, behind: None },
            frame: Frame {
                code: at(code)?,
                previous: at(previous)?,
                instruction: at(instruction)?,
                owner: at(owner)?,
                owned_by_interpreter: 3,
            },
            code: Code {
                file: at(file)?,
                name: at(name)?,
                lines: at(lines)?,
                first_line: at(first_line)?,
                instructions: at(instructions)?,
            },
            // A string that is not ASCII has two words more.
            text: Text { ascii: at(table.ascii)?, other: at(table.ascii)? + 16 },
            collecting: at(gc)? + at(table.gc)?,
            lock: Lock::Inside { holder: at(holder)?, locked: at(locked)? },
        })
    }
}
