//! The metadata files of a wheel: WHEEL, METADATA, entry points, and RECORD, which is compared with
//! the archive's index.
//!
//! [`Reading`] collects every fault and every oddity of all files before anything fails.

use std::sync::Arc;

use foldhash::{HashMap, HashSet, HashSetExt as _};

use super::{
    Digests, EntryId, MAX_METADATA, MAX_RECORD, MAX_RECORD_ROW, MAX_SCRIPTS, MAX_SMALL_FILE,
    OpenOptions, RECORD_HEADROOM, ROWS_HEADROOM, ROWS_PER_ENTRY, WheelEntry, below_data,
};
use crate::archive::{Archive, ArchiveError, Entry, Expected, Scratch};
use crate::digest::Digest;
use crate::error::{ArchiveFault, Fault, MetadataFault, RecordFault, Result, WarningCode};
use crate::outcome::{BoundedWarnings, Warning};
use crate::path::{PathFault, RelPath};
use crate::script;
use crate::spec::entry_points::{self, EntryPoint};
use crate::spec::name::ProjectName;
use crate::spec::record::{self, LeftOut, RecordRow, Verify};

/// The files of dist-info that are read.
pub(super) const READ: [&str; 4] = ["METADATA", "WHEEL", "RECORD", "entry_points.txt"];
/// The files of dist-info that only an installer writes. A wheel contains them if it was packed
/// from an installed project; they are ignored.
const WRITTEN_BY_INSTALLERS: [&str; 3] = ["INSTALLER", "REQUESTED", "direct_url.json"];
/// The files of dist-info that RECORD need not list: they sign it.
const SIGNATURES: [&str; 2] = ["RECORD.jws", "RECORD.p7s"];

/// A wheel whose metadata files are being read.
pub(super) struct Reading<'a> {
    archive: &'a Archive,
    label: &'a str,
    dist_info: &'a str,
    project: &'a ProjectName,
    by_path: HashMap<&'a str, &'a Entry>,
    scratch: Scratch,
    /// The paths whose digests in RECORD cannot be read, which has added a fault for each.
    bad_digests: HashSet<String>,
    /// How many more bytes the scripts that have to be rewritten may have.
    room_for_scripts: u64,
    pub(super) faults: Vec<Fault>,
    warnings: BoundedWarnings,
    /// The number of faults and of warnings in RECORD that were found and not kept.
    left_out: LeftOut,
}

impl<'a> Reading<'a> {
    /// Begins to read the wheel `label` of `project`, whose dist-info directory is called
    /// `dist_info`.
    pub(super) fn new(
        archive: &'a Archive,
        label: &'a str,
        dist_info: &'a str,
        project: &'a ProjectName,
    ) -> Self {
        let entries = archive.entries().iter();
        Self {
            archive,
            label,
            dist_info,
            project,
            by_path: entries.map(|entry| (entry.path.as_str(), entry)).collect(),
            scratch: Scratch::new(),
            bad_digests: HashSet::new(),
            room_for_scripts: MAX_SCRIPTS,
            left_out: LeftOut::default(),
            faults: Vec::new(),
            warnings: BoundedWarnings::default(),
        }
    }

    /// All faults, and all warnings.
    pub(super) fn finish(mut self) -> (Vec<Fault>, Vec<Warning>) {
        if self.left_out.faults > 0 {
            self.faults.push(Fault::LeftOut(self.left_out.faults));
        }
        self.warnings.leave_out(self.left_out.warnings);
        (self.faults, self.warnings.finish(Some(self.label)))
    }

    /// Reads a file that every wheel has. `None` if it is missing or at fault.
    pub(super) fn required<T, F: Into<Fault>>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&[u8]) -> std::result::Result<T, F>,
    ) -> Result<Option<T>> {
        let faults = self.faults.len();
        let Some(content) = self.content(name)? else {
            // A file that is there and cannot be read has added a fault already.
            if self.faults.len() == faults {
                let path = format!("{}/{name}", self.dist_info);
                self.faults.push(MetadataFault::Missing(path).into());
            }
            return Ok(None);
        };
        Ok(parse(&content)
            .map_err(|fault| self.faults.push(fault.into()))
            .ok())
    }

    /// Reads entry_points.txt, which a wheel need not have.
    pub(super) fn entry_points(&mut self) -> Result<Vec<EntryPoint>> {
        let Some(content) = self.content("entry_points.txt")? else {
            return Ok(Vec::new());
        };
        Ok(entry_points::parse(&content).unwrap_or_else(|faults| {
            self.faults.extend(faults.into_iter().map(Fault::from));
            Vec::new()
        }))
    }

    /// The files to install with the digests in RECORD (Recording installed projects, "The RECORD
    /// file"), or without digests if `options` leave this RECORD out.
    pub(super) fn entries(&mut self, options: OpenOptions) -> Result<(Vec<WheelEntry>, Digests)> {
        let path = format!("{}/RECORD", self.dist_info);
        let record = self.by_path.get(path.as_str());
        if record.is_some_and(|entry| options.records.leave_out("RECORD", entry)) {
            // There is nothing to compare the index with, as if nothing were to be verified.
            let unverified = OpenOptions {
                verify: Verify::Off,
                ..OpenOptions::default()
            };
            return Ok((self.with_rows(&[], unverified)?, Digests::NotRead));
        }
        let verify = options.verify;
        let most_rows = self.by_path.len() * ROWS_PER_ENTRY + ROWS_HEADROOM;
        let Some(content) = self.required("RECORD", |bytes| {
            Ok::<_, RecordFault>(record::read_wheel_record(bytes, verify, most_rows))
        })?
        else {
            return Ok((Vec::new(), Digests::NotRead));
        };
        let unreadable = content.faults.iter().filter_map(|fault| match fault {
            RecordFault::Digest { path, .. } => Some(path.clone()),
            _ => None,
        });
        self.bad_digests.extend(unreadable);
        self.left_out = content.left_out;
        self.faults
            .extend(content.faults.into_iter().map(Fault::from));
        for (code, fault) in &content.warnings {
            self.warnings.push(warning(*code, self.label, fault));
        }
        self.check_absent(&content.rows, verify);
        if options.complete_record {
            self.check_complete(&content.rows, &path);
        }
        let mut entries = self.with_rows(&content.rows, options)?;
        if options.fresh_digests {
            for entry in &mut entries {
                entry.digest = None;
            }
        }
        Ok((entries, Digests::Known))
    }

    /// The content of a file of dist-info. `None` if it is missing or at fault.
    fn content(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = format!("{}/{name}", self.dist_info);
        match self.by_path.get(path.as_str()) {
            Some(&entry) => self.entry_content(entry, Expected::default(), self.limit(name)),
            None => Ok(None),
        }
    }

    /// The largest size of a file of dist-info, in bytes.
    fn limit(&self, name: &str) -> u64 {
        match name {
            "RECORD" => {
                let entries = self.by_path.len() as u64;
                (entries * MAX_RECORD_ROW + RECORD_HEADROOM).min(MAX_RECORD)
            }
            "METADATA" => MAX_METADATA,
            _ => MAX_SMALL_FILE,
        }
    }

    /// The content of an entry. `None` if the entry is at fault.
    fn entry_content(
        &mut self,
        entry: &Entry,
        expected: Expected,
        limit: u64,
    ) -> Result<Option<Vec<u8>>> {
        let content = self
            .archive
            .content(entry, expected, limit, &mut self.scratch);
        match content {
            Ok(content) => Ok(Some(content)),
            Err(ArchiveError::Fault(fault)) => {
                self.faults.push(fault.into());
                Ok(None)
            }
            Err(ArchiveError::Other(error)) => Err(error),
        }
    }

    /// The files to install, each with the digest in its row of RECORD.
    fn with_rows(&mut self, rows: &[RecordRow], options: OpenOptions) -> Result<Vec<WheelEntry>> {
        let rows: HashMap<&str, &RecordRow> =
            rows.iter().map(|row| (row.path.as_str(), row)).collect();
        let archive = self.archive;
        let mut entries = Vec::with_capacity(archive.entries().len());
        for (entry, id) in archive.entries().iter().zip(0..) {
            let row = rows.get(entry.path.as_str()).copied();
            if let Some(digest) = self.recorded(entry, row, options) {
                entries.push(WheelEntry {
                    id: EntryId(id),
                    path: entry.path.clone(),
                    size: entry.size,
                    crc: entry.crc,
                    executable: entry.executable,
                    digest,
                    script: None,
                });
            }
        }
        // After all rows, so that faults come in the order of the archive.
        for entry in &mut entries {
            let below = below_data(self.dist_info, self.project, entry.path.as_str());
            if below.is_some_and(|below| below.starts_with("scripts/")) {
                let digest = entry.digest.filter(|_| options.verify != Verify::Off);
                entry.script = self.script(&archive.entries()[entry.id.0 as usize], digest)?;
            }
        }
        Ok(entries)
    }

    /// The digest that `entry` must have, if it is installed from the archive. The outer `None`
    /// means that it is not installed, the inner one that RECORD states no digest.
    fn recorded(
        &mut self,
        entry: &Entry,
        row: Option<&RecordRow>,
        options: OpenOptions,
    ) -> Option<Option<Digest>> {
        let digest = row.and_then(|row| row.digest);
        let in_dist_info = entry
            .path
            .as_str()
            .strip_prefix(self.dist_info)
            .and_then(|rest| rest.strip_prefix('/'));
        match in_dist_info {
            Some("RECORD") => {
                if digest.is_some() {
                    let message = "RECORD states a digest of itself";
                    self.warn(WarningCode::RecordOwnDigest, message.to_owned());
                }
                return None;
            }
            Some(name) if WRITTEN_BY_INSTALLERS.contains(&name) => {
                self.warn(
                    WarningCode::RepackedFile,
                    format!("`{name}` is an installer's to write, the wheel's own is left out"),
                );
                return None;
            }
            Some(name) if SIGNATURES.contains(&name) => return Some(None),
            _ => {}
        }
        if options.verify != Verify::Off || options.complete_record {
            self.check_row(entry, row, options);
        }
        Some(digest)
    }

    /// Checks that RECORD lists `entry`, with a digest and without another size.
    fn check_row(&mut self, entry: &Entry, row: Option<&RecordRow>, options: OpenOptions) {
        let Some(row) = row else {
            let path = entry.path.to_string();
            self.faults.push(RecordFault::NotRecorded(path).into());
            return;
        };
        if row.digest.is_none() {
            // A digest that cannot be read has added a fault already.
            if !self.bad_digests.contains(&row.path) {
                self.bad_row(row.path.clone(), "it has no digest");
            }
        } else if options.complete_record && row.size.is_none() {
            self.bad_row(row.path.clone(), "it has no size");
        } else if let Some(recorded) = row.size.filter(|size| *size != entry.size)
            && options.verify != Verify::Off
        {
            let fault = RecordFault::Size {
                entry: entry.path.to_string(),
                recorded,
                actual: entry.size,
            };
            self.faults.push(fault.into());
        }
    }

    /// Checks that RECORD, whose path is `own`, lists itself without a digest, and no signature
    /// (Binary distribution format, "The .dist-info directory").
    fn check_complete(&mut self, rows: &[RecordRow], own: &str) {
        match rows.iter().find(|row| row.path == own) {
            None => (self.faults).push(RecordFault::NotRecorded(own.to_owned()).into()),
            Some(row) if row.digest.is_some() || row.size.is_some() => {
                self.bad_row(own.to_owned(), "RECORD has neither a digest nor a size");
            }
            Some(_) => {}
        }
        for row in rows {
            let below = row.path.strip_prefix(self.dist_info);
            let below = below.and_then(|rest| rest.strip_prefix('/'));
            if below.is_some_and(|name| SIGNATURES.contains(&name)) {
                self.bad_row(row.path.clone(), "a signature is not listed");
            }
        }
    }

    fn bad_row(&mut self, path: String, reason: &'static str) {
        let text = String::new();
        let fault = RecordFault::Digest { path, reason, text };
        self.faults.push(fault.into());
    }

    /// Checks the rows of RECORD that name no entry. A path that leads outside of the environment
    /// is a fault; any other row is a warning, or a fault with `Verify::Strict`.
    fn check_absent(&mut self, rows: &[RecordRow], verify: Verify) {
        for row in rows {
            if self.by_path.contains_key(row.path.as_str()) {
                continue;
            }
            let absent = RecordFault::Absent(row.path.clone());
            match RelPath::parse(&row.path) {
                Err(fault @ (PathFault::Dots | PathFault::Absolute | PathFault::Drive)) => {
                    let path = row.path.clone();
                    self.faults
                        .push(RecordFault::UnsafePath { path, fault }.into());
                }
                // Any other fault of a path is harmless: nothing is written for this row.
                _ if verify == Verify::Strict => self.faults.push(absent.into()),
                _ => self.warn(WarningCode::RecordAbsentFile, absent.to_string()),
            }
        }
    }

    /// The content of a file in `.data/scripts` if it begins with `#!python`.
    fn script(&mut self, entry: &Entry, digest: Option<Digest>) -> Result<Option<Arc<[u8]>>> {
        // A script that is not rewritten may be a large binary, so the head is read first.
        match self.archive.head(entry, &mut self.scratch) {
            Ok(head) if script::wants_rewrite(&head) => {}
            Ok(_) => return Ok(None),
            Err(ArchiveError::Fault(fault)) => {
                self.faults.push(fault.into());
                return Ok(None);
            }
            Err(ArchiveError::Other(error)) => return Err(error),
        }
        // The digest is verified here, because the file that is written has another content.
        let expected = Expected {
            digest,
            compute: None,
        };
        // The contents of all scripts are held in memory until they are written.
        let room = self.room_for_scripts.checked_sub(entry.size);
        let Some(room) = room.or((entry.size > MAX_SCRIPTS).then_some(0)) else {
            let fault = ArchiveFault::TooLarge {
                what: "the size of the scripts that have to be rewritten".to_owned(),
                size: (MAX_SCRIPTS - self.room_for_scripts).saturating_add(entry.size),
                limit: MAX_SCRIPTS,
            };
            self.faults.push(fault.into());
            return Ok(None);
        };
        self.room_for_scripts = room;
        let content = self.entry_content(entry, expected, MAX_SCRIPTS)?;
        Ok(content.map(Arc::from))
    }

    fn warn(&mut self, code: WarningCode, message: String) {
        self.warnings.push(Warning {
            code,
            wheel: Some(self.label.to_owned()),
            message,
        });
    }
}

/// A warning about the wheel `label` with the sentence of `fault`.
pub(super) fn warning(code: WarningCode, label: &str, fault: &impl ToString) -> Warning {
    Warning {
        code,
        wheel: Some(label.to_owned()),
        message: fault.to_string(),
    }
}
