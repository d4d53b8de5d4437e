//! Files. What is called `…_now` never waits for a disk: it is for the loop's thread. The rest may, and is for
//! other threads. A stale descriptor is an error.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::sys::{file as sys, inotify};

/// Reads what is in the page cache. WouldBlock if nothing there is, Unsupported if this file's system does not
/// tell. Less than asked for may be the end of the file, or of what is cached: to ask again tells.
pub fn read_now(fd: RawFd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    sys::read_now(fd, buffer, offset)
}

/// Reads until the buffer is full or the file ends.
pub fn read_at(fd: RawFd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match sys::read_at(fd, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Where bytes are written to.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    At(u64),
    /// Where the kernel's own position is: at the end of a file that is appended to, or of a pipe.
    Here,
}

/// Writes all of it; of an error, how much was written before.
pub fn write_all(fd: RawFd, bytes: &[u8], place: Place) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        let rest = &bytes[written..];
        let result = match place {
            Place::At(offset) => sys::write_at(fd, rest, offset + written as u64),
            Place::Here => sys::write(fd, rest),
        };
        match result {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

/// What a descriptor leads to.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// A file, in which every byte has a place; not a pipe, a terminal, a socket, a device.
    pub regular: bool,
    /// On a file system of this machine.
    pub local: bool,
    /// How many names it has.
    pub links: u64,
    pub size: u64,
}

pub fn kind(fd: RawFd) -> io::Result<Kind> {
    let status = sys::status(fd)?;
    let regular = status.st_mode & libc::S_IFMT == libc::S_IFREG;
    let local = regular && sys::is_local(fd)?;
    Ok(Kind { regular, local, links: status.st_nlink as u64, size: size_of(&status) })
}

/// How long a file is.
pub fn size(fd: RawFd) -> io::Result<u64> {
    sys::status(fd).map(|status| size_of(&status))
}

fn size_of(status: &libc::stat64) -> u64 {
    u64::try_from(status.st_size).unwrap_or(0)
}

/// Opens a file on this machine whose name the kernel knows. `None`: whoever wants it has to be ready to wait,
/// or gets an error.
pub fn open_now(path: &CStr, flags: i32) -> Option<(OwnedFd, Kind)> {
    if flags & (libc::O_CREAT | libc::O_TRUNC) != 0 {
        return None;
    }
    // To open a pipe or a device does something: so the file is looked at first.
    let found = sys::open_cached(path, libc::O_PATH).ok()?;
    let found = kind(found.as_raw_fd()).ok().filter(|kind| kind.local)?;
    // Who holds a lease on it is not waited for.
    let file = sys::open_cached(path, flags | libc::O_NONBLOCK).ok()?;
    sys::set_blocking(&file).ok()?;
    Some((file, found))
}

/// What tells of changes, without blocking.
pub fn open_watch() -> io::Result<OwnedFd> {
    inotify::open()
}

/// Watches one more path. The number that its events bear.
pub fn add_watch(fd: RawFd, path: &CStr, mask: u32) -> io::Result<i32> {
    inotify::add(fd, path, mask)
}

pub fn remove_watch(fd: RawFd, watch: i32) -> io::Result<()> {
    inotify::remove(fd, watch)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs;
    use std::io::{Read, Write};

    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        // Beside the build: the folder for temporary files may be one that does not tell what is cached.
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        folder.join(format!("file-{}-{name}", std::process::id()))
    }

    #[test]
    fn what_was_just_written_is_read_at_once() {
        let path = scratch("cached");
        fs::write(&path, b"0123456789").unwrap();
        let name = CString::new(path.to_str().unwrap()).unwrap();
        if let Some((file, kind)) = open_now(&name, libc::O_RDONLY) {
            assert!(kind.regular && kind.local && kind.size == 10 && kind.links == 1);
            let mut buffer = [0; 4];
            match read_now(file.as_raw_fd(), &mut buffer, 3) {
                Ok(count) => assert_eq!((count, &buffer), (4, b"3456")),
                Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP)),
            }
            assert_eq!(read_at(file.as_raw_fd(), &mut buffer, 8).unwrap(), 2);
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_is_not_there_or_is_to_be_made_is_not_opened_now() {
        let name = CString::new(scratch("nowhere").to_str().unwrap()).unwrap();
        assert!(open_now(&name, libc::O_RDONLY).is_none());
        assert!(open_now(&name, libc::O_WRONLY | libc::O_CREAT).is_none());
        assert!(open_now(c"/dev/null", libc::O_RDONLY).is_none());
    }

    #[test]
    fn of_a_failed_write_it_is_known_how_much_was_written() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        write_all(writer.as_raw_fd(), b"abc", Place::Here).unwrap();
        let mut buffer = [0; 3];
        reader.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"abc");
        let mut full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert!(full.write(b"x").is_err());
        let (written, error) = write_all(full.as_raw_fd(), b"x", Place::Here).unwrap_err();
        assert_eq!((written, error.raw_os_error()), (0, Some(libc::ENOSPC)));
    }
}
