//! `installer`: a stand-in for `python -m installer`, which builds of distributions call.
//!
//! Input: its arguments. Output: what `install` takes. It is silent if all goes well, takes no
//! variables, and every failure but wrong usage ends with 1, as a traceback of Python does.

use std::path::PathBuf;

use pkg_install::command::{Options, Source};
use pkg_install::{BytecodeOptions, Error, OnConflict, Verify};

use super::args::groups::EnvironmentArgs;
use super::args::installer::{InstallerArgs, ValidatedPart};
use super::request;

/// The wheels that are given, each of them a file.
///
/// # Errors
/// A directory or a URL among them, which only our own commands take; and a wheel that is given
/// twice, because the second one would find the files of the first one.
pub fn sources(paths: &[PathBuf], options: &Options) -> Result<Vec<Source>, Error> {
    for (number, path) in paths.iter().enumerate() {
        let text = path.display();
        if path.is_dir() {
            return Err(Error::usage(format!("`{text}` is a directory")));
        }
        if options.require_new_files && paths[..number].contains(path) {
            return Err(Error::usage(format!("`{text}` is given twice")));
        }
    }
    let sources = request::wheels(paths)?;
    match sources.iter().find(|source| source.path().is_none()) {
        Some(remote) => {
            let text = remote.label();
            Err(Error::usage(format!("`{text}` is not a file")))
        }
        None => Ok(sources),
    }
}

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
            ValidatedPart::All => Verify::Normal,
            ValidatedPart::Entries | ValidatedPart::None => Verify::Off,
        })
        .with_complete_record(args.validate_record != ValidatedPart::None)
        // What was not compared must not be recorded, or `check` would find fault with it.
        .with_fresh_digests(args.validate_record != ValidatedPart::All)
        // Packages of distributions list the directory by this name.
        .with_keep_spelling(true)
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
