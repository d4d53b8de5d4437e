//! Waiting on a loop that is not ironloop's: asyncio's, uvloop's.
//!
//! A mailbox a loop: wakers of whatever thread leave the numbers of places there, and write one byte to a
//! socket that the loop reads (`add_reader`). On the loop's thread each place's Python future gets its
//! result. The loop holds the reader, and the reader holds the mailbox open: so it ends with the loop.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ironloop_engine::{Slot, Slots};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;

use super::class::counted;
use super::home::Job;
use super::polling;
use super::resume::lose;

const NOWHERE: u64 = u64::MAX;

pub(super) struct Mailbox {
    mail: Mutex<Mail>,
    /// Ends the loop's sleep.
    bell: UnixStream,
    /// Attached, on the loop's thread.
    waiting: Mutex<Slots<Py<PyAny>>>,
    event_loop: Py<PyAny>,
    generation: u32,
}

#[derive(Default)]
struct Mail {
    woken: Vec<u64>,
    /// Closures that other threads have sent home.
    jobs: Vec<Job>,
    /// The bell was rung since it was read.
    rung: bool,
    closed: bool,
}

thread_local! {
    /// The mailbox of the loop that waited last in this thread.
    static LAST: RefCell<Weak<Mailbox>> = const { RefCell::new(Weak::new()) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of the loop's reader is the end of the mailbox.
struct Reader {
    mailbox: Arc<Mailbox>,
    bell: UnixStream,
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: `open` gives it to a function of Python's, which dies attached.
        unsafe { counted(|_| self.end()) };
    }
}

impl Reader {
    fn end(&self) {
        super::hosts::close(&self.mailbox);
        // A parent's is closed already, for all that its child may know.
        if self.mailbox.is_of_this_process() {
            let mut mail = lock(&self.mailbox.mail);
            mail.closed = true;
            mail.woken.clear();
            let jobs = std::mem::take(&mut mail.jobs);
            drop(mail);
            jobs.into_iter().for_each(lose);
        }
        let waiting = lock(&self.mailbox.waiting).take();
        // What waits may drop anything.
        drop(waiting);
    }
}

pub(super) fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let get = GET.get_or_try_init(py, || {
        py.import("asyncio.events")?.getattr("_get_running_loop").map(Bound::unbind)
    })?;
    let running = get.bind(py).call0()?;
    if running.is_none() {
        return Err(PyRuntimeError::new_err("no running event loop"));
    }
    Ok(running)
}

impl Mailbox {
    /// Of the loop that runs in this thread.
    pub(super) fn here(py: Python<'_>) -> PyResult<Arc<Self>> {
        let running = running_loop(py)?;
        let last = LAST.with_borrow(Weak::upgrade);
        if let Some(last) = last.filter(|last| last.is_of(py, &running)) {
            return Ok(last);
        }
        let mailbox = Self::known_or_new(&running)?;
        let before = LAST.replace(Arc::downgrade(&mailbox));
        if let Some(before) = before.upgrade().filter(|before| before.is_filled()) {
            // Nobody looks into that one any more.
            before.ring(lock(&before.mail));
        }
        polling::has_mailbox();
        Ok(mailbox)
    }

    pub(super) fn event_loop(&self) -> &Py<PyAny> {
        &self.event_loop
    }

    fn is_of(&self, py: Python<'_>, running: &Bound<'_, PyAny>) -> bool {
        self.event_loop.bind(py).is(running) && self.is_of_this_process() && !lock(&self.mail).closed
    }

    /// In a child its mail is not touched: a thread that was not copied may have had the lock.
    fn is_of_this_process(&self) -> bool {
        self.generation == ironloop_driver::generation()
    }

    /// A thread may run loops by turns: those that are open are few.
    fn known_or_new(running: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        static ALL: Mutex<Vec<Weak<Mailbox>>> = Mutex::new(Vec::new());
        let py = running.py();
        let known: Vec<_> = {
            let mut all = lock(&ALL);
            all.retain(|mailbox| mailbox.strong_count() > 0);
            all.iter().filter_map(Weak::upgrade).collect()
        };
        if let Some(known) = known.iter().find(|known| known.is_of(py, running)) {
            return Ok(Arc::clone(known));
        }
        let mailbox = Self::open(running)?;
        lock(&ALL).push(Arc::downgrade(&mailbox));
        Ok(mailbox)
    }

    fn open(running: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = running.py();
        let (reads, bell) = UnixStream::pair()?;
        reads.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        let mailbox = Arc::new(Self {
            mail: Mutex::default(),
            bell,
            waiting: Mutex::default(),
            event_loop: running.clone().unbind(),
            generation: ironloop_driver::generation(),
        });
        let fd = reads.as_raw_fd();
        let reader = Reader { mailbox: Arc::clone(&mailbox), bell: reads };
        let read = PyCFunction::new_closure(py, Some(c"ironloop_wakes"), None, move |arguments, _| {
            // Nobody else reads.
            let mut bytes = [0; 64];
            while (&reader.bell).read(&mut bytes).is_ok_and(|count| count == bytes.len()) {}
            reader.mailbox.deliver(arguments.py())
        })?;
        running.call_method1("add_reader", (fd, read))?;
        Ok(mailbox)
    }

    /// Leaves a wake. False if the loop is gone.
    fn leave(&self, place: u64) -> bool {
        if !self.is_of_this_process() {
            return false;
        }
        let mut mail = lock(&self.mail);
        if mail.closed {
            return false;
        }
        mail.woken.push(place);
        self.ring(mail);
        true
    }

    /// Leaves a closure; dropped if the loop is gone.
    pub(super) fn send(&self, job: Job) {
        if !self.is_of_this_process() {
            return drop(job);
        }
        let mut mail = lock(&self.mail);
        if mail.closed {
            drop(mail);
            return drop(job);
        }
        mail.jobs.push(job);
        self.ring(mail);
    }

    fn ring(&self, mail: MutexGuard<'_, Mail>) {
        if !self.is_looked_into() {
            self.ring_always(mail);
        }
    }

    fn ring_always(&self, mut mail: MutexGuard<'_, Mail>) {
        if std::mem::replace(&mut mail.rung, true) {
            return;
        }
        drop(mail);
        // Full, it rings already.
        let _ = (&self.bell).write(&[1]);
    }

    /// Whether a poll of this loop runs in this thread: it looks afterwards.
    fn is_looked_into(&self) -> bool {
        let last = |last: &RefCell<Weak<Mailbox>>| std::ptr::eq(last.borrow().as_ptr(), self);
        polling::is_under_way() && LAST.try_with(last).unwrap_or(false)
    }

    /// In a turn of the loop's: all that was left.
    pub(super) fn deliver(&self, py: Python<'_>) -> PyResult<()> {
        if !self.is_of_this_process() {
            return Ok(());
        }
        let mut mail = lock(&self.mail);
        mail.rung = false;
        let (woken, jobs) = (std::mem::take(&mut mail.woken), std::mem::take(&mut mail.jobs));
        drop(mail);
        jobs.into_iter().for_each(|job| super::home::answer_for(py, job));
        self.tell(py, woken)
    }

    /// In the step of whoever was polled: what was sent home is no part of that, and waits for a turn.
    fn deliver_wakes(&self, py: Python<'_>) -> PyResult<()> {
        let mut mail = lock(&self.mail);
        let woken = std::mem::take(&mut mail.woken);
        if mail.jobs.is_empty() {
            drop(mail);
        } else {
            self.ring_always(mail);
        }
        self.tell(py, woken)
    }

    /// Gives each woken place's future its result, also after one that raises: the last error is told.
    fn tell(&self, py: Python<'_>, woken: Vec<u64>) -> PyResult<()> {
        let mut told = Ok(());
        for future in woken.into_iter().filter_map(|place| self.take(place)) {
            told = give_result(future.bind(py)).and(told);
        }
        told
    }

    fn is_filled(&self) -> bool {
        if !self.is_of_this_process() {
            return false;
        }
        let mail = lock(&self.mail);
        !mail.woken.is_empty() || !mail.jobs.is_empty()
    }

    fn take(&self, place: u64) -> Option<Py<PyAny>> {
        lock(&self.waiting).remove(Slot::unpack(place))
    }
}

fn give_result(future: &Bound<'_, PyAny>) -> PyResult<()> {
    if !future.call_method0("done")?.is_truthy()? {
        future.call_method1("set_result", (future.py().None(),))?;
    }
    Ok(())
}

/// What was woken while this thread polled hears of it.
#[cold]
pub(super) fn look(py: Python<'_>) {
    let last = LAST.try_with(|last| last.borrow().upgrade()).ok().flatten();
    if let Some(last) = last.filter(|last| last.is_filled())
        && let Err(error) = last.deliver_wakes(py)
    {
        error.write_unraisable(py, None);
    }
}

/// A future's place in a mailbox.
pub(super) struct Place {
    mailbox: Arc<Mailbox>,
    number: AtomicU64,
}

impl Place {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox, number: AtomicU64::new(NOWHERE) }
    }

    /// What a task has to yield, which is told of the next wake.
    pub(super) fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let future = self.mailbox.event_loop.bind(py).call_method0("create_future")?;
        future.setattr("_asyncio_future_blocking", true)?;
        self.end(py);
        let slot = lock(&self.mailbox.waiting).insert(future.clone().unbind());
        self.number.store(slot.pack(), Ordering::Release);
        Ok(future.unbind())
    }

    pub(super) fn wake(&self) {
        let number = self.number.load(Ordering::Acquire);
        if number != NOWHERE {
            self.mailbox.leave(number);
        }
    }

    pub(super) fn end(&self, _: Python<'_>) {
        let number = self.number.swap(NOWHERE, Ordering::AcqRel);
        if number != NOWHERE {
            drop(self.mailbox.take(number));
        }
    }
}
