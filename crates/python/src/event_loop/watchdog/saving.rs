//! The last seconds before a block: a copy of the loop's recording, in a folder that `IRONLOOP_SNAPSHOTS` or
//! the program names. The watchdog's thread makes it, with nothing locked, while the loop stands still: when the
//! block is told, and once more when it is over, to the same file.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ironloop_trace::{ReportId, Reporter, save_whole};
use pyo3::prelude::*;

const VARIABLE: &str = "IRONLOOP_SNAPSHOTS";
/// So many copies stay.
const MOST: usize = 8;

struct Folder {
    path: PathBuf,
    most: usize,
    /// The oldest first.
    saved: VecDeque<PathBuf>,
}

enum Wanted {
    /// The environment has not been asked yet.
    Unknown,
    Nothing,
    In(Folder),
}

static WANTED: Mutex<Wanted> = Mutex::new(Wanted::Unknown);

fn wanted() -> MutexGuard<'static, Wanted> {
    let mut wanted = WANTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Wanted::Unknown = *wanted {
        *wanted = match std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => Wanted::In(Folder { path: path.into(), most: MOST, saved: VecDeque::new() }),
            None => Wanted::Nothing,
        };
    }
    wanted
}

/// Whether blocks are saved: then there has to be a recording.
pub(crate) fn is_wanted() -> bool {
    matches!(*wanted(), Wanted::In(_))
}

/// From now on a loop that is recorded and is blocked has its recording saved there, the last `most` of them.
#[pyfunction]
pub(super) fn save_blocks(folder: PathBuf, most: usize) {
    *wanted() = Wanted::In(Folder { path: folder, most: most.max(1), saved: VecDeque::new() });
}

/// A recording, and where it goes.
pub(super) struct Recording {
    from: PathBuf,
    to: PathBuf,
}

impl Recording {
    /// Of a loop that is blocked, if it is recorded and somebody wants it.
    pub(super) fn of(pen: &Reporter, id: ReportId) -> Option<Self> {
        let (from, true) = pen.file() else { return None };
        let Wanted::In(folder) = &*wanted() else { return None };
        let name = format!("blocked-{}-{}.ironloop", from.file_name()?.to_str()?, id.0 + 1);
        Some(Self { from: from.to_owned(), to: folder.path.join(name) })
    }

    /// What there is to say: where it is, the first time; or why it is not there.
    pub(super) fn save(self) -> Option<String> {
        let made = self
            .to
            .parent()
            .map_or(Ok(()), |folder| DirBuilder::new().recursive(true).mode(0o700).create(folder));
        let place = self.to.display();
        if let Err(error) = made.and_then(|()| save_whole(&self.from, &self.to)) {
            return Some(format!("the last seconds cannot be saved to {place}: {error}"));
        }
        let Wanted::In(folder) = &mut *wanted() else { return None };
        if folder.saved.contains(&self.to) {
            return None;
        }
        folder.saved.push_back(self.to.clone());
        while folder.saved.len() > folder.most {
            if let Some(oldest) = folder.saved.pop_front() {
                let _ = fs::remove_file(oldest);
            }
        }
        Some(format!("the last seconds are in {place}"))
    }
}
