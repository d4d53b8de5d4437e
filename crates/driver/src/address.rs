//! Socket addresses.

use std::net::SocketAddr;

use crate::sys::UNIX_NAME_ROOM;

/// The families whose addresses are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
    Unix,
}

/// A socket's own, or its peer's: where a datagram comes from or goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Internet(SocketAddr),
    Unix(UnixName),
}

impl Address {
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Internet(SocketAddr::V4(_)) => Family::V4,
            Self::Internet(SocketAddr::V6(_)) => Family::V6,
            Self::Unix(_) => Family::Unix,
        }
    }
}

/// A UNIX socket's name: a path without its end mark, or an abstract name with the zero byte that it begins
/// with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixName(Vec<u8>);

impl UnixName {
    /// Nothing if the kernel has no room for so long a name.
    #[must_use]
    pub fn new(name: Vec<u8>) -> Option<Self> {
        let end_mark = usize::from(name.first().is_some_and(|first| *first != 0));
        (name.len() + end_mark <= UNIX_NAME_ROOM).then_some(Self(name))
    }

    /// A name that the kernel has given.
    pub(crate) fn known(name: &[u8]) -> Self {
        let is_path = name.first().is_some_and(|first| *first != 0);
        let end = if is_path { name.iter().position(|byte| *byte == 0) } else { None };
        Self(name[..end.unwrap_or(name.len())].to_vec())
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it names no file.
    #[must_use]
    pub fn is_abstract(&self) -> bool {
        self.0.first() == Some(&0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_or_are_none() {
        assert!(UnixName::new(vec![b'p'; UNIX_NAME_ROOM - 1]).is_some());
        assert!(UnixName::new(vec![b'p'; UNIX_NAME_ROOM]).is_none());
        assert!(UnixName::new(vec![0; UNIX_NAME_ROOM]).is_some());
        assert!(UnixName::new(vec![0; UNIX_NAME_ROOM + 1]).is_none());
        assert!(UnixName::known(b"\0a\0b").is_abstract());
        assert_eq!(UnixName::known(b"path\0rest").as_bytes(), b"path");
    }
}
