//! `installer`: a stand-in for `python -m installer`, which builds of distributions call.
//!
//! Input: its arguments. Output: what `install` takes. It is silent if all goes well, takes no
//! variables, and every failure but wrong usage ends with 1, as a traceback of Python does.

use pkg_install::command::Options;
use pkg_install::{BytecodeOptions, OnConflict, Verify};

use super::args::groups::EnvironmentArgs;
use super::args::installer::{InstallerArgs, ValidatedPart};

/// Where to install, and how.
pub fn converted(args: &InstallerArgs) -> (EnvironmentArgs, Options) {
    let environment = EnvironmentArgs {
        python: Some(args.python.clone()),
        prefix: args.prefix.clone(),
        root: args.destdir.clone(),
        // It is for those who make the packages that PEP 668 protects.
        break_system_packages: true,
        ..EnvironmentArgs::default()
    };
    let levels = match args.compile_bytecode.as_slice() {
        [] => vec![0, 1],
        levels => levels.to_vec(),
    };
    let bytecode = BytecodeOptions::default().with_levels(levels);
    let options = Options::default()
        .with_verify(match args.validate_record {
            ValidatedPart::All | ValidatedPart::Entries => Verify::Normal,
            ValidatedPart::None => Verify::Off,
        })
        .with_on_conflict(if args.overwrite_existing {
            OnConflict::Last
        } else {
            OnConflict::Error
        })
        .with_require_new_files(!args.overwrite_existing)
        .with_reinstall(true)
        .with_compat_check(false)
        // Packages of distributions name their own installer, or none.
        .with_installer("")
        .with_bytecode(Some(bytecode).filter(|_| !args.no_compile_bytecode));
    (environment, options)
}
