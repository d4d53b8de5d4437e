//! The page, live, on 127.0.0.1: for whom the address is known, which has a token in it. One thread, one
//! request at a time; it answers GET of four paths, and nothing to a page of another origin.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use ironloop_trace::{File, Switch};

use crate::export;
use crate::metrics::Metrics;
use crate::timeline::Timeline;

pub struct Server {
    listener: TcpListener,
    token: String,
    file: File,
    switch: Option<Switch>,
    timeline: Timeline,
    metrics: Metrics,
}

/// As long as somebody looks the recording goes on, and so many seconds longer.
const LEASE: u64 = 10;
/// Numbers are asked for less often.
const SCRAPED: u64 = 120;
/// A request is short, and comes at once.
const LONGEST: u64 = 8192;
const PATIENCE: Duration = Duration::from_secs(2);

impl Server {
    pub fn new(file: File, port: u16) -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let token = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let switch = Switch::of(file.path()).ok();
        Ok(Self { listener, token, file, switch, timeline: Timeline::default(), metrics: Metrics::default() })
    }

    pub fn address(&self) -> io::Result<String> {
        Ok(format!("http://{}/?token={}", self.listener.local_addr()?, self.token))
    }

    pub fn serve(&mut self) -> io::Result<()> {
        loop {
            let (peer, _) = self.listener.accept()?;
            // Whatever one peer does is that one's.
            let _ = self.answer(peer);
        }
    }

    /// Answers one request.
    pub fn serve_one(&mut self) -> io::Result<()> {
        let (peer, _) = self.listener.accept()?;
        self.answer(peer)
    }

    fn answer(&mut self, mut peer: TcpStream) -> io::Result<()> {
        peer.set_read_timeout(Some(PATIENCE))?;
        peer.set_write_timeout(Some(PATIENCE))?;
        let mut lines = BufReader::new((&peer).take(LONGEST)).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        // All of the head is read before the answer: closing with bytes unread would cut it off.
        for line in lines {
            if line?.is_empty() {
                break;
            }
        }
        let target = request.strip_prefix("GET ").and_then(|rest| rest.split(' ').next());
        let (status, kind, body) = match target {
            Some(target) => self.body(target)?,
            None => ("405 Method Not Allowed", "text/plain", Vec::new()),
        };
        write!(
            peer,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
             Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nX-Frame-Options: DENY\r\n\r\n",
            body.len()
        )?;
        peer.write_all(&body)
    }

    fn body(&mut self, target: &str) -> io::Result<(&'static str, &'static str, Vec<u8>)> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let value = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let number = |name: &str| value(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        if !value("token").is_some_and(|token| same(token.as_bytes(), self.token.as_bytes())) {
            return Ok((
                "403 Forbidden",
                "text/plain",
                b"the address has a token; this one is not it\n".to_vec(),
            ));
        }
        Ok(match path {
            "/" => ("200 OK", "text/html; charset=utf-8", export::whole()?),
            "/meta" => {
                if let Some(switch) = &self.switch {
                    switch.on(LEASE)?;
                }
                self.timeline.follow(&mut self.file).map_err(io::Error::other)?;
                let meta = export::meta(&self.file, &self.timeline, number("lanes"));
                ("200 OK", "application/json", meta.to_string().into_bytes())
            }
            "/metrics" => {
                if let Some(switch) = &self.switch {
                    switch.on(SCRAPED)?;
                }
                self.metrics.follow(&mut self.file).map_err(io::Error::other)?;
                let text = self.metrics.text(&self.file).map_err(io::Error::other)?;
                ("200 OK", "text/plain; version=0.0.4; charset=utf-8", text.into_bytes())
            }
            "/data" => {
                let chunk = export::chunk(&self.timeline, number("steps"), number("turns"));
                ("200 OK", "application/octet-stream", chunk)
            }
            _ => ("404 Not Found", "text/plain", Vec::new()),
        })
    }
}

/// Takes as long for a token that is nearly right as for one that is not.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
