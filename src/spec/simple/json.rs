//! Pages in JSON (PEP 691, with PEP 592, 658, 700, 714 and 792).
//!
//! Input: the body. Output: its files, added to a [`PageBuilder`]. Invariant: a key of another type
//! than the specification gives it counts as absent in that file alone. Limits: keys that are not
//! used here are skipped without being stored.

use std::borrow::Cow;
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
                    if let Some(version) = meta.version.as_ref().and_then(KeyValue::text)
                        && let Err(fault) = check_api_version(version)
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

/// The value of a key.
// Serde derives such a type so that it tries one variant after the other, and each failure writes
// an error message: that took longer than everything else that is done with a page.
enum KeyValue<'a> {
    Flag(bool),
    Number(u64),
    Text(Cow<'a, str>),
    /// An object of texts: the digests of known algorithms.
    Digests(Vec<Digest>),
    /// Anything else, which is ignored.
    Other,
}

impl KeyValue<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Flag(_) | Self::Number(_) | Self::Digests(_) | Self::Other => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for KeyValue<'a> {
    fn deserialize<D: de::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(KeyValueVisitor)
    }
}

struct KeyValueVisitor;

impl<'de> Visitor<'de> for KeyValueVisitor {
    type Value = KeyValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<KeyValue<'de>, E> {
        Ok(KeyValue::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<KeyValue<'de>, E> {
        Ok(KeyValue::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<KeyValue<'de>, E> {
        Ok(KeyValue::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<KeyValue<'de>, E> {
        Ok(KeyValue::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<KeyValue<'de>, E> {
        Ok(KeyValue::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<KeyValue<'de>, E> {
        Ok(KeyValue::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<KeyValue<'de>, E> {
        Ok(KeyValue::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<KeyValue<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(KeyValue::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeyValue<'de>, A::Error> {
        let (mut digests, mut has_only_texts): (Vec<Digest>, _) = (Vec::new(), true);
        // The reader limits how deep values may be nested.
        while let Some((name, value)) = map.next_entry::<KeyValue<'de>, KeyValue<'de>>()? {
            let Some(hex) = value.text() else {
                has_only_texts = false;
                continue;
            };
            if let Some(algorithm) = name.text().and_then(Algorithm::from_name) {
                // Of a key that occurs twice the last value counts.
                digests.retain(|digest| digest.algorithm() != algorithm);
                digests.extend(Digest::from_hex(algorithm, hex));
            }
        }
        // An object has no order, and results must not depend on it.
        digests.sort_by_key(Digest::algorithm);
        Ok(if has_only_texts {
            KeyValue::Digests(digests)
        } else {
            KeyValue::Other
        })
    }
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "api-version")]
    version: Option<KeyValue<'a>>,
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
    filename: KeyValue<'a>,
    #[serde(borrow)]
    url: KeyValue<'a>,
    #[serde(borrow, default)]
    hashes: Option<KeyValue<'a>>,
    #[serde(borrow, default)]
    requires_python: Option<KeyValue<'a>>,
    #[serde(borrow, default)]
    core_metadata: Option<KeyValue<'a>>,
    /// The key before PEP 714; other names for it were never in use.
    #[serde(borrow, default)]
    dist_info_metadata: Option<KeyValue<'a>>,
    #[serde(borrow, default)]
    yanked: Option<KeyValue<'a>>,
    #[serde(borrow, default)]
    size: Option<KeyValue<'a>>,
    #[serde(borrow, default)]
    upload_time: Option<KeyValue<'a>>,
}

impl File<'_> {
    fn row(&self) -> Option<ListedFile<'_>> {
        let metadata = match (&self.core_metadata, &self.dist_info_metadata) {
            (Some(key), _) | (None, Some(key)) => metadata(key),
            (None, None) => MetadataFile::Absent,
        };
        Some(ListedFile {
            file_name: self.filename.text()?,
            link: self.url.text()?,
            digests: match &self.hashes {
                Some(KeyValue::Digests(digests)) => digests,
                _ => &[],
            },
            size: match self.size {
                Some(KeyValue::Number(size)) => Some(size),
                _ => None,
            },
            requires_python: self.requires_python.as_ref().and_then(KeyValue::text),
            metadata,
            yanked: match &self.yanked {
                Some(KeyValue::Flag(true)) => Some(""),
                Some(KeyValue::Text(reason)) => Some(reason),
                _ => None,
            },
            upload_time: self.upload_time.as_ref().and_then(KeyValue::text),
        })
    }
}

fn metadata(key: &KeyValue<'_>) -> MetadataFile {
    match key {
        KeyValue::Flag(true) => MetadataFile::Unpinned,
        KeyValue::Digests(digests) => Digest::among(digests, Algorithm::Sha256)
            .map_or(MetadataFile::Unpinned, |digest| {
                MetadataFile::Pinned(Box::new(digest))
            }),
        KeyValue::Flag(false) | KeyValue::Number(_) | KeyValue::Text(_) | KeyValue::Other => {
            MetadataFile::Absent
        }
    }
}
