//! A ring that grows until it has its end; copies of a recording, also of one that is written meanwhile.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ironloop_trace::{File, Life, Moment, Sizes, StringId, save, save_whole};
use support::{Directory, open, read, recorder, small};

fn marks(file: &mut File) -> (u64, Vec<u32>) {
    let taken = file.events(0, usize::MAX).unwrap();
    let marks = taken.events.iter().map(|event| match event.what {
        Moment::Mark(StringId(number)) => number,
        other => panic!("{other:?}"),
    });
    (taken.missed, marks.collect())
}

#[test]
fn the_ring_takes_memory_as_it_needs_it_and_loses_nothing_until_it_has_its_end() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, Sizes { events: 1 << 16, ..small() });
    let memory = |path: &std::path::Path| fs::metadata(path).unwrap().blocks() * 512;
    let path = recorder.path().unwrap().to_owned();
    let at_first = memory(&path);
    let area = recorder.recording().unwrap();
    for number in 0..40_000 {
        area.note(1, Moment::Mark(StringId(number)));
    }
    assert!(memory(&path) > at_first + 500_000, "{at_first} then {}", memory(&path));
    let (missed, found) = marks(&mut read(&path));
    assert_eq!((missed, found), (0, (0..40_000).collect()));
    let area = recorder.recording().unwrap();
    for number in 40_000..100_000 {
        area.note(1, Moment::Mark(StringId(number)));
    }
    let (missed, found) = marks(&mut open(&recorder));
    // The place of the oldest may be half written.
    assert_eq!((missed, found), (100_000 - 65_535, (100_000 - 65_535..100_000).collect()));
}

#[test]
fn a_copy_opens_says_that_it_is_one_and_is_refused_where_the_recording_is() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    for number in 0..100 {
        recorder.recording().unwrap().note(1, Moment::Mark(StringId(number)));
    }
    let path = recorder.path().unwrap().to_owned();
    let copy = directory.0.join("copy");
    save_whole(&path, &copy).unwrap();
    assert!(save(&path, &path).unwrap_err().to_string().contains("the recording itself"));
    assert!(save(&copy.with_file_name("absent"), &copy).is_err());
    drop(recorder);
    let mut file = read(&copy);
    assert_eq!((file.life(), file.now() >= file.header().lap), (Life::Saved, true));
    assert_eq!(marks(&mut file), (0, (0..100).collect()));
    assert_eq!(directory.files(), [copy]);
}

#[test]
fn a_copy_of_one_that_is_written_meanwhile_has_whole_events_in_their_order() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, Sizes { events: 1 << 12, ..small() });
    let path = recorder.path().unwrap().to_owned();
    let copy = directory.0.join("copy");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let area = recorder.recording().unwrap();
            for number in 0_u32.. {
                area.note(number.into(), Moment::Mark(StringId(number)));
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..50 {
            save(&path, &copy).unwrap();
            let (_, found) = marks(&mut read(&copy));
            assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
}
