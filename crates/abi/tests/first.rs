//! An extension module that was built against the first table finds all of it in the newest: this is a copy of
//! that, and is not changed. A table that does not hold it is of another major.

use std::ffi::{c_int, c_void};
use std::mem::{offset_of, size_of};

use ironloop_abi as newest;

/// The table of major 0, minor 1. Who was built with it reads by these fields.
#[repr(C)]
struct First {
    size: usize,
    major: u32,
    minor: u32,
    loop_running: unsafe extern "C" fn() -> *const c_void,
    loop_retain: unsafe extern "C" fn(*const c_void),
    loop_release: unsafe extern "C" fn(*const c_void),
    loop_is_closed: unsafe extern "C" fn(*const c_void) -> bool,
    cell_new: unsafe extern "C" fn(*const c_void, call: Option<Call>, data: *mut c_void) -> *const c_void,
    cell_retain: unsafe extern "C" fn(*const c_void),
    cell_release: unsafe extern "C" fn(*const c_void),
    cell_wait: unsafe extern "C" fn(*const c_void) -> *mut c_void,
    cell_wake: unsafe extern "C" fn(*const c_void) -> bool,
    cell_end: unsafe extern "C" fn(*const c_void) -> bool,
    now: unsafe extern "C" fn(*const c_void) -> i64,
    timer_set: unsafe extern "C" fn(*const c_void, deadline: i64, call: Call, data: *mut c_void) -> u64,
    timer_cancel: unsafe extern "C" fn(*const c_void, timer: u64) -> bool,
    source_add: unsafe extern "C" fn(*const c_void, c_int, Call, *mut c_void, *mut u64) -> c_int,
    source_remove: unsafe extern "C" fn(*const c_void, c_int, u64, bool) -> bool,
    send_home: unsafe extern "C" fn(*const c_void, call: Call, data: *mut c_void) -> bool,
    stop: unsafe extern "C" fn(value: *mut c_void),
    adopt: unsafe extern "C" fn(class: *mut c_void) -> c_int,
}

type Call = unsafe extern "C" fn(data: *mut c_void, what: u32);

const BITS: [(u32, u32); 7] = [
    (newest::what::READABLE, 1),
    (newest::what::WRITABLE, 2),
    (newest::what::HUNG_UP, 4),
    (newest::what::DUE, 8),
    (newest::what::ENDED, 16),
    (newest::what::WOKEN, 32),
    (newest::what::HOME, 64),
];

macro_rules! stand_where_they_stood {
    ($($field:ident)*) => {
        [$((stringify!($field), offset_of!(First, $field), offset_of!(newest::Table, $field))),*]
    };
}

#[test]
fn the_newest_table_begins_with_the_first() {
    let fields = stand_where_they_stood!(
        size major minor loop_running loop_retain loop_release loop_is_closed cell_new cell_retain cell_release
        cell_wait cell_wake cell_end now timer_set timer_cancel source_add source_remove send_home stop adopt
    );
    for (name, first, newest) in fields {
        assert_eq!(first, newest, "{name}");
    }
    assert!(size_of::<newest::Table>() >= size_of::<First>());
    assert_eq!(newest::MAJOR, 0);
    assert_eq!(newest::CAPSULE, c"ironloop._ironloop.door_v1");
    assert_eq!((newest::MODULE, newest::ATTRIBUTE), (c"ironloop._ironloop", c"door_v1"));
    for (bit, was) in BITS {
        assert_eq!(bit, was);
    }
}
