//! A C function of another extension module, with its data: what `ironloop_abi` calls a `Call`.

use std::ffi::c_void;

use ironloop_abi::Call;

/// Called on the loop's thread, attached, with nothing borrowed. The data is the other side's, and nobody
/// here looks at it.
#[derive(Clone, Copy)]
pub(crate) struct Callback {
    call: Call,
    data: *mut c_void,
}

// SAFETY: it is only carried. Who has made it says in the table's contract that the loop's thread may call
// it.
unsafe impl Send for Callback {}
// SAFETY: as above; it does not change.
unsafe impl Sync for Callback {}

impl Callback {
    /// # Safety
    /// The function may be called with the data, on the thread of the loop that it is given to, as often as
    /// the contract says.
    pub(crate) unsafe fn new(call: Call, data: *mut c_void) -> Self {
        Self { call, data }
    }

    pub(crate) fn call(&self, what: u32) {
        // SAFETY: who made it has promised; the wings above call it by the contract.
        unsafe { (self.call)(self.data, what) };
    }
}
