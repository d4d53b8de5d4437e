//! From a thread's innermost frame outwards.

use crate::code::{Place, place};
use crate::layout::{self, Layout, Lock, TYPE};
use crate::memory::Memory;
use crate::text::text;

/// Frames that are looked at, the innermost first.
const DEEPEST: usize = 128;

/// How often a stack is looked for that is found twice in a row.
const TRIES: usize = 8;

/// The two lowest bits of a reference in a frame say how it is counted.
const TAG: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Found {
    frame: usize,
    code: usize,
    instruction: usize,
}

/// A thread's frames: the outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    pub places: Vec<Place>,
    /// The inner frames change faster than they can be read: they are not among the places.
    pub restless: bool,
    /// There are more, outside of these.
    pub cut: bool,
}

/// One walk.
#[derive(Default)]
struct Walk {
    /// The innermost first.
    frames: Vec<Found>,
    cut: bool,
}

/// Reads by a layout.
pub struct Reader<M> {
    pub memory: M,
    pub layout: Layout,
}

impl<M: Memory> Reader<M> {
    /// Where the thread of this state is, inside of a frame, or altogether where that is 0. Nothing if it cannot
    /// be read.
    ///
    /// Two walks in a row have to find the same frames with the same codes, and what they say is read between
    /// the two; of the innermost the instruction may have changed. Where a thread calls too fast for that, what
    /// the last two have in common is the stack.
    pub fn stack(&self, thread: usize, outside: usize) -> Option<Stack> {
        self.inner_stack(thread, outside, DEEPEST)
    }

    /// The same of so many frames at most, the innermost ones.
    pub fn inner_stack(&self, thread: usize, outside: usize, deepest: usize) -> Option<Stack> {
        let mut before = self.walk(thread, outside, deepest);
        for attempt in 1.. {
            // Read after the first walk and before the second: what both have found was there all the time.
            let places = before.as_ref().map(|walk| self.places(walk));
            let after = self.walk(thread, outside, deepest);
            let (Some(first), Some(places), Some(second)) = (&before, places, &after) else {
                if attempt < TRIES {
                    before = after;
                    continue;
                }
                return None;
            };
            let common = common(first, second);
            let whole = common == first.frames.len() && common == second.frames.len();
            let named = places.iter().rev().take(common).all(Option::is_some);
            if whole && named {
                // The interpreter has codes of its own (for `__init__`, say), which are on no line.
                let places = places.into_iter().rev().flatten().filter(|place| place.line > 0).collect();
                return Some(Stack { places, restless: false, cut: first.cut });
            }
            if attempt >= TRIES {
                // Those that are cut off at another place have nothing in common that could be told.
                let restless = !first.cut && !second.cut && common > 0;
                let places = || places.into_iter().rev().take(common).map_while(|place| place).collect();
                return restless.then(|| Stack { places: places(), restless: true, cut: false });
            }
            before = after;
        }
        None
    }

    /// The innermost frame of a thread.
    pub fn innermost(&self, thread: usize) -> Option<usize> {
        let place = self.layout.thread;
        let found = self.memory.word(thread, place.frame)?;
        place.behind.map_or(Some(found), |offset| self.memory.word(found, offset))
    }

    /// Whether the collector runs, in the interpreter of a thread.
    pub fn is_collecting(&self, thread: usize) -> Option<bool> {
        let interpreter = self.memory.word(thread, self.layout.thread.interpreter)?;
        match self.memory.int(interpreter, self.layout.collecting)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// The thread that has the lock of a thread's interpreter; nothing if none has it.
    pub fn holder(&self, thread: usize) -> Option<usize> {
        let interpreter = self.memory.word(thread, self.layout.thread.interpreter)?;
        let (lock, holder, locked) = match self.layout.lock {
            Lock::Fixed { holder, locked } => (0, holder, locked),
            Lock::Inside { holder, locked } => (interpreter, holder, locked),
            Lock::Behind { pointer, holder, locked } => {
                (self.memory.word(interpreter, pointer)?, holder, locked)
            }
        };
        (self.memory.int(lock, locked)? == 1).then(|| self.memory.word(lock, holder))?
    }

    /// What a string says.
    pub fn text(&self, address: usize) -> Option<String> {
        text(&self.memory, &self.layout, address)
    }

    /// The class of an object.
    pub fn class_of(&self, object: usize) -> Option<usize> {
        self.memory.word(object, TYPE)
    }

    fn walk(&self, thread: usize, outside: usize, deepest: usize) -> Option<Walk> {
        let parts = self.layout.frame;
        let mut walk = Walk::default();
        let mut frame = self.innermost(thread)?;
        // Entries of the interpreter stand between, one for each call from C.
        for _ in 0..2 * DEEPEST {
            if frame == 0 || frame == outside {
                return Some(walk);
            }
            if walk.frames.len() == deepest {
                break;
            }
            let block = self.memory.block::<{ layout::FRAME }>(frame)?;
            if block.byte(parts.owner)? < parts.owned_by_interpreter {
                let code = block.word(parts.code)? & !TAG;
                if self.class_of(code)? != self.layout.types.code {
                    return None;
                }
                let instruction = block.word(parts.instruction)?;
                walk.frames.push(Found { frame, code, instruction });
            }
            frame = block.word(parts.previous)?;
        }
        walk.cut = true;
        Some(walk)
    }

    fn places(&self, walk: &Walk) -> Vec<Option<Place>> {
        let found = walk.frames.iter();
        found.map(|found| place(&self.memory, &self.layout, found.code, found.instruction)).collect()
    }
}

/// How many frames two walks have in common, from the outermost on.
fn common(first: &Walk, second: &Walk) -> usize {
    let both = first.frames.iter().rev().zip(second.frames.iter().rev());
    let innermost = first.frames.len().min(second.frames.len());
    both.enumerate()
        .take_while(|(index, (one, other))| {
            let same = one.frame == other.frame && one.code == other.code;
            same && (one.instruction == other.instruction || index + 1 == innermost)
        })
        .count()
}
