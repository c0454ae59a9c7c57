//! Losers: installed projects that stay, but lose a file to a new one.
//!
//! Input: the resolved files, and what the losers' RECORDs list. Output: a new RECORD for each
//! loser, which states what is on disk afterwards, so that a later check or removal is right about
//! it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Content;
use super::conflict::{Displaced, Resolved, ResolvedFile};
use crate::installed::facts::Facts;
use crate::path::RelPath;
use crate::spec::record::{self, RecordRow};

/// Adds the corrected RECORD of every loser to the files to write.
pub fn correct_records(resolved: &mut Resolved, facts: &Facts<'_>) {
    let leaves = |number: &usize| {
        let mut projects = facts.removal.projects.iter();
        projects.any(|project| project.installed == *number)
    };
    let losers: BTreeSet<usize> = resolved
        .displaced
        .iter()
        .flat_map(|displaced| displaced.owners.iter().copied())
        // The RECORD of a project that leaves goes with it, though it lists a file that stays
        // because others list it, too.
        .filter(|number| !leaves(number))
        .collect();
    if losers.is_empty() {
        return;
    }
    let mut records: Vec<ResolvedFile> = losers
        .into_iter()
        .map(|number| corrected(number, resolved, facts))
        .collect();
    records.sort_by(|a, b| a.place.cmp(&b.place));
    resolved
        .displaced
        .extend(records.iter().map(|record| Displaced {
            place: record.place.clone(),
            owners: Vec::new(),
        }));
    resolved.insert(records);
}

/// The RECORD of a loser, with the digests and sizes of the files that were written over it.
fn corrected(number: usize, resolved: &Resolved, facts: &Facts<'_>) -> ResolvedFile {
    let listed = facts.records.get(&number);
    let listed = listed.expect("what every owner of a live file records was gathered");
    let rows: Vec<RecordRow> = listed
        .iter()
        .map(|listed| {
            let mut row = listed.row.clone();
            if let Some(place) = &listed.place
                && let Ok(at) = resolved
                    .files
                    .binary_search_by(|file| file.place.cmp(place))
            {
                let winner = &resolved.files[at];
                // The digest may be known only once the winner is written. RECORD may omit it.
                row.digest = winner.digest;
                let is_bytecode = matches!(winner.content, Content::Bytecode(_));
                row.size = (!is_bytecode).then_some(winner.size);
            }
            row
        })
        .collect();
    let name = RelPath::parse("RECORD").expect("a plain name is a path");
    let place = facts.installed[number].place.join(&name);
    let content: Arc<[u8]> = record::write_record(&rows).into();
    ResolvedFile {
        // The dist-info is there, so no directory is missing on the way.
        missing_root: place.clone(),
        place,
        size: content.len() as u64,
        content: Content::Bytes(content),
        executable: false,
        digest: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Content;
    use super::super::conflict::OnConflict;
    use super::super::scenario::Scenario;

    #[test]
    fn the_record_of_a_loser_states_what_is_on_disk() {
        let plan = Scenario::new()
            .installed("old", "1", &["ns/a.py", "ns/b.py"])
            .wants("new", "1", &[("ns/b.py", "other"), ("ns/c.py", "c")])
            .plan(OnConflict::Last)
            .expect("the last one wins");
        let record = plan
            .files
            .iter()
            .find(|file| file.place.path.as_str() == "old-1.dist-info/RECORD");
        let Some(Content::Bytes(content)) = record.map(|record| &record.content) else {
            panic!("{record:?}");
        };
        let content = String::from_utf8_lossy(content);
        let b = content.lines().find(|line| line.starts_with("ns/b.py"));
        assert!(b.is_some_and(|row| row.ends_with(",5")), "{content}");
        let recorded = |row: &super::super::NewRow| match row.file {
            super::super::RowFile::New(number) => {
                let file = &plan.files[number as usize];
                file.place.path.as_str() == &*row.recorded
            }
            super::super::RowFile::Live(_) | super::super::RowFile::Link => false,
        };
        assert!(plan.changes[0].record.iter().all(recorded));
    }

    #[test]
    fn a_project_that_leaves_gets_no_new_record() {
        let plan = Scenario::new()
            .installed("one", "1", &["ns/shared.py", "one.py"])
            .installed("two", "1", &["ns/shared.py"])
            .wants("one", "2", &[("ns/shared.py", "other"), ("one.py", "new")])
            .plan(OnConflict::Last)
            .expect("the last one wins");
        let written: Vec<&str> = plan
            .files
            .iter()
            .map(|file| file.place.path.as_str())
            .collect();
        assert!(written.contains(&"two-1.dist-info/RECORD"), "{written:?}");
        assert!(!written.contains(&"one-1.dist-info/RECORD"), "{written:?}");
    }
}
