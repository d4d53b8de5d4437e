//! The stack of a thread that cannot be asked: it sleeps in C code, or holds the interpreter's lock there.
//!
//! `ironloop_frames` reads it, by a memory that cannot fault, from whatever thread, attached or not. Here it gets
//! its addresses, and is compared once with what the interpreter says of the calling thread: where the two
//! differ in anything it is not used.

use std::sync::OnceLock;

use ironloop_driver::OwnMemory;
use ironloop_frames::{Layout, Memory, Place, Reader, Types};
use pyo3::ffi;
use pyo3::prelude::*;

/// So many frames are compared, the innermost first: that one leads to the next is among what has to be right.
const COMPARED: usize = 2;

/// Memory of this process.
pub(crate) struct Ours(OwnMemory);

impl Memory for Ours {
    fn read(&self, address: usize, into: &mut [u8]) -> bool {
        self.0.read(address, into)
    }
}

/// What of other threads can be seen.
pub(crate) struct Eyes {
    pub(crate) reader: Reader<Ours>,
    sees: Sees,
}

#[derive(Clone, Copy)]
struct Sees {
    layout: Layout,
    collector: bool,
    lock: bool,
}

/// Memory of the calling thread's own state.
struct Own;

impl Memory for Own {
    fn read(&self, address: usize, into: &mut [u8]) -> bool {
        // SAFETY: `innermost_here` alone reads by it, in this thread's state and what that leads to, by a layout
        // that has proved right.
        unsafe { std::ptr::copy_nonoverlapping(address as *const u8, into.as_mut_ptr(), into.len()) };
        true
    }
}

/// The innermost frame of this thread; nothing where frames cannot be seen.
pub(crate) fn innermost_here(py: Python<'_>) -> Option<usize> {
    let layout = SEES.get()?.ok()?.layout;
    Reader { memory: Own, layout }.innermost(ThreadState::of_this_thread(py).0)
}

/// Why nothing can be seen, in words.
pub(crate) type Blind = &'static str;

static SEES: OnceLock<Result<Sees, Blind>> = OnceLock::new();

/// A thread's state, as an address: it is never followed but by [`Eyes`], so it may be that of a thread which has
/// ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadState(usize);

impl ThreadState {
    pub(crate) fn of_this_thread(_py: Python<'_>) -> Self {
        // SAFETY: the thread is attached, so it has a state.
        Self(unsafe { ffi::PyThreadState_Get() }.addr())
    }
}

/// Looks once at what this interpreter is like.
pub(crate) fn prepare(py: Python<'_>) {
    if SEES.get().is_none() {
        // Outside of the lock's own making: to look runs code of the interpreter's.
        let found = look(py);
        let _ = SEES.set(found);
    }
}

impl Eyes {
    /// For the thread that opens them, in this process; they do without the interpreter.
    pub(crate) fn open() -> Result<Self, Blind> {
        let sees = SEES.get().copied().unwrap_or(Err("nobody has looked yet"))?;
        let memory = Ours(OwnMemory::open().map_err(|_| REFUSED)?);
        Ok(Self { reader: Reader { memory, layout: sees.layout }, sees })
    }

    /// Where a thread is, inside of the frame at this address.
    pub(crate) fn stack(&self, thread: ThreadState, outside: usize) -> Option<ironloop_frames::Stack> {
        self.reader.stack(thread.0, outside)
    }

    pub(crate) fn is_collecting(&self, thread: ThreadState) -> bool {
        self.sees.collector && self.reader.is_collecting(thread.0) == Some(true)
    }

    /// The thread that has the interpreter's lock, if it is another.
    pub(crate) fn other_holder(&self, thread: ThreadState) -> Option<ThreadState> {
        let holder = if self.sees.lock { self.reader.holder(thread.0) } else { None };
        holder.map(ThreadState).filter(|holder| *holder != thread)
    }
}

const REFUSED: Blind = "this process may not read its own memory by system calls";
const UNKNOWN: Blind = "this Python's frames are laid out in a way that is not known";
const DIFFERENT: Blind = "what is read of this Python's frames is not what it says itself";

fn look(py: Python<'_>) -> Result<Sees, Blind> {
    if cfg!(Py_GIL_DISABLED) {
        return Err("of a free-threaded Python frames cannot be read");
    }
    let minor = py.version_info().minor;
    let types = Types {
        code: (&raw const ffi::PyCode_Type).addr(),
        bytes: (&raw const ffi::PyBytes_Type).addr(),
        text: (&raw const ffi::PyUnicode_Type).addr(),
    };
    let memory = Ours(OwnMemory::open().map_err(|_| REFUSED)?);
    let layout = Layout::of(&memory, minor, runtime(), types).ok_or(UNKNOWN)?;
    let (reader, here) = (Reader { memory, layout }, ThreadState::of_this_thread(py));
    let said = said(py).map_err(|_| DIFFERENT)?;
    let read = reader.inner_stack(here.0, 0, COMPARED).ok_or(DIFFERENT)?;
    if said.is_empty() || !read.places.iter().rev().take(said.len()).eq(said.iter()) {
        return Err(DIFFERENT);
    }
    let (collector, lock) = (reader.is_collecting(here.0), reader.holder(here.0));
    Ok(Sees { layout, collector: collector == Some(false), lock: lock == Some(here.0) })
}

fn runtime() -> usize {
    unsafe extern "C" {
        static _PyRuntime: u8;
    }
    (&raw const _PyRuntime).addr()
}

/// The innermost frames of this thread, as the interpreter says.
fn said(py: Python<'_>) -> PyResult<Vec<Place>> {
    let mut places = Vec::new();
    // SAFETY: the state of this thread, which is attached; the frames and codes are new references, or null.
    unsafe {
        let mut frame = ffi::PyThreadState_GetFrame(ffi::PyThreadState_Get());
        while !frame.is_null() && places.len() < COMPARED {
            let _frame = Bound::<PyAny>::from_owned_ptr(py, frame.cast());
            let code = Bound::<PyAny>::from_owned_ptr(py, ffi::PyFrame_GetCode(frame).cast());
            places.push(Place {
                file: code.getattr("co_filename")?.extract()?,
                line: ffi::PyFrame_GetLineNumber(frame),
                function: code.getattr("co_qualname")?.extract()?,
            });
            frame = ffi::PyFrame_GetBack(frame);
        }
        if !frame.is_null() {
            drop(Bound::<PyAny>::from_owned_ptr(py, frame.cast()));
        }
    }
    Ok(places)
}
