//! Sources that are no valid Python, as wheels have them for templates, tests and other versions.
//!
//! Input: the plan, and why each of them was refused. Output: a warning for each, and a plan
//! without their bytecode. They never make an installation fail.

use std::collections::{BTreeMap, BTreeSet};

use super::Stages;
use crate::environment::layout::RootId;
use crate::error::{Result, WarningCode};
use crate::outcome::{Events, Warning};
use crate::plan::{Content, Plan, RowFile};

/// The bytecode that was planned and is not there.
pub(super) struct Uncompiled<'a> {
    /// The sources by their numbers in the plan, with the end of the traceback.
    refused: &'a BTreeMap<usize, String>,
    /// The numbers of their files of bytecode.
    files: BTreeSet<usize>,
}

impl<'a> Uncompiled<'a> {
    pub(super) fn of(plan: &Plan, refused: &'a BTreeMap<usize, String>) -> Self {
        let is_missing = |content: &Content| match content {
            Content::Bytecode(compilation) => refused.contains_key(&(compilation.source as usize)),
            _ => false,
        };
        let mut files = BTreeSet::new();
        // Nearly always everything can be compiled, and no file has to be looked at.
        if !refused.is_empty() {
            let numbers = 0..plan.files.len();
            files.extend(numbers.filter(|&number| is_missing(&plan.files[number].content)));
        }
        Self { refused, files }
    }

    /// Whether a planned file, by its number, is not there.
    pub(super) fn contains(&self, number: usize) -> bool {
        self.files.contains(&number)
    }

    /// Warns of each source, in the order of the plan.
    pub(super) fn warn(&self, plan: &Plan, events: &dyn Events) {
        for (number, traceback) in self.refused {
            let path = self.recorded(plan, *number);
            let last = traceback.lines().rfind(|line| !line.trim().is_empty());
            events.not_compiled(traceback);
            events.warning(Warning {
                code: WarningCode::NotCompiled,
                wheel: self.owner(plan, *number),
                message: format!(
                    "`{path}` is installed without bytecode: {}",
                    last.unwrap_or("it is no valid Python").trim()
                ),
            });
        }
    }

    /// Takes the rows out of the RECORDs, and removes directories that nothing was written to.
    pub(super) fn leave_out(&self, plan: &mut Plan, stages: &Stages<'_>) -> Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        for change in &mut plan.changes {
            change.record.retain(|row| match row.file {
                RowFile::New(number) => !self.files.contains(&(number as usize)),
                RowFile::Live(_) | RowFile::Link => true,
            });
        }
        let directory = |number: usize| {
            let file = &plan.files[number];
            let path = plan.staged_path(file);
            let directory = path.rsplit_once('/')?.0.to_owned();
            Some((file.place.root, file.slot, directory))
        };
        let mut empty: BTreeSet<(RootId, u32, String)> =
            self.files.iter().copied().filter_map(directory).collect();
        for number in (0..plan.files.len()).filter(|number| !self.files.contains(number)) {
            if let Some(used) = directory(number) {
                empty.remove(&used);
            }
        }
        for (root, slot, path) in empty {
            stages.dir(root).remove_dir(&stages.below(slot, path))?;
        }
        for &number in &self.files {
            plan.files[number].size = 0;
        }
        Ok(())
    }

    /// Drops the operations for which nothing is staged. Until then operations are numbered in
    /// order, which paths in the staging directory depend on.
    pub(super) fn drop_operations(&self, plan: &mut Plan) {
        if self.files.is_empty() {
            return;
        }
        let mut empty: BTreeSet<u32> = BTreeSet::new();
        empty.extend(self.files.iter().map(|&number| plan.files[number].slot));
        for number in (0..plan.files.len()).filter(|number| !self.files.contains(number)) {
            empty.remove(&plan.files[number].slot);
        }
        let operations = &mut plan.operations;
        operations.retain(|operation| !empty.contains(&operation.slot));
    }

    /// How a RECORD spells a file.
    fn recorded(&self, plan: &Plan, number: usize) -> String {
        let mut rows = plan.changes.iter().flat_map(|change| &change.record);
        let row = rows.find(|row| is(&row.file, number));
        row.map_or_else(
            || plan.files[number].place.path.as_str().to_owned(),
            |row| row.recorded.to_string(),
        )
    }

    /// The wheel that a file is of.
    fn owner(&self, plan: &Plan, number: usize) -> Option<String> {
        let mut changes = plan.changes.iter();
        let owner = changes.find(|change| change.record.iter().any(|row| is(&row.file, number)));
        owner?.source.clone()
    }
}

fn is(file: &RowFile, number: usize) -> bool {
    matches!(file, RowFile::New(new) if *new as usize == number)
}
