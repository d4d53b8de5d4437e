//! A single-threaded load client: one request in flight on each connection, every byte that comes back is checked.
//!
//!     load-client --port PORT [--connections N] [--size BYTES] [--requests TOTAL] [--warm-up TOTAL]
//!                 [--mode echo|datagrams|reconnect|idle] [--http PATH] [--certificate FILE] [--server-pid PID]
//!                 [--deadline SECONDS]
//!
//! Given the server's certificate it speaks TLS. Warm-up requests run first, on the same connections, and are not counted;
//! in the mode `idle` each request has a connection of its own, which stays open after it, and N are under way at once.
//! Prints one JSON line: requests, seconds, requests_per_second, latency_p50_us, latency_p99_us and, given `--server-pid`,
//! server_cpu_seconds and server_grown_bytes (of its resident memory) over exactly the counted requests. A reply that is
//! wrong, a connection that closes early and a missed deadline end it with exit code 1.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ironloop_bench::channel::{self, Buffers, Channel};
use ironloop_bench::epoll::{Epoll, Interest};
use ironloop_bench::exchange::{Exchange, Reply};
use ironloop_bench::latency::Latencies;
use ironloop_bench::options::Options;
use ironloop_bench::sys;
use rustls::ClientConfig;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OPTIONS: [&str; 10] = [
    "port",
    "connections",
    "size",
    "requests",
    "warm-up",
    "mode",
    "http",
    "certificate",
    "server-pid",
    "deadline",
];

/// After a phase the server finishes what it does behind its last reply (closing, going to sleep); the kernel also
/// brings the CPU clock of a process up to date only when that process sleeps.
const SETTLE: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The same connections for all requests.
    Echo,
    /// The same, but each message is a datagram.
    Datagrams,
    /// A connection for each request, closed after it.
    Reconnect,
    /// A connection for each request, kept.
    Idle,
}

struct Connection {
    channel: Channel,
    interest: Interest,
    /// Number of the request in flight.
    request: usize,
    sent: usize,
    reply: Reply,
    started: Instant,
}

struct Client {
    epoll: Epoll,
    address: SocketAddr,
    exchange: Exchange,
    mode: Mode,
    tls: Option<Arc<ClientConfig>>,
    /// How many requests may be under way at once.
    width: usize,
    deadline: Instant,
    /// A connection's place is its token; None before it is made, and between two connections of the reconnect mode.
    connections: Vec<Option<Connection>>,
    /// Requests started so far in the whole run: no two requests carry the same number.
    started: usize,
    buffers: Buffers,
}

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1), &OPTIONS)?;
    sys::raise_descriptor_limit()?;
    let requests: usize = options.get_or("requests", 10_000)?;
    let server: Option<i32> = options.get("server-pid")?;
    let mut client = Client::new(&options)?;

    client.run(options.get_or("warm-up", requests / 10)?)?;
    thread::sleep(SETTLE);
    let before = server.map(usage).transpose()?;
    let started = Instant::now();
    let mut latencies = client.run(requests)?;
    let seconds = started.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    let after = server.map(usage).transpose()?;

    let used = match (before, after) {
        (Some((cpu_before, bytes_before)), Some((cpu_after, bytes_after))) => format!(
            ", \"server_cpu_seconds\": {:.9}, \"server_grown_bytes\": {}",
            (cpu_after - cpu_before).as_secs_f64(),
            bytes_after - bytes_before
        ),
        _ => String::new(),
    };
    println!(
        "{{\"requests\": {requests}, \"seconds\": {seconds:.9}, \"requests_per_second\": {:.3}, \
         \"latency_p50_us\": {:.3}, \"latency_p99_us\": {:.3}{used}}}",
        requests as f64 / seconds,
        latencies.percentile(50),
        latencies.percentile(99),
    );
    Ok(())
}

/// CPU time and resident bytes of process `pid`.
fn usage(pid: i32) -> Result<(Duration, i64)> {
    Ok((sys::cpu_time(pid)?, sys::resident_bytes(pid)?))
}

impl Client {
    fn new(options: &Options) -> Result<Client> {
        let mode = match options.get_or("mode", "echo".to_owned())?.as_str() {
            "echo" => Mode::Echo,
            "datagrams" => Mode::Datagrams,
            "reconnect" => Mode::Reconnect,
            "idle" => Mode::Idle,
            mode => return Err(format!("--mode: {mode} is none of echo, datagrams, reconnect, idle").into()),
        };
        let certificate: Option<PathBuf> = options.get("certificate")?;
        let tls = certificate.map(|path| channel::trusting(&path)).transpose()?;
        let exchange = match options.get::<String>("http")? {
            Some(path) => Exchange::http(&path),
            None => Exchange::echo(options.get_or("size", 1024)?),
        };
        let mut client = Client {
            epoll: Epoll::new()?,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, options.require("port")?)),
            exchange,
            mode,
            tls,
            width: options.get_or("connections", 1)?,
            deadline: Instant::now() + Duration::from_secs_f64(options.get_or("deadline", 60.0)?),
            connections: Vec::new(),
            started: 0,
            buffers: Buffers::default(),
        };
        if client.keeps_its_connections() {
            for token in 0..client.width {
                client.connect(token)?;
            }
        }
        Ok(client)
    }

    fn keeps_its_connections(&self) -> bool {
        matches!(self.mode, Mode::Echo | Mode::Datagrams)
    }

    /// Time that is left; an error once there is none.
    fn time_left(&self) -> Result<Duration> {
        match self.deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err("the deadline is over".into()),
        }
    }

    fn connect(&mut self, token: usize) -> Result<()> {
        let channel = if self.mode == Mode::Datagrams {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(self.address)?;
            socket.set_nonblocking(true)?;
            Channel::datagrams(socket)
        } else {
            let stream = TcpStream::connect_timeout(&self.address, self.time_left()?)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            Channel::stream(stream, self.tls.as_ref())?
        };
        self.epoll.add(&channel, token, Interest::Read)?;
        if token >= self.connections.len() {
            self.connections.resize_with(token + 1, || None);
        }
        self.connections[token] = Some(Connection {
            channel,
            interest: Interest::Read,
            request: 0,
            sent: 0,
            reply: Reply::default(),
            started: Instant::now(),
        });
        Ok(())
    }

    /// Runs `total` requests over all connections and returns how long each took.
    fn run(&mut self, total: usize) -> Result<Latencies> {
        let mut latencies = Latencies::with_capacity(total);
        let mut completed = 0;
        let end = self.started + total;
        for place in 0..self.width.min(total) {
            self.start(place)?;
        }
        while completed < total {
            for index in 0..self.epoll.wait(Some(self.time_left()?))? {
                let ready = self.epoll.event(index);
                if ready.writable {
                    self.send(ready.token)?;
                }
                if !ready.readable || !self.receive(ready.token)? {
                    continue;
                }
                if let Some(connection) = &self.connections[ready.token] {
                    latencies.record(connection.started.elapsed());
                }
                completed += 1;
                if self.mode == Mode::Reconnect {
                    self.close(ready.token)?;
                }
                if self.started < end {
                    self.start(ready.token)?;
                }
            }
        }
        Ok(latencies)
    }

    /// Starts the next request in the place of one that is over. If it makes a connection, its time includes that.
    fn start(&mut self, place: usize) -> Result<()> {
        let started = Instant::now();
        let number = self.started;
        self.started += 1;
        let token = if self.mode == Mode::Idle { number } else { place };
        if !self.keeps_its_connections() {
            self.connect(token)?;
        }
        if let Some(connection) = &mut self.connections[token] {
            connection.request = number;
            connection.sent = 0;
            connection.reply.clear();
            connection.started = started;
        }
        self.send(token)
    }

    fn close(&mut self, token: usize) -> Result<()> {
        if let Some(mut connection) = self.connections[token].take() {
            connection.channel.end()?;
        }
        Ok(())
    }

    /// Sends what is left of the request.
    fn send(&mut self, token: usize) -> Result<()> {
        let Some(connection) = &mut self.connections[token] else {
            return Ok(());
        };
        let request = self.exchange.request(connection.request);
        connection.sent += connection.channel.send(&request[connection.sent..])?;
        self.watch(token)
    }

    /// Asks for room if there is something left to send.
    fn watch(&mut self, token: usize) -> Result<()> {
        let Some(connection) = &mut self.connections[token] else {
            return Ok(());
        };
        let done = connection.sent == self.exchange.request(connection.request).len()
            && !connection.channel.wants_write();
        let interest = if done { Interest::Read } else { Interest::ReadWrite };
        if interest != connection.interest {
            connection.interest = interest;
            self.epoll.change(&connection.channel, token, interest)?;
        }
        Ok(())
    }

    /// Receives once and checks it; true when the reply is complete.
    fn receive(&mut self, token: usize) -> Result<bool> {
        let Some(connection) = &mut self.connections[token] else {
            return Ok(false);
        };
        let Some(bytes) = connection.channel.receive(&mut self.buffers)? else {
            return Err(format!("the server closed the connection of request {}", connection.request).into());
        };
        if bytes.is_empty() {
            // A handshake goes on, in which it may be our turn.
            self.watch(token)?;
            return Ok(false);
        }
        Ok(self.exchange.check(&mut connection.reply, connection.request, bytes)?)
    }
}
