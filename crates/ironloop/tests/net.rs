//! Sockets, over loopback and paths: both ends on one loop, unless it says otherwise.

#![allow(clippy::unwrap_used, reason = "helpers are tests too")]

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use ironloop::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream, lookup};
use ironloop::time::timeout;
use ironloop::{block_on, gather, spawn_local, yield_now};
use socket2::{Domain, Socket, Type};

const LOCAL: &str = "127.0.0.1:0";

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(LOCAL).await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = spawn_local(async move { listener.accept().await.unwrap().0 });
    let connected = TcpStream::connect(address).await.unwrap();
    (connected, accepted.await.unwrap())
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    std::net::TcpListener::bind(LOCAL).unwrap().local_addr().unwrap()
}

/// An address that does not answer, as long as what comes with it is there: those that wait to be accepted are
/// as many as there may be.
fn deaf() -> (SocketAddr, impl Sized) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&LOCAL.parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // The system takes one or two more than it was told.
    loop {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        if socket.connect_timeout(&address, Duration::from_millis(100)).is_err() {
            return (address.as_socket().unwrap(), (listener, waiting));
        }
        waiting.push(socket);
    }
}

struct PathOnDisk(PathBuf);

impl PathOnDisk {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("ironloop-{name}-{}", std::process::id())))
    }
}

impl Drop for PathOnDisk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn of_several_addresses_the_first_that_answers_is_connected_to() {
    block_on(async {
        let listener = TcpListener::bind(LOCAL).await.unwrap();
        let (good, (deaf, _busy)) = (listener.local_addr().unwrap(), deaf());
        let stream = TcpStream::connect(&[nobody(), deaf, nobody(), good][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let refused = TcpStream::connect(&[nobody(), nobody()][..]).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn what_one_end_writes_the_other_reads_and_then_the_end() {
    block_on(async {
        let (mut left, mut right) = pair().await;
        assert_eq!(left.local_addr().unwrap(), right.peer_addr().unwrap());
        assert_eq!(right.local_addr().unwrap(), left.peer_addr().unwrap());
        assert!(left.nodelay().unwrap() && right.nodelay().unwrap());
        right.set_nodelay(false).unwrap();
        assert!(!right.nodelay().unwrap());

        left.write_all(b"question").await.unwrap();
        let mut buffer = [0; 8];
        right.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"question");
        let slices = [IoSlice::new(b"ans"), IoSlice::new(b""), IoSlice::new(b"wer")];
        assert_eq!(right.write_vectored(&slices).await.unwrap(), 6);
        right.shutdown().await.unwrap();
        let mut answer = Vec::from(*b"> ");
        assert_eq!(left.read_to_end(&mut answer).await.unwrap(), 6);
        assert_eq!(answer, b"> answer");
        // The other direction is open still.
        left.write_all(b"!").await.unwrap();
        drop(left);
        assert_eq!(right.read(&mut buffer).await.unwrap(), 1);
        assert_eq!(right.read_exact(&mut buffer).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_reader_waits_for_what_comes_later_time_and_again() {
    block_on(async {
        let (mut left, mut right) = pair().await;
        let reads = spawn_local(async move {
            let (mut sizes, mut buffer) = (Vec::new(), [0; 100]);
            loop {
                match right.read(&mut buffer).await.unwrap() {
                    0 => return sizes,
                    size => sizes.push(size),
                }
            }
        });
        for size in [1, 100, 40] {
            left.write_all(&vec![b'x'; size]).await.unwrap();
            ironloop::time::sleep(Duration::from_millis(5)).await;
        }
        drop(left);
        assert_eq!(reads.await.unwrap().iter().sum::<usize>(), 141);
    });
}

#[test]
fn a_writer_waits_while_nobody_reads() {
    const SIZE: usize = 20_000_000;
    block_on(async {
        let (left, mut right) = pair().await;
        let (mut reads, mut writes) = left.split();
        let sent = Rc::new(Cell::new(false));
        let seen = Rc::clone(&sent);
        let writer = spawn_local(async move {
            writes.write_all(&vec![7; SIZE]).await.unwrap();
            seen.set(true);
        });
        right.write_all(b"meanwhile").await.unwrap();
        let mut buffer = [0; 9];
        reads.read_exact(&mut buffer).await.unwrap();
        assert!(!sent.get());
        let mut all = Vec::new();
        // The half that writes is dropped when it is done, and so the end comes.
        right.read_to_end(&mut all).await.unwrap();
        assert!(all.len() == SIZE && all.iter().all(|byte| *byte == 7));
        writer.await.unwrap();
    });
}

#[test]
fn an_echo_of_many_connections_at_once() {
    block_on(async {
        let listener = TcpListener::bind(LOCAL).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(spawn_local(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                drop(spawn_local(async move {
                    let mut buffer = [0; 64];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        stream.write_all(&buffer[..count]).await.unwrap();
                    }
                }));
            }
        }));
        let echoed = gather((0..50_u8).map(|number| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut back = [0; 40];
            for round in 0..20 {
                let bytes = [number ^ round; 40];
                stream.write_all(&bytes).await.unwrap();
                stream.read_exact(&mut back).await.unwrap();
                assert_eq!(back, bytes);
            }
            true
        }));
        assert!(echoed.await.into_iter().all(|done| done));
    });
}

#[test]
fn a_socket_that_always_has_data_lets_the_others_run() {
    block_on(async {
        let (mut left, mut right) = pair().await;
        left.write_all(&[1; 1000]).await.unwrap();
        let turns = Rc::new(Cell::new(0));
        let counts = Rc::clone(&turns);
        let counter = spawn_local(async move {
            loop {
                counts.set(counts.get() + 1);
                yield_now().await;
            }
        });
        let mut byte = [0; 1];
        for _ in 0..1000 {
            right.read(&mut byte).await.unwrap();
        }
        // A turn for each 64 of them.
        assert!(turns.get() >= 1000 / 64 - 1, "{}", turns.get());
        counter.abort();
    });
}

#[test]
fn several_wait_for_one_listener_and_for_one_datagram_socket() {
    block_on(async {
        let listener = Rc::new(TcpListener::bind(LOCAL).await.unwrap());
        let address = listener.local_addr().unwrap();
        let accepts = (0..3).map(|_| {
            let listener = Rc::clone(&listener);
            spawn_local(async move { listener.accept().await.unwrap().1 })
        });
        let accepts: Vec<_> = accepts.collect();
        yield_now().await;
        // One of them waits no longer.
        accepts[1].abort();
        yield_now().await;
        let mut clients = Vec::new();
        for _ in 0..2 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let mut seen = Vec::new();
        for accept in accepts {
            seen.extend(accept.await.ok());
        }
        let mut came: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        seen.sort();
        came.sort();
        assert_eq!(seen, came);

        let shared = Rc::new(UdpSocket::bind(LOCAL).await.unwrap());
        let receives: Vec<_> = (0..3)
            .map(|_| {
                let shared = Rc::clone(&shared);
                spawn_local(async move { shared.recv(&mut [0; 10]).await.unwrap() })
            })
            .collect();
        yield_now().await;
        let sender = UdpSocket::bind(LOCAL).await.unwrap();
        sender.connect(shared.local_addr().unwrap()).await.unwrap();
        for length in 1..=3 {
            sender.send(&vec![0; length]).await.unwrap();
        }
        let mut lengths = Vec::new();
        for receive in receives {
            lengths.push(receive.await.unwrap());
        }
        lengths.sort_unstable();
        assert_eq!(lengths, [1, 2, 3]);
    });
}

#[test]
fn datagrams_carry_addresses_and_too_long_ones_are_refused() {
    block_on(async {
        let (left, right) = (UdpSocket::bind(LOCAL).await.unwrap(), UdpSocket::bind(LOCAL).await.unwrap());
        let mut buffer = [0; 3];
        let waits = spawn_local({
            let address = left.local_addr().unwrap();
            async move {
                yield_now().await;
                right.send_to(b"long", address).await.unwrap();
                right
            }
        });
        let (length, from) = left.recv_from(&mut buffer).await.unwrap();
        let right = waits.await.unwrap();
        assert_eq!((length, &buffer, from), (3, b"lon", right.local_addr().unwrap()));
        assert!(left.send_to(&[0; 70_000], from).await.is_err());
    });
}

#[test]
fn unix_sockets_by_path_and_in_pairs() {
    let path = PathOnDisk::new("stream");
    block_on(async {
        let listener = UnixListener::bind(&path.0).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(path.0.as_path()));
        assert_eq!(UnixListener::bind(&path.0).unwrap_err().kind(), ErrorKind::AddrInUse);
        let accepted = spawn_local(async move { listener.accept().await.unwrap() });
        let mut left = UnixStream::connect(&path.0).await.unwrap();
        assert_eq!(left.peer_addr().unwrap().as_pathname(), Some(path.0.as_path()));
        let (right, from) = accepted.await.unwrap();
        assert!(from.is_unnamed() && left.local_addr().unwrap().is_unnamed());
        left.write_all(b"by path").await.unwrap();
        drop(left);
        let mut text = Vec::new();
        right.split().0.read_to_end(&mut text).await.unwrap();
        assert_eq!(text, b"by path");

        let (mut left, mut right) = UnixStream::pair().unwrap();
        let mut buffer = [0; 4];
        {
            let mut read = pin!(right.read_exact(&mut buffer));
            assert!(poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_pending())).await);
            left.write_all(b"pair").await.unwrap();
            read.await.unwrap();
        }
        assert_eq!(&buffer, b"pair");
        assert!(UnixStream::connect(path.0.with_extension("none")).await.is_err());
    });
}

#[test]
fn a_connection_that_is_refused_and_a_name_that_is_looked_up() {
    block_on(async {
        let error = TcpStream::connect(nobody()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        // One of several that answers is enough.
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        TcpStream::connect(&[nobody(), address][..]).await.unwrap();
        TcpStream::connect(("localhost".to_owned(), address.port())).await.unwrap();
        assert!(lookup(format!("localhost:{}", address.port())).await.unwrap().contains(&address));
        for bad in ["no port", "localhost:x", ":"] {
            assert_eq!(TcpStream::connect(bad).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
    });
}

#[test]
fn a_socket_of_another_loop_says_so_and_so_does_one_outside_of_any() {
    let waits = |stream: &mut TcpStream| {
        let mut buffer = [0; 1];
        let mut read = pin!(stream.read(&mut buffer));
        match read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let (mut left, mut right) = block_on(async {
        let (mut left, right) = pair().await;
        // It has waited here, and so belongs here.
        assert!(timeout(Duration::ZERO, left.read(&mut [0; 1])).await.is_err());
        let error = thread::spawn(move || {
            let error = block_on(async { left.read(&mut [0; 1]).await.unwrap_err().to_string() });
            (error, waits(&mut left), left)
        });
        let (error, outside, left) = error.join().unwrap();
        assert_eq!(error, "the socket belongs to another loop");
        assert_eq!(outside, "the socket has to wait, and no loop polls here");
        (left, right)
    });
    assert_eq!(waits(&mut left), "the socket's loop is closed");
    // The other end has never had to wait but where it was connected, and that was no wait.
    assert_eq!(waits(&mut right), "the socket has to wait, and no loop polls here");
    let bytes = block_on(async { right.write(b"x").await });
    assert_eq!(bytes.unwrap(), 1);
}

#[test]
fn sockets_are_dropped_on_any_thread_and_numbers_are_used_anew() {
    fn send<T: Send + Sync>(_: &T) {}
    block_on(async {
        for _ in 0..50 {
            let (mut left, mut right) = pair().await;
            send(&left);
            assert!(timeout(Duration::ZERO, left.read(&mut [0; 1])).await.is_err());
            thread::spawn(move || drop(left)).join().unwrap();
            assert_eq!(right.read(&mut [0; 1]).await.unwrap(), 0);
        }
    });
}

#[test]
fn whoever_waits_when_another_takes_the_socket_to_std_is_not_forgotten() {
    block_on(async {
        let (mut left, right) = pair().await;
        left.write_all(b"std").await.unwrap();
        let mut right = right;
        let mut byte = [0; 1];
        right.read_exact(&mut byte).await.unwrap();
        let mut bare = right.into_std();
        bare.set_nonblocking(false).unwrap();
        let mut rest = [0; 2];
        bare.read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"td");
        bare.write_all(b"back").unwrap();
        let mut again = TcpStream::from_std(bare).unwrap();
        let mut text = [0; 4];
        left.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"back");
        left.write_all(b"!").await.unwrap();
        again.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"!");
    });
}

#[test]
fn a_peer_that_resets_is_an_error_and_no_signal() {
    block_on(async {
        let (mut left, right) = pair().await;
        let bare = right.into_std();
        socket2::SockRef::from(&bare).set_linger(Some(Duration::ZERO)).unwrap();
        drop(bare);
        let error = left.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error: io::Error = left.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}
