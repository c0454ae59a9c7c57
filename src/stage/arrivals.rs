//! Wheels that arrive while others are unpacked already.
//!
//! Input: a plan, and its wheels as their downloads finish. Output: the files that can be written
//! at once, and those of each other wheel once it is here.

use std::collections::HashMap;
use std::sync::mpsc::Receiver;

use super::links::StageLinks;
use crate::archive::Archive;
use crate::cancellation::Cancellation;
use crate::error::{Error, Result, SourceFault};
use crate::plan::{Content, Plan};
use crate::wheel::{Archives, WheelId};

/// The remote wheels of a plan, each checked and sent as soon as its download has finished.
pub struct Arrivals<'a> {
    /// Ends after the last wheel. An error stops staging, which then fails with it.
    pub archives: Receiver<Arrival>,
    /// Is cancelled when staging has failed, so that the rest need not be downloaded.
    pub enough: &'a Cancellation,
}

/// A wheel that has arrived, or the reason why it will not.
pub type Arrival = Result<(WheelId, Archive)>;

/// The files of each wheel that is not here yet, by their numbers.
pub type AwaitedFiles = HashMap<WheelId, Vec<usize>>;

/// The files of a plan by where their content comes from, by their numbers.
#[derive(Default)]
pub struct SortedFiles {
    /// Those that can be written now.
    pub here: Vec<usize>,
    /// Those that come from the store.
    pub stored: Vec<usize>,
    /// Those whose wheel has not arrived.
    pub awaited: AwaitedFiles,
}

impl SortedFiles {
    /// Sorts the files whose content is known before it is written. What comes from the store, and
    /// what of that a link to a directory stands for, only `links` knows.
    pub(super) fn of(plan: &Plan, links: Option<&StageLinks<'_>>, archives: &Archives) -> Self {
        let is_stored = |id| links.is_some_and(|links| links.is_stored(id));
        let is_linked = |slot| links.is_some_and(|links| links.directories.contains(slot));
        let mut sorted = Self::default();
        for (number, file) in plan.files.iter().enumerate() {
            match file.content {
                Content::Record(_) | Content::Bytecode(_) => {}
                Content::Entry(id, _) if is_stored(id) && is_linked(file.slot) => {}
                Content::Entry(id, _) if is_stored(id) => sorted.stored.push(number),
                Content::Entry(id, _) if !archives.is_here(id) => {
                    sorted.awaited.entry(id).or_default().push(number);
                }
                Content::Entry(..) | Content::Bytes(_) => sorted.here.push(number),
            }
        }
        sorted
    }
}

/// Puts each wheel among `archives` when it arrives, and passes its files to `arrived`. Returns
/// after the last one.
///
/// # Errors
/// A wheel will not arrive: its download failed, or nothing sends it.
pub fn receive(
    arrivals: Option<Receiver<Arrival>>,
    mut awaited: AwaitedFiles,
    archives: &Archives,
    mut arrived: impl FnMut(Vec<usize>),
) -> Result<()> {
    // Returning drops the receiver, so that the downloads cannot send any more.
    for arrival in arrivals.into_iter().flatten() {
        let (id, archive) = arrival?;
        archives.fill(id, archive);
        // A wheel that arrives a second time has no files left.
        arrived(awaited.remove(&id).unwrap_or_default());
    }
    match awaited.keys().next() {
        Some(id) => Err(Error::wheel(archives.label(*id), SourceFault::NotFetched)),
        None => Ok(()),
    }
}
