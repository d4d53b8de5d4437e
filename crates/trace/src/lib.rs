//! The recorder: what a loop does, in a file of shared memory that viewers read while it runs, while it is
//! stopped and after it was killed. The format, and why it is so: `docs/design/watch-file.md`.
//!
//! A leaf: it knows no Python and none of our other crates. Writing belongs to the thread that runs the loop
//! (`Recorder`) and to the watchdog's (`Reporter`); reading to whom it likes, in other processes, and never by
//! a mapping: a file that is cut off under a reader is an error to it and no signal. Unsafe is `sys.rs` alone.

mod area;
mod event;
mod groups;
mod layout;
mod objects;
mod page;
mod place;
mod reader;
mod recorder;
mod reports;
mod save;
mod state;
mod strings;
mod switch;
mod sys;
mod tally;
mod tasks;
mod users;
mod waker;

pub use area::{Area, Interrupted, Kept};
pub use event::{Event, Moment, Op};
pub use layout::{PAGE, Sizes, VERSION};
pub use objects::{ObjectKind, ObjectRow};
pub use page::{Clock, Facts, Load};
pub use place::{Place, Refusal, check_directory, directories};
pub use reader::{Calibration, Drops, Events, File, Header, Life, Snapshot, Unreadable};
pub use recorder::Recorder;
pub use reports::{BlockKind, Report, ReportId, Reporter};
pub use save::{save, save_whole};
pub use state::{Outcome, Reason, State, Subject};
pub use strings::StringId;
pub use switch::{FOR_EVER, Switch};
pub use tally::{Histogram, Tally};
pub use tasks::{Flags, Mark, NewTask, TaskRow};
pub use waker::{Slot, Waker};
