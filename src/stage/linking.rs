//! Makes the packages that are symbolic links to directories of the store.
//!
//! Input: which packages are to be links. Output: the links, in the staging directory. A wheel that
//! this command puts into the store is linked when it is there, after everything else is written;
//! only then is it known whether its libraries would work, and if not it gets files.

use std::path::Path;

use foldhash::HashSet;

use super::directory_links::{LinkTarget, target};
use super::links::StageLinks;
use super::{Stages, make_directories};
use crate::error::{Error, Result, WarningCode};
use crate::outcome::{Events, Warning};
use crate::plan::{Content, DirectoryLink, Plan, PlannedFile};
use crate::store::StoredFile;
use crate::threads::Pool;
use crate::wheel::{EntryId, WheelId};

/// Makes the links of a plan. The files that they stand for are made with them.
pub(super) struct Linking<'a> {
    pub(super) plan: &'a Plan,
    pub(super) stages: &'a Stages<'a>,
    pub(super) links: &'a StageLinks<'a>,
    pub(super) pool: &'a Pool,
    /// Is called with the number of each planned file that is made.
    pub(super) done: &'a dyn Fn(usize),
}

impl Linking<'_> {
    /// Makes the links to wheels that are in the store already.
    pub(super) fn link_ready(&self) -> Result<()> {
        for link in self.links_in(&self.links.directories.ready) {
            let stored = self.links.files.stored(link.wheel);
            let stored = stored.ok_or_else(|| self.not_there(link))?;
            self.symlink(link, &stored.linked_directory(&link.name)?)?;
        }
        Ok(())
    }

    /// Makes the links to wheels that this command has put into the store. Returns the slots of all
    /// links that were made.
    ///
    /// # Errors
    /// A wheel that could not be put there, although links to it were asked for.
    pub(super) fn link_awaited(&self, events: &dyn Events) -> Result<HashSet<u32>> {
        let mut made = self.links.directories.ready.clone();
        let mut real: Vec<&DirectoryLink> = Vec::new();
        for link in self.links_in(&self.links.directories.awaited) {
            let filling = self.links.filling(link.wheel);
            let filling = filling.ok_or_else(|| self.not_there(link))?;
            match filling.self_contained() {
                Some(true) => {
                    let store = self.links.files.store;
                    let directory = store.linked_directory(filling.id(), &link.name)?;
                    self.symlink(link, &directory)?;
                    made.insert(link.slot);
                }
                Some(false) => real.push(link),
                None => {
                    return Err(match filling.failure() {
                        Some(error) => {
                            Error::cache(self.links.files.store.path(), error.to_string())
                        }
                        None => self.not_there(link),
                    });
                }
            }
        }
        if !real.is_empty() {
            make_directories(self.plan, self.stages, self.pool, &|slot| {
                real.iter().any(|link| link.slot == slot)
            })?;
            real.into_iter()
                .try_for_each(|link| self.link_files(link))?;
        }
        for warning in self.warnings(&made) {
            events.warning(warning);
        }
        Ok(made)
    }

    /// Warnings about wheels that got files instead of links.
    fn warnings(&self, made: &HashSet<u32>) -> Vec<Warning> {
        let left_out = self.plan.links.iter().filter(|link| {
            let is_unsuitable = match target(self.links.files, link.wheel) {
                LinkTarget::Unsuitable | LinkTarget::Awaited => true,
                LinkTarget::Ready | LinkTarget::Missing => false,
            };
            is_unsuitable && !made.contains(&link.slot)
        });
        let mut wheels: Vec<WheelId> = left_out.map(|link| link.wheel).collect();
        wheels.dedup();
        let label = |id: WheelId| &self.links.files.wheels[id.0 as usize].label;
        let warning = |id| {
            Warning::about(
                label(id),
                WarningCode::NotLinked,
                "its files are linked one by one: libraries in it look for others outside of the \
                 wheel, and would not find them behind a symbolic link",
            )
        };
        wheels.into_iter().map(warning).collect()
    }

    fn links_in(&self, slots: &HashSet<u32>) -> impl Iterator<Item = &DirectoryLink> {
        let links = self.plan.links.iter();
        links.filter(move |link| slots.contains(&link.slot))
    }

    fn symlink(&self, link: &DirectoryLink, target: &Path) -> Result<()> {
        let first = &self.plan.files[link.files.start];
        let stage = self.stages.dir(first.place.root);
        let name = self.stages.below(link.slot, link.slot.to_string());
        stage.symlink(target, &name)?;
        self.links.count_symlinked(link.files.len() as u64);
        link.files.clone().for_each(self.done);
        Ok(())
    }

    /// Makes the files of a directory whose wheel this command has put into the store.
    fn link_files(&self, link: &DirectoryLink) -> Result<()> {
        let mut buffer = Vec::new();
        for number in link.files.clone() {
            let file = &self.plan.files[number];
            if let Content::Entry(id, entry) = file.content {
                self.link_file(file, (id, entry), &mut buffer)?;
                (self.done)(number);
            }
        }
        Ok(())
    }

    fn link_file(
        &self,
        file: &PlannedFile,
        (id, entry): (WheelId, EntryId),
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        let filling = self.links.filling(id).expect("its slot is awaited");
        let entries = &filling.wheel().entries;
        let at = entries.binary_search_by_key(&entry, |other| other.id);
        let entry = &entries[at.expect("the plan has entries of the wheel only")];
        let tree = filling
            .tree()
            .ok_or_else(|| Error::cache(self.links.files.store.path(), "a wheel in it is gone"))?;
        let from = StoredFile {
            dir: tree,
            path: entry.path.as_str(),
            mode: filling.mode(entry.executable),
        };
        let linker = self.links.linker(file);
        let path = self.stages.path(self.plan, file);
        linker.place(from, (linker.to(), &path), file.executable, buffer)
    }

    fn not_there(&self, link: &DirectoryLink) -> Error {
        let label = &self.links.files.wheels[link.wheel.0 as usize].label;
        Error::cache(
            self.links.files.store.path(),
            format!("`{label}` is not in it, so nothing can be linked to it"),
        )
    }
}
