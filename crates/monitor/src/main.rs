//! The viewers as a program of their own; in the wheel they are a function of the extension.

use std::process::ExitCode;

fn main() -> ExitCode {
    match ironloop_monitor::command::run(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ironloop: {error}");
            ExitCode::FAILURE
        }
    }
}
