//! The arguments of `pack`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use pkg_install::OnConflict;
use pkg_install::command::{PackCompression, PackFormat, Platform, PythonRelease};

use super::RequestArgs;
#[cfg(feature = "http")]
use super::groups::DownloadArgs;
use super::groups::{AcceptedArgs, ContentArgs, JobsArgs, OutputArgs, StrictnessArgs};
use super::values::{ON_CONFLICT, one_line, one_of};

/// The arguments of `pack`.
#[derive(Args)]
pub struct PackArgs {
    #[command(flatten)]
    pub request: RequestArgs,
    #[command(flatten)]
    pub artifact: ArtifactArgs,
    /// If two projects differ in a file: error, first or last
    #[arg(
        long,
        value_name = "CHOICE",
        value_parser = one_of(ON_CONFLICT),
        default_value = "error",
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub on_conflict: OnConflict,
    #[command(flatten)]
    pub contents: ContentArgs,
    #[command(flatten)]
    pub strictness: StrictnessArgs,
    /// Print the plan and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Flush to disk, so that the artefact survives a power failure
    #[arg(long, hide_short_help = true)]
    pub durable: bool,
    #[command(flatten)]
    pub jobs: JobsArgs,
    #[command(flatten)]
    pub accepted: AcceptedArgs,
    #[cfg(feature = "http")]
    #[command(flatten)]
    pub download: DownloadArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to make.
#[derive(Args, Clone)]
#[command(next_help_heading = "Artefact")]
pub struct ArtifactArgs {
    /// The file to write
    #[arg(long = "output", id = "artifact", value_name = "FILE", required = true)]
    pub path: PathBuf,
    /// Its format [default: by the end of its name]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub format: Option<FormatWord>,
    /// The interpreter that it is for [default: `python3` on the path]
    ///
    /// Another one of the same version may run it.
    #[arg(long, value_name = "EXE")]
    pub python: Option<PathBuf>,
    /// The version of an interpreter that is not here
    #[arg(
        long,
        value_name = "X.Y[.Z]",
        value_parser = PythonRelease::from_str,
        conflicts_with = "python"
    )]
    pub python_version: Option<PythonRelease>,
    /// The platform of that interpreter, such as `aarch64-manylinux_2_28` [default: this machine's]
    #[arg(long, value_name = "PLATFORM", value_parser = Platform::from_str)]
    pub python_platform: Option<Platform>,
    /// For pyz and oci: the script that runs [default: the interpreter]
    #[arg(long, value_name = "NAME|MODULE:ATTRIBUTE", value_parser = one_line)]
    pub entry: Option<String>,
    /// How files are compressed: copy, none, or a level from 1 to 9
    ///
    /// `copy` takes the data of the wheels as it is, which is fastest. `none` makes a large
    /// artefact, whose first start is faster. A level deflates everything anew.
    #[arg(
        long,
        value_name = "HOW",
        value_parser = CompressWord::from_str,
        default_value = "copy",
        hide_short_help = true
    )]
    pub compress: CompressWord,
    /// For zip, tar.gz and oci: a fixed path of the interpreter, to which `bin/python` links
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    pub interpreter: Option<PathBuf>,
    /// For zip and tar.gz: only the packages, in this directory, such as `python` for AWS Lambda
    #[arg(
        long,
        value_name = "DIR",
        hide_short_help = true,
        conflicts_with = "interpreter"
    )]
    pub plain: Option<PathBuf>,
    /// For oci: the directory of the environment in the image
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/app",
        hide_short_help = true
    )]
    pub prefix: PathBuf,
    /// For oci: the image to extend, in an image layout on disk
    #[arg(long, value_name = "LAYOUT[:TAG]", hide_short_help = true)]
    pub base: Option<String>,
    /// For oci: a layer for each large wheel, or one for all
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value_t = LayersWord::Wheel,
        hide_short_help = true
    )]
    pub layers: LayersWord,
    /// For oci: the name of the image
    #[arg(
        long,
        value_name = "NAME",
        default_value = "latest",
        value_parser = one_line,
        hide_short_help = true
    )]
    pub tag: String,
}

/// How files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressWord(pub PackCompression);

impl FromStr for CompressWord {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(Self(match (word, word.as_bytes()) {
            ("copy", _) => PackCompression::Copied,
            ("none", _) => PackCompression::Stored,
            (_, [digit @ b'1'..=b'9']) => PackCompression::Level(digit - b'0'),
            _ => return Err("it is none of copy, none and the levels 1 to 9".to_owned()),
        }))
    }
}

/// How an image is shared out among layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LayersWord {
    /// A layer for each large wheel, and one for the small ones
    Wheel,
    /// One layer
    One,
}

/// The formats as words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatWord {
    /// An application in one executable file
    Pyz,
    /// An environment that can be moved, in a zip archive
    Zip,
    /// An environment that can be moved, in a compressed tar archive
    #[value(name = "tar.gz", alias = "tgz")]
    TarGz,
    /// A container image, in an image layout
    Oci,
}

impl FormatWord {
    /// The format that the end of a file's name means.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ends(&[".pyz"]) {
            Some(Self::Pyz)
        } else if ends(&[".zip"]) {
            Some(Self::Zip)
        } else if ends(&[".tar.gz", ".tgz"]) {
            Some(Self::TarGz)
        } else {
            None
        }
    }

    /// The library's value.
    pub fn format(self) -> PackFormat {
        match self {
            Self::Pyz => PackFormat::Pyz,
            Self::Zip => PackFormat::Zip,
            Self::TarGz => PackFormat::TarGz,
            Self::Oci => PackFormat::Oci,
        }
    }
}
