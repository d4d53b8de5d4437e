//! The task that is blocked, and who awaits it, read as the stack is.

use ironloop_frames::Memory;

use crate::event_loop::task::{AWAITER, NAME, NUMBER};
use crate::ffi::stack_of_others::Eyes;
use crate::ffi::view::TASK;

/// Who awaits whom is followed so far.
const LONGEST: usize = 16;

#[derive(Clone)]
pub(super) struct Subject {
    /// `None`: the program has given it a name that cannot be read here.
    pub(super) name: Option<String>,
    /// The names of tasks of ours that await it, the next first.
    pub(super) awaiters: Vec<String>,
}

impl Subject {
    /// Of the task at this address, which makes a step; nothing if there is none.
    pub(super) fn of(eyes: &Eyes, task: usize) -> Option<Self> {
        if task == 0 {
            return None;
        }
        let (memory, mut awaiters, mut awaited) = (&eyes.reader.memory, Vec::new(), task);
        while awaiters.len() < LONGEST {
            let Some(listener) = memory.word(awaited, AWAITER).filter(|listener| *listener != 0) else {
                break;
            };
            if eyes.reader.class_of(listener) != Some(TASK.kind().addr()) {
                break;
            }
            awaiters.push(name_of(eyes, listener).unwrap_or_else(|| "?".to_owned()));
            awaited = listener;
        }
        Some(Self { name: name_of(eyes, task), awaiters })
    }
}

fn name_of(eyes: &Eyes, task: usize) -> Option<String> {
    let (memory, numbered) = (&eyes.reader.memory, |number: usize| format!("Task-{number}"));
    let number = memory.word(task, NUMBER).filter(|number| *number != 0).map(numbered);
    // What stands there of one that has no name is the number again.
    memory.word(task, NAME).filter(|name| *name != 0).and_then(|name| eyes.reader.text(name)).or(number)
}
