//! Names that the C library looks up. That may wait for a name server, so it is for threads beside the loop.

use std::ffi::CString;
use std::net::SocketAddr;

use crate::sys;

/// What is asked for, in the numbers of the C library.
#[derive(Debug)]
pub struct Question {
    /// None: this machine's own addresses.
    pub host: Option<CString>,
    /// A name, or a port in figures.
    pub service: Option<CString>,
    pub family: i32,
    pub kind: i32,
    pub protocol: i32,
    pub flags: i32,
}

/// One of the answers.
#[derive(Debug)]
pub struct Found {
    pub family: i32,
    pub kind: i32,
    pub protocol: i32,
    pub canonical: Option<CString>,
    pub address: SocketAddr,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Unknown {
    /// The C library's number, and what it says of it.
    Resolver(i32, String),
    /// `errno`.
    System(i32),
}

impl Question {
    /// Asks, for as long as it takes.
    pub fn ask(&self) -> Result<Vec<Found>, Unknown> {
        sys::lookup::look_up(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(host: &str, service: &str, flags: i32) -> Question {
        let text = |text: &str| Some(CString::new(text).unwrap());
        let (family, kind, protocol) = (libc::AF_UNSPEC, libc::SOCK_STREAM, 0);
        Question { host: text(host), service: text(service), family, kind, protocol, flags }
    }

    #[test]
    fn literals_of_both_families() {
        for (host, expected) in [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")] {
            let found = question(host, "80", libc::AI_NUMERICHOST).ask().unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].address, expected.parse().unwrap());
            assert_eq!((found[0].kind, found[0].protocol), (libc::SOCK_STREAM, libc::IPPROTO_TCP));
            assert!(found[0].canonical.is_none());
        }
    }

    #[test]
    fn a_name_that_is_asked_for() {
        let found = question("127.0.0.1", "80", libc::AI_CANONNAME).ask().unwrap();
        assert_eq!(found[0].canonical.as_deref(), Some(c"127.0.0.1"));
    }

    #[test]
    fn what_is_unknown() {
        let answer = question("no literal", "80", libc::AI_NUMERICHOST).ask();
        assert!(matches!(answer, Err(Unknown::Resolver(libc::EAI_NONAME, why)) if !why.is_empty()));
        let answer = question("127.0.0.1", "no such service", 0).ask();
        assert!(matches!(answer, Err(Unknown::Resolver(libc::EAI_SERVICE, _))));
    }
}
