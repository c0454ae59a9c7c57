//! The last pass: each project's RECORD, which states the digests of all its other files.
//!
//! The format is that of "Recording installed projects": one row per file, sorted by path; RECORD's
//! own row and those of bytecode have neither digest nor size.

use std::collections::HashMap;

use super::Stages;
use crate::cancellation::Cancellation;
use crate::digest::{Algorithm, Digest};
use crate::error::Result;
use crate::plan::{ChangeId, Content, LiveRow, NewRow, Plan, RowFile};
use crate::spec::record::{self, RecordLine};
use crate::threads::{Pool, in_parallel};

/// Writes each RECORD, on all threads, and puts its length into the plan. `digests` are those that
/// became known when the contents were written, by the numbers of the files.
pub(super) fn write_records(
    plan: &mut Plan,
    stages: &Stages<'_>,
    digests: &HashMap<usize, Digest>,
    (pool, cancel): (&Pool, &Cancellation),
) -> Result<()> {
    let known = |number: usize| digests.get(&number).copied();
    let records: Vec<(usize, ChangeId)> = records(plan).collect();
    let write = |&(number, owner): &(usize, ChangeId)| -> Result<u64> {
        cancel.check()?;
        let content = record_of(plan, owner, &known);
        let file = &plan.files[number];
        stages
            .dir(file.place.root)
            .create(&stages.path(plan, file), false)?
            .write(&content)?;
        Ok(content.len() as u64)
    };
    let written = in_parallel(pool, &records, write);
    for ((number, _), size) in records.into_iter().zip(written) {
        plan.files[number].size = size?;
    }
    Ok(())
}

/// The RECORDs of a plan: their numbers, and the changes that they are of.
fn records(plan: &Plan) -> impl Iterator<Item = (usize, ChangeId)> {
    let files = plan.files.iter().enumerate();
    files.filter_map(|(number, file)| match file.content {
        Content::Record(owner) => Some((number, owner)),
        _ => None,
    })
}

/// Puts the length of each RECORD into a plan that is not carried out. Digests that would become
/// known are as long as the one that stands for them here.
pub fn predict_records(plan: &mut Plan) {
    let unknown = Digest::of(Algorithm::Sha256, b"");
    for (number, owner) in records(plan).collect::<Vec<_>>() {
        let content = record_of(plan, owner, &|_| Some(unknown));
        plan.files[number].size = content.len() as u64;
    }
}

/// The RECORD of a change. `digest_of` knows the digests that the plan does not state, by the
/// numbers of the files.
pub fn record_of(
    plan: &Plan,
    owner: ChangeId,
    digest_of: &dyn Fn(usize) -> Option<Digest>,
) -> Vec<u8> {
    record::write_lines(lines(plan, owner.0 as usize, digest_of))
}

/// The lines of one change's RECORD, sorted by path.
fn lines<'p>(
    plan: &'p Plan,
    change: usize,
    digest_of: &dyn Fn(usize) -> Option<Digest>,
) -> Vec<RecordLine<'p>> {
    let line_of = |row: &'p NewRow| {
        let path = &*row.recorded;
        let number = match &row.file {
            RowFile::Live(live) => {
                let LiveRow { digest, size } = **live;
                return RecordLine { path, digest, size };
            }
            RowFile::Link => {
                let (digest, size) = (None, None);
                return RecordLine { path, digest, size };
            }
            RowFile::New(number) => *number as usize,
        };
        let file = &plan.files[number];
        // Interpreters write bytecode anew as they like, and RECORD does not state its own.
        let is_stated = !matches!(file.content, Content::Record(_) | Content::Bytecode(_));
        let digest = file.digest.or_else(|| digest_of(number));
        RecordLine {
            path,
            digest: digest.filter(|_| is_stated),
            size: is_stated.then_some(file.size),
        }
    };
    let mut lines: Vec<RecordLine<'p>> = plan.changes[change].record.iter().map(line_of).collect();
    lines.sort_by_key(|line| line.path);
    lines
}
