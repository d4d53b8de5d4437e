//! A copy of a recording, as it is at this moment, on a disk or wherever: what an aeroplane's flight recorder is
//! for. The loop may write meanwhile: what it has overwritten before it was copied is taken out of the copy.
//! Any thread may copy, of any process that may read the file.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::layout::{EVENT, Layout, MAGIC, PAGE, WORD, at};
use crate::page::Clock;
use crate::sys;

/// Copies a recording to a file that is not the recording itself, which would be cut off under its writer.
pub fn save(recording: &Path, to: &Path) -> io::Result<()> {
    let source = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(recording)?;
    let target = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(to)?;
    let (from, into) = (source.metadata()?, target.metadata()?);
    if (from.dev(), from.ino()) == (into.dev(), into.ino()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is the recording itself"));
    }
    target.set_len(0)?;
    copy(&source, from.len(), &target)
}

/// The same, so that there is never a half file of that name.
pub fn save_whole(recording: &Path, to: &Path) -> io::Result<()> {
    let mut name = to.file_name().map(OsString::from).unwrap_or_default();
    name.push(".part");
    let part = to.with_file_name(name);
    let _ = fs::remove_file(&part);
    let saved = save(recording, &part).and_then(|()| fs::rename(&part, to));
    saved.inspect_err(|_| drop(fs::remove_file(&part)))
}

fn copy(source: &File, length: u64, target: &File) -> io::Result<()> {
    let mut page = [0; PAGE];
    source.read_exact_at(&mut page, 0)?;
    if word(&page, at::MAGIC) != MAGIC {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a recording of ironloop"));
    }
    // Before the rest: what is written meanwhile is newer than what the page says.
    let mut buffer = vec![0; 1 << 18];
    let mut at = PAGE as u64;
    while let Some((start, end)) = sys::data(source, at)? {
        at = start;
        while at < end.min(length) {
            let most =
                usize::try_from(end.min(length) - at).map_or(buffer.len(), |left| left.min(buffer.len()));
            let count = source.read_at(&mut buffer[..most], at)?;
            if count == 0 {
                break;
            }
            target.write_all_at(&buffer[..count], at)?;
            at += count as u64;
        }
        at = at.max(end);
    }
    target.set_len(length)?;
    let mut now = [0; PAGE];
    source.read_exact_at(&mut now, 0)?;
    blot_out(target, word(&page, at::HEAD), word(&now, at::HEAD), &page)?;
    let clock = match Clock::from_code(word(&page, at::CLOCK)) {
        // It stands where the last event has left it.
        Some(Clock::Simulated(_)) => word(&page, at::LAP).max(word(&page, at::BORN)),
        clock => clock.map_or(0, Clock::now),
    };
    page[at::SAVED * WORD..][..WORD].copy_from_slice(&clock.to_le_bytes());
    target.write_all_at(&page, 0)
}

/// Events that came while the copy was made lie where older ones were, and the one after them may be half
/// written.
fn blot_out(target: &File, head: u64, later: u64, page: &[u8; PAGE]) -> io::Result<()> {
    let words: Vec<u64> = (at::PARTS..at::PARTS + 10).map(|index| word(page, index)).collect();
    let Some(layout) = Layout::from_words(&words).filter(|_| word(page, at::AREA) != 0) else {
        return Ok(());
    };
    let count = layout.ring.count as u64;
    for number in (head..=later).take(layout.ring.count) {
        let place = layout.ring.start as u64 + number % count * EVENT as u64;
        target.write_all_at(&[0; EVENT], place)?;
    }
    Ok(())
}

fn word(page: &[u8; PAGE], index: usize) -> u64 {
    page[index * WORD..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
