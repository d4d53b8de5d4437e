//! A bare server: the yardstick for what a request costs when there is only the kernel (and the TLS library).
//!
//!     bare-server [--port PORT] [--answer echo|http|http-1k|datagrams]
//!     bare-server [--port PORT] --tls LIBSSL|rustls --certificate FILE --key FILE
//!
//! LIBSSL is the path of the libssl to open: that which Python has loaded. Prints `LISTENING <port>` and ends when its
//! stdin closes.

use std::error::Error;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};

use ironloop_bench::datagrams;
use ironloop_bench::openssl::OpensslEcho;
use ironloop_bench::options::Options;
use ironloop_bench::plain::{Echo, HELLO, Http, KIBIBYTE};
use ironloop_bench::rustls_echo::RustlsEcho;
use ironloop_bench::server::{Server, Service};
use ironloop_bench::sys;

const OPTIONS: [&str; 5] = ["port", "answer", "tls", "certificate", "key"];
const BACKLOG: i32 = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1), &OPTIONS)?;
    let Some(library) = options.get::<String>("tls")? else {
        return match options.get_or("answer", "echo".to_owned())?.as_str() {
            "echo" => serve(&options, Echo),
            "http" => serve(&options, Http::new(HELLO)),
            "http-1k" => serve(&options, Http::new(KIBIBYTE)),
            "datagrams" => serve_datagrams(&options),
            answer => Err(format!("--answer: {answer} is none of echo, http, http-1k, datagrams").into()),
        };
    };
    let certificate: PathBuf = options.require("certificate")?;
    let key: PathBuf = options.require("key")?;
    match library.as_str() {
        "rustls" => serve(&options, RustlsEcho::new(&certificate, &key)?),
        path => serve(&options, OpensslEcho::new(Path::new(path), &certificate, &key)?),
    }
}

fn serve(options: &Options, service: impl Service) -> Result<(), Box<dyn Error>> {
    sys::raise_descriptor_limit()?;
    let listener = sys::listen(options.get_or("port", 0)?, BACKLOG)?;
    println!("LISTENING {}", listener.local_addr()?.port());
    Server::new(listener, service)?.run()?;
    Ok(())
}

fn serve_datagrams(options: &Options) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind(("127.0.0.1", options.get_or("port", 0)?))?;
    socket.set_nonblocking(true)?;
    println!("LISTENING {}", socket.local_addr()?.port());
    datagrams::echo(&socket)?;
    Ok(())
}
