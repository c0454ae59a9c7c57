//! Files that come from the store: linked, cloned or copied, one directory after the other.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::Stages;
use super::directory_links::DirectoryLinks;
use super::queue::{FILE_COST, Group, Work};
use super::store_files::StoreFiles;
use crate::environment::layout::RootId;
use crate::error::{Error, Result, SourceFault, WarningCode};
use crate::fs::Below;
use crate::outcome::Warning;
use crate::plan::{Content, Plan, PlannedFile};
use crate::store::{Filling, Linker, StoredFile};
use crate::wheel::{EntryId, WheelId};

/// How many files make a group, unless they are in one directory.
// A worker takes a fraction of a millisecond for so many links.
const GROUP: usize = 128;

/// The store, and what is possible between it and each staging directory.
pub(super) struct StageLinks<'a> {
    pub(super) files: &'a StoreFiles<'a>,
    stages: &'a Stages<'a>,
    /// The directories that become symbolic links.
    pub(super) directories: DirectoryLinks,
    linkers: HashMap<RootId, Linker<'a>>,
    /// Why files are copied, although copies were not asked for.
    obstacle: Option<String>,
    /// The numbers of the planned files of wheels that are put into the store.
    planned: HashMap<(WheelId, EntryId), usize>,
}

impl<'a> StageLinks<'a> {
    /// Finds out what is possible; `None` if the plan has nothing to do with the store.
    ///
    /// # Errors
    /// A way of linking that was asked for by its name and is not possible.
    pub(super) fn new(
        plan: &Plan,
        stages: &'a Stages<'a>,
        files: Option<&'a StoreFiles<'a>>,
    ) -> Result<Option<Self>> {
        let Some(files) = files else { return Ok(None) };
        let directories = DirectoryLinks::of(plan, files);
        let mut is_needed = false;
        let mut planned = HashMap::new();
        for (number, file) in plan.files.iter().enumerate() {
            if let Content::Entry(id, entry) = file.content {
                is_needed |= files.stored(id).is_some();
                if files.filling(id).is_some() && !directories.contains(file.slot) {
                    planned.insert((id, entry), number);
                }
            }
        }
        if !is_needed && files.filling.iter().all(Option::is_none) {
            return Ok(None);
        }
        let (mut linkers, mut obstacle) = (HashMap::new(), None);
        for (root, stage) in stages.iter() {
            let new = Linker::between(files.store, stage, files.mode, files.counts)?;
            linkers.insert(root, new.linker);
            obstacle = obstacle.or(new.obstacle);
        }
        Ok(Some(Self {
            files,
            stages,
            directories,
            linkers,
            obstacle,
            planned,
        }))
    }

    /// A warning that files are copied because they cannot be linked, if that is so.
    pub(super) fn warning(&self) -> Option<Warning> {
        self.obstacle.as_ref().map(|obstacle| Warning {
            code: WarningCode::NotLinked,
            wheel: None,
            message: format!("{obstacle}; files are copied from the store, which takes longer"),
        })
    }

    pub(super) fn is_stored(&self, id: WheelId) -> bool {
        self.files.stored(id).is_some()
    }

    /// The wheel `id` as it is put into the store, if it is.
    pub(super) fn filling(&self, id: WheelId) -> Option<&'a Filling<'a>> {
        self.files.filling(id)
    }

    /// The number of the planned file that an entry of a wheel becomes which is put into the store.
    pub(super) fn planned(&self, id: WheelId, entry: EntryId) -> Option<usize> {
        self.planned.get(&(id, entry)).copied()
    }

    /// Counts files that are in a directory which is a symbolic link.
    pub(super) fn count_symlinked(&self, count: u64) {
        // Relaxed: only the sum counts, and it is read after the threads have ended.
        let symlinked = &self.files.counts.symlinked;
        symlinked.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts a wheel that is in the store from now on.
    pub(super) fn count_filled(&self) {
        // Relaxed: only the sum counts, and it is read after the threads have ended.
        self.files.counts.filled.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes this file. It does not link into a directory that passes on a group, a default ACL or
    /// a label of its own.
    pub(super) fn linker(&self, file: &PlannedFile) -> Linker<'a> {
        let linker = self.linkers[&file.place.root];
        if self.stages.is_inner(file.slot) {
            // A link would keep the group, the access list and the label that it has in the store.
            linker.without_links()
        } else {
            linker
        }
    }

    /// Puts together the files from the store, which are sorted by place.
    pub(super) fn groups(&self, plan: &Plan, files: &[usize]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let runs =
            files.chunk_by(|&one, &other| is_one_directory(&plan.files[one], &plan.files[other]));
        for run in runs {
            let cost = run.len() as u64 * FILE_COST;
            match groups.last_mut() {
                Some(Group {
                    cost: sum,
                    work: Work::Link(files),
                    ..
                }) if files.len() + run.len() <= GROUP => {
                    *sum += cost;
                    files.extend_from_slice(run);
                }
                _ => groups.push(Group {
                    unpacks: false,
                    cost,
                    work: Work::Link(run.to_vec()),
                }),
            }
        }
        groups
    }

    /// Makes the files of a group. `done` is called with each.
    pub(super) fn link(
        &self,
        plan: &Plan,
        files: &[usize],
        buffer: &mut Vec<u8>,
        done: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        let runs =
            files.chunk_by(|&one, &other| is_one_directory(&plan.files[one], &plan.files[other]));
        for run in runs {
            self.link_run(plan, run, buffer, done)?;
        }
        Ok(())
    }

    /// Makes files of one wheel and of one directory.
    fn link_run(
        &self,
        plan: &Plan,
        run: &[usize],
        buffer: &mut Vec<u8>,
        done: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        let first = &plan.files[run[0]];
        let Content::Entry(id, _) = first.content else {
            return Ok(());
        };
        let linker = self.linker(first);
        let wheel = &self.files.wheels[id.0 as usize];
        let stored = self.files.stored(id);
        let stored = stored.ok_or_else(|| Error::wheel(&wheel.label, SourceFault::NotFetched))?;
        let staged = self.stages.path(plan, first);
        let (below, first_name) = split(&staged);
        let stage = Below::new(linker.to(), below, run.len())?;
        let mut source = Below::new(&stored.tree, "", 0)?;
        for &number in run {
            let file = &plan.files[number];
            let Content::Entry(_, entry) = file.content else {
                continue;
            };
            let entry = &wheel.entries[entry.0 as usize];
            let (below, name) = split(entry.path.as_str());
            // Nearly all files of one directory come from one directory.
            if !source.is_at(below) {
                source = Below::new(&stored.tree, below, run.len())?;
            }
            let path = source.path(name);
            let from = StoredFile {
                dir: source.dir(),
                path: &path,
                mode: stored.mode(entry.executable),
            };
            // A file that is moved in by itself is staged under the number of its operation.
            let name = if run.len() == 1 {
                first_name
            } else {
                file.place.path.file_name()
            };
            let to = (stage.dir(), &*stage.path(name));
            linker.place(from, to, file.executable, buffer)?;
            done(number)?;
        }
        Ok(())
    }
}

/// The directory of a path, which is empty for a single component, and its last component.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Whether two files that follow each other are of one wheel and are staged in one directory.
fn is_one_directory(one: &PlannedFile, other: &PlannedFile) -> bool {
    let is_one_wheel = match (&one.content, &other.content) {
        (Content::Entry(one, _), Content::Entry(other, _)) => one == other,
        _ => false,
    };
    is_one_wheel
        && (one.place.root, one.slot) == (other.place.root, other.slot)
        && one.place.path.directory() == other.place.path.directory()
}
