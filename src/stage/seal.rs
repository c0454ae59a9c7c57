//! The last pass: each project's RECORD, which states the digests of all its other files.
//!
//! The format is that of "Recording installed projects": one row per file, sorted by path; RECORD's
//! own row and those of bytecode have neither digest nor size.

use std::collections::HashMap;

use super::Stages;
use crate::cancellation::Cancellation;
use crate::digest::{Algorithm, Digest};
use crate::error::Result;
use crate::plan::{ChangeId, Content, Plan, RowFile};
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
        let known = |number: usize| digests.get(&number).copied();
        let content = record_of(plan, owner, &known);
        let path = stages.path(plan, file);
        stages
            .dir(file.place.root)
            .create(&path, false)?
            .write(&content)?;
        plan.files[number].size = content.len() as u64;
    }
    Ok(())
}

/// Puts the length of each RECORD into a plan that is not carried out. Digests that would become
/// known are as long as the one that stands for them here.
pub fn predict_records(plan: &mut Plan) {
    let unknown = Digest::of(Algorithm::Sha256, b"");
    for number in 0..plan.files.len() {
        let Content::Record(owner) = plan.files[number].content else {
            continue;
        };
        let rows = rows(plan, owner.0 as usize, &|_| Some(unknown));
        plan.files[number].size = record::write_record(&rows).len() as u64;
    }
}

/// The RECORD of a change. `digest_of` knows the digests that the plan does not state, by the
/// numbers of the files.
pub fn record_of(
    plan: &Plan,
    owner: ChangeId,
    digest_of: &dyn Fn(usize) -> Option<Digest>,
) -> Vec<u8> {
    record::write_record(&rows(plan, owner.0 as usize, digest_of))
}

/// The rows of one change's RECORD, sorted by path. `digest_of` knows the digests that the plan
/// does not state, by the numbers of the files.
fn rows(plan: &Plan, change: usize, digest_of: &dyn Fn(usize) -> Option<Digest>) -> Vec<RecordRow> {
    let row_of = |file: &RowFile| match file {
        RowFile::Live(live) => RecordRow {
            path: String::new(),
            digest: live.digest,
            size: live.size,
        },
        RowFile::New(number) => {
            let number = *number as usize;
            let file = &plan.files[number];
            // Interpreters write bytecode anew as they like, and RECORD does not state its own.
            let is_stated = !matches!(file.content, Content::Record(_) | Content::Bytecode(_));
            let digest = file.digest.or_else(|| digest_of(number));
            RecordRow {
                path: String::new(),
                digest: digest.filter(|_| is_stated),
                size: is_stated.then_some(file.size),
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
