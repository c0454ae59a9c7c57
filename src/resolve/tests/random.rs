//! Small random worlds: an answer is found if and only if trying everything finds one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Dependencies, Resolution};
use super::judge;
use super::scenario::Scenario;
use crate::spec::name::ProjectName;
use crate::spec::requirement::Requirement;
use crate::spec::version::Version;

const PROJECTS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A requirement: the project, an operator, and the number of a version.
type Need = (usize, &'static str, usize);

fn need() -> impl Strategy<Value = Need> {
    // Narrow ones, so that there are conflicts enough for several rounds.
    let operator = prop::sample::select(vec!["==", "==", "<=", ">=", "!=", "<", ">"]);
    (0..PROJECTS.len(), operator, 1..=12_usize)
}

/// The versions of a project: whether each is a final release, and what it needs.
fn versions() -> impl Strategy<Value = Vec<(bool, Vec<Need>)>> {
    let is_final = prop::bool::weighted(0.7);
    vec((is_final, vec(need(), 1..3)), 1..=12)
}

/// Later projects need only projects after them, if `is_layered`; otherwise they may go in circles.
fn world() -> impl Strategy<Value = String> {
    let projects = vec(versions(), PROJECTS.len());
    (vec(need(), 1..3), projects, any::<bool>()).prop_map(|(roots, projects, is_layered)| {
        let mut text = "\n".to_owned();
        for (project, operator, number) in roots {
            // A root that has one version or none is no search.
            let operator = if operator == "==" { "<=" } else { operator };
            writeln!(text, "want {}{operator}{number}", PROJECTS[project]).expect("memory");
        }
        for (project, versions) in projects.iter().enumerate() {
            for (place, (is_final, needs)) in versions.iter().enumerate() {
                let suffix = if *is_final { "" } else { "rc1" };
                let name = PROJECTS[project];
                writeln!(text, "have {name} {}{suffix}", place + 1).expect("memory");
                let fits = |need: &&Need| need.0 != project && (!is_layered || need.0 > project);
                for (other, operator, number) in needs.iter().filter(fits) {
                    let other = PROJECTS[*other];
                    writeln!(text, " needs {other}{operator}{number}").expect("memory");
                }
            }
        }
        text
    })
}

/// Whether some versions satisfy all that waits, beside those that were chosen.
fn is_solvable(
    scenario: &Scenario,
    chosen: &mut BTreeMap<ProjectName, Version>,
    mut waiting: Vec<Requirement>,
) -> bool {
    let Some(next) = waiting.pop() else {
        return true;
    };
    let fits = |version: &Version| next.specifiers().is_none_or(|all| all.contains(version));
    if let Some(version) = chosen.get(&next.name) {
        return fits(version) && is_solvable(scenario, chosen, waiting);
    }
    let Some(page) = scenario.memory.pages.get(&next.name) else {
        return false;
    };
    page.keys().filter(|version| fits(version)).any(|version| {
        let key = (next.name.clone(), version.clone());
        let Some(Dependencies::Stated(stated)) = scenario.memory.stated.get(&key) else {
            return false;
        };
        chosen.insert(next.name.clone(), version.clone());
        let mut waiting = waiting.clone();
        waiting.extend(stated.requires.iter().cloned());
        // A contradiction is found early if what is chosen is looked at first.
        waiting.sort_by_key(|one| chosen.contains_key(&one.name));
        let found = is_solvable(scenario, chosen, waiting);
        chosen.remove(&next.name);
        found
    })
}

/// What the judge says, but for the order of preference: a final release may be impossible because
/// of what it needs itself.
fn faults(scenario: &Scenario, answer: &Resolution) -> Vec<String> {
    let faults = judge::faults(scenario, answer).into_iter();
    let faults = faults.filter(|fault| !fault.ends_with("is before a final release"));
    faults.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn an_answer_is_found_if_and_only_if_there_is_one(text in world()) {
        let scenario = Scenario::read(&text);
        let roots = scenario.wanted.roots.iter().map(|line| line.requirement.clone());
        let is_solvable = is_solvable(&scenario, &mut BTreeMap::new(), roots.collect());
        match scenario.solve() {
            Ok(answer) => {
                prop_assert_eq!(faults(&scenario, &answer), Vec::<String>::new(), "{}", text);
            }
            Err(error) => {
                prop_assert!(!is_solvable, "{}: {}", error, text);
            }
        }
    }
}
