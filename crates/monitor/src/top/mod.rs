//! The terminal view, in the manner of tokio-console: a list of tasks, one task in detail, what is wrong.

mod draw;
mod model;

use std::error::Error;
use std::io::{self, IsTerminal};
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use ironloop_trace::{File, Life, Switch, Unreadable};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

pub use draw::draw;
pub use model::{Column, Model};

/// How often it looks; how long the recording goes on when nobody looks any more.
const PERIOD: Duration = Duration::from_millis(500);
const LEASE: u64 = 10;

/// Watches until somebody leaves by `q` or Ctrl-C.
pub fn watch(file: File) -> Result<(), Box<dyn Error>> {
    if !io::stdout().is_terminal() {
        return Err("top needs a terminal; `tree` says how it stands once, in plain text".into());
    }
    let switch = Switch::of(file.path()).ok();
    let mut model = Model::new(file);
    let mut terminal = ratatui::try_init().map_err(|error| {
        // It may have come as far as the raw mode.
        let _ = ratatui::try_restore();
        format!("top needs a terminal: {error}")
    })?;
    let result = (|| -> Result<(), Box<dyn Error>> {
        loop {
            if let Some(switch) = switch.as_ref().filter(|_| model.life() == Life::Running) {
                let _ = switch.on(LEASE);
            }
            model.look()?;
            terminal.draw(|frame| draw(frame, &mut model))?;
            let next = Instant::now() + PERIOD;
            while is_key_there(next)? {
                if let Event::Key(key) = event::read()?
                    && key.kind == KeyEventKind::Press
                    && (interrupts(key) || !press(&mut model, key.code))
                {
                    return Ok(());
                }
                terminal.draw(|frame| draw(frame, &mut model))?;
            }
        }
    })();
    if ratatui::try_restore().is_err() {
        // It is gone. Dropped, it would say so there, and panic for having failed to.
        mem::forget(terminal);
    }
    result
}

/// Waits for a key. A terminal that is gone is an error: crossterm would read its end again and again.
fn is_key_there(until: Instant) -> io::Result<bool> {
    let left = until.saturating_duration_since(Instant::now());
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return event::poll(left);
    }
    let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    match poll(&mut asked, Some(&left)) {
        // The window's size has changed, perhaps: crossterm knows.
        Err(Errno::INTR) => {}
        outcome => drop(outcome?),
    }
    if asked[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
        return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone"));
    }
    event::poll(Duration::ZERO)
}

/// Ctrl-C, which is a key like others in the terminal's raw mode: it leaves, whatever is typed.
pub fn interrupts(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)
}

/// Whether it goes on.
pub fn press(model: &mut Model, key: KeyCode) -> bool {
    if let Some(filter) = &mut model.typing {
        match key {
            KeyCode::Char(sign) => filter.push(sign),
            KeyCode::Backspace => drop(filter.pop()),
            KeyCode::Esc => {
                model.typing = None;
                model.filter.clear();
            }
            _ => model.typing = None,
        }
        if let Some(filter) = &model.typing {
            model.filter.clone_from(filter);
        }
        model.arrange();
        return true;
    }
    match key {
        KeyCode::Char('q') => return false,
        KeyCode::Esc if !model.detail => return false,
        KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => model.detail = false,
        KeyCode::Enter | KeyCode::Right => model.detail = model.chosen().is_some(),
        KeyCode::Up | KeyCode::Char('k') => model.move_by(-1),
        KeyCode::Down | KeyCode::Char('j') => model.move_by(1),
        KeyCode::PageUp => model.move_by(-20),
        KeyCode::PageDown => model.move_by(20),
        KeyCode::Char('/') => model.typing = Some(String::new()),
        KeyCode::Char('s') => model.sort_next(),
        KeyCode::Char('r') => model.turn_round(),
        KeyCode::Char('e') => model.toggle_ended(),
        KeyCode::Char(' ') => model.paused = !model.paused,
        _ => {}
    }
    true
}

/// The file of a running loop that nobody recorded, once it has been recorded for a moment: long enough that
/// tasks were met.
pub fn recorded(mut file: File) -> Result<File, Unreadable> {
    if file.header().recording || file.life() != Life::Running {
        return Ok(file);
    }
    if let Ok(switch) = Switch::of(file.path()) {
        switch.on(LEASE)?;
        let until = Instant::now() + Duration::from_secs(1);
        while !file.look()?.recording && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        thread::sleep(Duration::from_millis(200));
        file.look()?;
    }
    Ok(file)
}
