//! Services without TLS: an echo, and a hello to each HTTP request.

use std::io;

use crate::server::{Answer, Service};

pub struct Echo;

impl Service for Echo {
    type Session = ();

    fn open(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn answer<'a>(&'a mut self, _session: &mut (), received: &'a [u8]) -> io::Result<Answer<'a>> {
        Ok(Answer { bytes: received, last: false })
    }
}

const HEAD_END: &[u8] = b"\r\n\r\n";

pub const HELLO: &[u8] = b"Hello, world!";
pub const KIBIBYTE: &[u8] = &[b'x'; 1024];

/// Answers each request head by the same; requests that bring a body are not for it.
pub struct Http {
    answer: Vec<u8>,
    answers: Vec<u8>,
}

impl Http {
    #[must_use]
    pub fn new(body: &[u8]) -> Self {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length";
        let answer = [format!("{head}: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
        Self { answer, answers: Vec::new() }
    }
}

impl Service for Http {
    /// How many bytes of a head's end have come last.
    type Session = usize;

    fn open(&mut self) -> io::Result<usize> {
        Ok(0)
    }

    fn answer<'a>(&'a mut self, matched: &mut usize, received: &'a [u8]) -> io::Result<Answer<'a>> {
        self.answers.clear();
        for byte in received {
            *matched = match *byte {
                byte if byte == HEAD_END[*matched] => *matched + 1,
                b'\r' => 1,
                _ => 0,
            };
            if *matched == HEAD_END.len() {
                *matched = 0;
                self.answers.extend_from_slice(&self.answer);
            }
        }
        Ok(Answer { bytes: &self.answers, last: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_head_is_answered_once_however_it_comes() {
        let mut service = Http::new(HELLO);
        let length = service.answer.len();
        assert!(service.answer.ends_with(b"Content-Length: 13\r\n\r\nHello, world!"));
        let mut session = service.open().unwrap();
        let mut answers = |bytes| service.answer(&mut session, bytes).unwrap().bytes.len() / length;
        assert_eq!(answers(b"GET / HTTP/1.1\r\nHost: a\r\n\r"), 0);
        assert_eq!(answers(b"\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\r\n\r\n"), 3);
    }
}
