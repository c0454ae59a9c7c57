//! The results of `cache` as a part of the JSON object.

use pkg_install::command::{CacheOutcome, CachePart};
use schemars::JsonSchema;
use serde::Serialize;

/// The result as a part of the JSON object.
#[derive(Serialize, JsonSchema)]
pub struct CacheObject<'a> {
    /// Null if no directory can be named.
    directory: Option<String>,
    /// What the cache holds; after a removal, what is left. Absent for `cache dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<CacheContentsObject>,
    /// What was removed, or in a dry run would be, as paths below the directory.
    removed: Vec<RemovedObject<'a>>,
    /// The paths of what was kept because another process is working on it.
    in_use: &'a [String],
    /// The paths of damaged wheels, and of changed files of unpacked ones; only of `cache verify`.
    damaged: &'a [String],
}

/// The parts of a cache.
#[derive(Default, Serialize, JsonSchema)]
struct CacheContentsObject {
    wheels: CacheCountObject,
    store: CacheCountObject,
    partial: CacheCountObject,
    notes: CacheCountObject,
    pages: CacheCountObject,
    interpreters: CacheCountObject,
}

/// How much there is of something.
#[derive(Default, Serialize, JsonSchema)]
struct CacheCountObject {
    items: u64,
    bytes: u64,
    /// How many of the bytes are shared with environments, and not freed by a removal.
    #[serde(skip_serializing_if = "Option::is_none")]
    linked_bytes: Option<u64>,
}

/// Something that was removed.
#[derive(Serialize, JsonSchema)]
struct RemovedObject<'a> {
    path: &'a str,
    bytes: u64,
}

impl<'a> CacheObject<'a> {
    pub fn new(outcome: &'a CacheOutcome) -> Self {
        let mut contents = CacheContentsObject::default();
        for (part, items, bytes) in &outcome.parts {
            let count = match part {
                CachePart::Wheels => &mut contents.wheels,
                CachePart::Store => &mut contents.store,
                CachePart::Partial => &mut contents.partial,
                CachePart::Notes => &mut contents.notes,
                CachePart::Pages => &mut contents.pages,
                CachePart::Interpreters => &mut contents.interpreters,
            };
            (count.items, count.bytes) = (*items, *bytes);
        }
        contents.store.linked_bytes = Some(outcome.linked);
        let removed = outcome.removed.iter();
        Self {
            directory: outcome
                .directory
                .as_ref()
                .map(|path| path.display().to_string()),
            contents: (!outcome.parts.is_empty()).then_some(contents),
            removed: removed
                .map(|(path, bytes)| RemovedObject {
                    path,
                    bytes: *bytes,
                })
                .collect(),
            in_use: &outcome.in_use,
            damaged: &outcome.damaged,
        }
    }
}
