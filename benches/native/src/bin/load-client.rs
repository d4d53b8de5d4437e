//! A single-threaded load client: one request in flight on each connection, every byte that comes back is checked.
//!
//!     load-client --port PORT [--connections N] [--size BYTES] [--requests TOTAL] [--warm-up TOTAL]
//!                 [--mode echo|reconnect] [--http PATH] [--server-pid PID] [--deadline SECONDS]
//!
//! Warm-up requests run first, on the same connections, and are not counted. Prints one JSON line: requests, seconds,
//! requests_per_second, latency_p50_us, latency_p99_us and, given `--server-pid`, server_cpu_seconds over exactly the
//! counted requests. A reply that is wrong, a connection that closes early and a missed deadline end it with exit code 1.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use ironloop_bench::epoll::{Epoll, Interest};
use ironloop_bench::exchange::{Exchange, Reply};
use ironloop_bench::latency::Latencies;
use ironloop_bench::options::Options;
use ironloop_bench::sys;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OPTIONS: [&str; 9] =
    ["port", "connections", "size", "requests", "warm-up", "mode", "http", "server-pid", "deadline"];

/// After a phase the server finishes what it does behind its last reply (closing, going to sleep); the kernel also
/// brings the CPU clock of a process up to date only when that process sleeps.
const SETTLE: Duration = Duration::from_millis(20);

const BUFFER: usize = 256 * 1024;

struct Connection {
    stream: TcpStream,
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
    reconnect: bool,
    deadline: Instant,
    /// A connection's place is its token; None between two connections of the reconnect mode.
    connections: Vec<Option<Connection>>,
    /// Requests started so far in the whole run: no two requests carry the same number.
    started: usize,
    buffer: Vec<u8>,
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
    let cpu_before = server.map(sys::cpu_time).transpose()?;
    let started = Instant::now();
    let mut latencies = client.run(requests)?;
    let seconds = started.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    let cpu_after = server.map(sys::cpu_time).transpose()?;

    let cpu = match (cpu_before, cpu_after) {
        (Some(before), Some(after)) => {
            format!(", \"server_cpu_seconds\": {:.9}", (after - before).as_secs_f64())
        }
        _ => String::new(),
    };
    println!(
        "{{\"requests\": {requests}, \"seconds\": {seconds:.9}, \"requests_per_second\": {:.3}, \
         \"latency_p50_us\": {:.3}, \"latency_p99_us\": {:.3}{cpu}}}",
        requests as f64 / seconds,
        latencies.percentile(50),
        latencies.percentile(99),
    );
    Ok(())
}

impl Client {
    fn new(options: &Options) -> Result<Client> {
        let reconnect = match options.get_or("mode", "echo".to_owned())?.as_str() {
            "echo" => false,
            "reconnect" => true,
            mode => return Err(format!("--mode: {mode} is neither echo nor reconnect").into()),
        };
        let exchange = match options.get::<String>("http")? {
            Some(path) => Exchange::http(&path),
            None => Exchange::echo(options.get_or("size", 1024)?),
        };
        let mut client = Client {
            epoll: Epoll::new()?,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, options.require("port")?)),
            exchange,
            reconnect,
            deadline: Instant::now() + Duration::from_secs_f64(options.get_or("deadline", 60.0)?),
            connections: Vec::new(),
            started: 0,
            buffer: vec![0; BUFFER],
        };
        client.connections.resize_with(options.get_or("connections", 1)?, || None);
        if !reconnect {
            for token in 0..client.connections.len() {
                client.connect(token)?;
            }
        }
        Ok(client)
    }

    /// Time that is left; an error once there is none.
    fn time_left(&self) -> Result<Duration> {
        match self.deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err("the deadline is over".into()),
        }
    }

    fn connect(&mut self, token: usize) -> Result<()> {
        let stream = TcpStream::connect_timeout(&self.address, self.time_left()?)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        self.epoll.add(&stream, token, Interest::Read)?;
        self.connections[token] = Some(Connection {
            stream,
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
        for token in 0..self.connections.len().min(total) {
            self.start(token)?;
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
                if self.reconnect {
                    self.connections[ready.token] = None;
                }
                if self.started < end {
                    self.start(ready.token)?;
                }
            }
        }
        Ok(latencies)
    }

    /// Starts the next request. With reconnect its time includes the connect.
    fn start(&mut self, token: usize) -> Result<()> {
        let started = Instant::now();
        if self.reconnect {
            self.connect(token)?;
        }
        let number = self.started;
        self.started += 1;
        if let Some(connection) = &mut self.connections[token] {
            connection.request = number;
            connection.sent = 0;
            connection.reply.clear();
            connection.started = started;
        }
        self.send(token)
    }

    /// Sends what is left of the request, and asks for room if the kernel does not take all of it.
    fn send(&mut self, token: usize) -> Result<()> {
        let Some(connection) = &mut self.connections[token] else {
            return Ok(());
        };
        let unsent = &self.exchange.request(connection.request)[connection.sent..];
        if !unsent.is_empty() {
            match connection.stream.write(unsent) {
                Ok(sent) => connection.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        let done = connection.sent == self.exchange.request(connection.request).len();
        let interest = if done { Interest::Read } else { Interest::ReadWrite };
        if interest != connection.interest {
            connection.interest = interest;
            self.epoll.change(&connection.stream, token, interest)?;
        }
        Ok(())
    }

    /// Receives once and checks it; true when the reply is complete.
    fn receive(&mut self, token: usize) -> Result<bool> {
        let Some(connection) = &mut self.connections[token] else {
            return Ok(false);
        };
        match connection.stream.read(&mut self.buffer) {
            Ok(0) => {
                Err(format!("the server closed the connection of request {}", connection.request).into())
            }
            Ok(received) => Ok(self.exchange.check(
                &mut connection.reply,
                connection.request,
                &self.buffer[..received],
            )?),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
