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
pub struct Slots<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    pub fn insert(&mut self, tenant: T) -> Slot {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { tenancy: 0, tenant: None });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        place.tenant = Some(tenant);
        Slot { index, tenancy: place.tenancy }
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
        Some(tenant)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.tenant.as_ref())
    }

    /// Empties all places and hands over their tenants.
    pub fn take(&mut self) -> Vec<T> {
        self.free.clear();
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
}
