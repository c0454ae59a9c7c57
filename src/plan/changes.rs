//! Which projects change: the wheels of the command against what is installed.
//!
//! Input: the wheels in order, what is installed, and whether to reinstall. Output: one [`Change`]
//! a project, sorted by name. Two versions of one project in the input are an error; of two builds
//! of one version the higher wins.

use std::collections::BTreeMap;

use super::{Change, WheelId};
use crate::error::{Error, Result};
use crate::installed::Installed;
use crate::outcome::{Action, Warning};
use crate::spec::name::ProjectName;
use crate::spec::version::Version;
use crate::wheel::Wheel;

/// One change for each project that the wheels are of. Wheels that lose to another build of the
/// same version get none.
///
/// # Errors
/// Where a project is given in two versions, or twice in the same build.
pub fn installs(
    wheels: &[Wheel],
    installed: &[Installed],
    reinstall: bool,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Change>> {
    let mut by_name: BTreeMap<&ProjectName, Vec<usize>> = BTreeMap::new();
    for (number, wheel) in wheels.iter().enumerate() {
        by_name.entry(&wheel.name.name).or_default().push(number);
    }
    let mut changes = Vec::with_capacity(by_name.len());
    for (name, candidates) in by_name {
        let chosen = best_build(wheels, name, &candidates, warnings)?;
        let old: Vec<usize> = (0..installed.len())
            .filter(|&number| installed[number].name == *name)
            .collect();
        changes.push(change(&wheels[chosen], chosen, old, installed, reinstall));
    }
    Ok(changes)
}

/// Of several wheels of one project the one with the highest build tag, if that is all they differ
/// in.
fn best_build(
    wheels: &[Wheel],
    name: &ProjectName,
    candidates: &[usize],
    warnings: &mut Vec<Warning>,
) -> Result<usize> {
    let refuse = || {
        let sources = candidates
            .iter()
            .map(|&number| wheels[number].label.clone())
            .collect();
        Error::two_versions(name.normalized(), sources)
    };
    let mut best = candidates[0];
    for &other in &candidates[1..] {
        let (held, next) = (&wheels[best].name, &wheels[other].name);
        if held.version != next.version || held.build == next.build {
            return Err(refuse());
        }
        if next.build > held.build {
            best = other;
        }
    }
    if candidates.len() > 1 {
        let message = format!(
            "of {} builds of one version the highest is taken",
            candidates.len()
        );
        warnings.push(Warning {
            code: "several-builds",
            wheel: Some(wheels[best].label.clone()),
            message,
        });
    }
    Ok(best)
}

fn change(
    wheel: &Wheel,
    number: usize,
    old: Vec<usize>,
    installed: &[Installed],
    reinstall: bool,
) -> Change {
    let version = wheel.name.version.to_string();
    let same = |number: &usize| {
        let there = &installed[*number];
        Version::parse(&there.version.replace('_', "-"))
            .is_some_and(|there| there == wheel.name.version)
    };
    let action = match old.as_slice() {
        [] => Action::Install,
        [only] if same(only) => {
            if reinstall {
                Action::Reinstall
            } else {
                Action::Keep
            }
        }
        _ => Action::Replace,
    };
    Change {
        action,
        name: wheel.name.name.clone(),
        previous: old.first().map(|&number| installed[number].version.clone()),
        version,
        wheel: Some(WheelId(u32::try_from(number).unwrap_or(u32::MAX))),
        source: Some(wheel.label.clone()),
        old: if action == Action::Keep {
            Vec::new()
        } else {
            old
        },
        files: 0,
        bytes: 0,
    }
}

/// One removal for each name.
///
/// # Errors
/// Where a name is not installed; all such names are in the error.
pub fn removals(names: &[ProjectName], installed: &[Installed]) -> Result<Vec<Change>> {
    let mut changes: BTreeMap<&ProjectName, Change> = BTreeMap::new();
    let mut unknown = Vec::new();
    for name in names {
        let old: Vec<usize> = (0..installed.len())
            .filter(|&number| installed[number].name == *name)
            .collect();
        let Some(&first) = old.first() else {
            unknown.push(name.as_str().to_owned());
            continue;
        };
        let version = installed[first].version.clone();
        let (previous, name) = (Some(version.clone()), name.clone());
        let change = Change {
            action: Action::Remove,
            name,
            version,
            previous,
            wheel: None,
            source: None,
            old,
            files: 0,
            bytes: 0,
        };
        changes.insert(&installed[first].name, change);
    }
    if unknown.is_empty() {
        Ok(changes.into_values().collect())
    } else {
        Err(Error::not_installed(unknown))
    }
}
