//! Pages of the simple index: which wheels a project has ("Simple repository API").
//!
//! Input: the body of a page as JSON or HTML, its content type, and the project. Output: a
//! [`Page`], the wheels by version. Invariants: only wheels of the page's own project are kept;
//! nothing that cannot be read hides the rest of the page. Limits: [`MOST_FILES`]; only major
//! version 1 of the interface. Source distributions are only noted.

mod condensed;
mod html;
mod json;
mod names;

use std::collections::HashMap;
use std::sync::Arc;

use url::Url;

use super::name::ProjectName;
use super::version::{Specifiers, Version};
use crate::digest::Digest;
use crate::error::IndexFault;

pub use condensed::{CONDENSED, CondensedPage};

use names::{FileNames, Named};

/// The forms of a page that can be read, the preferred one first, as the value of `Accept`.
pub const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
                          application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// The most bytes that a page may have after decompression. The largest real ones have 25 million.
pub const MOST_BYTES: u64 = 1 << 26;

/// The most files that a page may list. The largest real pages list some 20,000.
const MOST_FILES: usize = 500_000;

/// A project as one page of an index shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The releases, from the lowest version to the highest; each version once.
    pub releases: Vec<Release>,
    /// The state of the project (PEP 792).
    pub status: ProjectStatus,
    /// The wheels of all projects, if it was read as a page of links.
    pub links: Vec<IndexWheel>,
    /// The address that relative links start from, if the page states one (`<base href>`).
    pub base: Option<Box<str>>,
}

/// The files of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The version.
    pub version: Version,
    /// The wheels, in the order of the page.
    pub wheels: Vec<IndexWheel>,
    /// Whether the version has a source distribution.
    pub has_source: bool,
}

/// A wheel that an index offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexWheel {
    /// Its file name, decoded.
    pub file_name: Box<str>,
    /// Its address as written: absolute, or relative to the page's.
    pub link: Box<str>,
    /// Its digests; weak and malformed ones are left out.
    pub digests: Box<[Digest]>,
    /// Its length in bytes (PEP 700).
    pub size: Option<u64>,
    /// The Pythons that it supports; `None` if that is not stated or cannot be read.
    pub requires_python: Option<Arc<Specifiers>>,
    /// Whether the index has METADATA as a file of its own (PEP 658, PEP 714).
    pub metadata: MetadataFile,
    /// The reason why the file is withdrawn, often empty; `None` if it is not (PEP 592).
    pub yanked: Option<Box<str>>,
    /// When it was uploaded, in the form of RFC 3339 (PEP 700).
    pub upload_time: Option<Box<str>>,
}

/// Whether an index has METADATA as a file of its own (PEP 658, PEP 714).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MetadataFile {
    /// It has none.
    #[default]
    Absent,
    /// It has one.
    Unpinned,
    /// It has one with this SHA-256.
    Pinned(Box<Digest>),
}

/// The state of a project (PEP 792).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ProjectStatus {
    /// Nothing special, also if the state is not known here.
    #[default]
    Active,
    /// No releases are expected any more; the reason may be empty.
    Archived(String),
    /// It is replaced by another project, or its use is advised against.
    Deprecated(String),
    /// It is not safe to use.
    Quarantined(String),
}

impl ProjectStatus {
    fn of(status: &str, reason: &str) -> Self {
        let reason = reason.to_owned();
        match status {
            "archived" => Self::Archived(reason),
            "deprecated" => Self::Deprecated(reason),
            "quarantined" => Self::Quarantined(reason),
            _ => Self::Active,
        }
    }
}

impl Page {
    /// Reads the page of `project`. `content_type` is the value of the header.
    ///
    /// # Errors
    /// The body is neither JSON nor HTML of major version 1, or lists more than [`MOST_FILES`].
    pub fn parse(
        project: &ProjectName,
        content_type: &str,
        body: &[u8],
    ) -> Result<Self, IndexFault> {
        Self::read(Some(project), content_type, body)
    }

    /// Reads a page of links, whose wheels may be of any project.
    ///
    /// # Errors
    /// As [`Page::parse`].
    pub fn parse_links(content_type: &str, body: &[u8]) -> Result<Self, IndexFault> {
        Self::read(None, content_type, body)
    }

    fn read(
        project: Option<&ProjectName>,
        content_type: &str,
        body: &[u8],
    ) -> Result<Self, IndexFault> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let kind = kind.to_ascii_lowercase();
        let mut builder = PageBuilder::new(project);
        match kind.as_str() {
            "application/vnd.pypi.simple.v1+json" | "application/json" => {
                json::read(body, &mut builder)?;
            }
            "application/vnd.pypi.simple.v1+html" | "text/html" | "application/xhtml+xml" => {
                html::read(body, &mut builder)?;
            }
            "" => return Err(IndexFault::NotAPage("it has no content type".to_owned())),
            _ => return Err(IndexFault::NotAPage(format!("its content is `{kind}`"))),
        }
        Ok(builder.finish())
    }
}

impl IndexWheel {
    /// Its address without the fragment; `None` if it is neither `http` nor `https`. `page` is the
    /// address that relative links start from.
    pub fn address(&self, page: &Url) -> Option<Url> {
        let mut url = page.join(&self.link).ok()?;
        url.set_fragment(None);
        matches!(url.scheme(), "http" | "https").then_some(url)
    }
}

/// A file as the page lists it, before its name is read.
struct ListedFile<'a> {
    file_name: &'a str,
    link: &'a str,
    digests: &'a [Digest],
    size: Option<u64>,
    requires_python: Option<&'a str>,
    metadata: MetadataFile,
    yanked: Option<&'a str>,
    upload_time: Option<&'a str>,
}

/// Collects the files of a page.
struct PageBuilder {
    /// Reads the names of the page's project; `None` for a page of links.
    names: Option<FileNames>,
    links: Vec<IndexWheel>,
    releases: Vec<Release>,
    /// The position in `releases` of each version as it is written in file names.
    by_text: HashMap<String, usize>,
    /// Few texts occur in one page, each very often.
    pythons: HashMap<String, Option<Arc<Specifiers>>>,
    files: usize,
    status: ProjectStatus,
    base: Option<Box<str>>,
}

impl PageBuilder {
    fn new(project: Option<&ProjectName>) -> Self {
        Self {
            names: project.map(FileNames::new),
            links: Vec::new(),
            releases: Vec::new(),
            by_text: HashMap::new(),
            pythons: HashMap::new(),
            files: 0,
            status: ProjectStatus::default(),
            base: None,
        }
    }

    fn add(&mut self, row: ListedFile<'_>) -> Result<(), IndexFault> {
        self.files += 1;
        if self.files > MOST_FILES {
            return Err(IndexFault::TooManyFiles { limit: MOST_FILES });
        }
        let Some(names) = &mut self.names else {
            if row.file_name.ends_with(".whl") {
                let wheel = self.wheel(row);
                self.links.push(wheel);
            }
            return Ok(());
        };
        match names.read(row.file_name) {
            Some(Named::Wheel(version)) => {
                let Some(index) = self.release(version) else {
                    return Ok(());
                };
                let wheel = self.wheel(row);
                self.releases[index].wheels.push(wheel);
            }
            Some(Named::Source(version)) => {
                if let Some(index) = self.release(version) {
                    self.releases[index].has_source = true;
                }
            }
            None => {}
        }
        Ok(())
    }

    /// The position of a version's release; `None` if the text is no version.
    fn release(&mut self, text: &str) -> Option<usize> {
        if let Some(&index) = self.by_text.get(text) {
            return Some(index);
        }
        let version = names::version(text)?;
        let index = self.releases.len();
        self.releases.push(Release {
            version,
            wheels: Vec::new(),
            has_source: false,
        });
        self.by_text.insert(text.to_owned(), index);
        Some(index)
    }

    fn wheel(&mut self, row: ListedFile<'_>) -> IndexWheel {
        let requires_python = row.requires_python.and_then(|text| {
            if let Some(known) = self.pythons.get(text) {
                return known.clone();
            }
            // As pip does, one that cannot be read counts as none: METADATA is asked later.
            let read = Specifiers::parse(text).map(Arc::new);
            self.pythons.insert(text.to_owned(), read.clone());
            read
        });
        IndexWheel {
            file_name: row.file_name.into(),
            link: row.link.into(),
            digests: row.digests.into(),
            size: row.size,
            requires_python,
            metadata: row.metadata,
            yanked: row.yanked.map(Into::into),
            upload_time: row.upload_time.map(Into::into),
        }
    }

    fn finish(self) -> Page {
        let mut releases = self.releases;
        releases.sort_by(|one, other| one.version.cmp(&other.version));
        // Spellings such as 1.0 and 1.0.0 are one version.
        releases.dedup_by(|again, first| {
            let same = again.version == first.version;
            if same {
                first.wheels.append(&mut again.wheels);
                first.has_source |= again.has_source;
            }
            same
        });
        Page {
            releases,
            links: self.links,
            status: self.status,
            base: self.base,
        }
    }
}

/// Refuses a major version other than 1. A missing or malformed one counts as 1.0, as for pip.
fn check_api_version(version: &str) -> Result<(), IndexFault> {
    let major = version.split('.').next().unwrap_or_default().trim();
    match major.parse::<u64>() {
        Ok(major) if major != 1 => Err(IndexFault::ApiVersion(version.trim().to_owned())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
