//! Wheels as plain data: what each one says, checked once and trusted from then on.
//!
//! [`Wheel::open`] turns a [`Source`](crate::source::Source) into a [`Wheel`], whose entries all
//! have safe paths, are all listed in RECORD and have known sizes, modes and digests, or into an
//! error with every fault of the file. Nothing is written, and nothing later checks names, paths or
//! RECORD's syntax again. A `Wheel` holds no file: its bytes are in [`Archives`]. A wheel that was
//! read in part over the network ([`Wheel::preview`]) is the same type.
//!
//! Limits: the metadata files, and scripts that have to be rewritten, are read into memory; the
//! constants below bound what they take there. An archive may inflate a thousandfold, so the limits
//! are far below what its size would allow, and far above what real wheels have.

mod archives;
mod contents;
mod open;
mod read;

use std::sync::Arc;

use crate::archive::Entry;
use crate::digest::Digest;
use crate::outcome::Warning;
use crate::path::RelPath;
use crate::spec::core_metadata::Metadata;
use crate::spec::entry_points::EntryPoint;
use crate::spec::name::ProjectName;
use crate::spec::record::Verify;
use crate::spec::version::Version;
use crate::spec::wheel_name::WheelName;

pub use archives::Archives;
pub use contents::WheelContents;
pub use open::{needs_own_digest, open_all};

/// The largest METADATA, in bytes.
const MAX_METADATA: u64 = 8 << 20;

/// The largest WHEEL or entry_points.txt, in bytes.
const MAX_SMALL_FILE: u64 = 1 << 20;

/// The largest RECORD, in bytes.
const MAX_RECORD: u64 = 256 << 20;

/// The most bytes that RECORD may have for each entry of the archive, and for all of them together.
// A path has 3,072 bytes at most, and quotes in it are doubled.
const MAX_RECORD_ROW: u64 = 8 << 10;
const RECORD_HEADROOM: u64 = 1 << 20;

/// How many rows RECORD may have for each entry of the archive, and beyond that.
// Build tools list files that are not there, and some files twice.
const ROWS_PER_ENTRY: usize = 2;
const ROWS_HEADROOM: usize = 10_000;

/// The most bytes of all the scripts of a wheel that have to be rewritten.
const MAX_SCRIPTS: u64 = 64 << 20;

/// The largest RECORD that [`Records::Small`] reads, in bytes: it lists about seven thousand files.
pub const SMALL_RECORD: u64 = 1 << 20;

/// How the name of a dist-info directory ends.
const DIST_INFO: &str = ".dist-info";
/// How the name of a directory with files for other schemes ends.
const DATA: &str = ".data";

/// The position of a wheel in the input of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WheelId(pub u32);

/// The position of an entry in its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub u32);

/// A wheel that may be installed.
#[derive(Debug, Clone)]
pub struct Wheel {
    /// How errors and reports name it: its path, or its URL without credentials.
    pub label: String,
    /// The parts of its file name.
    pub name: WheelName,
    /// The fields of METADATA that matter here.
    pub metadata: Metadata,
    /// Whether the files outside of `.data` go to purelib; otherwise they go to platlib.
    pub root_is_purelib: bool,
    /// The name of its dist-info directory, as the archive spells it.
    pub dist_info: String,
    /// The files to install, in the order of the archive: all but RECORD and the files that only
    /// installers write.
    pub entries: Arc<Vec<WheelEntry>>,
    /// Whether RECORD was read, which states the digests of the entries.
    pub digests: Digests,
    /// Its console and GUI scripts.
    pub entry_points: Vec<EntryPoint>,
    /// Whether the user asked for this project by name, which the file REQUESTED says.
    pub requested: bool,
    /// The content of direct_url.json, if that file is to be written.
    pub direct_url: Option<Arc<[u8]>>,
    /// Oddities that do not keep it from being installed.
    pub warnings: Vec<Warning>,
}

/// A file of a wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelEntry {
    /// Its position in the archive.
    pub id: EntryId,
    /// Its path in the archive.
    pub path: RelPath,
    /// The length of its content in bytes.
    pub size: u64,
    /// The CRC-32 of its content, as the archive's index states it.
    pub crc: u32,
    /// Whether any execute bit is set on it.
    pub executable: bool,
    /// The digest that RECORD states. `None` if RECORD was not read ([`Digests::NotRead`]), for
    /// signatures, with `Verify::Off`, if RECORD states none, and with
    /// [`OpenOptions::fresh_digests`].
    pub digest: Option<Digest>,
    /// The content of a script that begins with `#!python` and has to be rewritten.
    pub script: Option<Arc<[u8]>>,
}

/// Whether the digests of a wheel's entries are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digests {
    /// RECORD was read.
    Known,
    /// RECORD was left out because it is large. The entries cannot be compared with other files,
    /// and the wheel cannot be staged.
    NotRead,
}

/// How to open wheels.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions {
    /// How strictly RECORD is read.
    pub verify: Verify,
    /// Whether to refuse wheels that are not pinned to a hash.
    pub require_hashes: bool,
    /// Which RECORDs a preview reads. The RECORD of a whole file is always read.
    pub records: Records,
    /// Whether RECORD has to list every file with a digest and a size, itself without either, and
    /// no signature.
    pub complete_record: bool,
    /// Whether the entries get no digests from RECORD, so that those of the contents are recorded.
    pub fresh_digests: bool,
}

/// Which RECORDs a preview reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Records {
    /// All of them.
    #[default]
    All,
    /// Those of at most [`SMALL_RECORD`] bytes. The other wheels get [`Digests::NotRead`].
    Small,
}

impl Records {
    /// Whether a preview leaves out the file `below` of the dist-info directory.
    fn leave_out(self, below: &str, entry: &Entry) -> bool {
        self == Self::Small && below == "RECORD" && entry.size > SMALL_RECORD
    }
}

impl Wheel {
    /// The path below the wheel's `.data` directory, whose files go to other schemes; `None` for a
    /// path elsewhere.
    pub fn below_data<'p>(&self, path: &'p str) -> Option<&'p str> {
        below_data(&self.dist_info, &self.name.name, path)
    }

    /// Whether installing `other` writes the same files, as far as the digests of both are known.
    pub fn installs_the_same(&self, other: &Self) -> bool {
        let knows_both = self.digests == Digests::Known && other.digests == Digests::Known;
        let is_same = |(one, two): (&WheelEntry, &WheelEntry)| {
            let index = |entry: &WheelEntry| (entry.id, entry.size, entry.crc, entry.executable);
            index(one) == index(two)
                && one.path == two.path
                && one.script == two.script
                && (!knows_both || one.digest == two.digest)
        };
        // The label, `requested` and `direct_url` are left out, because they come from the source
        // and not from the archive.
        self.root_is_purelib == other.root_is_purelib
            && self.dist_info == other.dist_info
            && self.metadata == other.metadata
            && self.entry_points == other.entry_points
            && self.entries.len() == other.entries.len()
            && self.entries.iter().zip(other.entries.iter()).all(is_same)
    }
}

/// The name of a dist-info directory without its ending.
fn stem(dist_info: &str) -> &str {
    dist_info.strip_suffix(DIST_INFO).unwrap_or(dist_info)
}

/// The path below the `.data` directory of the wheel with this dist-info and project.
///
/// The specification spells both directories alike. Some build tools write other separators into
/// one of the names, add the build number, or leave out the local version or the whole version. pip
/// spreads such a directory as well, so the project's name, in any spelling, makes it the wheel's
/// own.
fn below_data<'p>(dist_info: &str, project: &ProjectName, path: &'p str) -> Option<&'p str> {
    let (top, below) = path.split_once('/')?;
    let data = top.strip_suffix(DATA)?;
    // Nearly all names are equal as they are, which costs least to find out.
    if data == stem(dist_info) {
        return Some(below);
    }
    let rest = project.strip_from(data)?;
    let has_version = rest.strip_prefix(['-', '_']).is_some_and(|version| {
        let version = version.split('-').next().unwrap_or(version);
        Version::parse(&version.replace('_', "+")).is_some()
    });
    (rest.is_empty() || has_version).then_some(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_name_makes_a_data_directory_the_wheels_own() {
        let project = ProjectName::parse("my_pkg").expect("a name");
        let below =
            |path: &str| below_data("my_pkg-1.0.dist-info", &project, path).map(str::to_owned);
        for data in ["my_pkg-1.0", "My.Pkg-1.0-7", "my-pkg", "my_pkg-1.0_local"] {
            let path = format!("{data}.data/scripts/x");
            assert_eq!(below(&path).as_deref(), Some("scripts/x"), "{data}");
        }
        for data in [
            "my_pkg2-1.0",
            "my_pkg-extra-1.0",
            "my-1.0",
            "my_pkg-2to3",
            "my_pkg-",
            "",
        ] {
            let path = format!("{data}.data/scripts/x");
            assert_eq!(below(&path), None, "{data}");
        }
        for path in ["my_pkg-1.0/x", "x/my_pkg-1.0.data/x", "my_pkg-1.0.data"] {
            assert_eq!(below(path), None, "{path}");
        }
    }
}
