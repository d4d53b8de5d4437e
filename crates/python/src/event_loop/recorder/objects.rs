//! Locks, queues and groups, as far as somebody waits for them while a loop records: those that nobody has waited
//! for, and nobody has taken meanwhile, are not known.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ironloop_trace::{Flags, Kept, Mark, ObjectKind, Op, Reason, Slot, StringId, Waker};
use pyo3::prelude::*;

use crate::event_loop::LoopCore;
use crate::event_loop::future::Future;
use crate::event_loop::running::Running;
use crate::event_loop::task::Task;
use crate::ffi::Object;
use crate::ffi::cell::LoopCell;
use crate::ffi::derived::Own;

static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// Of those that are gone the rows are free; the loops look here at the end of a turn. More than this are
/// forgotten: their rows stay.
static GONE: Mutex<Vec<Mark>> = Mutex::new(Vec::new());
const MOST_GONE: usize = 1 << 16;
/// Whether there are any: a turn that ends asks this alone.
static ANY_GONE: AtomicBool = AtomicBool::new(false);

/// What an object keeps of its own.
pub(crate) struct ObjectMark(LoopCell<Mark>);

impl Default for ObjectMark {
    fn default() -> Self {
        Self(LoopCell::new(Mark::NONE))
    }
}

impl Drop for ObjectMark {
    fn drop(&mut self) {
        let mark = *self.0.get_mut();
        if mark != Mark::NONE {
            let mut gone = GONE.lock().unwrap_or_else(PoisonError::into_inner);
            if gone.len() < MOST_GONE {
                gone.push(mark);
                ANY_GONE.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl ObjectMark {
    /// Its row in this loop's recording.
    pub(crate) fn row(&self, owner: &Bound<'_, LoopCore>, kind: ObjectKind, limit: u32) -> Option<Slot> {
        owner.get().watch.with(|watch| {
            let area = watch.area()?;
            let known = area.find_object(self.0.with(|mark| *mark));
            known.or_else(|| {
                let number = NUMBERS.fetch_add(1, Ordering::Relaxed) + 1;
                let mark = area.object_made(kind, number, StringId::NONE, limit);
                self.0.with(|place| *place = mark);
                area.find_object(mark)
            })
        })
    }

    /// What happens to it, on the loop that runs, and its length then; where [`super::is_anywhere`].
    #[cold]
    pub(crate) fn did(&self, py: Python<'_>, kind: ObjectKind, limit: u32, op: Op, value: u32) {
        let Ok(Running::Native(owner)) = Running::now(py) else { return };
        let Some(row) = self.row(&owner, kind, limit) else { return };
        owner.get().watch.with(|watch| {
            let current = watch.current;
            match watch.area() {
                Some(area) if kind == ObjectKind::Queue => area.did_to_queue(row, op, current, value),
                Some(area) => area.did(row, op, current, value),
                None => {}
            }
        });
    }

    /// The row of the task that has it.
    pub(crate) fn owner(&self, py: Python<'_>) -> Option<u32> {
        let Ok(Running::Native(owner)) = Running::now(py) else { return None };
        let mark = self.0.with(|mark| *mark);
        owner.get().watch.with(|watch| {
            let area = watch.area()?;
            match area.object_row(area.find_object(mark)?)?.owner {
                Waker::Task(row) => Some(row.0),
                _ => None,
            }
        })
    }

    /// The rows of the only task that puts into a queue, and of the only one that gets out of it.
    pub(crate) fn users(&self, py: Python<'_>) -> [Option<u32>; 2] {
        let Ok(Running::Native(owner)) = Running::now(py) else { return [None; 2] };
        let mark = self.0.with(|mark| *mark);
        let users = owner.get().watch.with(|watch| {
            let area = watch.area()?;
            Some(area.users(area.find_object(mark)?))
        });
        users.unwrap_or_default().map(|row| Some(row?.0))
    }

    /// One more task belongs to a group, if it has a row in this recording.
    pub(super) fn joined(&self, owner: &Bound<'_, LoopCore>, task: &Own<Task>) {
        let mark = self.0.with(|mark| *mark);
        let group = owner.get().watch.with(|watch| watch.area()?.find_object(mark));
        let Some(group) = group.filter(|_| task.view().is_pending()) else { return };
        let Some(row) = super::known(owner, task, Flags::default()) else { return };
        owner.get().watch.with(|watch| {
            let current = watch.current;
            if let Some(area) = watch.area() {
                area.belongs(row, group);
                let before = area.object_row(group).map_or(0, |group| group.length);
                area.did(group, Op::Put, current, before + 1);
            }
        });
    }

    /// The same for who begins to wait for it: its row.
    #[cold]
    pub(crate) fn row_here(&self, py: Python<'_>, kind: ObjectKind, limit: u32) -> Option<Kept> {
        let Ok(Running::Native(owner)) = Running::now(py) else { return None };
        let row = self.row(&owner, kind, limit)?;
        owner.get().watch.with(|watch| watch.area().map(|area| area.keep(row)))
    }
}

/// What waits for several has begun: each belongs to it, and whoever awaits `outer` in this step waits for them.
#[cold]
pub(crate) fn gathered(
    owner: &Bound<'_, LoopCore>,
    mark: &ObjectMark,
    outer: &Object,
    children: Vec<Object>,
) {
    let Some(group) = grouped(owner, mark, children) else { return };
    let new = Some((outer.clone_ref(owner.py()), group));
    let old = owner.get().watch.with(|watch| std::mem::replace(&mut watch.more().group, new));
    drop(old);
}

/// The row of what waits for several.
pub(super) fn grouped(owner: &Bound<'_, LoopCore>, mark: &ObjectMark, children: Vec<Object>) -> Option<Slot> {
    let group = mark.row(owner, ObjectKind::Group, 0)?;
    let rows: Vec<_> = children
        .iter()
        .filter_map(|child| Own::<Task>::of_any(child))
        // One that has ended has no row any more, and needs none.
        .filter(|task| task.view().is_pending())
        .filter_map(|task| super::known(owner, task, Flags::default()))
        .collect();
    owner.get().watch.with(|watch| {
        let current = watch.current;
        if let Some(area) = watch.area() {
            rows.iter().for_each(|&row| area.belongs(row, group));
            area.did(group, Op::Put, current, u32::try_from(rows.len()).unwrap_or(u32::MAX));
        }
    });
    Some(group)
}

/// Whoever awaits `outer` waits for `inner`.
pub(crate) fn shields(owner: &Bound<'_, LoopCore>, outer: &Own<Future>, inner: &Object) {
    // Any other future says itself what it is for.
    let Some(task) = Own::<Task>::of_any(inner) else { return };
    let watched = owner.get().is_watched();
    let row = if watched { super::known(owner, task, Flags::default()) } else { None };
    let kept = row.and_then(|row| owner.get().watch.with(|watch| Some(watch.area()?.keep(row))));
    outer.payload().is_for(Reason::Task, kept);
}

/// A turn ends: rows of what is gone are free.
#[inline]
pub(super) fn sweep(core: &LoopCore) {
    if ANY_GONE.load(Ordering::Relaxed) {
        sweep_up(core);
    }
}

#[inline(never)]
fn sweep_up(core: &LoopCore) {
    ANY_GONE.store(false, Ordering::Relaxed);
    let mut gone = GONE.lock().unwrap_or_else(PoisonError::into_inner);
    if gone.is_empty() {
        return;
    }
    core.watch.with(|watch| {
        let Some(area) = watch.area() else { return };
        gone.retain(|&mark| match area.find_object(mark) {
            Some(row) => {
                area.object_gone(row);
                false
            }
            // Another loop's, or of a recording that is over.
            None => super::watch::RECORDING.load(Ordering::Relaxed) > 1,
        });
        if !gone.is_empty() {
            ANY_GONE.store(true, Ordering::Relaxed);
        }
    });
}
