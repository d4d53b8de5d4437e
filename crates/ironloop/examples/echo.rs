//! A TCP server that echoes, and three clients of it at once: one thread, no locks.
//!
//! ```text
//! Ada hears: hello, Ada
//! Ben hears: hello, Ben
//! Cleo hears: hello, Cleo
//! the server has served 3
//! ```

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use ironloop::net::{TcpListener, TcpStream};
use ironloop::{block_on, gather, spawn_local};

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

/// Takes connections until it is aborted. Each is served beside the others.
async fn serve(listener: TcpListener, served: Rc<Cell<u32>>) -> io::Result<()> {
    loop {
        let (stream, _peer) = listener.accept().await?;
        served.set(served.get() + 1);
        drop(spawn_local(echo(stream)));
    }
}

async fn ask(server: SocketAddr, name: &'static str) -> io::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(format!("hello, {name}").as_bytes()).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(format!("{name} hears: {}", String::from_utf8_lossy(&answer)))
}

fn main() -> io::Result<()> {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let served = Rc::default();
        let server = spawn_local(serve(listener, Rc::clone(&served)));
        let asked = gather(["Ada", "Ben", "Cleo"].map(|name| ask(address, name)));
        for answer in asked.await {
            println!("{}", answer?);
        }
        server.abort();
        println!("the server has served {}", served.get());
        Ok(())
    })
}
