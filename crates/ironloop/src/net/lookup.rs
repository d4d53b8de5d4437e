//! Addresses of names.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs};

use crate::runtime::blocking;

/// What stands for addresses: one, several, or a name to be looked up. As [`ToSocketAddrs`], but a lookup
/// does not block the loop.
pub trait ToAddresses: sealed::Sealed {}

mod sealed {
    use super::{SocketAddr, io};

    pub trait Sealed {
        fn known(&self) -> io::Result<Known>;
    }

    pub enum Known {
        Addresses(Vec<SocketAddr>),
        Name(String, u16),
    }
}

use sealed::{Known, Sealed};

/// The addresses of a host and port. Names are looked up on a thread, by the system.
///
/// ```
/// # ironloop::block_on(async {
/// let addresses = ironloop::net::lookup("127.0.0.1:80").await.unwrap();
/// assert_eq!(addresses, ["127.0.0.1:80".parse().unwrap()]);
/// # });
/// ```
///
/// # Errors
///
/// The system's; or what was given is neither address nor `name:port`.
pub async fn lookup(host: impl ToAddresses) -> io::Result<Vec<SocketAddr>> {
    match host.known()? {
        Known::Addresses(addresses) => Ok(addresses),
        Known::Name(name, port) => {
            blocking(move || (name.as_str(), port).to_socket_addrs().map(Iterator::collect)).await
        }
    }
}

/// Tries one address after the other; the last error, if there is no other end.
pub(crate) async fn first<T>(
    host: impl ToAddresses,
    mut attempt: impl AsyncFnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut failed = None;
    for address in lookup(host).await? {
        match attempt(address).await {
            Ok(found) => return Ok(found),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

macro_rules! addresses {
    ($($type:ty),*) => {$(
        impl ToAddresses for $type {}
        impl Sealed for $type {
            fn known(&self) -> io::Result<Known> {
                self.to_socket_addrs().map(|addresses| Known::Addresses(addresses.collect()))
            }
        }
    )*};
}

addresses!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
    &[SocketAddr]
);

impl ToAddresses for str {}
impl Sealed for str {
    fn known(&self) -> io::Result<Known> {
        if let Ok(address) = self.parse() {
            return Ok(Known::Addresses(vec![address]));
        }
        let bad =
            || io::Error::new(io::ErrorKind::InvalidInput, format!("{self:?} is not of the form host:port"));
        let (name, port) = self.rsplit_once(':').ok_or_else(bad)?;
        (name, port.parse().map_err(|_| bad())?).known()
    }
}

impl ToAddresses for (&str, u16) {}
impl Sealed for (&str, u16) {
    fn known(&self) -> io::Result<Known> {
        Ok(match self.0.parse::<IpAddr>() {
            Ok(address) => Known::Addresses(vec![SocketAddr::new(address, self.1)]),
            Err(_) => Known::Name(self.0.to_owned(), self.1),
        })
    }
}

impl ToAddresses for (String, u16) {}
impl Sealed for (String, u16) {
    fn known(&self) -> io::Result<Known> {
        (self.0.as_str(), self.1).known()
    }
}

impl ToAddresses for String {}
impl Sealed for String {
    fn known(&self) -> io::Result<Known> {
        self.as_str().known()
    }
}

impl<T: ToAddresses + ?Sized> ToAddresses for &T {}
impl<T: Sealed + ?Sized> Sealed for &T {
    fn known(&self) -> io::Result<Known> {
        (**self).known()
    }
}
