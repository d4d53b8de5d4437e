//! What happens to a connection, at random.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// What a protocol, or whoever else has the transport, does with it.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Write(usize),
    /// One write of several pieces.
    WriteLines(Vec<usize>),
    WriteEof,
    PauseReading,
    ResumeReading,
    Limits {
        high: usize,
        low: usize,
    },
    Close,
    Abort,
}

/// One turn of the loop: what the kernel has to report, then what the program does.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// So much more goes into the kernel's buffer.
    pub(crate) room: Option<usize>,
    /// The peer has sent so many bytes.
    pub(crate) arrives: usize,
    pub(crate) peer_ends: bool,
    pub(crate) peer_resets: bool,
    pub(crate) interrupts: u32,
    /// Bytes that a receive asks for.
    pub(crate) read_size: usize,
    pub(crate) ops: Vec<Op>,
}

impl Turn {
    /// Nothing stands in the way of what waits.
    pub(crate) fn free(ops: Vec<Op>) -> Self {
        Self {
            room: Some(usize::MAX / 2),
            arrives: 0,
            peer_ends: false,
            peer_resets: false,
            interrupts: 0,
            read_size: usize::MAX,
            ops,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// What `connection_made` does.
    pub(crate) made: Vec<Op>,
    pub(crate) turns: Vec<Turn>,
    /// What each callback in its order does.
    pub(crate) reactions: Vec<Vec<Op>>,
    /// Whether `eof_received` wants the connection to stay open.
    pub(crate) keeps_open: bool,
    /// Pieces that one send takes.
    pub(crate) slices: usize,
}

/// Mostly as small as the limits below, now and then past the marks that a connection begins with.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        30 => 0..40_usize,
        10 => (0..4_usize).prop_map(|count| count * 20),
        16 => 40..3000_usize,
        1 => 65_500..65_600_usize,
        1 => 66_000..100_000_usize,
    ]
}

fn limits() -> impl Strategy<Value = Op> {
    // Few of them, so that what waits is at a mark now and then.
    let small = (0..4_usize, 0..4_usize).prop_map(|(one, other)| (one * 20, other * 20));
    let large = (0..70_000_usize, 0..70_000_usize);
    prop_oneof![3 => small, 1 => large]
        .prop_map(|(one, other)| Op::Limits { high: one.max(other), low: one.min(other) })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        28 => size().prop_map(Op::Write),
        4 => vec(size(), 0..5).prop_map(Op::WriteLines),
        1 => Just(Op::WriteEof),
        5 => Just(Op::PauseReading),
        7 => Just(Op::ResumeReading),
        6 => limits(),
        1 => Just(Op::Close),
        1 => Just(Op::Abort),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop_oneof![2 => Just(Vec::new()), 3 => vec(op(), 1..5)]
}

fn turn() -> impl Strategy<Value = Turn> {
    (
        option::of(size()),
        prop_oneof![1 => Just(0), 1 => 0..300_usize],
        prop::bool::weighted(0.03),
        prop::bool::weighted(0.01),
        prop_oneof![4 => Just(0), 1 => 1..3_u32],
        1..300_usize,
        ops(),
    )
        .prop_map(|(room, arrives, peer_ends, peer_resets, interrupts, read_size, ops)| Turn {
            room,
            arrives,
            peer_ends,
            peer_resets,
            interrupts,
            read_size,
            ops,
        })
}

pub(crate) fn any() -> impl Strategy<Value = Script> {
    (ops(), vec(turn(), 1..30), vec(ops(), 0..30), prop::bool::ANY, 1..4_usize).prop_map(
        |(made, turns, reactions, keeps_open, slices)| Script { made, turns, reactions, keeps_open, slices },
    )
}
