//! The page at the beginning of a file: who writes it, its clock, and the words that are written all the time.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};

use crate::layout::{Layout, MAGIC, PAGE, VERSION, at};
use crate::strings;
use crate::sys::{self, Mapping};

/// What a loop says of itself. Each is cut off where it does not fit.
#[derive(Clone, Copy, Default, Debug)]
pub struct Facts<'a> {
    /// The loop's, or its thread's.
    pub name: &'a str,
    /// Of which versions it is made.
    pub runtime: &'a str,
    /// The command line.
    pub program: &'a str,
    /// A simulated clock: where its nanoseconds stand.
    pub clock: Option<&'static AtomicI64>,
}

/// The transports of a loop, as far as they have sockets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Load {
    /// Those that are open, and how many there have been.
    pub transports: u64,
    pub connections: u64,
    /// Bytes that were written to them and that the kernel has not taken yet.
    pub unsent: u64,
}

/// What the wall's clock reads where a simulation begins, in nanoseconds: noon of the first of January 2030, as
/// `time.time()` there.
const SIMULATED_WALL: u64 = 1_893_499_200 * 1_000_000_000;

/// What the moments of a file are counted in.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// Nanoseconds of the monotonic clock.
    Kernel,
    /// The processor's counter, at a speed that the calibration tells.
    Counter,
    /// Nanoseconds of a simulation, which jump. Only the process that writes the file can read it.
    Simulated(&'static AtomicI64),
}

impl Clock {
    /// The cheaper one, if it can be trusted here.
    pub(crate) fn choose() -> Self {
        static STEADY: OnceLock<bool> = OnceLock::new();
        if *STEADY.get_or_init(sys::counter_is_steady) { Self::Counter } else { Self::Kernel }
    }

    /// Its reading.
    #[inline]
    pub fn now(self) -> u64 {
        match self {
            Self::Counter => sys::counter(),
            Self::Kernel => sys::monotonic(),
            Self::Simulated(word) => word.load(Ordering::Relaxed).cast_unsigned(),
        }
    }

    pub(crate) fn code(self) -> u64 {
        match self {
            Self::Kernel => 0,
            Self::Counter => 1,
            Self::Simulated(_) => 2,
        }
    }

    pub(crate) fn from_code(code: u64) -> Option<Self> {
        static STANDING: AtomicI64 = AtomicI64::new(0);
        match code {
            0 => Some(Self::Kernel),
            1 => Some(Self::Counter),
            2 => Some(Self::Simulated(&STANDING)),
            _ => None,
        }
    }
}

/// The area, and where in it what is.
pub(crate) struct Memory {
    pub(crate) mapping: Mapping,
    pub(crate) layout: Layout,
}

/// What the loop, the watchdog and the recorder have of one file.
pub(crate) struct Shared {
    page: Mapping,
    area: OnceLock<Arc<Memory>>,
    pub(crate) clock: Clock,
}

impl Shared {
    /// `page` is fresh: all of it is nothing.
    pub(crate) fn new(page: Mapping, facts: &Facts<'_>) -> Self {
        let clock = facts.clock.map_or_else(Clock::choose, Clock::Simulated);
        let shared = Self { page, area: OnceLock::new(), clock };
        let store = |index, value| shared.word(index).store(value, Ordering::Relaxed);
        store(at::VERSION, u64::from(VERSION) | (PAGE as u64) << 32);
        store(at::PROCESS, u64::from(process::id()) | u64::from(sys::thread()) << 32);
        store(at::NAMESPACE, namespace());
        store(at::CLOCK, shared.clock.code());
        for (index, reading) in (at::BORN..).zip(shared.readings()) {
            store(index, reading);
        }
        shared.text(at::NAME, at::NAME_WORDS, facts.name);
        shared.text(at::RUNTIME, at::RUNTIME_WORDS, facts.runtime);
        shared.text(at::PROGRAM, at::PROGRAM_WORDS, facts.program);
        // Last: whoever reads it finds the rest.
        shared.word(at::MAGIC).store(MAGIC, Ordering::Release);
        shared
    }

    #[inline]
    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        &self.page.words()[index]
    }

    pub(crate) fn page(&self) -> &[AtomicU64] {
        self.page.words()
    }

    pub(crate) fn area(&self) -> Option<&Memory> {
        self.area.get().map(|memory| &**memory)
    }

    /// Only the recorder makes an area, and it makes one.
    pub(crate) fn attach(&self, memory: Arc<Memory>, events: usize) {
        for (index, word) in (at::PARTS..).zip(memory.layout.to_words()) {
            self.word(index).store(word, Ordering::Relaxed);
        }
        self.word(at::RING).store(events as u64, Ordering::Relaxed);
        let _ = self.area.set(memory);
        self.recording(true);
    }

    pub(crate) fn recording(&self, on: bool) {
        self.word(at::AREA).store(1 + u64::from(on), Ordering::Release);
    }

    /// The loop has ended as it should.
    pub(crate) fn recording_ended(&self) {
        self.word(at::ENDED).store(1, Ordering::Release);
    }

    /// A later reading of all three clocks: the further from the first, the better it tells the counter's speed.
    pub(crate) fn calibrate(&self) {
        let sequence = self.word(at::CALIBRATION);
        let turn = sequence.load(Ordering::Relaxed);
        sequence.store(turn.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (index, reading) in (at::CALIBRATION + 1..).zip(self.readings()) {
            self.word(index).store(reading, Ordering::Relaxed);
        }
        sequence.store(turn.wrapping_add(2), Ordering::Release);
    }

    /// The speed of the clock, as far as it is known by now.
    pub(crate) fn nanos_a_tick(&self) -> f64 {
        if !matches!(self.clock, Clock::Counter) {
            return 1.0;
        }
        let since =
            |index: usize, now: u64| now.saturating_sub(self.word(at::BORN + index).load(Ordering::Relaxed));
        let [ticks, nanos, _] = self.readings();
        let speed = since(1, nanos) as f64 / since(0, ticks) as f64;
        if speed.is_normal() { speed } else { 1.0 }
    }

    fn readings(&self) -> [u64; 3] {
        let now = self.clock.now();
        let wall = match self.clock {
            Clock::Simulated(_) => SIMULATED_WALL.saturating_add(now),
            _ => sys::wall(),
        };
        [now, sys::monotonic(), wall]
    }

    fn text(&self, index: usize, words: usize, text: &str) {
        let text = strings::cut(text, (words - 1) * 8);
        self.word(index).store(text.len() as u64, Ordering::Relaxed);
        strings::write(&self.page()[index + 1..index + words], text.as_bytes());
    }
}

/// The space in which process numbers are what they are here; 0 where it cannot be told.
pub(crate) fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |about| about.ino())
}
