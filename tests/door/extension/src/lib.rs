//! What tests/test_door*.py awaits.

mod detached;
mod edges;
mod spawned;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use ironloop::Awaitable;
use ironloop::sync::channel;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Counts the futures that were dropped.
static DROPPED: AtomicUsize = AtomicUsize::new(0);
static ALIVE: AtomicUsize = AtomicUsize::new(0);

struct Guard;

impl Guard {
    fn new() -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct State {
    set: bool,
    wakers: Vec<Waker>,
}

/// An event that any thread may set.
#[pyclass(frozen)]
#[derive(Clone, Default)]
struct Event(Arc<Mutex<State>>);

impl Event {
    fn set_now(&self) {
        let wakers = {
            let mut state = self.0.lock().unwrap();
            state.set = true;
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn is_set(self) {
        poll_fn(move |context| {
            let mut state = self.0.lock().unwrap();
            if state.set {
                return Poll::Ready(());
            }
            state.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[pymethods]
impl Event {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn set(&self) {
        self.set_now();
    }

    /// Wakes whoever waits, for nothing.
    fn wake(&self) {
        let wakers = std::mem::take(&mut self.0.lock().unwrap().wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// On another thread, which is not attached; after so many seconds.
    fn set_from_thread(&self, seconds: f64) {
        let event = self.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs_f64(seconds));
            event.set_now();
        });
    }

    fn wait(&self) -> Awaitable {
        let (event, guard) = (self.clone(), Guard::new());
        ironloop::coroutine("Event.wait", async move {
            let _guard = guard;
            event.is_set().await;
            Ok::<_, PyErr>(true)
        })
    }

    fn waiting(&self) -> usize {
        self.0.lock().unwrap().wakers.len()
    }
}

#[pyfunction]
fn ready() -> Awaitable {
    ironloop::coroutine("ready", async { Ok::<_, PyErr>(()) })
}

#[pyfunction]
fn value(value: Py<PyAny>) -> Awaitable {
    ironloop::coroutine("value", async { Ok::<_, PyErr>(value) })
}

#[pyfunction]
fn fail(text: String) -> Awaitable {
    ironloop::coroutine("fail", async move { Err::<(), _>(PyValueError::new_err(text)) })
}

#[pyfunction]
fn panics(after_a_turn: bool) -> Awaitable {
    let guard = Guard::new();
    ironloop::coroutine("panics", async move {
        let _guard = guard;
        if after_a_turn {
            ironloop::yield_now().await;
        }
        if ALIVE.load(Ordering::Relaxed) > 0 {
            panic!("oh no");
        }
        Ok::<_, PyErr>(())
    })
}

#[pyfunction]
fn never() -> Awaitable {
    let guard = Guard::new();
    ironloop::coroutine("never", async move {
        let _guard = guard;
        pending::<()>().await;
        Ok::<_, PyErr>(())
    })
}

/// Gives way so often.
#[pyfunction]
fn turns(count: usize) -> Awaitable {
    ironloop::coroutine("turns", async move {
        for _ in 0..count {
            ironloop::yield_now().await;
        }
        Ok::<_, PyErr>(count)
    })
}

/// Does not leave its thread.
#[pyfunction]
fn local() -> Awaitable {
    let (shared, guard) = (Rc::new(Cell::new(0)), Guard::new());
    ironloop::local_coroutine("local", async move {
        let _guard = guard;
        shared.set(shared.get() + 1);
        ironloop::yield_now().await;
        Ok::<_, PyErr>(shared.get())
    })
}

/// A bounded channel of numbers.
#[pyclass(frozen)]
struct Channel(channel::Sender<u64>, channel::Receiver<u64>);

#[pymethods]
impl Channel {
    #[new]
    fn new(room: usize) -> Self {
        let (sender, receiver) = channel::bounded(room);
        Self(sender, receiver)
    }

    fn send(&self, number: u64) -> Awaitable {
        let (sender, guard) = (self.0.clone(), Guard::new());
        ironloop::coroutine("Channel.send", async move {
            let _guard = guard;
            sender.send(number).await.map_err(|error| PyValueError::new_err(error.to_string()))
        })
    }

    /// None once it is closed and empty.
    fn recv(&self) -> Awaitable {
        let (receiver, guard) = (self.1.clone(), Guard::new());
        ironloop::coroutine("Channel.recv", async move {
            let _guard = guard;
            Ok::<_, PyErr>(receiver.recv().await.ok())
        })
    }

    fn close(&self) {
        self.0.close();
    }
}

/// Keeps its thread for so long.
#[pyfunction]
fn busy(milliseconds: u64) -> Awaitable {
    ironloop::coroutine("busy", async move {
        thread::sleep(Duration::from_millis(milliseconds));
        Ok::<_, PyErr>(())
    })
}

/// Holds an object until it ends, after a turn.
#[pyfunction]
fn holds(object: Py<PyAny>) -> Awaitable {
    ironloop::coroutine("holds", async move {
        ironloop::yield_now().await;
        drop(object);
        Ok::<_, PyErr>(())
    })
}

#[pyfunction]
fn blocking(milliseconds: u64) -> Awaitable {
    ironloop::coroutine("blocking", async move {
        let call = move || {
            thread::sleep(Duration::from_millis(milliseconds));
            milliseconds
        };
        Ok::<_, PyErr>(ironloop::blocking(call).await)
    })
}

/// Sleeps on the loop's own clock.
#[pyfunction]
fn sleep(milliseconds: u64) -> Awaitable {
    ironloop::coroutine("sleep", async move {
        ironloop::time::sleep(Duration::from_millis(milliseconds)).await;
        Ok::<_, PyErr>(milliseconds)
    })
}

/// True if the time limit came first.
#[pyfunction]
fn limited(event: &Event, milliseconds: u64) -> Awaitable {
    let event = event.clone();
    ironloop::coroutine("limited", async move {
        let limit = Duration::from_millis(milliseconds);
        Ok::<_, PyErr>(ironloop::time::timeout(limit, event.is_set()).await.is_err())
    })
}

/// What a server that was spawned here sends back.
#[pyfunction]
fn echo(bytes: Vec<u8>) -> Awaitable {
    ironloop::local_coroutine("echo", async move {
        let listener = ironloop::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = ironloop::spawn_local(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    return Ok::<_, std::io::Error>(());
                }
                stream.write_all(&buffer[..count]).await?;
            }
        });
        let mut stream = ironloop::net::TcpStream::connect(address).await?;
        let mut back = vec![0; bytes.len()];
        stream.write_all(&bytes).await?;
        stream.read_exact(&mut back).await?;
        drop(stream);
        server.await.map_err(|error| PyValueError::new_err(error.to_string()))??;
        Ok::<_, PyErr>(back)
    })
}

/// Gives what the awaitable gives.
#[pyfunction]
fn passes_on(awaitable: Bound<'_, PyAny>) -> PyResult<Awaitable> {
    let (awaiting, guard) = (ironloop::awaiting(&awaitable)?, Guard::new());
    Ok(ironloop::coroutine("passes_on", async move {
        let _guard = guard;
        awaiting.await
    }))
}

/// Waits for all of them, one after the other, as they are polled together.
#[pyfunction]
fn together(awaitables: Vec<Bound<'_, PyAny>>) -> PyResult<Awaitable> {
    let awaitings = awaitables.iter().map(ironloop::awaiting).collect::<PyResult<Vec<_>>>()?;
    Ok(ironloop::coroutine("together", async move {
        let mut waiting: Vec<_> = awaitings.into_iter().map(Box::pin).map(Some).collect();
        let mut values: Vec<Option<Py<PyAny>>> = waiting.iter().map(|_| None).collect();
        poll_fn(move |context| {
            let mut pending = false;
            for (place, value) in waiting.iter_mut().zip(&mut values) {
                let Some(future) = place else { continue };
                match future.as_mut().poll(context) {
                    Poll::Ready(outcome) => {
                        *place = None;
                        *value = Some(outcome?);
                    }
                    Poll::Pending => pending = true,
                }
            }
            if pending { Poll::Pending } else { Poll::Ready(Ok::<_, PyErr>(std::mem::take(&mut values))) }
        })
        .await
    }))
}

/// Wakes another, and notes that it was it.
struct Noted(AtomicBool, Mutex<Option<Waker>>);

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
        if let Some(waker) = self.1.lock().unwrap().take() {
            waker.wake();
        }
    }
}

/// Waits for all of them; each is polled only when its own waker was called.
#[pyfunction]
fn each_by_its_waker(awaitables: Vec<Bound<'_, PyAny>>) -> PyResult<Awaitable> {
    let awaitings = awaitables.iter().map(ironloop::awaiting).collect::<PyResult<Vec<_>>>()?;
    let new = |awaiting| (Some(Box::pin(awaiting)), Arc::new(Noted(AtomicBool::new(true), Mutex::default())));
    let mut waiting: Vec<_> = awaitings.into_iter().map(new).collect();
    Ok(ironloop::coroutine("each_by_its_waker", async move {
        let mut sum = 0;
        poll_fn(move |context| {
            for (place, noted) in &mut waiting {
                *noted.1.lock().unwrap() = Some(context.waker().clone());
                let Some(future) = place else { continue };
                if !noted.0.swap(false, Ordering::AcqRel) {
                    continue;
                }
                let waker = Waker::from(Arc::clone(noted));
                if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    *place = None;
                    sum += Python::attach(|py| value?.extract::<u64>(py))?;
                }
            }
            let pending = waiting.iter().any(|(place, _)| place.is_some());
            if pending { Poll::Pending } else { Poll::Ready(Ok::<_, PyErr>(sum)) }
        })
        .await
    }))
}

/// Whichever comes first: the awaitable, or the event.
#[pyfunction]
fn either(awaitable: Bound<'_, PyAny>, event: &Event) -> PyResult<Awaitable> {
    let (awaiting, event) = (ironloop::awaiting(&awaitable)?, event.clone());
    Ok(ironloop::coroutine("either", async move {
        let (mut awaiting, mut event) = (Box::pin(awaiting), Box::pin(event.is_set()));
        poll_fn(move |context| {
            if let Poll::Ready(outcome) = awaiting.as_mut().poll(context) {
                return Poll::Ready(outcome.map(|_| "awaitable"));
            }
            event.as_mut().poll(context).map(|()| Ok("event"))
        })
        .await
    }))
}

/// Counts, and gives way before each number.
#[pyfunction]
fn numbers(count: u64, fails: bool) -> ironloop::AsyncIter {
    struct Numbers {
        next: u64,
        count: u64,
        fails: bool,
        gives_way: bool,
        _guard: Guard,
    }

    impl futures_core::Stream for Numbers {
        type Item = PyResult<u64>;

        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<PyResult<u64>>> {
            self.gives_way = !self.gives_way;
            if self.gives_way {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.next == self.count {
                return Poll::Ready(self.fails.then(|| Err(PyValueError::new_err("at the end"))));
            }
            self.next += 1;
            Poll::Ready(Some(Ok(self.next - 1)))
        }
    }

    let numbers = Numbers { next: 0, count, fails, gives_way: false, _guard: Guard::new() };
    ironloop::iterate("numbers", numbers)
}

/// Ends cleanly when its task is cancelled: the event is set, after another turn.
#[pyfunction]
fn ends_cleanly(event: &Event) -> Awaitable {
    let (event, guard) = (event.clone(), Guard::new());
    ironloop::cancellable("ends_cleanly", |token| async move {
        let _guard = guard;
        token.cancelled().await;
        ironloop::yield_now().await;
        event.set_now();
        Ok::<_, PyErr>(())
    })
}

#[pyfunction]
fn sleep_now(py: Python<'_>, milliseconds: u64) -> PyResult<u64> {
    ironloop::python::block_on(py, async move {
        ironloop::time::sleep(Duration::from_millis(milliseconds)).await;
        Ok::<_, PyErr>(milliseconds)
    })
}

/// A worker has the loop's thread call, so often; what it gives is the sum.
#[pyfunction]
fn called_at_home(py: Python<'_>, function: Py<PyAny>, count: u64) -> PyResult<Awaitable> {
    let home = ironloop::python::Home::here(py)?;
    Ok(ironloop::coroutine("called_at_home", async move {
        let function = Arc::new(function);
        let work = move || {
            ironloop::block_on(async {
                let mut sum = 0;
                for _ in 0..count {
                    let function = Arc::clone(&function);
                    let called = home.with_python(move |py| function.call0(py)?.extract::<u64>(py));
                    sum += called.await??;
                }
                Ok::<_, PyErr>(sum)
            })
        };
        ironloop::blocking(work).await
    }))
}

/// On Tokio's workers; the value is made an object here.
#[pyfunction]
fn on_workers(milliseconds: u64) -> Awaitable {
    let guard = Guard::new();
    ironloop::tokio::coroutine("on_workers", async move {
        let _guard = guard;
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        if milliseconds == 13 {
            panic!("thirteen");
        }
        let name = thread::current().name().unwrap_or_default().to_owned();
        if milliseconds == 7 { Err(PyValueError::new_err(name)) } else { Ok((milliseconds, name)) }
    })
}

/// Here, with Tokio's timers at hand.
#[pyfunction]
fn in_context(milliseconds: u64) -> Awaitable {
    let here = thread::current().id();
    ironloop::coroutine(
        "in_context",
        ironloop::tokio::context(async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            ironloop::time::sleep(Duration::from_millis(milliseconds)).await;
            Ok::<_, PyErr>(thread::current().id() == here)
        }),
    )
}

#[pyfunction]
fn alive() -> usize {
    ALIVE.load(Ordering::Relaxed)
}

/// So many were leaked on purpose.
#[pyfunction]
fn forget(count: usize) {
    ALIVE.fetch_sub(count, Ordering::Relaxed);
}

#[pymodule]
mod door_extension {
    #[pymodule_export]
    use super::detached::{Meeting, holds_detached, waits_detached};
    #[pymodule_export]
    use super::edges::{Kept, holding, lends_its_waker, lets_go, one_after_another, one_and_a_panic, polled};
    #[pymodule_export]
    use super::spawned::{
        spawned, spawns_what_calls, spawns_what_ends, spawns_what_is_busy, spawns_what_never_ends,
    };
    #[pymodule_export]
    use super::{
        Channel, Event, alive, blocking, busy, called_at_home, each_by_its_waker, echo, either, ends_cleanly,
        fail, forget, holds, in_context, limited, local, never, numbers, on_workers, panics, passes_on,
        ready, sleep, sleep_now, together, turns, value,
    };
}
