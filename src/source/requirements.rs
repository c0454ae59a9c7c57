//! The wheels of a list of pinned requirements.
//!
//! Input: its text, its path, and the directories to look in. Output: one source for each
//! requirement that applies to the environment. Invariant: among the wheels of a version the one
//! whose tags fit best is chosen regardless of its hash; that hash must then be one of the listed
//! ones. Limits: wheels are looked for only in the directories.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use super::{
    DirectReference, Fitting, IsInstalled, Location, Pins, Satisfied, Source, Sourced, refused,
    warnings, wheel_file_name, wheel_paths,
};
use crate::error::{Error, Fault, ResolutionFault, Result, ToolsLock};
use crate::fs::{self, Kind};
use crate::spec::pylock::is_lock_name;
use crate::spec::requirements::{Pin, PinnedRequirement, Requirements};
use crate::spec::version::Version;
use crate::spec::wheel_name::WheelName;

/// The wheels that the list in `text` requires; `at` is its path, or `-`. As in pip, the list's own
/// `--find-links` come after `find_links` and are relative to the list, or, if they do not exist
/// there, to the working directory. A directory that does not exist has no wheels. No wheel is
/// looked for if the project is installed, but a hash can choose one that is there.
///
/// # Errors
/// If it is called as a lock file, a line cannot be used, a requirement has no wheel that fits,
/// or one of `find_links` is needed and is no directory.
pub fn sources(
    text: &[u8],
    at: &Path,
    fitting: &Fitting,
    find_links: &[PathBuf],
    is_installed: &IsInstalled<'_>,
) -> Result<Sourced> {
    if let Some(fault) = other_format(text, at) {
        return Err(refused(at, vec![fault.into()]));
    }
    let list = Requirements::parse(text).map_err(|faults| refused(at, faults))?;
    let entries = list
        .select(&fitting.markers)
        .map_err(|faults| refused(at, faults))?;
    let (mut sources, mut satisfied) = (Vec::new(), Vec::new());
    let (mut faults, mut nowhere) = (Vec::<Fault>::new(), Vec::new());
    // The directories are read only once a wheel has to be looked for.
    let mut index = None;
    for entry in entries {
        let Pin::Version(version) = &entry.pin else {
            sources.extend(by_url(entry));
            continue;
        };
        let pins = Pins::default().and_one_of(entry.hashes.clone());
        let there = is_installed(&entry.name, version, &pins).map(|version| Satisfied {
            name: entry.name.clone(),
            version,
            label: entry.label(),
            pins,
        });
        if entry.hashes.is_empty()
            && let Some(there) = there
        {
            satisfied.push(there);
            continue;
        }
        let index: &LinkIndex = match &mut index {
            Some(index) => index,
            None => index.insert(LinkIndex::of(find_links, &list.find_links, at)?),
        };
        match (index.find(entry, version, fitting), there) {
            (Ok(source), _) => sources.push(source),
            (Err(_), Some(there)) => satisfied.push(there),
            (Err(_), None) if index.directories.is_empty() => nowhere.push(entry.label()),
            (Err(fault), None) => faults.push(fault.into()),
        }
    }
    if !nowhere.is_empty() {
        faults.push(ResolutionFault::NowhereToLook(nowhere).into());
    }
    let warnings = warnings(at, &list.warnings);
    if faults.is_empty() {
        Ok(Sourced {
            sources,
            satisfied,
            warnings,
        })
    } else {
        Err(refused(at, faults))
    }
}

/// The fault of a file in another format: it would have one for each of its lines.
fn other_format(text: &[u8], at: &Path) -> Option<ResolutionFault> {
    let name = at.file_name().unwrap_or_default().to_string_lossy();
    if is_lock_name(&name) {
        return Some(ResolutionFault::LockAsRequirements);
    }
    if let Some(lock) = ToolsLock::called(&name) {
        return Some(ResolutionFault::ToolsOwnLock(lock));
    }
    // No line of a list begins with a brace. A list in brackets is JSON too, but pip's are objects.
    let begins = text.iter().find(|byte| !byte.is_ascii_whitespace());
    (begins == Some(&b'{')).then_some(ResolutionFault::JsonAsRequirements)
}

/// A directory as the list names it: a path or a `file` URL.
fn directory(home: &Path, text: &str) -> Result<PathBuf> {
    // A failure means only that the text is a plain path.
    if let Ok((Location::File(path), _)) = Location::from_url(text) {
        return Ok(path);
    }
    let beside = home.join(text);
    Ok(if fs::stat(&beside)?.is_some() {
        beside
    } else {
        text.into()
    })
}

/// The source of a requirement with a URL.
fn by_url(entry: &PinnedRequirement) -> Option<Source> {
    let Pin::Wheel(location, hashes) = &entry.pin else {
        return None;
    };
    let pinned = Pins::all_of(hashes.clone()).and_one_of(entry.hashes.clone());
    Some(Source {
        pinned,
        direct_reference: DirectReference::Always,
        ..Source::from_location(location.clone())
    })
}

/// The wheels in the directories of `--find-links`.
#[derive(Default)]
struct LinkIndex {
    directories: Vec<PathBuf>,
    wheels: Vec<(PathBuf, WheelName)>,
}

impl LinkIndex {
    /// Reads the directories of the option, and then those that the list at `at` names itself.
    fn of(option: &[PathBuf], own: &[String], at: &Path) -> Result<Self> {
        // A typo in an option would look like a missing wheel. The list's directories may be
        // absent.
        for directory in option {
            if fs::stat(directory)?.is_none_or(|stat| stat.kind != Kind::Directory) {
                return Err(Error::usage(format!(
                    "there is no directory `{}`",
                    directory.display()
                )));
            }
        }
        let home = at.parent().unwrap_or(Path::new(""));
        let own = own
            .iter()
            .map(|text| directory(home, text))
            .collect::<Result<Vec<_>>>()?;
        Self::read(option.iter().cloned().chain(own).collect())
    }

    fn read(directories: Vec<PathBuf>) -> Result<Self> {
        let mut wheels = Vec::new();
        for directory in &directories {
            for path in wheel_paths(directory)? {
                let name = wheel_file_name(&Location::File(path.clone()));
                let name = WheelName::parse(&name).ok();
                wheels.extend(name.map(|name| (path, name)));
            }
        }
        Ok(Self {
            directories,
            wheels,
        })
    }

    /// The best wheel of a version: by local version, then tags, then build; the first of equal
    /// ones.
    fn find(
        &self,
        entry: &PinnedRequirement,
        version: &Version,
        fitting: &Fitting,
    ) -> std::result::Result<Source, ResolutionFault> {
        let named: Vec<_> = self
            .wheels
            .iter()
            .filter(|(_, name)| name.name == entry.name && name.version.matches(version))
            .collect();
        // The greatest rank puts the wheels that do not fit behind all that do.
        let worst = (!fitting.compat_check).then_some(usize::MAX);
        let ranked = named.iter().filter_map(|(path, name)| {
            let rank = fitting.tags.best(&name.tags).or(worst)?;
            Some(((Reverse(&name.version), rank, Reverse(&name.build)), path))
        });
        // `min_by` keeps the first of equal wheels, so earlier directories go first.
        match ranked.min_by(|(one, _), (other, _)| one.cmp(other)) {
            Some((_, path)) => Ok(Source {
                pinned: Pins::default().and_one_of(entry.hashes.clone()),
                direct_reference: DirectReference::Never,
                ..Source::from_path(path)
            }),
            None => Err(ResolutionFault::NotFound {
                line: entry.line,
                requirement: entry.label(),
                directories: self
                    .directories
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect(),
                others: named
                    .iter()
                    .filter_map(|(path, _)| Some(path.file_name()?.to_string_lossy().into()))
                    .collect(),
            }),
        }
    }
}
