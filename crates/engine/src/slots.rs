//! Numbered places that know when they were let to somebody else.

/// Names one tenancy of a place: of two tenants of the same place, neither answers to the other's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    index: u32,
    tenancy: u32,
}

impl Slot {
    /// The slot as one number, for a kernel to carry.
    #[must_use]
    pub fn pack(self) -> u64 {
        u64::from(self.tenancy) << 32 | u64::from(self.index)
    }

    #[must_use]
    pub fn unpack(number: u64) -> Self {
        Self { index: number as u32, tenancy: (number >> 32) as u32 }
    }
}

struct Place<T> {
    tenancy: u32,
    tenant: Option<T>,
}

/// A list with stable numbers. An event for a descriptor that was closed and opened again in the same turn
/// carries the old slot, and finds nothing.
///
/// Once all tenants are gone the places are let from the first on, as in the beginning: in the order in which
/// they lie, whatever the order in which they became free. (In that they would be all over the memory.)
pub struct Slots<T> {
    places: Vec<Place<T>>,
    /// Those among the first `let_once` that are free again.
    free: Vec<u32>,
    /// The places from here on are free.
    let_once: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), let_once: 0 }
    }
}

impl<T> Slots<T> {
    pub fn insert(&mut self, tenant: T) -> Slot {
        self.insert_with(|_| tenant)
    }

    /// The same of a tenant that knows its slot.
    pub fn insert_with(&mut self, make: impl FnOnce(Slot) -> T) -> Slot {
        let index = self.free.pop().unwrap_or_else(|| {
            if self.let_once == self.places.len() {
                self.places.push(Place { tenancy: 0, tenant: None });
            }
            self.let_once += 1;
            (self.let_once - 1) as u32
        });
        let place = &mut self.places[index as usize];
        let slot = Slot { index, tenancy: place.tenancy };
        place.tenant = Some(make(slot));
        slot
    }

    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        let place = self.places.get(slot.index as usize)?;
        place.tenant.as_ref().filter(|_| place.tenancy == slot.tenancy)
    }

    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let place = self.places.get_mut(slot.index as usize)?;
        if place.tenancy != slot.tenancy {
            return None;
        }
        let tenant = place.tenant.take()?;
        place.tenancy = place.tenancy.wrapping_add(1);
        self.free.push(slot.index);
        if self.free.len() == self.let_once {
            self.free.clear();
            self.let_once = 0;
        }
        Some(tenant)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.let_once - self.free.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.places[..self.let_once].iter().filter_map(|place| place.tenant.as_ref())
    }

    /// Empties all places and hands over their tenants.
    pub fn take(&mut self) -> Vec<T> {
        self.free.clear();
        self.let_once = 0;
        std::mem::take(&mut self.places).into_iter().filter_map(|place| place.tenant).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_slot_does_not_find_the_new_tenant() {
        let mut slots = Slots::default();
        let first = slots.insert("first");
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second");
        assert_eq!(second.index, first.index);
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get(Slot::unpack(second.pack())), Some(&"second"));
        assert_eq!(slots.len(), 1);
    }

    #[test]
    fn once_all_are_gone_the_places_are_let_in_their_order_and_know_their_old_tenants() {
        let mut slots = Slots::default();
        let first = ["a", "b", "c"].map(|tenant| slots.insert(tenant));
        for gone in [2, 0, 1] {
            assert!(slots.remove(first[gone]).is_some());
        }
        assert!(slots.is_empty() && slots.iter().next().is_none());
        let second = ["d", "e", "f", "g"].map(|tenant| slots.insert(tenant));
        assert_eq!(second.map(|slot| slot.index), [0, 1, 2, 3]);
        assert!(first.iter().all(|slot| slots.get(*slot).is_none()));
        assert!(slots.iter().eq(&["d", "e", "f", "g"]));
        assert_eq!(slots.len(), 4);
    }
}
