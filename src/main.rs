//! The `pkg-install` program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    pkg_install::cli::run(std::env::args_os())
}
