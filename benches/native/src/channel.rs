//! The client's end of a connection: a stream, with TLS or without, or a datagram socket that knows its peer.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

const BUFFER: usize = 256 * 1024;

/// One for all channels: what was received, and what it says.
pub struct Buffers {
    received: Vec<u8>,
    plain: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Buffers {
        Buffers { received: vec![0; BUFFER], plain: Vec::new() }
    }
}

enum Socket {
    Stream(TcpStream),
    /// Each message is a datagram.
    Datagrams(UdpSocket),
}

pub struct Channel {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
}

/// Trusts `certificate` and nothing else, and makes a whole handshake for each connection.
pub fn trusting(certificate: &Path) -> Result<Arc<ClientConfig>, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

impl Channel {
    /// On a non-blocking stream that is connected. The handshake goes on whenever something is sent or received.
    pub fn stream(stream: TcpStream, config: Option<&Arc<ClientConfig>>) -> Result<Channel, rustls::Error> {
        let tls = match config {
            None => None,
            Some(config) => {
                let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
                let mut tls = ClientConnection::new(Arc::clone(config), name)?;
                tls.set_buffer_limit(None);
                Some(Box::new(tls))
            }
        };
        Ok(Channel { socket: Socket::Stream(stream), tls })
    }

    /// On a non-blocking socket that is connected.
    pub fn datagrams(socket: UdpSocket) -> Channel {
        Channel { socket: Socket::Datagrams(socket), tls: None }
    }

    /// Takes what it can of `bytes` and says how many; TLS takes all, and keeps what the kernel does not take.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return if bytes.is_empty() { Ok(0) } else { or_zero(self.socket.write(bytes)) };
        };
        tls.writer().write_all(bytes)?;
        self.flush()?;
        Ok(bytes.len())
    }

    /// It keeps something that the kernel did not take.
    pub fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Receives once. None at the end of the stream; it may be that nothing has come yet.
    pub fn receive<'a>(&mut self, buffers: &'a mut Buffers) -> io::Result<Option<&'a [u8]>> {
        let count = match self.socket.read(&mut buffers.received) {
            Ok(0) => return Ok(None),
            result => or_zero(result)?,
        };
        let Some(tls) = &mut self.tls else {
            return Ok(Some(&buffers.received[..count]));
        };
        let mut received = &buffers.received[..count];
        buffers.plain.clear();
        let mut ended = false;
        while !received.is_empty() {
            tls.read_tls(&mut received)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            ended |= state.peer_has_closed();
            let before = buffers.plain.len();
            buffers.plain.resize(before + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(&mut buffers.plain[before..])?;
        }
        self.flush()?;
        Ok(if ended && buffers.plain.is_empty() { None } else { Some(&buffers.plain) })
    }

    /// Says goodbye; dropping it closes.
    pub fn end(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        while tls.wants_write() {
            if or_zero(tls.write_tls(&mut self.socket))? == 0 {
                break;
            }
        }
        Ok(())
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        match &self.socket {
            Socket::Stream(stream) => stream.as_raw_fd(),
            Socket::Datagrams(socket) => socket.as_raw_fd(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Stream(stream) => stream.read(buffer),
            Socket::Datagrams(socket) => socket.recv(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Stream(stream) => stream.write(bytes),
            Socket::Datagrams(socket) => socket.send(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn or_zero(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}
