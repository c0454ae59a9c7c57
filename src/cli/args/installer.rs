//! The arguments of `installer`, which are those of `python -m installer`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::groups::OutputArgs;
use super::values::{LEVELS, number};

/// The arguments of `installer`.
// Python's argparse takes the last one of an option that is given more than once.
#[derive(Args)]
#[command(args_override_self = true)]
pub struct InstallerArgs {
    /// Wheels
    #[arg(value_name = "WHEEL", required = true)]
    pub wheels: Vec<PathBuf>,
    /// Put everything below DIR, but write the final paths into scripts and bytecode
    #[arg(short, long, value_name = "DIR")]
    pub destdir: Option<PathBuf>,
    /// Another prefix than the interpreter's own
    #[arg(short, long, value_name = "DIR")]
    pub prefix: Option<PathBuf>,
    /// Compile modules at this optimisation level; may be given more than once [default: 0 and 1]
    #[arg(long, value_name = "LEVEL", value_parser = number::<u8>(LEVELS))]
    pub compile_bytecode: Vec<u8>,
    /// Compile nothing
    #[arg(long)]
    pub no_compile_bytecode: bool,
    /// How strictly to check wheels against their RECORD
    #[arg(long, value_name = "PART", value_enum, default_value_t = ValidatedPart::None)]
    pub validate_record: ValidatedPart,
    /// Replace files that are there already
    #[arg(long)]
    pub overwrite_existing: bool,
    /// The interpreter to install for
    #[arg(long, value_name = "EXE", default_value = "python3")]
    pub python: PathBuf,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What of RECORD a wheel has to agree with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValidatedPart {
    /// Every file is listed, with its digest and its size
    All,
    /// Every file is listed, with any digest and any size
    Entries,
    /// Nothing is checked
    None,
}
