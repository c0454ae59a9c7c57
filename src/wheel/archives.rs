//! The bytes of the wheels of one command.
//!
//! A wheel on disk has its [`Archive`] from the start; the archive of a remote wheel is added when
//! the download has finished, while other threads already read the rest.

use std::sync::OnceLock;

use super::WheelId;
use crate::archive::Archive;
use crate::error::{Error, Result, SourceFault};

/// One open archive per wheel, or a gap until its download has finished.
#[derive(Debug, Default)]
pub struct Archives {
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    label: String,
    // Threads that write files read this slot often, and `OnceLock` lets them do so without a lock.
    archive: OnceLock<Archive>,
}

impl Archives {
    /// Adds the next wheel: `label` is its name in errors, `archive` its bytes if they are here.
    pub fn push(&mut self, label: &str, archive: Option<Archive>) {
        self.slots.push(Slot {
            label: label.to_owned(),
            archive: archive.map_or_else(OnceLock::new, OnceLock::from),
        });
    }

    /// All wheels, taken apart: label and archive of each.
    pub fn into_parts(self) -> impl Iterator<Item = (String, Option<Archive>)> {
        let slots = self.slots.into_iter();
        slots.map(|slot| (slot.label, slot.archive.into_inner()))
    }

    /// Fills the gap of a wheel that has arrived.
    pub fn fill(&self, id: WheelId, archive: Archive) {
        // A second copy of the same wheel was checked against the same preview, so either will do.
        let _ = self.slot(id).archive.set(archive);
    }

    /// Whether the bytes of the wheel are here.
    pub fn is_here(&self, id: WheelId) -> bool {
        self.slot(id).archive.get().is_some()
    }

    /// The archive of a wheel.
    ///
    /// # Errors
    /// [`SourceFault::NotFetched`] if it has not arrived yet.
    pub fn get(&self, id: WheelId) -> Result<&Archive> {
        let slot = self.slot(id);
        slot.archive
            .get()
            .ok_or_else(|| Error::wheel(&slot.label, SourceFault::NotFetched))
    }

    /// How errors name the wheel.
    pub fn label(&self, id: WheelId) -> &str {
        &self.slot(id).label
    }

    fn slot(&self, id: WheelId) -> &Slot {
        &self.slots[id.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_wheel_that_has_not_arrived_is_an_error_with_its_label() {
        let mut archives = Archives::default();
        archives.push("https://example.org/demo.whl", None);
        assert!(!archives.is_here(WheelId(0)));
        let error = archives.get(WheelId(0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert_eq!(error.refused_wheels()[0].0, "https://example.org/demo.whl");
    }
}
