//! hyper over our sockets: a server and a client, on one loop and one thread.
//!
//! `cargo run -p ironloop --example http --features example-http`
//!
//! ```text
//! GET / -> 200 OK: you asked for /
//! GET /slow -> no answer in time
//! GET /bread -> 200 OK: you asked for /bread
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server};
use ironloop::net::{TcpListener, TcpStream};
use ironloop::time::{sleep, timeout};
use ironloop::{block_on, spawn_local};

type Failure = Box<dyn Error>;

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    if request.uri().path() == "/slow" {
        sleep(Duration::from_secs(60)).await;
    }
    Ok(Response::new(format!("you asked for {}", request.uri().path())))
}

async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _peer) = listener.accept().await?;
        let connection = server::conn::http1::Builder::new()
            .timer(ironloop::hyper::Timer)
            .header_read_timeout(Duration::from_secs(5))
            .serve_connection(stream, service_fn(answer));
        drop(spawn_local(connection));
    }
}

/// The whole of a body.
async fn collect(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        bytes.extend_from_slice(&frame?.into_data().unwrap_or_else(|_| Bytes::new()));
    }
    Ok(bytes)
}

async fn get(server: SocketAddr, path: &str) -> Result<(StatusCode, String), Failure> {
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) = client::conn::http1::handshake(stream).await?;
    // It moves the bytes, beside us, and ends when the sender is dropped.
    drop(spawn_local(connection));
    let request = Request::get(path).header("host", server.to_string()).body(String::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    Ok((status, String::from_utf8(collect(response.into_body()).await?)?))
}

fn main() -> Result<(), Failure> {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = spawn_local(serve(listener));
        for (path, patience) in [("/", 10_000), ("/slow", 20), ("/bread", 10_000)] {
            match timeout(Duration::from_millis(patience), get(address, path)).await {
                Ok(answer) => {
                    let (status, text) = answer?;
                    println!("GET {path} -> {status}: {text}");
                }
                Err(_) => println!("GET {path} -> no answer in time"),
            }
        }
        server.abort();
        Ok(())
    })
}
