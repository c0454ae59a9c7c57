//! Plans, prints and applies an installation: `cargo run --example install TARGET WHEEL...`

#![allow(clippy::print_stdout, reason = "a program may print")]

use pkg_install::{Environment, Locate, Observer, Options, Surroundings, WheelSource};

fn main() -> pkg_install::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let target = arguments.next().unwrap_or_else(|| "venv".into());
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A plain directory has no interpreter of its own, so one is looked for in PATH.
    let path = Surroundings::default().with_search(std::env::split_paths(&path).collect());
    let locate = Locate::target(target).with_surroundings(path);
    let environment = Environment::locate(&locate)?;
    let wheels: Vec<WheelSource> = arguments.map(WheelSource::path).collect();

    let plan = pkg_install::plan(&environment, &wheels, &Options::default())?;
    print!("{plan}");
    let outcome = plan.apply(&Observer::none())?;
    println!("{:?}", outcome.status);
    Ok(())
}
