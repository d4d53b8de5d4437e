//! Where a Python thread is: its frames, read out of memory, without asking the thread or the interpreter.
//!
//! The thread may run, sleep, or hold the interpreter's lock in C code; what is read may change or be given
//! back meanwhile. So nothing is followed but by a [`Memory`] that cannot fault, each object's type is compared
//! before the object is believed, and a stack counts only if it was found twice ([`Reader::stack`]). Knows
//! nothing of loops, needs no Python, and makes no system call: how memory is read is the caller's.

#![forbid(unsafe_code)]

mod code;
mod layout;
mod lines;
mod memory;
mod text;
mod walk;

pub use code::Place;
pub use layout::{Layout, Types};
pub use memory::Memory;
pub use walk::{Reader, Stack};
