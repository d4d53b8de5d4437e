//! A bare single-threaded TCP echo server: the yardstick for what a request costs when there is only the kernel.
//!
//! Level-triggered epoll, one receive and one send a message. A client that connects for a single request and closes
//! is served by the same code. `bare-server [--port PORT]` prints `LISTENING <port>` and ends when its stdin closes.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use ironloop_bench::epoll::{Epoll, Interest, Ready};
use ironloop_bench::options::Options;
use ironloop_bench::sys;

const STDIN: usize = usize::MAX;
const LISTENER: usize = usize::MAX - 1;
const BACKLOG: i32 = 1024;

/// Takes the largest message (100 KiB) whole.
const BUFFER: usize = 128 * 1024;

struct Connection {
    stream: TcpStream,
    /// What the kernel did not take yet. While there is some, nothing is read: that is all the flow control it needs.
    unsent: Vec<u8>,
}

struct Server {
    epoll: Epoll,
    listener: TcpListener,
    /// A connection's place is its token.
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1), &["port"])?;
    sys::raise_descriptor_limit()?;
    let listener = sys::listen(options.get_or("port", 0)?, BACKLOG)?;
    println!("LISTENING {}", listener.local_addr()?.port());
    let epoll = Epoll::new()?;
    epoll.add(&listener, LISTENER, Interest::Read)?;
    let mut server =
        Server { epoll, listener, connections: Vec::new(), free: Vec::new(), buffer: vec![0; BUFFER] };
    server.run()?;
    Ok(())
}

impl Server {
    fn run(&mut self) -> io::Result<()> {
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
            self.connections[token] = Some(Connection { stream, unsent: Vec::new() });
        }
    }

    fn serve(&mut self, ready: Ready) -> io::Result<()> {
        let Some(connection) = &mut self.connections[ready.token] else {
            return Ok(());
        };
        let was_blocked = connection.is_blocked();
        let alive = if was_blocked { connection.flush() } else { connection.echo(&mut self.buffer) };
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

impl Connection {
    fn is_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// One receive and one send; false at the end of the stream.
    fn echo(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let received = match self.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        let sent = send(&mut self.stream, &buffer[..received])?;
        self.unsent.extend_from_slice(&buffer[sent..received]);
        Ok(true)
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
