//! Where the files lie, and whose the directory is: `$XDG_RUNTIME_DIR/ironloop`, else `/dev/shm/ironloop-UID`.
//! Never on a disk, never in a directory that is somebody else's or that others may enter. What cannot be had
//! is a `Refusal`, in words; the loop runs without.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use crate::layout::{MAGIC, PAGE, at};
use crate::page;
use crate::sys;

/// Where a loop's file goes.
#[derive(Clone, Debug, Default)]
pub enum Place {
    #[default]
    Standard,
    /// A directory that is made if it is not there, with the same rules.
    In(PathBuf),
}

/// Why there is no file, or no recording.
#[derive(Debug)]
pub enum Refusal {
    SomebodyElses {
        path: PathBuf,
        owner: u32,
    },
    OpenToOthers {
        path: PathBuf,
        mode: u32,
    },
    OnADisk(PathBuf),
    /// The path no longer leads to the file that was made.
    Gone(PathBuf),
    System {
        doing: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    /// Nobody wants one.
    TurnedOff,
}

impl Refusal {
    /// Whether less of it could be had.
    pub(crate) fn is_lack_of_room(&self) -> bool {
        use io::ErrorKind::{OutOfMemory, StorageFull};
        matches!(self, Self::System { error, .. } if matches!(error.kind(), OutOfMemory | StorageFull))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SomebodyElses { path, owner } => write!(to, "{} belongs to user {owner}", path.display()),
            Self::OpenToOthers { path, mode } => {
                write!(to, "others may enter {} (its mode is {mode:o})", path.display())
            }
            Self::OnADisk(path) => write!(to, "{} is not in memory", path.display()),
            Self::Gone(path) => write!(to, "{} is gone, or another file", path.display()),
            Self::System { doing, path, error } => write!(to, "cannot {doing} {}: {error}", path.display()),
            Self::TurnedOff => write!(to, "it is turned off"),
        }
    }
}

impl std::error::Error for Refusal {}

pub(crate) fn system(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Refusal {
    move |error| Refusal::System { doing, path: path.to_owned(), error }
}

/// The directories to look in, the preferred one first.
pub fn directories() -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let mut all: Vec<_> = runtime.map(|path| path.join("ironloop")).into_iter().collect();
    all.push(PathBuf::from(format!("/dev/shm/ironloop-{}", sys::user())));
    all
}

/// A new file of one page, of whose memory all is promised.
pub(crate) fn create(place: &Place) -> Result<(File, PathBuf), Refusal> {
    let candidates = match place {
        Place::Standard => directories(),
        Place::In(directory) => vec![directory.clone()],
    };
    let mut result = Err(Refusal::TurnedOff);
    for directory in candidates {
        result = directory_of_ours(&directory).and_then(|()| create_in(&directory));
        if result.is_ok() {
            break;
        }
    }
    result
}

fn directory_of_ours(path: &Path) -> Result<(), Refusal> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(system("make the directory", path)(error));
        }
        _ => {}
    }
    check_directory(path)
}

/// Whether a loop would write there, and a viewer may look: ours alone, in memory, and no link.
pub fn check_directory(path: &Path) -> Result<(), Refusal> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let directory = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let directory = match directory {
        Ok(directory) => directory,
        // Before the other words: whose it is says more than that we may not look into it.
        Err(error) => {
            let owner = fs::symlink_metadata(path).map(|about| about.uid());
            return Err(match owner {
                Ok(owner) if owner != sys::user() => Refusal::SomebodyElses { path: path.to_owned(), owner },
                _ => system("open the directory", path)(error),
            });
        }
    };
    let about = directory.metadata().map_err(system("look at", path))?;
    if about.uid() != sys::user() {
        return Err(Refusal::SomebodyElses { path: path.to_owned(), owner: about.uid() });
    }
    if about.mode() & 0o077 != 0 {
        return Err(Refusal::OpenToOthers { path: path.to_owned(), mode: about.mode() & 0o7777 });
    }
    match sys::in_memory(&directory) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refusal::OnADisk(path.to_owned())),
        Err(error) => Err(system("look at", path)(error)),
    }
}

/// `PID.N`: another loop of this process, one of a process with the same number in another namespace, or what
/// was left before an exec takes the lower ones.
fn create_in(directory: &Path) -> Result<(File, PathBuf), Refusal> {
    sweep(directory);
    for number in 1_u32.. {
        let path = directory.join(format!("{}.{number}", process::id()));
        let made = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path);
        match made {
            Ok(file) => {
                if let Err(error) = sys::allocate(&file, 0, PAGE as u64) {
                    let _ = fs::remove_file(&path);
                    return Err(system("have memory for", &path)(error));
                }
                return Ok((file, path));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(system("make", &path)(error)),
        }
    }
    unreachable!("four milliards of files of one process")
}

/// The file at a path once more, if it is still the one that was made.
pub(crate) fn reopen(path: &Path, identity: (u64, u64)) -> Result<File, Refusal> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refusal::Gone(path.to_owned())),
        Err(error) => return Err(system("open", path)(error)),
    };
    let about = file.metadata().map_err(system("look at", path))?;
    if (about.dev(), about.ino()) == identity { Ok(file) } else { Err(Refusal::Gone(path.to_owned())) }
}

pub(crate) fn number_in(name: &OsStr) -> Option<u32> {
    let (process, number) = name.to_str()?.split_once('.')?;
    number.parse::<u32>().ok()?;
    process.parse().ok()
}

/// Recordings of killed processes that are kept.
const KEPT: usize = 4;

/// Removes what dead processes of this namespace have left: single pages, and all recordings but the last few.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut recordings = Vec::new();
    for entry in entries.flatten() {
        let Some(process) = number_in(&entry.file_name()) else { continue };
        if sys::exists(process) || !was_of(&entry.path(), process) {
            continue;
        }
        match entry.metadata() {
            Ok(about) if about.len() > PAGE as u64 => recordings.push((about.modified().ok(), entry.path())),
            _ => drop(fs::remove_file(entry.path())),
        }
    }
    recordings.sort();
    for (_, path) in recordings.iter().rev().skip(KEPT) {
        let _ = fs::remove_file(path);
    }
}

/// Whether a file was written by the process of that number in this namespace.
fn was_of(path: &Path, process: u32) -> bool {
    let mut page = [0; 32];
    let read = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .and_then(|file| file.read_exact_at(&mut page, 0));
    let word = |index: usize| {
        page.chunks_exact(8).nth(index).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    read.is_ok()
        && word(at::MAGIC) == MAGIC
        && word(at::PROCESS) as u32 == process
        && word(at::NAMESPACE) == page::namespace()
}
