//! Reads a journal of any version, or the record of one that is kept for undo.
//!
//! Input: an open state directory. Output: a journal in the present form, written by this user
//! or root.

use super::journal::{self, Journal, OTHER_VERSION};
use super::state_dir::StateDir;
use super::version_1;
use crate::environment::layout::Layout;
use crate::error::{Error, Result};

/// The journal of this name, `None` if there is none.
///
/// # Errors
/// It cannot be trusted, or it names another writer than the owner of its file.
pub fn read(state: &StateDir, layout: &Layout, name: &str) -> Result<Option<Journal>> {
    let refuse = |reason: String| Error::journal(&state.dir().path().join(name), reason);
    let Some((content, owner)) = state.read_trusted(name)? else {
        return Ok(None);
    };
    let read = journal::unseal(&content).and_then(|(version, body)| match version {
        journal::VERSION => Journal::of_body(body),
        version_1::VERSION => version_1::read(body, layout, state),
        _ => Err(OTHER_VERSION),
    });
    let journal = read.map_err(|reason| refuse(reason.to_owned()))?;
    if journal.uid != owner {
        let writer = journal.uid;
        return Err(refuse(format!(
            "it was written by user {writer}, its file belongs to user {owner}"
        )));
    }
    Ok(Some(journal))
}
