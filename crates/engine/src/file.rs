//! A file between two system calls: where its user stands, what was read ahead, what waits to be written.
//!
//! It is pulled. [`FileBuffer::find`] says that what is wanted is here, or which bytes have to be read first;
//! they are put in by [`FileBuffer::fill`], and it is asked again. Nothing is taken before it is all here, so
//! a read that is given up has moved nothing. What is written waits in [`FileBuffer::pending`] until the file
//! has it. Of a pipe, offsets count the bytes that have come.

/// What is read ahead of a user who reads on and on, at first and at most.
const FIRST: usize = 8 << 10;
const MOST: usize = 64 << 10;

/// What a read wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// So many bytes, fewer at the end of the file.
    Whole(usize),
    /// All up to the end.
    All,
    /// As many as there are, but no more than this; none only at the end.
    Some(usize),
    /// Up to and with the next line feed, but no more than this.
    Line(usize),
}

/// What has to be read before a read can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lack {
    pub offset: u64,
    pub count: usize,
}

pub struct FileBuffer {
    /// Where the user stands.
    position: u64,
    /// Bytes of the file: `from` is the place of `position`, up to `to` they are valid. Behind it is room.
    bytes: Vec<u8>,
    from: usize,
    to: usize,
    /// The file was seen to end at `to`. Forgotten with the next answer, for files grow.
    ended: bool,
    /// How much is read ahead next; nothing where that would take from others.
    next: usize,
    greedy: bool,
    /// Written by the user, and not to the file. `position` is at its end, and nothing is read ahead.
    pending: Vec<u8>,
    /// How much may wait there.
    room: usize,
}

impl FileBuffer {
    /// `room`: how much of what is written may wait. `greedy`: whether more may be read than is asked for.
    pub fn new(position: u64, room: usize, greedy: bool) -> Self {
        let bytes = Vec::new();
        Self { position, bytes, from: 0, to: 0, ended: false, next: FIRST, greedy, pending: Vec::new(), room }
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    /// Goes there. Nothing may be pending.
    pub fn seek(&mut self, position: u64) {
        debug_assert!(self.pending.is_empty());
        let begins = self.position - self.from as u64;
        let within = position.checked_sub(begins).and_then(|from| usize::try_from(from).ok());
        match within.filter(|from| *from <= self.to) {
            Some(from) => self.from = from,
            None => {
                (self.from, self.to, self.next) = (0, 0, FIRST);
            }
        }
        self.ended = false;
        self.position = position;
    }

    /// What was read ahead is no longer what the file has.
    pub fn forget(&mut self) {
        (self.from, self.to, self.ended) = (0, 0, false);
    }

    /// What is here from the position on.
    pub fn available(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }

    /// How many of the available bytes answer it.
    pub fn find(&self, want: Want) -> Result<usize, Lack> {
        let available = self.available();
        let here = available.len();
        let lacking = match want {
            Want::Whole(count) if count <= here => return Ok(count),
            Want::Some(count) if here > 0 || count == 0 => return Ok(here.min(count)),
            Want::Line(most) => {
                let line = available[..here.min(most)].iter().position(|byte| *byte == b'\n');
                match line {
                    Some(end) => return Ok(end + 1),
                    None if here >= most => return Ok(most),
                    // Twice as much each time: the whole is looked through again.
                    None if self.greedy => here.max(1),
                    None => 1,
                }
            }
            Want::Whole(count) => count - here,
            Want::Some(count) => count,
            Want::All => here.max(1),
        };
        if self.ended {
            return Ok(here);
        }
        let count = if self.greedy { lacking.max(self.next) } else { lacking };
        Err(Lack { offset: self.position + here as u64, count })
    }

    /// So many of the available bytes are taken.
    pub fn take(&mut self, count: usize) {
        debug_assert!(count <= self.to - self.from);
        self.from += count;
        self.position += count as u64;
        self.ended = false;
    }

    /// Has what is lacking read to where it belongs. Nothing read is the end of the file.
    pub fn fill<E>(&mut self, lack: Lack, read: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<(), E> {
        debug_assert_eq!(lack.offset, self.position + self.available().len() as u64);
        self.bytes.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        let until = self.to + lack.count;
        if self.bytes.len() < until {
            self.bytes.resize(until, 0);
        }
        let count = read(&mut self.bytes[self.to..until])?;
        self.to += count;
        self.ended = count == 0;
        self.next = (self.next * 2).min(MOST);
        Ok(())
    }

    /// Bytes that came from elsewhere. Refused unless they follow what is here.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) -> bool {
        if !self.pending.is_empty() || offset != self.position + self.available().len() as u64 {
            return false;
        }
        let lack = Lack { offset, count: bytes.len() };
        let copied: Result<(), std::convert::Infallible> = self.fill(lack, |room| {
            room.copy_from_slice(bytes);
            Ok(bytes.len())
        });
        copied.is_ok()
    }

    /// Bytes went past it, to or from the file.
    pub fn moved(&mut self, count: u64) {
        self.forget();
        self.position += count;
    }

    /// Takes bytes that are to be written at the position; false if there is no room for them.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        if self.pending.len() + bytes.len() > self.room {
            return false;
        }
        self.forget();
        self.pending.extend_from_slice(bytes);
        self.position += bytes.len() as u64;
        true
    }

    /// What waits to be written, and where.
    pub fn pending(&self) -> (u64, &[u8]) {
        (self.position - self.pending.len() as u64, &self.pending)
    }

    /// The file has so many of the pending bytes.
    pub fn written(&mut self, count: usize) {
        self.pending.drain(..count);
    }

    /// The file's end is here: so it turned out when pending bytes were appended.
    pub fn ends_at(&mut self, end: u64) {
        self.forget();
        self.position = end + self.pending.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(buffer: &mut FileBuffer, file: &[u8], want: Want) -> Vec<u8> {
        loop {
            match buffer.find(want) {
                Ok(count) => {
                    let answer = buffer.available()[..count].to_vec();
                    buffer.take(count);
                    return answer;
                }
                Err(lack) => {
                    let rest = file.get(lack.offset as usize..).unwrap_or(&[]);
                    let count = lack.count.min(rest.len());
                    assert!(buffer.feed(lack.offset, &rest[..count]));
                }
            }
        }
    }

    #[test]
    fn reads_are_answered_from_what_is_ahead() {
        let file: Vec<u8> =
            (0..100_000_u32).map(|n| if n % 70 == 69 { b'\n' } else { n as u8 | 128 }).collect();
        let mut buffer = FileBuffer::new(0, 10, true);
        assert_eq!(read(&mut buffer, &file, Want::Whole(10)), file[..10]);
        assert_eq!(read(&mut buffer, &file, Want::Line(usize::MAX)), file[10..70]);
        assert_eq!(read(&mut buffer, &file, Want::Line(5)), file[70..75]);
        buffer.seek(99_000);
        assert_eq!(read(&mut buffer, &file, Want::Whole(5_000)), file[99_000..]);
        assert_eq!(read(&mut buffer, &file, Want::Some(5)), b"");
        buffer.seek(3);
        assert_eq!(read(&mut buffer, &file, Want::All), file[3..]);
        assert_eq!(buffer.position(), 100_000);
    }

    #[test]
    fn what_is_not_all_here_is_not_taken() {
        let mut buffer = FileBuffer::new(0, 0, false);
        assert_eq!(buffer.find(Want::Whole(4)), Err(Lack { offset: 0, count: 4 }));
        assert!(buffer.feed(0, b"abc"));
        assert_eq!(buffer.find(Want::Whole(4)), Err(Lack { offset: 3, count: 1 }));
        assert_eq!(buffer.position(), 0);
        assert!(!buffer.feed(7, b"x"));
        assert!(buffer.feed(3, b""));
        assert_eq!(buffer.find(Want::Whole(4)), Ok(3));
    }

    #[test]
    fn what_is_written_waits_until_the_file_has_it() {
        let mut buffer = FileBuffer::new(5, 8, true);
        assert!(buffer.write(b"abc") && buffer.write(b"de") && !buffer.write(b"fghi"));
        assert_eq!((buffer.position(), buffer.pending()), (10, (5, &b"abcde"[..])));
        buffer.written(2);
        assert_eq!(buffer.pending(), (7, &b"cde"[..]));
        buffer.written(3);
        buffer.ends_at(50);
        assert_eq!(buffer.position(), 50);
    }
}
