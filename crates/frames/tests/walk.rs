//! Stacks in a memory that is made up: what is right is found, what is torn is refused.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use ironloop_frames::{Layout, Memory, Place, Reader, Types};

const RUNTIME: usize = 0x10_0000;
const THREAD: usize = 0x20_0000;
const INTERPRETER: usize = 0x21_0000;
const CODE: usize = 0x1000;
const BYTES: usize = 0x1100;
const TEXT: usize = 0x1200;
const TYPES: Types = Types { code: CODE, bytes: BYTES, text: TEXT };

/// Bytes by address; nothing is where nothing was put.
#[derive(Default)]
struct Made {
    bytes: RefCell<BTreeMap<usize, u8>>,
    reads: Cell<usize>,
    /// What happens at a read, by its number: another thread at work.
    meanwhile: RefCell<Vec<(usize, usize, usize)>>,
}

impl Made {
    fn put(&self, address: usize, bytes: &[u8]) {
        self.bytes.borrow_mut().extend((address..).zip(bytes.iter().copied()));
    }

    fn word(&self, address: usize, word: usize) {
        self.put(address, &word.to_ne_bytes());
    }

    /// Of 3.12: a code at an address, with one entry in its table, whose line is `line`.
    fn code(&self, address: usize, name: &str, line: i32) {
        self.put(address, &[0; 160]);
        self.put(address + 0x800, &[0; 32]);
        self.word(address + 8, CODE);
        self.word(address + 16, 8);
        self.put(address + 68, &line.to_ne_bytes());
        let strings = [(112, "app.py", 0x400), (128, name, 0x600)];
        for (place, string, at) in strings {
            self.word(address + place, address + at);
            self.text(address + at, string);
        }
        self.word(address + 136, address + 0x800);
        self.word(address + 0x800 + 8, BYTES);
        self.word(address + 0x800 + 16, 2);
        // Eight code units on the first line.
        self.put(address + 0x800 + 32, &[0x87, 0]);
    }

    fn text(&self, address: usize, string: &str) {
        self.put(address, &[0; 40]);
        self.word(address + 8, TEXT);
        self.word(address + 16, string.len());
        self.put(address + 32, &((1_i32 << 2) | (1 << 5) | (1 << 6)).to_ne_bytes());
        self.put(address + 40, string.as_bytes());
    }

    fn frame(&self, address: usize, code: usize, previous: usize, owner: u8) {
        self.put(address, &[0; 80]);
        self.word(address, code);
        self.word(address + 8, previous);
        self.word(address + 56, code + 192 + 4);
        self.put(address + 70, &[owner]);
    }
}

impl Memory for &Made {
    fn read(&self, address: usize, into: &mut [u8]) -> bool {
        self.reads.set(self.reads.get() + 1);
        for (_, address, word) in self.meanwhile.borrow().iter().filter(|what| what.0 == self.reads.get()) {
            self.word(*address, *word);
        }
        let bytes = self.bytes.borrow();
        into.iter_mut().enumerate().all(|(index, byte)| {
            let found = address.checked_add(index).and_then(|address| bytes.get(&address));
            found.is_some_and(|found| {
                *byte = *found;
                true
            })
        })
    }
}

/// Two functions, one called by the other, below the frame that runs the loop.
fn two_frames() -> Made {
    let made = Made::default();
    made.word(THREAD + 16, INTERPRETER);
    made.word(THREAD + 56, THREAD + 0x500);
    made.word(THREAD + 0x500, 0x5000);
    made.code(0x30_0000, "inner", 7);
    made.code(0x31_0000, "outer", 70);
    made.frame(0x5000, 0x30_0000, 0x5100, 0);
    // An entry of the interpreter's own, with anything for its code.
    made.frame(0x5100, 0xdead, 0x5200, 3);
    made.frame(0x5200, 0x31_0000, 0x5300, 1);
    made.frame(0x5300, 0x31_0000, 0, 0);
    made
}

fn reader(made: &Made) -> Reader<&Made> {
    let layout = Layout::of(&made, 12, RUNTIME, TYPES).expect("3.12 is known");
    Reader { memory: made, layout }
}

fn place(function: &str, line: i32) -> Place {
    Place { file: "app.py".to_owned(), line, function: function.to_owned() }
}

#[test]
fn the_outermost_comes_first_and_what_is_outside_is_left_out() {
    let made = two_frames();
    let stack = reader(&made).stack(THREAD, 0x5300).unwrap();
    assert_eq!(stack.places, [place("outer", 70), place("inner", 7)]);
    assert!(!stack.restless && !stack.cut);
    assert_eq!(reader(&made).stack(THREAD, 0).unwrap().places.len(), 3);
    assert_eq!(reader(&made).stack(THREAD, 0x5000).unwrap().places, []);
}

#[test]
fn what_is_no_code_is_never_believed() {
    for (place, wrong) in [(8, BYTES), (16, 1), (16, 1 << 40), (112, 3), (136, 0), (128, 0x30_0800)] {
        let made = two_frames();
        made.word(0x30_0000 + place, wrong);
        let stack = reader(&made).stack(THREAD, 0x5300);
        // The outer one is right all the same, where the inner one was found to be a frame of some code.
        assert!(
            stack.is_none_or(|stack| stack.restless && stack.places == [self::place("outer", 70)]),
            "{place}"
        );
    }
}

#[test]
fn memory_that_is_gone_anywhere_is_no_fault() {
    let addresses: Vec<usize> = two_frames().bytes.borrow().keys().copied().collect();
    for gone in addresses {
        let made = two_frames();
        made.bytes.borrow_mut().remove(&gone);
        let _ = reader(&made).stack(THREAD, 0x5300);
    }
}

#[test]
fn garbage_anywhere_is_no_fault_and_no_endless_walk() {
    let addresses: Vec<usize> = two_frames().bytes.borrow().keys().copied().collect();
    for (index, address) in addresses.iter().enumerate() {
        for garbage in [0, 1, 0x7f, 0xff, 0x50, index as u8] {
            let made = two_frames();
            made.put(*address, &[garbage]);
            let _ = reader(&made).stack(THREAD, 0x5300);
            assert!(made.reads.get() < 100_000);
        }
    }
}

#[test]
fn a_circle_of_frames_is_cut() {
    let made = two_frames();
    made.word(0x5200 + 8, 0x5000);
    assert!(reader(&made).stack(THREAD, 0x5300).unwrap().cut);
}

#[test]
fn a_stack_that_changed_once_is_read_again() {
    for when in 1..40 {
        let made = two_frames();
        made.code(0x32_0000, "another", 700);
        made.frame(0x5400, 0x32_0000, 0x5200, 0);
        made.meanwhile.borrow_mut().push((when, THREAD + 0x500, 0x5400));
        let stack = reader(&made).stack(THREAD, 0x5300).unwrap();
        let (before, after) =
            ([place("outer", 70), place("inner", 7)], [place("outer", 70), place("another", 700)]);
        assert!(stack.places == before || stack.places == after, "{stack:?}");
    }
}

#[test]
fn of_a_thread_that_never_rests_what_stays_is_told() {
    let made = two_frames();
    made.code(0x32_0000, "another", 700);
    made.frame(0x5400, 0x32_0000, 0x5200, 0);
    // It calls the two in turn, faster than it can be read.
    let calls = (1..2000).map(|step| (2 * step, THREAD + 0x500, if step % 2 == 0 { 0x5000 } else { 0x5400 }));
    made.meanwhile.borrow_mut().extend(calls);
    if let Some(stack) = reader(&made).stack(THREAD, 0x5300) {
        assert_eq!(stack.places.first(), Some(&place("outer", 70)));
    }
}

#[test]
fn what_the_interpreter_says_of_itself_is_taken_only_whole() {
    let made = Made::default();
    assert!(Layout::of(&&made, 13, RUNTIME, TYPES).is_none());
    made.put(RUNTIME, b"xdebugpy");
    made.word(RUNTIME + 8, 0x030d_00f0);
    for index in 2..120 {
        made.word(RUNTIME + 8 * index, if index == 2 { 0 } else { 8 * index });
    }
    assert!(Layout::of(&&made, 13, RUNTIME, TYPES).is_some());
    // Of another version, free-threaded, out of bounds, of a version to come.
    assert!(Layout::of(&&made, 14, RUNTIME, TYPES).is_none());
    assert!(Layout::of(&&made, 16, RUNTIME, TYPES).is_none());
    made.word(RUNTIME + 8 * (3 + 26), 1 << 40);
    assert!(Layout::of(&&made, 13, RUNTIME, TYPES).is_none());
    made.word(RUNTIME + 8 * (3 + 26), 8);
    made.word(RUNTIME + 16, 1);
    assert!(Layout::of(&&made, 13, RUNTIME, TYPES).is_none());
}

#[test]
fn the_collector_and_the_holder_of_the_lock() {
    let made = two_frames();
    made.put(INTERPRETER + 312, &1_i32.to_ne_bytes());
    made.word(INTERPRETER + 384, 0x9000);
    made.word(0x9008, 0x77);
    made.put(0x9010, &1_i32.to_ne_bytes());
    let reader = reader(&made);
    assert_eq!(reader.is_collecting(THREAD), Some(true));
    assert_eq!(reader.holder(THREAD), Some(0x77));
    made.put(0x9010, &0_i32.to_ne_bytes());
    made.put(INTERPRETER + 312, &77_i32.to_ne_bytes());
    assert_eq!(reader.is_collecting(THREAD), None);
    assert_eq!(reader.holder(THREAD), None);
}
