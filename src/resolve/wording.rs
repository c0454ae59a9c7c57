//! How requirements and versions read in explanations.
//!
//! Everything here is about versions that exist: ends of ranges that are in no requirement, such as
//! `1.0.post0.dev0`, are never shown.

use super::wanted::{RequirementOrigin, StatedRequirement};
use crate::spec::location::without_credentials;
use crate::spec::requirement::{Requirement, VersionsOrUrl};
use crate::spec::version::Version;

/// A requirement without its marker: `numpy >=1.22, <2.1`.
pub(super) fn requirement(requirement: &Requirement) -> String {
    let mut text = requirement.name.to_string();
    if !requirement.extras.is_empty() {
        text += &format!("[{}]", requirement.extras.join(","));
    }
    match &requirement.wanted {
        VersionsOrUrl::Versions(specifiers) if specifiers.is_empty() => text,
        VersionsOrUrl::Versions(specifiers) => {
            let raw = specifiers.to_string();
            let clauses = raw.split(',').map(|clause| {
                // Spaces inside a clause mean nothing.
                clause.split_whitespace().collect::<String>()
            });
            let clauses: Vec<_> = clauses.filter(|clause| !clause.is_empty()).collect();
            format!("{text} {}", clauses.join(", "))
        }
        VersionsOrUrl::Url(url) => format!("{text} @ {}", without_credentials(url)),
    }
}

/// A requirement of the command with its place: `numpy <2.2 (requirements.in:1)`.
pub(super) fn stated(line: &StatedRequirement) -> String {
    let text = requirement(&line.requirement);
    match line.origin {
        RequirementOrigin::Argument => text,
        _ => format!("{text} ({})", line.origin),
    }
}

/// What the command says about projects: `you want a >1 and a <1 (b.in:1), and allow only a <3`.
pub(super) fn demands(roots: &[&StatedRequirement], constraints: &[&StatedRequirement]) -> String {
    let list = |lines: &[&StatedRequirement]| {
        let lines: Vec<_> = lines.iter().map(|line| stated(line)).collect();
        and(&lines)
    };
    match (roots, constraints) {
        (roots, []) => format!("you want {}", list(roots)),
        ([], constraints) => format!("you allow only {}", list(constraints)),
        (roots, constraints) => {
            format!(
                "you want {}, and allow only {}",
                list(roots),
                list(constraints)
            )
        }
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn and(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Versions in ascending order: the one, both, or the first and the last.
pub(super) fn span(versions: &[&Version]) -> String {
    match versions {
        [] => String::new(),
        [one] => one.to_string(),
        [one, other] => format!("{one} and {other}"),
        [first, .., last] => format!("{first} to {last}"),
    }
}
