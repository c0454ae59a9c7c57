//! Pages in the form in which they are kept between commands: nothing but wheels, by version.
//!
//! Input: a [`Page`], or the bytes that were kept of it. Output: a [`CondensedPage`], of which only
//! the list of versions is read at once: of thousands of wheels a resolution looks at a few.
//! Invariant: what is read was checked as a whole before. The form holds for every environment and
//! every command, so it says nothing about which wheels fit.
//!
//! ```text
//! the head          versions, how many bytes the wheels of each have, state, base
//! for each version  its wheels
//! ```
//!
//! Both are in the format of `postcard`.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{IndexWheel, MetadataFile, Page, ProjectStatus};
use crate::digest::{Algorithm, Digest};
use crate::spec::version::{Specifiers, Version};

/// The name of the form. A later form gets another one, so that it is not taken for this one.
pub const CONDENSED: &str = "wheels 1";

/// A page of which the wheels are read when they are asked for.
#[derive(Debug)]
pub struct CondensedPage {
    content: Vec<u8>,
    /// The versions, from the lowest to the highest, each once.
    pub versions: Vec<Version>,
    /// Where the wheels of each version are in `content`.
    places: Vec<Range<usize>>,
    /// The state of the project (PEP 792).
    pub status: ProjectStatus,
    /// The address that relative links start from, if the page states one.
    pub base: Option<Box<str>>,
}

#[derive(Serialize, Deserialize)]
struct HeadRow<'a> {
    #[serde(borrow)]
    releases: Vec<ReleaseRow<'a>>,
    status: StatusRow<'a>,
    base: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct ReleaseRow<'a> {
    version: &'a str,
    /// How many bytes its wheels have.
    length: usize,
}

#[derive(Serialize, Deserialize)]
enum StatusRow<'a> {
    Active,
    Archived(&'a str),
    Deprecated(&'a str),
    Quarantined(&'a str),
}

#[derive(Serialize, Deserialize)]
struct WheelRow<'a> {
    file_name: &'a str,
    /// The link, or what comes before the file name in it.
    link: &'a str,
    is_link_whole: bool,
    /// The SHA-256, which nearly all have and which takes no list.
    sha256: Option<&'a [u8]>,
    /// The names of other algorithms, and the bytes.
    #[serde(borrow)]
    digests: Vec<(&'a str, &'a [u8])>,
    size: Option<u64>,
    requires_python: Option<&'a str>,
    metadata: MetadataRow<'a>,
    yanked: Option<&'a str>,
    upload_time: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
enum MetadataRow<'a> {
    Absent,
    Unpinned,
    /// SHA-256.
    Pinned(&'a [u8]),
}

impl Page {
    /// The page in the form [`CONDENSED`].
    ///
    /// # Panics
    /// Never: the form has room for everything.
    pub fn condensed(&self) -> Vec<u8> {
        self.write().0
    }

    /// The page in that form, and how many bytes the wheels of each version have.
    fn write(&self) -> (Vec<u8>, Vec<usize>) {
        let (mut releases, mut wheels) = (Vec::with_capacity(self.releases.len()), Vec::new());
        for release in &self.releases {
            let start = wheels.len();
            let rows: Vec<WheelRow<'_>> = release.wheels.iter().map(WheelRow::of).collect();
            wheels = postcard::to_extend(&rows, wheels).expect("rows have no other types");
            releases.push(ReleaseRow {
                version: release.version.raw(),
                length: wheels.len() - start,
            });
        }
        let lengths = releases.iter().map(|release| release.length).collect();
        let head = HeadRow {
            releases,
            status: match &self.status {
                ProjectStatus::Active => StatusRow::Active,
                ProjectStatus::Archived(reason) => StatusRow::Archived(reason),
                ProjectStatus::Deprecated(reason) => StatusRow::Deprecated(reason),
                ProjectStatus::Quarantined(reason) => StatusRow::Quarantined(reason),
            },
            base: self.base.as_deref(),
        };
        let mut content = postcard::to_allocvec(&head).expect("the head has no other types");
        content.append(&mut wheels);
        (content, lengths)
    }
}

impl<'a> WheelRow<'a> {
    fn of(wheel: &'a IndexWheel) -> Self {
        let before_name = wheel.link.strip_suffix(&*wheel.file_name);
        let of_sha256 = |digest: &&Digest| digest.algorithm() == Algorithm::Sha256;
        let digests = wheel.digests.iter();
        Self {
            file_name: &wheel.file_name,
            link: before_name.unwrap_or(&wheel.link),
            is_link_whole: before_name.is_none(),
            sha256: digests.clone().find(of_sha256).map(Digest::bytes),
            digests: digests
                .filter(|digest| !of_sha256(digest))
                .map(|digest| (digest.algorithm().name(), digest.bytes()))
                .collect(),
            size: wheel.size,
            requires_python: wheel.requires_python.as_deref().map(Specifiers::raw),
            metadata: match &wheel.metadata {
                MetadataFile::Absent => MetadataRow::Absent,
                MetadataFile::Unpinned => MetadataRow::Unpinned,
                MetadataFile::Pinned(digest) => MetadataRow::Pinned(digest.bytes()),
            },
            yanked: wheel.yanked.as_deref(),
            upload_time: wheel.upload_time.as_deref(),
        }
    }
}

impl From<Page> for CondensedPage {
    // What was just written needs no check, and its versions were read already.
    fn from(page: Page) -> Self {
        let (content, lengths) = page.write();
        let mut at = content.len() - lengths.iter().sum::<usize>();
        let place = |length| {
            let place = at..at + length;
            at = place.end;
            place
        };
        Self {
            places: lengths.into_iter().map(place).collect(),
            versions: (page.releases.into_iter().map(|release| release.version)).collect(),
            status: page.status,
            base: page.base,
            content,
        }
    }
}

impl CondensedPage {
    /// Reads a page in the form [`CONDENSED`]; `None` if anything in it is malformed.
    pub fn read(content: Vec<u8>) -> Option<Self> {
        let (head, wheels): (HeadRow<'_>, &[u8]) = postcard::take_from_bytes(&content).ok()?;
        let mut at = content.len() - wheels.len();
        let mut versions = Vec::with_capacity(head.releases.len());
        let mut places = Vec::with_capacity(head.releases.len());
        for release in &head.releases {
            let place = at..at.checked_add(release.length)?;
            // Checked now, so that reading a version later cannot fail.
            for row in rows(content.get(place.clone())?)? {
                row.check()?;
            }
            at = place.end;
            versions.push(Version::parse(release.version)?);
            places.push(place);
        }
        let is_sorted = versions.is_sorted_by(|one: &Version, next| one < next);
        if at != content.len() || !is_sorted {
            return None;
        }
        let status = match head.status {
            StatusRow::Active => ProjectStatus::Active,
            StatusRow::Archived(reason) => ProjectStatus::Archived(reason.to_owned()),
            StatusRow::Deprecated(reason) => ProjectStatus::Deprecated(reason.to_owned()),
            StatusRow::Quarantined(reason) => ProjectStatus::Quarantined(reason.to_owned()),
        };
        let base = head.base.map(Into::into);
        Some(Self {
            versions,
            places,
            status,
            base,
            content,
        })
    }

    /// The same page in the form that is kept.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The wheels of the version at this position, in the order of the page.
    ///
    /// # Panics
    /// There is no such position.
    pub fn wheels(&self, position: usize) -> Vec<IndexWheel> {
        let place = self.places[position].clone();
        let rows = rows(&self.content[place]).expect("the page was checked when it was read");
        // The wheels of one version nearly always state the same.
        let mut pythons: HashMap<&str, Option<Arc<Specifiers>>> = HashMap::new();
        let wheels = rows.into_iter().map(|row| {
            let requires_python = row.requires_python.and_then(|text| {
                let read = || Specifiers::parse(text).map(Arc::new);
                pythons.entry(text).or_insert_with(read).clone()
            });
            let link = if row.is_link_whole {
                row.link.into()
            } else {
                format!("{}{}", row.link, row.file_name).into()
            };
            let main = row.sha256.map(sha256);
            let digests = main.into_iter().chain(row.digests.iter().map(digest));
            IndexWheel {
                file_name: row.file_name.into(),
                link,
                // The checked page has no malformed ones.
                digests: digests.flatten().collect(),
                size: row.size,
                requires_python,
                metadata: match row.metadata {
                    MetadataRow::Absent => MetadataFile::Absent,
                    MetadataRow::Unpinned => MetadataFile::Unpinned,
                    MetadataRow::Pinned(bytes) => {
                        let digest = sha256(bytes).expect("the page was checked when it was read");
                        MetadataFile::Pinned(Box::new(digest))
                    }
                },
                yanked: row.yanked.map(Into::into),
                upload_time: row.upload_time.map(Into::into),
            }
        });
        wheels.collect()
    }
}

/// The wheels of one version, if `content` is nothing else.
fn rows(content: &[u8]) -> Option<Vec<WheelRow<'_>>> {
    let (rows, rest) = postcard::take_from_bytes(content).ok()?;
    rest.is_empty().then_some(rows)
}

impl WheelRow<'_> {
    /// `None` if a digest is malformed.
    fn check(&self) -> Option<()> {
        if let MetadataRow::Pinned(bytes) = self.metadata {
            sha256(bytes)?;
        }
        if let Some(bytes) = self.sha256 {
            sha256(bytes)?;
        }
        let is_digest = |row| digest(row).is_some();
        self.digests.iter().all(is_digest).then_some(())
    }
}

fn sha256(bytes: &[u8]) -> Option<Digest> {
    Digest::from_bytes(Algorithm::Sha256, bytes)
}

fn digest((algorithm, bytes): &(&str, &[u8])) -> Option<Digest> {
    Digest::from_bytes(Algorithm::from_name(algorithm)?, bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::name::ProjectName;
    use super::*;

    fn page(kind: &str, body: &str) -> Page {
        let project = ProjectName::parse("p").expect("a name");
        Page::parse(&project, kind, body.as_bytes()).expect("a page")
    }

    fn files() -> String {
        let digest = "ab".repeat(32);
        let long = "cd".repeat(64);
        let files = [
            format!(r#""p-2.0-py3-none-any.whl", "hashes": {{"sha256": "{digest}"}}, "size": 7"#),
            format!(
                r#""p-2.0-1-py3-none-any.whl", "hashes": {{"sha512": "{long}"}}, "yanked": "bad",
                "core-metadata": {{"sha256": "{digest}"}}, "requires-python": ">=3.8,<4""#
            ),
            r#""p-1.0-py3-none-any.whl", "core-metadata": true, "upload-time": "2026""#.to_owned(),
            r#""p-3.0rc1.tar.gz""#.to_owned(),
        ];
        let files = files.map(|file| format!(r#"{{"url": "../f/x.whl", "filename": {file}}}"#));
        format!(r#"{{"files": [{}], "#, files.join(","))
    }

    #[test]
    fn a_condensed_page_says_the_same() {
        let json = "application/vnd.pypi.simple.v1+json";
        for status in ["active", "archived", "deprecated", "quarantined"] {
            let status = format!(r#""project-status": {{"status": "{status}", "reason": "r"}}}}"#);
            let mut whole = page(json, &(files() + &status));
            whole.base = Some("https://h.example/".into());
            let written = CondensedPage::from(whole.clone());
            let read = CondensedPage::read(written.content().to_vec()).expect("a page");
            for page in [written, read] {
                assert_eq!((&page.status, &page.base), (&whole.status, &whole.base));
                assert_eq!(page.versions.len(), 3);
                for (position, release) in whole.releases.iter().enumerate() {
                    assert_eq!(page.versions[position].raw(), release.version.raw());
                    assert_eq!(page.wheels(position), release.wheels);
                }
            }
        }
    }

    #[test]
    fn what_is_damaged_is_not_read() {
        let whole = page("application/json", &(files() + "\"x\": 1}")).condensed();
        for end in 0..whole.len() {
            assert!(CondensedPage::read(whole[..end].to_vec()).is_none());
        }
        let longer = [&whole[..], b"\0"].concat();
        assert!(CondensedPage::read(longer).is_none());
    }

    proptest! {
        #[test]
        fn whatever_is_read_can_be_looked_at(at in 0_usize..400, byte: u8) {
            let mut content = page("application/json", &(files() + "\"x\": 1}")).condensed();
            let at = at % content.len();
            content[at] = byte;
            if let Some(page) = CondensedPage::read(content) {
                for position in 0..page.versions.len() {
                    page.wheels(position);
                }
            }
        }
    }
}
