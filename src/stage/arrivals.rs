//! Wheels that arrive while others are unpacked already.
//!
//! Input: the wheels, as their downloads finish. Output: the files of each wheel, once it is here.

use std::collections::HashMap;
use std::sync::mpsc::Receiver;

use crate::archive::Archive;
use crate::cancellation::Cancellation;
use crate::error::{Error, Result, SourceFault};
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
