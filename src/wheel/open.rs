//! Opening a wheel: a whole file, or a preview from the parts of a remote file that describe it.
//!
//! The specification is the binary distribution format. A whole file is checked against its pinned
//! size and digests before anything in it is read; a preview is only as trustworthy as the server,
//! so the whole file has to match it later ([`Wheel::check_whole`]).

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt as _};

use super::read::{self, Reading};
use super::{Archives, DIST_INFO, Digests, OpenOptions, Records, Wheel, stem};
use crate::archive::{Archive, Entry, Extent};
use crate::digest::{Algorithm, Digest};
use crate::error::{ArchiveFault, Error, Fault, MetadataFault, Result, SourceFault, WarningCode};
use crate::fs::{OpenFile, ReadAt};
use crate::source::{DirectReference, Location, Source};
use crate::spec::core_metadata::{Metadata, WheelInfo};
use crate::spec::direct_url::DirectUrl;
use crate::spec::metadata_directory::is_dist_info_name;
use crate::spec::name::ProjectName;
use crate::spec::version::Version;
use crate::spec::wheel_name::WheelName;
use crate::threads::{Pool, in_parallel};

/// Opens all wheels in parallel; each source needs a path.
///
/// # Errors
/// All faults of all wheels in one error; but if a file cannot be read, only that.
pub fn open_all(
    pool: &Pool,
    sources: &[Source],
    options: OpenOptions,
) -> Result<(Vec<Wheel>, Archives)> {
    let opened = in_parallel(pool, sources, |source| Wheel::open(source, options));
    let mut wheels = Vec::with_capacity(sources.len());
    let mut archives = Archives::default();
    for (wheel, archive) in Error::all_or_refused(opened)? {
        archives.push(&wheel.label, Some(archive));
        wheels.push(wheel);
    }
    Ok((wheels, archives))
}

/// Whether the whole file is needed before anything can be planned: its direct_url.json contains
/// the digest of the wheel, and no pinned hash states that.
pub fn needs_own_digest(source: &Source) -> bool {
    source.direct_reference == DirectReference::Always
        && Digest::among(&source.pinned.certain(), Algorithm::Sha256).is_none()
}

impl Wheel {
    /// Opens a wheel on disk.
    ///
    /// # Errors
    /// It cannot be read, or all of its faults.
    pub fn open(source: &Source, options: OpenOptions) -> Result<(Self, Archive)> {
        let label = source.label();
        let path = source
            .path()
            .ok_or_else(|| Error::wheel(&label, SourceFault::NotFetched))?;
        let file =
            OpenFile::open(path)?.ok_or_else(|| Error::wheel(&label, ArchiveFault::NotAFile))?;
        // The owner of a file that others can change could exchange its content after its hash was
        // checked.
        let file = if source.pinned.is_empty() {
            file
        } else {
            file.settled()?
        };
        Self::open_file(source, file, &[], options)
    }

    /// Opens a wheel whose file is open already, wherever `source` says that it came from. `known`
    /// are digests of this file that were computed before.
    ///
    /// # Errors
    /// As [`Wheel::open`].
    pub fn open_file(
        source: &Source,
        file: OpenFile,
        known: &[Digest],
        options: OpenOptions,
    ) -> Result<(Self, Archive)> {
        let label = source.label();
        let name = check_promises(source, file.size(), options)?;
        let archive = Archive::read(Box::new(file), &label, &Extent::Whole)?;
        let digest_of = |algorithm| {
            Digest::among(known, algorithm).map_or_else(|| archive.digest(algorithm), Ok)
        };
        // The index was checked first, so a file that is no wheel is refused without being hashed.
        if let Some(fault) = source.pinned.check(digest_of)? {
            return Err(Error::wheel(&label, fault));
        }
        let digest = (source.direct_reference == DirectReference::Always)
            .then(|| digest_of(Algorithm::Sha256))
            .transpose()?;
        let whole = OpenOptions {
            // The whole file is on disk: leaving RECORD out saves no transfer, and staging needs
            // it.
            records: Records::All,
            ..options
        };
        let wheel = describe(source, name, &archive, digest, whole)?;
        Ok((wheel, archive))
    }

    /// Describes a remote wheel from its index and its metadata files, which are all that is read
    /// of `bytes`. Before it can be staged, the whole file has to be
    /// [checked](Wheel::check_whole).
    ///
    /// # Errors
    /// As [`Wheel::open`], but only the faults in the parts that are read.
    pub fn preview(source: &Source, bytes: Box<dyn ReadAt>, options: OpenOptions) -> Result<Self> {
        let name = check_promises(source, bytes.size(), options)?;
        let is_read = |entry: &Entry| {
            let Some((top, below)) = entry.path.as_str().split_once('/') else {
                return false;
            };
            let metadata = top.ends_with(DIST_INFO)
                && read::READ.contains(&below)
                && !options.records.leave_out(below, entry);
            metadata || (top.ends_with(".data") && below.starts_with("scripts/"))
        };
        let archive = Archive::read(bytes, &source.label(), &Extent::Index(&is_read))?;
        let known = Digest::among(&source.pinned.certain(), Algorithm::Sha256);
        describe(source, name, &archive, known, options)
    }

    /// Opens the whole file of a wheel that was only previewed; `known` are digests of this file
    /// that were computed before.
    ///
    /// # Errors
    /// As [`Wheel::open`], and [`SourceFault::ChangedOnServer`] if it would not install the same
    /// files as the preview. A preview without digests never matches.
    pub fn check_whole(
        &self,
        source: &Source,
        file: OpenFile,
        known: &[Digest],
        options: OpenOptions,
    ) -> Result<Archive> {
        let (whole, archive) = Self::open_file(source, file, known, options)?;
        if self.digests == Digests::Known && self.installs_the_same(&whole) {
            Ok(archive)
        } else {
            Err(Error::wheel(&self.label, SourceFault::ChangedOnServer))
        }
    }
}

/// Checks what can be checked without reading the file: its name, its length in bytes, and that it
/// is pinned if it has to be. Returns the parsed name.
fn check_promises(source: &Source, size: u64, options: OpenOptions) -> Result<WheelName> {
    let label = source.label();
    let name = WheelName::parse(&source.file_name).map_err(|fault| Error::wheel(&label, fault))?;
    if let Some(promised) = source.size.filter(|promised| *promised != size) {
        let actual = size;
        return Err(Error::wheel(&label, SourceFault::Size { promised, actual }));
    }
    if options.require_hashes && source.pinned.is_empty() {
        return Err(Error::wheel(&label, SourceFault::NotPinned));
    }
    Ok(name)
}

/// Reads the metadata files in `archive`. `digest` is that of the whole file, for direct_url.json.
fn describe(
    source: &Source,
    name: WheelName,
    archive: &Archive,
    digest: Option<Digest>,
    options: OpenOptions,
) -> Result<Wheel> {
    let label = source.label();
    let dist_info = find_dist_info(archive, &name).map_err(|fault| Error::wheel(&label, fault))?;
    let mut reading = Reading::new(archive, &label, &dist_info, &name.name);
    let info = reading.required("WHEEL", WheelInfo::parse)?;
    let metadata = reading.required("METADATA", Metadata::parse)?;
    let entry_points = reading.entry_points()?;
    let (entries, digests) = reading.entries(options)?;
    if let Some(metadata) = &metadata {
        let faults = disagreements(metadata, &name);
        reading.faults.extend(faults.into_iter().map(Fault::from));
    }
    let (faults, mut warnings) = reading.finish();
    let (Some(info), Some(metadata), true) = (info, metadata, faults.is_empty()) else {
        return Err(Error::wheels(vec![(label, faults)]));
    };
    let odd = info.warnings.iter().chain(&metadata.warnings);
    warnings.extend(odd.map(|fault| read::warning(WarningCode::Metadata, &label, fault)));
    let direct_url = direct_url(source, digest)?;
    Ok(Wheel {
        root_is_purelib: info.root_is_purelib,
        label,
        name,
        metadata,
        dist_info,
        entries: Arc::new(entries),
        digests,
        entry_points,
        requested: source.requested,
        direct_url,
        warnings,
    })
}

/// The content of direct_url.json ("Direct URL data structure"), if that is to be written; `digest`
/// is that of the whole wheel.
pub(super) fn direct_url(source: &Source, digest: Option<Digest>) -> Result<Option<Arc<[u8]>>> {
    match &source.direct_reference {
        DirectReference::Written(json) => return Ok(Some(Arc::clone(json))),
        DirectReference::Always => {}
        DirectReference::IfAsked | DirectReference::Never => return Ok(None),
    }
    let location = match source.path() {
        Some(path) => Location::File(crate::fs::absolute(path)?),
        None => source.location.clone(),
    };
    let direct_url = DirectUrl::of_archive(&location, digest.as_slice());
    Ok(Some(direct_url.to_json().into()))
}

/// Finds the one dist-info directory at the top level. It has to be that of the project and version
/// in the file name.
fn find_dist_info(
    archive: &Archive,
    name: &WheelName,
) -> std::result::Result<String, MetadataFault> {
    let mut known: HashSet<&str> = HashSet::new();
    let mut found: Vec<&str> = Vec::new();
    let mut last = "";
    for entry in archive.entries() {
        // Entries of one directory mostly follow each other, so few names are looked at.
        if let Some((top, _)) = entry.path.as_str().split_once('/')
            && top != last
        {
            last = top;
            if is_dist_info_name(top) && known.insert(top) {
                found.push(top);
            }
        }
    }
    let [directory] = found.as_slice() else {
        return Err(MetadataFault::DistInfoCount(
            found.into_iter().map(str::to_owned).collect(),
        ));
    };
    if is_dist_info_of(directory, name) {
        return Ok((*directory).to_owned());
    }
    Err(MetadataFault::DistInfoName {
        found: (*directory).to_owned(),
        expected: name.dist_info(),
    })
}

/// Whether a dist-info directory is that of the project and version in the file name.
pub(super) fn is_dist_info_of(directory: &str, name: &WheelName) -> bool {
    // Python takes other spellings of `.dist-info` for projects, too, but wheels may not have them.
    directory.ends_with(DIST_INFO)
        && stem(directory)
            .rsplit_once('-')
            .is_some_and(|(project, version)| {
                // Normalized names are compared, because older build tools escape them differently.
                ProjectName::parse(project).is_some_and(|project| project == name.name)
                    && is_version_of(version, name)
            })
}

/// Whether `text`, in which `_` stands for `-`, is the version in the file name. Some build
/// backends leave the local part out.
fn is_version_of(text: &str, name: &WheelName) -> bool {
    Version::parse(&text.replace('_', "-")).is_some_and(|version| name.version.matches(&version))
}

/// The fields in which METADATA contradicts the file name.
pub(super) fn disagreements(metadata: &Metadata, name: &WheelName) -> Vec<MetadataFault> {
    let mut faults = Vec::new();
    if metadata.name != name.name {
        faults.push(MetadataFault::Mismatch {
            field: "Name",
            metadata: metadata.name.as_str().to_owned(),
            file_name: name.name.as_str().to_owned(),
        });
    }
    if !name.version.matches(&metadata.version) {
        faults.push(MetadataFault::Mismatch {
            field: "Version",
            metadata: metadata.version.to_string(),
            file_name: name.version.to_string(),
        });
    }
    faults
}
