//! A loop behind a table, as small as can be, and what futures get of it.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::io;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicIsize, AtomicPtr, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ironloop_abi::{Call, Cell as AbiCell, Facts, Loop, MAJOR, MINOR, Object, Table, what};
use ironloop_driver::{Events, Interest, Poller, RawFd, Timeout, Token, Trigger};

use crate::host::table::{Calls, TableLoop};
use crate::host::{self, Host};
use crate::net::{TcpListener, TcpStream, UnixStream};
use crate::time::{Instant, sleep, timeout};

/// What a loop was handed, and by whom it is to be called.
struct Handed {
    number: u64,
    /// A timer's; a source has none.
    deadline: i64,
    fd: RawFd,
    call: Call,
    data: *mut c_void,
}

struct Fake {
    poller: Poller,
    handed: RefCell<Vec<Handed>>,
    numbers: Cell<u64>,
}

thread_local! {
    static RUNNING: RefCell<Option<Fake>> = const { RefCell::new(None) };
}

/// Numbers that another thread has ended.
static SENT_HOME: Mutex<Vec<u64>> = Mutex::new(Vec::new());
/// How often a loop is kept.
static KEPT: AtomicIsize = AtomicIsize::new(0);
static LOOP: u8 = 0;

fn at() -> *const Loop {
    (&raw const LOOP).cast()
}

/// What the thread's loop says, if one runs.
fn here<R>(ask: impl FnOnce(&Fake) -> R) -> Option<R> {
    RUNNING.with_borrow(|running| running.as_ref().map(ask))
}

fn take(number: u64) -> Option<Handed> {
    here(|fake| {
        let mut handed = fake.handed.borrow_mut();
        let at = handed.iter().position(|one| one.number == number)?;
        Some(handed.remove(at))
    })?
}

unsafe extern "C" fn loop_running() -> *const Loop {
    here(|_| at()).unwrap_or(ptr::null())
}

unsafe extern "C" fn loop_retain(_: *const Loop) {
    KEPT.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" fn loop_release(_: *const Loop) {
    KEPT.fetch_sub(1, Ordering::Relaxed);
}

unsafe extern "C" fn now(_: *const Loop) -> i64 {
    ironloop_driver::now()
}

unsafe extern "C" fn timer_set(_: *const Loop, deadline: i64, call: Call, data: *mut c_void) -> u64 {
    here(|fake| fake.hand(deadline, -1, call, data)).unwrap_or(0)
}

/// Both ways to end something.
fn end(number: u64) -> bool {
    if here(|_| ()).is_none() {
        SENT_HOME.lock().unwrap().push(number);
        return false;
    }
    take(number).inspect(|handed| drop(here(|fake| fake.poller.remove(handed.fd)))).is_some()
}

unsafe extern "C" fn timer_cancel(_: *const Loop, number: u64) -> bool {
    end(number)
}

unsafe extern "C" fn source_add(
    _: *const Loop,
    fd: c_int,
    call: Call,
    data: *mut c_void,
    number: *mut u64,
) -> c_int {
    let add = |fake: &Fake| {
        let given = fake.hand(i64::MAX, fd, call, data);
        fake.poller.add(fd, Token(given), Interest::BOTH, Trigger::Edge).map(|()| given)
    };
    match here(add) {
        Some(Ok(given)) => {
            // SAFETY: the caller's number outlives the call.
            unsafe { *number = given };
            0
        }
        Some(Err(error)) => error.raw_os_error().unwrap_or(libc::EINVAL),
        None => libc::EPERM,
    }
}

unsafe extern "C" fn source_remove(_: *const Loop, _: c_int, number: u64, _: bool) -> bool {
    end(number)
}

unsafe extern "C" fn loop_is_closed(_: *const Loop) -> bool {
    unreachable!()
}

unsafe extern "C" fn cell_new(_: *const Loop, _: Option<Call>, _: *mut c_void) -> *const AbiCell {
    unreachable!()
}

unsafe extern "C" fn cell_count(_: *const AbiCell) {
    unreachable!()
}

unsafe extern "C" fn cell_wait(_: *const AbiCell) -> *mut Object {
    unreachable!()
}

unsafe extern "C" fn cell_is(_: *const AbiCell) -> bool {
    unreachable!()
}

unsafe extern "C" fn send_home(_: *const Loop, _: Call, _: *mut c_void) -> bool {
    unreachable!()
}

unsafe extern "C" fn stop(_: *mut Object) {
    unreachable!()
}

unsafe extern "C" fn cell_of_future(
    _: *const Loop,
    _: Call,
    _: *mut c_void,
    _: *const Facts,
) -> *const AbiCell {
    ptr::null()
}

unsafe extern "C" fn cell_end_of_future(_: *const AbiCell, _: u32) -> bool {
    unreachable!()
}

unsafe extern "C" fn polled() -> *const AtomicPtr<Facts> {
    ptr::null()
}

unsafe extern "C" fn adopt(_: *mut Object) -> c_int {
    unreachable!()
}

static TABLE: Table = Table {
    size: size_of::<Table>(),
    major: MAJOR,
    minor: MINOR,
    loop_running,
    loop_retain,
    loop_release,
    loop_is_closed,
    cell_new,
    cell_retain: cell_count,
    cell_release: cell_count,
    cell_wait,
    cell_wake: cell_is,
    cell_end: cell_is,
    now,
    timer_set,
    timer_cancel,
    source_add,
    source_remove,
    send_home,
    stop,
    adopt,
    polled,
    cell_of_future,
    cell_end_of_future,
};

impl Fake {
    fn hand(&self, deadline: i64, fd: RawFd, call: Call, data: *mut c_void) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        let number = self.numbers.get();
        self.handed.borrow_mut().push(Handed { number, deadline, fd, call, data });
        number
    }
}

fn call(handed: &Handed, bits: u32) {
    // SAFETY: with what it was handed, on the loop's thread.
    unsafe { (handed.call)(handed.data, bits) };
}

/// Runs a future on a loop of its own, behind the table.
fn run<T>(future: impl Future<Output = T>) -> T {
    RUNNING.set(Some(Fake {
        poller: Poller::new().unwrap(),
        handed: RefCell::default(),
        numbers: Cell::new(0),
    }));
    let calls = Calls { spawn: |_, _| unreachable!(), attached: |call| call() };
    let home = TableLoop::running(&TABLE, calls).unwrap();
    let mut future = Box::pin(future);
    let mut events = Events::with_capacity(8);
    let output = loop {
        let poll = || future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = host::enter(Host::Table(home.clone()), poll) {
            break output;
        }
        let earliest = here(|fake| fake.handed.borrow().iter().map(|handed| handed.deadline).min());
        let wait = earliest.flatten().unwrap_or(i64::MAX).saturating_sub(ironloop_driver::now());
        // A moment at most, for those whom other threads wake.
        let timeout = Timeout::After(wait.clamp(0, 2_000_000));
        let _: io::Result<()> = here(|fake| fake.poller.wait(&mut events, timeout)).unwrap();
        for event in (0..events.len()).filter_map(|index| events.get(index)) {
            let Some(handed) = take(event.token.0) else { continue };
            let ready = event.ready;
            let bit = |is, bit| if is { bit } else { 0 };
            let bits = bit(ready.readable, what::READABLE) | bit(ready.writable, what::WRITABLE);
            call(&handed, bits | bit(ready.hung_up, what::HUNG_UP));
            here(|fake| fake.handed.borrow_mut().push(handed));
        }
        let now = ironloop_driver::now();
        let is_due = |handed: &Handed| handed.deadline <= now;
        let due = here(|fake| fake.handed.borrow_mut().extract_if(.., |one| is_due(one)).collect::<Vec<_>>());
        due.unwrap().iter().for_each(|handed| call(handed, what::DUE));
        let sent = std::mem::take(&mut *SENT_HOME.lock().unwrap());
        sent.into_iter().filter_map(take).for_each(|handed| call(&handed, what::ENDED));
    };
    drop(future);
    // The loop is closed.
    let left = here(|fake| fake.handed.take()).unwrap();
    left.iter().for_each(|handed| call(handed, what::ENDED));
    RUNNING.set(None);
    output
}

/// The tests share a loop's address.
static ONE_BY_ONE: Mutex<()> = Mutex::new(());

#[test]
fn time_passes_and_timers_are_cancelled_and_moved() {
    let _alone = ONE_BY_ONE.lock();
    let mut kept = run(async {
        let begin = Instant::now();
        sleep(Duration::from_millis(5)).await;
        assert!(begin.elapsed() >= Duration::from_millis(5));
        let slow = sleep(Duration::from_secs(60));
        assert!(timeout(Duration::from_millis(3), slow).await.is_err());
        assert_eq!(here(|fake| fake.handed.borrow().len()), Some(0));
        // One that is dropped elsewhere is ended at home.
        let mut slow = Box::pin(sleep(Duration::from_secs(60)));
        assert!(timeout(Duration::ZERO, slow.as_mut()).await.is_err());
        std::thread::spawn(move || drop(slow)).join().unwrap();
        sleep(Duration::from_millis(4)).await;
        assert_eq!(here(|fake| fake.handed.borrow().len()), Some(0));
        // One that outlives its loop goes on with the next.
        let mut kept = Box::pin(sleep(Duration::from_millis(6)));
        assert!(timeout(Duration::ZERO, kept.as_mut()).await.is_err());
        (kept,)
    });
    crate::block_on(kept.0.as_mut());
    drop(kept);
    assert_eq!(KEPT.load(Ordering::Relaxed), 0);
}

#[test]
fn sockets_wait_and_belong_to_their_loop() {
    let _alone = ONE_BY_ONE.lock();
    let mut kept = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut left = TcpStream::connect(address).await.unwrap();
        let (mut right, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 5];
        assert!(timeout(Duration::from_millis(1), right.read(&mut buffer)).await.is_err());
        left.write_all(b"hello").await.unwrap();
        right.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"hello");
        assert!(timeout(Duration::from_millis(1), right.read(&mut buffer)).await.is_err());
        std::thread::spawn(move || drop(left)).join().unwrap();
        assert_eq!(right.read(&mut buffer).await.unwrap(), 0);

        let (mut left, right) = UnixStream::pair().unwrap();
        assert!(timeout(Duration::from_millis(1), left.read(&mut buffer)).await.is_err());
        (left, right)
    });
    let error = crate::block_on(async { kept.0.read(&mut [0; 1]).await.unwrap_err() });
    assert_eq!(error.to_string(), "the socket's loop is closed");
    drop(kept);
    assert_eq!(KEPT.load(Ordering::Relaxed), 0);
}
