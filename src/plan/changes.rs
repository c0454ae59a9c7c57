//! Changes: which projects are installed, replaced, kept and removed.
//!
//! Input: the wheels of a command in order, or the names to remove, and what is installed. Output:
//! one [`Change`] per project, sorted by name. Two versions of one project in the input are an
//! error; if there are two builds of one version, the higher build tag wins.

use std::collections::BTreeMap;

use super::{Change, Tally, WheelId};
use crate::error::{Error, Result, WarningCode};
use crate::installed::{Form, Installed};
use crate::outcome::{Action, Warning};
use crate::spec::name::ProjectName;
use crate::spec::version::Version;
use crate::spec::wheel_name::{BuildTag, WheelName};

/// A version of a project that a command was given.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The project.
    pub name: &'a ProjectName,
    /// Its version.
    pub version: &'a Version,
    /// The build tag of its wheel, if it has one.
    pub build: Option<&'a BuildTag>,
    /// How messages and reports name it.
    pub label: &'a str,
    /// Its wheel; `None` if that was not opened because the project seems to be installed.
    pub wheel: Option<WheelId>,
    /// Whether it replaces a project that is installed in the same version.
    pub replaces_same: bool,
}

impl<'a> Offer<'a> {
    /// A wheel that was opened.
    pub fn of_wheel(name: &'a WheelName, label: &'a str, wheel: WheelId) -> Self {
        Self {
            name: &name.name,
            version: &name.version,
            build: name.build.as_ref(),
            label,
            wheel: Some(wheel),
            replaces_same: false,
        }
    }
}

/// The changes of an installation.
#[derive(Debug, Default)]
pub struct Installs {
    /// One change per project, sorted by name.
    pub changes: Vec<Change>,
    /// Projects that were given in several builds.
    pub warnings: Vec<Warning>,
}

/// Plans one change for each project that is offered. Wheels that lose to another build of the same
/// version get none. A change that needs a wheel which was not opened has none.
///
/// # Errors
/// If a project is given in two versions, or twice in the same build.
pub fn installs(wheels: &[Offer<'_>], installed: &[Installed]) -> Result<Installs> {
    let mut by_name: BTreeMap<&ProjectName, Vec<usize>> = BTreeMap::new();
    for (number, wheel) in wheels.iter().enumerate() {
        by_name.entry(wheel.name).or_default().push(number);
    }
    let mut installs = Installs::default();
    for (name, candidates) in by_name {
        let chosen = best_build(wheels, name, &candidates)?;
        if candidates.len() > 1 {
            installs.warnings.push(Warning::about(
                wheels[chosen].label,
                WarningCode::SeveralBuilds,
                format!(
                    "of {} builds of one version the highest is taken",
                    candidates.len()
                ),
            ));
        }
        let old = of_project(name, installed);
        let change = change(&wheels[chosen], old, installed);
        installs.changes.push(match change.action {
            // A kept project has no `old`, or its files would count as leaving.
            Action::Reinstall if !wheels[chosen].replaces_same => Change {
                action: Action::Keep,
                old: Vec::new(),
                ..change
            },
            _ => change,
        });
    }
    Ok(installs)
}

/// The wheel with the highest build tag among several wheels of one project, if they differ in
/// nothing else.
fn best_build(wheels: &[Offer<'_>], name: &ProjectName, candidates: &[usize]) -> Result<usize> {
    let mut best = candidates[0];
    for &other in &candidates[1..] {
        let (held, next) = (&wheels[best], &wheels[other]);
        // Two wheels of the same build leave nothing to choose by, so a guess would be arbitrary.
        if held.version != next.version || held.build == next.build {
            let labels = candidates
                .iter()
                .map(|&number| wheels[number].label.to_owned());
            return Err(Error::two_versions(name.normalized(), labels.collect()));
        }
        if next.build > held.build {
            best = other;
        }
    }
    Ok(best)
}

/// The indices of the installed projects with this name.
pub fn of_project(name: &ProjectName, installed: &[Installed]) -> Vec<usize> {
    (0..installed.len())
        .filter(|&number| installed[number].name == *name)
        .collect()
}

/// The change that installs a wheel in place of the projects `old`, regardless of their versions.
fn change(wheel: &Offer<'_>, old: Vec<usize>, installed: &[Installed]) -> Change {
    let is_same_version = |number: usize| installed[number].has_version(wheel.version);
    // A leftover makes no project installed, but it goes when its project comes.
    let is_project = |&number: &usize| installed[number].form != Form::Leftover;
    let action = match old.as_slice() {
        old if !old.iter().any(is_project) => Action::Install,
        // A project that is installed twice is replaced even by the same version, so that one
        // copy is left.
        [only] if is_same_version(*only) => Action::Reinstall,
        _ => Action::Replace,
    };
    Change {
        action,
        name: wheel.name.clone(),
        version: wheel.version.to_string(),
        previous: old
            .iter()
            .copied()
            .find(|number| is_project(number))
            .map(|number| installed[number].version.clone()),
        wheel: wheel.wheel,
        source: Some(wheel.label.to_owned()),
        old,
        record: Vec::new(),
        removed: Tally::default(),
    }
}

/// The names of installed projects that the changes do not name, sorted. `pip` is none of them:
/// it manages the environment, and is in no lock file.
pub fn unnamed(changes: &[Change], installed: &[Installed]) -> Vec<ProjectName> {
    let names = installed.iter().map(|project| &project.name);
    let mut unnamed: Vec<ProjectName> = names
        .filter(|name| name.normalized() != "pip")
        .filter(|name| changes.iter().all(|change| change.name != **name))
        .cloned()
        .collect();
    unnamed.sort();
    unnamed.dedup();
    unnamed
}

/// Plans one removal for each name.
///
/// # Errors
/// If a name is not installed; all such names are in the error.
pub fn removals(names: &[ProjectName], installed: &[Installed]) -> Result<Vec<Change>> {
    let mut changes: BTreeMap<&ProjectName, Change> = BTreeMap::new();
    let mut unknown = Vec::new();
    for name in names {
        let old = of_project(name, installed);
        let Some(&first) = old.first() else {
            unknown.push(name.as_str().to_owned());
            continue;
        };
        let version = installed[first].version.clone();
        let change = Change {
            action: Action::Remove,
            name: name.clone(),
            previous: Some(version.clone()),
            version,
            wheel: None,
            source: None,
            old,
            record: Vec::new(),
            removed: Tally::default(),
        };
        // The key is the installed name, so a project given in two spellings is removed once.
        changes.insert(&installed[first].name, change);
    }
    if unknown.is_empty() {
        Ok(changes.into_values().collect())
    } else {
        Err(Error::not_installed(unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::installed_project;
    use super::*;
    use crate::error::ErrorKind;

    fn actions(
        wheels: &[&str],
        installed: &[(&str, &str)],
        reinstall: bool,
    ) -> Result<Vec<String>> {
        let names: Vec<WheelName> = wheels
            .iter()
            .map(|name| WheelName::parse(name).expect("a wheel's name"))
            .collect();
        let offers: Vec<Offer<'_>> = names
            .iter()
            .zip(wheels)
            .zip(0..)
            .map(|((name, label), id)| Offer {
                replaces_same: reinstall,
                ..Offer::of_wheel(name, label, WheelId(id))
            })
            .collect();
        let installed: Vec<Installed> = installed
            .iter()
            .map(|(name, version)| installed_project(name, version))
            .collect();
        let installs = installs(&offers, &installed)?;
        let show = |change: &Change| {
            let from = change.previous.as_deref().unwrap_or("-");
            let wheel = change.wheel.map_or(u32::MAX, |wheel| wheel.0);
            let (action, name, old) = (change.action, change.name.normalized(), &change.old);
            format!(
                "{action:?} {name} {from}->{} wheel {wheel} old {old:?}",
                change.version
            )
        };
        Ok(installs.changes.iter().map(show).collect())
    }

    #[test]
    fn projects_are_installed_replaced_and_kept_in_the_order_of_their_names() {
        let wheels = [
            "c-1.0-py3-none-any.whl",
            "B_b-2.0-py3-none-any.whl",
            "a-1.0-py3-none-any.whl",
        ];
        let installed = [("x", "1"), ("b-b", "1.0"), ("a", "1")];
        assert_eq!(
            actions(&wheels, &installed, false).expect("no conflict"),
            [
                "Keep a 1->1.0 wheel 2 old []",
                "Replace b-b 1.0->2.0 wheel 1 old [1]",
                "Install c -->1.0 wheel 0 old []",
            ]
        );
        let again = actions(&wheels[2..], &installed, true).expect("no conflict");
        assert_eq!(again, ["Reinstall a 1->1.0 wheel 0 old [2]"]);
    }

    #[test]
    fn a_project_that_is_installed_twice_is_replaced_whole() {
        let found = actions(
            &["a-1.0-py3-none-any.whl"],
            &[("a", "1.0"), ("a", "0.9")],
            false,
        );
        assert_eq!(
            found.expect("no conflict"),
            ["Replace a 1.0->1.0 wheel 0 old [0, 1]"]
        );
    }

    #[test]
    fn projects_that_are_not_named_are_known_and_pip_is_none_of_them() {
        let installed = [
            installed_project("z", "1"),
            installed_project("pip", "24.0"),
            installed_project("b-b", "1"),
            installed_project("a", "1"),
        ];
        let name = |name| ProjectName::parse(name).expect("a name");
        let named = removals(&[name("B_b")], &installed).expect("installed");
        assert_eq!(unnamed(&named, &installed), [name("a"), name("z")]);
    }

    #[test]
    fn the_higher_build_wins_and_two_versions_are_refused() {
        let builds = ["a-1.0-2-py3-none-any.whl", "a-1.0-10-py3-none-any.whl"];
        assert_eq!(
            actions(&builds, &[], false).expect("two builds"),
            ["Install a -->1.0 wheel 1 old []"]
        );
        for other in ["a-2.0-py3-none-any.whl", "a-1.0-py2-none-any.whl"] {
            let error = actions(&["a-1.0-py3-none-any.whl", other], &[], false);
            assert_eq!(error.expect_err("refused").kind(), ErrorKind::Conflict);
        }
    }

    #[test]
    fn every_name_that_is_not_installed_is_in_the_error() {
        let name = |name| ProjectName::parse(name).expect("a name");
        let installed = [installed_project("a", "1")];
        let changes = removals(&[name("A"), name("a")], &installed).expect("installed");
        assert_eq!(changes.len(), 1);
        assert_eq!(
            (changes[0].action, &changes[0].old),
            (Action::Remove, &vec![0])
        );
        let error = removals(&[name("b"), name("a"), name("c")], &installed);
        let text = error.expect_err("not installed").to_string();
        assert!(text.contains('b') && text.contains('c'), "{text}");
    }
}
