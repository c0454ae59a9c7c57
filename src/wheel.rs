//! `Wheel::open`: an archive, its name, WHEEL, METADATA, RECORD and entry points, checked together and then trusted.
//!
//! Input: a [`Source`]. Output: a [`Wheel`] whose files are all safe to name, all listed, and all known by digest, size
//! and mode; or every fault that it has. Nothing is written. After this nobody checks names, paths or RECORD's syntax
//! again. Limits: the metadata files and the scripts that are rewritten are read whole, up to [`MAX_METADATA`] bytes.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::archive::{Archive, Entry, EntryError, Expected, Extent, Scratch};
use crate::error::{Error, Fault, Result};
use crate::fs::{OpenFile, ReadAt as _};
use crate::hash::{Algorithm, Digest};
use crate::path::{PathFault, RelPath};
use crate::report::Warning;
use crate::script;
use crate::source::{DirectReference, Location, Source};
use crate::spec::entry_points::{self, EntryPoint};
use crate::spec::headers::{Metadata, WheelInfo};
use crate::spec::record::{self, RecordRow, Verify};
use crate::spec::wheel_name::WheelName;

/// The largest METADATA, WHEEL, RECORD, entry_points.txt or rewritten script, in bytes.
pub const MAX_METADATA: u64 = 256 << 20;

/// Files of dist-info that an installer writes. A wheel that has them was made from an installed tree; they say nothing.
const WRITTEN_BY_INSTALLERS: [&str; 3] = ["INSTALLER", "REQUESTED", "direct_url.json"];
/// Files of dist-info that RECORD need not list.
const SIGNATURES: [&str; 2] = ["RECORD.jws", "RECORD.p7s"];

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
    archive: Archive,
}

/// A file of a wheel.
#[derive(Debug, Clone)]
pub struct WheelFile {
    /// Which entry it is.
    pub entry: EntryId,
    /// The digest that RECORD states; `None` where it states none, which only a signature or `Verify::Off` allows.
    pub digest: Option<Digest>,
    /// The whole content of a script that has to be rewritten for its interpreter.
    pub script: Option<Arc<[u8]>>,
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
}

/// The threads that the work is done on.
pub type Pool = rayon::ThreadPool;

/// The pool that wheels are opened and files are staged on.
///
/// # Errors
/// Where the threads cannot be started.
pub fn pool(jobs: Option<usize>) -> Result<Pool> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(jobs.unwrap_or(0));
    builder.build().map_err(|error| Error::usage(format!("cannot start the threads: {error}")))
}

/// What `work` makes of each item, in their order, in parallel.
pub fn in_parallel<T: Sync, R: Send>(pool: &Pool, items: &[T], work: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    pool.install(|| items.par_iter().map(work).collect())
}

/// Opens and validates all wheels, in parallel on the current pool.
///
/// # Errors
/// Every fault of every wheel; a failure to read comes first.
pub fn open_all(sources: &[Source], options: OpenOptions) -> Result<Vec<Wheel>> {
    let opened: Vec<Result<Wheel>> = sources.par_iter().map(|source| Wheel::open(source.clone(), options)).collect();
    let mut wheels = Vec::with_capacity(opened.len());
    let mut refused = Vec::new();
    for result in opened {
        match result {
            Ok(wheel) => wheels.push(wheel),
            Err(error) if error.refused_wheels().is_empty() => return Err(error),
            Err(error) => refused.extend_from_slice(error.refused_wheels()),
        }
    }
    if refused.is_empty() { Ok(wheels) } else { Err(Error::wheels(refused)) }
}

impl Wheel {
    /// Opens and validates one wheel (binary distribution format, "Unpack").
    ///
    /// # Errors
    /// Where it cannot be read, or all that is wrong with it.
    pub fn open(source: Source, options: OpenOptions) -> Result<Self> {
        let label = source.label();
        let name = WheelName::parse(&source.file_name).map_err(|fault| Error::wheel(&label, fault))?;
        let archive = open_archive(&source, &label)?;
        check_pins(&archive, &source, &label, options)?;
        let dist_info = find_dist_info(&archive, &name).map_err(|fault| Error::wheel(&label, fault))?;
        let mut reading = Reading::new(&archive, &label, &dist_info);
        let info = reading.required("WHEEL", WheelInfo::parse)?;
        let metadata = reading.required("METADATA", Metadata::parse)?;
        let entry_points = reading.entry_points()?;
        let files = reading.files(options.verify)?;
        if let (Some(metadata), faults) = (&metadata, &mut reading.faults) {
            faults.extend(disagreements(metadata, &name));
        }
        let Reading { faults, mut warnings, .. } = reading;
        let (Some(info), Some(metadata), true) = (info, metadata, faults.is_empty()) else {
            return Err(Error::wheels(vec![(label, faults)]));
        };
        let odd = info.warnings.iter().chain(&metadata.warnings);
        warnings.extend(odd.map(|fault| warning("metadata", &label, fault)));
        let direct_url = match &source.direct_url {
            DirectReference::Written(json) => Some(Arc::clone(json)),
            DirectReference::Always => Some(direct_url(&archive, &source)?),
            DirectReference::IfAsked if options.direct_url => Some(direct_url(&archive, &source)?),
            DirectReference::IfAsked | DirectReference::Never => None,
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
        })
    }

    /// The entry of a file.
    pub fn entry(&self, id: EntryId) -> &Entry {
        &self.archive.entries()[id.0 as usize]
    }

    /// The archive, to unpack from.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// The name of the directory whose files go to schemes of their own. It follows the dist-info directory's name.
    pub fn data_directory(&self) -> String {
        format!("{}.data", self.dist_info.trim_end_matches(".dist-info"))
    }
}

fn warning(code: &'static str, label: &str, fault: &Fault) -> Warning {
    Warning { code, wheel: Some(label.to_owned()), message: fault.to_string() }
}

/// Opens a wheel's file and checks it whole, its length first.
fn open_archive(source: &Source, label: &str) -> Result<Archive> {
    let path = source.path().ok_or_else(|| Error::wheel(label, Fault::Remote))?;
    let file = OpenFile::open(path)?.ok_or_else(|| Error::wheel(label, Fault::NotAFile))?;
    let actual = file.size();
    match source.size {
        Some(promised) if promised != actual => Err(Error::wheel(label, Fault::ArchiveSize { promised, actual })),
        _ => Archive::read(Box::new(file), label, &Extent::Whole),
    }
}

/// Compares the archive with the hashes that it is pinned to, over the very file that is installed from.
fn check_pins(archive: &Archive, source: &Source, label: &str, options: OpenOptions) -> Result<()> {
    if options.require_hashes && source.pinned.is_empty() {
        return Err(Error::wheel(label, Fault::NotPinned));
    }
    match source.pinned.check(|algorithm| archive.digest(algorithm))? {
        Some(fault) => Err(Error::wheel(label, fault)),
        None => Ok(()),
    }
}

/// The record of a wheel's file as a direct reference (Direct URL data structure).
fn direct_url(archive: &Archive, source: &Source) -> Result<Arc<[u8]>> {
    let digest = archive.digest(Algorithm::Sha256)?;
    let location = match source.path() {
        Some(path) => Location::File(crate::fs::absolute(path)?),
        None => source.location.clone(),
    };
    Ok(location.direct_url(&[digest]).to_json().into())
}

/// The one dist-info directory at the top level, which must be that of the project and version of the file name.
fn find_dist_info(archive: &Archive, name: &WheelName) -> std::result::Result<String, Fault> {
    let mut found: Vec<&str> = Vec::new();
    for entry in archive.entries() {
        if let Some((top, _)) = entry.path.as_str().split_once('/')
            && top.ends_with(".dist-info")
            && !found.contains(&top)
        {
            found.push(top);
        }
    }
    let [directory] = found.as_slice() else {
        return Err(Fault::DistInfoCount(found.into_iter().map(str::to_owned).collect()));
    };
    let stem = directory.trim_end_matches(".dist-info");
    let belongs = stem.rsplit_once('-').is_some_and(|(project, version)| {
        crate::spec::name::ProjectName::parse(project).is_some_and(|project| project == name.name)
            && same_version(version, name)
    });
    if belongs {
        return Ok((*directory).to_owned());
    }
    let expected = format!("{}-{}.dist-info", name.name.escaped(), name.version.escaped());
    Err(Fault::DistInfoName { found: (*directory).to_owned(), expected })
}

/// Whether `text` is the version of the file name; a local part may be missing from it.
fn same_version(text: &str, name: &WheelName) -> bool {
    crate::spec::version::Version::parse(&text.replace('_', "-"))
        .is_some_and(|version| version == name.version || version == name.version.without_local())
}

fn disagreements(metadata: &Metadata, name: &WheelName) -> Vec<Fault> {
    let mut faults = Vec::new();
    if metadata.name != name.name {
        let (metadata, file_name) = (metadata.name.as_str().to_owned(), name.name.as_str().to_owned());
        faults.push(Fault::MetadataMismatch { field: "Name", metadata, file_name });
    }
    if metadata.version != name.version && metadata.version != name.version.without_local() {
        let (metadata, file_name) = (metadata.version.to_string(), name.version.to_string());
        faults.push(Fault::MetadataMismatch { field: "Version", metadata, file_name });
    }
    faults
}

/// A wheel's metadata files while they are read: faults and warnings are collected.
struct Reading<'a> {
    archive: &'a Archive,
    label: &'a str,
    dist_info: &'a str,
    by_path: HashMap<&'a str, EntryId>,
    scratch: Scratch,
    faults: Vec<Fault>,
    warnings: Vec<Warning>,
}

impl<'a> Reading<'a> {
    fn new(archive: &'a Archive, label: &'a str, dist_info: &'a str) -> Self {
        let by_path = archive.entries().iter().zip(0..).map(|(entry, id)| (entry.path.as_str(), EntryId(id))).collect();
        Self { archive, label, dist_info, by_path, scratch: Scratch::new(), faults: Vec::new(), warnings: Vec::new() }
    }

    /// The content of a file of dist-info; `None` where there is none or it is at fault.
    fn content(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = format!("{}/{name}", self.dist_info);
        match self.by_path.get(path.as_str()) {
            Some(&id) => self.entry_content(id, Expected::default()),
            None => Ok(None),
        }
    }

    fn entry_content(&mut self, id: EntryId, expected: Expected) -> Result<Option<Vec<u8>>> {
        let entry = &self.archive.entries()[id.0 as usize];
        match self.archive.content(entry, expected, MAX_METADATA, &mut self.scratch) {
            Ok(content) => Ok(Some(content)),
            Err(EntryError::Fault(fault)) => {
                self.faults.push(fault);
                Ok(None)
            }
            Err(EntryError::Other(error)) => Err(error),
        }
    }

    /// A file that every wheel has, read by `parse`.
    fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&[u8]) -> std::result::Result<T, Fault>,
    ) -> Result<Option<T>> {
        let faults = self.faults.len();
        let Some(content) = self.content(name)? else {
            if self.faults.len() == faults {
                self.faults.push(Fault::Missing(format!("{}/{name}", self.dist_info)));
            }
            return Ok(None);
        };
        Ok(parse(&content).map_err(|fault| self.faults.push(fault)).ok())
    }

    fn entry_points(&mut self) -> Result<Vec<EntryPoint>> {
        let Some(content) = self.content("entry_points.txt")? else {
            return Ok(Vec::new());
        };
        Ok(entry_points::parse(&content).unwrap_or_else(|faults| {
            self.faults.extend(faults);
            Vec::new()
        }))
    }

    /// The files to install, each with its row of RECORD (Recording installed projects, "The RECORD file").
    fn files(&mut self, verify: Verify) -> Result<Vec<WheelFile>> {
        let Some(content) = self.required("RECORD", |bytes| Ok(record::read_wheel_record(bytes, verify)))? else {
            return Ok(Vec::new());
        };
        self.faults.extend(content.faults);
        let label = self.label;
        self.warnings.extend(content.warnings.iter().map(|(code, fault)| warning(code, label, fault)));
        self.check_absent(&content.rows, verify);
        let rows: HashMap<&str, &RecordRow> = content.rows.iter().map(|row| (row.path.as_str(), row)).collect();
        let mut files = Vec::with_capacity(self.archive.entries().len());
        for (entry, id) in self.archive.entries().iter().zip(0..) {
            let row = rows.get(entry.path.as_str()).copied();
            if let Some(digest) = self.recorded(entry, row, verify) {
                files.push(WheelFile { entry: EntryId(id), digest, script: None });
            }
        }
        for file in &mut files {
            file.script = self.script(file, verify)?;
        }
        Ok(files)
    }

    /// The digest that `entry` must have, or `None` where it is not installed from the archive.
    fn recorded(&mut self, entry: &Entry, row: Option<&RecordRow>, verify: Verify) -> Option<Option<Digest>> {
        let inside = entry.path.as_str().strip_prefix(self.dist_info).and_then(|rest| rest.strip_prefix('/'));
        match inside {
            Some("RECORD") => {
                if row.is_some_and(|row| row.digest.is_some()) {
                    self.odd("record-own-digest", "RECORD states a digest of itself".to_owned());
                }
                return None;
            }
            Some(name) if WRITTEN_BY_INSTALLERS.contains(&name) => {
                self.odd("repacked-file", format!("`{name}` is an installer's to write, the wheel's own is left out"));
                return None;
            }
            Some(name) if SIGNATURES.contains(&name) => return Some(None),
            _ => {}
        }
        if verify == Verify::Off {
            return Some(row.and_then(|row| row.digest));
        }
        match row {
            None => self.faults.push(Fault::NotRecorded(entry.path.to_string())),
            Some(RecordRow { digest: None, path, .. }) => {
                // A digest that could not be read is a fault of its own already.
                let known =
                    self.faults.iter().any(|fault| matches!(fault, Fault::RecordDigest { path: at, .. } if at == path));
                if !known {
                    let (path, text) = (path.clone(), String::new());
                    self.faults.push(Fault::RecordDigest { path, reason: "it has no digest", text });
                }
            }
            Some(RecordRow { size: Some(size), .. }) if *size != entry.size => {
                let (stated, actual) = (*size, entry.size);
                self.faults.push(Fault::Size { entry: entry.path.to_string(), stated, actual });
            }
            Some(_) => {}
        }
        Some(row.and_then(|row| row.digest))
    }

    /// Rows of RECORD that name no entry: a warning, or in strict reading a fault. One that leads outside is a fault.
    fn check_absent(&mut self, rows: &[RecordRow], verify: Verify) {
        for row in rows {
            if self.by_path.contains_key(row.path.as_str()) {
                continue;
            }
            let fault = Fault::RecordedAbsent(row.path.clone());
            match RelPath::parse(&row.path) {
                Err(fault @ (PathFault::Dots | PathFault::Absolute | PathFault::Colon)) => {
                    self.faults.push(Fault::UnsafePath { path: row.path.clone(), fault });
                }
                _ if verify == Verify::Strict => self.faults.push(fault),
                _ => self.odd("record-absent-file", fault.to_string()),
            }
        }
    }

    fn odd(&mut self, code: &'static str, message: String) {
        self.warnings.push(Warning { code, wheel: Some(self.label.to_owned()), message });
    }

    /// The content of a file below `.data/scripts` that begins with `#!python`.
    fn script(&mut self, file: &WheelFile, verify: Verify) -> Result<Option<Arc<[u8]>>> {
        let entry = &self.archive.entries()[file.entry.0 as usize];
        let scripts = format!("{}.data/scripts/", self.dist_info.trim_end_matches(".dist-info"));
        if !entry.path.as_str().starts_with(&scripts) {
            return Ok(None);
        }
        match self.archive.head(entry, &mut self.scratch) {
            Ok(head) if script::wants_rewrite(&head) => {}
            Ok(_) => return Ok(None),
            Err(EntryError::Fault(fault)) => {
                self.faults.push(fault);
                return Ok(None);
            }
            Err(EntryError::Other(error)) => return Err(error),
        }
        let digest = file.digest.filter(|_| verify != Verify::Off);
        let expected = Expected { digest, compute: None };
        Ok(self.entry_content(file.entry, expected)?.map(Arc::from))
    }
}
