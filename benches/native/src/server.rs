//! A bare single-threaded TCP server: level-triggered epoll, one receive and one send a message.
//!
//! What it answers is a `Service`'s business: plain bytes, HTTP, TLS. A client that connects for a single request and
//! closes is served by the same code. The server ends when its standard input closes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::epoll::{Epoll, Interest, Ready};
use crate::sys;

const STDIN: usize = usize::MAX;
const LISTENER: usize = usize::MAX - 1;

/// Takes the largest message (100 KiB) whole.
const BUFFER: usize = 128 * 1024;

/// Makes answers. It owns what its connections can share: only one is served at a time.
pub trait Service {
    /// What it keeps for each connection.
    type Session;

    fn open(&mut self) -> io::Result<Self::Session>;

    /// What to send now that `received` has come; it is given everything in order, and must use all of it. An error ends
    /// this connection, and nothing else.
    fn answer<'a>(&'a mut self, session: &mut Self::Session, received: &'a [u8]) -> io::Result<Answer<'a>>;
}

pub struct Answer<'a> {
    pub bytes: &'a [u8],
    /// The connection is to be closed behind them.
    pub last: bool,
}

struct Connection<S> {
    stream: TcpStream,
    session: S,
    /// What the kernel did not take yet. While there is some, nothing is read: that is all the flow control it needs.
    unsent: Vec<u8>,
}

pub struct Server<S: Service> {
    epoll: Epoll,
    listener: TcpListener,
    service: S,
    /// A connection's place is its token.
    connections: Vec<Option<Connection<S::Session>>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
}

impl<S: Service> Server<S> {
    pub fn new(listener: TcpListener, service: S) -> io::Result<Server<S>> {
        let epoll = Epoll::new()?;
        epoll.add(&listener, LISTENER, Interest::Read)?;
        let (connections, free) = (Vec::new(), Vec::new());
        Ok(Server { epoll, listener, service, connections, free, buffer: vec![0; BUFFER] })
    }

    pub fn run(&mut self) -> io::Result<()> {
        let mut stdin = sys::standard_input()?;
        self.epoll.add(&stdin, STDIN, Interest::Read)?;
        loop {
            for index in 0..self.epoll.wait(None)? {
                match self.epoll.event(index) {
                    Ready { token: STDIN, .. } => {
                        if stdin.read(&mut self.buffer)? == 0 {
                            return Ok(());
                        }
                    }
                    Ready { token: LISTENER, .. } => self.accept()?,
                    ready => self.serve(ready)?,
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match sys::accept(&self.listener) {
                Ok(stream) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let token = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            self.epoll.add(&stream, token, Interest::Read)?;
            let session = self.service.open()?;
            self.connections[token] = Some(Connection { stream, session, unsent: Vec::new() });
        }
    }

    fn serve(&mut self, ready: Ready) -> io::Result<()> {
        let Some(connection) = &mut self.connections[ready.token] else {
            return Ok(());
        };
        let was_blocked = connection.is_blocked();
        let alive = if was_blocked {
            connection.flush()
        } else {
            connection.answer(&mut self.service, &mut self.buffer)
        };
        // A peer that went away is the end of its connection, and of nothing else.
        if !alive.unwrap_or(false) {
            self.connections[ready.token] = None;
            self.free.push(ready.token);
            return Ok(());
        }
        match (was_blocked, connection.is_blocked()) {
            (false, true) => self.epoll.change(&connection.stream, ready.token, Interest::Write),
            (true, false) => self.epoll.change(&connection.stream, ready.token, Interest::Read),
            _ => Ok(()),
        }
    }
}

impl<S> Connection<S> {
    fn is_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// One receive and one send; false at the end of the stream.
    fn answer(&mut self, service: &mut impl Service<Session = S>, buffer: &mut [u8]) -> io::Result<bool> {
        let received = match self.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        let answer = service.answer(&mut self.session, &buffer[..received])?;
        if !answer.bytes.is_empty() {
            let sent = send(&mut self.stream, answer.bytes)?;
            self.unsent.extend_from_slice(&answer.bytes[sent..]);
        }
        Ok(!answer.last)
    }

    fn flush(&mut self) -> io::Result<bool> {
        let sent = send(&mut self.stream, &self.unsent)?;
        self.unsent.drain(..sent);
        Ok(true)
    }
}

/// Sends what the kernel takes, which may be nothing.
fn send(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match stream.write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}
