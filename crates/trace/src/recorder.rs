//! The loop's end of the recorder. One loop has one, on its thread; while nobody records, it writes
//! nothing, and all that it asks is one test an item.
//!
//! ```text
//! no file (turned off, refused, forked away) | page --a viewer asks--> recording --nobody asks--> paused …
//! ```

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::area::{Area, Origin};
use crate::layout::{PAGE, Sizes, at};
use crate::page::{Facts, Shared};
use crate::place::{self, Place, Refusal, system};
use crate::reports::Reporter;
use crate::switch;
use crate::sys::{self, Mapping};

/// A recording with fewer events is not worth having.
const FEWEST: usize = 1 << 12;

pub struct Recorder {
    state: State,
    file: Option<File>,
    /// How often the process had been forked when the file was made.
    forks: u32,
    sizes: Sizes,
    /// Whether the file stays when the loop ends.
    kept: bool,
}

enum State {
    Off,
    On(Box<Area>),
    /// Recorded once; nobody asks now.
    Paused(Box<Area>),
    /// Was asked for, and could not be had: not tried again.
    Refused,
}

struct File {
    shared: Arc<Shared>,
    origin: Origin,
}

impl Recorder {
    /// A recorder with its page; or why there is none. The loop says so and runs with `without`.
    pub fn new(place: &Place, facts: &Facts<'_>, sizes: Sizes) -> Result<Self, Refusal> {
        sys::notice_forks();
        let (file, path) = place::create(place)?;
        let made = file
            .metadata()
            .and_then(|about| Ok((Mapping::new(&file, 0, PAGE)?, (about.dev(), about.ino()))))
            .map_err(system("map", &path));
        let (page, identity) = match made {
            Ok(made) => made,
            Err(error) => {
                let _ = fs::remove_file(&path);
                return Err(error);
            }
        };
        let shared = Arc::new(Shared::new(page, facts));
        let file = File { shared, origin: Origin { path, identity } };
        Ok(Self { state: State::Off, file: Some(file), forks: sys::forks(), sizes, kept: false })
    }

    /// One that writes nothing.
    pub fn without() -> Self {
        Self { state: State::Off, file: None, forks: sys::forks(), sizes: Sizes::default(), kept: false }
    }

    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.origin.path.as_path())
    }

    /// The recording, while there is one: the test of every item.
    #[inline]
    pub fn recording(&mut self) -> Option<&mut Area> {
        if let State::On(_) = &self.state { self.own() } else { None }
    }

    #[inline]
    pub fn is_recording(&self) -> bool {
        matches!(self.state, State::On(_))
    }

    /// In a child that was forked the file is its parent's.
    #[inline]
    fn own(&mut self) -> Option<&mut Area> {
        if self.forks != sys::forks() {
            self.forked();
        }
        match &mut self.state {
            State::On(area) => Some(area),
            _ => None,
        }
    }

    /// The file is left to the parent, as it is.
    #[cold]
    fn forked(&mut self) {
        self.state = State::Off;
        self.file = None;
    }

    /// The words that the loop writes always.
    #[inline]
    fn word(&self, index: usize) -> Option<&AtomicU64> {
        self.file.as_ref().map(|file| file.shared.word(index))
    }

    /// So many more items were performed: the loop says so when a recorded turn ends.
    #[inline]
    pub fn beat(&self, items: u32) {
        if let Some(word) = self.word(at::HEARTBEAT) {
            word.store(word.load(Ordering::Relaxed).wrapping_add(2 * u64::from(items)), Ordering::Relaxed);
        }
    }

    /// The loop goes to sleep in the kernel, or is back.
    #[inline]
    pub fn asleep(&self, asleep: bool) {
        if let Some(word) = self.word(at::HEARTBEAT) {
            word.store(word.load(Ordering::Relaxed) & !1 | u64::from(asleep), Ordering::Relaxed);
        }
    }

    /// Whether nothing is recorded and nobody asks: mostly so, and all that a loop asks before it sleeps.
    #[inline]
    pub fn rests(&self) -> bool {
        match (&self.state, &self.file) {
            (State::On(_), _) => false,
            (_, None) => true,
            (_, Some(file)) => {
                self.forks == sys::forks() && file.shared.word(at::SWITCH).load(Ordering::Relaxed) == 0
            }
        }
    }

    /// Looks whether a viewer has begun to ask for a recording, or ceased to: once a turn that comes after some
    /// time, and on waking. `Ok(true)`: it changed.
    pub fn look(&mut self) -> Result<bool, Refusal> {
        let Some(file) = &self.file else { return Ok(false) };
        if self.forks != sys::forks() {
            self.forked();
            return Ok(false);
        }
        let until = file.shared.word(at::SWITCH).load(Ordering::Relaxed);
        // No clock is read as long as nothing is asked for.
        match (&self.state, until != 0 && switch::is_on(until)) {
            (State::Off | State::Paused(_), true) => self.begin().map(|()| true),
            (State::On(_), false) => {
                self.end();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Records from now on, until nobody asks: for ever, if the program itself asks.
    pub fn record_for_ever(&mut self) -> Result<(), Refusal> {
        let Some(word) = self.word(at::SWITCH) else { return Err(Refusal::TurnedOff) };
        word.store(switch::FOR_EVER, Ordering::Relaxed);
        self.look().map(drop)
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        let Some(file) = &self.file else { return Ok(()) };
        self.state = match std::mem::replace(&mut self.state, State::Refused) {
            State::Paused(mut area) => {
                area.resume();
                State::On(area)
            }
            State::Off => loop {
                match Area::make(file.shared.clone(), file.origin.clone(), self.sizes) {
                    Ok(area) => break State::On(Box::new(area)),
                    // Containers have little: rather the last events than none.
                    Err(refusal) if refusal.is_lack_of_room() && self.sizes.events > FEWEST => {
                        self.sizes.events /= 2;
                    }
                    Err(refusal) => return Err(refusal),
                }
            },
            state => state,
        };
        Ok(())
    }

    fn end(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Refused) {
            State::On(area) => {
                area.pause();
                State::Paused(area)
            }
            state => state,
        };
    }

    /// The watchdog's pen. It may go to another thread.
    pub fn reporter(&self) -> Option<Reporter> {
        let file = self.file.as_ref().filter(|_| self.forks == sys::forks())?;
        Some(Reporter::new(file.shared.clone(), file.origin.path.clone()))
    }

    /// The file stays when the loop ends.
    pub fn keep(&mut self) -> Option<PathBuf> {
        self.kept = true;
        self.path().map(Path::to_owned)
    }
}

impl Drop for Recorder {
    /// The loop ends as it should: a file that nobody wants to keep goes. A child's copy leaves it alone.
    fn drop(&mut self) {
        let Some(file) = &self.file else { return };
        if self.forks != sys::forks() {
            return;
        }
        file.shared.calibrate();
        file.shared.recording_ended();
        if !self.kept {
            let _ = fs::remove_file(&file.origin.path);
        }
    }
}
