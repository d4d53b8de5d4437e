//! Whether a file's loop still runs. A process number alone does not say it: it may be another process by now,
//! or the same one after an exec. Who has the file mapped is its writer, or a child of it.

use std::fs;
use std::path::Path;

use super::Header;
use crate::page;
use crate::sys;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Life {
    Running,
    /// Stopped by a signal, or by a debugger.
    Stopped,
    /// The loop ended as it should.
    Ended,
    /// A copy of a recording that goes on elsewhere, or went on.
    Saved,
    /// The process is gone, or became another one, without a word.
    Killed,
    /// Its process number means something only in another namespace.
    Elsewhere,
}

impl Life {
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Ended => "ended",
            Self::Saved => "saved",
            Self::Killed => "killed",
            Self::Elsewhere => "in another namespace",
        }
    }
}

pub(super) fn of(header: &Header, path: &Path, inode: u64) -> Life {
    if header.saved.is_some() {
        return Life::Saved;
    }
    if header.ended {
        return Life::Ended;
    }
    if header.namespace != page::namespace() {
        return Life::Elsewhere;
    }
    if !sys::exists(header.process) || mapped(header.process, path, inode) == Some(false) {
        return Life::Killed;
    }
    if stopped(header.process) { Life::Stopped } else { Life::Running }
}

/// Whether a process has the file mapped; nothing where we may not know.
fn mapped(process: u32, path: &Path, inode: u64) -> Option<bool> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).ok().filter(|maps| !maps.is_empty())?;
    let name = path.file_name()?.to_str()?;
    // address, access, offset, device, inode, path
    Some(maps.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(4);
        fields.next() == Some(&inode.to_string()) && fields.any(|path| path.contains(name))
    }))
}

fn stopped(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // After the name, which may hold anything, in parentheses.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('T' | 't'))
}
