//! Conflicts: two owners of one path, found before anything is written.
//!
//! Input: every file that the projects want, with what stands in its place. Output: the files to
//! write, each place once; the rows of each RECORD; and every conflict with how it was settled.
//! Equal contents are shared and never a conflict. What is settled does not depend on the order in
//! which threads run: the order is that of the arguments. Where the file system ignores case, names
//! that fold to one are refused: those of one wheel, of two, and of what stays installed. Limits:
//! the folding is Unicode's own; a system whose folding is narrower would have kept some of these
//! names apart.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::{ChangeId, Content, NewFile, NewRow, RowFile};
use crate::digest::{Digest, Identity};
use crate::environment::layout::{Layout, Place};
use crate::error::Clash;
use crate::fs::{Kind, Stat};
use crate::outcome::ConflictReport;
use crate::path;
use crate::spec::record::RecordRow;

/// What to do where the contents of two owners differ (`--on-conflict`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Refuse.
    #[default]
    Error,
    /// What is installed, or comes earlier in the arguments, stays.
    First,
    /// What comes last wins.
    Last,
}

/// A file that a project wants, and what stands in its place.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The file.
    pub file: NewFile,
    /// The outermost directory that is missing on the way to it, or the file itself.
    pub anchor: Place,
    /// What is there and does not go in this very plan.
    pub live: Option<Box<Live>>,
    /// Something that does not go, and stands where a directory has to be.
    pub blocked: Option<Box<Blocked>>,
}

/// Something that is no directory and stands where one has to be.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// Where it stands.
    pub by: Place,
    /// The installed projects that own it, by name.
    pub owners: Vec<String>,
}

/// Something that stands where a file is wanted.
#[derive(Debug, Clone)]
pub struct Live {
    /// What the file system says of it.
    pub stat: Stat,
    /// Its digest; `None` of anything but a regular file.
    pub digest: Option<Digest>,
    /// What it is compared with the wanted file by; `None` of anything but a regular file.
    pub identity: Option<Identity>,
    /// The installed projects that own it, by name.
    pub owners: Vec<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Settled {
    /// The files to write, sorted by place, no place twice.
    pub files: Vec<NewFile>,
    /// The anchor of each file.
    pub anchors: Vec<Place>,
    /// The rows of RECORD for each change.
    pub rows: Vec<Vec<NewRow>>,
    /// Live files that make way for a winner.
    pub displaced: Vec<Place>,
    /// Conflicts that a policy settled.
    pub conflicts: Vec<ConflictReport>,
    /// Conflicts that nothing settled.
    pub clashes: Vec<Clash>,
    /// Places that one wheel wants twice, with different contents.
    pub doubled: Vec<(ChangeId, String)>,
}

impl Settled {
    /// Adds a file that no change has a row for, at this position among the files.
    pub fn insert(&mut self, at: usize, file: NewFile) {
        self.anchors.insert(at, file.place.clone());
        self.files.insert(at, file);
        for row in self.rows.iter_mut().flatten() {
            if let RowFile::New(number) = &mut row.file
                && *number as usize >= at
            {
                *number += 1;
            }
        }
    }
}

/// What conflicts are settled by.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The policy.
    pub policy: OnConflict,
    /// Whether two spellings in different case are one name here.
    pub ignores_case: bool,
    /// What stays installed, with its owner's name; needed only where case is ignored.
    pub staying: &'a [(Place, String)],
    /// The name of each change's project.
    pub names: &'a [String],
    /// How places are shown.
    pub layout: &'a Layout,
}

/// Settles everything that is wanted. Within one place, `wanted` is in the order of the arguments.
pub fn settle(wanted: Vec<Wanted>, rules: &Rules<'_>) -> Settled {
    // The order alone is sorted, which is small; files of one wheel come sorted already.
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].file.place.cmp(&wanted[b].file.place));
    let mut settled = Settled {
        rows: vec![Vec::new(); rules.names.len()],
        ..Settled::default()
    };
    settled.files.reserve(wanted.len());
    settled.anchors.reserve(wanted.len());
    if rules.ignores_case {
        settled.clashes = find_folded(order.iter().map(|&at| &wanted[at]), rules);
    }
    let mut wanted: Vec<Option<Wanted>> = wanted.into_iter().map(Some).collect();
    let mut above: Vec<(Place, ChangeId)> = Vec::new();
    let mut rest = order
        .into_iter()
        .filter_map(|at| wanted[at].take())
        .peekable();
    while let Some(first) = rest.next() {
        let mut group = vec![first];
        while let Some(next) = rest.next_if(|next| next.file.place == group[0].file.place) {
            group.push(next);
        }
        let place = &group[0].file.place;
        above.retain(|(file, _)| file.root == place.root && place.path.starts_with(&file.path));
        if let Some((file, owner)) = above.last() {
            let owners = vec![
                (rules.name(*owner), "a file".into()),
                (rules.name(group[0].file.owner), "a directory".into()),
            ];
            settled.clashes.push(Clash {
                path: rules.layout.show(file),
                owners,
                is_settleable: false,
            });
        }
        above.push((place.clone(), group[0].file.owner));
        settle_place(group, rules, &mut settled);
    }
    settled.clashes.dedup();
    settled
}

impl Rules<'_> {
    fn name(&self, change: ChangeId) -> String {
        self.names[change.0 as usize].clone()
    }
}

/// Settles one place: all in `group` want it.
fn settle_place(group: Vec<Wanted>, rules: &Rules<'_>, settled: &mut Settled) {
    if let Some(clash) = obstacle(&group[0], rules) {
        settled.clashes.push(clash);
        return;
    }
    let live = group[0].live.as_deref().cloned();
    let alike = group
        .iter()
        .all(|other| same_content(&group[0].file, &other.file));
    let kept = live
        .as_ref()
        .is_some_and(|live| same_as_live(&group[0].file, live));
    if alike && (live.is_none() || kept) {
        let executable = group.iter().any(|wanted| wanted.file.executable);
        let stays = live
            .as_ref()
            .filter(|live| kept && (!executable || live.stat.mode & 0o111 != 0));
        if live.is_some() && stays.is_none() {
            // The bytes are right, but nobody could execute them.
            settled.displaced.push(group[0].file.place.clone());
        }
        return win(group, 0, stays, settled);
    }
    let first_owner = group[0].file.owner;
    if live.is_none() && group.iter().all(|wanted| wanted.file.owner == first_owner) {
        settled
            .doubled
            .push((first_owner, rules.layout.show(&group[0].file.place)));
        return;
    }
    let clash = clash(&group, live.as_ref(), rules);
    let last = group.len() - 1;
    let (winner, live_stays) = match rules.policy {
        OnConflict::Error => return settled.clashes.push(clash),
        OnConflict::First => (0, live.is_some()),
        OnConflict::Last => (
            last,
            live.as_ref()
                .is_some_and(|live| same_as_live(&group[last].file, live)),
        ),
    };
    let live_name = live.as_ref().map(|live| live_owner(live).0);
    let resolution = live_name
        .filter(|_| live_stays)
        .unwrap_or_else(|| rules.name(group[winner].file.owner));
    settled.conflicts.push(ConflictReport {
        resolution,
        ..ConflictReport::refused(&clash)
    });
    if live.is_some() && !live_stays {
        settled.displaced.push(group[0].file.place.clone());
    }
    win(group, winner, live.as_ref().filter(|_| live_stays), settled);
}

/// The winner's file is written, unless what is live stays; everyone's RECORD speaks of what is on
/// disk then.
fn win(group: Vec<Wanted>, winner: usize, stays: Option<&Live>, settled: &mut Settled) {
    let executable = group.iter().any(|wanted| wanted.file.executable);
    let row_file = if let Some(live) = stays {
        // Of a symbolic link there is nothing to state.
        let size = (live.stat.kind == Kind::File).then_some(live.stat.size);
        let row = RecordRow {
            path: String::new(),
            digest: live.digest,
            size,
        };
        RowFile::Live(Box::new(row))
    } else {
        RowFile::New(u32::try_from(settled.files.len()).unwrap_or(u32::MAX))
    };
    let mut owners: Vec<ChangeId> = Vec::with_capacity(1);
    for wanted in &group {
        if !owners.contains(&wanted.file.owner) {
            owners.push(wanted.file.owner);
            let recorded = Arc::clone(&wanted.file.recorded);
            settled.rows[wanted.file.owner.0 as usize].push(NewRow {
                recorded,
                file: row_file.clone(),
            });
        }
    }
    if stays.is_none()
        && let Some(Wanted {
            mut file, anchor, ..
        }) = group.into_iter().nth(winner)
    {
        file.executable = executable;
        settled.files.push(file);
        settled.anchors.push(anchor);
    }
}

/// A directory where the file has to be, or a file where one of its directories has to be: no
/// policy helps.
fn obstacle(wanted: &Wanted, rules: &Rules<'_>) -> Option<Clash> {
    let name = rules.name(wanted.file.owner);
    if let Some(Blocked { by, owners }) = wanted.blocked.as_deref() {
        let owners = vec![
            (owner_of(owners), "a file".to_owned()),
            (name, "a directory".to_owned()),
        ];
        return Some(Clash {
            path: rules.layout.show(by),
            owners,
            is_settleable: false,
        });
    }
    let live = wanted.live.as_deref()?;
    let what = match live.stat.kind {
        Kind::Directory => "a directory",
        Kind::Other => "a device or pipe",
        Kind::File | Kind::Symlink => return None,
    };
    let owners = vec![
        (name, "a file".to_owned()),
        (live_owner(live).0, what.to_owned()),
    ];
    Some(Clash {
        path: rules.layout.show(&wanted.file.place),
        owners,
        is_settleable: false,
    })
}

fn clash(group: &[Wanted], live: Option<&Live>, rules: &Rules<'_>) -> Clash {
    let mut owners: Vec<(String, String)> = live.map(live_owner).into_iter().collect();
    for wanted in group {
        let owner = (rules.name(wanted.file.owner), describe(&wanted.file));
        if !owners.contains(&owner) {
            owners.push(owner);
        }
    }
    Clash {
        path: rules.layout.show(&group[0].file.place),
        owners,
        is_settleable: true,
    }
}

fn live_owner(live: &Live) -> (String, String) {
    let what = match (live.stat.kind, live.digest) {
        (Kind::Symlink, _) => "a symbolic link".to_owned(),
        (_, Some(digest)) => digest.to_string(),
        (_, None) => format!("{} bytes", live.stat.size),
    };
    (owner_of(&live.owners), what)
}

fn owner_of(owners: &[String]) -> String {
    if owners.is_empty() {
        "a file of nobody".to_owned()
    } else {
        owners.join(" and ")
    }
}

fn describe(file: &NewFile) -> String {
    file.digest.map_or_else(
        || format!("{} bytes", file.size),
        |digest| digest.to_string(),
    )
}

/// Whether two files will have the same bytes, as far as that is known before they are written.
fn same_content(a: &NewFile, b: &NewFile) -> bool {
    match (&a.content, &b.content) {
        (Content::Record, Content::Record) => a.owner == b.owner,
        (Content::Record, _) | (_, Content::Record) => false,
        (Content::Entry(wheel, entry), Content::Entry(other_wheel, other_entry))
            if (wheel, entry) == (other_wheel, other_entry) =>
        {
            true
        }
        _ => a.size == b.size && a.identity.is_some() && a.identity == b.identity,
    }
}

fn same_as_live(file: &NewFile, live: &Live) -> bool {
    live.stat.kind == Kind::File
        && live.stat.size == file.size
        && file.identity.is_some()
        && file.identity == live.identity
}

/// Finds names that fold to one, directories' included.
fn find_folded<'a>(wanted: impl Iterator<Item = &'a Wanted>, rules: &'a Rules<'_>) -> Vec<Clash> {
    let installed = rules
        .staying
        .iter()
        .map(|(place, owner)| (place, owner.clone()));
    let new = wanted.map(|wanted| (&wanted.file.place, rules.name(wanted.file.owner)));
    let mut spellings: HashMap<(u16, String), (Place, String)> = HashMap::new();
    let mut clashes: Vec<Clash> = Vec::new();
    for (place, owner) in installed.chain(new) {
        let mut at = Some(place.clone());
        while let Some(place) = at {
            let key = (place.root.0, path::folded(place.path.as_str()));
            let (first, other) = spellings
                .entry(key)
                .or_insert_with(|| (place.clone(), owner.clone()));
            if *first != place {
                let (one, two) = told_apart(&rules.layout.show(first), &rules.layout.show(&place));
                let owners = vec![
                    (other.clone(), format!("`{one}`")),
                    (owner.clone(), format!("`{two}`")),
                ];
                clashes.push(Clash {
                    path: two,
                    owners,
                    is_settleable: false,
                });
            }
            at = place.parent();
        }
    }
    // What differs in a directory's name differs in the names of all that it holds: the outermost
    // tells it all.
    let outermost: Vec<String> = clashes.iter().map(|clash| clash.path.clone()).collect();
    let below = |path: &str, above: &str| {
        path.strip_prefix(above)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    clashes.retain(|clash| !outermost.iter().any(|above| below(&clash.path, above)));
    let mut seen = HashSet::new();
    clashes.retain(|clash| seen.insert(clash.path.clone()));
    clashes
}

/// Two spellings so that one sees the difference.
fn told_apart(one: &str, two: &str) -> (String, String) {
    if !path::is_same_text(one, two) {
        return (one.to_owned(), two.to_owned());
    }
    let show = |text: &str| {
        let parts = text.chars().map(|c| {
            if c.is_ascii() {
                c.to_string()
            } else {
                c.escape_default().to_string()
            }
        });
        parts.collect()
    };
    (show(one), show(two))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::layout::RootId;
    use crate::environment::{Environment, Kind as EnvironmentKind, Python, Scheme};
    use crate::path::RelPath;
    use crate::spec::tags::{Implementation, Platform, Target};
    use crate::spec::version::Version;

    fn layout(root: &std::path::Path) -> Layout {
        let at = |below: &str| root.join(below);
        let scheme = Scheme {
            purelib: at(""),
            platlib: at(""),
            scripts: at("bin"),
            data: at(""),
            headers: at("include"),
        };
        let platform = Platform::Linux {
            arch: "x86_64".to_owned(),
        };
        let (implementation, version) = (Implementation::CPython, (3, 11));
        let target = Target {
            implementation,
            version,
            abi: None,
            free_threaded: false,
            debug: false,
            platform,
        };
        let version = Version::parse("3.11.7").expect("a version");
        let python = Python {
            executable: "/python".into(),
            version,
            target,
        };
        let root = root.to_owned();
        let (kind, identity) = (EnvironmentKind::Target, None);
        let environment = Environment {
            kind,
            root,
            scheme,
            python,
            identity,
        };
        Layout::of(&environment).expect("the directory is there")
    }

    fn wanted(path: &str, owner: u32, content: &[u8]) -> Wanted {
        let place = Place {
            root: RootId(0),
            path: RelPath::parse(path).expect("plain"),
        };
        let file = NewFile {
            place: place.clone(),
            recorded: path.into(),
            owner: ChangeId(owner),
            content: Content::Bytes(content.into()),
            executable: false,
            size: content.len() as u64,
            digest: None,
            identity: Some(Identity::of(content, true)),
        };
        Wanted {
            file,
            anchor: place,
            live: None,
            blocked: None,
        }
    }

    fn settled(wanted: Vec<Wanted>, ignores_case: bool, policy: OnConflict) -> Settled {
        settled_beside(&[], wanted, ignores_case, policy)
    }

    fn settled_beside(
        installed: &[&str],
        wanted: Vec<Wanted>,
        ignores_case: bool,
        policy: OnConflict,
    ) -> Settled {
        let directory = tempfile::tempdir().expect("a directory");
        let names = ["one".to_owned(), "two".to_owned()];
        let layout = layout(directory.path());
        let place = |path: &&str| Place {
            root: RootId(0),
            path: RelPath::parse(path).expect("plain"),
        };
        let staying: Vec<_> = installed
            .iter()
            .map(|path| (place(path), "three".to_owned()))
            .collect();
        settle(
            wanted,
            &Rules {
                policy,
                ignores_case,
                staying: &staying,
                names: &names,
                layout: &layout,
            },
        )
    }

    #[test]
    fn e22_r48_r49_names_that_fold_to_one_are_two_only_where_case_counts() {
        for (one, two, shown) in [
            ("Mod.py", "mod.py", ["`Mod.py`", "`mod.py`"]),
            ("straße.py", "strasse.py", ["`straße.py`", "`strasse.py`"]),
            (
                "gr\u{fc}n.py",
                "gru\u{308}n.py",
                ["`gr\\u{fc}n.py`", "`gru\\u{308}n.py`"],
            ),
            ("ﬁle.py", "file.py", ["`ﬁle.py`", "`file.py`"]),
        ] {
            for (owner, name) in [(1, "two"), (0, "one")] {
                let pair = || vec![wanted(one, 0, b"a"), wanted(two, owner, b"a")];
                assert!(settled(pair(), false, OnConflict::Error).clashes.is_empty());
                let clashes = settled(pair(), true, OnConflict::Last).clashes;
                assert_eq!(clashes.len(), 1, "{clashes:?}");
                let mut owners = clashes[0].owners.clone();
                owners.sort_by_key(|(_, what)| *what != shown[0]);
                assert_eq!(
                    owners,
                    [
                        ("one".to_owned(), shown[0].into()),
                        (name.to_owned(), shown[1].into())
                    ]
                );
            }
            let beside = || vec![wanted(two, 0, b"a")];
            assert!(
                settled_beside(&[one], beside(), false, OnConflict::Error)
                    .clashes
                    .is_empty()
            );
            let clashes = settled_beside(&[one], beside(), true, OnConflict::Last).clashes;
            assert_eq!(
                clashes[0].owners,
                [
                    ("three".into(), shown[0].into()),
                    ("one".into(), shown[1].into())
                ]
            );
        }
    }

    #[test]
    fn r50_directories_that_differ_in_case() {
        let pair = || {
            vec![
                wanted("Foo/a.py", 0, b"a"),
                wanted("foo/b.py", 1, b"b"),
                wanted("foo/c/d.py", 1, b"b"),
            ]
        };
        let clashes = settled(pair(), true, OnConflict::Error).clashes;
        assert_eq!(
            clashes
                .iter()
                .map(|clash| clash.path.as_str())
                .collect::<Vec<_>>(),
            ["foo"]
        );
        assert!(settled(pair(), false, OnConflict::Error).clashes.is_empty());
        let clashes = settled_beside(
            &["Ns/x.py"],
            vec![wanted("ns/y.py", 0, b"a")],
            true,
            OnConflict::Error,
        )
        .clashes;
        assert_eq!(
            clashes
                .iter()
                .map(|clash| clash.path.as_str())
                .collect::<Vec<_>>(),
            ["ns"]
        );
    }

    #[test]
    fn r90_r91_equal_contents_are_shared_and_others_settled_in_order() {
        let equal = settled(
            vec![wanted("ns/x", 0, b"a"), wanted("ns/x", 1, b"a")],
            false,
            OnConflict::Error,
        );
        assert_eq!(
            (equal.files.len(), equal.rows[0].len(), equal.rows[1].len()),
            (1, 1, 1)
        );
        let other = || vec![wanted("ns/x", 0, b"a"), wanted("ns/x", 1, b"b")];
        assert_eq!(settled(other(), false, OnConflict::Error).clashes.len(), 1);
        for (policy, winner) in [(OnConflict::First, "one"), (OnConflict::Last, "two")] {
            let settled = settled(other(), false, policy);
            assert_eq!(settled.conflicts[0].resolution, winner);
            assert_eq!(
                (
                    settled.files.len(),
                    settled.rows[0].len(),
                    settled.rows[1].len()
                ),
                (1, 1, 1)
            );
        }
    }

    #[test]
    fn e24_a_file_and_a_directory_are_settled_by_no_policy() {
        let pair = vec![
            wanted("x", 0, b"a"),
            wanted("x-y", 1, b"a"),
            wanted("x/y", 1, b"a"),
        ];
        let clashes = settled(pair, false, OnConflict::Last).clashes;
        assert_eq!(
            (
                clashes.len(),
                clashes[0].path.as_str(),
                clashes[0].is_settleable
            ),
            (1, "x", false)
        );
    }
}
