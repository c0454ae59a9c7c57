//! The `pkg-install` program: parse, run, exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Paths need not be UTF-8, and `args` would panic at one that is not.
    cli::run(std::env::args_os())
}
