//! Who blocks the loop: a native thread looks at each loop that runs, and reads its stack while it is blocked.
//!
//! One thread a process, whatever the number of loops: it is begun with the first run, joined before a fork and
//! when Python ends, and begun again where a loop goes on. It is never attached to the interpreter, takes no
//! signals, and rests while all loops sleep. What it needs of a loop is its [`Pulse`](ironloop_reactor::Pulse), of
//! plain stores; what it finds it says on standard error at once, and leaves for the loop's own thread, which
//! tells the program when it is free again ([`tell`]). docs/design/who-blocked-the-loop.md says why.
//!
//! `registry` has what is watched, under one lock that is held for an instant by loops, and for a look by the
//! thread; `look` is that look; `report` is what is said, `saving` what is kept of it; `run` is a loop's side.

mod look;
pub(crate) mod polled;
mod proof;
mod registry;
mod report;
mod run;
mod saving;
mod subject;
mod thread;

use pyo3::prelude::*;

pub(super) use run::{Run, awake, tell, writes_to};
pub(super) use saving::is_wanted;

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(proof::show_to_captures, module)?)?;
    module.add_function(wrap_pyfunction!(proof::capture, module)?)?;
    module.add_function(wrap_pyfunction!(saving::save_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(run::stop_watching, module)?)
}
