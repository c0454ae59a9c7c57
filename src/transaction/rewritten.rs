//! Bytecode that interpreters have written since a transaction moved older bytecode out.
//!
//! Input: the operations that an undo makes so far, and the path of something that returns. Output:
//! whether nothing but such bytecode will be in its way. It belongs to a version that leaves, and
//! an interpreter writes it again whenever it likes, so that it can be moved out of the way.

use std::path::Path;

use super::areas::Area;
use super::journal::{Journal, JournalOperation};
use crate::error::Result;
use crate::fs::{Dir, Kind};
use crate::installed::BYTECODE;
use crate::plan::OperationKind;

/// The ending of bytecode.
const COMPILED: &str = "pyc";

/// Whether there is bytecode, and nothing else, at `at` below `dir`. It may have another name there
/// than the one of its `path` in the environment, which says what it is.
pub(super) fn is_bytecode(dir: &Dir, at: &str, path: &str) -> Result<bool> {
    let path = Path::new(path);
    let is_cache = |path: &Path| path.file_name().is_some_and(|name| name == BYTECODE);
    let is_compiled = |path: &Path| path.extension().is_some_and(|ending| ending == COMPILED);
    let kind = if is_cache(path) {
        Kind::Directory
    } else if path.parent().is_some_and(is_cache) && is_compiled(path) {
        Kind::File
    } else {
        return Ok(false);
    };
    let found = dir.walk(at)?;
    let mut found = found.iter();
    let is_own = found.next().is_some_and(|(_, stat)| stat.kind == kind);
    Ok(is_own && found.all(|(below, stat)| stat.kind == Kind::File && is_compiled(below)))
}

/// Whether bytecode will be at the place of an operation, whose root is that of the area `root`,
/// once all operations of the journal were made.
pub(super) fn will_be_there(
    journal: &Journal,
    areas: &[Area],
    root: usize,
    operation: &JournalOperation,
) -> Result<bool> {
    let path = operation.path.as_str();
    let at = &journal.roots[root].at;
    // The last operation at the path or above it decides what is there.
    let decides = |other: &&JournalOperation| {
        journal.roots[other.root].at == *at && below(path, &other.path).is_some()
    };
    match journal.operations.iter().rfind(decides) {
        None => is_bytecode(&areas[root].live, path, path),
        Some(last) if last.kind == OperationKind::In => {
            let rest = below(path, &last.path).unwrap_or_default();
            let staged = format!("{}{rest}", last.slot);
            is_bytecode(&areas[last.root].stage.dir, &staged, path)
        }
        Some(_) => Ok(false),
    }
}

/// What follows `above` in a path that is the same or lies below it.
fn below<'a>(path: &'a str, above: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(above)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}
