//! Names that fold to one: refused if the file system ignores case.
//!
//! Input: the files that are wanted and the places that stay. Output: a clash for each pair of
//! spellings that such a file system takes for one name, directories included. Names of one wheel,
//! of two, and of what stays installed are compared. Limits: the folding is Unicode's own; a system
//! with a narrower one would have kept some of these names apart.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::{Change, WantedFile};
use crate::environment::layout::{Place, RootId};
use crate::error::{Clash, ClashSide};
use crate::installed::facts::Facts;
use crate::path;

/// Finds names that fold to one; `files` are sorted by place.
pub fn find_folded<'a>(
    files: impl Iterator<Item = &'a WantedFile>,
    changes: &[Change],
    facts: &Facts<'_>,
) -> Vec<Clash> {
    let staying = facts.staying.iter();
    let staying = staying.map(|(place, owner)| (place, facts.installed[*owner].name.normalized()));
    let new = files.map(|file| {
        let change = &changes[file.owner.0 as usize];
        (&file.place, change.name.normalized())
    });
    let mut spellings: HashMap<(RootId, String), (Place, &str)> = HashMap::new();
    let mut clashes: Vec<Clash> = Vec::new();
    // Names that stay come first, so that a new spelling is held against the installed one.
    for (place, owner) in staying.chain(new) {
        let mut at = Some(place.clone());
        while let Some(place) = at {
            let key = (place.root, path::folded(place.path.as_str()));
            let (first, other) = spellings
                .entry(key)
                .or_insert_with(|| (place.clone(), owner));
            if *first != place {
                let (one, two) = told_apart(&facts.layout.show(first), &facts.layout.show(&place));
                let owners = vec![
                    ClashSide::other(*other, format!("`{one}`")),
                    ClashSide::other(owner, format!("`{two}`")),
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
    // If the names of two directories fold to one, so do the names of all that they hold. Only the
    // outermost is reported.
    let outermost: Vec<String> = clashes.iter().map(|clash| clash.path.clone()).collect();
    let is_below = |path: &str, above: &str| {
        path.strip_prefix(above)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    clashes.retain(|clash| !outermost.iter().any(|above| is_below(&clash.path, above)));
    let mut seen = HashSet::new();
    clashes.retain(|clash| seen.insert(clash.path.clone()));
    clashes
}

/// Both spellings, escaped if they look the same.
fn told_apart(one: &str, two: &str) -> (String, String) {
    if !path::is_same_text(one, two) {
        return (one.to_owned(), two.to_owned());
    }
    let escaped = |text: &str| {
        let parts = text.chars().map(|c| {
            if c.is_ascii() {
                c.to_string()
            } else {
                c.escape_default().to_string()
            }
        });
        parts.collect()
    };
    (escaped(one), escaped(two))
}

#[cfg(test)]
mod tests {
    use super::super::conflict::OnConflict;
    use super::super::scenario::Scenario;
    use crate::error::{Clash, ClashSide};

    /// The clashes if `one` and `two` want these paths and `three` is installed with that one.
    fn clashes(installed: &[&str], one: &[&str], two: &[&str], ignores_case: bool) -> Vec<Clash> {
        let mut scenario = Scenario::new().ignores_case(ignores_case);
        if !installed.is_empty() {
            scenario = scenario.installed("three", "1", installed);
        }
        for (name, paths) in [("one", one), ("two", two)] {
            let files: Vec<_> = paths.iter().map(|path| (*path, "same")).collect();
            scenario = scenario.wants(name, "1", &files);
        }
        match scenario.plan(OnConflict::Last) {
            Ok(_) => Vec::new(),
            Err(error) => error.clashes().to_vec(),
        }
    }

    #[test]
    fn e22_r48_r49_names_that_fold_to_one_are_two_only_where_case_counts() {
        for (a, b, shown) in [
            ("Mod.py", "mod.py", ["`Mod.py`", "`mod.py`"]),
            ("straße.py", "strasse.py", ["`straße.py`", "`strasse.py`"]),
            (
                "gr\u{fc}n.py",
                "gru\u{308}n.py",
                ["`gr\\u{fc}n.py`", "`gru\\u{308}n.py`"],
            ),
            ("ﬁle.py", "file.py", ["`ﬁle.py`", "`file.py`"]),
        ] {
            for (one, two, owner) in [(vec![a], vec![b], "two"), (vec![a, b], vec![], "one")] {
                assert!(clashes(&[], &one, &two, false).is_empty());
                let found = clashes(&[], &one, &two, true);
                assert_eq!(found.len(), 1, "{found:?}");
                let mut owners = found[0].owners.clone();
                owners.sort_by_key(|side| side.content != shown[0]);
                assert_eq!(
                    owners,
                    [
                        ClashSide::other("one", shown[0]),
                        ClashSide::other(owner, shown[1])
                    ]
                );
            }
            assert!(clashes(&[a], &[b], &[], false).is_empty());
            let found = clashes(&[a], &[b], &[], true);
            assert_eq!(
                found[0].owners,
                [
                    ClashSide::other("three", shown[0]),
                    ClashSide::other("one", shown[1])
                ]
            );
        }
    }

    #[test]
    fn r50_directories_that_differ_in_case() {
        let paths = |found: Vec<Clash>| -> Vec<String> {
            found.into_iter().map(|clash| clash.path).collect()
        };
        let (one, two) = (["Foo/a.py"], ["foo/b.py", "foo/c/d.py"]);
        assert_eq!(paths(clashes(&[], &one, &two, true)), ["foo"]);
        assert!(clashes(&[], &one, &two, false).is_empty());
        assert_eq!(
            paths(clashes(&["Ns/x.py"], &["ns/y.py"], &[], true)),
            ["ns"]
        );
    }
}
