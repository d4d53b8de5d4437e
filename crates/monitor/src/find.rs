//! Which file is meant: that of a process, or the only one that there is.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use ironloop_trace::{File, Life, Unreadable, check_directory, directories};

use crate::words::one_line;

/// A file that is there, opened or not.
pub struct Found {
    pub path: PathBuf,
    pub file: Result<File, Unreadable>,
}

#[derive(Debug)]
pub enum NotFound {
    Nothing(Vec<PathBuf>),
    OfProcess(u32),
    Several(Vec<(u32, String)>),
    Unreadable(PathBuf, Unreadable),
}

impl fmt::Display for NotFound {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(places) => {
                let places: Vec<_> = places.iter().map(|path| one_line(&path.to_string_lossy())).collect();
                write!(to, "no loop of yours is running (looked in {})", places.join(" and "))
            }
            Self::OfProcess(process) => write!(to, "process {process} has no loop that can be watched"),
            Self::Several(loops) => {
                write!(to, "several loops are running; say which:")?;
                loops
                    .iter()
                    .try_for_each(|(process, program)| write!(to, "\n{process:>8}  {}", one_line(program)))
            }
            Self::Unreadable(path, why) => write!(to, "{}: {why}", one_line(&path.to_string_lossy())),
        }
    }
}

impl std::error::Error for NotFound {}

/// All files in the places where loops put them. What lies in a directory where no loop would write, because it
/// is somebody else's or others may enter it, is not looked at.
pub fn all() -> Vec<Found> {
    let mut paths: Vec<PathBuf> = directories()
        .iter()
        .filter(|directory| check_directory(directory).is_ok())
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .collect();
    paths.sort();
    paths.into_iter().map(|path| Found { file: File::open(&path), path }).collect()
}

/// The file of a process, or of the one loop that runs.
pub fn running(process: Option<u32>) -> Result<File, NotFound> {
    let mut files: Vec<File> = all().into_iter().filter_map(|found| found.file.ok()).collect();
    match process {
        Some(process) => files.retain(|file| file.header().process == process),
        None => files.retain(|file| matches!(file.life(), Life::Running | Life::Stopped)),
    }
    // Of one process' loops the one that has done most: usually that of its main thread.
    files.sort_by_key(|file| std::cmp::Reverse(file.header().items));
    let first = files.first().map(|file| file.header().process);
    if files.iter().any(|file| Some(file.header().process) != first) {
        let names = files.iter().map(|file| (file.header().process, file.header().program.clone()));
        return Err(NotFound::Several(names.collect()));
    }
    files
        .into_iter()
        .next()
        .ok_or_else(|| process.map_or_else(|| NotFound::Nothing(directories()), NotFound::OfProcess))
}

/// A file by its path, or a process by its number.
pub fn named(what: Option<&str>) -> Result<File, NotFound> {
    match what {
        Some(what) if Path::new(what).exists() => {
            File::open(what.as_ref()).map_err(|why| NotFound::Unreadable(what.into(), why))
        }
        Some(what) => match what.parse() {
            Ok(process) => running(Some(process)),
            Err(_) => {
                let error = std::io::Error::from(std::io::ErrorKind::NotFound);
                Err(NotFound::Unreadable(what.into(), error.into()))
            }
        },
        None => running(None),
    }
}
