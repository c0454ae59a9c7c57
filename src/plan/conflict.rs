//! Conflicts: two owners of one path, found before anything is written.
//!
//! Input: every file that the projects want, and what exists at its place. Output: the files to
//! write, each place once; the rows of each RECORD; and every conflict with its resolution. Equal
//! contents are shared and never a conflict. The result does not depend on the timing of threads:
//! only the order of the arguments counts. Limits: contents whose digests are not known never
//! compare equal.

use std::sync::Arc;

use super::compare::{describe, describe_live, same_as_live, same_content};
use super::folded_names::find_folded;
use super::order;
use super::{Candidate, Change, ChangeId, Content, LiveRow, NewRow, RowFile};
use crate::digest::Digest;
use crate::environment::layout::Place;
use crate::error::{Clash, ClashSide, UNOWNED};
use crate::installed::facts::{Blocked, Facts, Live, LiveContent};
use crate::outcome::PathConflict;

/// What to do if the contents of two owners differ (`--on-conflict`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Refuse.
    #[default]
    Error,
    /// The installed file, or the first in the order of the arguments, stays.
    First,
    /// The last file in the order of the arguments wins.
    Last,
}

/// A file to write that has no slot yet.
#[derive(Debug, Clone)]
pub struct ResolvedFile {
    /// The place that it takes.
    pub place: Place,
    /// The content.
    pub content: Content,
    /// Whether it gets execute bits.
    pub executable: bool,
    /// The length in bytes.
    pub size: u64,
    /// The digest of the content, if it is known.
    pub digest: Option<Digest>,
    /// The outermost directory that is missing on the way to the place; the place itself if none
    /// is.
    pub missing_root: Place,
}

/// A live file that makes way for a winner.
#[derive(Debug, Clone)]
pub struct Displaced {
    /// Its place.
    pub place: Place,
    /// The installed projects that list it, as indices.
    pub owners: Vec<usize>,
}

/// The result of comparing everything that is wanted.
#[derive(Debug, Default)]
pub struct Resolved {
    /// The changes, with the rows of their RECORDs. A shared file is in the RECORD of each owner.
    pub changes: Vec<Change>,
    /// The files to write, sorted by place, no place twice.
    pub files: Vec<ResolvedFile>,
    /// Live files that make way, sorted by place.
    pub displaced: Vec<Displaced>,
    /// Conflicts that a policy resolved.
    pub conflicts: Vec<PathConflict>,
    /// Conflicts that nothing resolved.
    pub clashes: Vec<Clash>,
    /// Places that one wheel wants twice, with different contents.
    pub doubled: Vec<(ChangeId, String)>,
}

/// The rules that conflicts are resolved by.
pub struct Rules<'a> {
    /// The policy.
    pub on_conflict: OnConflict,
    /// The facts about the disk.
    pub facts: &'a Facts<'a>,
    /// The files and whole directories that leave, sorted.
    pub out: &'a [Place],
}

/// Resolves everything that is wanted. Candidates for one place are in the order of the arguments.
pub fn resolve(changes: Vec<Change>, wanted: Vec<Candidate>, rules: &Rules<'_>) -> Resolved {
    let order = order::sorted(&wanted);
    let mut resolved = Resolved {
        changes,
        ..Resolved::default()
    };
    resolved.files.reserve(wanted.len());
    if rules.facts.ignores_case {
        let sorted = order.iter().map(|&at| &wanted[at].file);
        resolved.clashes = find_folded(sorted, &resolved.changes, rules.facts);
    }
    let mut wanted: Vec<Option<Candidate>> = wanted.into_iter().map(Some).collect();
    let mut rest = order.into_iter().peekable();
    // Files whose places are above the current one: a directory cannot be there, too.
    let mut above: Vec<(Place, ChangeId)> = Vec::new();
    while let Some(first) = rest.next().and_then(|at| wanted[at].take()) {
        let place = &first.file.place;
        while above.pop_if(|(above, _)| !place.is_within(above)).is_some() {}
        if let Some((place, owner)) = above.last() {
            let owners = vec![
                ClashSide::other(resolved.name(*owner), "a file"),
                ClashSide::other(resolved.name(first.file.owner), "a directory"),
            ];
            resolved.clashes.push(Clash {
                path: rules.facts.layout.show(place),
                owners,
                is_settleable: false,
            });
        }
        above.push((place.clone(), first.file.owner));
        let is_same = |other: &Option<Candidate>| {
            let other = other.as_ref().map(|other| &other.file.place);
            other == Some(&first.file.place)
        };
        let mut others = Vec::new();
        while let Some(at) = rest.next_if(|&at| is_same(&wanted[at])) {
            others.extend(wanted[at].take());
        }
        if others.is_empty() && first.live.is_none() && first.blocked.is_none() {
            resolved.write_alone(first);
        } else {
            others.insert(0, first);
            resolved.resolve_place(others, rules);
        }
    }
    // A file in place of a directory clashes once with each file below it.
    resolved.clashes.dedup();
    resolved
}

impl Resolved {
    /// Writes the only file that is wanted at a free place: by far the most frequent case.
    fn write_alone(&mut self, candidate: Candidate) {
        let Candidate {
            file, missing_root, ..
        } = candidate;
        let row = NewRow {
            recorded: file.recorded,
            file: RowFile::New(self.next_number()),
        };
        self.changes[file.owner.0 as usize].record.push(row);
        self.files.push(ResolvedFile {
            place: file.place,
            content: file.content,
            executable: file.executable,
            size: file.size,
            digest: file.digest,
            missing_root,
        });
    }

    /// The number of the next file to write.
    fn next_number(&self) -> u32 {
        u32::try_from(self.files.len()).expect("a plan has fewer than 2^32 files")
    }

    /// Resolves one place that all in `group` want.
    fn resolve_place(&mut self, mut group: Vec<Candidate>, rules: &Rules<'_>) {
        if let Some(clash) = self.obstacle(&group[0], rules) {
            self.clashes.push(clash);
            return;
        }
        let makes_way = rules.makes_way(&group[0]);
        let live = group[0].live.take().filter(|_| !makes_way);
        let live = live.as_deref();
        let first = &group[0].file;
        let alike = group.iter().all(|other| same_content(first, &other.file));
        let kept = live.is_some_and(|live| same_as_live(first, live));
        if alike && (live.is_none() || kept) {
            let executable = group.iter().any(|candidate| candidate.file.executable);
            let stays = live.filter(|live| !executable || live.is_executable());
            if let Some(live) = live.filter(|_| stays.is_none()) {
                // The bytes are right, but the file could not be executed.
                self.displace(&group[0], live);
            }
            return self.write(group, 0, stays);
        }
        let is_one_wheel = group.iter().all(|other| other.file.owner == first.owner);
        if live.is_none() && is_one_wheel {
            let path = rules.facts.layout.show(&first.place);
            self.doubled.push((first.owner, path));
            return;
        }
        let clash = self.clash(&group, live, rules);
        let last = group.len() - 1;
        let (winner, live_stays) = match rules.on_conflict {
            OnConflict::Error => return self.clashes.push(clash),
            OnConflict::First => (0, live.is_some()),
            OnConflict::Last => (
                last,
                live.is_some_and(|live| same_as_live(&group[last].file, live)),
            ),
        };
        let stays = live.filter(|_| live_stays);
        let resolution = match stays {
            Some(live) => self.owner_names(&live.owners, rules),
            None => self.name(group[winner].file.owner),
        };
        self.conflicts.push(PathConflict {
            resolution,
            ..PathConflict::refused(&clash)
        });
        if let Some(live) = live.filter(|_| !live_stays) {
            self.displace(&group[0], live);
        }
        self.write(group, winner, stays);
    }

    /// Writes the winner's file, unless what is live stays. The RECORD of every owner states what
    /// is on disk afterwards.
    fn write(&mut self, mut group: Vec<Candidate>, winner: usize, stays: Option<&Live>) {
        let executable = group.iter().any(|candidate| candidate.file.executable);
        let row = match stays {
            Some(live) => {
                let file = live.file();
                let row = LiveRow {
                    digest: file.and_then(|file| file.sums).map(|(digest, _)| digest),
                    size: file.map(|file| file.size),
                };
                RowFile::Live(Box::new(row))
            }
            None => RowFile::New(self.next_number()),
        };
        let mut owners: Vec<ChangeId> = Vec::with_capacity(1);
        for candidate in &group {
            let owner = candidate.file.owner;
            // A wheel may want a place twice with equal contents. RECORD must still list it once.
            if owners.contains(&owner) {
                continue;
            }
            owners.push(owner);
            self.changes[owner.0 as usize].record.push(NewRow {
                recorded: Arc::clone(&candidate.file.recorded),
                file: row.clone(),
            });
        }
        if stays.is_none() {
            let Candidate {
                file, missing_root, ..
            } = group.swap_remove(winner);
            self.files.push(ResolvedFile {
                place: file.place,
                content: file.content,
                executable,
                size: file.size,
                digest: file.digest,
                missing_root,
            });
        }
    }

    fn displace(&mut self, candidate: &Candidate, live: &Live) {
        self.displaced.push(Displaced {
            place: candidate.file.place.clone(),
            owners: live.owners.clone(),
        });
    }

    /// A directory at the place of the file, or a file at the place of one of its directories: no
    /// policy resolves that.
    fn obstacle(&self, candidate: &Candidate, rules: &Rules<'_>) -> Option<Clash> {
        let name = self.name(candidate.file.owner);
        if let Some(Blocked { by, owners }) = candidate.blocked.as_deref() {
            let owners = vec![
                ClashSide::other(self.owner_names(owners, rules), "a file"),
                ClashSide::other(name, "a directory"),
            ];
            return Some(Clash {
                path: rules.facts.layout.show(by),
                owners,
                is_settleable: false,
            });
        }
        let live = candidate.live.as_deref()?;
        let what = match live.content {
            LiveContent::Directory if rules.makes_way(candidate) => return None,
            LiveContent::Directory => "a directory",
            LiveContent::Other => "a device or pipe",
            LiveContent::File(_) | LiveContent::Symlink => return None,
        };
        let owners = vec![
            ClashSide::other(name, "a file"),
            ClashSide::other(self.owner_names(&live.owners, rules), what),
        ];
        Some(Clash {
            path: rules.facts.layout.show(&candidate.file.place),
            owners,
            is_settleable: false,
        })
    }

    fn clash(&self, group: &[Candidate], live: Option<&Live>, rules: &Rules<'_>) -> Clash {
        let live = live.map(|live| ClashSide {
            owner: self.owner_names(&live.owners, rules),
            content: describe_live(live),
            size: live.file().map(|file| file.size),
        });
        let mut owners: Vec<ClashSide> = live.into_iter().collect();
        for candidate in group {
            let file = &candidate.file;
            let owner = ClashSide {
                owner: self.name(file.owner),
                content: describe(file),
                size: Some(file.size),
            };
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
        Clash {
            path: rules.facts.layout.show(&group[0].file.place),
            owners,
            is_settleable: true,
        }
    }

    /// The names of the installed projects that own something, for people.
    fn owner_names(&self, owners: &[usize], rules: &Rules<'_>) -> String {
        let leaves = |number: &&usize| self.changes.iter().any(|it| it.old.contains(number));
        let (leaving, staying): (Vec<&usize>, Vec<&usize>) = owners.iter().partition(leaves);
        // A project that is replaced has no say any more, unless it alone owns it.
        let owners = if staying.is_empty() { leaving } else { staying };
        let name = |&number: &usize| rules.facts.installed[number].name.normalized();
        let mut names: Vec<&str> = owners.into_iter().map(name).collect();
        // A project that is installed twice owns it twice.
        names.dedup();
        if names.is_empty() {
            UNOWNED.to_owned()
        } else {
            names.join(" and ")
        }
    }

    fn name(&self, change: ChangeId) -> String {
        let change = &self.changes[change.0 as usize];
        change.name.normalized().to_owned()
    }
}

impl Rules<'_> {
    /// Whether the file's place is a directory whose content leaves completely.
    fn makes_way(&self, candidate: &Candidate) -> bool {
        let is_directory = |live: &Live| matches!(live.content, LiveContent::Directory);
        if !candidate.live.as_deref().is_some_and(is_directory) {
            return false;
        }
        let mut at = Some(candidate.file.place.clone());
        while let Some(directory) = at {
            if self.out.binary_search(&directory).is_ok() {
                return true;
            }
            at = directory.parent();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::Scenario;
    use super::super::{Plan, Tally};
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn r90_r91_equal_contents_are_shared_and_others_resolved_in_order() {
        let pair = |other| {
            Scenario::new().wants("one", "1", &[("ns/x", "a")]).wants(
                "two",
                "1",
                &[("ns/x", other)],
            )
        };
        let equal = pair("a").plan(OnConflict::Error).expect("equal contents");
        assert_eq!((equal.files.len(), equal.conflicts.len()), (3, 0));
        let two_files = Tally { files: 2, bytes: 1 };
        let all_have_two = |plan: &Plan| {
            let mut changes = plan.changes.iter();
            changes.all(|change| plan.tally(change) == two_files)
        };
        assert!(all_have_two(&equal));

        let refused = pair("b").plan(OnConflict::Error).expect_err("a conflict");
        assert_eq!(refused.clashes().len(), 1);
        for (policy, winner) in [(OnConflict::First, "one"), (OnConflict::Last, "two")] {
            let plan = pair("b").plan(policy).expect("resolved");
            assert_eq!(plan.conflicts[0].resolution, winner);
            assert_eq!(plan.files.len(), 3);
            assert!(all_have_two(&plan));
        }
    }

    #[test]
    fn a_replaced_project_is_no_owner_of_what_another_one_has_too() {
        let scenario = Scenario::new()
            .installed("one", "1", &["ns/x"])
            .installed("two", "1", &["ns/x"])
            .wants("one", "2", &[("ns/x", "b")]);
        let refused = scenario.plan(OnConflict::Error).expect_err("a conflict");
        let owners = refused.clashes()[0].owners.iter();
        let owners: Vec<&str> = owners.map(|side| &*side.owner).collect();
        assert_eq!(owners, ["two", "one"]);
        let plan = scenario.plan(OnConflict::First).expect("resolved");
        assert_eq!(plan.conflicts[0].resolution, "two");
    }

    #[test]
    fn a_file_on_disk_stays_if_its_bytes_are_equal_or_the_first_wins() {
        let beside = |content| {
            Scenario::new()
                .stray("x", "on disk")
                .wants("one", "1", &[("x", content)])
        };
        let live_rows = |policy, content| -> (usize, usize) {
            let plan = beside(content).plan(policy).expect("resolved");
            let rows = plan.changes[0].record.iter();
            let live = rows.filter(|row| matches!(row.file, RowFile::Live(_)));
            (live.count(), plan.files.len())
        };
        assert_eq!(live_rows(OnConflict::Error, "on disk"), (1, 1));
        assert_eq!(live_rows(OnConflict::First, "new"), (1, 1));
        assert_eq!(live_rows(OnConflict::Last, "new"), (0, 2));
        let error = beside("new").plan(OnConflict::Error).expect_err("refused");
        assert_eq!(error.clashes()[0].owners[0].owner, UNOWNED);
    }

    #[test]
    fn e24_a_file_and_a_directory_are_resolved_by_no_policy() {
        let error = Scenario::new()
            .wants("one", "1", &[("x", "a")])
            .wants("two", "1", &[("x-y", "a"), ("x/y", "a")])
            .plan(OnConflict::Last)
            .expect_err("refused");
        let clashes = error.clashes();
        assert_eq!((clashes.len(), clashes[0].path.as_str()), (1, "x"));
        assert!(!clashes[0].is_settleable);
        for (path, content) in [("x", "a file"), ("x/y/z", "a directory")] {
            let error = Scenario::new()
                .stray("x/y", "on disk")
                .wants("one", "1", &[(path, "a")])
                .plan(OnConflict::Last)
                .expect_err("refused");
            assert_eq!(error.clashes()[0].owners.len(), 2, "{path}");
            assert!(!error.clashes()[0].is_settleable);
            let contents = error.clashes()[0].owners.iter().map(|side| &side.content);
            assert!(contents.into_iter().any(|what| what == content), "{path}");
        }
    }

    #[test]
    fn one_wheel_that_contradicts_itself_is_refused() {
        let error = Scenario::new()
            .wants("one", "1", &[("x", "a"), ("x", "b")])
            .plan(OnConflict::Last)
            .expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Input);
    }

    #[test]
    fn a_directory_that_leaves_whole_makes_way_for_a_file() {
        let scenario = Scenario::new()
            .installed("one", "1", &["x/a.py", "x/b.py"])
            .wants("one", "2", &[("x", "now a file")]);
        let plan = scenario.plan(OnConflict::Error).expect("it makes way");
        assert!(
            plan.operations
                .iter()
                .any(|op| op.place.path.as_str() == "x")
        );
        let stays = scenario.stray("x/notes", "mine").plan(OnConflict::Last);
        assert!(!stays.expect_err("refused").clashes()[0].is_settleable);
    }
}
