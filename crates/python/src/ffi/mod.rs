//! CPython's C interface where PyO3 costs too much on the hot path. The only `unsafe` of this crate. It names
//! nothing above it: neither a loop, nor a task, nor what waits.
//!
//! What holds everywhere in here: whoever has a `Python<'_>` token is attached to the interpreter, and an
//! [`Object`] lives and dies on attached threads only. "A live object" in a SAFETY note is one that an
//! `Object`, a `Bound` or an [`Arg`] at hand keeps; "called by the interpreter" says that it keeps what it
//! passes for as long as the call lasts.

pub(crate) mod adopted;
pub(crate) mod arguments;
pub(crate) mod attributes;
pub(crate) mod blank;
pub(crate) mod bound;
pub(crate) mod buffer;
pub(crate) mod bytes;
pub(crate) mod call;
pub(crate) mod callable;
pub(crate) mod callback;
pub(crate) mod caller;
pub(crate) mod cell;
pub(crate) mod class;
pub(crate) mod clocks;
pub(crate) mod code;
pub(crate) mod context;
pub(crate) mod coroutine;
pub(crate) mod depth;
pub(crate) mod derived;
pub(crate) mod dict;
pub(crate) mod ending;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod function;
pub(crate) mod handled;
pub(crate) mod hooks;
pub(crate) mod imports;
pub(crate) mod inspection;
pub(crate) mod instance;
pub(crate) mod intern;
pub(crate) mod memory;
pub(crate) mod method;
pub(crate) mod named;
pub(crate) mod object;
pub(crate) mod observer;
pub(crate) mod openssl;
pub(crate) mod place;
pub(crate) mod process;
pub(crate) mod raise;
pub(crate) mod recycled;
pub(crate) mod registry;
pub(crate) mod resumable;
pub(crate) mod shared;
pub(crate) mod socket;
pub(crate) mod ssl;
pub(crate) mod stack_of_others;
pub(crate) mod stock;
pub(crate) mod stop;
pub(crate) mod view;
pub(crate) mod visit;
pub(crate) mod wrapper;

pub(crate) use arguments::{Arg, Arguments};
pub(crate) use bytes::{ByteArray, Bytes};
pub(crate) use class::{Class, Native};
pub(crate) use context::{Context, Scope, Spare};
pub(crate) use instance::Instance;
pub(crate) use method::{bare_method, getter, method, method_of, object_slot, repr_slot};
pub(crate) use object::Object;
pub(crate) use shared::{ExactClass, Shared};
pub(crate) use socket::PythonSocket;
pub(crate) use visit::{Clear, Release, Traverse, Visit, Visited, owned, traverse_class};
