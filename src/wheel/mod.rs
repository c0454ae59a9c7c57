//! `Wheel::open`: an archive, its name, WHEEL, METADATA, RECORD and entry points, checked together
//! and then trusted.
//!
//! Input: a [`Source`]. Output: a [`Wheel`] whose files are all safe to name, all listed, and all
//! known by digest, size and mode; or every fault that it has. Nothing is written. After this
//! nobody checks names, paths or RECORD's syntax again. Limits: the metadata files and the scripts
//! that are rewritten are read whole, up to [`MAX_METADATA`] bytes.

mod read;

use std::sync::{Arc, OnceLock};

use crate::archive::{Archive, Entry, Extent};
use crate::digest::{Algorithm, Digest};
use crate::error::{ArchiveFault, Error, Fault, MetadataFault, Result, SourceFault};
use crate::fs::{OpenFile, ReadAt};
use crate::outcome::Warning;
use crate::source::{DirectReference, Location, Source};
use crate::spec::core_metadata::{Metadata, WheelInfo};
use crate::spec::entry_points::EntryPoint;
use crate::spec::record::Verify;
use crate::spec::wheel_name::WheelName;
use crate::threads::{Pool, in_parallel};

use read::Reading;

/// The largest METADATA, WHEEL, RECORD, entry_points.txt or rewritten script, in bytes.
pub const MAX_METADATA: u64 = 256 << 20;

/// How the name of a dist-info directory ends.
const DIST_INFO: &str = ".dist-info";

/// The largest RECORD that any preview reads, in bytes: that of some seven thousand files.
pub const SMALL_RECORD: u64 = 1 << 20;

/// The number of an entry in its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub u32);

/// A wheel that may be installed.
#[derive(Debug)]
pub struct Wheel {
    /// Where it came from.
    pub source: Source,
    /// How errors and reports name it.
    pub label: String,
    /// What its file name says.
    pub name: WheelName,
    /// What METADATA says.
    pub metadata: Metadata,
    /// Whether the files outside `.data` go to purelib; to platlib otherwise.
    pub root_is_purelib: bool,
    /// The name of its dist-info directory.
    pub dist_info: String,
    /// The files to install, in the order of the archive: all but RECORD and what installers write.
    pub files: Vec<WheelFile>,
    /// Its console and GUI scripts.
    pub entry_points: Vec<EntryPoint>,
    /// The content of direct_url.json, where one is wanted.
    pub direct_url: Option<Arc<[u8]>>,
    /// What was odd about it.
    pub warnings: Vec<Warning>,
    /// As it was opened: whole, or as far as a preview looked.
    archive: Archive,
    /// The whole archive of a wheel that was only previewed.
    arrived: OnceLock<Archive>,
    previewed: bool,
    record_read: bool,
}

/// A file of a wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelFile {
    /// Which entry it is.
    pub entry: EntryId,
    /// The digest that RECORD states; `None` where it states none, which only a signature or
    /// `Verify::Off` allows.
    pub digest: Option<Digest>,
    /// The whole content of a script that has to be rewritten for its interpreter.
    pub script: Option<Arc<[u8]>>,
}

/// Which RECORDs a preview reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Records {
    /// Every one.
    #[default]
    All,
    /// None of more than [`SMALL_RECORD`] bytes. No digest is known of such a wheel, so that its
    /// files are like no others, and it never arrives.
    Small,
}

impl Records {
    /// Whether this file of dist-info is one that is not read.
    fn leave_out(self, below: &str, entry: &Entry) -> bool {
        self == Self::Small && below == "RECORD" && entry.size > SMALL_RECORD
    }
}

/// How to open wheels.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions {
    /// How strictly RECORD is read.
    pub verify: Verify,
    /// Whether every wheel must be pinned to a hash.
    pub require_hashes: bool,
    /// Whether a wheel given as a path is recorded as a direct reference.
    pub direct_url: bool,
    /// Which RECORDs a preview reads; of a wheel that is here it is always read.
    pub records: Records,
}

/// Opens and validates all wheels, in parallel.
///
/// # Errors
/// Every fault of every wheel; a failure to read comes first.
pub fn open_all(pool: &Pool, sources: &[Source], options: OpenOptions) -> Result<Vec<Wheel>> {
    Error::all_or_refused(in_parallel(pool, sources, |source| {
        Wheel::open(source.clone(), options)
    }))
}

impl Wheel {
    /// Opens and validates one wheel (binary distribution format, "Unpack").
    ///
    /// # Errors
    /// Where it cannot be read, or all that is wrong with it.
    pub fn open(source: Source, options: OpenOptions) -> Result<Self> {
        let label = source.label();
        let path = source
            .path()
            .ok_or_else(|| Error::wheel(&label, SourceFault::NotFetched))?;
        let file =
            OpenFile::open(path)?.ok_or_else(|| Error::wheel(&label, ArchiveFault::NotAFile))?;
        Self::of_file(source, file, &[], options)
    }

    /// Validates the wheel in an open file, wherever its source says that it came from. `known` are
    /// digests of the very file that were computed already.
    ///
    /// # Errors
    /// As [`Wheel::open`].
    pub fn of_file(
        source: Source,
        file: OpenFile,
        known: &[Digest],
        options: OpenOptions,
    ) -> Result<Self> {
        let label = source.label();
        let name =
            WheelName::parse(&source.file_name).map_err(|fault| Error::wheel(&label, fault))?;
        check_size(&source, file.size(), &label)?;
        let archive = Archive::read(Box::new(file), &label, &Extent::Whole)?;
        let digest_of = |algorithm| {
            Digest::among(known, algorithm).map_or_else(|| archive.digest(algorithm), Ok)
        };
        check_pinned(&source, &label, options)?;
        if let Some(fault) = source.pinned.check(digest_of)? {
            return Err(Error::wheel(&label, fault));
        }
        let recorded = records_origin(&source, options);
        let digest = recorded.then(|| digest_of(Algorithm::Sha256)).transpose()?;
        Self::of_archive(
            source,
            name,
            archive,
            digest,
            OpenOptions {
                records: Records::All,
                ..options
            },
        )
    }

    /// What a wheel is as far as its index and its metadata say, while the rest of it is still
    /// elsewhere. It can be planned with; before it can be staged it has to
    /// [arrive](Wheel::arrive).
    ///
    /// # Errors
    /// As [`Wheel::open`], as far as it was looked at.
    pub fn preview(source: Source, bytes: Box<dyn ReadAt>, options: OpenOptions) -> Result<Self> {
        let label = source.label();
        let name =
            WheelName::parse(&source.file_name).map_err(|fault| Error::wheel(&label, fault))?;
        check_size(&source, bytes.size(), &label)?;
        let described = |entry: &Entry| {
            entry
                .path
                .as_str()
                .split_once('/')
                .is_some_and(|(top, below)| {
                    (top.ends_with(".dist-info") && read::READ.contains(&below))
                        && !options.records.leave_out(below, entry)
                        || (top.ends_with(".data") && below.starts_with("scripts/"))
                })
        };
        let archive = Archive::read(bytes, &label, &Extent::Index(&described))?;
        check_pinned(&source, &label, options)?;
        let known = Digest::among(&source.pinned.certain(), Algorithm::Sha256);
        let wheel = Self::of_archive(source, name, archive, known, options)?;
        Ok(Self {
            previewed: true,
            ..wheel
        })
    }

    /// The whole of a wheel that was previewed. It has to be what it seemed to be.
    ///
    /// # Errors
    /// As [`Wheel::open`], and where it is not.
    pub fn arrive(&self, file: OpenFile, known: &[Digest], options: OpenOptions) -> Result<()> {
        let whole = Self::of_file(self.source.clone(), file, known, options)?;
        if !self.is_like(&whole) {
            return Err(Error::wheel(&self.label, SourceFault::ChangedOnServer));
        }
        let _ = self.arrived.set(whole.archive);
        Ok(())
    }

    fn is_like(&self, whole: &Self) -> bool {
        let entries = |wheel: &Self| -> Vec<_> {
            let of = |entry: &Entry| (entry.path.clone(), entry.size, entry.crc, entry.executable);
            wheel.archive.entries().iter().map(of).collect()
        };
        let said = |wheel: &Self| {
            (
                wheel.root_is_purelib,
                wheel.dist_info.clone(),
                wheel.metadata.clone(),
            )
        };
        self.record_read
            && said(self) == said(whole)
            && self.entry_points == whole.entry_points
            && self.files == whole.files
            && entries(self) == entries(whole)
    }

    fn of_archive(
        source: Source,
        name: WheelName,
        archive: Archive,
        digest: Option<Digest>,
        options: OpenOptions,
    ) -> Result<Self> {
        let label = source.label();
        let dist_info =
            find_dist_info(&archive, &name).map_err(|fault| Error::wheel(&label, fault))?;
        let mut reading = Reading::new(&archive, &label, &dist_info);
        let info = reading.required("WHEEL", WheelInfo::parse)?;
        let metadata = reading.required("METADATA", Metadata::parse)?;
        let entry_points = reading.entry_points()?;
        let files = reading.files(options)?;
        let record_read = reading.record_read;
        if let (Some(metadata), faults) = (&metadata, &mut reading.faults) {
            faults.extend(disagreements(metadata, &name).into_iter().map(Fault::from));
        }
        let Reading {
            faults,
            mut warnings,
            ..
        } = reading;
        let (Some(info), Some(metadata), true) = (info, metadata, faults.is_empty()) else {
            return Err(Error::wheels(vec![(label, faults)]));
        };
        let odd = info.warnings.iter().chain(&metadata.warnings);
        warnings.extend(odd.map(|fault| warning("metadata", &label, fault)));
        let direct_url = match &source.direct_url {
            DirectReference::Written(json) => Some(Arc::clone(json)),
            _ if records_origin(&source, options) => Some(direct_url(digest, &source)?),
            _ => None,
        };
        let root_is_purelib = info.root_is_purelib;
        Ok(Self {
            source,
            label,
            name,
            metadata,
            root_is_purelib,
            dist_info,
            files,
            entry_points,
            direct_url,
            warnings,
            archive,
            arrived: OnceLock::new(),
            previewed: false,
            record_read,
        })
    }

    /// The entry of a file.
    pub fn entry(&self, id: EntryId) -> &Entry {
        &self.archive().entries()[id.0 as usize]
    }

    /// The archive, to unpack from.
    pub fn archive(&self) -> &Archive {
        self.arrived.get().unwrap_or(&self.archive)
    }

    /// Whether the whole of it is here.
    pub fn is_here(&self) -> bool {
        !self.previewed || self.arrived.get().is_some()
    }

    /// Whether RECORD was read; where it was not, no digest of a file is known.
    pub fn is_record_read(&self) -> bool {
        self.record_read
    }

    /// The name of the directory whose files go to schemes of their own. It follows the dist-info
    /// directory's name.
    pub fn data_directory(&self) -> String {
        data_directory(&self.dist_info)
    }
}

fn warning(code: &'static str, label: &str, fault: &impl ToString) -> Warning {
    Warning {
        code,
        wheel: Some(label.to_owned()),
        message: fault.to_string(),
    }
}

fn check_size(source: &Source, actual: u64, label: &str) -> Result<()> {
    match source.size {
        Some(promised) if promised != actual => {
            Err(Error::wheel(label, SourceFault::Size { promised, actual }))
        }
        _ => Ok(()),
    }
}

/// Whether direct_url.json is written, in this crate's own words.
fn records_origin(source: &Source, options: OpenOptions) -> bool {
    match source.direct_url {
        DirectReference::Always => true,
        DirectReference::IfAsked => options.direct_url,
        DirectReference::Never | DirectReference::Written(_) => false,
    }
}

/// Whether a wheel has to be here whole before anything can be planned with it: what it records of
/// its origin takes its digest, and nothing that was promised of it says that.
pub fn needs_its_digest(source: &Source, options: OpenOptions) -> bool {
    records_origin(source, options)
        && Digest::among(&source.pinned.certain(), Algorithm::Sha256).is_none()
}

fn check_pinned(source: &Source, label: &str, options: OpenOptions) -> Result<()> {
    if options.require_hashes && source.pinned.is_empty() {
        return Err(Error::wheel(label, SourceFault::NotPinned));
    }
    Ok(())
}

/// The record of a wheel's file as a direct reference (Direct URL data structure).
fn direct_url(digest: Option<Digest>, source: &Source) -> Result<Arc<[u8]>> {
    let location = match source.path() {
        Some(path) => Location::File(crate::fs::absolute(path)?),
        None => source.location.clone(),
    };
    Ok(location.direct_url(digest.as_slice()).to_json().into())
}

/// The one dist-info directory at the top level, which must be that of the project and version of
/// the file name.
fn find_dist_info(
    archive: &Archive,
    name: &WheelName,
) -> std::result::Result<String, MetadataFault> {
    let mut found: Vec<&str> = Vec::new();
    for entry in archive.entries() {
        if let Some((top, _)) = entry.path.as_str().split_once('/')
            && top.ends_with(DIST_INFO)
            && !found.contains(&top)
        {
            found.push(top);
        }
    }
    let [directory] = found.as_slice() else {
        return Err(MetadataFault::DistInfoCount(
            found.into_iter().map(str::to_owned).collect(),
        ));
    };
    let belongs = stem(directory)
        .rsplit_once('-')
        .is_some_and(|(project, version)| {
            crate::spec::name::ProjectName::parse(project)
                .is_some_and(|project| project == name.name)
                && same_version(version, name)
        });
    if belongs {
        return Ok((*directory).to_owned());
    }
    let expected = format!(
        "{}-{}.dist-info",
        name.name.escaped(),
        name.version.escaped()
    );
    Err(MetadataFault::DistInfoName {
        found: (*directory).to_owned(),
        expected,
    })
}

/// The name of a dist-info directory without its ending.
fn stem(dist_info: &str) -> &str {
    dist_info.strip_suffix(DIST_INFO).unwrap_or(dist_info)
}

fn data_directory(dist_info: &str) -> String {
    format!("{}.data", stem(dist_info))
}

/// Whether `text` is the version of the file name; a local part may be missing from it.
fn same_version(text: &str, name: &WheelName) -> bool {
    crate::spec::version::Version::parse(&text.replace('_', "-"))
        .is_some_and(|version| version == name.version || version == name.version.without_local())
}

fn disagreements(metadata: &Metadata, name: &WheelName) -> Vec<MetadataFault> {
    let mut faults = Vec::new();
    if metadata.name != name.name {
        let (metadata, file_name) = (
            metadata.name.as_str().to_owned(),
            name.name.as_str().to_owned(),
        );
        faults.push(MetadataFault::Mismatch {
            field: "Name",
            metadata,
            file_name,
        });
    }
    if metadata.version != name.version && metadata.version != name.version.without_local() {
        let (metadata, file_name) = (metadata.version.to_string(), name.version.to_string());
        faults.push(MetadataFault::Mismatch {
            field: "Version",
            metadata,
            file_name,
        });
    }
    faults
}
