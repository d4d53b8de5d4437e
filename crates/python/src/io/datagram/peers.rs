//! The addresses from which datagrams came lately, as Rust and as Python have them: one is written for Python once,
//! and read once, however often it comes and is answered. Belongs to a transport.

use ironloop_driver::Address;
use pyo3::prelude::*;

use crate::ffi::{Object, Traverse, Visit, Visited};

/// As many are kept, at most.
const PLACES: usize = 64;

/// Each address has two places, which it shares with others: who comes takes the first, and moves whom he finds there
/// to the second.
#[derive(Default)]
pub(super) struct Peers {
    /// Empty until the first has come.
    places: Vec<Option<(Address, Object)>>,
    last: usize,
}

impl Peers {
    /// For Python, if it is known.
    pub(super) fn object(&mut self, py: Python<'_>, from: &Address) -> Option<Object> {
        let first = place(from);
        [first, second(first)].into_iter().find_map(|place| match self.places.get(place)? {
            Some((address, object)) if address == from => {
                self.last = place;
                Some(object.clone_ref(py))
            }
            _ => None,
        })
    }

    /// From Python, if it is one of these very objects: mostly the last, as most datagrams are answers.
    pub(super) fn address(&self, object: &Bound<'_, PyAny>) -> Option<&Address> {
        let is_it = |place: &Option<(Address, Object)>| {
            place.as_ref().is_some_and(|(_, known)| known.as_ptr() == object.as_ptr())
        };
        let last = self.places.get(self.last).filter(|place| is_it(place));
        last.or_else(|| self.places.iter().find(|place| is_it(place)))?.as_ref().map(|(address, _)| address)
    }

    /// Hands over what has to go for it.
    pub(super) fn learn(&mut self, from: Address, object: Object) -> Option<Object> {
        self.last = place(&from);
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let moved = self.places[self.last].replace((from, object))?;
        self.places[second(self.last)].replace(moved).map(|(_, old)| old)
    }
}

fn second(first: usize) -> usize {
    first ^ 1
}

/// Ports of one host are in a row, mostly; hosts of one port are in a network.
fn place(address: &Address) -> usize {
    match address {
        Address::Internet(address) => {
            let host = match address.ip() {
                std::net::IpAddr::V4(host) => host.octets()[3],
                std::net::IpAddr::V6(host) => host.octets()[15],
            };
            (usize::from(address.port()) + usize::from(host)) % PLACES
        }
        Address::Unix(name) => name.as_bytes().last().map_or(0, |byte| usize::from(*byte)) % PLACES,
    }
}

impl Traverse for Peers {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.places.iter().flatten().try_for_each(|(_, object)| object.traverse(visit))
    }
}
