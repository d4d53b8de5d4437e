//! `top`, `tree`, `web`, `replay`: what `python -m ironloop` hands on to.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};

use lexopt::prelude::*;

use crate::metrics::Metrics;
use crate::words::{command as command_line, one_line};
use crate::{export, find, top, tree, web};

const USAGE: &str = "\
usage: ironloop-monitor COMMAND [PID | FILE]

  top          the loop of a process, live
  tree         who waits for whom, once; --json: as JSON
  web          live in a browser; --port N
  metrics      numbers of the recording, as Prometheus reads them; `web` has them at /metrics
  replay FILE  what a process left; --to run.html, run.perfetto or run.json: as a trace of that kind
  list         the loops that can be watched
";

/// Does what the words say that would follow the program's name.
pub fn run(words: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let (mut command, mut what, mut to, mut json, mut port) = (None, None, None, false, 0);
    let mut arguments = lexopt::Parser::from_args(words);
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(value) if command.is_none() => command = Some(value.string()?),
            Value(value) if what.is_none() => what = Some(value.string()?),
            Long("to") => to = Some(arguments.value()?),
            Long("json") => json = true,
            Long("port") => port = arguments.value()?.parse()?,
            Short('h') | Long("help") => {
                say(USAGE)?;
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let what = what.as_deref();
    match command.as_deref() {
        Some("top") => top::watch(find::named(what)?)?,
        Some("replay") if what.is_some() => {
            let mut file = find::named(what)?;
            match to {
                Some(to) => export::to(to.as_ref(), &mut file)?,
                None => top::watch(file)?,
            }
        }
        Some("tree") => {
            let mut file = top::recorded(find::named(what)?)?;
            if json {
                say(format_args!("{:#}\n", tree::json(&mut file)?))?
            } else {
                say(tree::text(&mut file)?)?
            }
        }
        Some("metrics") => {
            let mut file = top::recorded(find::named(what)?)?;
            let mut metrics = Metrics::default();
            metrics.follow(&mut file)?;
            say(metrics.text(&file)?)?;
        }
        Some("web") => {
            let mut server = web::Server::new(find::named(what)?, port)?;
            say(format_args!("{}\n", server.address()?))?;
            server.serve()?;
        }
        Some("list") => {
            for found in find::all() {
                match found.file {
                    Ok(file) => {
                        let header = file.header();
                        let (life, program) = (file.life().word(), one_line(command_line(&header.program)));
                        say(format_args!("{:>8}  {life:<8} {program}\n", header.process))?;
                    }
                    Err(why) => say(format_args!("{}: {why}\n", one_line(&found.path.to_string_lossy())))?,
                }
            }
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

/// To standard output. Who reads it may leave before the end, as `head` does: that is no failure.
fn say(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
