//! The wheels of a lock file.
//!
//! Input: its text, its path, and the selected extras and groups. Output: one source for each
//! package that applies to the environment. Limits: the lock file is local and trusted, so a path
//! in it may lead anywhere on this machine.

use std::path::Path;

use super::{DirectReference, Fitting, Location, Pins, Source, Sourced, refused, warnings};
use crate::error::{Fault, ResolutionFault, Result, ToolsLock};
use crate::fs;
use crate::spec::pylock::{Choice, LockFile, LockedWheel, Selection, is_lock_name};

/// The wheels of the lock file in `text`. `at` is its path, or `-` for one without a name; the
/// paths in that one are relative to the working directory.
///
/// # Errors
/// If the lock file is not called as one, cannot be read, or cannot be installed here.
pub fn sources(
    text: &[u8],
    at: &Path,
    fitting: &Fitting,
    selection: &Selection,
) -> Result<Sourced> {
    // An open descriptor, as the shell passes it for `<(command)`, has no name, like stdin.
    let is_nameless = fs::is_own_descriptor(at);
    let base = if is_nameless { Path::new("-") } else { at };
    let name = base
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    if base != Path::new("-") && !is_lock_name(&name) {
        let fault: Fault = match ToolsLock::called(&name) {
            Some(lock) => ResolutionFault::ToolsOwnLock(lock).into(),
            None => ResolutionFault::LockName(name.into_owned()).into(),
        };
        return Err(refused(at, vec![fault]));
    }
    let choice = Choice {
        environment: &fitting.markers,
        python: &fitting.version,
        described: &fitting.described,
        selection,
        rank: &|tags| fitting.tags.best(tags),
        compat_check: fitting.compat_check,
    };
    let lock = LockFile::parse(text).map_err(|faults| refused(at, faults))?;
    let wheels = lock.select(&choice).map_err(|faults| refused(at, faults))?;
    let sources = wheels
        .into_iter()
        .map(|wheel| source(wheel, base))
        .collect();
    Ok(Sourced {
        sources,
        warnings: warnings(at, &lock.warnings),
        ..Sourced::default()
    })
}

/// A path that is relative to the lock file, which may have been fetched.
fn beside(at: &Path, path: &Path) -> Location {
    let text = at.to_string_lossy();
    if Location::is_url(&text)
        && let Ok((Location::Url(base), _)) = Location::from_url(&text)
        && let Some(joined) = path.to_str().and_then(|path| base.join(path).ok())
        && matches!(joined.scheme(), "http" | "https")
    {
        return Location::Url(joined);
    }
    // The parent of `-` is empty, which is the working directory.
    Location::File(at.parent().unwrap_or(Path::new("")).join(path))
}

fn source(wheel: LockedWheel, at: &Path) -> Source {
    let location = match wheel.location {
        Location::File(path) => beside(at, &path),
        url @ Location::Url(_) => url,
    };
    Source {
        file_name: wheel.file_name,
        pinned: Pins::all_of(wheel.hashes),
        size: wheel.size,
        direct_reference: if wheel.is_direct {
            DirectReference::Always
        } else {
            DirectReference::Never
        },
        ..Source::from_location(location)
    }
}
