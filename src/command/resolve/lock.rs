//! The lock file of a resolution.

use super::ResolvedRequest;
use crate::archive;
use crate::digest::Algorithm;
use crate::error::{ArchiveFault, Error, Result};
use crate::fs::OpenFile;
use crate::spec::pylock;
use crate::spec::resolved::{ResolvedWheel, WheelFile};

/// The lock file of a resolution. Wheels in directories come without a hash, which every wheel of a
/// lock file must have, so that these files are read.
///
/// # Errors
/// A wheel in a directory cannot be read.
pub fn lock_of(resolved: &ResolvedRequest) -> Result<String> {
    let mut wheels: Vec<ResolvedWheel> = resolved.wheels.clone();
    for wheel in &mut wheels {
        for file in wheel.siblings.iter_mut().chain([&mut wheel.wheel]) {
            hash(file)?;
        }
    }
    Ok(pylock::write(&wheels, &resolved.environment))
}

fn hash(wheel: &mut WheelFile) -> Result<()> {
    if !wheel.digests.is_empty() {
        return Ok(());
    }
    let Some(path) = wheel.location.path() else {
        return Ok(());
    };
    let file = OpenFile::open(path)?
        .ok_or_else(|| Error::wheel(&wheel.location.label(), ArchiveFault::NotAFile))?;
    let digest = archive::digest_of(&file, Algorithm::Sha256)?;
    wheel.digests.push(digest);
    Ok(())
}
