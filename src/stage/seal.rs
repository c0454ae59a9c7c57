//! The last pass: each project's RECORD, which states the digests of all its other files.
//!
//! The format is that of "Recording installed projects": one row per file, sorted by path; RECORD's
//! own row has neither digest nor size.

use std::collections::HashMap;

use super::Stages;
use crate::cancellation::Cancellation;
use crate::digest::Digest;
use crate::error::Result;
use crate::plan::{Content, Plan, RowFile};
use crate::spec::record::{self, RecordRow};

/// Writes each RECORD, and puts its length into the plan. `digests` are those that became known
/// when the contents were written, by the numbers of the files.
pub(super) fn write_records(
    plan: &mut Plan,
    stages: &Stages<'_>,
    digests: &HashMap<usize, Digest>,
    cancel: &Cancellation,
) -> Result<()> {
    for number in 0..plan.files.len() {
        let file = &plan.files[number];
        let Content::Record(owner) = file.content else {
            continue;
        };
        cancel.check()?;
        let owner = owner.0 as usize;
        let content = record::write_record(&rows(plan, owner, digests));
        let path = plan.staged_path(file);
        stages[&file.place.root]
            .create(&path, false)?
            .write(&content)?;
        plan.files[number].size = content.len() as u64;
    }
    Ok(())
}

/// The rows of one change's RECORD, sorted by path.
fn rows(plan: &Plan, change: usize, digests: &HashMap<usize, Digest>) -> Vec<RecordRow> {
    let row_of = |file: &RowFile| match file {
        RowFile::Live(live) => RecordRow {
            path: String::new(),
            digest: live.digest,
            size: live.size,
        },
        RowFile::New(number) => {
            let number = *number as usize;
            let file = &plan.files[number];
            let is_record = matches!(file.content, Content::Record(_));
            let digest = file.digest.or_else(|| digests.get(&number).copied());
            RecordRow {
                path: String::new(),
                digest: digest.filter(|_| !is_record),
                size: (!is_record).then_some(file.size),
            }
        }
    };
    let rows = plan.changes[change].record.iter();
    let mut rows: Vec<RecordRow> = rows
        .map(|row| RecordRow {
            path: row.recorded.to_string(),
            ..row_of(&row.file)
        })
        .collect();
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    rows
}
