//! Pages in JSON (PEP 691, with PEP 592, 658, 700, 714 and 792).
//!
//! Input: the body. Output: its files, added to a [`PageBuilder`]. Invariant: a key of another type
//! than the specification gives it counts as absent in that file alone. Limits: keys that are not
//! used here are skipped without being stored.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{ListedFile, MetadataFile, PageBuilder, ProjectStatus, check_api_version};
use crate::digest::{Algorithm, Digest};
use crate::error::IndexFault;

/// Reads a page.
pub(super) fn read(body: &[u8], builder: &mut PageBuilder) -> Result<(), IndexFault> {
    let mut fault = None;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let seed = PageSeed {
        builder,
        fault: &mut fault,
    };
    let read = seed.deserialize(&mut reader);
    let read = read.and_then(|()| reader.end());
    match (fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(IndexFault::NotAPage(error.to_string())),
        (None, Ok(())) => Ok(()),
    }
}

/// The page: its files go to the builder one by one, so that no list of them is held.
struct PageSeed<'b> {
    builder: &'b mut PageBuilder,
    /// The reason to refuse the page, if reading ended for one that JSON knows nothing of.
    fault: &'b mut Option<IndexFault>,
}

impl<'de> DeserializeSeed<'de> for PageSeed<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the files of a project")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_files = false;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                "files" => {
                    has_files = true;
                    map.next_value_seed(FilesSeed {
                        builder: &mut *self.builder,
                        fault: &mut *self.fault,
                    })?;
                }
                "meta" => {
                    let meta: Meta<'de> = map.next_value()?;
                    if let Some(Either::Text(version)) = meta.version
                        && let Err(fault) = check_api_version(&version)
                    {
                        *self.fault = Some(fault);
                        return Err(de::Error::custom("another version"));
                    }
                }
                "project-status" => {
                    let status: StatedStatus<'de> = map.next_value()?;
                    self.builder.status = status.read();
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if has_files {
            Ok(())
        } else {
            Err(de::Error::missing_field("files"))
        }
    }
}

/// The list of files.
struct FilesSeed<'b> {
    builder: &'b mut PageBuilder,
    fault: &'b mut Option<IndexFault>,
}

impl<'de> DeserializeSeed<'de> for FilesSeed<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for FilesSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut files: A) -> Result<(), A::Error> {
        while let Some(file) = files.next_element::<File<'de>>()? {
            let Some(row) = file.row() else {
                continue;
            };
            if let Err(fault) = self.builder.add(row) {
                *self.fault = Some(fault);
                return Err(de::Error::custom("too many files"));
            }
        }
        Ok(())
    }
}

/// A text, a truth value, digests, or something else, which is ignored.
#[derive(Deserialize)]
#[serde(untagged)]
enum Either<'a> {
    Flag(bool),
    Text(#[serde(borrow)] Cow<'a, str>),
    Digests(#[serde(borrow)] HashMap<Cow<'a, str>, Cow<'a, str>>),
    Other(IgnoredAny),
}

impl Either<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Flag(_) | Self::Digests(_) | Self::Other(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "api-version")]
    version: Option<Either<'a>>,
}

/// PEP 792, with its first draft's form, a bare text, too.
#[derive(Deserialize)]
#[serde(untagged)]
enum StatedStatus<'a> {
    Object {
        #[serde(borrow)]
        status: Cow<'a, str>,
        #[serde(borrow, default)]
        reason: Option<Cow<'a, str>>,
    },
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(IgnoredAny),
}

impl StatedStatus<'_> {
    fn read(&self) -> ProjectStatus {
        match self {
            Self::Object { status, reason } => {
                ProjectStatus::of(status, reason.as_deref().unwrap_or_default())
            }
            Self::Text(status) => ProjectStatus::of(status, ""),
            Self::Other(_) => ProjectStatus::Active,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File<'a> {
    #[serde(borrow)]
    filename: Either<'a>,
    #[serde(borrow)]
    url: Either<'a>,
    #[serde(borrow, default)]
    hashes: Option<Either<'a>>,
    #[serde(borrow, default)]
    requires_python: Option<Either<'a>>,
    #[serde(borrow, default)]
    core_metadata: Option<Either<'a>>,
    /// The key before PEP 714; other names for it were never in use.
    #[serde(borrow, default)]
    dist_info_metadata: Option<Either<'a>>,
    #[serde(borrow, default)]
    yanked: Option<Either<'a>>,
    #[serde(default)]
    size: Option<Size>,
    #[serde(borrow, default)]
    upload_time: Option<Either<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Bytes(u64),
    Other(IgnoredAny),
}

impl File<'_> {
    fn row(&self) -> Option<ListedFile<'_>> {
        let digests = match &self.hashes {
            Some(Either::Digests(hashes)) => {
                let digest = |(name, hex): (&Cow<'_, str>, &Cow<'_, str>)| {
                    Digest::from_hex(Algorithm::from_name(name)?, hex)
                };
                let mut digests: Vec<Digest> = hashes.iter().filter_map(digest).collect();
                // A map has no order, and results must not depend on it.
                digests.sort_by_key(Digest::algorithm);
                digests
            }
            _ => Vec::new(),
        };
        let metadata = match (&self.core_metadata, &self.dist_info_metadata) {
            (Some(key), _) | (None, Some(key)) => metadata(key),
            (None, None) => MetadataFile::Absent,
        };
        Some(ListedFile {
            file_name: self.filename.text()?,
            link: self.url.text()?,
            digests,
            size: match self.size {
                Some(Size::Bytes(size)) => Some(size),
                Some(Size::Other(_)) | None => None,
            },
            requires_python: self.requires_python.as_ref().and_then(Either::text),
            metadata,
            yanked: match &self.yanked {
                Some(Either::Flag(true)) => Some(""),
                Some(Either::Text(reason)) => Some(reason),
                _ => None,
            },
            upload_time: self.upload_time.as_ref().and_then(Either::text),
        })
    }
}

fn metadata(key: &Either<'_>) -> MetadataFile {
    match key {
        Either::Flag(true) => MetadataFile::Unpinned,
        Either::Digests(hashes) => hashes
            .get("sha256")
            .and_then(|hex| Digest::from_hex(Algorithm::Sha256, hex))
            .map_or(MetadataFile::Unpinned, |digest| {
                MetadataFile::Pinned(Box::new(digest))
            }),
        Either::Flag(false) | Either::Text(_) | Either::Other(_) => MetadataFile::Absent,
    }
}
