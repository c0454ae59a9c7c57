//! From the options that name an environment to how it is found.

use std::path::PathBuf;

use pkg_install::{Locate, LocatePurpose, Surroundings};

use super::args::groups::EnvironmentArgs;

/// How to find the environment, including `VIRTUAL_ENV`, `PATH` and the current directory.
pub fn located(given: &EnvironmentArgs, purpose: LocatePurpose) -> Locate {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let given = given.clone();
    let (description, scripts) = (given.description(), given.scripts());
    let surroundings = Surroundings::default()
        .with_virtual_env(std::env::var_os("VIRTUAL_ENV").map(PathBuf::from))
        // Without a current directory there is no `./.venv` either.
        .with_directory(std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")))
        .with_search(std::env::split_paths(&path).collect());
    Locate::default()
        .with_target(given.target)
        .with_python(given.python)
        .with_prefix(given.prefix)
        .with_root(given.root)
        .with_description(description)
        .with_scripts(scripts)
        .with_break_system_packages(given.break_system_packages)
        .with_purpose(purpose)
        .with_surroundings(surroundings)
}
