//! The load client against the bare server, and against servers that do what it must not let pass.

#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in tests, but takes their helpers for something else"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

struct BareServer {
    process: Child,
    port: u16,
}

impl BareServer {
    fn start() -> BareServer {
        BareServer::with("").unwrap()
    }

    /// None if it ends before it listens.
    fn with(options: &str) -> Option<BareServer> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_bare-server"))
            .args(options.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            process.wait().unwrap();
            return None;
        }
        let port = line.strip_prefix("LISTENING ").unwrap().trim().parse().unwrap();
        Some(BareServer { process, port })
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let ended = self.process.wait();
        assert!(ended.is_ok_and(|status| status.success()), "it ends well when its stdin closes");
    }
}

/// Where certificate and key lie, as options.
const SERVER_TLS: &str = "--certificate ../tls/certificate.pem --key ../tls/key.pem";
const CLIENT_TLS: &str = "--certificate ../tls/certificate.pem";

/// Those that can be had: rustls always, OpenSSL if the system has it where the dynamic linker looks.
fn tls_servers() -> Vec<BareServer> {
    let servers =
        ["rustls", "libssl.so.3"].map(|library| BareServer::with(&format!("--tls {library} {SERVER_TLS}")));
    assert!(servers[0].is_some());
    servers.into_iter().flatten().collect()
}

/// A server whose every connection is given to `serve`, in a thread that the test's end ends.
fn server(serve: fn(TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    port
}

fn load(port: u16, options: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_load-client"))
        .args(["--port", &port.to_string(), "--deadline", "20"])
        .args(options.split_whitespace())
        .output()
        .unwrap()
}

fn assert_counts(output: &Output, requests: usize) {
    let (result, complaint) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{complaint}");
    assert!(result.starts_with(&format!("{{\"requests\": {requests}, \"seconds\": ")), "{result}");
}

fn assert_refused(output: &Output, complaint: &str) {
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(complaint), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn bare_server_echoes_all_sizes_and_connections() {
    let server = BareServer::start();
    for size in [1, 1024, 102_400, 3_000_000] {
        for connections in [1, 10] {
            let options = format!("--size {size} --connections {connections} --requests 50");
            assert_counts(&load(server.port, &options), 50);
        }
    }
}

#[test]
fn bare_server_serves_clients_that_reconnect() {
    let server = BareServer::start();
    assert_counts(&load(server.port, "--mode reconnect --connections 10 --requests 300"), 300);
}

#[test]
fn server_cpu_time_is_measured() {
    let server = BareServer::start();
    let output = load(server.port, &format!("--requests 500 --server-pid {}", server.process.id()));
    assert_counts(&output, 500);
    let result = text(&output.stdout);
    let (_, cpu) = result.split_once("\"server_cpu_seconds\": ").unwrap();
    assert!(cpu.split(',').next().unwrap().parse::<f64>().unwrap() > 0.0, "{result}");
}

#[test]
fn tls_servers_echo_all_sizes_and_connections() {
    for server in tls_servers() {
        for size in [1, 1024, 102_400, 3_000_000] {
            for connections in [1, 10] {
                let options = format!("--size {size} --connections {connections} --requests 50 {CLIENT_TLS}");
                assert_counts(&load(server.port, &options), 50);
            }
        }
    }
}

#[test]
fn tls_servers_serve_clients_that_reconnect() {
    for server in tls_servers() {
        let options = format!("--mode reconnect --connections 10 --requests 100 {CLIENT_TLS}");
        assert_counts(&load(server.port, &options), 100);
    }
}

#[test]
fn tls_servers_outlive_a_client_that_speaks_no_tls() {
    for server in tls_servers() {
        assert_refused(&load(server.port, "--requests 10"), "");
        assert_counts(&load(server.port, &format!("--requests 10 {CLIENT_TLS}")), 10);
    }
}

#[test]
fn idle_connections_stay_open_and_their_memory_is_measured() {
    for server in tls_servers() {
        let options = format!("--mode idle --connections 4 --requests 200 {CLIENT_TLS}");
        let output = load(server.port, &format!("{options} --server-pid {}", server.process.id()));
        assert_counts(&output, 200);
        let result = text(&output.stdout);
        let (_, grown) = result.split_once("\"server_grown_bytes\": ").unwrap();
        assert!(grown.trim_end_matches("}\n").parse::<i64>().unwrap() > 200 * 1024, "{result}");
    }
}

#[test]
fn bare_server_echoes_datagrams() {
    let server = BareServer::with("--answer datagrams").unwrap();
    for size in [1, 1024, 60_000] {
        let options = format!("--mode datagrams --size {size} --connections 3 --requests 50");
        assert_counts(&load(server.port, &options), 50);
    }
}

#[test]
fn bare_server_says_hello() {
    let server = BareServer::with("--answer http").unwrap();
    assert_counts(&load(server.port, "--http / --connections 3 --requests 30"), 30);
}

#[test]
fn http_responses_are_read() {
    let port = server(|mut stream| {
        let mut buffer = [0; 1024];
        while stream.read(&mut buffer).unwrap() > 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").unwrap();
            stream.write_all(b"hello").unwrap();
        }
    });
    assert_counts(&load(port, "--http / --connections 3 --requests 30"), 30);
}

#[test]
fn a_wrong_byte_is_refused() {
    let port = server(|mut stream| {
        let mut buffer = [0; 1024];
        while stream.read_exact(&mut buffer).is_ok() {
            buffer[1023] ^= 1;
            stream.write_all(&buffer).unwrap();
        }
    });
    assert_refused(&load(port, "--requests 10"), "is wrong");
}

#[test]
fn an_early_close_is_refused() {
    let port = server(|mut stream| {
        stream.read_exact(&mut [0; 1024]).unwrap();
    });
    assert_refused(&load(port, "--requests 10"), "closed the connection");
}

#[test]
fn silence_ends_at_the_deadline() {
    let port = server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_refused(&load(port, "--requests 10 --deadline 0.2"), "deadline");
}
