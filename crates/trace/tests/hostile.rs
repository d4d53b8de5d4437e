//! A file that is cut off, damaged, or made by somebody who means ill opens, or the error says why: no panic,
//! no memory without end, no loop without end.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use ironloop_trace::{
    File, Moment, NewTask, ObjectKind, Op, Reason, Report, State, StringId, Subject, Unreadable, Waker,
};
use proptest::prelude::*;
use support::{Directory, recorder, small, task};

/// A recording with something in each of its parts.
fn recording() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let directory = Directory::new();
        let mut recorder = recorder(&directory, small());
        let reporter = recorder.reporter().unwrap();
        reporter.begin(&Report { stack: "f\tapp.py\t1\n".into(), ..Report::default() });
        let area = recorder.recording().unwrap();
        let coroutine = area.string("serve");
        let queue = area.object_made(ObjectKind::Queue, 1, coroutine, 0);
        let queue = area.find_object(queue).unwrap();
        for number in 1..40 {
            let mark = area.task_made(&NewTask { name: "some task", coroutine, ..task(number) });
            let slot = area.find(mark).unwrap();
            area.step_begins(slot);
            area.did(queue, Op::Put, Waker::Task(slot), 1);
            area.step_ends(slot, State::Suspended(Reason::QueueGet), Subject::Object(queue, 1));
        }
        for number in 0..2000 {
            area.note(0, Moment::Mark(StringId(number)));
        }
        fs::read(recorder.path().unwrap()).unwrap()
    })
}

fn read_everything(path: &std::path::Path) -> Result<(), Unreadable> {
    let mut file = File::open(path)?;
    file.snapshot()?;
    let _ = file.life();
    let mut from = 0;
    loop {
        let events = file.events(from, 500)?;
        if events.next <= from || events.events.is_empty() && events.unknown == 0 {
            break;
        }
        from = events.next;
    }
    for (_, text) in file.texts() {
        assert!(!text.contains('\u{1b}'));
    }
    Ok(())
}

struct Damaged {
    path: PathBuf,
    /// Removed with it.
    _directory: Directory,
}

impl Damaged {
    fn new(bytes: &[u8]) -> Self {
        let directory = Directory::new();
        fs::create_dir(&directory.0).unwrap();
        let path = directory.0.join("1.1");
        fs::write(&path, bytes).unwrap();
        Self { path, _directory: directory }
    }
}

#[test]
fn the_whole_one_opens() {
    read_everything(&Damaged::new(recording()).path).unwrap();
}

#[test]
fn what_is_no_recording_is_called_so() {
    let why = |bytes: &[u8]| read_everything(&Damaged::new(bytes).path).unwrap_err().to_string();
    assert_eq!(why(b""), "cut off: 0 bytes, where at least 4096 are needed");
    assert_eq!(why(&[b'x'; 5000]), "not a recording of ironloop");
    let mut newer = recording().to_vec();
    newer[8] = 99;
    assert_eq!(why(&newer), "version 99 of the format, where this viewer knows 2 to 4");
    let mut half = recording().to_vec();
    half.truncate(9000);
    assert!(why(&half).starts_with("cut off: 9000 bytes"), "{}", why(&half));
    assert_eq!(read_everything("/dev/null".as_ref()).unwrap_err().to_string(), "not a file");
    assert_eq!(read_everything("/tmp".as_ref()).unwrap_err().to_string(), "not a file");
}

#[test]
fn one_of_the_version_before_opens_and_says_nothing_of_what_it_does_not_know() {
    let mut older = recording().to_vec();
    older[8] = 2;
    let older = Damaged::new(&older);
    read_everything(&older.path).unwrap();
    assert_eq!(File::open(&older.path).unwrap().header().load, None);
}

fn damage() -> impl Strategy<Value = Vec<(usize, u64)>> {
    let value = prop_oneof![
        any::<u64>(),
        0..4_u64,
        Just(u64::MAX),
        Just(u64::from(u32::MAX)),
        (0..64_u32).prop_map(|bit| 1 << bit),
        (0..64_u32).prop_map(|bit| (1_u64 << bit).wrapping_sub(1)),
    ];
    // Most of it where it hurts: in the page and in the strings.
    let place = prop_oneof![4 => 0..128_usize, 2 => 256..1600_usize, 4 => 0..60_000_usize];
    prop::collection::vec((place, value), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_one_opens_or_says_why(damage in damage(), cut in prop::option::of(0..500_000_usize)) {
        let mut bytes = recording().to_vec();
        for (place, value) in damage {
            // The magic and the version stay: they are tested elsewhere, and nothing comes after them.
            if let Some(word) = bytes.chunks_exact_mut(8).nth(place).filter(|_| place > 1) {
                word.copy_from_slice(&value.to_le_bytes());
            }
        }
        bytes.truncate(cut.unwrap_or(usize::MAX));
        if let Err(why) = read_everything(&Damaged::new(&bytes).path) {
            assert!(!why.to_string().is_empty());
        }
    }

    #[test]
    fn bytes_at_random_are_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..20_000)) {
        let mut bytes = bytes;
        let head = bytes.len().min(16);
        bytes[..head].copy_from_slice(&recording()[..head]);
        let _ = read_everything(&Damaged::new(&bytes).path);
    }
}
