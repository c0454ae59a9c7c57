//! The staging directories: one for each root, with further ones inside for files that would not
//! get there what their final directory passes on.

use std::collections::HashMap;

use crate::environment::layout::RootId;
use crate::error::Result;
use crate::fs::Dir;
use crate::plan::{Operation, OperationKind, Plan, PlannedFile};

/// The open staging directory of each root.
#[derive(Default)]
pub struct Stages<'a> {
    by_root: HashMap<RootId, &'a Dir>,
    /// The directory inside the staging directory in which a slot is made, if not in itself.
    inner: HashMap<u32, &'a str>,
}

impl<'a> Stages<'a> {
    /// Adds the staging directory of a root. The slots in `inner` are made in these directories
    /// inside of it.
    pub fn add(&mut self, root: RootId, stage: &'a Dir, inner: &'a HashMap<u32, String>) {
        self.by_root.insert(root, stage);
        let inner = inner.iter().map(|(slot, name)| (*slot, name.as_str()));
        self.inner.extend(inner);
    }

    /// The staging directories by root.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RootId, &'a Dir)> {
        self.by_root.iter().map(|(root, dir)| (*root, *dir))
    }

    /// Whether new files in the final directory get something else than in the staging directory.
    pub(super) fn is_inner(&self, slot: u32) -> bool {
        self.inner.contains_key(&slot)
    }

    pub(super) fn dir(&self, root: RootId) -> &'a Dir {
        self.by_root[&root]
    }

    /// The path at which a file is made, below the staging directory of its root.
    pub(super) fn path(&self, plan: &Plan, file: &PlannedFile) -> String {
        self.below(file.slot, plan.staged_path(file))
    }

    /// The path at which something in a slot is made; `path` begins with the slot.
    pub(super) fn below(&self, slot: u32, path: String) -> String {
        match self.inner.get(&slot) {
            Some(inner) => format!("{inner}/{path}"),
            None => path,
        }
    }

    /// Moves every slot to its place in the staging directory, where the commit expects it.
    pub(super) fn gather(&self, operations: &[Operation]) -> Result<()> {
        let staged = operations
            .iter()
            .filter(|operation| operation.kind == OperationKind::In);
        for operation in staged {
            if let Some(inner) = self.inner.get(&operation.slot) {
                let (dir, slot) = (self.dir(operation.place.root), operation.slot.to_string());
                dir.rename(&format!("{inner}/{slot}"), dir, &slot)?;
            }
        }
        Ok(())
    }
}
