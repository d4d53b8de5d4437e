//! A socket that waits: what all kinds of them have in common.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use ironloop_driver::{Driver, socket::Follow};
use socket2::Socket;

use crate::host::{self, Source};
use crate::net::readiness::{Readiness, Side, Waits};

/// Calls on descriptors; where they wait, the host does.
pub(crate) const DRIVER: Driver = Driver::Kernel;

/// A socket that does not block, and its place on a loop once it has had to wait.
///
/// Any thread may drop it; it is used where its loop polls.
#[derive(Debug)]
pub(crate) struct Io {
    /// First: it is watched no longer when the socket closes.
    source: OnceLock<Source>,
    readiness: Arc<Readiness>,
    socket: Socket,
}

impl Io {
    /// Of a socket that is this one's alone.
    pub(crate) fn new(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::of_nonblocking(socket))
    }

    pub(crate) fn of_nonblocking(socket: Socket) -> Self {
        Self { source: OnceLock::new(), readiness: Arc::default(), socket }
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The bare socket, which is watched no longer, and still does not block.
    pub(crate) fn into_socket(self) -> Socket {
        if let Some(source) = self.source.into_inner() {
            source.end();
        }
        self.socket
    }

    /// Tries an operation, or waits until it is worth a try.
    pub(crate) fn poll<R>(
        &self,
        side: Side,
        who: Waits,
        context: &Context<'_>,
        mut operation: impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.check()?;
        if !host::may_operate(context) {
            return Poll::Pending;
        }
        loop {
            if self.readiness.is_worth_a_try(side) {
                match operation(self.socket.as_raw_fd()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readiness.refused(side),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    result => {
                        host::spend();
                        return Poll::Ready(result);
                    }
                }
            }
            self.watch()?;
            if self.readiness.wait(side, who, context) {
                return Poll::Pending;
            }
        }
    }

    /// The same as a future, for one of several that share the socket.
    pub(crate) fn operate<R, F>(&self, side: Side, operation: F) -> Operation<'_, F>
    where
        F: FnMut(RawFd) -> io::Result<R> + Unpin,
    {
        Operation { io: self, side, waits: None, operation }
    }

    /// Whether it may be used here.
    fn check(&self) -> io::Result<()> {
        let Some(source) = self.source.get() else { return Ok(()) };
        if source.is_here() {
            return Ok(());
        }
        Err(io::Error::other(if self.readiness.has_ended() {
            "the socket's loop is closed"
        } else if host::current().is_none() {
            OUTSIDE
        } else {
            "the socket belongs to another loop"
        }))
    }

    /// It has to wait: from now on it belongs to the loop that polls.
    fn watch(&self) -> io::Result<()> {
        if self.source.get().is_some() {
            return Ok(());
        }
        let host = host::current().ok_or_else(|| io::Error::other(OUTSIDE))?;
        let source = host.watch(self.socket.as_raw_fd(), &self.readiness)?;
        // Two threads that use one socket for the first time at once: one of them is elsewhere.
        self.source.set(source).or_else(|_| self.check())
    }

    /// Reads into the buffer; 0 is the end.
    pub(crate) fn poll_read(
        &self,
        who: Waits,
        context: &Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let room = buffer.len();
        let count = ready!(self.poll(Side::Read, who, context, |fd| DRIVER.receive(fd, buffer)))?;
        if (1..room).contains(&count) {
            self.readiness.drained(Side::Read);
        }
        Poll::Ready(Ok(count))
    }

    /// Writes what there is room for.
    pub(crate) fn poll_write(
        &self,
        who: Waits,
        context: &Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let send = |fd| DRIVER.send(fd, bytes, Follow::Nothing);
        let count = ready!(self.poll(Side::Write, who, context, send))?;
        if count < bytes.len() {
            self.readiness.drained(Side::Write);
        }
        Poll::Ready(Ok(count))
    }

    /// The same of several slices.
    pub(crate) fn poll_write_vectored(
        &self,
        who: Waits,
        context: &Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(Side::Write, who, context, |fd| match slices {
            [] => Ok(0),
            slices => DRIVER.send_vectored(fd, slices),
        })
    }

    /// Tells the peer that nothing more comes. One that is gone already need not be told.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self.socket.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    /// Connects; the kernel takes its time.
    pub(crate) async fn connect(socket: Socket, address: &socket2::SockAddr) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let begun = socket.connect(address);
        let io = Self::of_nonblocking(socket);
        match begun {
            Ok(()) => return Ok(io),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        io.readiness.refused(Side::Write);
        io.operate(Side::Write, |_| match io.socket.take_error()? {
            Some(error) => Err(error),
            None => match io.socket.peer_addr() {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                result => result.map(drop),
            },
        })
        .await?;
        Ok(io)
    }
}

const OUTSIDE: &str = "the socket has to wait, and no loop polls here";

/// An operation of one of several that share a socket.
pub(crate) struct Operation<'a, F> {
    io: &'a Io,
    side: Side,
    /// Once it has had to wait.
    waits: Option<Waits>,
    operation: F,
}

impl<R, F> Future for Operation<'_, F>
where
    F: FnMut(RawFd) -> io::Result<R> + Unpin,
{
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { io, side, waits, operation } = &mut *self;
        let who = waits.unwrap_or_else(Waits::shared);
        let result = io.poll(*side, who, context, operation);
        *waits = result.is_pending().then_some(who);
        result
    }
}

impl<F> Drop for Operation<'_, F> {
    fn drop(&mut self) {
        if let Some(waits) = self.waits {
            self.io.readiness.leave(self.side, waits);
        }
    }
}

impl AsFd for Io {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
