//! The metadata files of a wheel: WHEEL, METADATA, entry points, and RECORD, which is compared with
//! the archive's index.
//!
//! [`Reading`] collects every fault and every oddity of all files before anything fails.

use std::sync::Arc;

use foldhash::{HashMap, HashSet, HashSetExt as _};

use super::{Digests, EntryId, MAX_METADATA, OpenOptions, WheelEntry, data_directory};
use crate::archive::{Archive, ArchiveError, Entry, Expected, Scratch};
use crate::digest::Digest;
use crate::error::{Fault, MetadataFault, RecordFault, Result};
use crate::outcome::Warning;
use crate::path::{PathFault, RelPath};
use crate::script;
use crate::spec::entry_points::{self, EntryPoint};
use crate::spec::record::{self, RecordRow, Verify};

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
    by_path: HashMap<&'a str, &'a Entry>,
    scratch: Scratch,
    /// The paths whose digests in RECORD cannot be read, which has added a fault for each.
    bad_digests: HashSet<String>,
    pub(super) faults: Vec<Fault>,
    warnings: Vec<Warning>,
}

impl<'a> Reading<'a> {
    /// Begins to read the wheel `label`, whose dist-info directory is called `dist_info`.
    pub(super) fn new(archive: &'a Archive, label: &'a str, dist_info: &'a str) -> Self {
        let entries = archive.entries().iter();
        Self {
            archive,
            label,
            dist_info,
            by_path: entries.map(|entry| (entry.path.as_str(), entry)).collect(),
            scratch: Scratch::new(),
            bad_digests: HashSet::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// All faults, and all warnings.
    pub(super) fn finish(self) -> (Vec<Fault>, Vec<Warning>) {
        (self.faults, self.warnings)
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
            return Ok((self.with_rows(&[], Verify::Off)?, Digests::NotRead));
        }
        let verify = options.verify;
        let Some(content) = self.required("RECORD", |bytes| {
            Ok::<_, RecordFault>(record::read_wheel_record(bytes, verify))
        })?
        else {
            return Ok((Vec::new(), Digests::NotRead));
        };
        let unreadable = content.faults.iter().filter_map(|fault| match fault {
            RecordFault::Digest { path, .. } => Some(path.clone()),
            _ => None,
        });
        self.bad_digests.extend(unreadable);
        self.faults
            .extend(content.faults.into_iter().map(Fault::from));
        let odd = content.warnings.iter();
        self.warnings
            .extend(odd.map(|(code, fault)| warning(code, self.label, fault)));
        self.check_absent(&content.rows, verify);
        Ok((self.with_rows(&content.rows, verify)?, Digests::Known))
    }

    /// The content of a file of dist-info. `None` if it is missing or at fault.
    fn content(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = format!("{}/{name}", self.dist_info);
        match self.by_path.get(path.as_str()) {
            Some(&entry) => self.entry_content(entry, Expected::default()),
            None => Ok(None),
        }
    }

    /// The content of an entry. `None` if the entry is at fault.
    fn entry_content(&mut self, entry: &Entry, expected: Expected) -> Result<Option<Vec<u8>>> {
        let content = self
            .archive
            .content(entry, expected, MAX_METADATA, &mut self.scratch);
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
    fn with_rows(&mut self, rows: &[RecordRow], verify: Verify) -> Result<Vec<WheelEntry>> {
        let rows: HashMap<&str, &RecordRow> =
            rows.iter().map(|row| (row.path.as_str(), row)).collect();
        let archive = self.archive;
        let scripts = format!("{}/scripts/", data_directory(self.dist_info));
        let mut entries = Vec::with_capacity(archive.entries().len());
        for (entry, id) in archive.entries().iter().zip(0..) {
            let row = rows.get(entry.path.as_str()).copied();
            if let Some(digest) = self.recorded(entry, row, verify) {
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
            if entry.path.as_str().starts_with(&scripts) {
                let digest = entry.digest.filter(|_| verify != Verify::Off);
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
        verify: Verify,
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
                    self.warn("record-own-digest", message.to_owned());
                }
                return None;
            }
            Some(name) if WRITTEN_BY_INSTALLERS.contains(&name) => {
                self.warn(
                    "repacked-file",
                    format!("`{name}` is an installer's to write, the wheel's own is left out"),
                );
                return None;
            }
            Some(name) if SIGNATURES.contains(&name) => return Some(None),
            _ => {}
        }
        if verify != Verify::Off {
            self.check_row(entry, row);
        }
        Some(digest)
    }

    /// Checks that RECORD lists `entry`, with a digest and without another size.
    fn check_row(&mut self, entry: &Entry, row: Option<&RecordRow>) {
        let Some(row) = row else {
            let path = entry.path.to_string();
            self.faults.push(RecordFault::NotRecorded(path).into());
            return;
        };
        if row.digest.is_none() {
            // A digest that cannot be read has added a fault already.
            if !self.bad_digests.contains(&row.path) {
                let fault = RecordFault::Digest {
                    path: row.path.clone(),
                    reason: "it has no digest",
                    text: String::new(),
                };
                self.faults.push(fault.into());
            }
        } else if let Some(recorded) = row.size.filter(|size| *size != entry.size) {
            let fault = RecordFault::Size {
                entry: entry.path.to_string(),
                recorded,
                actual: entry.size,
            };
            self.faults.push(fault.into());
        }
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
                Err(fault @ (PathFault::Dots | PathFault::Absolute | PathFault::Colon)) => {
                    let path = row.path.clone();
                    self.faults
                        .push(RecordFault::UnsafePath { path, fault }.into());
                }
                // Any other fault of a path is harmless: nothing is written for this row.
                _ if verify == Verify::Strict => self.faults.push(absent.into()),
                _ => self.warn("record-absent-file", absent.to_string()),
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
        Ok(self.entry_content(entry, expected)?.map(Arc::from))
    }

    fn warn(&mut self, code: &'static str, message: String) {
        self.warnings.push(Warning {
            code,
            wheel: Some(self.label.to_owned()),
            message,
        });
    }
}

/// A warning about the wheel `label` with the sentence of `fault`.
pub(super) fn warning(code: &'static str, label: &str, fault: &impl ToString) -> Warning {
    Warning {
        code,
        wheel: Some(label.to_owned()),
        message: fault.to_string(),
    }
}
