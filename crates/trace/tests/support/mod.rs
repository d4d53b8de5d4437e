//! A directory in memory for the files of one test, and a recorder in it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use ironloop_trace::{Facts, File, Flags, NewTask, Place, Recorder, Sizes, State, StringId, Subject, Waker};

pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(PathBuf::from(format!("/dev/shm/ironloop-test-{}-{number}", process::id())))
    }

    pub fn place(&self) -> Place {
        Place::In(self.0.clone())
    }

    pub fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten();
        entries.flatten().map(|entry| entry.path()).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub const FACTS: Facts<'_> =
    Facts { name: "MainThread", runtime: "a test", program: "python app.py", clock: None };

pub fn small() -> Sizes {
    Sizes { events: 1 << 10, tasks: 1 << 12, objects: 1 << 11, strings: 1 << 13, reports: 4 }
}

/// A recorder that records.
pub fn recorder(directory: &Directory, sizes: Sizes) -> Recorder {
    let mut recorder = Recorder::new(&directory.place(), &FACTS, sizes).unwrap();
    recorder.record_for_ever().unwrap();
    assert!(recorder.is_recording());
    recorder
}

pub fn open(recorder: &Recorder) -> File {
    File::open(recorder.path().unwrap()).unwrap()
}

pub fn read(path: &Path) -> File {
    File::open(path).unwrap()
}

pub fn task(number: u64) -> NewTask<'static> {
    NewTask {
        number,
        by: Waker::Unknown,
        name: "",
        coroutine: StringId::NONE,
        place: StringId::NONE,
        state: State::Ready,
        subject: Subject::Nothing,
        flags: Flags::default(),
    }
}
