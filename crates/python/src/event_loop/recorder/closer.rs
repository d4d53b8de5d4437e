//! A closer look at a task that is suspended: along its awaits, to where the program's own code waits, and to what of
//! asyncio's own code it waits in. Seldom enough (`Looks`) to cost nothing that can be measured.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use ironloop_trace::{ObjectKind, Reason, StringId, Subject};
use pyo3::ffi::PyTypeObject;
use pyo3::prelude::*;
use pyo3::types::{PySet, PyString, PyType};

use super::labels;
use super::objects::ObjectMark;
use crate::event_loop::LoopCore;
use crate::event_loop::task::Task;
use crate::ffi::Object;
use crate::ffi::adopted::is_adopted;
use crate::ffi::caller::is_the_programs;
use crate::ffi::coroutine::{is_coroutine, is_interpreted};
use crate::ffi::derived::Own;
use crate::ffi::imports;
use crate::ffi::intern::intern;

/// Longer chains are cut.
const DEEPEST: usize = 100;

/// What somebody waits for in whose awaits a function of asyncio's is the last that is known.
fn reason_in(function: &str) -> Option<Reason> {
    Some(match function {
        "TaskGroup.__aexit__" => Reason::Group,
        "Queue.join" => Reason::QueueJoin,
        "Barrier.wait" => Reason::Barrier,
        "BaseSubprocessTransport._wait" => Reason::Subprocess,
        "FlowControlMixin._drain_helper" | "StreamWriter.wait_closed" => Reason::StreamWrite,
        "BaseSelectorEventLoop.sock_accept" | "Server.serve_forever" => Reason::SocketAccept,
        "BaseSelectorEventLoop.sock_connect" => Reason::SocketConnect,
        "BaseSelectorEventLoop.sock_recv" | "BaseSelectorEventLoop.sock_recv_into" => Reason::SocketRead,
        "BaseSelectorEventLoop.sock_recvfrom" => Reason::SocketRead,
        "BaseSelectorEventLoop.sock_recvfrom_into" => Reason::SocketRead,
        "BaseSelectorEventLoop.sock_sendall" | "BaseSelectorEventLoop.sock_sendto" => Reason::SocketWrite,
        _ => return None,
    })
}

#[derive(Default)]
struct Found<'py> {
    /// The innermost line of the program's own.
    place: Option<(Object, i32)>,
    /// What is awaited below it, and the frame of it.
    known: Option<(Reason, Bound<'py, PyAny>)>,
    /// The Rust future at the end.
    rust: Option<Bound<'py, PyAny>>,
}

/// Runs no code but the interpreter's, and ours.
fn find(coroutine: Bound<'_, PyAny>) -> PyResult<Found<'_>> {
    let py = coroutine.py();
    let mut found = Found::default();
    let mut next = coroutine;
    for _ in 0..DEEPEST {
        let object = Object::from(&next);
        if is_adopted(&object) {
            found.rust = Some(next);
            break;
        }
        let (coroutine, generator) = is_interpreted(&object);
        let names = match (coroutine, generator) {
            (true, _) => (intern!(py, "cr_frame"), intern!(py, "cr_await")),
            (_, true) => (intern!(py, "gi_frame"), intern!(py, "gi_yieldfrom")),
            _ if is_coroutine(&object) => (intern!(py, "cr_frame"), intern!(py, "cr_await")),
            _ => break,
        };
        if coroutine || generator {
            let frame = next.getattr(names.0)?;
            if frame.is_none() {
                break;
            }
            let code = frame.getattr(intern!(py, "f_code"))?;
            if is_the_programs(&frame) {
                let line = frame.getattr(intern!(py, "f_lineno"))?.extract().unwrap_or(0);
                found = Found {
                    place: Some((code.getattr(intern!(py, "co_filename"))?.into(), line)),
                    known: None,
                    rust: None,
                };
            } else {
                let name = code.getattr(intern!(py, "co_qualname"))?;
                let name = name.cast::<PyString>()?;
                if let Some(reason) = reason_in(&name.to_string_lossy()) {
                    found.known = Some((reason, frame));
                }
            }
        }
        next = next.getattr(names.1)?;
        if next.is_none() {
            break;
        }
    }
    Ok(found)
}

/// What a task waits for, where its future does not say; it is suspended.
pub(super) fn reason_of(py: Python<'_>, task: &Own<Task>) -> Option<Reason> {
    let found = find(task.coroutine.get(py)?.bind(py).clone()).ok()?;
    Some(found.known?.0)
}

/// Writes into its row what it finds. What the look itself fails by is nobody's business.
#[inline(never)]
pub(super) fn look(slf: &Bound<'_, LoopCore>, task: &Own<Task>) {
    let py = slf.py();
    let Some(coroutine) = task.coroutine.get(py) else { return };
    let Ok(Found { place, known, rust }) = find(coroutine.bind(py).clone()) else { return };
    let mut place = place.map_or(StringId::NONE, |(file, line)| labels::at(slf, file, line));
    let vague = super::stands::is_vague(task);
    let rust = rust.and_then(|rust| told(&rust).ok()).map(|(text, at)| {
        if place == StringId::NONE {
            place = labels::number(slf.get(), &at);
        }
        labels::number(slf.get(), &text)
    });
    let known = known.filter(|_| vague);
    let group = match &known {
        Some((Reason::Group, frame)) => group(frame),
        _ => None,
    };
    // What the members' rows need comes after the step's event is mended.
    let row = group.as_ref().and_then(|(mark, _)| mark.get().0.row(slf, ObjectKind::Group, 0));
    let subject = row.map_or(Subject::Nothing, |row| Subject::Object(row, 0));
    let mark = task.payload().mark.get();
    slf.get().watch.with(|watch| {
        let Some(area) = watch.area() else { return };
        let Some(slot) = area.find(mark) else { return };
        if place != StringId::NONE {
            area.waits_at(slot, place);
        }
        match (known, rust) {
            (Some((reason, _)), _) => area.waits_for(slot, reason, subject),
            (None, Some(rust)) if vague => area.waits_for(slot, Reason::Rust, Subject::Named(rust)),
            (None, _) => {}
        }
    });
    if let Some((mark, members)) = group {
        super::objects::grouped(slf, &mark.get().0, members);
    }
}

/// What a Rust future tells of itself in words, and where it was made.
fn told(coroutine: &Bound<'_, PyAny>) -> PyResult<(String, String)> {
    let py = coroutine.py();
    let name: String = coroutine.getattr(intern!(py, "__qualname__"))?.extract()?;
    let told = coroutine.getattr(intern!(py, "cr_rust"))?;
    let (path, file, line, _): (String, String, i32, String) = told.extract()?;
    let at = format!("{file}:{line}");
    Ok((format!("{name} ({path} {at})"), at))
}

/// The row of a group of tasks, whose mark the group keeps.
#[pyclass(frozen, module = "ironloop._ironloop")]
struct GroupMark(ObjectMark);

/// Our own class of groups, which is never gone.
static OURS: AtomicPtr<PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// `ironloop.TaskGroup` is made.
pub(crate) fn note_task_group(class: &Bound<'_, PyType>) {
    OURS.store(class.clone().into_ptr().cast(), Ordering::Relaxed);
}

/// Whether it is a group of asyncio's or ours. The program's own may do anything when they are asked, and keep no mark.
fn is_plain(group: &Bound<'_, PyAny>) -> bool {
    let class = group.get_type();
    class.as_type_ptr() == OURS.load(Ordering::Relaxed)
        || imports::stock_task_group(group.py()).is_ok_and(|stock| class.is(stock))
}

/// The group whose end is awaited in this frame: its mark, and its tasks.
fn group<'py>(frame: &Bound<'py, PyAny>) -> Option<(Bound<'py, GroupMark>, Vec<Object>)> {
    let py = frame.py();
    let group = frame.getattr(intern!(py, "f_locals")).ok()?.get_item(intern!(py, "self")).ok()?;
    if !is_plain(&group) {
        return None;
    }
    let tasks = group.getattr(intern!(py, "_tasks")).ok()?;
    let tasks = tasks.cast_exact::<PySet>().ok()?;
    let name = intern!(py, "_ironloop_mark");
    let mark = match group.getattr_opt(name).ok()? {
        Some(mark) => mark.cast_into::<GroupMark>().ok()?,
        None => {
            let mark = Bound::new(py, GroupMark(ObjectMark::default())).ok()?;
            group.setattr(name, &mark).ok()?;
            mark
        }
    };
    Some((mark, tasks.iter().map(Object::from).collect()))
}

/// A task was made in a group: if the group's end is awaited already, it is among those that are waited for.
#[cold]
pub(crate) fn joins(slf: &Bound<'_, LoopCore>, group: &Bound<'_, PyAny>, task: &Own<Task>) {
    if !is_plain(group) {
        return;
    }
    let Ok(Some(mark)) = group.getattr_opt(intern!(group.py(), "_ironloop_mark")) else { return };
    if let Ok(mark) = mark.cast_into::<GroupMark>() {
        mark.get().0.joined(slf, task);
    }
}
