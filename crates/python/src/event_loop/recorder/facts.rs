//! What things are called. Asking for it may run Python, so it is done with nothing borrowed; what goes wrong
//! is left out.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;

use crate::event_loop::task::Task;
use crate::ffi::Object;
use crate::ffi::derived::Own;
use crate::ffi::intern::intern;

/// Numbers of tasks that have names: those that have none are called by theirs.
const NAMED: u64 = 1 << 39;
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A number for what has none of the loop's.
pub(super) fn fresh() -> u64 {
    NAMED | NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A task's number, and its name; none where it is called by its number.
pub(super) fn of_task(py: Python<'_>, task: &Own<Task>) -> (u64, String) {
    let own = task.payload().number();
    let Some(given) = task.name.get(py) else {
        return if own == 0 { (fresh(), "a task".to_owned()) } else { (own, String::new()) };
    };
    match given.bind(py).extract::<String>() {
        Ok(name) if own == 0 || name != format!("Task-{own}") => (fresh(), name),
        Err(_) if own == 0 => (fresh(), "a task".to_owned()),
        _ => (own, String::new()),
    }
}

/// The qualified name of whatever has one; else that of its class.
pub(super) fn name_of(py: Python<'_>, object: &Object) -> String {
    let object = object.bind(py);
    let name = object.getattr_opt(intern!(py, "__qualname__")).ok().flatten();
    name.and_then(|name| name.extract().ok())
        .or_else(|| {
            // functools.partial
            let inner = object.getattr_opt(intern!(py, "func")).ok().flatten()?;
            inner.getattr(intern!(py, "__qualname__")).ok()?.extract().ok()
        })
        .or_else(|| object.get_type().qualname().ok().and_then(|name| name.extract().ok()))
        .unwrap_or_default()
}

/// The calling thread's name.
pub(super) fn thread(py: Python<'_>) -> String {
    // `threading.current_thread()` would make an object for a thread that is none of Python's.
    let find = || {
        let threading = py.import("threading")?;
        let own = threading.call_method0("get_ident")?;
        for thread in threading.call_method0("enumerate")?.try_iter()? {
            let thread = thread?;
            if thread.getattr("ident")?.eq(&own)? {
                return thread.getattr("name")?.extract();
            }
        }
        Ok(String::new())
    };
    let found: PyResult<String> = find();
    found.unwrap_or_default()
}

pub(super) fn runtime() -> String {
    format!(
        "ironloop {}, Python {}",
        env!("CARGO_PKG_VERSION"),
        Python::version_str().split(' ').next().unwrap_or_default()
    )
}

pub(super) fn program() -> String {
    let all: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    all.join(" ")
}

/// One line on standard error.
pub(super) fn tell(py: Python<'_>, text: &str) {
    if let Ok(stderr) = py.import("sys").and_then(|sys| sys.getattr("stderr")) {
        drop(stderr.call_method1("write", (text,)));
    }
}
