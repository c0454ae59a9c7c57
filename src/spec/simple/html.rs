//! Pages in HTML (PEP 503, with PEP 592, 658, 714 and 792), and pages of links.
//!
//! Input: the body. Output: the files that its links name, added to a [`PageBuilder`]. Limits: only
//! the tags `a`, `base` and `meta` are looked at; everything else is passed over. The file name is
//! the last part of the link, as for pip and uv, and not the text between the tags.

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};
use percent_encoding::percent_decode_str;

use super::{ListedFile, MetadataFile, PageBuilder, ProjectStatus, check_api_version};
use crate::digest::{Algorithm, Digest};
use crate::error::IndexFault;
use crate::spec::location::hashes_in;

/// Reads a page.
pub(super) fn read(body: &[u8], builder: &mut PageBuilder) -> Result<(), IndexFault> {
    // Indexes write UTF-8; a stray byte elsewhere on the page must not hide its files.
    let text = String::from_utf8_lossy(body);
    let mut open: Option<StartTag> = None;
    let next = |event: CallbackEvent<'_>, _: Span<()>| -> Option<StartTag> {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                open = TagKind::of(name).map(StartTag::new);
                None
            }
            CallbackEvent::AttributeName { name } => {
                open.as_mut()?.attributes.push((lossy(name), String::new()));
                None
            }
            CallbackEvent::AttributeValue { value } => {
                open.as_mut()?.attributes.last_mut()?.1 = lossy(value);
                None
            }
            CallbackEvent::CloseStartTag { .. } => open.take(),
            _ => None,
        }
    };
    let mut status: (Option<String>, Option<String>) = (None, None);
    let tokens = Tokenizer::new_with_emitter(text.as_ref(), CallbackEmitter::new(next));
    for tag in tokens {
        let Ok(tag) = tag;
        match tag.kind {
            TagKind::Link => {
                if let Some(href) = tag.get("href") {
                    link(&tag, href, builder)?;
                }
            }
            // The first one counts, as in browsers.
            TagKind::Base if builder.base.is_none() => {
                builder.base = tag.get("href").map(|href| href.trim().into());
            }
            TagKind::Base => {}
            TagKind::Meta => {
                let content = || tag.get("content").map(str::to_owned);
                match tag.get("name") {
                    Some("pypi:repository-version") => {
                        check_api_version(tag.get("content").unwrap_or_default())?;
                    }
                    Some("pypi:project-status") => status.0 = content(),
                    Some("pypi:project-status-reason") => status.1 = content(),
                    _ => {}
                }
            }
        }
    }
    if let (Some(word), reason) = status {
        builder.status = ProjectStatus::of(&word, &reason.unwrap_or_default());
    }
    Ok(())
}

/// A start tag of one of the kinds that matter.
struct StartTag {
    kind: TagKind,
    attributes: Vec<(String, String)>,
}

#[derive(Clone, Copy)]
enum TagKind {
    Link,
    Base,
    Meta,
}

impl TagKind {
    fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"a" => Some(Self::Link),
            b"base" => Some(Self::Base),
            b"meta" => Some(Self::Meta),
            _ => None,
        }
    }
}

impl StartTag {
    fn new(kind: TagKind) -> Self {
        Self {
            kind,
            attributes: Vec::new(),
        }
    }

    /// The value of the first attribute of this name.
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Adds the file that a link names.
fn link(tag: &StartTag, href: &str, builder: &mut PageBuilder) -> Result<(), IndexFault> {
    let href = href.trim();
    let (bare, fragment) = href.split_once('#').unwrap_or((href, ""));
    let path = bare.split('?').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let file_name = percent_decode_str(last).decode_utf8_lossy();
    // PEP 714: the newer name counts if both are there.
    let metadata = (tag.get("data-core-metadata")).or_else(|| tag.get("data-dist-info-metadata"));
    builder.add(ListedFile {
        file_name: &file_name,
        link: bare,
        // A malformed hash counts as none, which a requirement of hashes refuses later.
        digests: &hashes_in(fragment).unwrap_or_else(|_| Vec::new()),
        size: None,
        requires_python: tag.get("data-requires-python"),
        metadata: metadata.map_or(MetadataFile::Absent, metadata_of),
        yanked: tag.get("data-yanked"),
        upload_time: None,
    })
}

fn metadata_of(text: &str) -> MetadataFile {
    match text.trim().split_once('=') {
        Some(("sha256", hex)) => Digest::from_hex(Algorithm::Sha256, hex)
            .map_or(MetadataFile::Unpinned, |digest| {
                MetadataFile::Pinned(Box::new(digest))
            }),
        None if text.trim() == "false" => MetadataFile::Absent,
        _ => MetadataFile::Unpinned,
    }
}
