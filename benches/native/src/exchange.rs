//! What a request carries and what its reply must be: an echo of the same bytes, or an HTTP response.

use std::ops::Range;

/// Echoed messages are windows of this much noise: neighbouring requests differ in every byte, so a reply that belongs
/// to another request, or that is shifted, cannot pass.
const SPAN: usize = 65_521;

pub enum Exchange {
    Echo { noise: Vec<u8>, size: usize },
    Http { request: Vec<u8> },
}

/// How far the reply to one request has come.
#[derive(Default)]
pub struct Reply {
    received: usize,
    http: Vec<u8>,
}

impl Exchange {
    pub fn echo(size: usize) -> Exchange {
        // xorshift64: the bytes have to be varied, not random.
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let noise = (0..SPAN + size)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 56) as u8
            })
            .collect();
        Exchange::Echo { noise, size }
    }

    pub fn http(path: &str) -> Exchange {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n");
        Exchange::Http { request: request.into_bytes() }
    }

    /// The bytes of request `number`.
    pub fn request(&self, number: usize) -> &[u8] {
        match self {
            Exchange::Echo { noise, size } => &noise[window(number, *size)],
            Exchange::Http { request } => request,
        }
    }

    /// Checks bytes that came back for request `number`; Ok(true) when the reply is complete.
    pub fn check(&self, reply: &mut Reply, number: usize, bytes: &[u8]) -> Result<bool, String> {
        match self {
            Exchange::Echo { .. } => {
                let expected = &self.request(number)[reply.received..];
                if !expected.starts_with(bytes) {
                    return Err(format!(
                        "request {number}: what came back after byte {} is wrong",
                        reply.received
                    ));
                }
                reply.received += bytes.len();
                Ok(bytes.len() == expected.len())
            }
            Exchange::Http { .. } => {
                reply.http.extend_from_slice(bytes);
                let Some(length) = http_response_length(&reply.http)? else {
                    return Ok(false);
                };
                if reply.http.len() > length {
                    return Err(format!("request {number}: bytes after the end of the response"));
                }
                Ok(reply.http.len() == length)
            }
        }
    }
}

impl Reply {
    pub fn clear(&mut self) {
        self.received = 0;
        self.http.clear();
    }
}

fn window(number: usize, size: usize) -> Range<usize> {
    let start = number.wrapping_mul(7919) % SPAN;
    start..start + size
}

/// Length of the response, head and body, once its head is complete. Only 200 with a content-length will do.
fn http_response_length(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = str::from_utf8(&bytes[..end]).map_err(|_| "the response's head is not text".to_owned())?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(format!("status is not 200: {status}"));
    }
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    match length {
        Some(length) => Ok(Some(end + 4 + length)),
        None => Err("the response has no content-length".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echo_is_complete_with_its_last_byte() {
        let exchange = Exchange::echo(1024);
        let (first, rest) = exchange.request(3).split_at(1000);
        let mut reply = Reply::default();
        assert_eq!(exchange.check(&mut reply, 3, first), Ok(false));
        assert_eq!(exchange.check(&mut reply, 3, rest), Ok(true));
    }

    #[test]
    fn echo_refuses_a_wrong_byte_another_request_and_too_much() {
        let exchange = Exchange::echo(1024);
        let mut wrong = exchange.request(3).to_vec();
        wrong[1023] ^= 1;
        assert!(exchange.check(&mut Reply::default(), 3, &wrong).is_err());
        assert!(exchange.check(&mut Reply::default(), 4, exchange.request(3)).is_err());
        let mut long = exchange.request(3).to_vec();
        long.push(0);
        assert!(exchange.check(&mut Reply::default(), 3, &long).is_err());
    }

    #[test]
    fn http_response_may_come_in_pieces() {
        let exchange = Exchange::http("/");
        let mut reply = Reply::default();
        assert_eq!(exchange.check(&mut reply, 0, b"HTTP/1.1 200 OK\r\nContent-Le"), Ok(false));
        assert_eq!(exchange.check(&mut reply, 0, b"ngth: 5\r\n\r\nhel"), Ok(false));
        assert_eq!(exchange.check(&mut reply, 0, b"lo"), Ok(true));
    }

    #[test]
    fn http_refuses_other_answers() {
        let exchange = Exchange::http("/");
        for answer in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
        ] {
            assert!(exchange.check(&mut Reply::default(), 0, answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
