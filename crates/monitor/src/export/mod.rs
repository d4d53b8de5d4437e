//! A recording in the formats of others, and as a page of our own. Which one, the name's end says.

mod chrome;
mod page;
mod perfetto;

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use ironloop_trace::{File, Unreadable};

pub use page::{chunk, meta, whole};

use crate::timeline::Timeline;

#[derive(Debug)]
pub enum Failed {
    Reading(Unreadable),
    Writing(io::Error),
    Name,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reading(why) => why.fmt(to),
            Self::Writing(why) => why.fmt(to),
            Self::Name => write!(to, "a name that ends in .html, .perfetto or .json is needed"),
        }
    }
}

impl std::error::Error for Failed {}

impl From<Unreadable> for Failed {
    fn from(why: Unreadable) -> Self {
        Self::Reading(why)
    }
}

impl From<io::Error> for Failed {
    fn from(why: io::Error) -> Self {
        Self::Writing(why)
    }
}

pub fn to(path: &Path, file: &mut File) -> Result<(), Failed> {
    let write = match path.extension().and_then(|end| end.to_str()) {
        Some("html") => page::write,
        Some("perfetto" | "pftrace") => perfetto::write,
        Some("json") => chrome::write,
        _ => return Err(Failed::Name),
    };
    let timeline = Timeline::of(file)?;
    let mut out = BufWriter::new(fs::File::create(path)?);
    write(&mut out, file, &timeline)?;
    out.flush()?;
    Ok(())
}
