//! A wheel's metadata files: WHEEL, METADATA, entry points, and RECORD against the entries of the
//! archive.
//!
//! Input: an archive whose index was checked, and its dist-info directory. Output: what the files
//! say, and the files to install with their digests. Every fault and every oddity is collected
//! before anything fails.

use std::sync::Arc;

use foldhash::HashMap;

use super::{EntryId, MAX_METADATA, OpenOptions, WheelFile, data_directory, warning};
use crate::archive::{Archive, Entry, EntryError, Expected, Scratch};
use crate::digest::Digest;
use crate::error::{Fault, MetadataFault, RecordFault, Result};
use crate::outcome::Warning;
use crate::path::{PathFault, RelPath};
use crate::script;
use crate::spec::entry_points::{self, EntryPoint};
use crate::spec::record::{self, RecordRow, Verify};

/// Files of dist-info that are read.
pub(super) const READ: [&str; 4] = ["METADATA", "WHEEL", "RECORD", "entry_points.txt"];
/// Files of dist-info that an installer writes. A wheel that has them was made from an installed
/// tree; they say nothing.
const WRITTEN_BY_INSTALLERS: [&str; 3] = ["INSTALLER", "REQUESTED", "direct_url.json"];
/// Files of dist-info that RECORD need not list.
const SIGNATURES: [&str; 2] = ["RECORD.jws", "RECORD.p7s"];

/// A wheel's metadata files while they are read: faults and warnings are collected.
pub(super) struct Reading<'a> {
    archive: &'a Archive,
    label: &'a str,
    dist_info: &'a str,
    by_path: HashMap<&'a str, EntryId>,
    scratch: Scratch,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Warning>,
    pub(super) record_read: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new(archive: &'a Archive, label: &'a str, dist_info: &'a str) -> Self {
        let by_path = archive
            .entries()
            .iter()
            .zip(0..)
            .map(|(entry, id)| (entry.path.as_str(), EntryId(id)))
            .collect();
        let (scratch, faults, warnings) = (Scratch::new(), Vec::new(), Vec::new());
        Self {
            archive,
            label,
            dist_info,
            by_path,
            scratch,
            faults,
            warnings,
            record_read: false,
        }
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
        match self
            .archive
            .content(entry, expected, MAX_METADATA, &mut self.scratch)
        {
            Ok(content) => Ok(Some(content)),
            Err(EntryError::Fault(fault)) => {
                self.faults.push(fault.into());
                Ok(None)
            }
            Err(EntryError::Other(error)) => Err(error),
        }
    }

    /// A file that every wheel has, read by `parse`.
    pub(super) fn required<T, F: Into<Fault>>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&[u8]) -> std::result::Result<T, F>,
    ) -> Result<Option<T>> {
        let faults = self.faults.len();
        let Some(content) = self.content(name)? else {
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

    pub(super) fn entry_points(&mut self) -> Result<Vec<EntryPoint>> {
        let Some(content) = self.content("entry_points.txt")? else {
            return Ok(Vec::new());
        };
        Ok(entry_points::parse(&content).unwrap_or_else(|faults| {
            self.faults.extend(faults.into_iter().map(Fault::from));
            Vec::new()
        }))
    }

    /// The files to install, each with its row of RECORD (Recording installed projects, "The RECORD
    /// file"), unless that is left out.
    pub(super) fn files(&mut self, options: OpenOptions) -> Result<Vec<WheelFile>> {
        let path = format!("{}/RECORD", self.dist_info);
        let record = self
            .by_path
            .get(path.as_str())
            .map(|id| &self.archive.entries()[id.0 as usize]);
        if record.is_some_and(|entry| options.records.leave_out("RECORD", entry)) {
            // Without rows there is nothing to compare with.
            return self.files_of(&[], Verify::Off);
        }
        let verify = options.verify;
        let Some(content) = self.required("RECORD", |bytes| {
            Ok::<_, RecordFault>(record::read_wheel_record(bytes, verify))
        })?
        else {
            return Ok(Vec::new());
        };
        self.faults
            .extend(content.faults.into_iter().map(Fault::from));
        let label = self.label;
        self.warnings.extend(
            content
                .warnings
                .iter()
                .map(|(code, fault)| warning(code, label, fault)),
        );
        self.check_absent(&content.rows, verify);
        self.record_read = true;
        self.files_of(&content.rows, verify)
    }

    fn files_of(&mut self, rows: &[RecordRow], verify: Verify) -> Result<Vec<WheelFile>> {
        let rows: HashMap<&str, &RecordRow> =
            rows.iter().map(|row| (row.path.as_str(), row)).collect();
        let mut files = Vec::with_capacity(self.archive.entries().len());
        for (entry, id) in self.archive.entries().iter().zip(0..) {
            let row = rows.get(entry.path.as_str()).copied();
            if let Some(digest) = self.recorded(entry, row, verify) {
                files.push(WheelFile {
                    entry: EntryId(id),
                    digest,
                    script: None,
                });
            }
        }
        for file in &mut files {
            file.script = self.script(file, verify)?;
        }
        Ok(files)
    }

    /// The digest that `entry` must have, or `None` where it is not installed from the archive.
    fn recorded(
        &mut self,
        entry: &Entry,
        row: Option<&RecordRow>,
        verify: Verify,
    ) -> Option<Option<Digest>> {
        let inside = entry
            .path
            .as_str()
            .strip_prefix(self.dist_info)
            .and_then(|rest| rest.strip_prefix('/'));
        match inside {
            Some("RECORD") => {
                if row.is_some_and(|row| row.digest.is_some()) {
                    self.odd(
                        "record-own-digest",
                        "RECORD states a digest of itself".to_owned(),
                    );
                }
                return None;
            }
            Some(name) if WRITTEN_BY_INSTALLERS.contains(&name) => {
                self.odd(
                    "repacked-file",
                    format!("`{name}` is an installer's to write, the wheel's own is left out"),
                );
                return None;
            }
            Some(name) if SIGNATURES.contains(&name) => return Some(None),
            _ => {}
        }
        if verify == Verify::Off {
            return Some(row.and_then(|row| row.digest));
        }
        match row {
            None => {
                let path = entry.path.to_string();
                self.faults.push(RecordFault::NotRecorded(path).into());
            }
            Some(RecordRow {
                digest: None, path, ..
            }) => {
                // A digest that could not be read is a fault of its own already.
                let known = self.faults.iter().any(
                    |fault| matches!(fault, Fault::Record(RecordFault::Digest { path: at, .. }) if at == path),
                );
                if !known {
                    let fault = RecordFault::Digest {
                        path: path.clone(),
                        reason: "it has no digest",
                        text: String::new(),
                    };
                    self.faults.push(fault.into());
                }
            }
            Some(RecordRow {
                size: Some(size), ..
            }) if *size != entry.size => {
                let fault = RecordFault::Size {
                    entry: entry.path.to_string(),
                    recorded: *size,
                    actual: entry.size,
                };
                self.faults.push(fault.into());
            }
            Some(_) => {}
        }
        Some(row.and_then(|row| row.digest))
    }

    /// Rows of RECORD that name no entry: a warning, or in strict reading a fault. One that leads
    /// outside is a fault.
    fn check_absent(&mut self, rows: &[RecordRow], verify: Verify) {
        for row in rows {
            if self.by_path.contains_key(row.path.as_str()) {
                continue;
            }
            let fault = RecordFault::Absent(row.path.clone());
            match RelPath::parse(&row.path) {
                Err(fault @ (PathFault::Dots | PathFault::Absolute | PathFault::Colon)) => {
                    let path = row.path.clone();
                    self.faults
                        .push(RecordFault::UnsafePath { path, fault }.into());
                }
                _ if verify == Verify::Strict => self.faults.push(fault.into()),
                _ => self.odd("record-absent-file", fault.to_string()),
            }
        }
    }

    fn odd(&mut self, code: &'static str, message: String) {
        self.warnings.push(Warning {
            code,
            wheel: Some(self.label.to_owned()),
            message,
        });
    }

    /// The content of a file below `.data/scripts` that begins with `#!python`.
    fn script(&mut self, file: &WheelFile, verify: Verify) -> Result<Option<Arc<[u8]>>> {
        let entry = &self.archive.entries()[file.entry.0 as usize];
        let scripts = format!("{}/scripts/", data_directory(self.dist_info));
        if !entry.path.as_str().starts_with(&scripts) {
            return Ok(None);
        }
        match self.archive.head(entry, &mut self.scratch) {
            Ok(head) if script::wants_rewrite(&head) => {}
            Ok(_) => return Ok(None),
            Err(EntryError::Fault(fault)) => {
                self.faults.push(fault.into());
                return Ok(None);
            }
            Err(EntryError::Other(error)) => return Err(error),
        }
        let digest = file.digest.filter(|_| verify != Verify::Off);
        let expected = Expected {
            digest,
            compute: None,
        };
        Ok(self.entry_content(file.entry, expected)?.map(Arc::from))
    }
}
