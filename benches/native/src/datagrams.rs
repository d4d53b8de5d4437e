//! A bare UDP echo: all that has come, each sent back at once.

use std::io::{self, ErrorKind, Read};
use std::net::UdpSocket;

use crate::epoll::{Epoll, Interest};
use crate::sys;

const STDIN: usize = 0;
const SOCKET: usize = 1;

const LARGEST: usize = 64 * 1024;

/// Serves until the standard input closes. The socket is non-blocking.
pub fn echo(socket: &UdpSocket) -> io::Result<()> {
    let mut stdin = sys::standard_input()?;
    let mut epoll = Epoll::new()?;
    epoll.add(&stdin, STDIN, Interest::Read)?;
    epoll.add(socket, SOCKET, Interest::Read)?;
    let mut buffer = vec![0; LARGEST];
    loop {
        for index in 0..epoll.wait(None)? {
            match epoll.event(index).token {
                STDIN if stdin.read(&mut buffer)? == 0 => return Ok(()),
                STDIN => {}
                _ => while echo_one(socket, &mut buffer)? {},
            }
        }
    }
}

/// False if there was none.
fn echo_one(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<bool> {
    let result = socket.recv_from(buffer).and_then(|(count, peer)| socket.send_to(&buffer[..count], peer));
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        // Of a peer that has gone.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(true),
        result => result.map(|_| true),
    }
}
